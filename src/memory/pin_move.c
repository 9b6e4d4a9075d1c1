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

/* Holders, with a reference each. */

static void holders_init(struct pin_holders *holders)
{
	holders->nr = 0;
	holders->max = PIN_HOLDERS;
	holders->list = holders->few;
}

static void holders_drop(struct pin_holders *holders)
{
	for (unsigned i = 0; i < holders->nr; i++)
		holders->list[i]->ops->put(holders->list[i]);
	holders->nr = 0;
}

void pin_holders_put(struct pin_holders *holders)
{
	holders_drop(holders);
	if (holders->list != holders->few)
		alloc_direct_free(holders->list);
}

/* Room for twice as many, none of which is there now. */
static bool holders_grow(struct pin_holders *holders)
{
	unsigned max = holders->max * 2;
	struct pin_holder **list = alloc_direct(max * sizeof(struct pin_holder *));

	if (!list)
		return false;
	pin_holders_put(holders);
	holders->list = list;
	holders->max = max;
	return true;
}

/* The order of the holders' locks. */
static bool holder_before(const struct pin_holder *a, const struct pin_holder *b)
{
	return a->rank < b->rank || (a->rank == b->rank && (uintptr_t)a < (uintptr_t)b);
}

/* Where @holder is among the sorted ones, or belongs. */
static unsigned holders_place(const struct pin_holders *holders, const struct pin_holder *holder)
{
	unsigned low = 0;
	unsigned high = holders->nr;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (holder_before(holders->list[mid], holder))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool holders_have(const struct pin_holders *holders, const struct pin_holder *holder)
{
	unsigned i = holders_place(holders, holder);

	return i < holders->nr && holders->list[i] == holder;
}

static void holders_unlock(const struct pin_holders *holders)
{
	for (unsigned i = holders->nr; i > 0; i--)
		holders->list[i - 1]->ops->unlock(holders->list[i - 1]);
}

/* Moves. */

/* Nothing is announced, and nobody has a reference to be dropped. */
static void leaving_none(struct pin_leaving *leaving)
{
	leaving->owner = NULL;
	leaving->holders.list = NULL;
}

static bool move_collect(struct pin *pin, void *arg)
{
	struct pin_move *move = arg;
	struct pin_holders *holders = move->holders;
	unsigned place;

	if (holders_have(holders, pin->holder))
		return true;
	move->overflow = holders->nr == holders->max;
	move->dying = !move->overflow && !pin->holder->ops->get(pin->holder);
	if (move->overflow || move->dying)
		return false;
	place = holders_place(holders, pin->holder);
	for (unsigned i = holders->nr++; i > place; i--)
		holders->list[i] = holders->list[i - 1];
	holders->list[place] = pin->holder;
	return true;
}

static bool move_check(struct pin *pin, void *arg)
{
	struct pin_move *move = arg;

	move->stranger = !holders_have(move->holders, pin->holder);
	return !move->stranger;
}

static void move_visit(const struct pin_move *move, const struct owner_range *ranges, unsigned nr,
		       bool (*each)(struct pin *pin, void *arg))
{
	bool more = true;

	for (unsigned i = 0; i < nr && more; i++)
		more = pin_tree_visit(move->owner, ranges[i].first, ranges[i].last, each,
				      (void *)move);
}

/* Others find that all of @ranges and what is between is on the move. With the owner's lock held. */
static void move_mark(struct rf_owner *owner, const struct owner_range *ranges, unsigned nr)
{
	owner->move_first = ranges[0].first;
	owner->move_last = ranges[0].last;
	for (unsigned i = 1; i < nr; i++) {
		if (ranges[i].first < owner->move_first)
			owner->move_first = ranges[i].first;
		if (ranges[i].last > owner->move_last)
			owner->move_last = ranges[i].last;
	}
	owner->moves = true;
	pin_count(owner, 1);
}

/*
 * Lock every holder of pins in @ranges and announce these. The holders' locks
 * come before the owner's, so first see who they are, then lock, then look again. From
 * then on only those who wait for what was announced pin anything there.
 * False for want of memory.
 */
static bool move_lock(struct pin_move *move, const struct owner_range *ranges, unsigned nr,
		      struct pin_leaving *leaving)
{
	struct pin_holders *holders = move->holders;
	struct rf_owner *owner = move->owner;
	unsigned round = 0;

	for (;;) {
		move->overflow = false;
		move->dying = false;
		pthread_mutex_lock(&owner->lock);
		move_visit(move, ranges, nr, move_collect);
		pthread_mutex_unlock(&owner->lock);
		if (move->overflow || move->dying) {
			holders_drop(holders);
			if (move->dying)
				pause_round(&round);
			else if (!holders_grow(holders))
				return false;
			continue;
		}
		for (unsigned i = 0; i < holders->nr; i++)
			holders->list[i]->ops->lock(holders->list[i]);

		pthread_mutex_lock(&owner->lock);
		move->stranger = false;
		move_visit(move, ranges, nr, move_check);
		if (!move->stranger)
			break;
		pthread_mutex_unlock(&owner->lock);
		holders_unlock(holders);
		holders_drop(holders);
	}
	for (unsigned i = 0; i < nr; i++)
		leaving_announce(&leaving[i], owner, ranges[i].first, ranges[i].last);
	move_mark(owner, ranges, nr);
	pthread_mutex_unlock(&owner->lock);
	return true;
}

static void move_unlock(struct pin_move *move)
{
	struct rf_owner *owner = move->owner;

	pthread_mutex_lock(&owner->lock);
	owner->moves = false;
	pin_count(owner, -1ull);
	pthread_mutex_unlock(&owner->lock);
	holders_unlock(move->holders);
}

static bool move_find(struct pin *pin, void *arg)
{
	struct pin_move *move = arg;

	if (!holders_have(move->holders, pin->holder))
		return true;
	move->found = pin;
	return false;
}

/* Take the holders' pins in [move->first, move->last]: there is one. */
static bool move_take(struct pin_move *move)
{
	struct rf_owner *owner = move->owner;

	move->pins = NULL;
	move->staying = NULL;
	pthread_mutex_lock(&owner->lock);
	for (;;) {
		move->found = NULL;
		pin_tree_visit(owner, move->first, move->last, move_find, move);
		if (!move->found)
			break;
		pin_tree_del(owner, move->found);
		list_push(&move->pins, move->found);
	}
	pthread_mutex_unlock(&owner->lock);
	return move->pins;
}

/* Stop DMA to the range: from here to move_end() nothing translates it. False: nobody has pinned it. */
static bool move_begin(struct pin_move *move)
{
	struct pin *pin;
	struct pin *taken;

	if (!move_take(move))
		return false;
	taken = move->pins;
	move->pins = NULL;
	atomic_fetch_add(&move->owner->move_seq, 1);
	while ((pin = taken)) {
		taken = list_next(pin);
		pin->holder->moves = true;
		list_push(pin->holder->ops->begin(pin) ? &move->staying : &move->pins, pin);
	}
	for (unsigned i = 0; i < move->holders->nr; i++) {
		struct pin_holder *holder = move->holders->list[i];

		if (holder->moves)
			holder->ops->settle(holder);
		holder->moves = false;
	}
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
	/*
	 * What the program loses it does not lock any more. Not afterwards: a page that was
	 * moved like this the kernel counts as locked twice, for good.
	 */
	if (event == PIN_UNMAP)
		sys_munlock((void *)from, len);
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

/* Keep the pages of [first, last], all of which are pinned, by holders of @move or by those who wait. */
static uint64_t keep_run(struct pin_move *move, uintptr_t first, uintptr_t last,
			 enum pin_event event)
{
	struct rf_owner *owner = move->owner;
	struct pin_shift shift = { .first = first, .last = last };
	struct pin_hidden *hidden = hidden_new(owner, first, last);
	uint64_t pages = 0;
	bool lost;

	move->first = first;
	move->last = last;
	lost = !hidden;
	if (hidden && move_begin(move)) {
		if (move->pins)
			pages = chunks_move(move, hidden->first, event);
		shift.to = first;
		if (pages || event == PIN_UNMAP) {
			shift.to = hidden->first;
			shift.hidden = hidden;
		}
		move_end(move, &shift);
		lost = true;
	}
	if (hidden)
		pin_hidden_put(owner, hidden);
	if (event != PIN_PROTECT) {
		stats_add(&stats()->pins_moved, pages);
		if (lost)
			stats_add(&stats()->lost_pages, (last - first + 1) / PAGE - pages);
	}
	return pages;
}

/* The same of only those mappings in the range that the event hurts. */
static uint64_t keep_some(struct pin_move *move, uintptr_t first, uintptr_t last,
			  enum pin_event event)
{
	const bool shared = event == PIN_PROTECT;
	struct vma_walk walk;
	uint64_t pages = 0;
	struct vma vma;

	if (vma_walk_begin(&walk))
		return keep_run(move, first, last, event);
	while (!vma_walk_find(&walk, first, &vma) && vma.first <= last) {
		uintptr_t end = vma.last < last ? vma.last : last;

		if (vma.first > first)
			first = vma.first;
		if (vma.shared == shared)
			pages += keep_run(move, first, end, event);
		if (end == last)
			break;
		first = end + 1;
	}
	vma_walk_end(&walk);
	return pages;
}

/* Every run of pinned pages in @range, whose holders are locked. */
static uint64_t keep_runs(struct pin_move *move, const struct owner_range *range,
			  enum pin_event event)
{
	uintptr_t first = range->first;
	uintptr_t last = range->last;
	uint64_t pages = 0;

	while (pin_run(move->owner, &first, &last)) {
		pages += event == PIN_UNMAP ? keep_run(move, first, last, event) :
					      keep_some(move, first, last, event);
		if (last == range->last)
			break;
		first = last + 1;
		last = range->last;
	}
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

/* There was no memory even to begin. */
static void runs_are_lost(struct rf_owner *owner, const struct owner_range *range)
{
	uintptr_t first = range->first;
	uintptr_t last = range->last;

	while (pin_run(owner, &first, &last)) {
		stats_add(&stats()->lost_pages, (last - first + 1) / PAGE);
		if (last == range->last)
			break;
		first = last + 1;
		last = range->last;
	}
}

uint64_t pin_leave_keep(struct pin_leaving *leaving, struct rf_owner *owner, uintptr_t addr,
			uint64_t len, enum pin_event event)
{
	const struct owner_range range = { addr & ~(PAGE - 1), (addr + len - 1) | (PAGE - 1) };
	struct pin_move move = { .owner = owner, .holders = &leaving->holders };
	uint64_t pages = 0;

	leaving_none(leaving);
	if (!len || range.last < range.first)
		return 0;
	holders_init(&leaving->holders);
	pthread_mutex_lock(&owner->moving);
	if (move_lock(&move, &range, 1, leaving)) {
		pages = keep_runs(&move, &range, event);
		move_unlock(&move);
	} else if (event != PIN_PROTECT) {
		runs_are_lost(owner, &range);
	}
	pthread_mutex_unlock(&owner->moving);
	return pages;
}

uint64_t pin_keep(struct rf_owner *owner, uintptr_t addr, uint64_t len, enum pin_event event)
{
	struct pin_leaving leaving;
	uint64_t pages;

	if (!pin_any(owner))
		return 0;
	pages = pin_leave_keep(&leaving, owner, addr, len, event);
	pin_leave_end(&leaving);
	return pages;
}

/* What is dropped comes last; a range of no length is none. Returns how many there are. */
static unsigned remap_ranges(struct owner_range *ranges, uintptr_t from, uint64_t len,
			     const struct pin_drop *drops, unsigned nr_drops)
{
	unsigned nr = 0;

	if (len)
		ranges[nr++] = (struct owner_range){ from, (from + len - 1) | (PAGE - 1) };
	for (unsigned i = 0; i < nr_drops; i++)
		if (drops[i].len)
			ranges[nr++] = (struct owner_range){
				drops[i].addr, (drops[i].addr + drops[i].len - 1) | (PAGE - 1)
			};
	return nr;
}

void pin_remap_begin(struct rf_owner *owner, uintptr_t from, uint64_t len,
		     const struct pin_drop *drops, unsigned nr_drops)
{
	struct owner_range ranges[PIN_DROPS + 1];
	struct pin_move *move = &owner->remap;
	unsigned nr = remap_ranges(ranges, from, len, drops, nr_drops);

	pthread_mutex_lock(&owner->moving);
	*move = (struct pin_move){ .owner = owner };
	for (unsigned i = 0; i < PIN_DROPS + 1; i++)
		leaving_none(&owner->remap_leaving[i]);
	move->holders = &owner->remap_leaving[0].holders;
	holders_init(move->holders);
	move->locked = nr && move_lock(move, ranges, nr, owner->remap_leaving);
	if (!move->locked)
		return;
	for (unsigned i = len ? 1 : 0; i < nr; i++)
		keep_runs(move, &ranges[i], PIN_UNMAP);
	move->first = from;
	move->last = from + len - 1;
	move->moves = len && move_begin(move);
}

void pin_remap_end(struct rf_owner *owner, uintptr_t from, uint64_t len, uintptr_t to)
{
	struct pin_shift shift = { .first = from, .last = from + len - 1, .to = to };

	if (owner->remap.moves)
		move_end(&owner->remap, &shift);
	if (owner->remap.locked)
		move_unlock(&owner->remap);
	for (unsigned i = 0; i < PIN_DROPS + 1; i++)
		leaving_withdraw(&owner->remap_leaving[i]);
	pin_leave_end(&owner->remap_leaving[0]);
	pthread_mutex_unlock(&owner->moving);
}
