/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty bits: one for each page of the kind's smallest size, in a radix tree of
 * bitmaps that grows where devices write. A bitmap has 4096 bits; tables above
 * have 64 slots. Nothing is given back before the domain goes, so neither marking
 * nor reading needs a lock: a missing bitmap is put in place by whoever comes
 * first, bits are set and taken by atomic instructions.
 *
 * Marking cannot fail. Without memory for a bitmap the tree is lost: from then on
 * everything counts as dirty, until tracking is begun anew.
 *
 * A kind with coarse dirty bits has one for each of its own page table entries:
 * reading takes those of the largest page that can lie around an address, and reports
 * as much from that address on.
 */
#include "iommu/dirty.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/alloc.h"
#include "iommu/domain.h"

#define MAP_SHIFT   12
#define MAP_WORDS   ((1u << MAP_SHIFT) / 64)
#define TABLE_SHIFT 6
#define TABLE_SLOTS (1u << TABLE_SHIFT)

struct map {
	_Atomic uint64_t words[MAP_WORDS];
};

struct table {
	_Atomic(void *) slots[TABLE_SLOTS]; /* tables, or maps */
};

_Static_assert(sizeof(struct map) <= ALLOC_SMALL_MAX && sizeof(struct table) <= ALLOC_SMALL_MAX,
	       "as alloc_small() has it");

/**
 * struct dirty - dirty bits
 * @domain: whose
 * @page_shift: of a bit's page
 * @root_shift: of a slot of the root, in pages
 * @last: the last page
 * @lost: everything is dirty
 * @root: the uppermost table
 */
struct dirty {
	const struct domain *domain;
	unsigned page_shift;
	unsigned root_shift;
	uint64_t last;
	atomic_bool lost;
	struct table root;
};

/* A range of pages on its way down, and what to do with it. */
struct walk {
	struct dirty *dirty;
	bool keep;
	void (*fn)(void *arg, uint64_t first, uint64_t last);
	void *arg;
	uint64_t run_first; /* dirty pages found so far: [run_first, run_end) */
	uint64_t run_end;
};

struct dirty *dirty_new(const struct domain *domain)
{
	const struct iommu_kind *kind = domain_kind(domain);
	struct dirty *dirty = alloc_direct(sizeof(*dirty));

	if (!dirty)
		return NULL;
	dirty->domain = domain;
	dirty->page_shift = (unsigned)__builtin_ctzll(kind->page_sizes);
	dirty->last = kind->aperture.last >> dirty->page_shift;
	dirty->root_shift = MAP_SHIFT;
	while (dirty->last >> dirty->root_shift >= TABLE_SLOTS)
		dirty->root_shift += TABLE_SHIFT;
	return dirty;
}

static void table_free(struct table *table, unsigned shift)
{
	for (unsigned i = 0; i < TABLE_SLOTS; i++) {
		void *slot = atomic_load(&table->slots[i]);

		if (!slot)
			continue;
		if (shift == MAP_SHIFT) {
			alloc_small_free(slot, sizeof(struct map));
		} else {
			table_free(slot, shift - TABLE_SHIFT);
			alloc_small_free(slot, sizeof(struct table));
		}
	}
}

void dirty_free(struct dirty *dirty)
{
	if (!dirty)
		return;
	table_free(&dirty->root, dirty->root_shift);
	alloc_direct_free(dirty);
}

/* What hangs in a slot, made if it is missing. NULL for want of memory. */
static void *slot_get(_Atomic(void *) *slot, size_t size)
{
	void *there = atomic_load_explicit(slot, memory_order_acquire);
	void *mine;

	if (there)
		return there;
	mine = alloc_small(size);
	if (!mine)
		return NULL;
	if (atomic_compare_exchange_strong(slot, &there, mine))
		return mine;
	alloc_small_free(mine, size);
	return there;
}

static struct map *dirty_map(struct dirty *dirty, uint64_t page)
{
	struct table *table = &dirty->root;
	unsigned shift = dirty->root_shift;

	for (; table && shift > MAP_SHIFT; shift -= TABLE_SHIFT)
		table = slot_get(&table->slots[page >> shift & (TABLE_SLOTS - 1)],
				 sizeof(struct table));
	if (!table)
		return NULL;
	return slot_get(&table->slots[page >> shift & (TABLE_SLOTS - 1)], sizeof(struct map));
}

/* Bits [first, last] of a word of 64. */
static uint64_t word_mask(unsigned first, unsigned last)
{
	return (~0ull >> (63 - (last - first))) << first;
}

static void pages_mark(struct dirty *dirty, uint64_t first, uint64_t last)
{
	for (;;) {
		uint64_t word_last = first | 63;
		struct map *map = dirty_map(dirty, first);

		if (!map) {
			atomic_store(&dirty->lost, true);
			return;
		}
		if (word_last > last)
			word_last = last;
		atomic_fetch_or_explicit(&map->words[first % (1u << MAP_SHIFT) / 64],
					 word_mask(first % 64, word_last % 64),
					 memory_order_relaxed);
		if (word_last == last)
			return;
		first = word_last + 1;
	}
}

/* Whether one page of @size can map [first, first + size): aligned and in one piece. */
static bool block_fits(const struct dirty *dirty, uint64_t first, uint64_t size)
{
	struct translation to;
	uintptr_t addr = 0;

	for (uint64_t done = 0; done < size; done += to.length) {
		if (domain_translate(dirty->domain, first + done, 0, &to))
			return false;
		if (!done)
			addr = to.addr;
		if (addr & (size - 1) || to.addr != addr + done)
			return false;
	}
	return true;
}

/* The size of the page table entry that maps @iova. */
static uint64_t block_size(const struct dirty *dirty, uint64_t iova)
{
	uint64_t smallest = 1ull << dirty->page_shift;
	uint64_t sizes = domain_kind(dirty->domain)->page_sizes & ~smallest;

	if (domain_is_small(dirty->domain))
		return smallest;

	while (sizes) {
		uint64_t size = 1ull << (63 - __builtin_clzll(sizes));

		if (block_fits(dirty, iova & ~(size - 1), size))
			return size;
		sizes &= ~size;
	}
	return smallest;
}

void dirty_mark(struct dirty *dirty, uint64_t first, uint64_t last)
{
	if (last >> dirty->page_shift > dirty->last)
		last = (dirty->last << dirty->page_shift) | ((1ull << dirty->page_shift) - 1);
	pages_mark(dirty, first >> dirty->page_shift, last >> dirty->page_shift);
}

static void walk_flush(struct walk *walk)
{
	unsigned shift = walk->dirty->page_shift;

	if (walk->fn && walk->run_end > walk->run_first)
		walk->fn(walk->arg, walk->run_first << shift, (walk->run_end << shift) - 1);
	walk->run_first = walk->run_end;
}

static void walk_found(struct walk *walk, uint64_t first, uint64_t end)
{
	if (first != walk->run_end) {
		walk_flush(walk);
		walk->run_first = first;
	}
	walk->run_end = end;
}

static void map_walk(struct walk *walk, struct map *map, uint64_t first, uint64_t last)
{
	for (;;) {
		_Atomic uint64_t *word = &map->words[first % (1u << MAP_SHIFT) / 64];
		uint64_t word_first = first & ~63ull;
		uint64_t word_last = (first | 63) < last ? (first | 63) : last;
		uint64_t mask = word_mask(first % 64, word_last % 64);
		uint64_t bits = atomic_load_explicit(word, memory_order_relaxed) & mask;

		if (bits && !walk->keep)
			bits = atomic_fetch_and(word, ~mask) & mask;
		while (bits) {
			unsigned bit = (unsigned)__builtin_ctzll(bits);
			uint64_t rest = ~(bits >> bit);
			unsigned count = rest ? (unsigned)__builtin_ctzll(rest) : 64;

			walk_found(walk, word_first + bit, word_first + bit + count);
			bits = bit + count < 64 ? bits & (~0ull << (bit + count)) : 0;
		}
		if (word_last == last)
			return;
		first = word_last + 1;
	}
}

static void table_walk(struct walk *walk, struct table *table, unsigned shift, uint64_t first,
		       uint64_t last)
{
	for (;;) {
		uint64_t slot_last = first | ((1ull << shift) - 1);
		void *slot = atomic_load_explicit(&table->slots[first >> shift & (TABLE_SLOTS - 1)],
						  memory_order_acquire);

		if (slot_last > last)
			slot_last = last;
		if (slot && shift == MAP_SHIFT)
			map_walk(walk, slot, first, slot_last);
		else if (slot)
			table_walk(walk, slot, shift - TABLE_SHIFT, first, slot_last);
		if (slot_last == last)
			return;
		first = slot_last + 1;
	}
}

static void dirty_walk(struct walk *walk, uint64_t first, uint64_t last)
{
	struct dirty *dirty = walk->dirty;

	first >>= dirty->page_shift;
	last >>= dirty->page_shift;
	if (last > dirty->last)
		last = dirty->last;
	if (first > last)
		return;
	table_walk(walk, &dirty->root, dirty->root_shift, first, last);
	walk_flush(walk);
}

void dirty_clear(struct dirty *dirty, uint64_t first, uint64_t last)
{
	struct walk walk = { .dirty = dirty };

	dirty_walk(&walk, first, last);
	if (!first && last == UINT64_MAX)
		atomic_store(&dirty->lost, false);
}

static void dirty_note(void *arg, uint64_t first, uint64_t last)
{
	*(bool *)arg = true;
}

/* As Linux walks the tables of its mock IOMMU: entry by entry, wherever it begins in one. */
static void coarse_read(struct walk *out, uint64_t first, uint64_t last)
{
	struct dirty *dirty = out->dirty;
	uint64_t page = (1ull << dirty->page_shift) - 1;

	if (last >> dirty->page_shift > dirty->last)
		last = (dirty->last << dirty->page_shift) | page;
	for (first &= ~page; first <= last;) {
		uint64_t size = block_size(dirty, first);
		uint64_t end = last - first < size ? last | page : first + (size - 1);
		uint64_t head = first & ~(size - 1);
		bool any = false;
		struct walk walk = {
			.dirty = dirty, .keep = out->keep, .fn = dirty_note, .arg = &any
		};

		dirty_walk(&walk, head, head + (size - 1));
		if (any)
			walk_found(out, first >> dirty->page_shift, (end >> dirty->page_shift) + 1);
		first = end + 1;
	}
	walk_flush(out);
}

void dirty_read(struct dirty *dirty, uint64_t first, uint64_t last, bool keep,
		void (*fn)(void *arg, uint64_t first, uint64_t last), void *arg)
{
	struct walk walk = { .dirty = dirty, .keep = keep, .fn = fn, .arg = arg };
	uint64_t page = (1ull << dirty->page_shift) - 1;

	if (atomic_load(&dirty->lost)) {
		fn(arg, first & ~page, last | page);
	} else if (domain_kind(dirty->domain)->coarse_dirty) {
		coarse_read(&walk, first, last);
	} else {
		dirty_walk(&walk, first, last);
	}
}
