/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The built-in kinds of IOMMU. Most of those of machines are x86's: the MSI window at
 * 0xfee00000 is reserved, and pages are of 4 KiB, 2 MiB or 1 GiB. The one of POWER has
 * two windows: 2 GiB at 0, and another at 2^59, which can be as long as five levels of
 * tables reach; its pages are of 4 KiB, 64 KiB or 16 MiB. The others are what the mock
 * devices of iommufd's self-tests are behind.
 */
#include "iommu/kind.h"

#include <stddef.h>
#include <string.h>

#define X86_PAGE_SIZES ((1ull << 12) | (1ull << 21) | (1ull << 30))
#define X86_MSI                                            \
	{                                                  \
		{ 0xfee00000, 0xfeefffff }, IOMMU_RESV_MSI \
	}

/* @server: with dirty bits, and control of snooping. */
#define X86(title, bits, server)                                                            \
	{                                                                                   \
		.name = title, .page_sizes = X86_PAGE_SIZES,                                \
		.aperture = { 0, (1ull << (bits)) - 1 }, .resv = { X86_MSI }, .nr_resv = 1, \
		.irq_remapping = true, .dirty_tracking = server, .pasid_bits = 20,          \
		.cache_coherency = server,                                                  \
	}

static const struct iommu_kind kind_x86 = X86("x86", 48, true);
/* That of client processors, and of QEMU. */
static const struct iommu_kind kind_x86_39 = X86("x86-39", 39, false);
static const struct iommu_kind kind_x86_57 = X86("x86-57", 57, true);

#define SPAPR_PAGE_SIZES ((1ull << 12) | (1ull << 16) | (1ull << 24))
#define SPAPR_LOW_LAST	 ((1ull << 31) - 1)
#define SPAPR_HIGH	 (1ull << 59)
#define SPAPR_HIGH_LAST	 (SPAPR_HIGH + (1ull << 55) - 1)

static const struct iommu_kind kind_spapr = {
	.name = "spapr",
	.page_sizes = SPAPR_PAGE_SIZES,
	.aperture = { 0, SPAPR_HIGH_LAST },
	.windows = { { 0, SPAPR_LOW_LAST }, { SPAPR_HIGH, SPAPR_HIGH_LAST } },
	.nr_windows = 2,
	.irq_remapping = true,
	.cache_coherency = true,
};

#define MOCK_PAGE      (1ull << 11)
#define MOCK_HUGE_PAGE (1ull << 20)
#define MOCK(title, sizes, flags)                                                                 \
	{                                                                                         \
		.name = title, .page_sizes = sizes, .aperture = { 1ull << 24, (1ull << 31) - 1 }, \
		.irq_remapping = true, .dirty_tracking = !((flags)&IOMMU_MOCK_NO_DIRTY),          \
		.coarse_dirty = (flags)&IOMMU_MOCK_HUGE, .nesting = true, .mock = true,           \
	}

static const struct iommu_kind mocks[] = {
	MOCK("mock", MOCK_PAGE, 0),
	MOCK("mock-nodirty", MOCK_PAGE, IOMMU_MOCK_NO_DIRTY),
	MOCK("mock-huge", MOCK_PAGE | MOCK_HUGE_PAGE, IOMMU_MOCK_HUGE),
	MOCK("mock-huge-nodirty", MOCK_PAGE | MOCK_HUGE_PAGE,
	     IOMMU_MOCK_NO_DIRTY | IOMMU_MOCK_HUGE),
};

const struct iommu_kind *iommu_kind_mock(unsigned flags)
{
	return &mocks[flags & (IOMMU_MOCK_NO_DIRTY | IOMMU_MOCK_HUGE)];
}

static const struct iommu_kind *const kinds[] = {
	&kind_x86, &kind_x86_39, &kind_x86_57, &kind_spapr, NULL,
};

const struct iommu_kind *iommu_kind_find(const char *name)
{
	if (!name)
		return kinds[0];
	for (unsigned i = 0; kinds[i]; i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

const struct iommu_kind *const *iommu_kinds(void)
{
	return kinds;
}
