/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readiness: what select, poll and epoll see of a descriptor of ours; see ready.c.
 */
#ifndef RF_INTERPOSE_READY_H
#define RF_INTERPOSE_READY_H

#include "base/file.h"

/*
 * A file has got a descriptor, which nobody knows of yet; @peer holds our end. 0,
 * or a negative errno: -ENOMEM, -EMFILE.
 */
int ready_begin(struct file *file, const int *peer);

/* The file was read, written or asked for through @fd: it may be less ready than it was. */
void ready_settle_slow(struct file *file, int fd);

/* Whether that is so: then one byte has to be taken out of the descriptor. */
bool ready_is_stale(struct file *file);

static inline void ready_settle(struct file *file, int fd)
{
	if (__builtin_expect(file->wake != NULL, 0))
		ready_settle_slow(file, fd);
}

#endif
