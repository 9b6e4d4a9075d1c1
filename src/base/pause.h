/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for something that another thread is about to do: spin a little,
 * then give the processor away, then sleep in short naps.
 */
#ifndef RF_BASE_PAUSE_H
#define RF_BASE_PAUSE_H

#include <sched.h>
#include <time.h>

#define PAUSE_SPINS  200u
#define PAUSE_YIELDS 50u

/* One round of waiting; @round starts at 0 and counts them. */
static inline void pause_round(unsigned *round)
{
	unsigned n = (*round)++;

	if (n < PAUSE_SPINS) {
		__builtin_ia32_pause();
	} else if (n < PAUSE_SPINS + PAUSE_YIELDS) {
		sched_yield();
	} else {
		*round = PAUSE_SPINS + PAUSE_YIELDS;
		nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
	}
}

#endif
