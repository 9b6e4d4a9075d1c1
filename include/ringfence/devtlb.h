/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device-side caches: what a device that translates by itself remembers of an IOMMU.
 *
 * A vhost backend, or a device with ATS, asks the IOMMU once for a page and keeps the
 * answer until it is told that it no longer holds. It listens for RF_NOTIFY_UNMAP
 * only: what is new it finds out by asking.
 */
#ifndef RINGFENCE_DEVTLB_H
#define RINGFENCE_DEVTLB_H

#include <ringfence/notifier.h>

struct rf_devtlb;

/**
 * struct rf_devtlb_counts - what a cache has done
 * @hits: accesses answered by the cache
 * @misses: accesses for which the region was asked
 * @dropped: entries dropped because they no longer held
 */
struct rf_devtlb_counts {
	uint64_t hits;
	uint64_t misses;
	uint64_t dropped;
};

/**
 * rf_devtlb_new() - make an empty cache of a region
 * @region: the region; its granularity is at least 4. Lives longer than the cache
 * @entries: how many pages it remembers; a power of two, at most 65536
 * @tlb: filled with the cache
 *
 * Return: 0; -EINVAL for another number of entries, or a smaller granularity; errnos of
 * rf_listener_register(); -ENOMEM. Nothing changes on failure.
 */
RF_API int rf_devtlb_new(struct rf_region *region, unsigned entries, struct rf_devtlb **tlb);

/** rf_devtlb_free() - no thread may be accessing; NULL is fine. Never fails */
RF_API void rf_devtlb_free(struct rf_devtlb *tlb);

/**
 * rf_devtlb_access() - do something with where an address leads
 * @tlb: the cache
 * @iova: the address
 * @perm: the rights needed: RF_READ, RF_WRITE, or both
 * @use: called with the target of @iova and how many bytes of its page follow it,
 *	itself included. Once it has been announced that @iova leads elsewhere, and
 *	rf_region_announce() has returned, it is called no more with what was before, and
 *	no call is still going on. It must not use the region, nor a cache of it
 * @arg: handed to it
 *
 * Takes no lock where the page is remembered.
 *
 * Return: what @use returned; -EINVAL for no rights, or unknown ones; -EFAULT, without
 * calling it, where nothing is mapped, a right is lacking, or outside the region.
 */
RF_API int rf_devtlb_access(struct rf_devtlb *tlb, uint64_t iova, uint32_t perm,
			    int (*use)(void *arg, uint64_t target, uint64_t length), void *arg);

/** rf_devtlb_count() - what it has done until now */
RF_API void rf_devtlb_count(const struct rf_devtlb *tlb, struct rf_devtlb_counts *counts);

#endif
