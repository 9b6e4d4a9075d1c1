/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that an emulated IOMMU has to do: say what its table says, announce it when the
 * guest says it has changed, and refuse listeners that it could not serve. What to unmap
 * first, and whom to tell, is the region's business.
 *
 * The guest may write its table at any time: an entry is read once.
 */
#include "soft-viommu.h"

#include <errno.h>

static int soft_viommu_translate(struct rf_region *region, struct rf_mapping *now)
{
	const struct soft_viommu *viommu = rf_region_data(region);
	const char *entries = (const char *)viommu->ram + viommu->table;
	uint64_t entry = __atomic_load_n((const uint64_t *)entries + now->iova / SOFT_VIOMMU_PAGE,
					 __ATOMIC_RELAXED);

	now->target = entry & -SOFT_VIOMMU_PAGE;
	now->perm = (entry & SOFT_VIOMMU_READ ? RF_READ : 0) |
		    (entry & SOFT_VIOMMU_WRITE ? RF_WRITE : 0);
	return 0;
}

static int soft_viommu_flags_changed(struct rf_region *region, uint32_t old, uint32_t wanted)
{
	const struct soft_viommu *viommu = rf_region_data(region);

	return wanted & ~RF_NOTIFY_UNMAP && !viommu->caching ? -ENOTSUP : 0;
}

int soft_viommu_start(struct soft_viommu *viommu)
{
	const struct rf_region_ops ops = {
		.name = "soft-viommu",
		.flags_changed = soft_viommu_flags_changed,
		.translate = soft_viommu_translate,
	};

	if (!viommu->entries || viommu->table % 8 || viommu->table > viommu->ram_size ||
	    (viommu->ram_size - viommu->table) / 8 < viommu->entries)
		return -EINVAL;
	return rf_region_new(&ops, viommu->entries * SOFT_VIOMMU_PAGE - 1, SOFT_VIOMMU_PAGE, viommu,
			     &viommu->region);
}

void soft_viommu_stop(struct soft_viommu *viommu)
{
	rf_region_free(viommu->region);
	viommu->region = NULL;
}

int soft_viommu_invalidate(struct soft_viommu *viommu, uint64_t iova, uint64_t pages)
{
	if (!pages || pages > viommu->entries)
		return -EINVAL;
	return rf_region_refresh(viommu->region, iova, iova + (pages * SOFT_VIOMMU_PAGE - 1));
}
