/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages objects: who holds which pages, and where they are; see pages.h.
 *
 * Holding pins the pages that nobody holds yet, and then looks whether they are there
 * (memory/pin.h says why in this order), and charges them. What fails then leaves no
 * more behind than runs that are cut.
 *
 * When the owner moves or lets go of memory that a run has pinned, the run is
 * cut to the piece that moved, as areas are (repin.c).
 */
#include "ioas/space.h"

#include <assert.h>
#include <errno.h>

#include "base/sys.h"

#define PAGE	   4096ull
#define PAGES_RANK 1

static const struct pin_holder_ops pages_pin_ops;

static struct run *run_of(const struct tree_node *node)
{
	return tree_entry(node, struct run, node);
}

static bool run_less(const struct tree_node *a, const struct tree_node *b)
{
	return run_of(a)->first < run_of(b)->first;
}

static bool run_update(struct tree_node *node)
{
	return false;
}

static const struct tree_ops run_ops = { .less = run_less, .update = run_update };

/* The run that holds @index, or the first above it, or NULL. */
static struct run *run_from(const struct pages *pages, uint64_t index)
{
	struct tree_node *node = pages->runs.root;
	struct run *found = NULL;

	while (node) {
		if (run_of(node)->last >= index) {
			found = run_of(node);
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return found;
}

static struct run *run_next(const struct pages *pages, const struct run *run)
{
	return run->last + 1 < pages->nr ? run_from(pages, run->last + 1) : NULL;
}

static void run_pin(struct pages *pages, struct run *run)
{
	run->pin.last = run->pin.addr + (run->last - run->first + 1) * PAGE - 1;
	run->pin.holder = &pages->holder;
	if (run->hidden)
		pin_hide(pages->owner, &run->pin);
	else
		pin_add(pages->owner, &run->pin);
}

static void run_unpin(struct pages *pages, struct run *run)
{
	if (run->hidden)
		pin_unhide(pages->owner, &run->pin);
	else
		pin_del(pages->owner, &run->pin);
}

static void runs_free(struct run *run)
{
	while (run) {
		struct run *next = run->node.left ? run_of(run->node.left) : NULL;

		alloc_small_free(run, sizeof(*run));
		run = next;
	}
}

static struct run *runs_pop(struct run **list)
{
	struct run *run = *list;

	assert(run);
	*list = run->node.left ? run_of(run->node.left) : NULL;
	return run;
}

/* @count more runs to the list: 0, or -ENOMEM, then none. */
static int runs_alloc(struct run **list, uint64_t count)
{
	struct run *mine = NULL;

	while (count--) {
		struct run *run = alloc_small(sizeof(*run));

		if (!run) {
			runs_free(mine);
			return -ENOMEM;
		}
		run->node.left = mine ? &mine->node : NULL;
		mine = run;
	}
	while (mine) {
		struct run *run = runs_pop(&mine);

		run->node.left = *list ? &(*list)->node : NULL;
		*list = run;
	}
	return 0;
}

struct pages *pages_new(struct rf_owner *owner, uintptr_t addr, uint64_t length, bool writable,
			struct account *account, enum account_mode mode)
{
	struct pages *pages = alloc_small(sizeof(*pages));

	if (!pages)
		return NULL;
	pages->holder.ops = &pages_pin_ops;
	pages->holder.rank = PAGES_RANK;
	pthread_mutex_init(&pages->lock, NULL);
	atomic_init(&pages->refs, 1);
	pages->owner = owner;
	owner_get(owner);
	pages->addr = addr & ~(PAGE - 1);
	pages->place = pages->addr;
	pages->nr = pages_spanned(addr, length);
	pages->writable = writable;
	pages->account = account;
	pages->mode = mode;
	return pages;
}

struct pages *pages_get(struct pages *pages)
{
	atomic_fetch_add_explicit(&pages->refs, 1, memory_order_relaxed);
	return pages;
}

void pages_put(struct pages *pages)
{
	if (atomic_fetch_sub_explicit(&pages->refs, 1, memory_order_acq_rel) != 1)
		return;
	assert(!pages->runs.root && !pages->spare);
	if (pages->view)
		sys_munmap(pages->view, pages->view_length);
	pthread_mutex_destroy(&pages->lock);
	owner_put(pages->owner);
	alloc_small_free(pages, sizeof(*pages));
}

static void run_insert(struct pages *pages, struct run *run, uint64_t first, uint64_t last,
		       uintptr_t addr)
{
	run->first = first;
	run->last = last;
	run->count = 1;
	run->pin.addr = addr;
	tree_insert(&pages->runs, &run->node, &run_ops);
}

/* A new run from @run's page @index on. Neither is pinned just now. */
static struct run *run_split(struct pages *pages, struct run *run, uint64_t index,
			     struct run **list)
{
	struct run *tail = runs_pop(list);

	run_insert(pages, tail, index, run->last, run->pin.addr + (index - run->first) * PAGE);
	tail->count = run->count;
	tail->hidden = run->hidden;
	if (run->hidden)
		pin_hidden_get(pages->owner, run->hidden);
	run->last = index - 1;
	return tail;
}

/* No run goes on across the border below @index. */
static void runs_cut(struct pages *pages, uint64_t index, struct run **list)
{
	struct run *run = index < pages->nr ? run_from(pages, index) : NULL;
	struct run *tail;

	if (!run || run->first >= index)
		return;
	run_unpin(pages, run);
	tail = run_split(pages, run, index, list);
	run_pin(pages, run);
	run_pin(pages, tail);
}

int pages_cut(struct pages *pages, uint64_t index)
{
	struct run *spare = NULL;
	int ret = runs_alloc(&spare, 1);

	if (ret)
		return ret;
	pages_lock(pages);
	runs_cut(pages, index, &spare);
	pages_unlock(pages);
	runs_free(spare);
	return 0;
}

int pages_adopt(struct pages *pages, uint64_t first, uint64_t last, uintptr_t addr,
		struct pin_hidden *hidden)
{
	struct run *run = NULL;

	if (runs_alloc(&run, 1))
		return -ENOMEM;
	run_insert(pages, run, first, last, addr);
	run->hidden = hidden;
	if (hidden)
		pin_hidden_get(pages->owner, hidden);
	run_pin(pages, run);
	return 0;
}

/*
 * The run at or behind *index, and the pages before it, up to @last, that nobody holds:
 * [*index, returned).
 */
static uint64_t runs_gap(const struct pages *pages, uint64_t index, uint64_t last, struct run **run)
{
	*run = run_from(pages, index);
	if (*run && (*run)->first > last)
		*run = NULL;
	return *run && (*run)->first > index ? (*run)->first : *run ? index : last + 1;
}

/* Unlike what type1 maps, BARs are none of it: Linux pins pages here, and they have none. */
int pages_probe(struct rf_owner *owner, uintptr_t addr, uint64_t length, uint32_t prot)
{
	int ret = owner_probe(owner, addr, length, prot);

	if (!ret && owner_touches_device(owner, addr, length))
		return -EFAULT;

	if (ret == -EFAULT && ((addr + length - 1) | (PAGE - 1)) == UINT64_MAX &&
	    pages_spanned(addr, length) <= 8192)
		return -EOVERFLOW;
	return ret;
}

int pages_check(struct pages *pages, uint64_t first, uint64_t last)
{
	int ret = 0;

	while (first <= last && !ret) {
		struct run *run;
		uint64_t end = runs_gap(pages, first, last, &run);

		if (end > first)
			ret = pages->bad_file ?
				      -EINVAL :
				      pages_probe(pages->owner, pages->addr + first * PAGE,
						  (end - first) * PAGE,
						  pages->writable ? RF_WRITE : RF_READ);
		if (!run)
			break;
		first = run->last + 1;
	}
	return ret && pages->view ? -EINVAL : ret;
}

/* What holding [first, last] takes: runs, and pages to be charged. */
static void hold_count(const struct pages *pages, uint64_t first, uint64_t last, uint64_t *nr_gaps,
		       uint64_t *charge)
{
	struct run *run;

	*nr_gaps = 0;
	*charge = 0;
	while (first <= last) {
		uint64_t end = runs_gap(pages, first, last, &run);

		*charge += end - first;
		*nr_gaps += end > first;
		if (!run)
			break;
		first = run->last + 1;
	}
}

/* Pin what nobody holds yet: runs with a count of 0. */
static void hold_pin(struct pages *pages, uint64_t first, uint64_t last, struct run **spare)
{
	while (first <= last) {
		struct run *run;
		uint64_t end = runs_gap(pages, first, last, &run);

		if (end > first) {
			struct run *mine = runs_pop(spare);

			run_insert(pages, mine, first, end - 1, pages->addr + first * PAGE);
			mine->count = 0;
			run_pin(pages, mine);
		}
		if (!run)
			break;
		first = run->last + 1;
	}
}

/* Whether the pages of a run are there that has just been pinned. */
static int hold_probe(struct pages *pages, const struct run *run)
{
	int ret;

	pin_settle(pages->owner, run->pin.addr, run->pin.last);
	ret = pages_probe(pages->owner, run->pin.addr, (run->last - run->first + 1) * PAGE,
			  pages->writable ? RF_WRITE : RF_READ);
	return ret && pages->view ? -EINVAL : ret;
}

/* A run that nobody holds goes. */
static void run_drop(struct pages *pages, struct run *run)
{
	run_unpin(pages, run);
	if (run->hidden)
		pin_hidden_put(pages->owner, run->hidden);
	tree_remove(&pages->runs, &run->node, &run_ops);
	alloc_small_free(run, sizeof(*run));
}

int pages_hold(struct pages *pages, uint64_t first, uint64_t last)
{
	struct run *spare = NULL;
	struct run *run, *next;
	uint64_t nr_gaps;
	uint64_t charge;
	int ret;

	hold_count(pages, first, last, &nr_gaps, &charge);
	if (nr_gaps && pages->bad_file)
		return -EINVAL;
	ret = runs_alloc(&spare, nr_gaps + 2);
	if (ret)
		return ret;
	runs_cut(pages, first, &spare);
	runs_cut(pages, last + 1, &spare);
	hold_pin(pages, first, last, &spare);
	runs_free(spare);
	for (run = run_from(pages, first); !ret && run && run->first <= last;
	     run = run_next(pages, run))
		if (!run->count)
			ret = hold_probe(pages, run);
	if (!ret)
		ret = account_charge(pages->account, pages->mode, charge);
	for (run = run_from(pages, first); run && run->first <= last; run = next) {
		next = run_next(pages, run);
		if (!ret)
			run->count++;
		else if (!run->count)
			run_drop(pages, run);
	}
	return ret;
}

void pages_release(struct pages *pages, uint64_t first, uint64_t last)
{
	struct run *run = run_from(pages, first);
	uint64_t uncharge = 0;

	while (run && run->first <= last) {
		struct run *next = run_next(pages, run);

		assert(run->first >= first && run->last <= last);
		if (!--run->count) {
			uncharge += run->last - run->first + 1;
			run_drop(pages, run);
		}
		run = next;
	}
	account_uncharge(pages->account, pages->mode, uncharge);
}

void pages_find(const struct pages *pages, uint64_t index, uint64_t last, struct place *out)
{
	struct run *run = run_from(pages, index);

	if (!run || run->first > index) {
		out->addr = pages->addr + index * PAGE;
		out->last = run && run->first <= last ? run->first - 1 : last;
		out->hidden = NULL;
		out->held = false;
		return;
	}
	out->addr = run->pin.addr + (index - run->first) * PAGE;
	out->hidden = run->hidden;
	out->held = true;
	/* runs that are held differently often may lie together all the same */
	for (;;) {
		struct run *next = run->last < last ? run_next(pages, run) : NULL;

		if (!next || next->first != run->last + 1 || next->hidden != run->hidden ||
		    next->pin.addr != run->pin.addr + (next->first - run->first) * PAGE)
			break;
		run = next;
	}
	out->last = run->last < last ? run->last : last;
}

/* Moves. */

static struct pages *pages_of(struct pin_holder *holder)
{
	return tree_entry(holder, struct pages, holder);
}

static bool move_get(struct pin_holder *holder)
{
	struct pages *pages = pages_of(holder);
	unsigned refs = atomic_load(&pages->refs);

	while (refs)
		if (atomic_compare_exchange_weak(&pages->refs, &refs, refs + 1))
			return true;
	return false;
}

static void move_put(struct pin_holder *holder)
{
	pages_put(pages_of(holder));
}

static void move_lock(struct pin_holder *holder)
{
	pages_lock(pages_of(holder));
}

static void move_unlock(struct pin_holder *holder)
{
	struct pages *pages = pages_of(holder);

	runs_free(pages->spare);
	pages->spare = NULL;
	pages_unlock(pages);
}

/* Two cuts make two more runs. Nobody translates by this object. */
static int move_begin(struct pin *pin)
{
	return runs_alloc(&pages_of(pin->holder)->spare, 2);
}

static void move_settle(struct pin_holder *holder)
{
}

static void move_end(struct pin *pin, const struct pin_shift *shift)
{
	struct pages *pages = pages_of(pin->holder);
	struct run *run = tree_entry(pin, struct run, pin);

	if (shift->to != shift->first) {
		uintptr_t first = pin->addr > shift->first ? pin->addr : shift->first;

		if (pin->last > shift->last)
			run_pin(pages, run_split(pages, run,
						 run->first + (shift->last + 1 - pin->addr) / PAGE,
						 &pages->spare));
		if (first > pin->addr) {
			struct run *moved = run_split(
				pages, run, run->first + (first - pin->addr) / PAGE, &pages->spare);

			run_pin(pages, run);
			run = moved;
		}
		run->pin.addr = shift->to + (first - shift->first);
		if (shift->hidden) {
			run->hidden = shift->hidden;
			pin_hidden_get(pages->owner, shift->hidden);
		}
	}
	run_pin(pages, run);
}

static const struct pin_holder_ops pages_pin_ops = {
	.get = move_get,
	.put = move_put,
	.lock = move_lock,
	.unlock = move_unlock,
	.begin = move_begin,
	.settle = move_settle,
	.end = move_end,
};

/* A page that is asked for, and how many hold it. */
struct tally {
	uintptr_t addr;
	unsigned count;
};

static bool pin_counts(struct pin *pin, void *arg)
{
	struct tally *tally = arg;

	tally->count += pin->holder->ops == &pages_pin_ops || ioas_pin_is_own(pin);
	return true;
}

static bool hidden_counts(struct pin *pin, void *arg)
{
	struct tally *tally = arg;
	uintptr_t last;

	if (pin->holder->ops == &pages_pin_ops)
		last = pin->last;
	else if (ioas_pin_is_own(pin))
		last = ioas_pin_hidden_last(pin);
	else
		return true;
	tally->count += (pin->addr & ~(PAGE - 1)) <= tally->addr && tally->addr <= last;
	return true;
}

unsigned pages_pin_count(struct rf_owner *owner, uintptr_t addr)
{
	struct tally tally = { .addr = addr & ~(PAGE - 1) };

	pin_visit(owner, tally.addr, pin_counts, &tally);
	pin_visit_hidden(owner, hidden_counts, &tally);
	return tally.count;
}
