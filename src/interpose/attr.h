/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes: files of the session's /sys that do something when written to.
 *
 * One that is opened for writing becomes a memory file of its own, named after
 * it. write(2) on it acts at once and returns what Linux would. A program that
 * writes through stdio does so behind our back, as libc calls itself: those
 * bytes land in the memory file, and the next fflush, fclose, close or dup2 that
 * concerns it acts on them. The memory file is an ordinary descriptor, so it may
 * be copied, inherited and passed on: any process of the session knows it by its
 * name.
 */
#ifndef RF_INTERPOSE_ATTR_H
#define RF_INTERPOSE_ATTR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum attr_state { ATTR_UNKNOWN, ATTR_NONE, ATTR_SOME };

extern atomic_int attr_state;
/* The first question of a process: did it inherit one? */
bool attr_look(void);

/* Whether this process may have an attribute open at all: one load. */
static inline bool attr_any(void)
{
	int state = atomic_load_explicit(&attr_state, memory_order_relaxed);

	return __builtin_expect(state != ATTR_NONE, 0) && (state == ATTR_SOME || attr_look());
}

/*
 * A file of the session was opened for writing: what to use instead of @fd, which
 * is then closed; @fd itself when it is no attribute; or a negative errno.
 */
int attr_open(int fd, int oflags);

/* @fd is an attribute: true, with *ret what write(2) returns, negative errno included. */
bool attr_write(int fd, const void *buf, size_t len, ssize_t *ret);

/* Act on what stdio has left in it. 0, also when it is no attribute, or a negative errno. */
int attr_flush(int fd);

#endif
