/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "interpose/bar_views.h"

static struct file file;
static unsigned released;
static struct bar_views *set;

static void release(struct file *f)
{
	released++;
}

static const struct file_ops ops = { .release = release };

static int setup(void **state)
{
	file_init(&file, &ops, "device");
	released = 0;
	set = NULL;
	return 0;
}

static int teardown(void **state)
{
	bar_views_free(set);
	assert_int_equal(atomic_load(&file.refs), 1);
	assert_int_equal(released, 0);
	return 0;
}

static void edit(uintptr_t first, uintptr_t last, const struct bar_view *add)
{
	struct bar_views *next;

	assert_int_equal(bar_views_edit(set, first, last, add, &next), 0);
	bar_views_free(set);
	set = next;
}

static void add(uintptr_t first, uintptr_t last, uint64_t offset)
{
	struct bar_view v = { .first = first, .last = last, .offset = offset, .file = &file };

	edit(first, last, &v);
}

static void expect(unsigned i, uintptr_t first, uintptr_t last, uint64_t offset)
{
	assert_true(i < set->nr);
	assert_int_equal(set->view[i].first, first);
	assert_int_equal(set->view[i].last, last);
	assert_int_equal(set->view[i].offset, offset);
}

static void finds_what_it_holds(void **state)
{
	assert_null(bar_views_find(NULL, 0x1000));
	add(0x5000, 0x7fff, 0);
	add(0x1000, 0x1fff, 0x2000);
	expect(0, 0x1000, 0x1fff, 0x2000);
	expect(1, 0x5000, 0x7fff, 0);
	assert_null(bar_views_find(set, 0xfff));
	assert_ptr_equal(bar_views_find(set, 0x1000), &set->view[0]);
	assert_ptr_equal(bar_views_find(set, 0x1fff), &set->view[0]);
	assert_null(bar_views_find(set, 0x2000));
	assert_ptr_equal(bar_views_find(set, 0x7fff), &set->view[1]);
	assert_null(bar_views_find(set, 0x8000));
}

static void touch_sees_partial_overlap(void **state)
{
	add(0x5000, 0x7fff, 0);
	assert_null(bar_views_touch(set, 0, 0x4fff));
	assert_non_null(bar_views_touch(set, 0, 0x5000));
	assert_non_null(bar_views_touch(set, 0x7fff, UINTPTR_MAX));
	assert_null(bar_views_touch(set, 0x8000, UINTPTR_MAX));
}

static void a_cut_in_the_middle_leaves_two(void **state)
{
	add(0x10000, 0x1ffff, 0x4000);
	edit(0x14000, 0x15fff, NULL);
	assert_int_equal(set->nr, 2);
	expect(0, 0x10000, 0x13fff, 0x4000);
	expect(1, 0x16000, 0x1ffff, 0xa000);
	assert_int_equal(atomic_load(&file.refs), 3);
}

static void a_view_can_be_put_into_another(void **state)
{
	add(0x10000, 0x1ffff, 0);
	add(0x14000, 0x15fff, 0x100000);
	assert_int_equal(set->nr, 3);
	expect(0, 0x10000, 0x13fff, 0);
	expect(1, 0x14000, 0x15fff, 0x100000);
	expect(2, 0x16000, 0x1ffff, 0x6000);
}

static void rights_change_for_just_the_range(void **state)
{
	struct bar_views *next;

	add(0x10000, 0x11fff, 0);
	add(0x20000, 0x20fff, 0x8000);
	add(0x30000, 0x31fff, 0);
	assert_int_equal(bar_views_protect(set, 0x11000, 0x30fff, 3, &next), 0);
	bar_views_free(set);
	set = next;
	assert_int_equal(set->nr, 5);
	expect(0, 0x10000, 0x10fff, 0);
	expect(1, 0x11000, 0x11fff, 0x1000);
	expect(2, 0x20000, 0x20fff, 0x8000);
	expect(3, 0x30000, 0x30fff, 0);
	expect(4, 0x31000, 0x31fff, 0x1000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(set->view[i].prot, i && i < 4 ? 3 : 0);
	/* of one view, which it cuts in three */
	edit(0, 0x2ffff, NULL);
	edit(0x30000, 0x31fff, NULL);
	add(0x10000, 0x13fff, 0);
	assert_int_equal(bar_views_protect(set, 0x11000, 0x12fff, 1, &next), 0);
	bar_views_free(set);
	set = next;
	assert_int_equal(set->nr, 3);
	expect(1, 0x11000, 0x12fff, 0x1000);
}

static void a_cut_across_several_takes_the_inner_ones(void **state)
{
	add(0x10000, 0x11fff, 0);
	add(0x20000, 0x20fff, 0);
	add(0x30000, 0x31fff, 0);
	edit(0x11000, 0x30fff, NULL);
	assert_int_equal(set->nr, 2);
	expect(0, 0x10000, 0x10fff, 0);
	expect(1, 0x31000, 0x31fff, 0x1000);
}

static void cutting_everything_leaves_no_set(void **state)
{
	add(0x10000, 0x11fff, 0);
	edit(0, UINTPTR_MAX, NULL);
	assert_null(set);
}

static void a_cut_of_nothing_changes_nothing(void **state)
{
	add(0x10000, 0x11fff, 0);
	edit(0x12000, 0x20000, NULL);
	edit(0, 0xffff, NULL);
	assert_int_equal(set->nr, 1);
	expect(0, 0x10000, 0x11fff, 0);
}

static void many_views_are_kept_in_order(void **state)
{
	for (uintptr_t i = 200; i > 0; i--)
		add(i * 0x2000, i * 0x2000 + 0xfff, i);
	assert_int_equal(set->nr, 200);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(set->view[i].offset, i + 1);
	assert_int_equal(bar_views_find(set, 77 * 0x2000 + 5)->offset, 77);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_what_it_holds),
		TEST(touch_sees_partial_overlap),
		TEST(a_cut_in_the_middle_leaves_two),
		TEST(a_view_can_be_put_into_another),
		TEST(rights_change_for_just_the_range),
		TEST(a_cut_across_several_takes_the_inner_ones),
		TEST(cutting_everything_leaves_no_set),
		TEST(a_cut_of_nothing_changes_nothing),
		TEST(many_views_are_kept_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
