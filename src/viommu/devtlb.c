/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device-side caches: a listener that only forgets.
 *
 * Direct-mapped: the page number chooses the entry. An entry's key is the page's address,
 * with the rights in its low bits; 0 is nothing.
 *
 * Accesses are made inside a gate, and a notice clears entries and then waits for the
 * gate: so when it returns nobody uses what has gone. On a miss the gate is left, the
 * region asked, and the answer remembered only if no notice came since the question: it
 * could be older than what the notice said. Then the access begins anew.
 *
 * Locks: fills and notices take the cache's, innermost. Accesses read an entry between
 * two looks at its sequence number, which is odd while it changes.
 */
#include <ringfence/devtlb.h>

#include <errno.h>

#include "base/gate.h"
#include "base/stats.h"
#include "viommu/region.h"

#define DEVTLB_MAX 65536u

struct devtlb_entry {
	_Alignas(32) _Atomic uint64_t seq;
	_Atomic uint64_t key;
	_Atomic uint64_t target;
};

/**
 * struct rf_devtlb - a device-side cache
 * @gate: accesses
 * @listener: to the region
 * @region: the region
 * @lock: for changes of entries
 * @notices: how many came; under the lock
 * @shift: of the region's granularity
 * @mask: entries - 1
 * @hits: for rf_devtlb_count(), as are the next two
 * @entries: by page number
 */
struct rf_devtlb {
	struct gate gate;
	struct rf_listener *listener;
	struct rf_region *region;
	pthread_mutex_t lock;
	uint64_t notices;
	unsigned shift;
	uint64_t mask;
	_Atomic uint64_t hits;
	_Atomic uint64_t misses;
	_Atomic uint64_t dropped;
	struct devtlb_entry entries[];
};

static struct devtlb_entry *devtlb_entry(struct rf_devtlb *tlb, uint64_t iova)
{
	return &tlb->entries[(iova >> tlb->shift) & tlb->mask];
}

static void entry_set(struct devtlb_entry *entry, uint64_t key, uint64_t target)
{
	uint64_t seq = atomic_load_explicit(&entry->seq, memory_order_relaxed);

	atomic_store_explicit(&entry->seq, seq + 1, memory_order_relaxed);
	atomic_store_explicit(&entry->key, key, memory_order_release);
	atomic_store_explicit(&entry->target, target, memory_order_release);
	atomic_store_explicit(&entry->seq, seq + 2, memory_order_release);
}

/* Whether the entry holds the page at @page with the rights: true, and its target. */
static bool entry_get(const struct devtlb_entry *entry, uint64_t page, uint32_t perm,
		      uint64_t *target)
{
	uint64_t seq = atomic_load_explicit(&entry->seq, memory_order_acquire);
	uint64_t key = atomic_load_explicit(&entry->key, memory_order_acquire);

	*target = atomic_load_explicit(&entry->target, memory_order_acquire);
	if (seq & 1 || atomic_load_explicit(&entry->seq, memory_order_relaxed) != seq)
		return false;
	return (key & ~(uint64_t)PERM_ALL) == page && (key & perm) == perm;
}

/* Forget what lies in [first, last], if it is there. */
static void devtlb_drop(struct rf_devtlb *tlb, struct devtlb_entry *entry, uint64_t first,
			uint64_t last)
{
	uint64_t key = atomic_load_explicit(&entry->key, memory_order_relaxed);
	uint64_t page = key & ~(uint64_t)PERM_ALL;

	if (!key || page < first || page > last)
		return;
	entry_set(entry, 0, 0);
	stats_add(&tlb->dropped, 1);
}

static int devtlb_notify(struct rf_listener *listener, const struct rf_notice *notice)
{
	struct rf_devtlb *tlb = rf_listener_data(listener);
	uint64_t pages = (notice->last - notice->iova) >> tlb->shift;

	pthread_mutex_lock(&tlb->lock);
	tlb->notices++;
	/* by page, or, where these are more than there are entries, by entry */
	for (uint64_t i = 0; i <= (pages < tlb->mask ? pages : tlb->mask); i++)
		devtlb_drop(tlb, devtlb_entry(tlb, notice->iova + (i << tlb->shift)), notice->iova,
			    notice->last);
	pthread_mutex_unlock(&tlb->lock);
	gate_sync(&tlb->gate);
	return 0;
}

int rf_devtlb_new(struct rf_region *region, unsigned entries, struct rf_devtlb **out)
{
	const struct rf_listener_ops ops = {
		.name = "devtlb",
		.kinds = RF_NOTIFY_UNMAP,
		.last = UINT64_MAX,
		.notify = devtlb_notify,
	};
	struct rf_devtlb *tlb;
	int ret;

	if (!entries || entries & (entries - 1) || entries > DEVTLB_MAX)
		return -EINVAL;
	if (region->granularity <= PERM_ALL)
		return -EINVAL;
	tlb = alloc_direct(sizeof(*tlb) + entries * sizeof(tlb->entries[0]));
	if (!tlb)
		return -ENOMEM;
	tlb->region = region;
	tlb->shift = (unsigned)__builtin_ctzll(region->granularity);
	tlb->mask = entries - 1;
	pthread_mutex_init(&tlb->lock, NULL);
	ret = rf_listener_register(region, &ops, tlb, &tlb->listener);
	if (ret) {
		pthread_mutex_destroy(&tlb->lock);
		alloc_direct_free(tlb);
		return ret;
	}
	*out = tlb;
	return 0;
}

void rf_devtlb_free(struct rf_devtlb *tlb)
{
	if (!tlb)
		return;
	rf_listener_unregister(tlb->listener);
	pthread_mutex_destroy(&tlb->lock);
	alloc_direct_free(tlb);
}

/* Ask the region for a page, and remember it: 0 or -EFAULT. */
static int devtlb_fill(struct rf_devtlb *tlb, uint64_t iova, uint32_t perm)
{
	uint64_t page = iova & ~(tlb->region->granularity - 1);
	struct rf_mapping now;
	uint64_t notices;

	pthread_mutex_lock(&tlb->lock);
	notices = tlb->notices;
	stats_add(&tlb->misses, 1);
	pthread_mutex_unlock(&tlb->lock);
	if (rf_region_lookup(tlb->region, iova, &now) || !now.perm || perm & ~now.perm)
		return -EFAULT;
	pthread_mutex_lock(&tlb->lock);
	if (notices == tlb->notices)
		entry_set(devtlb_entry(tlb, iova), page | now.perm, now.target + (page - now.iova));
	pthread_mutex_unlock(&tlb->lock);
	return 0;
}

int rf_devtlb_access(struct rf_devtlb *tlb, uint64_t iova, uint32_t perm,
		     int (*use)(void *arg, uint64_t target, uint64_t length), void *arg)
{
	uint64_t inside = iova & (tlb->region->granularity - 1);
	struct devtlb_entry *entry = devtlb_entry(tlb, iova);
	int ret;

	if (!perm || perm & ~PERM_ALL)
		return -EINVAL;
	do {
		unsigned token = gate_enter(&tlb->gate);
		uint64_t target;

		if (entry_get(entry, iova - inside, perm, &target)) {
			ret = use(arg, target + inside, tlb->region->granularity - inside);
			gate_leave(&tlb->gate, token);
			stats_add(&tlb->hits, 1);
			return ret;
		}
		gate_leave(&tlb->gate, token);
		ret = devtlb_fill(tlb, iova, perm);
	} while (!ret);
	return ret;
}

void rf_devtlb_count(const struct rf_devtlb *tlb, struct rf_devtlb_counts *counts)
{
	*counts = (struct rf_devtlb_counts){
		.hits = atomic_load_explicit(&tlb->hits, memory_order_relaxed),
		.misses = atomic_load_explicit(&tlb->misses, memory_order_relaxed),
		.dropped = atomic_load_explicit(&tlb->dropped, memory_order_relaxed),
	};
}
