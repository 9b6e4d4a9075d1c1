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

#define IOMMU_MAX_RESV 8

/**
 * struct iommu_kind - an IOMMU's capabilities
 * @name: "x86" (48 bits), "x86-39" ...
 * @page_sizes: bitmap of page sizes in bytes, as the kernel's pgsize_bitmap;
 *	the x86 kinds: 4 KiB, 2 MiB, 1 GiB
 * @aperture: what it can address
 * @resv: reserved ranges (the MSI window), sorted
 * @nr_resv: how many
 * @irq_remapping: whether interrupts are isolated; without it assignment needs
 *	the machine to allow unsafe interrupts
 */
struct iommu_kind {
	const char *name;
	uint64_t page_sizes;
	struct iommu_range aperture;
	struct iommu_resv resv[IOMMU_MAX_RESV];
	unsigned nr_resv;
	bool irq_remapping;
};

/* A built-in kind by name, or NULL; NULL names the default, "x86". */
const struct iommu_kind *iommu_kind_find(const char *name);
/* The built-in kinds, ended by NULL. */
const struct iommu_kind *const *iommu_kinds(void);

/*
 * The ranges that may be mapped: the aperture less what is reserved. Returns
 * how many (at most IOMMU_MAX_RESV + 1). The x86 default gives
 * [0, 0xfedfffff] and [0xfef00000, 2^48 - 1].
 */
unsigned iommu_kind_ranges(const struct iommu_kind *kind,
			   struct iommu_range out[IOMMU_MAX_RESV + 1]);

#endif
