/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose engine this memory holds: see fork.c.
 */
#ifndef RF_INTERPOSE_FORK_H
#define RF_INTERPOSE_FORK_H

#include <stdbool.h>

/* The engine is about to be used for the first time in this process. 0 or a negative errno. */
int fork_watch(void);

/* If this is a child with its parent's engine, drop that: one load otherwise. */
void fork_settle(void);

/*
 * Whether this is the engine's own process, rather than a child of vfork that
 * borrows its memory but has descriptors of its own. A system call.
 */
bool fork_here(void);

#endif
