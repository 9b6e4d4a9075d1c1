/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In-process access: pins and copies by IOVA without a device.
 *
 * A pin holds pages of the pages object behind each area it meets, and is
 * counted in the area's slice; so an unmap sees that it must ask. It is also
 * written down in the access, by its range: unpinning what was not pinned does
 * nothing, and what its holder forgets goes when the access goes.
 *
 * A space asks every access attached to it, one after the other and without its
 * lock; an access on its way out waits until it is not being asked.
 *
 * Locks: access->lock, then the space's, then the pages objects'. None while
 * an unmap operation runs.
 */
#include "ioas/access.h"

#include <assert.h>
#include <errno.h>

#include "ioas/space.h"

#define PAGE 4096ull

/**
 * struct access_pin - a range that is pinned
 * @node: in access->pins
 * @first: first IOVA
 * @last: last IOVA
 * @count: how often
 */
struct access_pin {
	struct tree_node node;
	uint64_t first;
	uint64_t last;
	uint64_t count;
};

/**
 * struct access_link - an access in a space's list; all under the space's lock
 * @access: the access
 * @id: its place in the order
 * @asked: unmap operations under way
 * @next: in the list
 */
struct access_link {
	struct ioas_access *access;
	uint64_t id;
	unsigned asked;
	struct access_link *next;
};

/**
 * struct ioas_access - an access
 * @ops: its holder's operations
 * @arg: their argument
 * @lock: protects the rest
 * @ioas: the space it uses, or NULL
 * @pinned_in: the space that its pins are in, with a reference: while it changes, the former
 * @link: in that space's list
 * @changing: a thread points it elsewhere
 * @pins: by range, struct access_pin
 */
struct ioas_access {
	const struct ioas_access_ops *ops;
	void *arg;
	pthread_mutex_t lock;
	struct rf_ioas *ioas;
	struct rf_ioas *pinned_in;
	struct access_link *link;
	bool changing;
	struct tree pins;
};

static struct access_pin *pin_of(const struct tree_node *node)
{
	return tree_entry(node, struct access_pin, node);
}

static bool pin_less(const struct tree_node *a, const struct tree_node *b)
{
	const struct access_pin *x = pin_of(a);
	const struct access_pin *y = pin_of(b);

	return x->first < y->first || (x->first == y->first && x->last < y->last);
}

static bool pin_update(struct tree_node *node)
{
	return false;
}

static const struct tree_ops pin_ops = { .less = pin_less, .update = pin_update };

static struct access_pin *access_find(struct ioas_access *access, uint64_t first, uint64_t last)
{
	struct access_pin want = { .first = first, .last = last };
	struct tree_node *node = access->pins.root;

	while (node) {
		if (pin_less(&want.node, node))
			node = node->left;
		else if (pin_less(node, &want.node))
			node = node->right;
		else
			return pin_of(node);
	}
	return NULL;
}

int ioas_access_new(const struct ioas_access_ops *ops, void *arg, struct ioas_access **out)
{
	struct ioas_access *access = alloc_small(sizeof(*access));

	if (!access)
		return -ENOMEM;
	access->ops = ops;
	access->arg = arg;
	pthread_mutex_init(&access->lock, NULL);
	*out = access;
	return 0;
}

static bool access_pins(const struct ioas_access *access)
{
	return access->ops->unmap;
}

uint64_t accesses_alignment(const struct rf_ioas *ioas)
{
	for (const struct access_link *link = ioas->accesses; link; link = link->next)
		if (access_pins(link->access))
			return PAGE;
	return 1;
}

/* The one after @id, or NULL. */
static struct access_link *link_after(const struct rf_ioas *ioas, uint64_t id)
{
	struct access_link *link = ioas->accesses;

	while (link && link->id <= id)
		link = link->next;
	return link;
}

void accesses_notify(struct rf_ioas *ioas, uint64_t first, uint64_t last)
{
	struct access_link *link;
	uint64_t id = 0;

	while ((link = link_after(ioas, id))) {
		struct ioas_access *access = link->access;

		id = link->id;
		if (!access_pins(access))
			continue;
		link->asked++;
		pthread_mutex_unlock(&ioas->lock);
		access->ops->unmap(access->arg, first, last);
		pthread_mutex_lock(&ioas->lock);
		if (!--link->asked)
			pthread_cond_broadcast(&ioas->access_idle);
	}
}

static int access_join(struct ioas_access *access, struct rf_ioas *ioas, struct access_link **out)
{
	struct access_link *mine = alloc_small(sizeof(*mine));
	struct access_link **link = &ioas->accesses;
	int ret;

	if (!mine)
		return -ENOMEM;
	mine->access = access;
	pthread_mutex_lock(&ioas->lock);
	while (*link)
		link = &(*link)->next;
	mine->id = ++ioas->next_access;
	*link = mine;
	ret = ioas_realign(ioas);
	if (ret)
		*link = NULL;
	pthread_mutex_unlock(&ioas->lock);
	if (ret)
		alloc_small_free(mine, sizeof(*mine));
	else
		*out = mine;
	return ret;
}

/* Out of the list; nobody asks it any more when this returns. */
static void access_leave(struct rf_ioas *ioas, struct access_link *mine)
{
	struct access_link **link = &ioas->accesses;
	int ret;

	pthread_mutex_lock(&ioas->lock);
	while (mine->asked)
		pthread_cond_wait(&ioas->access_idle, &ioas->lock);
	while (*link != mine)
		link = &(*link)->next;
	*link = mine->next;
	ret = ioas_realign(ioas);
	assert(!ret); /* it only ever gets less */
	(void)ret;
	pthread_mutex_unlock(&ioas->lock);
	alloc_small_free(mine, sizeof(*mine));
}

/* One area's share of a range that is pinned. */
static void area_unpin(struct slice *slice, uint64_t first, uint64_t last)
{
	pages_lock(slice->pages);
	pages_release(slice->pages, slice_byte(slice, first) / PAGE,
		      slice_byte(slice, last) / PAGE);
	pages_unlock(slice->pages);
	slice->accesses--;
}

/* [first, last] was pinned: all of it is mapped. With the space's lock. */
static void range_unpin(struct rf_ioas *ioas, uint64_t first, uint64_t last)
{
	for (;;) {
		struct part *part = part_at(ioas, first);
		uint64_t end = area_last(ioas, part)->seg.last;

		if (end > last)
			end = last;
		area_unpin(part->slice, first, end);
		if (end == last)
			return;
		first = end + 1;
	}
}

/* Undo one pin. With the access's lock. */
static void access_unpin(struct ioas_access *access, struct access_pin *pin)
{
	struct rf_ioas *ioas = access->pinned_in;

	pthread_mutex_lock(&ioas->lock);
	range_unpin(ioas, pin->first, pin->last);
	pthread_mutex_unlock(&ioas->lock);
	if (--pin->count)
		return;
	tree_remove(&access->pins, &pin->node, &pin_ops);
	alloc_small_free(pin, sizeof(*pin));
}

/* Leave @former, whose @link this is, and be where @ioas says. Without the lock; no new pins come. */
static void access_move(struct ioas_access *access, struct rf_ioas *former,
			struct access_link *former_link)
{
	if (!former)
		return;
	if (access_pins(access))
		access->ops->unmap(access->arg, 0, UINT64_MAX);
	pthread_mutex_lock(&access->lock);
	while (access->pins.root)
		access_unpin(access, pin_of(access->pins.root));
	pthread_mutex_unlock(&access->lock);
	access_leave(former, former_link);
}

int ioas_access_replace(struct ioas_access *access, struct rf_ioas *ioas)
{
	struct access_link *link = NULL;
	struct access_link *former_link;
	struct rf_ioas *former;
	int ret = 0;

	pthread_mutex_lock(&access->lock);
	former = access->pinned_in;
	former_link = access->link;
	if (access->changing)
		ret = -EBUSY;
	if (ret || former == ioas)
		goto unlock;
	if (ioas)
		ret = access_join(access, ioas, &link);
	if (ret)
		goto unlock;
	access->ioas = NULL;
	access->changing = true;
	pthread_mutex_unlock(&access->lock);

	access_move(access, former, former_link);

	pthread_mutex_lock(&access->lock);
	access->ioas = ioas ? ioas_get(ioas) : NULL;
	access->pinned_in = ioas;
	access->link = link;
	access->changing = false;
	pthread_mutex_unlock(&access->lock);
	if (former)
		ioas_put(former);
	return 0;

unlock:
	pthread_mutex_unlock(&access->lock);
	return ret;
}

void ioas_access_free(struct ioas_access *access)
{
	int ret;

	if (!access)
		return;
	ret = ioas_access_replace(access, NULL);
	assert(!ret);
	(void)ret;
	pthread_mutex_destroy(&access->lock);
	alloc_small_free(access, sizeof(*access));
}

struct rf_ioas *ioas_access_space(struct ioas_access *access)
{
	struct rf_ioas *ioas;

	pthread_mutex_lock(&access->lock);
	ioas = access->ioas;
	pthread_mutex_unlock(&access->lock);
	return ioas;
}

static bool part_allows(const struct part *part, uint32_t flags)
{
	uint32_t prot = flags & IOAS_ACCESS_WRITE ? RF_WRITE : RF_READ;

	if (!(part->seg.prot & prot))
		return false;
	return prot == RF_READ || !part->slice || part->slice->pages->writable;
}

/* Say where pages [first, last] are. With the object's lock. */
static struct ioas_pinned *pinned_fill(const struct pages *pages, uint64_t first, uint64_t last,
				       struct ioas_pinned *out)
{
	struct place place;

	for (uint64_t index = first; index <= last; index = place.last + 1) {
		pages_find(pages, index, last, &place);
		for (uint64_t i = index; i <= place.last; i++)
			*out++ = (struct ioas_pinned){ pages->owner,
						       place.addr + (i - index) * PAGE };
	}
	return out;
}

/* Pin [first, last] of the area that @part is of; @more: the range goes on behind the area. */
static int area_pin(struct rf_ioas *ioas, struct part *part, uint64_t first, uint64_t last,
		    bool more, uint32_t flags, struct ioas_pinned **out)
{
	struct slice *slice;
	int ret;

	if (part->slice && part->slice->leaving)
		return -EINVAL;
	ret = area_share(ioas, part);
	if (ret)
		return ret;
	part = part_at(ioas, first);
	slice = part->slice;
	if (slice_byte(slice, first) % PAGE || (more && slice_byte(slice, last) % PAGE != PAGE - 1))
		return -EINVAL;
	if (!part_allows(part, flags))
		return -EPERM;
	pages_lock(slice->pages);
	ret = pages_hold(slice->pages, slice_byte(slice, first) / PAGE,
			 slice_byte(slice, last) / PAGE);
	if (!ret) {
		slice->accesses++;
		*out = pinned_fill(slice->pages, slice_byte(slice, first) / PAGE,
				   slice_byte(slice, last) / PAGE, *out);
	}
	pages_unlock(slice->pages);
	return ret;
}

/* With the space's lock. */
static int range_pin(struct rf_ioas *ioas, uint64_t iova, uint64_t last, uint32_t flags,
		     struct ioas_pinned *pages)
{
	uint64_t at = iova;
	int ret;

	for (;;) {
		struct part *part = part_at(ioas, at);
		uint64_t end;

		ret = -ENOENT;
		if (!part)
			break;
		end = area_last(ioas, part)->seg.last;
		ret = area_pin(ioas, part, at, end < last ? end : last, end < last, flags, &pages);
		if (ret)
			break;
		if (end >= last)
			return 0;
		at = end + 1;
	}
	if (at > iova)
		range_unpin(ioas, iova, at - 1);
	return ret;
}

static int range_check(uint64_t iova, uint64_t length)
{
	if (!length)
		return -EINVAL;
	return iova + (length - 1) < iova ? -EOVERFLOW : 0;
}

int ioas_access_pin(struct ioas_access *access, uint64_t iova, uint64_t length,
		    struct ioas_pinned *pages, uint32_t flags)
{
	uint64_t last = iova + (length - 1);
	struct access_pin *pin;
	struct rf_ioas *ioas;
	int ret;

	if (!access_pins(access) || flags & ~IOAS_ACCESS_WRITE)
		return -EINVAL;
	ret = range_check(iova, length);
	if (ret)
		return ret;
	pthread_mutex_lock(&access->lock);
	ioas = access->ioas;
	ret = -ENOENT;
	if (!ioas)
		goto unlock;
	pin = access_find(access, iova, last);
	ret = -ENOMEM;
	if (!pin) {
		pin = alloc_small(sizeof(*pin));
		if (!pin)
			goto unlock;
		pin->first = iova;
		pin->last = last;
	}
	pthread_mutex_lock(&ioas->lock);
	ret = range_pin(ioas, iova, last, flags, pages);
	pthread_mutex_unlock(&ioas->lock);
	if (!ret && !pin->count++)
		tree_insert(&access->pins, &pin->node, &pin_ops);
	if (ret && !pin->count)
		alloc_small_free(pin, sizeof(*pin));
unlock:
	pthread_mutex_unlock(&access->lock);
	return ret;
}

void ioas_access_unpin(struct ioas_access *access, uint64_t iova, uint64_t length)
{
	struct access_pin *pin;

	pthread_mutex_lock(&access->lock);
	pin = access_find(access, iova, iova + (length - 1));
	if (pin)
		access_unpin(access, pin);
	pthread_mutex_unlock(&access->lock);
}

/* Memory as its owner sees it. */
static int user_rw(struct rf_owner *owner, uintptr_t addr, void *data, uint64_t length, bool write)
{
	return write ? owner_write(owner, addr, data, length) :
		       owner_read(owner, data, addr, length);
}

/* Memory that is pinned. */
static int pinned_rw(struct rf_owner *owner, uintptr_t addr, void *data, uint64_t length,
		     bool write)
{
	return write ? owner_dma_write(owner, addr, data, length) :
		       owner_dma_read(owner, data, addr, length);
}

/**
 * struct copy - of data of an area, by the slow way
 * @write: to the area
 * @strict: what is not pinned must be such that it could be, or nothing is copied
 * @data: the other end
 */
struct copy {
	bool write;
	bool strict;
	char *data;
};

/* Pages of which some may be pinned by others. With the lock held. */
static int pages_rw(struct pages *pages, uint64_t byte, uint64_t length, struct copy *copy)
{
	uint64_t end = byte + (length - 1);
	int ret = copy->strict ? pages_check(pages, byte / PAGE, end / PAGE) : 0;

	while (length && !ret) {
		struct place place;
		uint64_t now;

		pages_find(pages, byte / PAGE, end / PAGE, &place);
		now = (place.last + 1) * PAGE - byte;
		if (now > length)
			now = length;
		ret = (place.held ? pinned_rw : user_rw)(pages->owner, place.addr + byte % PAGE,
							 copy->data, now, copy->write);
		byte += now;
		copy->data += now;
		length -= now;
	}
	return ret;
}

/* The same of parts with their memory to themselves, which are pinned or not as one. */
static int parts_rw(struct rf_ioas *ioas, struct part *part, uint64_t iova, uint64_t last,
		    struct copy *copy)
{
	bool held = part->seg.flags & PART_HELD;
	int ret = 0;

	if (!held && copy->strict)
		ret = pages_probe(part->seg.owner, part_user_addr(part) + (iova - part->seg.first),
				  last - iova + 1, part->seg.prot & RF_WRITE ? RF_WRITE : RF_READ);
	while (!ret) {
		uint64_t end = part->seg.last < last ? part->seg.last : last;
		uintptr_t addr = part->seg.addr + (iova - part->seg.first);

		ret = (held ? pinned_rw : user_rw)(part->seg.owner, addr, copy->data,
						   end - iova + 1, copy->write);
		if (end == last)
			break;
		copy->data += end - iova + 1;
		iova = end + 1;
		part = part_next(ioas, part);
	}
	return ret;
}

/*
 * What is pinned is taken there. Who asks for a process gets what Linux answers: what
 * is not pinned must be such that it could be, but inside one page it is the program's
 * memory as it is now, pinned or not, as long as the program is there.
 */
static int area_rw_slow(struct rf_ioas *ioas, struct part *part, uint64_t iova, uint64_t last,
			struct copy *copy)
{
	uintptr_t addr = part_user_addr(part) + (iova - part->seg.first);
	uint64_t length = last - iova + 1;
	struct slice *slice = part->slice;
	int ret;

	if (copy->strict && addr / PAGE == (addr + (length - 1)) / PAGE &&
	    owner_is_there(part->seg.owner))
		return owner_touches_device(part->seg.owner, addr, length) ?
			       -EFAULT :
			       user_rw(part->seg.owner, addr, copy->data, length, copy->write);
	if (!slice)
		return parts_rw(ioas, part, iova, last, copy);
	pages_lock(slice->pages);
	ret = pages_rw(slice->pages, slice_byte(slice, iova), length, copy);
	pages_unlock(slice->pages);
	return ret;
}

/* [iova, last] lies in the area of @part. */
static int area_rw(struct rf_ioas *ioas, struct part *part, uint64_t iova, void *data,
		   uint64_t last, uint32_t flags, const struct rf_owner *caller)
{
	struct copy copy = { .write = flags & IOAS_ACCESS_WRITE, .strict = caller, .data = data };

	if (part->slice && part->slice->leaving)
		return -EINVAL;
	if (!part_allows(part, flags))
		return -EPERM;
	if ((caller && caller != part->seg.owner) || flags & IOAS_ACCESS_SLOW)
		return area_rw_slow(ioas, part, iova, last, &copy);
	return user_rw(part->seg.owner, part_user_addr(part) + (iova - part->seg.first), data,
		       last - iova + 1, copy.write);
}

int ioas_access_rw_for(struct ioas_access *access, const struct rf_owner *caller, uint64_t iova,
		       void *data, uint64_t length, uint32_t flags)
{
	uint64_t last = iova + (length - 1);
	struct rf_ioas *ioas;
	int ret;

	if (flags & ~(IOAS_ACCESS_WRITE | IOAS_ACCESS_SLOW))
		return -EINVAL;
	ret = range_check(iova, length);
	if (ret)
		return ret;
	pthread_mutex_lock(&access->lock);
	ioas = access->ioas;
	if (!ioas) {
		pthread_mutex_unlock(&access->lock);
		return -ENOENT;
	}
	pthread_mutex_lock(&ioas->lock);
	for (;;) {
		struct part *part = part_at(ioas, iova);
		uint64_t end;

		ret = -ENOENT;
		if (!part)
			break;
		end = area_last(ioas, part)->seg.last;
		if (end > last)
			end = last;
		ret = area_rw(ioas, part, iova, data, end, flags, caller);
		if (ret || end == last)
			break;
		data = (char *)data + (end - iova + 1);
		iova = end + 1;
	}
	pthread_mutex_unlock(&ioas->lock);
	pthread_mutex_unlock(&access->lock);
	return ret;
}

int ioas_access_rw(struct ioas_access *access, uint64_t iova, void *data, uint64_t length,
		   uint32_t flags)
{
	return ioas_access_rw_for(access, NULL, iova, data, length, flags);
}
