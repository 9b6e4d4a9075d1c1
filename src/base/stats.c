/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where this process counts: a block of its own until the session gives it one.
 * What was counted privately before then is carried over; what was counted in
 * another shared block stays there (after fork that is the parent's).
 */
#include "base/stats.h"

#include <stddef.h>

static struct stats stats_private = { .magic = STATS_MAGIC };
static _Atomic(struct stats *) stats_current = &stats_private;

struct stats *stats(void)
{
	return atomic_load_explicit(&stats_current, memory_order_relaxed);
}

void stats_use(struct stats *shared)
{
	struct stats *own = &stats_private;
	_Atomic uint64_t *from = &own->maps;
	_Atomic uint64_t *to = &shared->maps;
	size_t nr = (sizeof(*own) - offsetof(struct stats, maps)) / sizeof(*from);

	if (stats() == own) {
		for (size_t i = 0; i < nr; i++) {
			stats_add(&to[i], atomic_load_explicit(&from[i], memory_order_relaxed));
			atomic_store_explicit(&from[i], 0, memory_order_relaxed);
		}
	}
	shared->magic = STATS_MAGIC;
	atomic_store_explicit(&stats_current, shared, memory_order_release);
}
