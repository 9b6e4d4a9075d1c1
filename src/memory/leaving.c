/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges that are leaving: what the program is about to take away.
 *
 * Why nobody is missed. Who takes away stores its range and then loads the number of
 * pins; who pins stores the number of pins and then loads which places of the list are
 * in use. All four are sequentially consistent, so at least one of the two sees the
 * other. If both do, the one that pins waits, and the other withdraws before it wants
 * any lock.
 *
 * Whoever reads a place's range while it is being written sees one that is too long,
 * never one that is too short: a free place holds all addresses.
 *
 * When all places are taken a range counts as all addresses.
 */
#include "base/pause.h"
#include "memory/owner_private.h"
#include "memory/pin.h"
#include "memory/pin_tree.h"

#define PAGE_MASK 4095ul
#define NO_PLACE  OWNER_LEAVING

void leaving_announce(struct pin_leaving *leaving, struct rf_owner *owner, uintptr_t first,
		      uintptr_t last)
{
	uint64_t used = atomic_load_explicit(&owner->leaving, memory_order_relaxed);
	unsigned slot;

	leaving->owner = owner;
	do {
		if (used == UINT64_MAX) {
			leaving->slot = NO_PLACE;
			atomic_fetch_add(&owner->leaving_more, 1);
			return;
		}
		slot = (unsigned)__builtin_ctzll(~used);
	} while (!atomic_compare_exchange_weak(&owner->leaving, &used, used | 1ull << slot));
	leaving->slot = slot;
	atomic_store_explicit(&owner->leaving_ranges[slot].first, first, memory_order_relaxed);
	atomic_store_explicit(&owner->leaving_ranges[slot].last, last, memory_order_relaxed);
}

void leaving_withdraw(struct pin_leaving *leaving)
{
	struct rf_owner *owner = leaving->owner;
	struct owner_leaving *range;

	if (!owner)
		return;
	leaving->owner = NULL;
	if (leaving->slot == NO_PLACE) {
		atomic_fetch_sub(&owner->leaving_more, 1);
		return;
	}
	range = &owner->leaving_ranges[leaving->slot];
	atomic_store_explicit(&range->first, 0, memory_order_relaxed);
	atomic_store_explicit(&range->last, UINTPTR_MAX, memory_order_relaxed);
	atomic_fetch_and_explicit(&owner->leaving, ~(1ull << leaving->slot), memory_order_release);
}

void leaving_init(struct rf_owner *owner)
{
	for (unsigned i = 0; i < OWNER_LEAVING; i++)
		atomic_init(&owner->leaving_ranges[i].last, UINTPTR_MAX);
}

bool pin_leave_begin(struct pin_leaving *leaving, struct rf_owner *owner, uintptr_t addr,
		     uint64_t len)
{
	uintptr_t last = (addr + len - 1) | PAGE_MASK;
	bool pinned;

	leaving->owner = NULL;
	leaving->holders.list = NULL;
	if (!len || addr & PAGE_MASK || last < addr)
		return false;
	leaving_announce(leaving, owner, addr, last);
	if (__builtin_expect(!atomic_load(&owner->nr_pins), 1))
		return false;
	pthread_mutex_lock(&owner->lock);
	/* what is on the move just now has its pins elsewhere */
	pinned = pin_tree_first(owner, addr, last) ||
		 (owner->moves && owner->move_first <= last && addr <= owner->move_last);
	pthread_mutex_unlock(&owner->lock);
	if (pinned)
		leaving_withdraw(leaving);
	return pinned;
}

void pin_leave_end(struct pin_leaving *leaving)
{
	leaving_withdraw(leaving);
	if (leaving->holders.list) {
		pin_holders_put(&leaving->holders);
		leaving->holders.list = NULL;
	}
}

static bool leaves(const struct rf_owner *owner, unsigned slot, uintptr_t first, uintptr_t last)
{
	const struct owner_leaving *range = &owner->leaving_ranges[slot];

	return atomic_load(&owner->leaving) & 1ull << slot &&
	       atomic_load_explicit(&range->first, memory_order_relaxed) <= last &&
	       first <= atomic_load_explicit(&range->last, memory_order_relaxed);
}

static void settle_slowly(struct rf_owner *owner, uintptr_t first, uintptr_t last)
{
	uint64_t used = atomic_load(&owner->leaving);
	unsigned round = 0;

	for (; used; used &= used - 1)
		while (leaves(owner, (unsigned)__builtin_ctzll(used), first, last))
			pause_round(&round);
	while (atomic_load(&owner->leaving_more))
		pause_round(&round);
}

void pin_settle(struct rf_owner *owner, uintptr_t first, uintptr_t last)
{
	if (__builtin_expect(atomic_load(&owner->leaving) || atomic_load(&owner->leaving_more), 0))
		settle_slowly(owner, first & ~PAGE_MASK, last | PAGE_MASK);
}
