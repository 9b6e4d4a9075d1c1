/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings apart from the program's: holes that a program leaves stay holes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/apart.h"
#include "base/sys.h"

#define PAGE  4096u
#define MIB   (1u << 20)
#define RW    (PROT_READ | PROT_WRITE)
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)
#define HOLES 64

/* The highest gap of all that holds @len bytes: what the kernel would choose next. */
static char *next_gap(size_t len)
{
	char *p = mmap(NULL, len, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	munmap(p, len);
	return p;
}

static void what_we_map_fills_no_hole_of_the_program(void **state)
{
	char *gap;

	(void)state;
	for (size_t len = PAGE; len <= 4 * MIB; len *= 2) {
		char *ours;

		gap = next_gap(len);
		ours = apart_mmap(len, RW, ANON, -1, 0);
		assert_false(sys_failed(ours));
		assert_true(ours + len <= gap || ours >= gap + len);
		memset(ours, 1, len);
		assert_ptr_equal(next_gap(len), gap);
		assert_int_equal(sys_munmap(ours, len), 0);
	}
}

static void chunks_of_slabs_fill_no_hole_of_the_program(void **state)
{
	const size_t chunk = 64u << 10;
	char *gap = next_gap(chunk);
	struct slab slab;

	(void)state;
	slab_init(&slab, 64, chunk);
	for (unsigned i = 0; i < 4096; i++)
		assert_non_null(slab_alloc(&slab));
	assert_ptr_equal(next_gap(chunk), gap);
	slab_destroy(&slab);
}

static void neighbours_touch(void **state)
{
	char *a = apart_mmap(PAGE, RW, ANON, -1, 0), *b = apart_mmap(1, RW, ANON, -1, 0);

	(void)state;
	assert_ptr_equal(b, a + PAGE);
	sys_munmap(a, 2 * PAGE);
}

static void large_ones_begin_where_huge_pages_do(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		char *small = apart_mmap(PAGE, RW, ANON, -1, 0);
		char *large = apart_mmap(2 * MIB + i * PAGE, RW, ANON, -1, 0);

		assert_false(sys_failed(small) || sys_failed(large));
		assert_int_equal((uintptr_t)large % (2 * MIB), 0);
		sys_munmap(small, PAGE);
		sys_munmap(large, 2 * MIB + i * PAGE);
	}
}

static void a_place_that_is_taken_is_left_alone(void **state)
{
	char *a = apart_mmap(PAGE, RW, ANON, -1, 0);
	char *taken = mmap(a + PAGE, HOLES * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	char *ours[HOLES];

	(void)state;
	assert_ptr_equal(taken, a + PAGE);
	memset(taken, 7, HOLES * PAGE);
	for (unsigned i = 0; i < HOLES; i++) {
		ours[i] = apart_mmap(PAGE, RW, ANON, -1, 0);
		assert_false(sys_failed(ours[i]));
		*ours[i] = 1;
	}
	for (unsigned i = 0; i < HOLES; i++) {
		assert_int_equal(taken[i * PAGE], 7);
		sys_munmap(ours[i], PAGE);
	}
	munmap(taken, HOLES * PAGE);
	sys_munmap(a, PAGE);
}

static void what_cannot_be_is_an_error(void **state)
{
	(void)state;
	assert_true(sys_failed(apart_mmap(1ul << 60, RW, ANON, -1, 0)));
	assert_true(sys_failed(apart_mmap(PAGE, RW, MAP_SHARED, -1, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_we_map_fills_no_hole_of_the_program),
		cmocka_unit_test(chunks_of_slabs_fill_no_hole_of_the_program),
		cmocka_unit_test(neighbours_touch),
		cmocka_unit_test(large_ones_begin_where_huge_pages_do),
		cmocka_unit_test(a_place_that_is_taken_is_left_alone),
		cmocka_unit_test(what_cannot_be_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
