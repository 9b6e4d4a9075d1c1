/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random announcements, judged by loops over pages: whatever fails in between, each
 * listener knows exactly what is true, and no notice says what was not so.
 */
#include "../random.h"
#include "fixture.h"

#define NR	  64u
#define LISTENERS 6u
#define ROUNDS	  20000u

/* What is at a page: its target page and rights; rights 0: nothing. */
struct page {
	uint64_t target;
	uint32_t perm;
};

/* One who keeps his own account from what he is told. */
struct account {
	struct rf_listener *listener;
	uint32_t kinds;
	unsigned first, last;
	struct page pages[NR];
	bool replaying;
};

static struct page truth[NR];
static struct page tables[NR]; /* of the IOMMU that has some */
static struct account accounts[LISTENERS];
static uint64_t seed;
static bool with_tables;
static unsigned failures; /* allocations that mattered */
static bool overheard; /* there were notices */

static bool same(const struct page *a, const struct page *b)
{
	return a->perm == b->perm && (!a->perm || a->target == b->target);
}

static int keep(struct rf_listener *listener, const struct rf_notice *notice)
{
	struct account *account = rf_listener_data(listener);
	unsigned first = (unsigned)(notice->iova / PAGE);
	unsigned last = (unsigned)(notice->last / PAGE);

	overheard = true;
	assert_true(account->kinds & notice->kind);
	assert_true(first >= account->first && last <= account->last && first <= last);
	for (unsigned i = first; i <= last; i++) {
		struct page *page = &account->pages[i];
		struct page was = { notice->was_target / PAGE + (i - first), notice->was_perm };
		struct page now = { notice->target / PAGE + (i - first), notice->perm };

		/* exactly what was, by whoever can know it */
		if (notice->kind != RF_NOTIFY_MAP && account->kinds & RF_NOTIFY_MAP)
			assert_true(same(page, &was));
		/* nothing is mapped over what is there, but by a replay */
		if (notice->kind == RF_NOTIFY_MAP && account->kinds & RF_NOTIFY_UNMAP)
			assert_true(!page->perm || (account->replaying && same(page, &now)));
		if (notice->kind == RF_NOTIFY_REPLACE)
			assert_false(same(&was, &now));
		*page = now;
	}
	return random_below(&seed, 50) ? 0 : -EIO;
}

static int translate(struct rf_region *r, struct rf_mapping *now)
{
	uint64_t page = now->iova / PAGE;

	now->target = tables[page].target * PAGE;
	now->perm = tables[page].perm;
	return 0;
}

static struct page random_page(void)
{
	static const uint32_t perms[] = { 0, 0, RF_READ, RW, RW, RW };
	uint32_t perm = perms[random_below(&seed, 6)];

	/* few targets, so that neighbours often continue each other */
	return (struct page){ perm ? 0x100 * (1 + random_below(&seed, 3)) : 0, perm };
}

static unsigned random_range(unsigned *last)
{
	unsigned first = (unsigned)random_below(&seed, NR);
	unsigned length = (unsigned)random_below(&seed, random_below(&seed, 2) ? 3 : NR);

	*last = first + length < NR ? first + length : NR - 1;
	return first;
}

/* Page @i of a range is where the range is shifted to, so ranges side by side continue. */
static struct page shifted(struct page page, unsigned i)
{
	return (struct page){ page.perm ? page.target + i : 0, page.perm };
}

static void announce_some(void)
{
	struct rf_mapping now[8];
	struct page values[8];
	unsigned nr = random_below(&seed, 3) ? 1 : 2 + (unsigned)random_below(&seed, 6);
	int ret;

	for (unsigned n = 0; n < nr; n++) {
		unsigned last, first = random_range(&last);

		if (n && random_below(&seed, 2)) { /* go on from the one before */
			first = (unsigned)(now[n - 1].last / PAGE + 1) % NR;
			last = first;
		}
		values[n] = random_page();
		now[n] = pages(first, last, values[n].target + first, values[n].perm);
	}
	ret = nr == 1 ? rf_region_announce(region, now) : rf_region_announce_batch(region, now, nr);
	if (ret < 0) {
		assert_int_equal(ret, -ENOMEM);
		assert_true(alloc_has_failed());
		failures++;
		return;
	}
	for (unsigned n = 0; n < nr; n++)
		for (uint64_t i = now[n].iova / PAGE; i <= now[n].last / PAGE; i++)
			tables[i] = truth[i] = shifted(values[n], (unsigned)i);
}

/* The tables change; some of it is announced. */
static void refresh_some(void)
{
	unsigned last, first = random_range(&last);
	struct page page = random_page();
	int ret;

	for (unsigned i = first; i <= last; i++)
		tables[i] = shifted(page, i);
	first = random_range(&last);
	ret = rf_region_refresh(region, first * PAGE, last * PAGE + PAGE - 1);
	if (!with_tables) {
		assert_int_equal(ret, -EOPNOTSUPP);
		memcpy(tables, truth, sizeof(tables));
	} else if (ret >= 0) {
		memcpy(truth + first, tables + first, (last - first + 1) * sizeof(*truth));
	} else {
		assert_int_equal(ret, -ENOMEM);
		alloc_fail_nth(0);
		failures++;
		assert_true(rf_region_refresh(region, first * PAGE, last * PAGE + PAGE - 1) >= 0);
		memcpy(truth + first, tables + first, (last - first + 1) * sizeof(*truth));
	}
}

static void register_or_leave(struct account *account)
{
	struct rf_listener_ops ops = { .name = "account", .notify = keep };
	struct rf_listener *listener = account->listener;
	int ret;

	if (listener) {
		account->listener = NULL;
		rf_listener_unregister(listener);
		return;
	}
	memset(account, 0, sizeof(*account));
	account->kinds = 1 + (uint32_t)random_below(&seed, 7);
	account->first = random_range(&account->last);
	ops.kinds = account->kinds;
	ops.first = account->first * PAGE;
	ops.last = account->last * PAGE + PAGE - 1;
	ops.replay = ops.kinds & RF_NOTIFY_MAP;
	account->replaying = true;
	ret = rf_listener_register(region, &ops, account, &account->listener);
	account->replaying = false;
	if (ret) {
		assert_int_equal(ret, -ENOMEM);
		assert_null(account->listener);
		failures++;
	}
	alloc_fail_nth(0);
	/* a walk has been there, at least in part */
	if (with_tables && ops.replay) {
		assert_true(rf_region_refresh(region, ops.first, ops.last) >= 0);
		memcpy(truth + account->first, tables + account->first,
		       (account->last - account->first + 1) * sizeof(*truth));
	}
}

static void replay_to(struct account *account)
{
	int ret;

	if (!account->listener || !(account->kinds & RF_NOTIFY_MAP))
		return;
	alloc_fail_nth(0);
	if (with_tables) {
		assert_true(rf_region_refresh(region, account->first * PAGE,
					      account->last * PAGE + PAGE - 1) >= 0);
		memcpy(truth + account->first, tables + account->first,
		       (account->last - account->first + 1) * sizeof(*truth));
	}
	account->replaying = true;
	ret = rf_listener_replay(account->listener, 0, UINT64_MAX);
	account->replaying = false;
	assert_true(ret >= 0);
}

/* What a listener must know by now, from the kinds it hears of. */
static void check_account(const struct account *account)
{
	if (!account->listener || (account->kinds & 3) != 3)
		return;
	for (unsigned i = account->first; i <= account->last; i++)
		assert_true(same(&account->pages[i], &truth[i]));
}

static void check(void)
{
	struct rf_mapping now;
	uint32_t wanted = 0;

	for (unsigned i = 0; i < LISTENERS; i++) {
		check_account(&accounts[i]);
		wanted |= accounts[i].listener ? accounts[i].kinds : 0;
	}
	assert_int_equal(rf_region_wanted(region), wanted);
	/* and as large as contiguous */
	for (unsigned at = 0; at < NR; at = (unsigned)(now.last / PAGE) + 1) {
		unsigned last = at;

		while (last + 1 < NR &&
		       (truth[at].perm ? truth[last + 1].perm == truth[at].perm &&
						 truth[last + 1].target ==
							 truth[at].target + (last + 1 - at) :
					 !truth[last + 1].perm))
			last++;
		assert_int_equal(rf_region_lookup(region, at * PAGE, &now), 0);
		assert_int_equal(now.iova, at * PAGE);
		assert_int_equal(now.last, last * PAGE + PAGE - 1);
		assert_int_equal(now.perm, truth[at].perm);
		assert_true(!now.perm || now.target == truth[at].target * PAGE);
	}
}

static void run(uint64_t start, bool tabled, bool failing)
{
	const struct rf_region_ops ops = { .name = "model",
					   .flags_changed = flags_changed,
					   .translate = tabled ? translate : NULL };

	seed = start;
	with_tables = tabled;
	overheard = false;
	failures = 0;
	memset(truth, 0, sizeof(truth));
	memset(tables, 0, sizeof(tables));
	memset(accounts, 0, sizeof(accounts));
	log_set_level(LOG_ERROR);
	assert_int_equal(rf_region_new(&ops, NR * PAGE - 1, PAGE, NULL, &region), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct account *account = &accounts[random_below(&seed, LISTENERS)];
		uint64_t what = random_below(&seed, 16);

		if (failing && !random_below(&seed, 3))
			alloc_fail_nth((long)(1 + random_below(&seed, 3)));
		if (what < 10)
			announce_some();
		else if (what < 13)
			refresh_some();
		else if (what < 15)
			register_or_leave(account);
		else
			replay_to(account);
		alloc_fail_nth(0);
		check();
	}
	assert_true(overheard);
	assert_true(failing ? failures > 1000 : !failures);
	rf_region_free(region);
	log_set_level(LOG_WARN);
}

static void what_is_announced_is_what_listeners_know(void **state)
{
	for (uint64_t i = 1; i < 4; i++)
		run(i, false, false);
}

static void so_it_is_when_allocations_fail(void **state)
{
	for (uint64_t i = 11; i < 14; i++)
		run(i, false, true);
}

static void and_with_tables_that_are_walked(void **state)
{
	for (uint64_t i = 21; i < 24; i++)
		run(i, true, false);
	for (uint64_t i = 31; i < 34; i++)
		run(i, true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_announced_is_what_listeners_know),
		cmocka_unit_test(so_it_is_when_allocations_fail),
		cmocka_unit_test(and_with_tables_that_are_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
