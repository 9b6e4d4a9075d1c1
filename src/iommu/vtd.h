/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How an x86 kind describes itself in the registers of Intel's VT-d: what sysfs
 * shows of a unit, and what GET_HW_INFO tells of it.
 */
#ifndef RF_IOMMU_VTD_H
#define RF_IOMMU_VTD_H

#include <stdbool.h>
#include <stdint.h>

#include "iommu/kind.h"

/* Whether the kind is x86's, and has such registers. */
bool vtd_is(const struct iommu_kind *kind);
/* The capability and the extended capability register. */
uint64_t vtd_cap(const struct iommu_kind *kind);
uint64_t vtd_ecap(const struct iommu_kind *kind);

#endif
