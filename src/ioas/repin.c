/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an address space does when pages that it has pinned move: the parts on
 * that memory leave every domain, and come back where the memory is now. A part
 * of which only a piece moved is cut.
 *
 * Everything happens with the space's lock held from before begin() until after
 * the last end(), so begin() can reserve for end().
 */
#include <assert.h>

#include "ioas/space.h"

static struct rf_ioas *ioas_of(struct pin_holder *holder)
{
	return tree_entry(holder, struct rf_ioas, holder);
}

static bool repin_get(struct pin_holder *holder)
{
	struct rf_ioas *ioas = ioas_of(holder);
	unsigned refs = atomic_load(&ioas->refs);

	while (refs)
		if (atomic_compare_exchange_weak(&ioas->refs, &refs, refs + 1))
			return true;
	return false;
}

static void repin_put(struct pin_holder *holder)
{
	ioas_put(ioas_of(holder));
}

static void repin_lock(struct pin_holder *holder)
{
	pthread_mutex_lock(&ioas_of(holder)->lock);
}

static void repin_unlock(struct pin_holder *holder)
{
	struct rf_ioas *ioas = ioas_of(holder);

	slab_unreserve(&ioas->slab);
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		domain_unreserve(d->domain);
	pthread_mutex_unlock(&ioas->lock);
}

/* Two cuts make two more parts. */
static int repin_begin(struct pin *pin)
{
	struct rf_ioas *ioas = ioas_of(pin->holder);
	struct part *part = tree_entry(pin, struct part, pin);
	int ret = slab_reserve(&ioas->slab, 2);

	for (struct ioas_domain *d = ioas->domains; d && !ret; d = d->next)
		ret = domain_reserve(d->domain, 2);
	if (!ret)
		ioas_leave(ioas, part->seg.first, part->seg.last);
	return ret;
}

static void repin_settle(struct pin_holder *holder)
{
	ioas_settle(ioas_of(holder));
}

struct part *part_cut(struct rf_ioas *ioas, struct part *part, uint64_t iova)
{
	struct part *tail = slab_alloc(&ioas->slab);
	uint64_t distance = iova - part->seg.first;

	assert(tail);
	tail->seg = part->seg;
	tail->seg.first = iova;
	tail->seg.addr += distance;
	tail->seg.flags |= PART_JOINED;
	part->seg.flags |= PART_MORE;
	if (part->seg.flags & PART_HIDDEN) {
		tail->hidden = part->hidden;
		tail->user_addr = part->user_addr + distance;
		pin_hidden_get(part->seg.owner, part->hidden);
	}
	owner_get(tail->seg.owner);
	tail->slice = part->slice;
	if (tail->slice)
		tail->slice->refs++;
	part->seg.last = iova - 1;
	part_insert(ioas, tail);
	return tail;
}

void part_return(struct rf_ioas *ioas, struct part *part)
{
	int ret = ioas_enter(ioas, &part->seg);

	assert(!ret);
	(void)ret;
	part->pin.holder = &ioas->holder;
	if (part->seg.flags & PART_HIDDEN) {
		pin_hide(part->seg.owner, &part->pin);
		return;
	}
	part->pin.last = part->seg.addr + (part->seg.last - part->seg.first);
	pin_add(part->seg.owner, &part->pin);
}

bool ioas_pin_is_own(const struct pin *pin)
{
	return pin->holder->ops == &ioas_pin_ops && !tree_entry(pin, struct part, pin)->slice;
}

uintptr_t ioas_pin_hidden_last(const struct pin *pin)
{
	const struct part *part = tree_entry(pin, struct part, pin);

	return part->seg.addr + (part->seg.last - part->seg.first);
}

static void repin_end(struct pin *pin, const struct pin_shift *shift)
{
	struct rf_ioas *ioas = ioas_of(pin->holder);
	struct part *part = tree_entry(pin, struct part, pin);

	if (shift->to != shift->first) {
		uintptr_t first = pin->addr > shift->first ? pin->addr : shift->first;
		uint64_t iova = part->seg.first + (first - pin->addr);

		if (pin->last > shift->last)
			part_return(ioas,
				    part_cut(ioas, part,
					     part->seg.first + (shift->last + 1 - pin->addr)));
		if (iova > part->seg.first) {
			struct part *moved = part_cut(ioas, part, iova);

			part_return(ioas, part);
			part = moved;
		}
		part->seg.addr = shift->to + (first - shift->first);
		if (shift->hidden) {
			part->seg.flags |= PART_HIDDEN;
			part->hidden = shift->hidden;
			part->user_addr = first;
			pin_hidden_get(part->seg.owner, shift->hidden);
		}
	}
	part_return(ioas, part);
}

const struct pin_holder_ops ioas_pin_ops = {
	.get = repin_get,
	.put = repin_put,
	.lock = repin_lock,
	.unlock = repin_unlock,
	.begin = repin_begin,
	.settle = repin_settle,
	.end = repin_end,
};
