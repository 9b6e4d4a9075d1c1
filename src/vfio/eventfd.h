/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eventfds that a program gave us.
 *
 * Programs close theirs before they tell us, and reuse the number: so each is
 * duplicated, close-on-exec, to a number high up where programs do not look.
 */
#ifndef RF_VFIO_EVENTFD_H
#define RF_VFIO_EVENTFD_H

#include <stdbool.h>
#include <stddef.h>

struct hidden;

/**
 * struct eventfd - our own descriptor of an eventfd; one copy of it is dropped
 * @hidden: the descriptor, which may change its number; NULL: none
 * @blocks: a write may wait, as it was not opened with EFD_NONBLOCK
 */
struct eventfd {
	struct hidden *hidden;
	bool blocks;
};

#define EVENTFD_NO_ID 0u

#define EVENTFD_NONE  ((struct eventfd){ .hidden = NULL })

static inline bool eventfd_there(const struct eventfd *ev)
{
	return ev->hidden != NULL;
}

/*
 * Duplicate the program's @fd. -EBADF where it is no open descriptor, -EINVAL
 * where it is no eventfd; -EMFILE, -ENOMEM. *out untouched on failure.
 */
int eventfd_take(int fd, struct eventfd *out);
/* An eventfd of our own, for waking ourselves. 0 or a negative errno. */
int eventfd_make(struct eventfd *out);
/* Close it, and leave none. */
void eventfd_drop(struct eventfd *ev);

/*
 * Add 1. Never waits: a counter that is full stays full. Any context, signal
 * handlers included. Does nothing where there is none.
 */
void eventfd_signal(const struct eventfd *ev);
/* What it has in common with other descriptors of the same counter; EVENTFD_NO_ID: not told. */
unsigned long eventfd_id(const struct eventfd *ev);
/* Whether the program has closed its last descriptor of it. What other processes have nobody asks. */
bool eventfd_is_orphan(const struct eventfd *ev);
/* Take what has been counted; never waits. */
void eventfd_drain(const struct eventfd *ev);

#endif
