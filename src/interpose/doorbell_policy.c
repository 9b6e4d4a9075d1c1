/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A trap costs 2 us of the driver's thread, and then the model runs there: the
 * completion is at hand when the store returns, and nobody was woken. Polling
 * costs the driver nothing, but a processor, and completions arrive from another
 * one. Which is better depends on the depth of the queues, on the size of the
 * transfers and on what else the machine does, so it is measured:
 *
 *	INLINE	many traps in a short time: note the rate of work, open the
 *		pages, and go to TRIAL
 *	TRIAL	after one window: clearly better: POLLED; else back, and not
 *		again before a time that doubles with every failure, unless the
 *		rate inline shows that the load is another one
 *	POLLED	every window: no better than inline was: back. No doorbell for
 *		a while: back too. After a stretch, back for one burst, as the rate
 *		to compare with grows old
 */
#include "interpose/doorbell_policy.h"

/* A trial must win by this much. */
#define MARGIN 1.2
/* As much faster or slower, it is another load. */
#define CHANGE 1.5

static double rate(const struct doorbell_policy *p, uint64_t now, uint64_t work)
{
	return now > p->since ? (double)(work - p->work) / (double)(now - p->since) : 0;
}

static void window_begin(struct doorbell_policy *p, uint64_t now, uint64_t work)
{
	p->since = now;
	p->work = work;
}

void doorbell_policy_stopped(struct doorbell_policy *p)
{
	p->mode = DOORBELL_INLINE;
	p->traps = 0;
	p->since = 0;
}

static void poll_begin(struct doorbell_policy *p)
{
	p->mode = DOORBELL_TRIAL;
	p->traps = 0;
	p->since = 0;
}

/* Another load than the one that polling was no good for. */
static bool load_changed(const struct doorbell_policy *p)
{
	return p->inline_rate > p->failed_rate * CHANGE || p->inline_rate * CHANGE < p->failed_rate;
}

bool doorbell_policy_rung(struct doorbell_policy *p, uint64_t now, uint64_t work)
{
	if (p->mode != DOORBELL_INLINE || p->choice == DOORBELL_NEVER)
		return false;
	if (p->choice == DOORBELL_ALWAYS) {
		poll_begin(p);
		return true;
	}
	if (!p->traps || now - p->since > DOORBELL_WINDOW) {
		window_begin(p, now, work);
		p->traps = 1;
		return false;
	}
	if (++p->traps < DOORBELL_BURST)
		return false;
	p->inline_rate = rate(p, now, work);
	p->traps = 0;
	if (now < p->retry_at) {
		if (!load_changed(p))
			return false;
		p->backoff = 0;
	}
	poll_begin(p);
	return true;
}

/* Polling was no good. */
static bool give_up(struct doorbell_policy *p, uint64_t now)
{
	if (!p->backoff)
		p->backoff = DOORBELL_BACKOFF;
	p->failed_rate = p->inline_rate;
	p->retry_at = now + p->backoff;
	p->backoff = p->backoff * 2 < DOORBELL_BACKOFF_MAX ? p->backoff * 2 : DOORBELL_BACKOFF_MAX;
	doorbell_policy_stopped(p);
	return true;
}

bool doorbell_policy_looked(struct doorbell_policy *p, uint64_t now, uint64_t work, bool found)
{
	bool trial = p->mode == DOORBELL_TRIAL;

	if (!p->since) {
		window_begin(p, now, work);
		p->polled_since = now;
		p->found_at = now;
	}
	if (found)
		p->found_at = now;
	if (now - p->found_at > DOORBELL_IDLE) {
		if (trial)
			return give_up(p, now);
		doorbell_policy_stopped(p);
		return true;
	}
	if (now - p->since < DOORBELL_WINDOW || p->choice == DOORBELL_ALWAYS)
		return false;
	if (rate(p, now, work) < p->inline_rate * (trial ? MARGIN : 1))
		return give_up(p, now);
	p->mode = DOORBELL_POLLED;
	p->backoff = DOORBELL_BACKOFF;
	window_begin(p, now, work);
	if (now - p->polled_since < DOORBELL_STRETCH)
		return false;
	doorbell_policy_stopped(p);
	return true;
}
