/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Remapping: what is mapped in a range gives way to something else, or to nothing,
 * while devices use it. Each page leads where it did or where it shall, and never
 * nowhere in between; mappings that reach out of the range are cut, and keep the
 * rest, of which devices notice nothing.
 *
 * A part that is in a domain does not change, so each piece that is left of one
 * gets a part of its own. All that is needed is reserved first.
 *
 * Only for mappings of rf_ioas_map() whose memory nobody shares and which is where it
 * was: those whose parts are held and nothing else.
 */
#include <errno.h>

#include "base/stats.h"
#include "ioas/space.h"

/**
 * struct remap - one remapping
 * @first: first IOVA
 * @last: last IOVA
 * @pieces: parts that come: of what is cut at the front, the new mapping, of what is
 *	cut at the back; each may be NULL
 */
struct remap {
	uint64_t first;
	uint64_t last;
	struct part *pieces[3];
};

enum { PIECE_FRONT, PIECE_NEW, PIECE_BACK };

static struct part *remap_touches(struct rf_ioas *ioas, const struct remap *remap)
{
	struct part *part = part_from(ioas, remap->first);

	return part && part->seg.first <= remap->last ? part : NULL;
}

/* Whether all that the range touches can give way. */
static bool remap_possible(struct rf_ioas *ioas, const struct remap *remap)
{
	struct part *part = remap_touches(ioas, remap);

	for (; part && part->seg.first <= remap->last; part = part_next(ioas, part)) {
		bool cut = part->seg.first < remap->first || part->seg.last > remap->last;

		if (part->seg.flags != PART_HELD || part->slice)
			return false;
		for (struct ioas_domain *d = ioas->domains; d && cut; d = d->next)
			if (!domain_can_cut(d->domain, &part->seg))
				return false;
	}
	return true;
}

static int remap_reserve(struct rf_ioas *ioas)
{
	int ret = slab_reserve(&ioas->slab, 3);

	for (struct ioas_domain *d = ioas->domains; d && !ret; d = d->next)
		ret = domain_reserve(d->domain, 2);
	return ret;
}

static void remap_unreserve(struct rf_ioas *ioas)
{
	slab_unreserve(&ioas->slab);
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		domain_unreserve(d->domain);
}

/* A pinned part for [first, last] of @seg. */
static struct part *piece_new(struct rf_ioas *ioas, const struct segment *seg, uint64_t first,
			      uint64_t last)
{
	struct part *part = slab_alloc(&ioas->slab);

	part->seg = *seg;
	part->seg.first = first;
	part->seg.last = last;
	part->seg.addr = seg->addr + (first - seg->first);
	part->seg.flags = PART_HELD;
	part->slice = NULL;
	part->pin.last = part->seg.addr + (last - first);
	part->pin.holder = &ioas->holder;
	owner_get(seg->owner);
	pin_add(seg->owner, &part->pin);
	stats_add(&stats()->maps, 1);
	return part;
}

/* The domains go over. */
static void remap_enter(struct rf_ioas *ioas, const struct remap *remap, const struct part *front,
			const struct part *back)
{
	const struct part *fresh = remap->pieces[PIECE_NEW];

	for (struct ioas_domain *d = ioas->domains; d; d = d->next) {
		domain_replace(d->domain, remap->first, remap->last, fresh ? &fresh->seg : NULL);
		if (remap->pieces[PIECE_FRONT])
			domain_trim(d->domain, &front->seg, &remap->pieces[PIECE_FRONT]->seg);
		if (remap->pieces[PIECE_BACK])
			domain_trim(d->domain, &back->seg, &remap->pieces[PIECE_BACK]->seg);
		domain_sync(d->domain);
	}
}

/* What the range touches goes; no device uses it any more. */
static void remap_drop(struct rf_ioas *ioas, const struct remap *remap)
{
	struct part *part;

	while ((part = remap_touches(ioas, remap))) {
		part_release(ioas, part);
		part_remove(ioas, part);
		part_free(ioas, part);
		ioas->nr_areas--;
		stats_add(&stats()->unmaps, 1);
	}
}

static void remap_do(struct rf_ioas *ioas, struct remap *remap, const struct segment *seg)
{
	struct part *front = remap_touches(ioas, remap);
	struct part *back = part_at(ioas, remap->last);

	if (seg) {
		remap->pieces[PIECE_NEW] = piece_new(ioas, seg, seg->first, seg->last);
		stats_add(&stats()->mapped_bytes, seg->last - seg->first + 1);
	}
	if (front && front->seg.first < remap->first)
		remap->pieces[PIECE_FRONT] =
			piece_new(ioas, &front->seg, front->seg.first, remap->first - 1);
	if (back && back->seg.last > remap->last)
		remap->pieces[PIECE_BACK] =
			piece_new(ioas, &back->seg, remap->last + 1, back->seg.last);
	remap_enter(ioas, remap, front, back);
	remap_drop(ioas, remap);
	for (unsigned i = 0; i < 3; i++) {
		if (!remap->pieces[i])
			continue;
		part_insert(ioas, remap->pieces[i]);
		ioas->nr_areas++;
	}
}

static int remap_check(uint64_t iova, uint64_t length, struct rf_owner *owner, uintptr_t addr,
		       uint32_t prot)
{
	if (!length || (iova | length) & PAGE_MASK || iova + length - 1 < iova)
		return -EINVAL;
	if (prot & ~(RF_READ | RF_WRITE))
		return -EINVAL;
	if (prot && (!owner || addr & PAGE_MASK || addr + length - 1 < addr))
		return -EINVAL;
	return 0;
}

/* Pin the new memory, by @guard until the space's lock is dropped, and look whether it is there. */
static int remap_probe(struct rf_ioas *ioas, const struct segment *seg, struct part *guard)
{
	uint64_t length = seg->last - seg->first + 1;

	guard->seg = *seg;
	guard->slice = NULL;
	guard->pin.last = seg->addr + (length - 1);
	guard->pin.holder = &ioas->holder;
	pin_add(seg->owner, &guard->pin);
	pin_settle(seg->owner, seg->addr, guard->pin.last);
	return owner_probe(seg->owner, seg->addr, length, seg->prot);
}

int ioas_remap(struct rf_ioas *ioas, struct rf_owner *owner, uintptr_t addr, uint64_t iova,
	       uint64_t length, uint32_t prot, bool probed)
{
	struct remap remap = { .first = iova, .last = iova + length - 1 };
	const struct segment seg = {
		.first = remap.first,
		.last = remap.last,
		.owner = owner,
		.prot = prot,
		.addr = addr,
	};
	int ret = remap_check(iova, length, owner, addr, prot);
	bool guarded = false;
	struct part guard;

	if (ret)
		return ret;
	pthread_mutex_lock(&ioas->lock);
	if (prot)
		ret = ioas_check_map(ioas, addr, remap.first, remap.last, prot);
	else if (ioas_windowed(ioas))
		ret = window_check_unmap(ioas, remap.first, remap.last);
	if (!ret && !remap_possible(ioas, &remap))
		ret = -EBUSY;
	if (!ret && prot && !probed) {
		guarded = true;
		ret = remap_probe(ioas, &seg, &guard);
	}
	if (ret || (!prot && !remap_touches(ioas, &remap)))
		goto unlock;
	ret = remap_reserve(ioas);
	if (!ret)
		remap_do(ioas, &remap, prot ? &seg : NULL);
	remap_unreserve(ioas);
unlock:
	if (guarded)
		pin_del(owner, &guard.pin);
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

int rf_ioas_remap(struct rf_ioas *ioas, uint64_t iova, uint64_t length, struct rf_owner *owner,
		  void *addr, uint32_t prot)
{
	return ioas_remap(ioas, owner, (uintptr_t)addr, iova, length, prot, false);
}
