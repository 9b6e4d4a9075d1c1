/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unmapping by the rules of iommufd: whole areas, in order, until one reaches
 * beyond the range; what accesses have pinned is asked back first. And the
 * compatible container's, which may cut areas.
 *
 * Locks: ioas->lock, given up while accesses are asked; everything is looked at
 * anew after that.
 */
#include <errno.h>

#include "base/stats.h"
#include "ioas/space.h"
#include "ioas/user_map.h"

#define PAGE	  4096ull
#define MAX_TRIES 100

/* What can be unmapped at once, from the area that begins with @part. */
struct batch {
	uint64_t last; /* of the last area; less than the first IOVA: none */
	bool any;
	struct part *pinned; /* the area behind it, which an access has pinned, or NULL */
	bool reaches; /* the area behind it reaches beyond the range */
};

static void batch_find(struct rf_ioas *ioas, struct part *part, uint64_t last, struct batch *out)
{
	*out = (struct batch){ .any = false };
	if (!ioas->accesses && !ioas_reaches(ioas, part, last)) {
		out->any = true;
		out->last = last;
		return;
	}
	while (part && part->seg.first <= last) {
		struct part *end = area_last(ioas, part);

		if (end->seg.last > last) {
			out->reaches = true;
			return;
		}
		if (part->slice && part->slice->accesses) {
			out->pinned = part;
			return;
		}
		out->any = true;
		out->last = end->seg.last;
		part = part_next(ioas, end);
	}
	out->last = last;
}

int space_unmap(struct rf_ioas *ioas, uint64_t first, uint64_t last, bool dropped,
		uint64_t *unmapped)
{
	uint64_t asked = UINT64_MAX;
	unsigned tries = 0;

	*unmapped = 0;
	for (;;) {
		struct part *part = part_from(ioas, first);
		struct batch batch;

		if (!part || part->seg.first > last)
			return 0;
		if (part->seg.first < first || part->seg.flags & PART_JOINED)
			return -ENOENT;
		batch_find(ioas, part, last, &batch);
		if (batch.any) {
			uint64_t bytes;
			uint64_t areas = areas_drop(ioas, part, batch.last, &bytes);

			*unmapped += bytes;
			stats_add(dropped ? &stats()->maps_dropped : &stats()->unmaps, areas);
			if (batch.last == last)
				return 0;
			first = batch.last + 1;
		}
		if (batch.reaches)
			return -ENOENT;
		part = batch.pinned;
		if (!part)
			continue;
		if (part->seg.first != asked)
			tries = 0;
		if (++tries > MAX_TRIES)
			return -EDEADLK;
		asked = part->seg.first;
		first = asked;
		part->slice->leaving = true;
		accesses_notify(ioas, asked, area_last(ioas, part)->seg.last);
	}
}

/* 0 and the range's last IOVA. */
static int unmap_range(uint64_t iova, uint64_t length, uint64_t *last)
{
	if (!length)
		return -EINVAL;
	*last = iova + (length - 1);
	return *last < iova ? -EOVERFLOW : 0;
}

int ioas_user_unmap(struct rf_ioas *ioas, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	bool all = !iova && length == UINT64_MAX;
	uint64_t last = UINT64_MAX;
	int ret = 0;

	*unmapped = 0;
	if (!all)
		ret = unmap_range(iova, length, &last);
	if (ret)
		return ret;
	pthread_mutex_lock(&ioas->lock);
	if (ioas_windowed(ioas))
		ret = window_check_unmap(ioas, iova, last);
	if (!ret)
		ret = space_unmap(ioas, iova, last, false, unmapped);
	pthread_mutex_unlock(&ioas->lock);
	return !ret && !*unmapped && !all ? -ENOENT : ret;
}

/* Whether the area of @part may be cut before @iova. */
static int cut_check(const struct rf_ioas *ioas, const struct part *part, uint64_t iova)
{
	const struct slice *slice = part->slice;
	uint64_t byte =
		slice ? slice_byte(slice, iova) : part_user_addr(part) + (iova - part->seg.first);

	if (slice && slice->leaving)
		return -EBUSY;
	if ((iova | byte) & (ioas->alignment - 1))
		return -EINVAL;
	if (slice && slice->accesses)
		return -EINVAL;
	if (ioas->domains && !ioas->no_large_pages)
		return -EINVAL;
	return 0;
}

/* From @part on the area has a slice of its own. */
static void slice_part(struct rf_ioas *ioas, struct part *part, struct slice *mine)
{
	struct slice *old = part->slice;

	*mine = (struct slice){
		.pages = pages_get(old->pages),
		.iova = old->iova,
		.start = old->start,
	};
	do {
		old->refs--;
		part->slice = mine;
		mine->refs++;
		part = part->seg.flags & PART_MORE ? part_next(ioas, part) : NULL;
	} while (part);
}

/* What a cut needs, at hand: so that it cannot fail. */
static int cut_prepare(struct rf_ioas *ioas, const struct part *part, uint64_t iova,
		       struct slice **slice)
{
	int ret = 0;

	*slice = NULL;
	if (part->slice) {
		*slice = alloc_small(sizeof(**slice));
		if (!*slice)
			return -ENOMEM;
		ret = pages_cut(part->slice->pages, slice_byte(part->slice, iova) / PAGE);
	}
	if (!ret)
		ret = slab_reserve(&ioas->slab, 1);
	for (struct ioas_domain *d = ioas->domains; d && !ret; d = d->next)
		ret = domain_reserve(d->domain, 1);
	return ret;
}

static void cut_finish(struct rf_ioas *ioas)
{
	slab_unreserve(&ioas->slab);
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		domain_unreserve(d->domain);
}

/* The area of @part becomes two; DMA to it waits. */
static int area_cut(struct rf_ioas *ioas, struct part *part, uint64_t iova)
{
	bool held = part->seg.flags & PART_HELD;
	struct slice *slice;
	int ret = cut_prepare(ioas, part, iova, &slice);

	if (ret) {
		alloc_small_free(slice, sizeof(*slice));
		goto finish;
	}
	if (part->seg.first < iova) {
		struct part *tail;

		if (held) {
			ioas_leave(ioas, part->seg.first, part->seg.last);
			ioas_settle(ioas);
			if (part->seg.flags & PART_HIDDEN)
				pin_unhide(part->seg.owner, &part->pin);
			else
				pin_del(part->seg.owner, &part->pin);
		}
		tail = part_cut(ioas, part, iova);
		if (held) {
			part_return(ioas, part);
			part_return(ioas, tail);
		}
		part = tail;
	}
	part->seg.flags &= ~PART_JOINED;
	part_at(ioas, iova - 1)->seg.flags &= ~PART_MORE;
	if (slice)
		slice_part(ioas, part, slice);
	ioas->nr_areas++;
finish:
	cut_finish(ioas);
	return ret;
}

/* Make @iova the first of an area, if it is inside one. */
static int space_cut(struct rf_ioas *ioas, uint64_t iova)
{
	struct rf_owner *owner = NULL;
	struct part *part;
	int ret = 0;

	for (;;) {
		/* pages that move lock the owner before the space */
		if (owner)
			pin_hold_dma(owner);
		pthread_mutex_lock(&ioas->lock);
		part = iova ? part_at(ioas, iova) : NULL;
		/* Linux takes a cut behind the first byte for one before it */
		if (!part || !ioas_bisects(ioas, iova) ||
		    area_first(ioas, part)->seg.first == iova - 1)
			break;
		ret = cut_check(ioas, part, iova);
		if (ret)
			break;
		if (part->seg.owner == owner) {
			ret = area_cut(ioas, part, iova);
			break;
		}
		pthread_mutex_unlock(&ioas->lock);
		if (owner)
			pin_release_dma(owner);
		owner = part->seg.owner;
	}
	pthread_mutex_unlock(&ioas->lock);
	if (owner)
		pin_release_dma(owner);
	return ret;
}

int ioas_compat_unmap(struct rf_ioas *ioas, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	uint64_t last;
	int ret = 0;

	/* what is no range is found out before anything is cut; elsewhere after it, as on Linux */
	if (ioas_windowed(ioas)) {
		ret = unmap_range(iova, length, &last);
		if (ret) {
			*unmapped = 0;
			return ret;
		}
		pthread_mutex_lock(&ioas->lock);
		ret = window_check_unmap(ioas, iova, last);
		pthread_mutex_unlock(&ioas->lock);
		if (ret)
			return ret;
	}
	if (!ioas_huge_pages(ioas)) {
		ret = space_cut(ioas, iova + length);
		if (!ret && iova)
			ret = space_cut(ioas, iova);
	}
	if (ret)
		return ret;
	*unmapped = 0;
	ret = unmap_range(iova, length, &last);
	if (ret)
		return ret;
	pthread_mutex_lock(&ioas->lock);
	ret = space_unmap(ioas, iova, last, false, unmapped);
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}
