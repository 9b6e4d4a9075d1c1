/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When to poll a device's doorbells, and when to leave them trapping. A
 * decision, without a clock or a thread of its own; see doorbell_policy.c.
 */
#ifndef RF_INTERPOSE_DOORBELL_POLICY_H
#define RF_INTERPOSE_DOORBELL_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum doorbell_choice {
	DOORBELL_AUTO, /* whatever gets more done */
	DOORBELL_ALWAYS, /* poll from the first trap until idle */
	DOORBELL_NEVER,
};

enum doorbell_mode {
	DOORBELL_INLINE, /* every store traps */
	DOORBELL_TRIAL, /* polled, to see whether that is better */
	DOORBELL_POLLED, /* polled, as it is */
};

/* All times in ns. Work is whatever grows as the device gets things done. */
#define DOORBELL_BURST	     32u /* traps in a window that make a trial worth while */
#define DOORBELL_WINDOW	     500000u /* how long a rate is measured */
#define DOORBELL_IDLE	     100000u /* without a doorbell: stop polling */
#define DOORBELL_STRETCH     64000000u /* how long polling goes unquestioned */
#define DOORBELL_BACKOFF     2000000u /* after the first failed trial; doubles */
#define DOORBELL_BACKOFF_MAX 256000000u

/**
 * struct doorbell_policy - what is known of one device; zeroed to begin with
 * @mode: what is going on
 * @since: start of the window; 0: begins with the next call
 * @work: at its start
 * @traps: in it
 * @inline_rate: work per ns, when stores last trapped
 * @retry_at: no trial before
 * @backoff: how long after the next failed trial
 * @failed_rate: work per ns inline, when a trial last failed
 * @polled_since: when polling began
 * @found_at: when a doorbell was last found
 */
struct doorbell_policy {
	enum doorbell_choice choice;
	enum doorbell_mode mode;
	uint64_t since;
	uint64_t work;
	unsigned traps;
	double inline_rate;
	uint64_t retry_at;
	uint64_t backoff;
	double failed_rate;
	uint64_t polled_since;
	uint64_t found_at;
};

/* A doorbell trapped and was served. True: open the pages and poll. */
bool doorbell_policy_rung(struct doorbell_policy *p, uint64_t now, uint64_t work);
/* The poller looked once; @found: there was something. True: close the pages and stop. */
bool doorbell_policy_looked(struct doorbell_policy *p, uint64_t now, uint64_t work, bool found);
/* Polling ended for another reason. */
void doorbell_policy_stopped(struct doorbell_policy *p);

#endif
