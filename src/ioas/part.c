/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parts in order of IOVA. They never overlap. Each knows the free space right
 * before it and the largest such gap in its subtree, so that the lowest hole of
 * a given size is found on one way down, however many mappings there are. The
 * space behind the last part is nobody's gap; it is looked at separately.
 */
#include "ioas/space.h"

#include <assert.h>

static struct part *part_of(const struct tree_node *node)
{
	return tree_entry(node, struct part, node);
}

static bool part_less(const struct tree_node *a, const struct tree_node *b)
{
	return part_of(a)->seg.first < part_of(b)->seg.first;
}

static bool part_update(struct tree_node *node)
{
	struct part *part = part_of(node);
	uint64_t max = part->gap;

	if (node->left && part_of(node->left)->max_gap > max)
		max = part_of(node->left)->max_gap;
	if (node->right && part_of(node->right)->max_gap > max)
		max = part_of(node->right)->max_gap;
	if (part->max_gap == max)
		return false;
	part->max_gap = max;
	return true;
}

static void part_entered(struct tree_node *node, const struct tree_node *before,
			 struct tree_node *after)
{
	struct part *part = part_of(node);

	part->gap = part->seg.first - (before ? part_of(before)->seg.last + 1 : 0);
	part->max_gap = 0;
	if (after)
		part_of(after)->gap = part_of(after)->seg.first - part->seg.last - 1;
}

static void part_left(const struct tree_node *node, struct tree_node *after)
{
	const struct part *part = part_of(node);

	part_of(after)->gap += part->gap + (part->seg.last - part->seg.first + 1);
}

static const struct tree_ops part_ops = { part_less, part_update, part_entered, part_left };

/* The last part that begins at or below @iova, and the first above it. */
static void part_neighbours(const struct rf_ioas *ioas, uint64_t iova, struct part **before,
			    struct part **after)
{
	struct tree_node *node = ioas->parts.root;

	*before = NULL;
	*after = NULL;
	while (node) {
		struct part *part = part_of(node);

		if (part->seg.first <= iova) {
			*before = part;
			node = node->right;
		} else {
			*after = part;
			node = node->left;
		}
	}
}

struct part *part_from(const struct rf_ioas *ioas, uint64_t iova)
{
	struct part *before;
	struct part *after;

	part_neighbours(ioas, iova, &before, &after);
	return before && before->seg.last >= iova ? before : after;
}

struct part *part_at(const struct rf_ioas *ioas, uint64_t iova)
{
	struct part *part = part_from(ioas, iova);

	return part && part->seg.first <= iova ? part : NULL;
}

struct part *part_next(const struct rf_ioas *ioas, const struct part *part)
{
	return part->seg.last == UINT64_MAX ? NULL : part_from(ioas, part->seg.last + 1);
}

struct part *area_first(const struct rf_ioas *ioas, struct part *part)
{
	while (part->seg.flags & PART_JOINED)
		part = part_at(ioas, part->seg.first - 1);
	return part;
}

struct part *area_last(const struct rf_ioas *ioas, struct part *part)
{
	while (part->seg.flags & PART_MORE)
		part = part_next(ioas, part);
	return part;
}

void part_insert(struct rf_ioas *ioas, struct part *part)
{
	tree_insert(&ioas->parts, &part->node, &part_ops);
}

void part_remove(struct rf_ioas *ioas, struct part *part)
{
	tree_remove(&ioas->parts, &part->node, &part_ops);
}

void part_absorb(struct rf_ioas *ioas, struct part *part, struct part *next)
{
	uint64_t last = next->seg.last;

	if (!(next->seg.flags & PART_MORE))
		part->seg.flags &= ~PART_MORE;
	/* there is no gap between them, and what follows keeps its own: an empty part goes */
	next->seg.last = next->seg.first - 1;
	part_remove(ioas, next);
	part->seg.last = last;
}

/*
 * A search for a hole. @at_least bytes it must be long to be looked at; @tries
 * are left.
 */
struct want {
	struct iommu_range range;
	uint64_t length;
	uint64_t align;
	uint64_t offset;
	uint64_t at_least;
	uint64_t tries;
};

/* Whether the hole [first, last] does, within the range: true and *iova. */
static bool want_fits(const struct want *want, uint64_t first, uint64_t last, uint64_t *iova)
{
	uint64_t start;

	if (first < want->range.first)
		first = want->range.first;
	if (last > want->range.last)
		last = want->range.last;
	start = (first + want->align - 1) & ~(want->align - 1);
	if (start < first)
		return false;
	start |= want->offset;
	/* Linux does not use a hole of one byte */
	if (start >= last || last - start < want->length - 1)
		return false;
	*iova = start;
	return true;
}

/*
 * The lowest hole below @node. Subtrees without a gap of that length, and those
 * all of whose gaps lie below the range, are not entered; so with page
 * alignment at most the two gaps across the range's ends disappoint.
 */
static bool want_search(struct want *want, const struct tree_node *node, uint64_t *iova)
{
	while (node && want->tries) {
		struct part *part = part_of(node);

		if (part->max_gap < want->at_least)
			return false;
		if (part->seg.first > want->range.first) {
			if (node->left && want_search(want, node->left, iova))
				return true;
			if (part->seg.first - part->gap > want->range.last)
				return false;
			if (part->gap >= want->at_least && want->tries) {
				want->tries--;
				if (want_fits(want, part->seg.first - part->gap,
					      part->seg.first - 1, iova))
					return true;
			}
		}
		node = node->right;
	}
	return false;
}

/* The gap behind the last part. */
static bool want_behind(const struct want *want, const struct rf_ioas *ioas, uint64_t *iova)
{
	struct part *last;
	struct part *none;

	part_neighbours(ioas, UINT64_MAX, &last, &none);
	if (!last)
		return want_fits(want, 0, UINT64_MAX, iova);
	return last->seg.last < UINT64_MAX && want_fits(want, last->seg.last + 1, UINT64_MAX, iova);
}

/*
 * Holes that are long enough and yet fail, by their alignment, could be any
 * number. So after GAP_TRIES of them only holes are looked at that cannot; those
 * in between come last, when nothing else is left.
 */
#define GAP_TRIES 128

bool part_find_gap(const struct rf_ioas *ioas, const struct iommu_range *range, uint64_t length,
		   uint64_t align, uint64_t offset, uint64_t *iova)
{
	struct want want = { *range, length, align, offset, length, GAP_TRIES };

	if (range->last - range->first < length - 1)
		return false;
	if (want_search(&want, ioas->parts.root, iova))
		return true;
	if (!want.tries && length + align + offset > length) {
		want.at_least = length + align + offset;
		want.tries = UINT64_MAX;
		if (want_search(&want, ioas->parts.root, iova))
			return true;
	}
	if (want_behind(&want, ioas, iova))
		return true;
	if (want.at_least == length && want.tries)
		return false;
	want.at_least = length;
	want.tries = UINT64_MAX;
	return want_search(&want, ioas->parts.root, iova);
}
