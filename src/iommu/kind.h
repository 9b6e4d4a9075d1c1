/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kinds of IOMMU: what one can address, in which page sizes, and what it
 * reserves. A kind is data; a machine has one (or more, later), chosen by
 * name in its description.
 */
#ifndef RF_IOMMU_KIND_H
#define RF_IOMMU_KIND_H

#include <stdbool.h>
#include <stdint.h>

struct iommu_range {
	uint64_t first;
	uint64_t last;
};

enum iommu_resv_type { IOMMU_RESV_DIRECT, IOMMU_RESV_RESERVED, IOMMU_RESV_MSI };

struct iommu_resv {
	struct iommu_range range;
	enum iommu_resv_type type;
};

#define IOMMU_MAX_RESV	  8
#define IOMMU_MAX_WINDOWS 2

/**
 * struct iommu_kind - an IOMMU's capabilities
 * @name: "x86" (48 bits), "x86-39" ..., "spapr"
 * @page_sizes: bitmap of page sizes in bytes, as the kernel's pgsize_bitmap;
 *	the x86 kinds: 4 KiB, 2 MiB, 1 GiB
 * @aperture: what it can address
 * @resv: reserved ranges (the MSI window), sorted
 * @nr_resv: how many
 * @irq_remapping: whether interrupts are isolated; without it assignment needs
 *	the machine to allow unsafe interrupts
 * @dirty_tracking: keeps a dirty bit for each page
 * @pasid_bits: how wide the PASIDs are that it tells apart, 0: it looks at none
 * @coarse_dirty: that bit is for the largest of @page_sizes that fits the mapping;
 *	otherwise for the smallest
 * @nesting: can walk a guest's tables above a parent domain
 * @windows: for one with a fixed number of windows: where each begins, which cannot
 *	be chosen, and how far it can reach; sorted, none next to another. What is
 *	between them cannot be addressed
 * @nr_windows: how many; 0: the aperture may be used in any way
 * @cache_coherency: can refuse transactions that are not coherent (VFIO_DMA_CC_IOMMU)
 * @mock: one of iommu_kind_mock()
 */
struct iommu_kind {
	const char *name;
	uint64_t page_sizes;
	struct iommu_range aperture;
	struct iommu_resv resv[IOMMU_MAX_RESV];
	unsigned nr_resv;
	struct iommu_range windows[IOMMU_MAX_WINDOWS];
	unsigned nr_windows;
	bool irq_remapping;
	bool dirty_tracking;
	uint8_t pasid_bits;
	bool coarse_dirty;
	bool nesting;
	bool cache_coherency;
	bool mock;
};

/* A built-in kind by name, or NULL; NULL names the default, "x86". */
const struct iommu_kind *iommu_kind_find(const char *name);
/* The built-in kinds, ended by NULL. */
const struct iommu_kind *const *iommu_kinds(void);

/*
 * The IOMMU above the mock devices of iommufd's self-tests: pages of 2 KiB, an
 * aperture of [2^24, 2^31 - 1]. Of no machine's, hence in none of the lists above.
 */
#define IOMMU_MOCK_NO_DIRTY (1u << 0) /* without dirty tracking */
#define IOMMU_MOCK_HUGE	    (1u << 1) /* with pages of 1 MiB as well */
const struct iommu_kind *iommu_kind_mock(unsigned flags);

/* The smallest page of a kind, in bytes. */
static inline uint64_t iommu_kind_page(const struct iommu_kind *kind)
{
	return kind->page_sizes & -kind->page_sizes;
}

#endif
