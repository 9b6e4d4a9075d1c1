/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder tell each other: the space of PASIDs and its sets.
 *
 * An entry for each PASID lies in one array; memory is used where PASIDs are. What
 * finds need is in two words that they read without the lock: the *tag*, which says
 * whose the PASID is, and the private pointer.
 *
 *	tag	63       48 47                              1 0
 *		set's index  generation                       freed
 *
 * An index of 0 is nobody's. Each change of hands makes the generation another, so
 * a find reads tag, pointer, tag, and if the tags are equal the pointer was that
 * set's. It never waits: if they are not, the PASID has just been freed.
 *
 * The order of stores that this needs: a PASID that is taken away has its tag changed
 * first, one that is given has it changed last.
 *
 * Sets are found by their index, and stay until rcu_sync() after their last PASID
 * has gone. An index is used again only then.
 *
 * Locks: space->lock around every change; nothing is called with it held. Order: it
 * comes after a device's.
 */
#ifndef RF_PASID_SPACE_H
#define RF_PASID_SPACE_H

#include <pthread.h>
#include <stdatomic.h>

#include "pasid/ids.h"
#include "pasid/pasid.h"

#define PASID_SETS	(1u << 16)
#define TAG_FREED	1ull
#define TAG_GENERATION	2ull
#define TAG_INDEX_SHIFT 48

/**
 * struct pasid_entry - one PASID
 * @tag: @data: see above
 * @refs: rf_pasid_get()
 * @pins: pasid_pin()
 * @prev: @next: of its set, in the order of allocation; 0: none
 */
struct pasid_entry {
	_Atomic uint64_t tag;
	_Atomic(void *) data;
	uint32_t refs;
	uint32_t pins;
	uint32_t prev;
	uint32_t next;
};

/**
 * struct pasid_tables - what is there once there are sets
 */
struct pasid_tables {
	struct pasid_entry entries[RF_PASID_MAX + 1];
	_Atomic(struct rf_pasid_set *) sets[PASID_SETS]; /* by index; 0 is nobody's */
	struct ids ids;
};

/**
 * struct pasid_space - a machine's PASIDs
 * @machine: whose they are
 * @tables: NULL until the first set
 * @promised: the sum of all quotas
 * @last_index: given to a set
 * @busy: PASIDs that are not free, and calls of the allocator under way
 * @allocator: where numbers come from, with @allocator_data; NULL: @tables->ids
 * @dead: sets to be freed after rcu_sync()
 */
struct pasid_space {
	pthread_mutex_t lock;
	const struct rf_machine *machine;
	_Atomic(struct pasid_tables *) tables;
	uint32_t promised;
	uint32_t last_index;
	uint32_t busy;
	const struct rf_pasid_allocator *allocator;
	void *allocator_data;
	_Atomic(struct rf_pasid_set *) dead;
};

/**
 * struct rf_pasid_set - one set
 * @entries: the space's
 * @index: its place in @space->tables->sets
 * @used: PASIDs of it that are not free, and calls of the allocator for it under way
 * @first: @last: its PASIDs, 0: none
 * @freed: rf_pasid_set_free() has been called
 * @next_dead: in @space->dead
 */
struct rf_pasid_set {
	struct pasid_space *space;
	struct pasid_entry *entries;
	uint64_t index;
	const struct rf_pasid_type *type;
	const void *owner;
	char line[64]; /* what finds read is in no cache line that allocations write */
	uint32_t quota;
	uint32_t used;
	uint32_t first;
	uint32_t last;
	bool freed;
	struct rf_pasid_set *next_dead;
};

static inline uint64_t tag_index(uint64_t tag)
{
	return tag >> TAG_INDEX_SHIFT;
}

static inline struct pasid_tables *space_tables(struct pasid_space *space)
{
	return atomic_load_explicit(&space->tables, memory_order_acquire);
}

static inline void space_lock(struct pasid_space *space)
{
	pthread_mutex_lock(&space->lock);
}

/*
 * Drop the lock, and do what cannot be done with it: give a number back to its
 * allocator (0: none), and free sets.
 */
void space_unlock(struct pasid_space *space, uint32_t released);

/* With the lock held. One of the set is gone, and perhaps the set. */
void set_drop(struct rf_pasid_set *set);
/* -EINVAL, -ENOENT, -EACCES as the public functions. @freed: one that was freed will do. */
int entry_check(const struct rf_pasid_set *set, uint32_t pasid, bool freed);
/* Release it if nothing holds it: the number, to be given to space_unlock(), or 0. */
uint32_t entry_settle(struct rf_pasid_set *set, uint32_t pasid);
/* Found no more; it may still be held. */
void entry_hide(struct rf_pasid_set *set, uint32_t pasid);

#endif
