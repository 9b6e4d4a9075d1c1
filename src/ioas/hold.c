/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holding areas: their memory is pinned as long as devices may reach it.
 *
 * A lazy area comes to be held when the first domain comes, or with domains at
 * once. One with its memory to itself is looked at, charged and pinned in place.
 * One with a slice holds pages of the object, which knows where they are, and is
 * cut into as many parts as they lie in places.
 *
 * Locks: ioas->lock; inside it the pages object's, from holding to pinning, so
 * that nothing moves in between.
 */
#include <assert.h>
#include <errno.h>

#include "ioas/space.h"

#define PAGE 4096ull

uint64_t slice_byte(const struct slice *slice, uint64_t iova)
{
	return slice->start + (iova - slice->iova);
}

static uint64_t slice_page(const struct slice *slice, uint64_t iova)
{
	return slice_byte(slice, iova) / PAGE;
}

uintptr_t part_user_addr(const struct part *part)
{
	if (part->slice)
		return part->slice->pages->addr + slice_byte(part->slice, part->seg.first);
	return part->seg.flags & PART_HIDDEN ? part->user_addr : part->seg.addr;
}

static uint64_t part_length(const struct part *part)
{
	return part->seg.last - part->seg.first + 1;
}

static void part_pin(struct rf_ioas *ioas, struct part *part)
{
	part->pin.last = part->seg.addr + (part->seg.last - part->seg.first);
	part->pin.holder = &ioas->holder;
	part->seg.flags |= PART_HELD;
	pin_add(part->seg.owner, &part->pin);
}

static void part_hide(struct rf_ioas *ioas, struct part *part, struct pin_hidden *hidden,
		      uintptr_t user_addr)
{
	part->hidden = hidden;
	part->user_addr = user_addr;
	part->pin.holder = &ioas->holder;
	part->seg.flags |= PART_HELD | PART_HIDDEN;
	pin_hidden_get(part->seg.owner, hidden);
	pin_hide(part->seg.owner, &part->pin);
}

/* The pins of a part go, not what it holds of pages or is charged for. */
static void part_unpin(struct part *part)
{
	if (!(part->seg.flags & PART_HELD))
		return;
	if (part->seg.flags & PART_HIDDEN) {
		uintptr_t addr = part->user_addr;

		pin_unhide(part->seg.owner, &part->pin);
		pin_hidden_put(part->seg.owner, part->hidden);
		part->seg.addr = addr;
	} else {
		pin_del(part->seg.owner, &part->pin);
	}
	part->seg.flags &= ~(PART_HELD | PART_HIDDEN);
}

/* Pin a part that has its memory to itself. */
static int part_hold(struct rf_ioas *ioas, struct part *part)
{
	uint64_t length = part_length(part);
	int ret;

	part_pin(ioas, part);
	pin_settle(part->seg.owner, part->pin.addr, part->pin.last);
	ret = pages_probe(part->seg.owner, part->seg.addr, length,
			  part->seg.prot & RF_WRITE ? RF_WRITE : RF_READ);
	if (!ret)
		ret = account_charge(ioas->account, ioas->mode,
				     pages_spanned(part->seg.addr, length));
	if (ret)
		part_unpin(part);
	return ret;
}

static struct part *part_after(const struct rf_ioas *ioas, const struct part *part)
{
	return part->seg.flags & PART_MORE ? part_next(ioas, part) : NULL;
}

void part_free(struct rf_ioas *ioas, struct part *part)
{
	struct slice *slice = part->slice;

	owner_put(part->seg.owner);
	slab_free(&ioas->slab, part);
	if (slice && !--slice->refs) {
		pages_put(slice->pages);
		alloc_small_free(slice, sizeof(*slice));
	}
}

/* The parts of an area that is not held become one, where the user's memory allows it. */
static void area_join(struct rf_ioas *ioas, struct part *part)
{
	struct part *next;

	if (part->slice)
		part->seg.addr = part_user_addr(part);
	for (; (next = part_after(ioas, part)); part = next) {
		if (!part->slice && next->seg.addr != part->seg.addr + part_length(part))
			continue;
		part_absorb(ioas, part, next);
		part_free(ioas, next);
		next = part;
	}
}

/* Put the parts of an area, one still, where its pages are. Nothing moves just now. */
static int slice_lay(struct rf_ioas *ioas, struct part *part)
{
	struct slice *slice = part->slice;
	uint64_t last_page = slice_page(slice, part->seg.last);
	struct place place;

	for (;;) {
		uintptr_t user_addr = part_user_addr(part);
		struct part *next = NULL;

		pages_find(slice->pages, slice_page(slice, part->seg.first), last_page, &place);
		if (place.last < last_page) {
			if (slab_reserve(&ioas->slab, 1))
				return -ENOMEM;
			next = part_cut(ioas, part,
					slice->iova + ((place.last + 1) * PAGE - slice->start));
			slab_unreserve(&ioas->slab);
		}
		part->seg.addr = place.addr + user_addr % PAGE;
		if (place.hidden)
			part_hide(ioas, part, place.hidden, user_addr);
		else
			part_pin(ioas, part);
		if (!next)
			return 0;
		part = next;
	}
}

static int slice_hold(struct rf_ioas *ioas, struct part *part)
{
	struct slice *slice = part->slice;
	uint64_t first = slice_page(slice, part->seg.first);
	uint64_t last = slice_page(slice, part->seg.last);
	int ret;

	pages_lock(slice->pages);
	ret = pages_hold(slice->pages, first, last);
	if (ret)
		goto unlock;
	ret = slice_lay(ioas, part);
	if (ret) {
		for (struct part *p = part; p; p = part_after(ioas, p))
			part_unpin(p);
		pages_release(slice->pages, first, last);
		area_join(ioas, part);
	}
unlock:
	pages_unlock(slice->pages);
	return ret;
}

int area_hold(struct rf_ioas *ioas, struct part *part, uint64_t last)
{
	struct part *first = part;
	int ret;

	if (part->slice)
		return slice_hold(ioas, part);
	for (;;) {
		ret = part_hold(ioas, part);
		if (ret || part->seg.last == last)
			break;
		part = part_next(ioas, part);
	}
	if (ret && part != first)
		area_release(ioas, first);
	return ret;
}

/* What an area holds of pages goes; its parts have their own pins still. */
static void slice_release(struct slice *slice, uint64_t first, uint64_t last)
{
	pages_lock(slice->pages);
	pages_release(slice->pages, slice_page(slice, first), slice_page(slice, last));
	pages_unlock(slice->pages);
}

void part_release(struct rf_ioas *ioas, struct part *part)
{
	const uint32_t charged = PART_LAZY | PART_HELD;

	if (part->slice) {
		if (part->seg.flags & PART_HELD && !(part->seg.flags & PART_JOINED))
			slice_release(part->slice, part->seg.first,
				      area_last(ioas, part)->seg.last);
	} else if ((part->seg.flags & charged) == charged) {
		account_uncharge(ioas->account, ioas->mode,
				 pages_spanned(part_user_addr(part), part_length(part)));
	}
	part_unpin(part);
}

void area_release(struct rf_ioas *ioas, struct part *part)
{
	for (struct part *p = part; p; p = part_after(ioas, p))
		part_release(ioas, p);
	area_join(ioas, part);
}

void areas_release(struct rf_ioas *ioas)
{
	for (struct part *part = part_from(ioas, 0); part; part = part_next(ioas, part))
		if (part->seg.flags & PART_LAZY && !(part->seg.flags & PART_JOINED))
			area_release(ioas, part);
}

/* The object adopts what the area holds. With its lock held. */
static int slice_adopt(struct rf_ioas *ioas, struct slice *slice, struct part *part)
{
	uint64_t done = 0;

	for (; part; part = part_after(ioas, part)) {
		uint64_t last = slice_page(slice, part->seg.last);
		int ret = pages_adopt(slice->pages, slice_page(slice, part->seg.first), last,
				      part->seg.addr & ~(PAGE - 1),
				      part->seg.flags & PART_HIDDEN ? part->hidden : NULL);

		if (ret) {
			if (done)
				pages_release(slice->pages, 0, done - 1);
			return ret;
		}
		done = last + 1;
	}
	return 0;
}

/* From here on the area refers to the slice. Who visits pins sees it before or after. */
static void slice_take(struct rf_ioas *ioas, struct slice *slice, struct part *part)
{
	for (; part; part = part_after(ioas, part)) {
		bool hidden = part->seg.flags & PART_HIDDEN;
		bool pinned = !hidden && part->seg.flags & PART_HELD;

		if (hidden)
			pin_unhide(part->seg.owner, &part->pin);
		if (pinned)
			pin_del(part->seg.owner, &part->pin);
		part->slice = slice;
		slice->refs++;
		if (hidden)
			pin_hide(part->seg.owner, &part->pin);
		if (pinned)
			pin_add(part->seg.owner, &part->pin);
	}
}

int area_share(struct rf_ioas *ioas, struct part *part)
{
	struct slice *slice;
	uintptr_t addr;
	int ret = 0;

	part = area_first(ioas, part);
	if (part->slice)
		return 0;
	slice = alloc_small(sizeof(*slice));
	if (!slice)
		return -ENOMEM;
	addr = part_user_addr(part);
	slice->iova = part->seg.first;
	slice->start = addr % PAGE;
	slice->pages = pages_new(part->seg.owner, addr,
				 area_last(ioas, part)->seg.last - part->seg.first + 1,
				 part->seg.prot & RF_WRITE, NULL, ioas->mode);
	if (!slice->pages) {
		alloc_small_free(slice, sizeof(*slice));
		return -ENOMEM;
	}
	pages_lock(slice->pages);
	if (part->seg.flags & PART_HELD)
		ret = slice_adopt(ioas, slice, part);
	if (!ret)
		slice_take(ioas, slice, part);
	if (part->seg.flags & PART_LAZY)
		slice->pages->account = ioas->account;
	pages_unlock(slice->pages);
	if (ret) {
		pages_put(slice->pages);
		alloc_small_free(slice, sizeof(*slice));
	} else if (!(part->seg.flags & PART_HELD)) {
		area_join(ioas, part);
	}
	return ret;
}
