/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding what belongs to a PASID, without the lock.
 *
 * All of it happens inside an RCU section (base/rcu.h), so neither a set nor what a
 * private pointer leads to can be freed under it. How tag and pointer are read as
 * one is told in space.h.
 */
#include <errno.h>

#include "base/rcu.h"
#include "pasid/space.h"

static void *data_get(void *data, bool (*getter)(void *data))
{
	if (data && getter && !getter(data))
		return NULL;
	return data;
}

void *rf_pasid_find(struct rf_pasid_set *set, uint32_t pasid, bool (*getter)(void *data))
{
	struct pasid_entry *entry;
	uint64_t tag, before;
	void *data = NULL;
	unsigned token;

	if (!set || pasid > RF_PASID_MAX)
		return NULL;
	entry = &set->entries[pasid];
	token = rcu_enter();
	tag = atomic_load_explicit(&entry->tag, memory_order_acquire);
	while (tag_index(tag) == set->index && !(tag & TAG_FREED)) {
		before = tag;
		data = atomic_load_explicit(&entry->data, memory_order_acquire);
		tag = atomic_load_explicit(&entry->tag, memory_order_relaxed);
		if (__builtin_expect(tag == before, 1)) {
			data = data_get(data, getter);
			rcu_leave(token);
			return data;
		}
	}
	rcu_leave(token);
	return NULL;
}

/* Whose the tag says it is, or NULL. Inside a section in which the tag was read. */
static struct rf_pasid_set *tag_set(struct pasid_tables *tables, uint64_t tag)
{
	if (tag & TAG_FREED)
		return NULL;
	return atomic_load_explicit(&tables->sets[tag_index(tag)], memory_order_acquire);
}

void *pasid_find_typed(struct pasid_space *space, const struct rf_pasid_type *type, uint32_t pasid,
		       bool (*getter)(void *data))
{
	struct pasid_tables *tables = space_tables(space);
	struct pasid_entry *entry;
	struct rf_pasid_set *set;
	uint64_t tag, before;
	unsigned token;
	void *data;

	if (!tables || pasid > RF_PASID_MAX)
		return NULL;
	entry = &tables->entries[pasid];
	token = rcu_enter();
	tag = atomic_load_explicit(&entry->tag, memory_order_acquire);
	do {
		before = tag;
		set = tag_set(tables, tag);
		if (!set || set->type != type) {
			rcu_leave(token);
			return NULL;
		}
		data = atomic_load_explicit(&entry->data, memory_order_acquire);
		tag = atomic_load_explicit(&entry->tag, memory_order_acquire);
	} while (tag != before);
	data = data_get(data, getter);
	rcu_leave(token);
	return data;
}

int pasid_check_owner(struct pasid_space *space, uint32_t pasid, const void *owner)
{
	struct pasid_tables *tables = space_tables(space);
	const struct rf_pasid_set *set;
	unsigned token;
	int ret;

	if (!owner || !pasid || pasid > RF_PASID_MAX)
		return -EINVAL;
	if (!tables)
		return -ENOENT;
	token = rcu_enter();
	set = tag_set(tables,
		      atomic_load_explicit(&tables->entries[pasid].tag, memory_order_acquire));
	ret = !set ? -ENOENT : set->owner != owner ? -EACCES : 0;
	rcu_leave(token);
	return ret;
}

int rf_pasid_sync(void)
{
	return rcu_sync();
}
