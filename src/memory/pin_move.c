/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moving pinned pages out of the program's way, by mremap.
 *
 * The hidden memory of a move mirrors the range it came from: one reservation
 * of address space, into which every mapping of the range moves at its own
 * offset. A hole stays a hole there, so DMA to pages that the program lost
 * silently (free() inside libc) faults instead of meeting their successor.
 *
 * MREMAP_DONTUNMAP leaves an empty mapping behind, which is just what
 * MADV_DONTNEED means, and for munmap keeps the place taken until the program's
 * own call. What it cannot move (huge pages of hugetlbfs) is moved plainly and
 * the place is taken again.
 */
#include "memory/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/apart.h"
#include "base/pause.h"
#include "base/stats.h"
#include "base/sys.h"
#include "memory/owner_private.h"
#include "memory/pin_tree.h"
#include "memory/vma.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define PAGE		4096ul
#define HUGE_2M		(2ul << 20)
#define HUGE_1G		(1ul << 30)
#define BEYOND_ANY_FILE (1l << 50)

static struct pin *list_next(const struct pin *pin)
{
	return pin->node.left ? tree_entry(pin->node.left, struct pin, node) : NULL;
}

static void list_push(struct pin **list, struct pin *pin)
{
	pin->node.left = *list ? &(*list)->node : NULL;
	*list = pin;
}

static void move_init(struct pin_move *move, struct rf_owner *owner, uintptr_t first,
		      uintptr_t last)
{
	*move = (struct pin_move){
		.owner = owner,
		.first = first,
		.last = last,
		.max_holders = MOVE_HOLDERS,
	};
	move->holders = move->few;
}

static void move_free(struct pin_move *move)
{
	if (move->holders != move->few)
		alloc_direct_free(move->holders);
}

/* Room for twice as many holders, none of which is there now. */
static bool move_grow(struct pin_move *move)
{
	unsigned max = move->max_holders * 2;
	struct pin_holder **holders = alloc_direct(max * sizeof(struct pin_holder *));

	if (!holders)
		return false;
	move_free(move);
	move->holders = holders;
	move->max_holders = max;
	return true;
}

/* The order of the holders' locks. */
static bool holder_before(const struct pin_holder *a, const struct pin_holder *b)
{
	return a->rank < b->rank || (a->rank == b->rank && (uintptr_t)a < (uintptr_t)b);
}

/* Where @holder is among the sorted ones, or belongs. */
static unsigned move_place(const struct pin_move *move, const struct pin_holder *holder)
{
	unsigned low = 0;
	unsigned high = move->nr_holders;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (holder_before(move->holders[mid], holder))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool move_has(const struct pin_move *move, const struct pin_holder *holder)
{
	unsigned i = move_place(move, holder);

	return i < move->nr_holders && move->holders[i] == holder;
}

static bool move_collect(struct pin *pin, void *arg)
{
	struct pin_move *move = arg;
	unsigned place;

	if (move_has(move, pin->holder))
		return true;
	move->overflow = move->nr_holders == move->max_holders;
	move->dying = !move->overflow && !pin->holder->ops->get(pin->holder);
	if (move->overflow || move->dying)
		return false;
	place = move_place(move, pin->holder);
	for (unsigned i = move->nr_holders++; i > place; i--)
		move->holders[i] = move->holders[i - 1];
	move->holders[place] = pin->holder;
	return true;
}

static bool move_check(struct pin *pin, void *arg)
{
	struct pin_move *move = arg;

	move->stranger = !move_has(move, pin->holder);
	return !move->stranger;
}

static void move_put_holders(struct pin_move *move)
{
	for (unsigned i = 0; i < move->nr_holders; i++)
		move->holders[i]->ops->put(move->holders[i]);
	move->nr_holders = 0;
}

static void move_unlock(struct pin_move *move)
{
	for (unsigned i = move->nr_holders; i > 0; i--)
		move->holders[i - 1]->ops->unlock(move->holders[i - 1]);
	move_put_holders(move);
}

/*
 * Lock every holder of pins in the range and take the pins. The holders' locks
 * come before the owner's, so first see who they are, then lock, then look again.
 * False for want of memory.
 */
static bool move_lock(struct pin_move *move)
{
	struct rf_owner *owner = move->owner;
	unsigned round = 0;

	for (;;) {
		move->overflow = false;
		move->dying = false;
		pthread_mutex_lock(&owner->lock);
		pin_tree_visit(owner, move->first, move->last, move_collect, move);
		pthread_mutex_unlock(&owner->lock);
		if (move->overflow || move->dying) {
			move_put_holders(move);
			if (move->dying)
				pause_round(&round);
			else if (!move_grow(move))
				return false;
			continue;
		}
		for (unsigned i = 0; i < move->nr_holders; i++)
			move->holders[i]->ops->lock(move->holders[i]);

		pthread_mutex_lock(&owner->lock);
		move->stranger = false;
		pin_tree_visit(owner, move->first, move->last, move_check, move);
		if (!move->stranger)
			break;
		pthread_mutex_unlock(&owner->lock);
		move_unlock(move);
	}
	for (;;) {
		struct pin *pin = pin_tree_first(owner, move->first, move->last);

		if (!pin)
			break;
		pin_tree_del(owner, pin);
		list_push(&move->pins, pin);
	}
	pthread_mutex_unlock(&owner->lock);
	return true;
}

/* Stop DMA to the range: from here to move_end() nothing translates it. */
static bool move_begin(struct pin_move *move)
{
	struct pin *pin;
	struct pin *taken;

	if (!move_lock(move))
		return false;
	taken = move->pins;
	move->pins = NULL;
	atomic_fetch_add(&move->owner->move_seq, 1);
	while ((pin = taken)) {
		taken = list_next(pin);
		list_push(pin->holder->ops->begin(pin) ? &move->staying : &move->pins, pin);
	}
	for (unsigned i = 0; i < move->nr_holders; i++)
		move->holders[i]->ops->settle(move->holders[i]);
	return true;
}

static void move_end(struct pin_move *move, const struct pin_shift *shift)
{
	struct pin *pin;

	while ((pin = move->pins)) {
		move->pins = list_next(pin);
		pin->holder->ops->end(pin, shift);
	}
	while ((pin = move->staying)) {
		move->staying = list_next(pin);
		pin_add(move->owner, pin);
	}
	atomic_fetch_add(&move->owner->move_seq, 1);
	move_unlock(move);
}

/*
 * A reservation whose pages cannot be reached even through /proc/self/mem, as
 * DMA does: a file, where it has long ended. What does not move in stays so.
 */
static void *hidden_reserve(size_t len)
{
	int fd = sys_open("/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
	void *space;

	if (fd >= 0) {
		space = apart_mmap(len, PROT_NONE, MAP_PRIVATE, fd, BEYOND_ANY_FILE);
		sys_close(fd);
		if (!sys_failed(space))
			return space;
	}
	return apart_mmap(len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/*
 * Address space for [first, last] to move to, at the same offset in a huge page
 * so that huge pages move whole. NULL for want of memory.
 */
static struct pin_hidden *hidden_new(struct rf_owner *owner, uintptr_t first, uintptr_t last)
{
	size_t len = last - first + 1;
	size_t align = len >= HUGE_1G ? HUGE_1G : len >= HUGE_2M ? HUGE_2M : PAGE;
	size_t total = len + align - PAGE;
	struct pin_hidden *hidden;
	uintptr_t base;
	char *space;

	space = hidden_reserve(total);
	if (sys_failed(space))
		return NULL;
	pthread_mutex_lock(&owner->lock);
	hidden = slab_alloc(&owner->hidden);
	pthread_mutex_unlock(&owner->lock);
	if (!hidden) {
		sys_munmap(space, total);
		return NULL;
	}
	base = (uintptr_t)space + ((first - (uintptr_t)space) & (align - 1));
	if (base > (uintptr_t)space)
		sys_munmap(space, base - (uintptr_t)space);
	if (base + len < (uintptr_t)space + total)
		sys_munmap((char *)base + len, (uintptr_t)space + total - base - len);
	*hidden = (struct pin_hidden){ .first = base, .last = base + len - 1, .refs = 1 };
	return hidden;
}

/* Move one mapping's part of the range. 0 or a negative errno. */
static int chunk_move(uintptr_t from, size_t len, uintptr_t to, enum pin_event event)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	void *ret;

	if (event == PIN_PROTECT) { /* old size 0: a second view of shared pages */
		ret = sys_mremap((void *)from, 0, len, flags, (void *)to);
		return sys_failed(ret) ? sys_error(ret) : 0;
	}
	ret = sys_mremap((void *)from, len, len, flags | MREMAP_DONTUNMAP, (void *)to);
	if (!sys_failed(ret))
		return 0;
	if (event == PIN_DISCARD)
		return sys_error(ret);
	ret = sys_mremap((void *)from, len, len, flags, (void *)to);
	if (sys_failed(ret))
		return sys_error(ret);
	sys_mmap((void *)from, len, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	return 0;
}

/* Move the mappings in the range, each by itself. Returns the pages that moved. */
static uint64_t chunks_move(const struct pin_move *move, uintptr_t to, enum pin_event event)
{
	uintptr_t first = move->first;
	struct vma_walk walk;
	uint64_t pages = 0;
	struct vma vma;

	if (vma_walk_begin(&walk)) {
		/* no descriptor to be had: as one, if it is one */
		size_t len = move->last - first + 1;

		return chunk_move(first, len, to, event) ? 0 : len / PAGE;
	}
	while (!vma_walk_find(&walk, first, &vma) && vma.first <= move->last) {
		uintptr_t last = vma.last < move->last ? vma.last : move->last;

		if (vma.first > first)
			first = vma.first;
		if (!chunk_move(first, last - first + 1, to + (first - move->first), event))
			pages += (last - first + 1) / PAGE;
		if (last == move->last)
			break;
		first = last + 1;
	}
	vma_walk_end(&walk);
	return pages;
}

/* Keep the pages of [first, last], all of which are pinned. */
static uint64_t keep_run(struct rf_owner *owner, uintptr_t first, uintptr_t last,
			 enum pin_event event)
{
	struct pin_move move;
	struct pin_shift shift = { .first = first, .last = last };
	struct pin_hidden *hidden = hidden_new(owner, first, last);
	uint64_t pages = 0;

	move_init(&move, owner, first, last);
	if (hidden && move_begin(&move)) {
		if (move.pins)
			pages = chunks_move(&move, hidden->first, event);
		shift.to = first;
		if (pages || event == PIN_UNMAP) {
			shift.to = hidden->first;
			shift.hidden = hidden;
		}
		move_end(&move, &shift);
	}
	move_free(&move);
	if (hidden)
		pin_hidden_put(owner, hidden);
	if (event != PIN_PROTECT) {
		uintptr_t from = first, to = last;

		stats_add(&stats()->pins_moved, pages);
		/* who had pinned them may have let go meanwhile: then nothing is lost */
		if (pages || pin_run(owner, &from, &to))
			stats_add(&stats()->lost_pages, (last - first + 1) / PAGE - pages);
	}
	return pages;
}

/* The same of only those mappings in the range that the event hurts. */
static uint64_t keep_some(struct rf_owner *owner, uintptr_t first, uintptr_t last,
			  enum pin_event event)
{
	const bool shared = event == PIN_PROTECT;
	struct vma_walk walk;
	uint64_t pages = 0;
	struct vma vma;

	if (vma_walk_begin(&walk))
		return keep_run(owner, first, last, event);
	while (!vma_walk_find(&walk, first, &vma) && vma.first <= last) {
		uintptr_t end = vma.last < last ? vma.last : last;

		if (vma.first > first)
			first = vma.first;
		if (vma.shared == shared)
			pages += keep_run(owner, first, end, event);
		if (end == last)
			break;
		first = end + 1;
	}
	vma_walk_end(&walk);
	return pages;
}

bool pin_run(struct rf_owner *owner, uintptr_t *first, uintptr_t *last)
{
	struct pin *pin;
	uintptr_t end;

	pthread_mutex_lock(&owner->lock);
	pin = pin_tree_first(owner, *first, *last);
	if (pin) {
		if (pin->addr > *first)
			*first = pin->addr & ~(PAGE - 1);
		end = pin->last | (PAGE - 1);
		while (end < *last && (pin = pin_tree_first(owner, end + 1, end + 1)))
			end = pin->last | (PAGE - 1);
		if (end < *last)
			*last = end;
		pthread_mutex_unlock(&owner->lock);
		return true;
	}
	pthread_mutex_unlock(&owner->lock);
	return false;
}

uint64_t pin_keep(struct rf_owner *owner, uintptr_t addr, uint64_t len, enum pin_event event)
{
	uintptr_t end = (addr + len - 1) | (PAGE - 1);
	uintptr_t first = addr & ~(PAGE - 1);
	uintptr_t last = end;
	uint64_t pages = 0;

	if (!pin_any(owner) || !len || end < first)
		return 0;
	pthread_mutex_lock(&owner->moving);
	while (pin_run(owner, &first, &last)) {
		pages += event == PIN_UNMAP ? keep_run(owner, first, last, event) :
					      keep_some(owner, first, last, event);
		if (last == end)
			break;
		first = last + 1;
		last = end;
	}
	pthread_mutex_unlock(&owner->moving);
	return pages;
}

void pin_remap_begin(struct rf_owner *owner, uintptr_t from, uint64_t len)
{
	struct pin_move *move = &owner->remap;

	pthread_mutex_lock(&owner->moving);
	move_init(move, owner, from, from + len - 1);
	owner->remapping = len && pin_any(owner) && move_begin(move);
}

void pin_remap_end(struct rf_owner *owner, uintptr_t from, uint64_t len, uintptr_t to)
{
	struct pin_shift shift = { .first = from, .last = from + len - 1, .to = to };

	if (owner->remapping)
		move_end(&owner->remap, &shift);
	move_free(&owner->remap);
	pthread_mutex_unlock(&owner->moving);
}
