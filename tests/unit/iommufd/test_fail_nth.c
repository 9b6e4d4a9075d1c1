/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every ioctl of /dev/iommu, with its every allocation failing in turn.
 *
 * Each case sets up a fresh /dev/iommu, makes one call with the nth allocation
 * failing, for n from 1 until none is left to fail, and expects that the call
 * fails with one of few errnos (or does without the memory), and that it
 * changed nothing: the same call made again succeeds, with exactly the results
 * of a run in which nothing ever failed. What has leaked, the sanitizer finds;
 * what stayed pinned, the check at the end of each round.
 *
 * Calls that take things away must not fail for lack of memory at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fail_nth_cases.h"
#include "iommufd/iommufd.h"
#include "memory/fault.h"
#include "memory/owner.h"

#define MANY 400 /* allocations in one call: more is a loop that does not end */

static void open_iommu(struct env *e)
{
	static const struct iommufd_options options = { .selftest = true };
	struct file *file;

	assert_int_equal(iommufd_open(&options, &file), 0);
	e->fd = table_install(&e->table.caller, file, O_RDWR);
}

static void env_init(struct env *e, const struct failing_case *c)
{
	memset(e, 0, sizeof(*e));
	table_init(&e->table, owner_new_self());
	assert_non_null(e->table.caller.owner);
	open_iommu(e);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ioas_alloc(e), 0);
		e->ioas[i] = (uint32_t)e->results[0];
	}
	for (unsigned i = 0; i < c->mocks; i++) {
		assert_int_equal(mock_device(e), 0);
		e->mock[i] = (uint32_t)e->results[0];
		e->hwpt[i] = (uint32_t)e->results[1];
		e->device[i] = (uint32_t)e->results[2];
	}
	e->iova = MOCK_APERTURE_START;
	if (c->mapped)
		assert_int_equal(map_at(e, e->ioas[0], IOMMU_IOAS_MAP_FIXED_IOVA, e->iova), 0);
	if (c->prepare)
		c->prepare(e);
	memset(e->results, 0, sizeof(e->results));
}

static void check_unpinned(struct env *e)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MD_CHECK_REFS,
		.check_refs = { .length = LENGTH, .uptr = (uintptr_t)buffer },
	};

	open_iommu(e);
	assert_int_equal(test_cmd(e, &cmd), 0);
}

static void env_fini(struct env *e)
{
	table_close_all(&e->table);
	check_unpinned(e);
	table_close_all(&e->table);
	owner_free(e->table.caller.owner);
}

/* Errnos that stand for "no memory"; the interface may translate, as Linux's own does. */
static bool is_shortage(int ret)
{
	return ret == -ENOMEM;
}

/* One round: true when an allocation was there to fail. */
static bool round_of(const struct failing_case *c, long nth, const struct env *good)
{
	struct env env, *e = &env;
	bool failed;
	int ret;

	env_init(e, c);
	alloc_fail_nth(nth);
	ret = c->call(e);
	failed = alloc_has_failed();
	alloc_fail_nth(0);
	if (!failed || c->frees) {
		if (ret)
			fail_msg("%s: %d, allocation %ld failing", c->name, ret, nth);
	} else if (ret) {
		if (!is_shortage(ret))
			fail_msg("%s: %d, allocation %ld failing", c->name, ret, nth);
		memset(e->results, 0, sizeof(e->results));
		ret = c->call(e);
		if (ret)
			fail_msg("%s: %d when tried again after allocation %ld failed", c->name,
				 ret, nth);
	}
	if (memcmp(e->results, good->results, sizeof(e->results)))
		fail_msg("%s: other results after allocation %ld failed", c->name, nth);
	env_fini(e);
	return failed;
}

static void every_allocation_fails(void **state)
{
	const struct failing_case *c = *state;
	struct env good;
	long nth = 1;
	int ret;

	env_init(&good, c);
	ret = c->call(&good);
	env_fini(&good);
	if (ret)
		fail_msg("%s: %d", c->name, ret);
	while (round_of(c, nth, &good))
		assert_true(++nth < MANY);
	print_message("%ld allocations failed\n", nth - 1);
}

/* open("/dev/iommu") itself. */
static void open_fails(void **state)
{
	static const struct iommufd_options options = { .selftest = true };
	bool failed = true;

	for (long nth = 1; failed; nth++) {
		struct file *file = NULL;
		int ret;

		assert_true(nth < MANY);
		alloc_fail_nth(nth);
		ret = iommufd_open(&options, &file);
		failed = alloc_has_failed();
		alloc_fail_nth(0);
		assert_int_equal(ret, failed ? -ENOMEM : 0);
		if (!ret)
			file_put(file);
	}
}

#define NR_CASES (sizeof(cases) / sizeof(*cases))

int main(void)
{
	struct CMUnitTest tests[NR_CASES + 1];

	buffer = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memfd = memfd_create("buffer", MFD_CLOEXEC);
	if (buffer == MAP_FAILED || memfd < 0 || ftruncate(memfd, LENGTH) || fault_install())
		return 1;
	for (unsigned i = 0; i < NR_CASES; i++)
		tests[i] = (struct CMUnitTest){
			.name = cases[i].name,
			.test_func = every_allocation_fails,
			.initial_state = (void *)&cases[i],
		};
	tests[NR_CASES] = (struct CMUnitTest){ .name = "open", .test_func = open_fails };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
