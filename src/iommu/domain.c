/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains: a radix tree from IOVA to an owner's address.
 *
 * Each table has 512 slots; a slot of the lowest usual one covers 4 KiB, of the
 * next 2 MiB, 1 GiB, 512 GiB and so on up to the width of the aperture. A slot is
 * one word that readers load once, and its low bits say what it is:
 *
 *	0			 nothing
 *	................1	 a table of the next lower level
 *	...............00	 a struct segment that covers part of the slot
 *	distance | owner | WR10	 a leaf: all of the slot lies at iova + distance
 *
 * A leaf stores the distance, not the address, so it needs only the IOVA
 * aligned to its slot, whatever the memory's alignment: 1 TiB takes two leaves
 * if its IOVA is aligned, a thousand or so if not. The distance has page
 * granularity and the owner is an index of eight bits into the domain's table;
 * what does not fit (unaligned memory, a 257th owner) is entered as a segment.
 *
 * A segment that covers a slot only partly is entered as itself where it is the
 * only one: a lonely mapping costs no table, however sparse they lie. Once a
 * second one comes to the same slot a table is put there, and the first is
 * pushed down into it. That needs no further table: each slot of the new one is
 * covered wholly (a leaf) or partly (again the segment).
 *
 * Mappings smaller than 4 KiB are no special case: the rule puts another table,
 * with slots of 8 bytes, below a slot of 4 KiB that two of them share.
 *
 * What is mapped can be replaced, and cut, without a hole: domain_replace.c.
 *
 * Empty tables stay where they are, up to DOMAIN_IDLE of them, which makes
 * pairs of map and unmap fast; more are taken out when they get empty, and used
 * again after domain_sync(). A table's used counts slots that hold anything,
 * not counting empty tables.
 *
 * Locks: writers hold the lock of the address space. Readers take none: slots
 * are published with release stores, and no table or segment goes away before
 * domain_sync() has waited for every gate. The list of gates has a lock of its
 * own, innermost.
 */
#include "iommu/domain_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "iommu/dirty.h"

int domain_new(const struct iommu_kind *kind, struct domain **out)
{
	struct domain *domain = alloc_direct(sizeof(*domain));

	if (!domain)
		return -ENOMEM;
	domain->kind = kind;
	domain->root_shift = PAGE_SHIFT + TABLE_BITS;
	while (domain->root_shift + TABLE_BITS < 64 &&
	       kind->aperture.last >> (domain->root_shift + TABLE_BITS))
		domain->root_shift += TABLE_BITS;
	slab_init(&domain->slab, (sizeof(struct table) + 63) & ~63ul, 256 << 10);
	pthread_mutex_init(&domain->gates_lock, NULL);
	*out = domain;
	return 0;
}

void domain_free(struct domain *domain)
{
	assert(!domain->nr_gates);
	dirty_free(domain->dirty);
	slab_destroy(&domain->slab);
	pthread_mutex_destroy(&domain->gates_lock);
	alloc_direct_free(domain->gates);
	alloc_direct_free(domain);
}

const struct iommu_kind *domain_kind(const struct domain *domain)
{
	return domain->kind;
}

uint64_t domain_nr_tables(const struct domain *domain)
{
	return domain->nr_tables;
}

uint64_t domain_leaf(struct domain *domain, const struct segment *seg)
{
	uint64_t distance = seg->addr - seg->first;
	unsigned owner;

	if (distance & ~SLOT_DISTANCE || seg->prot & ~(RF_READ | RF_WRITE))
		return 0;
	for (owner = 0; owner < domain->nr_owners; owner++)
		if (domain->owners[owner] == seg->owner)
			break;
	if (owner == DOMAIN_OWNERS)
		return 0;
	if (owner == domain->nr_owners)
		__atomic_store_n(&domain->owners[domain->nr_owners++], seg->owner,
				 __ATOMIC_RELEASE);
	return distance | (uint64_t)owner << SLOT_OWNER_SHIFT |
	       (uint64_t)seg->prot << SLOT_PROT_SHIFT | SLOT_LEAF;
}

/* Take an empty table, out of its slot already, and the empty ones below it out of use. */
static void table_retire(struct domain *domain, struct table *table)
{
	assert(!table->used);
	for (unsigned i = 0; table->tables; i++) {
		uint64_t slot = slot_load(table, i);

		if (!slot_is_table(slot))
			continue;
		slot_store(table, i, 0);
		table->tables--;
		domain->idle--;
		table_retire(domain, slot_table(slot));
	}
	table->retired = domain->retired;
	domain->retired = table;
	domain->nr_tables--;
}

static int table_map(struct domain *domain, struct table *table, unsigned shift,
		     const struct entry *entry, uint64_t first, uint64_t last);

int table_push_down(struct domain *domain, struct table *table, unsigned i, unsigned shift,
		    uint64_t iova)
{
	const struct segment *seg = slot_segment(slot_load(table, i));
	struct entry entry = { seg, domain_leaf(domain, seg) };
	uint64_t slot_first = iova & ~((1ull << shift) - 1);
	struct table *child = slab_alloc(&domain->slab);

	if (!child)
		return -ENOMEM;
	domain->nr_tables++;
	table_map(domain, child, shift - TABLE_BITS, &entry,
		  seg->first > slot_first ? seg->first : slot_first,
		  slot_clip(slot_first, shift, seg->last));
	slot_store(table, i, (uintptr_t)child | SLOT_TABLE);
	table->tables++;
	return 0;
}

/* Enter [first, last], which lies in slot @i of @table and does not fill it or cannot be a leaf. */
static int table_map_part(struct domain *domain, struct table *table, unsigned i, unsigned shift,
			  const struct entry *entry, uint64_t first, uint64_t last)
{
	uint64_t slot = slot_load(table, i);
	struct table *child;
	bool was_used;
	int ret;

	if (!slot) {
		slot_store(table, i, (uintptr_t)entry->seg);
		table->used++;
		return 0;
	}
	if (!slot_is_table(slot)) {
		ret = table_push_down(domain, table, i, shift, first);
		if (ret)
			return ret;
		slot = slot_load(table, i);
	}
	child = slot_table(slot);
	was_used = child->used;
	ret = table_map(domain, child, shift - TABLE_BITS, entry, first, last);
	if (!was_used && child->used) {
		domain->idle--;
		table->used++;
	}
	return ret;
}

/* Fill slot @i; an empty table may still hang there. */
static void table_map_whole(struct domain *domain, struct table *table, unsigned i,
			    const struct entry *entry)
{
	uint64_t slot = slot_load(table, i);

	slot_store(table, i, entry->leaf ? entry->leaf : (uintptr_t)entry->seg);
	table->used++;
	if (slot) {
		assert(slot_is_table(slot));
		table->tables--;
		domain->idle--;
		table_retire(domain, slot_table(slot));
	}
}

static int table_map(struct domain *domain, struct table *table, unsigned shift,
		     const struct entry *entry, uint64_t first, uint64_t last)
{
	for (;;) {
		uint64_t part_last = slot_clip(first, shift, last);
		unsigned i = slot_index(first, shift);

		if (part_last - first == (1ull << shift) - 1) {
			table_map_whole(domain, table, i, entry);
		} else {
			int ret = table_map_part(domain, table, i, shift, entry, first, part_last);

			if (ret)
				return ret;
		}
		if (part_last == last)
			return 0;
		first = part_last + 1;
	}
}

int domain_map(struct domain *domain, const struct segment *seg)
{
	struct entry entry = { seg, domain_leaf(domain, seg) };
	int ret;

	assert(!((seg->first | (seg->last + 1)) & ((1u << LOWEST_SHIFT) - 1)));
	assert(seg->last >> domain->root_shift < TABLE_SLOTS);
	ret = table_map(domain, &domain->root, domain->root_shift, &entry, seg->first, seg->last);
	if (ret) {
		domain_unmap(domain, seg->first, seg->last);
		domain_sync(domain);
	}
	return ret;
}

/*
 * Empty the slots of [first, last]. @range is the whole that is unmapped: a
 * segment that is not inside it is another's, and stays.
 */
static void table_unmap(struct domain *domain, struct table *table, unsigned shift,
			const struct iommu_range *range, uint64_t first, uint64_t last)
{
	for (;;) {
		uint64_t part_last = slot_clip(first, shift, last);
		unsigned i = slot_index(first, shift);
		uint64_t slot = slot_load(table, i);

		if (slot_is_table(slot)) {
			struct table *child = slot_table(slot);

			if (child->used) {
				table_unmap(domain, child, shift - TABLE_BITS, range, first,
					    part_last);
				if (!child->used) {
					table->used--;
					domain->idle++;
				}
			}
			if (!child->used && domain->idle > DOMAIN_IDLE) {
				slot_store(table, i, 0);
				table->tables--;
				domain->idle--;
				table_retire(domain, child);
			}
		} else if (slot &&
			   (slot & SLOT_LEAF || (slot_segment(slot)->first >= range->first &&
						 slot_segment(slot)->last <= range->last))) {
			slot_store(table, i, 0);
			table->used--;
		}
		if (part_last == last || !table->used)
			return;
		first = part_last + 1;
	}
}

void domain_unmap(struct domain *domain, uint64_t first, uint64_t last)
{
	struct iommu_range range = { first, last };
	uint64_t top = (uint64_t)TABLE_SLOTS << domain->root_shift;

	/* beyond the tree there is nothing; of the widest tree top is 0 */
	if (top && first >= top)
		return;
	if (top && last >= top)
		last = top - 1;
	table_unmap(domain, &domain->root, domain->root_shift, &range, first, last);
	if (domain_tracks_dirty(domain))
		dirty_clear(domain->dirty, first, last);
}

void domain_sync(struct domain *domain)
{
	pthread_mutex_lock(&domain->gates_lock);
	for (unsigned i = 0; i < domain->nr_gates; i++)
		gate_sync(domain->gates[i].gate);
	pthread_mutex_unlock(&domain->gates_lock);

	while (domain->retired) {
		struct table *table = domain->retired;

		domain->retired = table->retired;
		if (table->used || table->tables)
			memset(table, 0, sizeof(*table));
		table->retired = NULL;
		slab_free(&domain->slab, table);
	}
}

int domain_reserve(struct domain *domain, unsigned cuts)
{
	unsigned levels = (domain->root_shift - PAGE_SHIFT) / TABLE_BITS;

	if (iommu_kind_page(domain->kind) < 1u << PAGE_SHIFT)
		levels++;
	return slab_reserve(&domain->slab, (size_t)cuts * levels);
}

void domain_unreserve(struct domain *domain)
{
	slab_unreserve(&domain->slab);
}

static inline uint64_t slot_read(const struct table *table, uint64_t iova, unsigned shift)
{
	return atomic_load_explicit(&table->slots[slot_index(iova, shift)], memory_order_acquire);
}

/* What @slot, which is no table, says of @iova. */
static inline __attribute__((always_inline)) int slot_translate(const struct domain *domain,
								uint64_t slot, unsigned shift,
								uint64_t iova, uint32_t prot,
								struct translation *out)
{
	uint64_t leaf = (uint64_t)prot << SLOT_PROT_SHIFT | SLOT_LEAF;
	const struct segment *seg;

	if ((slot & leaf) == leaf) {
		out->addr = iova + (slot & SLOT_DISTANCE);
		out->length = (~iova & ((1ull << shift) - 1)) + 1;
		out->owner = domain->owners[slot >> SLOT_OWNER_SHIFT & (DOMAIN_OWNERS - 1)];
		return 0;
	}
	if (!slot || slot & SLOT_LEAF)
		return -EFAULT;
	seg = slot_segment(slot);
	if (iova < seg->first || iova > seg->last || prot & ~seg->prot)
		return -EFAULT;
	out->addr = seg->addr + (iova - seg->first);
	out->length = seg->last - iova + 1;
	out->owner = seg->owner;
	return 0;
}

/* A slot of 4 KiB: mostly a leaf, and seldom a table. */
static inline __attribute__((always_inline)) int slot_translate_lowest(const struct domain *domain,
								       uint64_t slot, uint64_t iova,
								       uint32_t prot,
								       struct translation *out)
{
	if (__builtin_expect(slot_is_table(slot), 0))
		return slot_translate(domain, slot_read(slot_table(slot), iova, LOWEST_SHIFT),
				      LOWEST_SHIFT, iova, prot, out);
	return slot_translate(domain, slot, PAGE_SHIFT, iova, prot, out);
}

int domain_translate(const struct domain *domain, uint64_t iova, uint32_t prot,
		     struct translation *out)
{
	const struct table *table = &domain->root;
	unsigned shift = domain->root_shift;
	uint64_t slot;

	if (iova >> shift >= TABLE_SLOTS)
		return -EFAULT;

/* One level down; spelled out below so that the usual levels have constant shifts. */
#define TRANSLATE_LEVEL(level_shift)                                                       \
	do {                                                                               \
		slot = slot_read(table, iova, level_shift);                                \
		if (!slot_is_table(slot))                                                  \
			return slot_translate(domain, slot, level_shift, iova, prot, out); \
		table = slot_table(slot);                                                  \
	} while (0)

	for (; shift > 39; shift -= TABLE_BITS)
		TRANSLATE_LEVEL(shift);
	if (shift == 39)
		TRANSLATE_LEVEL(39);
	if (shift >= 30)
		TRANSLATE_LEVEL(30);
	TRANSLATE_LEVEL(21);
#undef TRANSLATE_LEVEL
	return slot_translate_lowest(domain, slot_read(table, iova, PAGE_SHIFT), iova, prot, out);
}

void domain_set_small(struct domain *domain, bool small)
{
	atomic_store_explicit(&domain->small, small, memory_order_relaxed);
}

bool domain_is_small(const struct domain *domain)
{
	return atomic_load_explicit(&domain->small, memory_order_relaxed);
}

int domain_enable_dirty_tracking(struct domain *domain)
{
	domain->dirty = dirty_new(domain);
	return domain->dirty ? 0 : -ENOMEM;
}

int domain_set_dirty_tracking(struct domain *domain, bool enable)
{
	if (!domain->dirty)
		return -EOPNOTSUPP;
	if (enable)
		dirty_clear(domain->dirty, 0, UINT64_MAX);
	atomic_store(&domain->tracking, enable);
	return 0;
}

int domain_read_dirty(struct domain *domain, uint64_t first, uint64_t last, bool keep,
		      void (*fn)(void *arg, uint64_t first, uint64_t last), void *arg)
{
	if (!domain_tracks_dirty(domain))
		return -EINVAL;
	dirty_read(domain->dirty, first, last, keep, fn, arg);
	return 0;
}

void domain_mark_dirty(struct domain *domain, uint64_t first, uint64_t last)
{
	if (domain_tracks_dirty(domain))
		dirty_mark(domain->dirty, first, last);
}

static struct gate_use *domain_find_gate(struct domain *domain, const struct gate *gate)
{
	for (unsigned i = 0; i < domain->nr_gates; i++)
		if (domain->gates[i].gate == gate)
			return &domain->gates[i];
	return NULL;
}

/* Room for one more. */
static int domain_grow_gates(struct domain *domain)
{
	unsigned max = domain->max_gates ? domain->max_gates * 2 : 4;
	struct gate_use *gates;

	if (domain->nr_gates < domain->max_gates)
		return 0;
	gates = alloc_direct(max * sizeof(struct gate_use));
	if (!gates)
		return -ENOMEM;
	for (unsigned i = 0; i < domain->nr_gates; i++)
		gates[i] = domain->gates[i];
	alloc_direct_free(domain->gates);
	domain->gates = gates;
	domain->max_gates = max;
	return 0;
}

int domain_add_gate(struct domain *domain, struct gate *gate)
{
	struct gate_use *use;
	int ret = 0;

	pthread_mutex_lock(&domain->gates_lock);
	use = domain_find_gate(domain, gate);
	if (use)
		use->users++;
	else
		ret = domain_grow_gates(domain);
	if (!use && !ret)
		domain->gates[domain->nr_gates++] = (struct gate_use){ gate, 1 };
	pthread_mutex_unlock(&domain->gates_lock);
	return ret;
}

void domain_del_gate(struct domain *domain, struct gate *gate)
{
	struct gate_use *use;

	pthread_mutex_lock(&domain->gates_lock);
	use = domain_find_gate(domain, gate);
	if (use && !--use->users)
		*use = domain->gates[--domain->nr_gates];
	pthread_mutex_unlock(&domain->gates_lock);
}

struct rf_owner *domain_some_owner(const struct domain *domain)
{
	return __atomic_load_n(&domain->owners[0], __ATOMIC_ACQUIRE);
}
