/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The space of PASIDs, and the sets it is divided into.
 *
 * A set whose owner has freed it lives on while PASIDs of it are held. With the last
 * of them its quota goes back, and it is put aside as dead; the next thread that
 * drops the lock outside of a getter waits for finds that may still look at it, and
 * frees it.
 */
#include <assert.h>
#include <errno.h>

#include "base/alloc.h"
#include "base/rcu.h"
#include "pasid/space.h"

int pasid_space_new(struct pasid_space **out)
{
	struct pasid_space *space = alloc_zeroed(sizeof(*space));

	if (!space)
		return -ENOMEM;
	pthread_mutex_init(&space->lock, NULL);
	*out = space;
	return 0;
}

void pasid_space_set_machine(struct pasid_space *space, const struct rf_machine *machine)
{
	space->machine = machine;
}

const struct rf_machine *pasid_set_machine(const struct rf_pasid_set *set)
{
	return set->space->machine;
}

/* A host would keep for ever what its guest does not give back. */
static void space_give_back(struct pasid_space *space, const struct pasid_tables *tables)
{
	if (!space->allocator)
		return;
	for (uint32_t pasid = 1; pasid <= RF_PASID_MAX; pasid++)
		if (ids_test(&tables->ids, pasid))
			space->allocator->free(space->allocator_data, pasid);
}

void pasid_space_free(struct pasid_space *space)
{
	struct pasid_tables *tables;

	if (!space)
		return;
	tables = space_tables(space);
	if (tables)
		space_give_back(space, tables);
	for (unsigned i = 1; tables && i < PASID_SETS; i++)
		alloc_free(atomic_load(&tables->sets[i])); /* the dead ones are there, too */
	alloc_direct_free(tables);
	pthread_mutex_destroy(&space->lock);
	alloc_free(space);
}

/* With the lock held. */
static int space_prepare(struct pasid_space *space)
{
	struct pasid_tables *tables;

	if (space_tables(space))
		return 0;
	tables = alloc_direct(sizeof(*tables));
	if (!tables)
		return -ENOMEM;
	/* not before: with many threads it takes the kernel milliseconds, and most have no sets */
	rcu_init();
	ids_init(&tables->ids);
	atomic_store_explicit(&space->tables, tables, memory_order_release);
	return 0;
}

/* Free what died, once nobody can look at it. */
static void space_bury(struct pasid_space *space)
{
	struct rf_pasid_set *dead, *next;

	if (!atomic_load_explicit(&space->dead, memory_order_relaxed) || rcu_inside())
		return;
	dead = atomic_exchange(&space->dead, NULL);
	rcu_sync();
	for (; dead; dead = next) {
		next = dead->next_dead;
		atomic_store_explicit(&space_tables(space)->sets[dead->index], NULL,
				      memory_order_release);
		alloc_free(dead);
	}
}

void space_unlock(struct pasid_space *space, uint32_t released)
{
	const struct rf_pasid_allocator *allocator = space->allocator;

	if (released && allocator)
		space->busy++;
	pthread_mutex_unlock(&space->lock);
	if (released && allocator) {
		allocator->free(space->allocator_data, released);
		space_lock(space);
		space->busy--;
		pthread_mutex_unlock(&space->lock);
	}
	space_bury(space);
}

static void set_die(struct rf_pasid_set *set)
{
	struct pasid_space *space = set->space;

	space->promised -= set->quota;
	set->next_dead = atomic_load(&space->dead);
	while (!atomic_compare_exchange_weak(&space->dead, &set->next_dead, set))
		;
}

void set_drop(struct rf_pasid_set *set)
{
	set->space->busy--;
	if (!--set->used && set->freed)
		set_die(set);
}

/* The next index that is free, or 0. */
static unsigned space_find_index(struct pasid_space *space)
{
	struct pasid_tables *tables = space_tables(space);

	for (unsigned i = 1; i < PASID_SETS; i++) {
		space->last_index = space->last_index % (PASID_SETS - 1) + 1;
		if (!atomic_load_explicit(&tables->sets[space->last_index], memory_order_acquire))
			return space->last_index;
	}
	return 0;
}

static int set_add(struct pasid_space *space, struct rf_pasid_set *set)
{
	int ret;

	if (set->quota > RF_PASID_MAX - space->promised)
		return -ENOSPC;
	ret = space_prepare(space);
	if (ret)
		return ret;
	set->index = space_find_index(space);
	if (!set->index)
		return -ENOSPC;
	set->entries = space_tables(space)->entries;
	space->promised += set->quota;
	atomic_store_explicit(&space_tables(space)->sets[set->index], set, memory_order_release);
	return 0;
}

int pasid_set_new(struct pasid_space *space, const struct rf_pasid_type *type, const void *owner,
		  uint32_t quota, struct rf_pasid_set **out)
{
	struct rf_pasid_set *set;
	int ret;

	if (!type || !owner || !out || !quota || quota > RF_PASID_MAX)
		return -EINVAL;
	set = alloc_zeroed(sizeof(*set));
	if (!set)
		return -ENOMEM;
	set->space = space;
	set->type = type;
	set->owner = owner;
	set->quota = quota;
	space_lock(space);
	ret = set_add(space, set);
	space_unlock(space, 0);
	if (ret) {
		alloc_free(set);
		return ret;
	}
	*out = set;
	return 0;
}

/*
 * Every PASID is hidden and pinned first, so that the list stays while the lock is
 * dropped after each.
 */
void rf_pasid_set_free(struct rf_pasid_set *set)
{
	struct pasid_space *space;
	uint32_t pasid, next, released;

	if (!set)
		return;
	space = set->space;
	space_lock(space);
	set->used++;
	space->busy++;
	set->freed = true;
	for (pasid = set->first; pasid; pasid = set->entries[pasid].next) {
		if (!entry_check(set, pasid, false))
			entry_hide(set, pasid);
		set->entries[pasid].pins++;
	}
	for (pasid = set->first; pasid; pasid = next) {
		next = set->entries[pasid].next;
		set->entries[pasid].pins--;
		released = entry_settle(set, pasid);
		space_unlock(space, released);
		space_lock(space);
	}
	set_drop(set);
	space_unlock(space, 0);
}

int rf_pasid_set_quota(struct rf_pasid_set *set, uint32_t quota)
{
	struct pasid_space *space;
	int ret = 0;

	if (!set || !quota || quota > RF_PASID_MAX)
		return -EINVAL;
	space = set->space;
	space_lock(space);
	if (quota < set->used)
		ret = -EBUSY;
	else if (quota > RF_PASID_MAX - (space->promised - set->quota))
		ret = -ENOSPC;
	if (!ret) {
		space->promised = space->promised - set->quota + quota;
		set->quota = quota;
	}
	space_unlock(space, 0);
	return ret;
}

uint32_t rf_pasid_set_used(struct rf_pasid_set *set)
{
	uint32_t used;

	if (!set)
		return 0;
	space_lock(set->space);
	used = set->used;
	space_unlock(set->space, 0);
	return used;
}

/* The next that is not freed, from @pasid on; pinned. 0: none. */
static uint32_t set_visit(struct rf_pasid_set *set, uint32_t pasid)
{
	while (pasid && entry_check(set, pasid, false))
		pasid = set->entries[pasid].next;
	if (pasid)
		set->entries[pasid].pins++;
	return pasid;
}

int rf_pasid_for_each(struct rf_pasid_set *set, int (*fn)(void *arg, uint32_t pasid), void *arg)
{
	uint32_t pasid, next, released;
	struct pasid_space *space;
	int ret = 0;

	if (!set || !fn)
		return -EINVAL;
	space = set->space;
	space_lock(space);
	pasid = set_visit(set, set->first);
	space_unlock(space, 0);
	while (pasid) {
		ret = fn(arg, pasid);
		space_lock(space);
		next = ret ? 0 : set_visit(set, set->entries[pasid].next);
		set->entries[pasid].pins--;
		released = entry_settle(set, pasid);
		space_unlock(space, released); /* and perhaps the set is no more */
		pasid = next;
	}
	return ret;
}
