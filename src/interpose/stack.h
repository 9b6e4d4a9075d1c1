/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stacks for device models; see stack.c.
 */
#ifndef RF_INTERPOSE_STACK_H
#define RF_INTERPOSE_STACK_H

#include <stdint.h>
#include <ucontext.h>

/*
 * Call @fn(@uc, @arg) on a stack of the engine's, from a signal handler. If
 * there is no memory for one, on the stack we are on.
 */
long stack_call(long (*fn)(ucontext_t *uc, uintptr_t arg), ucontext_t *uc, uintptr_t arg);

/* In a child of fork: threads that had a stack are not here. */
void stack_abandon(void);

#endif
