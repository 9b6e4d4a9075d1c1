/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simplest IOMMU a VMM could offer to its guest: one table of 8-byte entries
 * in the guest's memory, one entry a page, and one command.
 *
 *	63            12 11      2 1 0
 *	guest page      | 0       | W R
 *
 * The guest writes entries, then invalidates their range. In *caching mode* it does so
 * for entries that were empty before, too; without, nobody can follow what it maps.
 */
#ifndef SOFT_VIOMMU_H
#define SOFT_VIOMMU_H

#include <ringfence/notifier.h>

#define SOFT_VIOMMU_PAGE  4096ull
#define SOFT_VIOMMU_READ  1ull
#define SOFT_VIOMMU_WRITE 2ull

/**
 * struct soft_viommu - one such IOMMU
 * @ram: the guest's memory, from guest address 0
 * @ram_size: bytes
 * @table: guest address of the table; a multiple of 8
 * @entries: how many pages it translates, from I/O address 0
 * @caching: the guest was told to use caching mode
 * @region: what listeners listen to
 */
struct soft_viommu {
	void *ram;
	uint64_t ram_size;
	uint64_t table;
	uint64_t entries;
	bool caching;
	struct rf_region *region;
};

/* All but @region is filled in: 0; -EINVAL for a table that is not in the memory; -ENOMEM. */
int soft_viommu_start(struct soft_viommu *viommu);
void soft_viommu_stop(struct soft_viommu *viommu);

/* The guest's command: it has changed entries of @pages pages from @iova on. */
int soft_viommu_invalidate(struct soft_viommu *viommu, uint64_t iova, uint64_t pages);

#endif
