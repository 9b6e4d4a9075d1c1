/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that we keep for ourselves, in a process whose numbers belong to
 * the program.
 *
 * They lie high, where they do not disturb the numbers that the program is
 * given, and are close-on-exec. Under the interposer the program can neither
 * close nor use them: it hears of each by hidden_hook. Should the program want
 * one of those numbers for a file of its own (dup2), ours gets another. So a
 * number is looked up for each system call, inside the gate: whoever changes it
 * waits until nobody is. Calls that sleep cannot wait there; they look the number up
 * each time, and live with a call that meets the program's file.
 */
#ifndef RF_BASE_HIDDEN_H
#define RF_BASE_HIDDEN_H

#include <stdbool.h>

#include "base/gate.h"

/**
 * struct hidden - a descriptor of ours; stays where it is in memory while it is open
 * @fd: its number; -1: none
 */
struct hidden {
	int fd;
};

#define HIDDEN_NONE ((struct hidden){ .fd = -1 })

extern struct gate hidden_gate;

static inline unsigned hidden_enter(void)
{
	return gate_enter(&hidden_gate);
}

static inline void hidden_leave(unsigned token)
{
	gate_leave(&hidden_gate, token);
}

/* Stays right until hidden_leave(); -1: none. */
static inline int hidden_number(const struct hidden *h)
{
	return __atomic_load_n(&h->fd, __ATOMIC_ACQUIRE);
}

/* The lowest number that is out of the way: what F_DUPFD_CLOEXEC should ask for. */
int hidden_floor(void);

/* *h is a copy of @fd, out of the way and marked. @fd stays. 0 or a negative errno: *h is none. */
int hidden_copy(struct hidden *h, int fd);

/* The same in the place of @fd, which is closed. If there is no room up there, @fd itself. */
void hidden_keep(struct hidden *h, int fd);

/* Nothing if there is none. */
void hidden_close(struct hidden *h);

/*
 * Who keeps account of numbers: called after one is taken, and instead of closing it.
 * May change it in between, as above. May be NULL.
 */
extern void (*hidden_hook)(struct hidden *h, bool hidden);

#endif
