/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /sys/class/iommu/dmar0, as Intel's driver shows a VT-d unit. Programs read
 * its capability register to learn how many address bits there are, so the
 * register is composed of what the machine's kind says.
 */
#include "machine/view.h"

#define DMAR_ADDRESS   0xfed90000ull

#define CAP_ND(n)      ((uint64_t)(n)) /* 2^(4 + 2n) domains */
#define CAP_SAGAW_39   (1ull << 9)
#define CAP_SAGAW_48   (1ull << 10)
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
#define ECAP_SC	       0x80ull
#define ECAP_IRO(off)  ((uint64_t)((off) / 16) << 8)
#define ECAP_MHMV(n)   ((uint64_t)(n) << 20)

static unsigned address_bits(const struct iommu_kind *kind)
{
	unsigned bits = 0;

	while (bits < 64 && kind->aperture.last >> bits)
		bits++;
	return bits;
}

static uint64_t dmar_cap(const struct iommu_kind *kind)
{
	unsigned bits = address_bits(kind);
	uint64_t cap = CAP_ND(6) | CAP_MGAW(bits) | CAP_ZLR | CAP_FRO(0x400) | CAP_PSI |
		       CAP_MAMV(18) | CAP_DWD | CAP_DRD;

	cap |= bits > 39 ? CAP_SAGAW_48 : CAP_SAGAW_39;
	if (kind->page_sizes & 1ull << 21)
		cap |= CAP_SLLPS_2M;
	if (kind->page_sizes & 1ull << 30)
		cap |= CAP_SLLPS_1G;
	return cap;
}

static uint64_t dmar_ecap(const struct iommu_kind *kind)
{
	return ECAP_C | ECAP_QI | ECAP_PT | ECAP_SC | ECAP_IRO(0x500) | ECAP_MHMV(15) |
	       (kind->irq_remapping ? ECAP_IR | ECAP_EIM : 0);
}

void view_iommu(struct layout *layout, const struct rf_machine *machine)
{
	const char *dmar = "sys/devices/virtual/iommu/dmar0";
	unsigned used = 0;

	layout_enter(layout, "sys/class/iommu");
	if (!machine_is_x86(machine))
		return;
	layout_link(layout, "dmar0", "../../devices/virtual/iommu/dmar0");

	layout_enter(layout, "%s/devices", dmar);
	for (const struct rf_device *dev = machine->devices; dev; dev = dev->next)
		if (dev->group)
			layout_link(layout, dev->name, "../../../../pci%.7s/%s", dev->name,
				    dev->name);
	for (const struct rf_group *group = machine->groups; group; group = group->next)
		used++;

	layout_enter(layout, "%s/intel-iommu", dmar);
	layout_file(layout, 0444, "version", "1:0\n");
	layout_file(layout, 0444, "address", "%llx\n", DMAR_ADDRESS);
	layout_file(layout, 0444, "cap", "%llx\n", (unsigned long long)dmar_cap(machine->iommu));
	layout_file(layout, 0444, "ecap", "%llx\n", (unsigned long long)dmar_ecap(machine->iommu));
	layout_file(layout, 0444, "domains_supported", "%u\n", 1u << 16);
	layout_file(layout, 0444, "domains_used", "%u\n", used);

	layout_enter(layout, "%s", dmar);
	layout_file(layout, 0644, "uevent", "%s", "");
	layout_link(layout, "subsystem", "../../../../class/iommu");
}
