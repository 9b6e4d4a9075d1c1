/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What type1 counts as locked memory.
 *
 * Pages are counted by whoever mapped them: each process has its own count, over all
 * containers, and that is lowered whoever unmaps. Pages of BARs are no memory and count
 * nothing; where a mapping has some, how many is kept until it goes, as the BAR may be
 * elsewhere by then. There are few of these.
 *
 * Against the host's limit stands what the program has locked by itself, too: one count
 * on Linux. (That its mlock() fails for what is mapped is not to be had.)
 *
 * Without a limit nothing is counted.
 *
 * Locks: the container's, held by every caller. Counts are shared by containers.
 */
#include <errno.h>
#include <stdlib.h>

#include "ioas/ioas.h"
#include "memory/limit.h"
#include "memory/owner.h"
#include "vfio/container.h"

struct locked_except {
	uint64_t first;
	uint64_t bytes;
};

static bool type1_counts(const struct type1 *t)
{
	return t->options->memlock != LIMIT_NONE;
}

static int except_add(struct type1 *t, uint64_t first, uint64_t bytes)
{
	if (t->nr_excepts == t->max_excepts) {
		size_t max = t->max_excepts ? t->max_excepts * 2 : 16;
		struct locked_except *grown = realloc(t->excepts, max * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->excepts = grown;
		t->max_excepts = max;
	}
	t->excepts[t->nr_excepts++] = (struct locked_except){ first, bytes };
	return 0;
}

/* Bytes that the mapping at @first does not count; they are forgotten. */
static uint64_t except_take(struct type1 *t, uint64_t first)
{
	for (size_t i = 0; i < t->nr_excepts; i++) {
		uint64_t bytes = t->excepts[i].bytes;

		if (t->excepts[i].first != first)
			continue;
		t->excepts[i] = t->excepts[--t->nr_excepts];
		return bytes;
	}
	return 0;
}

/* -ENOMEM when @bytes more are beyond the limit of this moment. */
static int locked_add(const struct type1 *t, struct rf_owner *owner, uint64_t bytes)
{
	_Atomic uint64_t *locked = owner_locked(owner);
	uint64_t limit = limit_now(t->options->memlock), before = atomic_load(locked);

	if (t->options->memlock == LIMIT_HOST && limit != LIMIT_NONE) {
		uint64_t others = owner_mlocked(owner);

		limit = others < limit ? limit - others : 0;
	}
	do {
		if (bytes > limit || before > limit - bytes)
			return -ENOMEM;
	} while (!atomic_compare_exchange_weak(locked, &before, before + bytes));
	return 0;
}

int type1_charge(struct type1 *t, struct rf_owner *owner, uint64_t first, uintptr_t addr,
		 uint64_t bytes)
{
	uint64_t except;

	if (!type1_counts(t))
		return 0;
	except = owner_device_bytes(owner, addr, bytes);
	if (except < bytes && locked_add(t, owner, bytes - except))
		return -ENOMEM;
	if (except && except_add(t, first, except)) {
		atomic_fetch_sub(owner_locked(owner), bytes - except);
		return -ENOMEM;
	}
	return 0;
}

void type1_uncharge(struct type1 *t, struct rf_owner *owner, uint64_t first, uint64_t bytes)
{
	if (type1_counts(t))
		atomic_fetch_sub(owner_locked(owner), bytes - except_take(t, first));
}

void type1_uncharge_range(struct type1 *t, uint64_t first, uint64_t last)
{
	struct area_info area;

	while (type1_counts(t) && ioas_find_first(t->ioas, first, last, &area)) {
		type1_uncharge(t, area.owner, area.first, area.last - area.first + 1);
		if (area.last >= last)
			break;
		first = area.last + 1;
	}
}
