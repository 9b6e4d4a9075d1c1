/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Huge pages on a machine that emulates them: a program that insists on them
 * gets memory that looks the same, whether the host has any or not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define HUGE ((size_t)2 << 20)
#define KIND (MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB)

static void huge_pages_are_aligned_and_whole(void **state)
{
	uint8_t *p = mmap(NULL, HUGE + 4096, PROT_READ | PROT_WRITE, KIND, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal((uintptr_t)p % HUGE, 0);
	memset(p, 1, 2 * HUGE); /* the length was rounded up */
	assert_int_equal(munmap(p, 2 * HUGE), 0);
}

static void a_fixed_address_is_honoured(void **state)
{
	uint8_t *space = mmap(NULL, 3 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *at = (uint8_t *)(((uintptr_t)space + HUGE - 1) & ~(HUGE - 1));

	assert_ptr_not_equal(space, MAP_FAILED);
	assert_ptr_equal(
		mmap(at, HUGE, PROT_READ | PROT_WRITE, KIND | MAP_FIXED | MAP_POPULATE, -1, 0), at);
	at[HUGE - 1] = 1;
	assert_ptr_equal(mmap(at + 4096, HUGE, PROT_READ, KIND | MAP_FIXED, -1, 0), MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(at[HUGE - 1], 1);
	assert_int_equal(munmap(at, HUGE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(huge_pages_are_aligned_and_whole),
		cmocka_unit_test(a_fixed_address_is_honoured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
