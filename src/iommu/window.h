/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The windows of one domain's hardware.
 *
 * Most IOMMUs translate their whole aperture, and any window inside it is
 * software's own business. One with a fixed number of windows (struct iommu_kind)
 * has registers for each: a table of a power of two in length from where that
 * window always begins, in one page size. A window that software wants takes one of
 * those, and lies anywhere inside it.
 *
 * The lock of the address space that owns the domain.
 */
#ifndef RF_IOMMU_WINDOW_H
#define RF_IOMMU_WINDOW_H

#include "iommu/kind.h"

/**
 * struct iommu_window - one of the hardware's windows
 * @made: it is in use
 * @range: what its table covers
 * @page: of its table
 */
struct iommu_window {
	bool made;
	struct iommu_range range;
	uint64_t page;
};

/**
 * struct iommu_windows - all of them; zeroed, with its kind, it has none in use
 */
struct iommu_windows {
	const struct iommu_kind *kind;
	struct iommu_window windows[IOMMU_MAX_WINDOWS];
};

/*
 * Whether a window of pages of @page bytes over @range can be made: 0; -EOPNOTSUPP
 * when the hardware cannot reach all of it, or has larger pages; -ENOSPC when the
 * hardware window that could is in use.
 */
int iommu_window_check(const struct iommu_windows *windows, const struct iommu_range *range,
		       uint64_t page);
/* Make it; it was checked. */
void iommu_window_make(struct iommu_windows *windows, const struct iommu_range *range,
		       uint64_t page);
/* Undo that for the one over @range. */
void iommu_window_remove(struct iommu_windows *windows, const struct iommu_range *range);
/* How many more can be made: UINT32_MAX where they are not counted. */
uint32_t iommu_windows_left(const struct iommu_windows *windows);

#endif
