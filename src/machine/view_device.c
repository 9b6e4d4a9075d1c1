/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI device's directory. Formats are the kernel's to the character: one
 * file that does not parse makes DPDK give up its whole scan.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine/topology.h"
#include "machine/view.h"

/* struct resource flags, as the kernel prints them. */
#define RES_IO		 0x00000100ull
#define RES_MEM		 0x00000200ull
#define RES_READONLY	 0x00004000ull
#define RES_PREFETCH	 0x00002000ull
#define RES_SIZEALIGN	 0x00040000ull
#define RES_MEM_64	 0x00100000ull
#define RES_LINES	 13 /* six BARs, the ROM, six of SR-IOV */

#define CFG_ROM		 0x30
#define PCIE_FLAGS	 0x02
#define PCIE_LNKCAP	 0x0c
#define PCIE_LNKSTA	 0x12
#define PCIE_TYPE_RC_END 0x9
#define PCIE_TYPE_RC_EC	 0xa

const char *view_cpus(char text[CPU_TEXT], bool list)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	size_t used = 0;
	long words;

	n = n < 1 ? 1 : n > 1024 ? 1024 : n;
	if (list) {
		snprintf(text, CPU_TEXT, n == 1 ? "0" : "0-%ld", n - 1);
		return text;
	}
	words = (n + 31) / 32;
	for (long w = words - 1; w >= 0; w--) {
		unsigned bits = n % 32 && w == words - 1 ? (1u << n % 32) - 1 : UINT32_MAX;

		used += (size_t)snprintf(text + used, CPU_TEXT - used,
					 w == words - 1 ? "%x" : ",%08x", bits);
	}
	return text;
}

/**
 * struct shown - a device, and its configuration space as /sys shows it
 */
struct shown {
	struct rf_device *dev;
	unsigned size;
	uint8_t bytes[PCI_CONFIG_EXT_SIZE];
};

static unsigned word(const struct shown *shown, unsigned off)
{
	return shown->bytes[off] | (unsigned)shown->bytes[off + 1] << 8;
}

/* The registers of a modelled device, or what is known of one that is not. */
static void shown_fill(struct shown *shown, struct rf_device *dev)
{
	shown->dev = dev;
	if (!dev->model) {
		shown->size = topology_config(dev->function, shown->bytes);
		return;
	}
	shown->size = dev->config_size;
	for (unsigned off = 0; off < dev->config_size; off += 4) {
		uint32_t val = config_read(dev, off, 4);

		for (unsigned i = 0; i < 4; i++)
			shown->bytes[off + i] = (uint8_t)(val >> (8 * i));
	}
}

static void device_bar_resource(const struct rf_device *dev, unsigned bar, uint64_t *first,
				uint64_t *size, uint64_t *flags)
{
	uint32_t decl = dev->bars[bar].decl->flags;

	*size = bar_size(dev, bar);
	if (!*size)
		return;
	*first = dev->bars[bar].address;
	*flags = decl & RF_BAR_IO ? RES_IO | RES_SIZEALIGN | 0x1 : RES_MEM | RES_SIZEALIGN;
	if (decl & RF_BAR_64)
		*flags |= RES_MEM_64 | 0x4;
	if (decl & RF_BAR_PREFETCH)
		*flags |= RES_PREFETCH | 0x8;
}

static void device_resource(struct layout *layout, struct rf_device *dev)
{
	char text[RES_LINES * 64];
	size_t used = 0;

	for (unsigned i = 0; i < RES_LINES; i++) {
		uint64_t size = 0, first = 0, flags = 0;

		if (dev->model && i < RF_PCI_BARS)
			device_bar_resource(dev, i, &first, &size, &flags);
		if (dev->model && i == RF_PCI_BARS && dev->model->rom_size) {
			first = config_read(dev, CFG_ROM, 4) & ~0x7ffu;
			size = dev->model->rom_size;
			flags = RES_MEM | RES_PREFETCH | RES_READONLY | RES_SIZEALIGN;
		}
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "0x%016llx 0x%016llx 0x%016llx\n",
					 (unsigned long long)first,
					 (unsigned long long)(size ? first + size - 1 : 0),
					 (unsigned long long)flags);
	}
	layout_file(layout, 0444, "resource", "%s", text);
}

static void device_identity(struct layout *layout, const struct shown *shown)
{
	const struct pci_function *fn = shown->dev->function;
	const struct rf_device *dev = shown->dev;
	unsigned class = word(shown, 0x09) | (unsigned)shown->bytes[0x0b] << 16;
	unsigned vendor = word(shown, 0x00), device = word(shown, 0x02);
	unsigned sub_vendor = word(shown, 0x2c), sub_device = word(shown, 0x2e);
	char modalias[96];

	if (!dev->model) { /* a VF's registers say nothing, a bridge's lie elsewhere */
		vendor = fn->vendor;
		device = fn->device;
		sub_vendor = fn->subsystem_vendor;
		sub_device = fn->subsystem_device;
	}

	layout_file(layout, 0444, "vendor", "0x%04x\n", vendor);
	layout_file(layout, 0444, "device", "0x%04x\n", device);
	layout_file(layout, 0444, "subsystem_vendor", "0x%04x\n", sub_vendor);
	layout_file(layout, 0444, "subsystem_device", "0x%04x\n", sub_device);
	layout_file(layout, 0444, "revision", "0x%02x\n", shown->bytes[0x08]);
	layout_file(layout, 0444, "class", "0x%06x\n", class);

	snprintf(modalias, sizeof(modalias), "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", vendor,
		 device, sub_vendor, sub_device, class >> 16, class >> 8 & 0xff, class & 0xff);
	layout_file(layout, 0444, "modalias", "%s\n", modalias);
	layout_file(layout, 0644, "uevent",
		    "%s%s%sPCI_CLASS=%04X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
		    "PCI_SLOT_NAME=%s\nMODALIAS=%s\n",
		    dev->host_driver ? "DRIVER=" : "",
		    dev->host_driver ? (const char *)dev->host_driver : "",
		    dev->host_driver ? "\n" : "", class, vendor, device, sub_vendor, sub_device,
		    dev->name, modalias);
}

static const char *speed_name(unsigned speed)
{
	static const char *const names[] = { "Unknown",	      "2.5 GT/s PCIe",	"5.0 GT/s PCIe",
					     "8.0 GT/s PCIe", "16.0 GT/s PCIe", "32.0 GT/s PCIe",
					     "64.0 GT/s PCIe" };

	return speed < sizeof(names) / sizeof(*names) ? names[speed] : names[0];
}

/* Ends inside the root complex have no link: the kernel takes its registers for zeroes. */
static bool express_has_link(const struct shown *shown, unsigned at)
{
	unsigned type = word(shown, at + PCIE_FLAGS) >> 4 & 0xf;

	return type != PCIE_TYPE_RC_END && type != PCIE_TYPE_RC_EC;
}

/* Where the PCI Express capability is; 0: there is none. */
static unsigned express_at(const struct shown *shown)
{
	unsigned at = shown->bytes[0x34] & ~3u, links = 0;

	if (!(word(shown, 0x06) & 0x10) || shown->size < PCI_CONFIG_SIZE)
		return 0;
	for (; at >= 0x40 && links < 48; at = shown->bytes[at + 1] & ~3u, links++)
		if (shown->bytes[at] == 0x10)
			return at + 0x14 <= PCI_CONFIG_SIZE ? at : 0;
	return 0;
}

static void device_link(struct layout *layout, const struct shown *shown)
{
	unsigned at = express_at(shown), cap, status;

	if (!at)
		return;
	cap = express_has_link(shown, at) ? word(shown, at + PCIE_LNKCAP) : 0;
	status = express_has_link(shown, at) ? word(shown, at + PCIE_LNKSTA) : 0;
	layout_file(layout, 0444, "max_link_speed", "%s\n", speed_name(cap & 0xf));
	/* the kernel says 255 where there is no link */
	layout_file(layout, 0444, "max_link_width", "%u\n", cap ? cap >> 4 & 0x3f : 255);
	layout_file(layout, 0444, "current_link_speed", "%s\n", speed_name(status & 0xf));
	layout_file(layout, 0444, "current_link_width", "%u\n", status >> 4 & 0x3f);
}

static void device_state(struct layout *layout, const struct shown *shown)
{
	struct rf_device *dev = shown->dev;
	char cpus[CPU_TEXT];

	layout_file(layout, 0444, "irq", "%u\n", shown->bytes[0x3c]);
	layout_file(layout, 0644, "numa_node", "-1\n");
	layout_file(layout, 0444, "local_cpus", "%s\n", view_cpus(cpus, false));
	layout_file(layout, 0444, "local_cpulist", "%s\n", view_cpus(cpus, true));
	layout_file(layout, 0644, "enable", "0\n");
	layout_file(layout, 0444, "power_state", "D0\n");
	layout_file(layout, 0644, "driver_override", "(null)\n");
	layout_file(layout, 0444, "dma_mask_bits", "32\n");
	layout_file(layout, 0444, "consistent_dma_mask_bits", "32\n");
	layout_file(layout, 0644, "broken_parity_status", "0\n");
	layout_file(layout, 0644, "msi_bus", "1\n");
	layout_file(layout, 0644, "d3cold_allowed", "1\n");
	layout_file(layout, 0444, "ari_enabled", "0\n");
	layout_file(layout, 0220, "remove", "%s", "");
	layout_file(layout, 0220, "rescan", "%s", "");
	if (dev->model && device_can_reset(dev)) {
		const char *flr = dev->model->caps & RF_PCI_CAP_FLR ? "flr" :
				  device_can_flr(dev)		    ? "af_flr" :
								      "";
		bool pm = device_can_pm_reset(dev);

		layout_file(layout, 0200, "reset", "%s", "");
		layout_file(layout, 0644, "reset_method", "%s%s%s\n", flr, *flr && pm ? " " : "",
			    pm ? "pm" : "");
	}
}

/* Links between a physical function and its virtual ones. */
static void device_vfs(struct layout *layout, const struct pci_function *pf)
{
	char path[VIEW_PATH], up[VIEW_PATH];
	unsigned n = 0;

	view_where(pf->dev, path);
	view_up(path, up);
	if (pf->physfn) {
		char of[VIEW_PATH];

		view_where(pf->physfn->dev, of);
		layout_link(layout, "physfn", "%s/devices/%s", up, of);
	}
	if (!pf->nr_vfs)
		return;
	for (struct pci_function *fn = topology_next(pf); fn; fn = topology_next(fn)) {
		char name[24];

		if (fn->physfn != pf || !fn->dev)
			continue;
		snprintf(name, sizeof(name), "virtfn%u", n++);
		layout_link(layout, name, "%s/devices/%s", up, view_where(fn->dev, path));
	}
	layout_file(layout, 0644, "sriov_numvfs", "%u\n", pf->nr_vfs);
	layout_file(layout, 0444, "sriov_totalvfs", "%u\n", pf->nr_vfs);
}

void view_device(struct layout *layout, struct rf_device *dev)
{
	char path[VIEW_PATH], up[VIEW_PATH];
	struct shown shown = { 0 };

	shown_fill(&shown, dev);
	view_where(dev, path);
	view_up(path, up);
	layout_enter(layout, "sys/devices/%s/power", path);
	layout_file(layout, 0644, "control", "on\n");
	layout_file(layout, 0444, "runtime_status", "active\n");
	layout_enter(layout, "sys/devices/%s", path);
	device_identity(layout, &shown);
	device_resource(layout, dev);
	layout_bytes(layout, 0644, "config", shown.bytes, shown.size);
	device_link(layout, &shown);
	device_state(layout, &shown);
	layout_link(layout, "subsystem", "%s/bus/pci", up);
	if (dev->host_driver)
		layout_link(layout, "driver", "%s/bus/pci/drivers/%s", up,
			    (const char *)dev->host_driver);
	if (dev->group)
		layout_link(layout, "iommu_group", "%s/kernel/iommu_groups/%u", up, dev->group->id);
	if (dev->group && machine_is_x86(dev->machine))
		layout_link(layout, "iommu", "%s/virtual/iommu/dmar0", up + 3);
	if (dev->function)
		device_vfs(layout, dev->function);
}
