/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may be mapped where: reserved ranges, allowed ranges, alignment.
 *
 * Reserved ranges belong to devices and domains and may overlap; what none of
 * them covers may be mapped, and is kept as a list in order (ioas->ranges). Thousands
 * may reserve the same few ranges, so who reserved what is kept in a tree, and each
 * range that is reserved at all as a hole, with a count. The list of what may be mapped has room
 * for one range more than holes fit, so taking reserved ranges away needs no memory.
 *
 * Allowed ranges only bind the space where it chooses IOVAs; no reserved range
 * may touch one. Nor may one touch a window (window.c): in a windowed space those are
 * what may be mapped, and the list is only what windows can be made in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ioas/space.h"

#define FIRST_HOLES 16

static struct reserved *reserved_of(const struct tree_node *node)
{
	return tree_entry(node, struct reserved, node);
}

static bool reserved_less(const struct tree_node *a, const struct tree_node *b)
{
	uintptr_t x = (uintptr_t)reserved_of(a)->who;
	uintptr_t y = (uintptr_t)reserved_of(b)->who;

	return x < y || (x == y && a < b);
}

static bool reserved_update(struct tree_node *node)
{
	return false;
}

static const struct tree_ops reserved_ops = { .less = reserved_less, .update = reserved_update };

int ranges_init(struct rf_ioas *ioas)
{
	ioas->ranges = alloc_direct((FIRST_HOLES + 1) * sizeof(struct iommu_range));
	ioas->holes = alloc_direct(FIRST_HOLES * sizeof(struct hole));
	if (!ioas->ranges || !ioas->holes) {
		ranges_destroy(ioas);
		return -ENOMEM;
	}
	ioas->max_holes = FIRST_HOLES;
	ioas->ranges[0] = (struct iommu_range){ 0, UINT64_MAX };
	ioas->nr_ranges = 1;
	ioas->alignment = 1;
	return 0;
}

static void reserved_free(struct rf_ioas *ioas, struct reserved *reserved)
{
	tree_remove(&ioas->reserved, &reserved->node, &reserved_ops);
	ioas->nr_reserved--;
	alloc_small_free(reserved, sizeof(*reserved));
}

void ranges_destroy(struct rf_ioas *ioas)
{
	while (ioas->reserved.root)
		reserved_free(ioas, reserved_of(ioas->reserved.root));
	alloc_direct_free(ioas->ranges);
	alloc_direct_free(ioas->holes);
	alloc_direct_free(ioas->allowed);
	alloc_direct_free(ioas->windows);
}

/* Take @hole out of the usable ranges; there is room for one more. */
static void ranges_punch(struct rf_ioas *ioas, const struct iommu_range *hole)
{
	struct iommu_range *ranges = ioas->ranges;
	unsigned from = 0;
	unsigned to;
	unsigned nr = 0;
	struct iommu_range keep[2];

	while (from < ioas->nr_ranges && ranges[from].last < hole->first)
		from++;
	to = from;
	while (to < ioas->nr_ranges && ranges[to].first <= hole->last)
		to++;
	if (from == to)
		return;
	if (ranges[from].first < hole->first)
		keep[nr++] = (struct iommu_range){ ranges[from].first, hole->first - 1 };
	if (ranges[to - 1].last > hole->last)
		keep[nr++] = (struct iommu_range){ hole->last + 1, ranges[to - 1].last };
	memmove(&ranges[from + nr], &ranges[to], (ioas->nr_ranges - to) * sizeof(*ranges));
	memcpy(&ranges[from], keep, nr * sizeof(*ranges));
	ioas->nr_ranges = ioas->nr_ranges - (to - from) + nr;
}

static int holes_grow(struct rf_ioas *ioas)
{
	unsigned max = ioas->max_holes * 2;
	struct hole *holes = alloc_direct(max * sizeof(*holes));
	struct iommu_range *ranges = alloc_direct((max + 1) * sizeof(*ranges));

	if (!holes || !ranges) {
		alloc_direct_free(holes);
		alloc_direct_free(ranges);
		return -ENOMEM;
	}
	memcpy(holes, ioas->holes, ioas->nr_holes * sizeof(*holes));
	memcpy(ranges, ioas->ranges, ioas->nr_ranges * sizeof(*ranges));
	alloc_direct_free(ioas->holes);
	alloc_direct_free(ioas->ranges);
	ioas->holes = holes;
	ioas->ranges = ranges;
	ioas->max_holes = max;
	return 0;
}

static bool range_before(const struct iommu_range *a, const struct iommu_range *b)
{
	return a->first < b->first || (a->first == b->first && a->last < b->last);
}

/* Where @range is among the holes (true), or belongs. */
static bool hole_find(const struct rf_ioas *ioas, const struct iommu_range *range, unsigned *at)
{
	unsigned low = 0;
	unsigned high = ioas->nr_holes;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (range_before(&ioas->holes[mid].range, range))
			low = mid + 1;
		else
			high = mid;
	}
	*at = low;
	return low < ioas->nr_holes && !range_before(range, &ioas->holes[low].range);
}

/* One more wants @range not to be mapped: 0 or -ENOMEM. */
static int hole_get(struct rf_ioas *ioas, const struct iommu_range *range)
{
	unsigned at;

	if (hole_find(ioas, range, &at)) {
		ioas->holes[at].count++;
		return 0;
	}
	if (ioas->nr_holes == ioas->max_holes && holes_grow(ioas))
		return -ENOMEM;
	memmove(&ioas->holes[at + 1], &ioas->holes[at],
		(ioas->nr_holes - at) * sizeof(*ioas->holes));
	ioas->holes[at] = (struct hole){ *range, 1 };
	ioas->nr_holes++;
	ranges_punch(ioas, range);
	return 0;
}

/* One less. True: nobody wants it any more. */
static bool hole_put(struct rf_ioas *ioas, const struct iommu_range *range)
{
	unsigned at;

	hole_find(ioas, range, &at);
	if (--ioas->holes[at].count)
		return false;
	ioas->nr_holes--;
	memmove(&ioas->holes[at], &ioas->holes[at + 1],
		(ioas->nr_holes - at) * sizeof(*ioas->holes));
	return true;
}

static bool ranges_touch(const struct iommu_range *a, const struct iommu_range *b)
{
	return a->first <= b->last && b->first <= a->last;
}

int ranges_reserve(struct rf_ioas *ioas, uint64_t first, uint64_t last, const void *who)
{
	const struct iommu_range range = { first, last };
	struct part *part = part_from(ioas, first);
	struct reserved *reserved;

	if ((part && part->seg.first <= last) || windows_touch(ioas, first, last))
		return -EADDRINUSE;
	for (unsigned i = 0; i < ioas->nr_allowed; i++)
		if (ranges_touch(&ioas->allowed[i], &range))
			return -EADDRINUSE;
	reserved = alloc_small(sizeof(*reserved)); /* one object a range, as on Linux */
	if (!reserved)
		return -ENOMEM;
	if (hole_get(ioas, &range)) {
		alloc_small_free(reserved, sizeof(*reserved));
		return -ENOMEM;
	}
	reserved->range = range;
	reserved->who = who;
	tree_insert(&ioas->reserved, &reserved->node, &reserved_ops);
	ioas->nr_reserved++;
	return 0;
}

/* Some range of @who's, or NULL. */
static struct reserved *reserved_find(const struct rf_ioas *ioas, const void *who)
{
	struct tree_node *node = ioas->reserved.root;

	while (node && reserved_of(node)->who != who)
		node = (uintptr_t)who < (uintptr_t)reserved_of(node)->who ? node->left :
									    node->right;
	return node ? reserved_of(node) : NULL;
}

void ranges_unreserve(struct rf_ioas *ioas, const void *who)
{
	struct reserved *reserved;
	bool gone = false;

	while ((reserved = reserved_find(ioas, who))) {
		gone |= hole_put(ioas, &reserved->range);
		reserved_free(ioas, reserved);
	}
	if (!gone)
		return;
	ioas->ranges[0] = (struct iommu_range){ 0, UINT64_MAX };
	ioas->nr_ranges = 1;
	for (unsigned i = 0; i < ioas->nr_holes; i++)
		ranges_punch(ioas, &ioas->holes[i].range);
}

int ioas_reserve(struct rf_ioas *ioas, uint64_t first, uint64_t last, const void *who)
{
	int ret;

	pthread_mutex_lock(&ioas->lock);
	ret = ranges_reserve(ioas, first, last, who);
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

void ioas_unreserve(struct rf_ioas *ioas, const void *who)
{
	pthread_mutex_lock(&ioas->lock);
	ranges_unreserve(ioas, who);
	pthread_mutex_unlock(&ioas->lock);
}

/* The number of the first usable range that ends at or above @iova; nr_ranges: none. */
static unsigned ranges_from(const struct rf_ioas *ioas, uint64_t iova)
{
	unsigned low = 0;
	unsigned high = ioas->nr_ranges;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (ioas->ranges[mid].last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool ioas_usable(const struct rf_ioas *ioas, uint64_t first, uint64_t last)
{
	unsigned n = ranges_from(ioas, first);

	return n < ioas->nr_ranges && ioas->ranges[n].first <= first &&
	       last <= ioas->ranges[n].last;
}

bool ioas_range_from(struct rf_ioas *ioas, uint64_t iova, struct iommu_range *out)
{
	const struct iommu_range *range = NULL;

	pthread_mutex_lock(&ioas->lock);
	if (ioas_windowed(ioas)) {
		const struct window *window = window_from(ioas, iova);

		range = window ? &window->range : NULL;
	} else {
		unsigned n = ranges_from(ioas, iova);

		range = n < ioas->nr_ranges ? &ioas->ranges[n] : NULL;
	}
	if (range)
		*out = *range;
	pthread_mutex_unlock(&ioas->lock);
	return range;
}

unsigned ioas_ranges(struct rf_ioas *ioas, struct iommu_range *out, unsigned max)
{
	unsigned nr;

	pthread_mutex_lock(&ioas->lock);
	nr = ioas_windowed(ioas) ? ioas->nr_windows : ioas->nr_ranges;
	for (unsigned i = 0; i < nr && i < max; i++)
		out[i] = ioas_windowed(ioas) ? ioas->windows[i].range : ioas->ranges[i];
	pthread_mutex_unlock(&ioas->lock);
	return nr;
}

unsigned ioas_iova_ranges(struct rf_ioas *ioas, struct iommu_range *out, unsigned max)
{
	return ioas_ranges(ioas, out, max);
}

static int range_compare(const void *a, const void *b)
{
	const struct iommu_range *x = a;
	const struct iommu_range *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* A copy of @ranges in *@out, sorted, where those that meet are one; *@count of them. */
static int allowed_copy(const struct iommu_range *ranges, unsigned nr, struct iommu_range **out,
			unsigned *count)
{
	unsigned kept = 0;

	*count = 0;
	*out = NULL;
	for (unsigned i = 0; i < nr; i++)
		if (ranges[i].first >= ranges[i].last)
			return -EINVAL;
	if (!nr)
		return 0;
	*out = alloc_direct(nr * sizeof(**out));
	if (!*out)
		return -ENOMEM;
	memcpy(*out, ranges, nr * sizeof(**out));
	qsort(*out, nr, sizeof(**out), range_compare);
	for (unsigned i = 1; i < nr; i++) {
		if ((*out)[i].first <= (*out)[i - 1].last) {
			alloc_direct_free(*out);
			return -EINVAL;
		}
	}
	for (unsigned i = 1; i < nr; i++) {
		if ((*out)[kept].last + 1 == (*out)[i].first)
			(*out)[kept].last = (*out)[i].last;
		else
			(*out)[++kept] = (*out)[i];
	}
	*count = kept + 1;
	return 0;
}

int ioas_set_allowed(struct rf_ioas *ioas, const struct iommu_range *ranges, unsigned nr)
{
	struct iommu_range *allowed;
	unsigned count;
	int ret = allowed_copy(ranges, nr, &allowed, &count);

	if (ret)
		return ret;
	pthread_mutex_lock(&ioas->lock);
	for (unsigned i = 0; i < count; i++)
		if (!ioas_usable(ioas, allowed[i].first, allowed[i].last))
			ret = -EADDRINUSE;
	if (!ret) {
		struct iommu_range *old = ioas->allowed;

		ioas->allowed = allowed;
		ioas->nr_allowed = count;
		allowed = old;
	}
	pthread_mutex_unlock(&ioas->lock);
	alloc_direct_free(allowed);
	return ret;
}

bool areas_aligned(struct rf_ioas *ioas, uint64_t alignment)
{
	uint64_t mask = alignment - 1;

	if (alignment <= 1)
		return true;
	if (!windows_aligned(ioas, alignment))
		return false;
	for (struct part *part = part_from(ioas, 0); part; part = part_next(ioas, part)) {
		/* inside an area parts meet at pages of its memory, aligned if its ends are */
		if (!(part->seg.flags & PART_JOINED) &&
		    (part->seg.first | (part_user_addr(part) & PAGE_MASK)) & mask)
			return false;
		if ((part->seg.last + 1) & mask)
			return false;
	}
	return true;
}

int ioas_realign(struct rf_ioas *ioas)
{
	uint64_t alignment = ioas->no_large_pages ? PAGE_MASK + 1 : 1;

	for (unsigned i = 0; i < PAGE_SIZES; i++)
		if (ioas->domain_pages[i] && 1ull << i > alignment)
			alignment = 1ull << i;
	if (accesses_alignment(ioas) > alignment)
		alignment = accesses_alignment(ioas);
	if (alignment > ioas->alignment && !areas_aligned(ioas, alignment))
		return -EADDRINUSE;
	ioas->alignment = alignment;
	return 0;
}

uint64_t ioas_alignment(struct rf_ioas *ioas)
{
	uint64_t alignment;

	pthread_mutex_lock(&ioas->lock);
	alignment = ioas->alignment;
	pthread_mutex_unlock(&ioas->lock);
	return alignment;
}

int ioas_set_huge_pages(struct rf_ioas *ioas, uint64_t value)
{
	bool before;
	int ret = 0;

	if (value > 1)
		return -EINVAL;
	pthread_mutex_lock(&ioas->lock);
	before = ioas->no_large_pages;
	if (before == !value)
		goto unlock;
	ret = -EINVAL;
	if (!value && ioas->domains && ioas->nr_areas)
		goto unlock;
	ioas->no_large_pages = !value;
	ret = ioas_realign(ioas);
	if (ret)
		ioas->no_large_pages = before;
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		domain_set_small(d->domain, ioas->no_large_pages);
unlock:
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

bool ioas_huge_pages(struct rf_ioas *ioas)
{
	bool huge;

	pthread_mutex_lock(&ioas->lock);
	huge = !ioas->no_large_pages;
	pthread_mutex_unlock(&ioas->lock);
	return huge;
}

void ioas_set_account(struct rf_ioas *ioas, struct account *account, enum account_mode mode)
{
	pthread_mutex_lock(&ioas->lock);
	if (!ioas->nr_areas) {
		ioas->account = account;
		ioas->mode = mode;
	}
	pthread_mutex_unlock(&ioas->lock);
}
