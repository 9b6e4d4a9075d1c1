/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the hardware's windows are set to; see window.h.
 */
#include "iommu/window.h"

#include <errno.h>
#include <stddef.h>

/* The number of the hardware window that @range would lie in; nr_windows: none. */
static unsigned window_index(const struct iommu_kind *kind, const struct iommu_range *range)
{
	unsigned i = 0;

	while (i < kind->nr_windows &&
	       (range->first < kind->windows[i].first || range->last > kind->windows[i].last))
		i++;
	return i;
}

int iommu_window_check(const struct iommu_windows *windows, const struct iommu_range *range,
		       uint64_t page)
{
	const struct iommu_kind *kind = windows->kind;
	unsigned i;

	if (page & (iommu_kind_page(kind) - 1) || range->first < kind->aperture.first ||
	    range->last > kind->aperture.last)
		return -EOPNOTSUPP;
	if (!kind->nr_windows)
		return 0;
	i = window_index(kind, range);
	if (i == kind->nr_windows)
		return -EOPNOTSUPP;
	return windows->windows[i].made ? -ENOSPC : 0;
}

/* The largest of the kind's pages that @page is made of. */
static uint64_t window_page(const struct iommu_kind *kind, uint64_t page)
{
	uint64_t fit = kind->page_sizes & (page | (page - 1));

	return 1ull << (63 - __builtin_clzll(fit));
}

/* A table's length is a power of two. */
static uint64_t table_last(uint64_t first, uint64_t last)
{
	uint64_t length_less_1 = last - first;

	return length_less_1 ? first + (UINT64_MAX >> __builtin_clzll(length_less_1)) : first;
}

void iommu_window_make(struct iommu_windows *windows, const struct iommu_range *range,
		       uint64_t page)
{
	const struct iommu_kind *kind = windows->kind;
	unsigned i = window_index(kind, range);
	uint64_t first;

	if (i == kind->nr_windows)
		return;
	first = kind->windows[i].first;
	windows->windows[i] = (struct iommu_window){
		.made = true,
		.range = { first, table_last(first, range->last) },
		.page = window_page(kind, page),
	};
}

void iommu_window_remove(struct iommu_windows *windows, const struct iommu_range *range)
{
	unsigned i = window_index(windows->kind, range);

	if (i < windows->kind->nr_windows)
		windows->windows[i] = (struct iommu_window){ .made = false };
}

uint32_t iommu_windows_left(const struct iommu_windows *windows)
{
	uint32_t left = 0;

	if (!windows->kind->nr_windows)
		return UINT32_MAX;
	for (unsigned i = 0; i < windows->kind->nr_windows; i++)
		left += !windows->windows[i].made;
	return left;
}
