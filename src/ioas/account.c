/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounts of locked memory: one for all that may lock it together, in the two
 * ways in which iommufd counts. Each way has the limit for itself.
 *
 * No locks.
 */
#include <errno.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "ioas/pages.h"

/**
 * struct account - pages that are locked
 * @limit: how many may be, by each mode
 * @pages: how many are, by mode
 */
struct account {
	uint64_t limit;
	_Atomic uint64_t pages[2];
};

struct account *account_new(uint64_t limit_bytes)
{
	struct account *account = alloc_small(sizeof(*account));

	if (account)
		account->limit = limit_bytes == UINT64_MAX ? UINT64_MAX : limit_bytes / 4096;
	return account;
}

void account_free(struct account *account)
{
	alloc_small_free(account, sizeof(*account));
}

uint64_t account_pages(const struct account *account, enum account_mode mode)
{
	return atomic_load(&account->pages[mode]);
}

int account_charge(struct account *account, enum account_mode mode, uint64_t pages)
{
	uint64_t before;

	if (!account)
		return 0;
	before = atomic_load_explicit(&account->pages[mode], memory_order_relaxed);
	do {
		if (pages > account->limit || before > account->limit - pages)
			return -ENOMEM;
	} while (!atomic_compare_exchange_weak(&account->pages[mode], &before, before + pages));
	return 0;
}

void account_uncharge(struct account *account, enum account_mode mode, uint64_t pages)
{
	if (account)
		atomic_fetch_sub(&account->pages[mode], pages);
}
