/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pins with a holder that only keeps books: which pins take part in a move, what
 * they are told, and what becomes of the memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "../random.h"
#include "base/stats.h"
#include "memory/limit.h"
#include "memory/owner.h"
#include "memory/owner_private.h"
#include "memory/pin.h"
#include "memory/pin_tree.h"

#define PAGE 4096ul

static struct rf_owner *owner;

struct book {
	struct pin_holder holder;
	bool going; /* get() fails until asked so often */
	bool refuse; /* begin() fails */
	unsigned gets, puts, locks, unlocks, begins, settles, ends;
	struct pin_shift shift;
};

static struct book *book_of(struct pin_holder *holder)
{
	return tree_entry(holder, struct book, holder);
}

static bool book_get(struct pin_holder *holder)
{
	struct book *book = book_of(holder);

	if (book->going) {
		book->going = false;
		return false;
	}
	book->gets++;
	return true;
}

static void book_put(struct pin_holder *holder)
{
	book_of(holder)->puts++;
}

static void book_lock(struct pin_holder *holder)
{
	book_of(holder)->locks++;
}

static void book_unlock(struct pin_holder *holder)
{
	book_of(holder)->unlocks++;
}

static int book_begin(struct pin *pin)
{
	struct book *book = book_of(pin->holder);

	assert_int_equal(book->locks, book->unlocks + 1);
	assert_int_equal(pin_move_seq(owner) & 1, 1);
	book->begins++;
	return book->refuse ? -ENOMEM : 0;
}

static void book_settle(struct pin_holder *holder)
{
	book_of(holder)->settles++;
}

/* Keeps books only: the pin moves as a whole, whatever moved. */
static void book_end(struct pin *pin, const struct pin_shift *shift)
{
	struct book *book = book_of(pin->holder);

	book->ends++;
	book->shift = *shift;
	if (shift->hidden) {
		pin_hidden_get(owner, shift->hidden);
		return;
	}
	pin->last += shift->to - shift->first;
	pin->addr += shift->to - shift->first;
	pin_add(owner, pin);
}

static const struct pin_holder_ops book_ops = {
	.get = book_get,
	.put = book_put,
	.lock = book_lock,
	.unlock = book_unlock,
	.begin = book_begin,
	.settle = book_settle,
	.end = book_end,
};

static struct pin pin_at(struct book *book, void *addr, size_t len)
{
	book->holder.ops = &book_ops;
	return (struct pin){
		.addr = (uintptr_t)addr,
		.last = (uintptr_t)addr + len - 1,
		.holder = &book->holder,
	};
}

static char *pages(size_t nr)
{
	char *p = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	for (size_t i = 0; i < nr; i++)
		p[i * PAGE] = (char)('a' + i);
	return p;
}

static bool present(const void *addr)
{
	unsigned char vec;

	return mincore((void *)addr, PAGE, &vec) == 0;
}

static int make_owner(void **state)
{
	owner = owner_new_self();
	return owner ? 0 : -1;
}

static int drop_owner(void **state)
{
	owner_free(owner);
	return 0;
}

static bool count(struct pin *pin, void *arg)
{
	++*(unsigned *)arg;
	return true;
}

static void finds_overlapping_pins_like_a_plain_search(void **state)
{
	enum { N = 300 };
	static struct pin pins[N];
	bool in[N] = { false };
	struct book book = { 0 };
	uint64_t rnd = 5;

	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)random_below(&rnd, N);
		uintptr_t first = random_below(&rnd, 1000 * PAGE);
		uintptr_t last = first + random_below(&rnd, 50 * PAGE);
		uintptr_t lowest = UINTPTR_MAX;
		unsigned expected = 0;
		unsigned seen = 0;
		struct pin *found;

		if (in[i]) {
			pin_del(owner, &pins[i]);
		} else {
			pins[i] = pin_at(&book, (void *)random_below(&rnd, 1000 * PAGE),
					 1 + random_below(&rnd, 1ull << random_below(&rnd, 20)));
			pin_add(owner, &pins[i]);
		}
		in[i] = !in[i];

		for (unsigned j = 0; j < N; j++) {
			if (!in[j] || (pins[j].addr & ~(PAGE - 1)) > last ||
			    (pins[j].last | (PAGE - 1)) < first)
				continue;
			expected++;
			if (pins[j].addr < lowest)
				lowest = pins[j].addr;
		}
		pin_tree_visit(owner, first, last, count, &seen);
		assert_int_equal(seen, expected);
		found = pin_tree_first(owner, first, last);
		assert_int_equal(found != NULL, expected > 0);
		if (found)
			assert_int_equal(found->addr, lowest);
	}
	assert_true(pin_any(owner));
	for (unsigned j = 0; j < N; j++)
		if (in[j])
			pin_del(owner, &pins[j]);
	assert_false(pin_any(owner));
}

static void keeping_what_is_not_pinned_does_nothing(void **state)
{
	struct book book = { 0 };
	char *p = pages(4);
	struct pin pin = pin_at(&book, p, PAGE);

	assert_int_equal(pin_keep(owner, (uintptr_t)p, 4 * PAGE, PIN_UNMAP), 0);
	pin_add(owner, &pin);
	assert_int_equal(pin_keep(owner, (uintptr_t)p + PAGE, 3 * PAGE, PIN_UNMAP), 0);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 0, PIN_UNMAP), 0);
	assert_int_equal(book.gets, 0);
	assert_int_equal(p[0], 'a');
	pin_del(owner, &pin);
	munmap(p, 4 * PAGE);
}

static void pages_move_and_the_holder_is_told(void **state)
{
	struct book book = { 0 };
	char *p = pages(4);
	struct pin pin = pin_at(&book, p + PAGE, 2 * PAGE);
	uint64_t moved = stats()->pins_moved;
	unsigned seq = pin_move_seq(owner);
	char *hidden;

	pin_add(owner, &pin);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 4 * PAGE, PIN_UNMAP), 2);
	assert_int_equal(stats()->pins_moved - moved, 2);
	assert_int_equal(book.begins, 1);
	assert_int_equal(book.settles, 1);
	assert_int_equal(book.ends, 1);
	assert_int_equal(book.locks, book.unlocks);
	assert_int_equal(book.gets, book.puts);
	assert_true(pin_moved_since(owner, seq));
	assert_false(pin_moved_since(owner, pin_move_seq(owner)));
	assert_false(pin_any(owner));

	/* the place is kept until the program's own munmap */
	assert_true(present(p + PAGE));
	assert_int_equal(p[PAGE], 0);
	assert_int_equal(p[0], 'a');
	assert_int_equal(munmap(p, 4 * PAGE), 0);
	assert_int_equal(book.shift.first, (uintptr_t)p + PAGE);
	assert_int_equal(book.shift.last, (uintptr_t)p + 3 * PAGE - 1);
	hidden = (char *)book.shift.to;
	assert_int_equal(hidden[0], 'b');
	assert_int_equal(hidden[PAGE], 'c');
	pin_hidden_put(owner, book.shift.hidden);
	assert_false(present(hidden));
}

static void moved_pages_are_not_locked_by_the_program(void **state)
{
	uint64_t before = limit_mlocked(getpid());
	struct book book = { 0 };
	char *p = pages(2);
	struct pin pin = pin_at(&book, p, PAGE);

	pin_add(owner, &pin);
	/* sanitizers let mlock() do nothing */
	assert_int_equal(syscall(SYS_mlock, p, 2 * PAGE), 0);
	assert_int_equal(limit_mlocked(getpid()), before + 2 * PAGE);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 2 * PAGE, PIN_UNMAP), 1);
	assert_int_equal(munmap(p, 2 * PAGE), 0);
	assert_int_equal(limit_mlocked(getpid()), before);
	pin_hidden_put(owner, book.shift.hidden);
}

static void every_pin_on_the_memory_takes_part(void **state)
{
	struct book books[3] = { 0 };
	char *p = pages(6);
	struct pin pins[4] = {
		pin_at(&books[0], p, 3 * PAGE),
		pin_at(&books[1], p + 2 * PAGE, 2 * PAGE),
		pin_at(&books[1], p + 2 * PAGE, 2 * PAGE),
		pin_at(&books[2], p + 5 * PAGE, PAGE),
	};

	for (unsigned i = 0; i < 4; i++)
		pin_add(owner, &pins[i]);
	/* one run of pages 0 to 3, another of page 5 */
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 6 * PAGE, PIN_UNMAP), 5);
	assert_int_equal(books[0].ends, 1);
	assert_int_equal(books[1].ends, 2);
	assert_int_equal(books[1].settles, 1);
	assert_int_equal(books[2].ends, 1);
	assert_ptr_equal(books[0].shift.hidden, books[1].shift.hidden);
	assert_ptr_not_equal(books[0].shift.hidden, books[2].shift.hidden);
	munmap(p, 6 * PAGE);

	assert_int_equal(books[0].shift.hidden->refs, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(present((void *)books[0].shift.to));
		pin_hidden_put(owner, books[0].shift.hidden);
	}
	assert_false(present((void *)books[0].shift.to));
	pin_hidden_put(owner, books[2].shift.hidden);
}

static void holes_fault_but_do_not_stop_the_rest(void **state)
{
	struct book book = { 0 };
	char *p = pages(5);
	struct pin pin = pin_at(&book, p, 5 * PAGE);
	uint64_t lost = stats()->lost_pages;
	char *hidden;

	pin_add(owner, &pin);
	munmap(p + PAGE, PAGE);
	assert_int_equal(mprotect(p + 3 * PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 5 * PAGE, PIN_UNMAP), 4);
	assert_int_equal(stats()->lost_pages - lost, 1);
	munmap(p, 5 * PAGE);
	hidden = (char *)book.shift.to;
	assert_int_equal(hidden[0], 'a');
	assert_int_equal(hidden[2 * PAGE], 'c');
	assert_int_equal(hidden[3 * PAGE], 'd');
	assert_int_equal(hidden[4 * PAGE], 'e');
	pin_hidden_put(owner, book.shift.hidden);
}

static void a_holder_without_memory_loses_the_pages(void **state)
{
	struct book books[2] = { { .refuse = true }, { .refuse = false } };
	char *p = pages(2);
	struct pin pins[2] = { pin_at(&books[0], p, 2 * PAGE), pin_at(&books[1], p, PAGE) };
	uint64_t lost = stats()->lost_pages;

	pin_add(owner, &pins[0]);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 2 * PAGE, PIN_UNMAP), 0);
	assert_int_equal(stats()->lost_pages - lost, 2);
	assert_int_equal(books[0].ends, 0);
	assert_true(pin_any(owner));
	assert_int_equal(p[0], 'a');

	/* beside one that has memory it stays where it is, and the other follows */
	pin_add(owner, &pins[1]);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 2 * PAGE, PIN_UNMAP), 2);
	assert_int_equal(books[1].ends, 1);
	assert_int_equal(books[0].ends, 0);
	assert_int_equal(((char *)books[1].shift.to)[0], 'a');
	pin_hidden_put(owner, books[1].shift.hidden);
	pin_del(owner, &pins[0]);
	munmap(p, 2 * PAGE);
}

static void waits_for_a_holder_that_is_going_away(void **state)
{
	struct book book = { .going = true };
	char *p = pages(1);
	struct pin pin = pin_at(&book, p, PAGE);

	pin_add(owner, &pin);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, PAGE, PIN_UNMAP), 1);
	assert_int_equal(book.gets, 1);
	assert_int_equal(book.puts, 1);
	pin_hidden_put(owner, book.shift.hidden);
	munmap(p, PAGE);
}

static struct book *locked_before;

static void book_lock_in_order(struct pin_holder *holder)
{
	struct book *book = book_of(holder);

	if (locked_before)
		assert_true(locked_before->holder.rank < holder->rank ||
			    (locked_before->holder.rank == holder->rank && locked_before < book));
	locked_before = book;
	book->locks++;
}

static void any_number_of_holders_is_locked_in_order(void **state)
{
	enum { N = 5 * PIN_HOLDERS };
	static struct pin_holder_ops ops;
	static struct book books[N];
	static struct pin pins[N];
	char *p = pages(1);

	ops = book_ops;
	ops.lock = book_lock_in_order;
	locked_before = NULL;
	for (unsigned i = 0; i < N; i++) {
		unsigned at = i * 7 % N;

		pins[at] = pin_at(&books[at], p, PAGE);
		books[at].holder.ops = &ops;
		books[at].holder.rank = at % 2;
		pin_add(owner, &pins[at]);
	}
	assert_int_equal(pin_keep(owner, (uintptr_t)p, PAGE, PIN_UNMAP), 1);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(books[i].gets, books[i].puts);
		assert_int_equal(books[i].locks, 1);
		assert_int_equal(books[i].unlocks, 1);
		assert_int_equal(((char *)books[i].shift.to)[0], 'a');
	}
	for (unsigned i = 0; i < N; i++)
		pin_hidden_put(owner, books[i].shift.hidden);
	munmap(p, PAGE);
}

static void without_memory_for_the_holders_the_pages_are_lost(void **state)
{
	enum { N = PIN_HOLDERS + 1 };
	static struct book books[N];
	static struct pin pins[N];
	uint64_t lost = stats()->lost_pages;
	char *p = pages(1);

	for (unsigned i = 0; i < N; i++) {
		pins[i] = pin_at(&books[i], p, PAGE);
		pin_add(owner, &pins[i]);
	}
	alloc_fail_nth(1);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, PAGE, PIN_UNMAP), 0);
	assert_true(alloc_has_failed());
	alloc_fail_nth(0);
	assert_int_equal(stats()->lost_pages - lost, 1);
	assert_int_equal(p[0], 'a');
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(books[i].gets, books[i].puts);
		assert_int_equal(books[i].locks, 0);
		pin_del(owner, &pins[i]);
	}
	munmap(p, PAGE);
}

static void a_pin_inside_a_page_keeps_all_of_it(void **state)
{
	struct book book = { 0 };
	char *p = pages(3);
	struct pin pin = pin_at(&book, p + 100, PAGE);

	pin_add(owner, &pin);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 3 * PAGE, PIN_UNMAP), 2);
	assert_int_equal(book.shift.first, (uintptr_t)p);
	assert_int_equal(book.shift.last, (uintptr_t)p + 2 * PAGE - 1);
	assert_int_equal(((char *)book.shift.to)[PAGE], 'b');
	pin_hidden_put(owner, book.shift.hidden);
	munmap(p, 3 * PAGE);
}

static void discarding_moves_private_pages_only(void **state)
{
	struct book book = { 0 };
	char *p = pages(3);
	struct pin pin = pin_at(&book, p, 3 * PAGE);

	assert_true(mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	p[PAGE] = 'S';
	pin_add(owner, &pin);
	/* our books know only one shift, so discard page 0 alone */
	assert_int_equal(pin_keep(owner, (uintptr_t)p + PAGE, PAGE, PIN_DISCARD), 0);
	assert_int_equal(book.begins, 0);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 2 * PAGE, PIN_DISCARD), 1);
	assert_int_equal(book.ends, 1);
	assert_int_equal(((char *)book.shift.to)[0], 'a');
	assert_int_equal(p[0], 0);
	assert_int_equal(p[PAGE], 'S');
	p[0] = 'n';
	assert_int_equal(((char *)book.shift.to)[0], 'a');
	pin_hidden_put(owner, book.shift.hidden);
	munmap(p, 3 * PAGE);
}

static void the_programs_own_mremap_is_followed(void **state)
{
	struct book book = { 0 };
	char *p = pages(2);
	struct pin pin = pin_at(&book, p, 2 * PAGE);
	unsigned seq;
	char *q;

	pin_add(owner, &pin);
	pin_remap_begin(owner, (uintptr_t)p, 2 * PAGE, NULL, 0);
	seq = pin_move_seq(owner);
	assert_int_equal(seq & 1, 1);
	q = mremap(p, 2 * PAGE, 20000 * PAGE, MREMAP_MAYMOVE);
	assert_true(q != MAP_FAILED);
	pin_remap_end(owner, (uintptr_t)p, 2 * PAGE, (uintptr_t)q);
	assert_true(pin_moved_since(owner, seq));
	assert_int_equal(pin.addr, (uintptr_t)q);
	assert_null(book.shift.hidden);
	assert_ptr_equal(pin_tree_first(owner, (uintptr_t)q, (uintptr_t)q), &pin);

	/* one that fails */
	pin_remap_begin(owner, (uintptr_t)q, 2 * PAGE, NULL, 0);
	pin_remap_end(owner, (uintptr_t)q, 2 * PAGE, (uintptr_t)q);
	assert_int_equal(pin.addr, (uintptr_t)q);
	pin_del(owner, &pin);

	/* and with nothing pinned */
	pin_remap_begin(owner, (uintptr_t)q, PAGE, NULL, 0);
	pin_remap_end(owner, (uintptr_t)q, PAGE, (uintptr_t)q);
	munmap(q, 20000 * PAGE);
}

static bool count_pins(struct pin *pin, void *arg)
{
	unsigned *seen = arg;

	*seen |= 1u << pin->last; /* the test's own number of it */
	return *seen != 14;
}

static unsigned hidden_pins(void)
{
	unsigned seen = 0;

	pin_visit_hidden(owner, count_pins, &seen);
	return seen;
}

static void hidden_pins_stand_apart(void **state)
{
	struct book book = { 0 };
	char *p = pages(4);
	struct pin pins[4];

	for (unsigned i = 0; i < 4; i++) {
		pins[i] = pin_at(&book, p + i * PAGE, PAGE);
		pins[i].last = i;
		pin_hide(owner, &pins[i]);
	}
	assert_false(pin_any(owner));
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 4 * PAGE, PIN_UNMAP), 0);
	assert_int_equal(hidden_pins(), 14); /* it stops when it is told to */
	pin_unhide(owner, &pins[3]);
	assert_int_equal(hidden_pins(), 7);
	pin_unhide(owner, &pins[1]);
	assert_int_equal(hidden_pins(), 5);
	pin_unhide(owner, &pins[0]);
	assert_int_equal(hidden_pins(), 4);
	pin_unhide(owner, &pins[2]);
	assert_int_equal(hidden_pins(), 0);
	munmap(p, 4 * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_overlapping_pins_like_a_plain_search),
		cmocka_unit_test(keeping_what_is_not_pinned_does_nothing),
		cmocka_unit_test(pages_move_and_the_holder_is_told),
		cmocka_unit_test(moved_pages_are_not_locked_by_the_program),
		cmocka_unit_test(every_pin_on_the_memory_takes_part),
		cmocka_unit_test(holes_fault_but_do_not_stop_the_rest),
		cmocka_unit_test(a_holder_without_memory_loses_the_pages),
		cmocka_unit_test(waits_for_a_holder_that_is_going_away),
		cmocka_unit_test(any_number_of_holders_is_locked_in_order),
		cmocka_unit_test(without_memory_for_the_holders_the_pages_are_lost),
		cmocka_unit_test(a_pin_inside_a_page_keeps_all_of_it),
		cmocka_unit_test(discarding_moves_private_pages_only),
		cmocka_unit_test(the_programs_own_mremap_is_followed),
		cmocka_unit_test(hidden_pins_stand_apart),
	};

	return cmocka_run_group_tests_name("pin", tests, make_owner, drop_owner);
}
