/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One PASID's life: allocated, referenced, freed, and free again once nothing
 * refers to it.
 *
 * An entry is held by being allocated (its tag is not freed), by references, and by
 * pins. Whoever takes the last of the three away releases it.
 */
#include <errno.h>

#include "pasid/space.h"

/* Change hands: to @index, or to nobody. */
static void entry_tag(struct pasid_entry *entry, uint64_t index, uint64_t freed)
{
	uint64_t tag = atomic_load_explicit(&entry->tag, memory_order_relaxed);
	uint64_t generation = (tag & ~TAG_FREED) + TAG_GENERATION;

	generation &= (1ull << TAG_INDEX_SHIFT) - 1;
	atomic_store_explicit(&entry->tag, index << TAG_INDEX_SHIFT | generation | freed,
			      memory_order_release);
}

static void entry_link(struct rf_pasid_set *set, uint32_t pasid)
{
	struct pasid_entry *entry = &set->entries[pasid];

	entry->prev = set->last;
	entry->next = 0;
	*(set->last ? &set->entries[set->last].next : &set->first) = pasid;
	set->last = pasid;
}

static void entry_unlink(struct rf_pasid_set *set, const struct pasid_entry *entry)
{
	*(entry->prev ? &set->entries[entry->prev].next : &set->first) = entry->next;
	*(entry->next ? &set->entries[entry->next].prev : &set->last) = entry->prev;
}

int entry_check(const struct rf_pasid_set *set, uint32_t pasid, bool freed)
{
	uint64_t tag;

	if (!pasid || pasid > RF_PASID_MAX)
		return -EINVAL;
	tag = atomic_load_explicit(&set->entries[pasid].tag, memory_order_relaxed);
	if (!tag_index(tag))
		return -ENOENT;
	if (tag_index(tag) != set->index)
		return -EACCES;
	return tag & TAG_FREED && !freed ? -ENOENT : 0;
}

void entry_hide(struct rf_pasid_set *set, uint32_t pasid)
{
	struct pasid_entry *entry = &set->entries[pasid];

	entry_tag(entry, set->index, TAG_FREED);
	atomic_store_explicit(&entry->data, NULL, memory_order_release);
}

/* With the lock held. The PASID of an entry that nothing holds any more is free again. */
static void entry_release(struct rf_pasid_set *set, uint32_t pasid)
{
	struct pasid_entry *entry = &set->entries[pasid];

	entry_unlink(set, entry);
	entry_tag(entry, 0, 0);
	ids_give(&space_tables(set->space)->ids, pasid);
	set_drop(set);
}

uint32_t entry_settle(struct rf_pasid_set *set, uint32_t pasid)
{
	struct pasid_entry *entry = &set->entries[pasid];

	if (!(atomic_load_explicit(&entry->tag, memory_order_relaxed) & TAG_FREED) || entry->refs ||
	    entry->pins)
		return 0;
	entry_release(set, pasid);
	return pasid;
}

/* The number is free, and becomes the set's; its quota was charged. */
static void entry_give(struct rf_pasid_set *set, uint32_t pasid, void *data)
{
	struct pasid_entry *entry = &set->entries[pasid];

	ids_take(&space_tables(set->space)->ids, pasid);
	entry->refs = 0;
	entry->pins = 0;
	entry_link(set, pasid);
	atomic_store_explicit(&entry->data, data, memory_order_release);
	entry_tag(entry, set->index, 0);
}

/* With the quota charged and the lock held, which is dropped. */
static int alloc_builtin(struct rf_pasid_set *set, uint32_t min, uint32_t max, void *data,
			 uint32_t *pasid)
{
	uint32_t id = ids_find(&space_tables(set->space)->ids, min, max);

	if (id == IDS_NONE)
		set_drop(set);
	else
		entry_give(set, id, data);
	space_unlock(set->space, 0);
	if (id == IDS_NONE)
		return -ENOSPC;
	*pasid = id;
	return 0;
}

/* Likewise. Nothing is believed of what an allocator says. */
static int alloc_registered(struct rf_pasid_set *set, uint32_t min, uint32_t max, void *data,
			    uint32_t *pasid)
{
	struct pasid_space *space = set->space;
	uint32_t id = 0, back = 0;
	int ret;

	space_unlock(space, 0);
	ret = space->allocator->alloc(space->allocator_data, min, max, &id);
	space_lock(space);
	if (ret > 0 || (!ret && (!id || id > RF_PASID_MAX))) {
		ret = -EIO;
	} else if (!ret && ids_test(&space_tables(space)->ids, id)) {
		ret = -EIO; /* somebody has it; giving it back would take it away */
	} else if (!ret && (id < min || id > max)) {
		ret = -EIO;
		back = id;
	}
	if (!ret)
		entry_give(set, id, data);
	else
		set_drop(set);
	space_unlock(space, back);
	if (!ret)
		*pasid = id;
	return ret;
}

int rf_pasid_alloc(struct rf_pasid_set *set, uint32_t min, uint32_t max, void *data,
		   uint32_t *pasid)
{
	int ret = 0;

	if (!set || !pasid || !min || min > max || max > RF_PASID_MAX)
		return -EINVAL;
	space_lock(set->space);
	if (set->freed)
		ret = -EINVAL;
	else if (set->used >= set->quota)
		ret = -EDQUOT;
	if (ret) {
		space_unlock(set->space, 0);
		return ret;
	}
	set->used++;
	set->space->busy++;
	if (set->space->allocator)
		return alloc_registered(set, min, max, data, pasid);
	return alloc_builtin(set, min, max, data, pasid);
}

int rf_pasid_free(struct rf_pasid_set *set, uint32_t pasid)
{
	uint32_t released = 0;
	int ret;

	if (!set)
		return -EINVAL;
	space_lock(set->space);
	ret = entry_check(set, pasid, false);
	if (!ret) {
		entry_hide(set, pasid);
		released = entry_settle(set, pasid);
	}
	space_unlock(set->space, released);
	return ret;
}

int rf_pasid_set_data(struct rf_pasid_set *set, uint32_t pasid, void *data, void **old)
{
	void *was = NULL;
	int ret;

	if (!set)
		return -EINVAL;
	space_lock(set->space);
	ret = entry_check(set, pasid, false);
	if (!ret)
		was = atomic_exchange_explicit(&set->entries[pasid].data, data,
					       memory_order_acq_rel);
	space_unlock(set->space, 0);
	if (!ret && old)
		*old = was;
	return ret;
}

int rf_pasid_get(struct rf_pasid_set *set, uint32_t pasid)
{
	int ret;

	if (!set)
		return -EINVAL;
	space_lock(set->space);
	ret = entry_check(set, pasid, false);
	if (!ret && set->entries[pasid].refs == UINT32_MAX)
		ret = -EOVERFLOW;
	if (!ret)
		set->entries[pasid].refs++;
	space_unlock(set->space, 0);
	return ret;
}

int rf_pasid_put(struct rf_pasid_set *set, uint32_t pasid)
{
	struct pasid_space *space;
	uint32_t released = 0;
	int ret;

	if (!set)
		return -EINVAL;
	space = set->space;
	space_lock(space);
	ret = entry_check(set, pasid, true);
	if (!ret && !set->entries[pasid].refs)
		ret = -EINVAL;
	if (!ret) {
		set->entries[pasid].refs--;
		released = entry_settle(set, pasid);
	}
	space_unlock(space, released);
	return ret;
}

int pasid_pin(struct rf_pasid_set *set, uint32_t pasid)
{
	int ret;

	space_lock(set->space);
	ret = entry_check(set, pasid, false);
	if (!ret)
		set->entries[pasid].pins++;
	space_unlock(set->space, 0);
	return ret;
}

void pasid_unpin(struct rf_pasid_set *set, uint32_t pasid)
{
	struct pasid_space *space = set->space;
	uint32_t released;

	space_lock(space);
	set->entries[pasid].pins--;
	released = entry_settle(set, pasid);
	space_unlock(space, released);
}
