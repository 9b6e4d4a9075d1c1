/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounts of locked memory: one for all that may lock it together, in the two
 * ways in which iommufd counts. Each way has the limit for itself. Linux does not count
what a process with CAP_IPC_LOCK maps; here the host's limit lets it pass, and it counts
against the process once that has given the capability up.
 *
 * No locks.
 */
#include <errno.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "ioas/pages.h"
#include "memory/limit.h"

/**
 * struct account - pages that are locked
 * @limit: how many bytes may be, by each mode, or a LIMIT_ of memory/limit.h
 * @pages: how many are, by mode
 */
struct account {
	uint64_t limit;
	_Atomic uint64_t pages[2];
};

struct account *account_new(uint64_t limit)
{
	struct account *account = alloc_small(sizeof(*account));

	if (account)
		account->limit = limit;
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
	uint64_t before, limit;

	if (!account)
		return 0;
	limit = limit_now(account->limit) / 4096;
	before = atomic_load_explicit(&account->pages[mode], memory_order_relaxed);
	do {
		if (pages > limit || before > limit - pages)
			return -ENOMEM;
	} while (!atomic_compare_exchange_weak(&account->pages[mode], &before, before + pages));
	return 0;
}

void account_uncharge(struct account *account, enum account_mode mode, uint64_t pages)
{
	if (account)
		atomic_fetch_sub(&account->pages[mode], pages);
}
