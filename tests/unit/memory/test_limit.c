/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The limit on locked memory: a number stays, the host's is that of the moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "memory/limit.h"

static struct __user_cap_data_struct had[_LINUX_CAPABILITY_U32S_3];
static struct rlimit before;

static void capabilities_set(const struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static void give_up(unsigned capability)
{
	struct __user_cap_data_struct less[_LINUX_CAPABILITY_U32S_3];

	memcpy(less, had, sizeof(less));
	less[0].effective &= ~(1u << capability);
	capabilities_set(less);
}

static int remember(void **state)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	(void)state;
	return getrlimit(RLIMIT_MEMLOCK, &before) || syscall(SYS_capget, &header, had);
}

static int restore(void **state)
{
	(void)state;
	capabilities_set(had);
	return setrlimit(RLIMIT_MEMLOCK, &before);
}

static void set_soft(uint64_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = before.rlim_max };

	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

static void a_number_stays(void **state)
{
	(void)state;
	give_up(CAP_IPC_LOCK);
	set_soft(4096);
	assert_int_equal(limit_now(12345), 12345);
	assert_int_equal(limit_now(0), 0);
	assert_int_equal(limit_now(LIMIT_NONE), LIMIT_NONE);
}

static void the_hosts_is_that_of_the_moment(void **state)
{
	(void)state;
	give_up(CAP_IPC_LOCK);
	set_soft(8192);
	assert_int_equal(limit_now(LIMIT_HOST), 8192);
	set_soft(4096);
	assert_int_equal(limit_now(LIMIT_HOST), 4096);
	set_soft(0);
	assert_int_equal(limit_now(LIMIT_HOST), 0);
}

static void who_may_lock_all_memory_has_no_limit(void **state)
{
	(void)state;
	set_soft(4096);
	assert_int_equal(limit_now(LIMIT_HOST),
			 had[0].effective & (1u << CAP_IPC_LOCK) ? LIMIT_NONE : 4096);
}

static void what_the_program_locks_is_known(void **state)
{
	char *p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t had_locked = limit_mlocked(getpid());

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(syscall(SYS_mlock, p, 3 * 4096),
			 0); /* sanitizers let mlock() do nothing */
	assert_int_equal(limit_mlocked(getpid()), had_locked + 3 * 4096);
	munmap(p, 8 * 4096);
	assert_int_equal(limit_mlocked(getpid()), had_locked);
	assert_int_equal(limit_mlocked(-1), 0);
}

static void capabilities_are_those_in_effect(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(thread_may(i), !!(had[0].effective & (1u << i)));
		give_up(i);
		assert_false(thread_may(i));
		capabilities_set(had);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_number_stays, remember, restore),
		cmocka_unit_test_setup_teardown(the_hosts_is_that_of_the_moment, remember, restore),
		cmocka_unit_test_setup_teardown(who_may_lock_all_memory_has_no_limit, remember,
						restore),
		cmocka_unit_test(what_the_program_locks_is_known),
		cmocka_unit_test_setup_teardown(capabilities_are_those_in_effect, remember,
						restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
