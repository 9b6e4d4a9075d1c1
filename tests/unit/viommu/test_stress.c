/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads announce, refresh, replay, look, register and leave, all at once.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "../random.h"
#include "fixture.h"

#define ROUNDS	   20000u
#define ANNOUNCERS 2u

/* A table whose entries are as wide as the region's pages, changed under its own lock. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t table[16];
static atomic_bool stop;

/* Everything one listener knows; only ever touched in its callback. */
struct account {
	uint64_t pages[16];
	atomic_uint notices;
	struct rf_listener *leaves; /* in its first callback */
};

static int translate(struct rf_region *r, struct rf_mapping *now)
{
	pthread_mutex_lock(&table_lock);
	now->target = table[now->iova / PAGE] * PAGE;
	pthread_mutex_unlock(&table_lock);
	now->perm = now->target ? RW : 0;
	return 0;
}

static int keep(struct rf_listener *listener, const struct rf_notice *notice)
{
	struct account *account = rf_listener_data(listener);

	account->notices++;
	for (uint64_t i = notice->iova / PAGE; i <= notice->last / PAGE; i++) {
		if (notice->kind != RF_NOTIFY_MAP)
			assert_true(account->pages[i] ==
				    notice->was_target / PAGE + (i - notice->iova / PAGE));
		account->pages[i] =
			notice->perm ? notice->target / PAGE + (i - notice->iova / PAGE) : 0;
	}
	if (account->leaves)
		rf_listener_unregister(listener);
	return 0;
}

/* An IOMMU changes its table, drops its lock, and has the region look for itself. */
static void *change(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t first = random_below(&seed, 16);
		uint64_t last = first + random_below(&seed, 16 - first);
		uint64_t target = random_below(&seed, 3) * 0x100;

		pthread_mutex_lock(&table_lock);
		for (uint64_t i = first; i <= last; i++)
			table[i] = target ? target + i : 0;
		pthread_mutex_unlock(&table_lock);
		assert_int_equal(rf_region_refresh(region, first * PAGE, last * PAGE + PAGE - 1),
				 0);
	}
	return NULL;
}

static void *come_and_go(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	const struct rf_listener_ops ops = { .name = "passer-by",
					     .kinds = U | M | R,
					     .last = LAST,
					     .replay = true,
					     .notify = keep };

	while (!atomic_load(&stop)) {
		struct account account = { 0 };
		struct rf_listener *listener;
		struct rf_mapping now;
		unsigned notices;

		if (!random_below(&seed, 4))
			account.leaves = (void *)&account;
		assert_int_equal(rf_listener_register(region, &ops, &account, &listener), 0);
		if (account.leaves) {
			/* in its first callback, whenever that is; or it never had one */
			while (!atomic_load(&account.notices) && !atomic_load(&stop))
				sched_yield();
			rf_region_lookup(region, 0, &now); /* it is over */
			if (!account.notices)
				rf_listener_unregister(listener);
			continue;
		}
		assert_int_equal(rf_region_lookup(region, random_below(&seed, 16) * PAGE, &now), 0);
		assert_int_equal(rf_listener_replay(listener, 0, LAST), 0);
		rf_listener_unregister(listener);
		/* nothing comes any more: this is our stack */
		notices = account.notices;
		sched_yield();
		assert_int_equal(account.notices, notices);
	}
	return NULL;
}

static void everything_at_once(void **state)
{
	const struct rf_region_ops region_ops = { .name = "busy", .translate = translate };
	const struct rf_listener_ops ops = {
		.name = "steady", .kinds = U | M, .last = LAST, .notify = keep
	};
	struct account steady = { 0 };
	struct rf_listener *listener;
	pthread_t announcers[ANNOUNCERS], others[2];

	assert_int_equal(rf_region_new(&region_ops, LAST, PAGE, NULL, &region), 0);
	assert_int_equal(rf_listener_register(region, &ops, &steady, &listener), 0);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&others[i], NULL, come_and_go, (void *)(i + 10)),
				 0);
	for (uintptr_t i = 0; i < ANNOUNCERS; i++)
		assert_int_equal(pthread_create(&announcers[i], NULL, change, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < ANNOUNCERS; i++)
		pthread_join(announcers[i], NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(others[i], NULL);
	/* the last change of each page is what is known, whoever made it */
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(steady.pages[i], table[i]);
	rf_region_free(region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
