/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers that the kernel has given out anew; see renew.c.
 */
#ifndef RF_INTERPOSE_RENEW_H
#define RF_INTERPOSE_RENEW_H

#include <stdbool.h>
#include <stdio.h>

#include "interpose/engine.h"

/* The number is not ours any more. errno stays. */
void renew_forget(int fd);

/* libc is about to close a stream: true when it is of a file of ours, and renew_closed() follows. */
bool renew_closing(FILE *stream);
void renew_closed(void);

/* Whether what we take for ours still is; if not, it is no longer taken for that. errno stays. */
bool renew_is_ours(int fd);

/* What a call that makes descriptors has returned. */
static inline int renewed(int fd)
{
	if (__builtin_expect(fd_is_ours(fd), 0))
		renew_forget(fd);
	return fd;
}

#endif
