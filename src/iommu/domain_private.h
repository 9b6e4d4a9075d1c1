/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a domain is made of, for domain.c, where it is explained, and
 * domain_replace.c.
 */
#ifndef RF_IOMMU_DOMAIN_PRIVATE_H
#define RF_IOMMU_DOMAIN_PRIVATE_H

#include <pthread.h>

#include "base/alloc.h"
#include "iommu/dirty.h"
#include "iommu/domain.h"

#define PAGE_SHIFT	 12
#define LOWEST_SHIFT	 3
#define TABLE_BITS	 9
#define TABLE_SLOTS	 (1u << TABLE_BITS)
#define DOMAIN_IDLE	 64
#define DOMAIN_OWNERS	 256

#define SLOT_TABLE	 1ull
#define SLOT_LEAF	 2ull
#define SLOT_PROT_SHIFT	 2
#define SLOT_OWNER_SHIFT 4
#define SLOT_DISTANCE	 (~0ull << PAGE_SHIFT)

struct table {
	_Atomic uint64_t slots[TABLE_SLOTS];
	struct table *retired; /* the next one in domain->retired */
	uint32_t used; /* slots that hold something */
	uint32_t tables; /* slots that hold a table */
};

/* A device, by its gate, and how often it is attached: with PASIDs, more than once. */
struct gate_use {
	struct gate *gate;
	unsigned users;
};

struct domain {
	atomic_bool tracking; /* first: see domain_tracks_dirty() */
	_Alignas(64) struct table root;
	struct dirty *dirty; /* or NULL: it cannot */
	atomic_bool small; /* see domain_set_small() */
	unsigned root_shift;
	unsigned nr_owners;
	struct rf_owner *owners[DOMAIN_OWNERS];
	const struct iommu_kind *kind;
	struct slab slab; /* tables; free ones are all zero */
	struct table *retired; /* out of the tree; readers may be in them */
	unsigned idle; /* empty tables in the tree */
	uint64_t nr_tables;

	pthread_mutex_t gates_lock;
	struct gate_use *gates;
	unsigned nr_gates;
	unsigned max_gates;
};

/* A range on its way down, and the segment it belongs to. */
struct entry {
	const struct segment *seg;
	uint64_t leaf; /* the word of a leaf; 0: cannot be one */
};

static inline bool slot_is_table(uint64_t slot)
{
	return slot & SLOT_TABLE;
}

static inline struct table *slot_table(uint64_t slot)
{
	return (struct table *)(uintptr_t)(slot - SLOT_TABLE);
}

static inline const struct segment *slot_segment(uint64_t slot)
{
	return (const struct segment *)(uintptr_t)slot;
}

static inline uint64_t slot_load(struct table *table, unsigned i)
{
	return atomic_load_explicit(&table->slots[i], memory_order_relaxed);
}

static inline void slot_store(struct table *table, unsigned i, uint64_t slot)
{
	atomic_store_explicit(&table->slots[i], slot, memory_order_release);
}

static inline unsigned slot_index(uint64_t iova, unsigned shift)
{
	return (iova >> shift) & (TABLE_SLOTS - 1);
}

/* The last address of the slot that holds @iova, but at most @last. */
static inline uint64_t slot_clip(uint64_t iova, unsigned shift, uint64_t last)
{
	uint64_t slot_last = iova | ((1ull << shift) - 1);

	return slot_last < last ? slot_last : last;
}

/* The word of a leaf of @seg, or 0 if it needs what a leaf cannot say. */
uint64_t domain_leaf(struct domain *domain, const struct segment *seg);
/* A table in place of the segment in slot @i, which goes down into it: 0 or -ENOMEM. */
int table_push_down(struct domain *domain, struct table *table, unsigned i, unsigned shift,
		    uint64_t iova);

#endif
