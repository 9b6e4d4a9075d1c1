/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extents never overlap, and no two neighbours could be one.
 *
 * A change carves its range out and puts at most one extent in. Carving cuts at
 * most two: a piece of each goes to those taken out, and an extent that reaches out
 * on both sides leaves a tail. So one change needs at most three new extents.
 */
#include "viommu/extents.h"

#include <assert.h>
#include <errno.h>

#define EXTENT_CHUNK (64u << 10)

_Static_assert(sizeof(struct extent) <= 64, "an extent is a cache line");

static struct extent *extent_of(const struct tree_node *node)
{
	return tree_entry(node, struct extent, node);
}

static bool extent_less(const struct tree_node *a, const struct tree_node *b)
{
	return extent_of(a)->first < extent_of(b)->first;
}

static bool extent_update(struct tree_node *node)
{
	return false;
}

static const struct tree_ops extent_ops = { extent_less, extent_update, NULL, NULL };

void extents_init(struct extents *extents)
{
	*extents = (struct extents){ 0 };
	slab_init(&extents->slab, 64, EXTENT_CHUNK);
}

void extents_destroy(struct extents *extents)
{
	slab_destroy(&extents->slab);
}

/* The last extent that begins at or below @iova. */
static struct extent *extents_before(const struct extents *extents, uint64_t iova)
{
	struct tree_node *node = extents->tree.root;
	struct extent *before = extents->hint;

	if (before && before->first <= iova && (!before->next || before->next->first > iova))
		return before;
	before = NULL;
	while (node) {
		struct extent *extent = extent_of(node);

		if (extent->first <= iova) {
			before = extent;
			node = node->right;
		} else {
			node = node->left;
		}
	}
	return before;
}

struct extent *extents_from(const struct extents *extents, uint64_t iova)
{
	struct extent *before = extents_before(extents, iova);

	if (!before)
		return extents->lowest;
	return before->last >= iova ? before : before->next;
}

void extents_lookup(const struct extents *extents, uint64_t iova, uint64_t last,
		    struct rf_mapping *now)
{
	const struct extent *before = extents_before(extents, iova);
	const struct extent *after = before ? before->next : extents->lowest;

	if (before && before->last >= iova)
		*now = (struct rf_mapping){ before->first, before->last, before->target,
					    before->perm };
	else
		*now = (struct rf_mapping){ before ? before->last + 1 : 0,
					    after ? after->first - 1 : last, 0, 0 };
}

int extents_reserve(struct extents *extents, size_t changes)
{
	return slab_reserve(&extents->slab, 3 * changes);
}

void extents_unreserve(struct extents *extents)
{
	slab_unreserve(&extents->slab);
}

static struct extent *extent_new(struct extents *extents, uint64_t first, uint64_t last,
				 uint64_t target, uint32_t perm)
{
	struct extent *extent = slab_alloc(&extents->slab);

	assert(extent);
	extent->first = first;
	extent->last = last;
	extent->target = target;
	extent->perm = perm;
	extent->same = false;
	return extent;
}

/* @before: NULL: it is the lowest now */
static void extents_insert(struct extents *extents, struct extent *before, struct extent *extent)
{
	extent->prev = before;
	extent->next = before ? before->next : extents->lowest;
	if (before)
		before->next = extent;
	else
		extents->lowest = extent;
	if (extent->next)
		extent->next->prev = extent;
	tree_insert(&extents->tree, &extent->node, &extent_ops);
	extents->nr++;
}

static void extents_remove(struct extents *extents, struct extent *extent)
{
	if (extents->hint == extent)
		extents->hint = extent->prev;
	if (extent->prev)
		extent->prev->next = extent->next;
	else
		extents->lowest = extent->next;
	if (extent->next)
		extent->next->prev = extent->prev;
	tree_remove(&extents->tree, &extent->node, &extent_ops);
	extents->nr--;
}

/* A copy of what @extent says of [first, last]; the rest of it stays. */
static struct extent *extent_cut(struct extents *extents, struct extent *extent, uint64_t first,
				 uint64_t last)
{
	uint64_t from = extent->first < first ? first : extent->first;
	uint64_t to = extent->last > last ? last : extent->last;
	struct extent *piece = extent_new(extents, from, to,
					  extent->target + (from - extent->first), extent->perm);
	uint64_t behind = extent->target + (to - extent->first) + 1;

	if (extent->first == from) {
		/* it keeps its place in the tree */
		extent->first = to + 1;
		extent->target = behind;
		return piece;
	}
	if (extent->last > to)
		extents_insert(extents, extent,
			       extent_new(extents, to + 1, extent->last, behind, extent->perm));
	extent->last = from - 1;
	return piece;
}

/* Take [first, last] out: the pieces, in order. */
static struct extent *extents_carve(struct extents *extents, uint64_t first, uint64_t last)
{
	struct extent *extent = extents_from(extents, first);
	struct extent *gone = NULL;
	struct extent **link = &gone;

	while (extent && extent->first <= last) {
		struct extent *next = extent->next;
		struct extent *piece = extent;

		if (extent->first < first || extent->last > last)
			piece = extent_cut(extents, extent, first, last);
		else
			extents_remove(extents, extent);
		*link = piece;
		link = &piece->next;
		extent = next;
	}
	*link = NULL;
	return gone;
}

bool mapping_continues(const struct rf_mapping *now, const struct rf_mapping *next)
{
	uint64_t goes_on = now->target + (next->iova - now->iova);

	if (now->last == UINT64_MAX || next->iova != now->last + 1 || next->perm != now->perm)
		return false;
	/* behind the last target of all comes 0, which continues nothing */
	return !now->perm || (next->target == goes_on && goes_on > now->target);
}

static struct rf_mapping extent_mapping(const struct extent *extent)
{
	return (struct rf_mapping){ extent->first, extent->last, extent->target, extent->perm };
}

/* Put @now, where nothing is, in; neighbours that it continues become one with it. */
static void extents_put(struct extents *extents, const struct rf_mapping *now)
{
	struct extent *before = extents_before(extents, now->iova);
	struct extent *after = before ? before->next : extents->lowest;
	struct extent *extent = before;
	struct rf_mapping other;

	if (before) {
		other = extent_mapping(before);
		if (mapping_continues(&other, now))
			before->last = now->last;
		else
			extent = NULL;
	}
	if (after) {
		other = extent_mapping(after);
		if (!mapping_continues(now, &other)) {
			after = NULL;
		} else if (extent) {
			extents_remove(extents, after);
			extent->last = after->last;
			slab_free(&extents->slab, after);
		} else {
			extent = after;
			extent->first = now->iova;
			extent->target = now->target;
		}
	}
	if (!extent) {
		extent = extent_new(extents, now->iova, now->last, now->target, now->perm);
		extents_insert(extents, before, extent);
	}
	extents->hint = extent;
}

/* Whether @extent says of its range, or of @now's in it, what @now says. */
static bool extent_agrees(const struct extent *extent, const struct rf_mapping *now)
{
	return extent->perm == now->perm &&
	       extent->target - extent->first == now->target - now->iova;
}

bool extents_change(struct extents *extents, const struct rf_mapping *now, struct extent **gone)
{
	bool clears = !now->perm;
	struct extent *there;

	*gone = NULL;
	/* found once: what follows finds it there */
	extents->hint = extents_before(extents, now->iova);
	there = extents_from(extents, now->iova);
	if (!there || there->first > now->last) {
		if (clears)
			return false;
	} else {
		if (there->first <= now->iova && there->last >= now->last &&
		    extent_agrees(there, now))
			return false;
		*gone = extents_carve(extents, now->iova, now->last);
	}
	for (struct extent *piece = *gone; piece; piece = piece->next)
		piece->same = extent_agrees(piece, now);
	if (!clears)
		extents_put(extents, now);
	return true;
}

void extents_release(struct extents *extents, struct extent *gone)
{
	while (gone) {
		struct extent *next = gone->next;

		slab_free(&extents->slab, gone);
		gone = next;
	}
}
