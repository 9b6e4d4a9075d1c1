/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows made and removed by two threads while others map in them, attach and detach,
 * copy, and pin by an access. What is mapped is always in a window, and all comes to an end.
 */
#include <pthread.h>

#include "ioas/space.h"
#include "user_fixture.h"

#define WINDOWS 4u
#define ROUNDS	800u

static char *memory;
static struct rf_ioas *other;
static struct rf_access *access_;
static atomic_bool stop;
static atomic_uint held; /* pins of the access that it has to let go of */

static uint64_t base(unsigned n)
{
	return (n + 1) * 16 * PAGE;
}

/* Each window belongs to one thread, so what it is told of it can be judged. */
static void *make_and_remove(void *arg)
{
	unsigned mine = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct rf_window want = { .iova = base(mine) }, got;

		assert_int_equal(
			rf_ioas_create_window(ioas, &want, 16 * PAGE, RF_WINDOW_FIXED, &got), 0);
		assert_true(got.iova == base(mine));
		assert_int_equal(rf_ioas_create_window(ioas, &want, PAGE, RF_WINDOW_FIXED, &got),
				 -EADDRINUSE);
		if (i % 3 == 0)
			sched_yield();
		assert_int_equal(rf_ioas_remove_window(ioas, base(mine)), 0);
		assert_int_equal(rf_ioas_remove_window(ioas, base(mine)), -ENOENT);
	}
	return NULL;
}

static void *map_and_unmap(void *arg)
{
	for (unsigned i = 0; !atomic_load(&stop); i++) {
		uint64_t iova = base(i % WINDOWS) + i % 8 * PAGE, copied = iova;
		int ret = user_map_in(ioas, memory, PAGE, RW, true, &iova);

		assert_true(!ret || ret == -EINVAL || ret == -EEXIST);
		ret = rf_ioas_copy(other, ioas, iova, PAGE, RW, RF_MAP_FIXED, &copied);
		assert_true(!ret || ret == -ENOENT || ret == -EEXIST);
		ret = rf_ioas_unmap(ioas, iova, PAGE, 0, NULL);
		assert_true(!ret || ret == -EINVAL || ret == -ENOENT);
		if (i % 64 == 0)
			rf_ioas_unmap(other, 0, 0, RF_UNMAP_ALL, NULL);
	}
	return NULL;
}

static void *attach_and_detach(void *arg)
{
	while (!atomic_load(&stop)) {
		struct domain *d;

		assert_int_equal(ioas_get_domain(ioas, iommu_kind_find(NULL), &d), 0);
		ioas_put_domain(ioas, d);
	}
	return NULL;
}

static void *look(void *arg)
{
	while (!atomic_load(&stop)) {
		struct rf_window list[WINDOWS];
		unsigned nr = rf_ioas_get_windows(ioas, list, WINDOWS, NULL);

		assert_true(nr <= WINDOWS);
		for (unsigned i = 1; i < nr; i++)
			assert_true(list[i - 1].last < list[i].iova);
	}
	return NULL;
}

/* One page is pinned at a time; who asks for it waits until its holder has let go. */
static void let_go(void *arg, uint64_t first, uint64_t last)
{
	while (atomic_load(&held))
		sched_yield();
}

static const struct rf_access_ops access_ops = { let_go };

static void *pin_and_unpin(void *arg)
{
	for (unsigned i = 0; !atomic_load(&stop); i++) {
		uint64_t iova = base(i % WINDOWS) + i % 8 * PAGE;
		struct rf_pinned_page page;

		atomic_store(&held, 1);
		if (!rf_access_pin(access_, iova, PAGE, &page, 0)) {
			assert_true(page.addr == (uintptr_t)memory);
			rf_access_unpin(access_, iova, PAGE);
		}
		atomic_store(&held, 0);
		sched_yield();
	}
	return NULL;
}

static void windows_come_and_go_under_everything_else(void **state)
{
	void *(*const others[])(void *) = { map_and_unmap, map_and_unmap, attach_and_detach, look,
					    pin_and_unpin };
	pthread_t makers[WINDOWS], rest[5];

	memory = pages(1);
	assert_int_equal(rf_ioas_new(NULL, RF_IOAS_WINDOWED, &ioas), 0);
	assert_int_equal(rf_ioas_new(NULL, 0, &other), 0);
	owner = owner_new_self();
	assert_non_null(owner);
	assert_int_equal(rf_access_new(&access_ops, NULL, &access_), 0);
	assert_int_equal(rf_access_attach(access_, ioas), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(pthread_create(&rest[i], NULL, others[i], NULL), 0);
	for (unsigned i = 0; i < WINDOWS; i++)
		assert_int_equal(
			pthread_create(&makers[i], NULL, make_and_remove, (void *)(uintptr_t)i), 0);
	for (unsigned i = 0; i < WINDOWS; i++)
		assert_int_equal(pthread_join(makers[i], NULL), 0);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(pthread_join(rest[i], NULL), 0);
	assert_int_equal(rf_ioas_get_windows(ioas, NULL, 0, NULL), 0);
	assert_int_equal(ioas_nr_areas(ioas), 0);
	rf_access_free(access_);
	rf_ioas_free(other);
	rf_ioas_free(ioas);
	owner_free(owner);
	munmap(memory, PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_come_and_go_under_everything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
