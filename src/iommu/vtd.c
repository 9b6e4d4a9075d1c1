/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VT-d's registers, composed of what the kind says: programs read them to learn
 * how many address bits and which page sizes there are.
 */
#include "iommu/vtd.h"

#include <string.h>

#define CAP_ND(n)      ((uint64_t)(n)) /* 2^(4 + 2n) domains */
#define CAP_SAGAW_39   (1ull << 9)
#define CAP_SAGAW_48   (1ull << 10)
#define CAP_SAGAW_57   (1ull << 11)
#define CAP_MGAW(bits) ((uint64_t)((bits)-1) << 16)
#define CAP_ZLR	       (1ull << 22)
#define CAP_FRO(off)   ((uint64_t)((off) / 16) << 24)
#define CAP_SLLPS_2M   (1ull << 34)
#define CAP_SLLPS_1G   (1ull << 35)
#define CAP_PSI	       (1ull << 39)
#define CAP_MAMV(n)    ((uint64_t)(n) << 48)
#define CAP_DWD	       (1ull << 54)
#define CAP_DRD	       (1ull << 55)

#define ECAP_C	       0x1ull /* coherent walks */
#define ECAP_QI	       0x2ull /* queued invalidation */
#define ECAP_IR	       0x8ull /* interrupt remapping */
#define ECAP_EIM       0x10ull
#define ECAP_PT	       0x40ull
#define ECAP_SC	       0x80ull /* snoop control */
#define ECAP_IRO(off)  ((uint64_t)((off) / 16) << 8)
#define ECAP_MHMV(n)   ((uint64_t)(n) << 20)
#define ECAP_SMTS      (1ull << 43) /* scalable mode, which dirty bits are a part of */
#define ECAP_SSADS     (1ull << 45)
#define ECAP_SSTS      (1ull << 46)

bool vtd_is(const struct iommu_kind *kind)
{
	return !strncmp(kind->name, "x86", 3);
}

static unsigned address_bits(const struct iommu_kind *kind)
{
	unsigned bits = 0;

	while (bits < 64 && kind->aperture.last >> bits)
		bits++;
	return bits;
}

uint64_t vtd_cap(const struct iommu_kind *kind)
{
	unsigned bits = address_bits(kind);
	uint64_t cap = CAP_ND(6) | CAP_MGAW(bits) | CAP_ZLR | CAP_FRO(0x400) | CAP_PSI |
		       CAP_MAMV(18) | CAP_DWD | CAP_DRD;

	cap |= bits > 48 ? CAP_SAGAW_57 : bits > 39 ? CAP_SAGAW_48 : CAP_SAGAW_39;
	if (kind->page_sizes & 1ull << 21)
		cap |= CAP_SLLPS_2M;
	if (kind->page_sizes & 1ull << 30)
		cap |= CAP_SLLPS_1G;
	return cap;
}

uint64_t vtd_ecap(const struct iommu_kind *kind)
{
	uint64_t ecap = ECAP_C | ECAP_QI | ECAP_PT | ECAP_IRO(0x500) | ECAP_MHMV(15);

	if (kind->irq_remapping)
		ecap |= ECAP_IR | ECAP_EIM;
	if (kind->cache_coherency)
		ecap |= ECAP_SC;
	if (kind->dirty_tracking)
		ecap |= ECAP_SMTS | ECAP_SSTS | ECAP_SSADS;
	return ecap;
}
