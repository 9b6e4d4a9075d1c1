/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locked memory: what a program maps is counted per user, or, if it says so, per
 * process; each count has the machine's limit.
 */
#include "ioas/user_map.h"
#include "rig.h"

#define LIMIT 8u /* pages */

static int setup(void **state)
{
	rig_setup(state);
	((struct rig *)*state)->options.account = account_new(LIMIT * PAGE);
	return ((struct rig *)*state)->options.account ? 0 : -1;
}

static int teardown(void **state)
{
	struct account *account = ((struct rig *)*state)->options.account;

	table_close_all(&((struct rig *)*state)->table);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 0);
	assert_int_equal(account_pages(account, ACCOUNT_PROCESS), 0);
	rig_teardown(state);
	account_free(account);
	return 0;
}

/* Another open /dev/iommu, used from now on; an address space of it behind an IOMMU. */
static uint32_t open_another(struct rig *rig, uint64_t mode)
{
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_SET,
		.val64 = mode,
	};
	uint32_t ioas;

	rig->fd = rig_open(rig);
	assert_int_equal(call(rig, IOMMU_OPTION, &option), 0);
	ioas = ioas_new_id(rig);
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	return ioas;
}

static void a_user_is_counted_over_all_that_is_open(void **state)
{
	struct rig *rig = *state;
	struct account *account = rig->options.account;
	int first = rig->fd, second;
	uint32_t a, b;

	a = ioas_new_id(rig);
	assert_int_equal(mock_domain(rig, a, 0, NULL, NULL, NULL), 0);
	b = open_another(rig, 0);
	second = rig->fd;
	rig->fd = first;
	assert_int_equal(map_fixed(rig, a, rig->buf, 5 * PAGE, BASE), 0);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 5);
	rig->fd = second;
	assert_int_equal(map_fixed(rig, b, rig->buf, 4 * PAGE, BASE), -ENOMEM);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 5);
	assert_int_equal(map_fixed(rig, b, rig->buf, 3 * PAGE, BASE), 0);
	rig->fd = first;
	assert_int_equal(map_fixed(rig, a, rig->buf, PAGE, 2 * BASE), -ENOMEM);
	assert_int_equal(unmap(rig, a, BASE, 5 * PAGE, NULL), 0);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 3);
	assert_int_equal(map_fixed(rig, a, rig->buf, PAGE, 2 * BASE), 0);
}

static void a_process_is_counted_apart_from_its_user(void **state)
{
	struct rig *rig = *state;
	struct account *account = rig->options.account;
	uint32_t a = open_another(rig, 0), b;

	assert_int_equal(map_fixed(rig, a, rig->buf, LIMIT * PAGE, BASE), 0);
	b = open_another(rig, 1);
	assert_int_equal(map_fixed(rig, b, rig->buf, LIMIT * PAGE, BASE), 0);
	assert_int_equal(account_pages(account, ACCOUNT_USER), LIMIT);
	assert_int_equal(account_pages(account, ACCOUNT_PROCESS), LIMIT);
	assert_int_equal(map_fixed(rig, b, rig->buf, PAGE, 2 * BASE), -ENOMEM);
	b = open_another(rig, 1); /* of the same process */
	assert_int_equal(map_fixed(rig, b, rig->buf, PAGE, BASE), -ENOMEM);
}

static void what_nobody_needs_yet_is_not_locked(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);

	assert_int_equal(map_fixed(rig, ioas, rig->buf, (LIMIT + 1) * PAGE, BASE), 0);
	assert_int_equal(account_pages(rig->options.account, ACCOUNT_USER), 0);
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), -ENOMEM);
	assert_int_equal(account_pages(rig->options.account, ACCOUNT_USER), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_user_is_counted_over_all_that_is_open),
		CASE(a_process_is_counted_apart_from_its_user),
		CASE(what_nobody_needs_yet_is_not_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
