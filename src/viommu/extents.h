/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a region remembers: which ranges lead where.
 *
 * Ranges that continue each other, in address and target, with the same
 * permissions, are one extent, however they were announced: a million contiguous
 * pages take one, and a replay finds ranges that are as large as they can be.
 *
 * Locks: the region's.
 */
#ifndef RF_VIOMMU_EXTENTS_H
#define RF_VIOMMU_EXTENTS_H

#include <ringfence/notifier.h>

#include "base/alloc.h"
#include "base/tree.h"

/**
 * struct extent - a contiguous range; one cache line
 * @node: by address
 * @prev: the one before; means nothing of one that was taken out
 * @next: the one after; of those taken out, too
 * @first: first address
 * @last: last address, inclusive
 * @target: where @first leads
 * @perm: what is allowed, never 0
 * @same: of one taken out: what came in its place says the same
 */
struct extent {
	struct tree_node node;
	struct extent *prev;
	struct extent *next;
	uint64_t first;
	uint64_t last;
	uint64_t target;
	uint32_t perm;
	bool same;
};

/**
 * struct extents - all of a region's
 * @tree: by address
 * @lowest: the first
 * @hint: where the last change was, or NULL; neighbours come one after the other. Any
 *	extent would be right
 * @slab: their memory
 * @nr: how many
 */
struct extents {
	struct tree tree;
	struct extent *lowest;
	struct extent *hint;
	struct slab slab;
	size_t nr;
};

void extents_init(struct extents *extents);
void extents_destroy(struct extents *extents);

/* The one that holds @iova, or the next above, or NULL. */
struct extent *extents_from(const struct extents *extents, uint64_t iova);

/* What is true of @iova, in a range as large as can be, but not beyond @last. */
void extents_lookup(const struct extents *extents, uint64_t iova, uint64_t last,
		    struct rf_mapping *now);

/* Let @changes changes succeed for certain: 0 or -ENOMEM. Ends with extents_unreserve(). */
int extents_reserve(struct extents *extents, size_t changes);
void extents_unreserve(struct extents *extents);

/*
 * Make @now true; a reservation covers it. What was true of the range before comes back
 * in order, linked by next, for extents_release(). False: it was true already.
 */
bool extents_change(struct extents *extents, const struct rf_mapping *now, struct extent **gone);
void extents_release(struct extents *extents, struct extent *gone);

/* Whether @next goes on where @now ends. */
bool mapping_continues(const struct rf_mapping *now, const struct rf_mapping *next);

#endif
