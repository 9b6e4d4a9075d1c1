/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replacing what is mapped while devices use it.
 *
 * Each page goes from what it was to what it shall be by one store of one slot.
 * Where a slot is covered only partly, what fills it is first put down
 * into a table that says the same, and that table put into the slot; so nobody
 * ever finds a hole. A table that goes whole is left as it is until domain_sync(), as
 * somebody may be on the way through it.
 *
 * Tables: each end of the range needs one a level, which domain_reserve() has seen to.
 *
 * A segment that is cut stays valid, unchanged, until domain_sync(). Slots that
 * name it lie only where it begins and ends, wholly covered ones having leaves:
 * so domain_trim() looks there, and names the piece that is left.
 */
#include <assert.h>

#include "iommu/domain_private.h"

/* What comes into the range: @seg, or nothing. */
struct replacement {
	const struct segment *seg;
	uint64_t leaf;
	struct iommu_range range;
};

/* A table, out of its slot already, that may hold anything. */
static void table_discard(struct domain *domain, struct table *table)
{
	unsigned tables = table->tables;

	for (unsigned i = 0; tables; i++) {
		uint64_t slot = slot_load(table, i);

		if (!slot_is_table(slot))
			continue;
		tables--;
		domain->idle -= !slot_table(slot)->used;
		table_discard(domain, slot_table(slot));
	}
	table->retired = domain->retired;
	domain->retired = table;
	domain->nr_tables--;
}

/* A table in place of what fills slot @i, that says the same. */
static void table_split(struct domain *domain, struct table *table, unsigned i, unsigned shift,
			uint64_t iova)
{
	uint64_t slot = slot_load(table, i);
	struct table *child;

	if (!(slot & SLOT_LEAF)) {
		int ret = table_push_down(domain, table, i, shift, iova);

		assert(!ret);
		(void)ret;
		return;
	}
	child = slab_alloc(&domain->slab);
	assert(child);
	for (unsigned k = 0; k < TABLE_SLOTS; k++)
		slot_store(child, k, slot);
	child->used = TABLE_SLOTS;
	domain->nr_tables++;
	table->tables++;
	slot_store(table, i, (uintptr_t)child | SLOT_TABLE);
}

static void table_replace_whole(struct domain *domain, struct table *table, unsigned i,
				const struct replacement *with)
{
	uint64_t slot = slot_load(table, i);
	uint64_t now = with->leaf ? with->leaf : (uintptr_t)with->seg;
	bool was_used = slot_is_table(slot) ? slot_table(slot)->used : slot;

	slot_store(table, i, now);
	table->used += !!now;
	table->used -= was_used;
	if (slot_is_table(slot)) {
		table->tables--;
		domain->idle -= !was_used;
		table_discard(domain, slot_table(slot));
	}
}

/* Whether slot @i holds nothing, or nothing but a segment that gives way. */
static bool slot_gives_way(uint64_t slot, const struct iommu_range *range)
{
	if (!slot)
		return true;
	return !slot_is_table(slot) && !(slot & SLOT_LEAF) &&
	       slot_segment(slot)->first >= range->first && slot_segment(slot)->last <= range->last;
}

static void table_replace(struct domain *domain, struct table *table, unsigned shift,
			  const struct replacement *with, uint64_t first, uint64_t last);

/* [first, last] lies in slot @i and does not fill it. */
static void table_replace_part(struct domain *domain, struct table *table, unsigned i,
			       unsigned shift, const struct replacement *with, uint64_t first,
			       uint64_t last)
{
	uint64_t slot = slot_load(table, i);
	struct table *child;
	bool was_used;

	if (slot_gives_way(slot, &with->range)) {
		slot_store(table, i, (uintptr_t)with->seg);
		table->used += !!with->seg;
		table->used -= !!slot;
		return;
	}
	if (!slot_is_table(slot))
		table_split(domain, table, i, shift, first);
	child = slot_table(slot_load(table, i));
	was_used = child->used;
	table_replace(domain, child, shift - TABLE_BITS, with, first, last);
	if (was_used && !child->used) {
		table->used--;
		domain->idle++;
	} else if (!was_used && child->used) {
		table->used++;
		domain->idle--;
	}
	if (!child->used && domain->idle > DOMAIN_IDLE) {
		slot_store(table, i, 0);
		table->tables--;
		domain->idle--;
		table_discard(domain, child);
	}
}

static void table_replace(struct domain *domain, struct table *table, unsigned shift,
			  const struct replacement *with, uint64_t first, uint64_t last)
{
	for (;;) {
		uint64_t part_last = slot_clip(first, shift, last);
		unsigned i = slot_index(first, shift);

		if (part_last - first == (1ull << shift) - 1)
			table_replace_whole(domain, table, i, with);
		else
			table_replace_part(domain, table, i, shift, with, first, part_last);
		if (part_last == last)
			return;
		first = part_last + 1;
	}
}

void domain_replace(struct domain *domain, uint64_t first, uint64_t last, const struct segment *seg)
{
	struct replacement with = { seg, seg ? domain_leaf(domain, seg) : 0, { first, last } };
	uint64_t top = (uint64_t)TABLE_SLOTS << domain->root_shift;

	/* beyond the tree there is nothing; of the widest tree top is 0 */
	if (top && first >= top)
		return;
	if (top && last >= top)
		last = top - 1;
	table_replace(domain, &domain->root, domain->root_shift, &with, first, last);
	if (domain_tracks_dirty(domain))
		dirty_clear(domain->dirty, first, last);
}

bool domain_can_cut(struct domain *domain, const struct segment *seg)
{
	return domain_leaf(domain, seg);
}

void domain_trim(struct domain *domain, const struct segment *old, const struct segment *piece)
{
	uint64_t edge = piece->first == old->first ? old->first : old->last;
	struct table *table = &domain->root;

	for (unsigned shift = domain->root_shift;; shift -= TABLE_BITS) {
		unsigned i = slot_index(edge, shift);
		uint64_t slot = slot_load(table, i);

		if (!slot_is_table(slot)) {
			if (slot == (uintptr_t)old)
				slot_store(table, i, (uintptr_t)piece);
			return;
		}
		table = slot_table(slot);
	}
}
