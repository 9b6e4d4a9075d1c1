/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capabilities. They are chained in one order always, MSI-X, MSI, PCI Express,
 * PM, wherever a model wants them to lie. Of the extended ones there is only PASID,
 * at the start of their space.
 */
#include <errno.h>
#include <string.h>

#include "bus/internal.h"

#define CAP_ID_PM		0x01u
#define CAP_ID_MSI		0x05u
#define CAP_ID_PCIE		0x10u
#define CAP_ID_MSIX		0x11u
#define EXT_CAP_PASID		0x0001001bu /* version 1, the last of the list */

#define CAP_SIZE_PM		8u
#define CAP_SIZE_MSI		14u
#define CAP_SIZE_PCIE		60u
#define CAP_SIZE_MSIX		12u
#define CAP_SIZE_PASID		8u

#define PCIE_TYPE_ENDPOINT	0x0u
#define PCIE_TYPE_ROOT_ENDPOINT 0x9u /* integrated into the root complex */

struct cap {
	uint8_t id;
	uint8_t wanted; /* the model's offset, 0: any */
	uint8_t size;
	uint8_t *offset; /* where it came to lie */
};

/* Power-on value and writable bits of a register of a capability. */
static void cap_set(struct rf_device *dev, unsigned off, uint32_t val, uint32_t mask, unsigned size)
{
	config_set(dev, off, val, size);
	for (unsigned i = 0; i < size; i++)
		dev->config_wmask[off + i] = (uint8_t)(mask >> (8 * i));
}

static void cap_build_pm(struct rf_device *dev, unsigned off)
{
	cap_set(dev, off + 2, 0x0003, 0, 2); /* version 1.2 */
	/* no soft reset: registers survive D3hot to D0 */
	cap_set(dev, off + PM_CTRL, 0x0008, PM_CTRL_STATE, 2);
}

static void cap_build_pcie(struct rf_device *dev, unsigned off)
{
	unsigned type = dev->address.bus ? PCIE_TYPE_ENDPOINT : PCIE_TYPE_ROOT_ENDPOINT;
	uint32_t devcap = 0x8000; /* role-based error reporting */

	if (dev->model->caps & RF_PCI_CAP_FLR)
		devcap |= 1u << 28;
	cap_set(dev, off + 2, 0x0002 | type << 4, 0, 2);
	cap_set(dev, off + 4, devcap, 0, 4);
	/* payload, read request; the others are for what such a function may leave out */
	cap_set(dev, off + PCIE_DEVCTL, 0, 0x70e0, 2);
	cap_set(dev, off + 10, 0, 0, 2);
	dev->config_w1c[off + 10] = 0x0f; /* errors detected */
	cap_set(dev, off + 12, 0x00000411, 0, 4); /* 2.5 GT/s, x1, ASPM L0s */
	cap_set(dev, off + 16, 0, 0x00c3, 2);
	cap_set(dev, off + 18, 0x0011, 0, 2);
	cap_set(dev, off + 36, 0x00300000, 0, 4); /* end-to-end prefixes */
	cap_set(dev, off + 40, 0, 0x8000, 2);
}

static void cap_build_msi(struct rf_device *dev, unsigned off)
{
	unsigned log2 = (unsigned)__builtin_ctz(dev->model->msi_vectors);

	/* 64-bit addresses; a driver may enable as many vectors as there are, or fewer */
	cap_set(dev, off + MSI_FLAGS, 0x0080 | log2 << 1, MSI_FLAGS_ENABLE | (log2 ? 0x70 : 0), 2);
	cap_set(dev, off + 4, 0, 0xfffffffc, 4);
	cap_set(dev, off + 8, 0, 0xffffffff, 4);
	cap_set(dev, off + 12, 0, 0xffff, 2);
}

static void cap_build_msix(struct rf_device *dev, unsigned off)
{
	cap_set(dev, off + MSIX_FLAGS, dev->model->msix_vectors - 1u,
		MSIX_FLAGS_ENABLE | MSIX_FLAGS_MASK, 2);
	cap_set(dev, off + 4, (uint32_t)dev->msix_table | dev->msix_bar, 0, 4);
	cap_set(dev, off + 8, (uint32_t)dev->msix_pba | dev->msix_bar, 0, 4);
}

/* PCI Express 7.8.9: neither execute nor privileged, so only Enable can be written. */
static void cap_build_pasid(struct rf_device *dev, unsigned off)
{
	cap_set(dev, off, EXT_CAP_PASID, 0, 4);
	cap_set(dev, off + PASID_CAP, (uint32_t)dev->model->pasid_bits << 8, 0, 2);
	cap_set(dev, off + PASID_CTRL, 0, PASID_CTRL_ENABLE, 2);
}

static bool cap_space_free(const bool *used, unsigned off, unsigned size)
{
	if (off < CFG_HEADER_END || off % 4 || off + size > PCI_CONFIG_SIZE)
		return false;
	for (unsigned i = off; i < off + size; i++)
		if (used[i])
			return false;
	return true;
}

/* Find room, at the offset wanted or the lowest multiple of 16 that has it. */
static int cap_place(const struct cap *cap, bool *used)
{
	unsigned off = cap->wanted ? cap->wanted : CFG_HEADER_END;

	while (!cap_space_free(used, off, cap->size)) {
		off += 16;
		if (cap->wanted || off >= PCI_CONFIG_SIZE)
			return -EINVAL;
	}
	memset(used + off, true, cap->size);
	*cap->offset = (uint8_t)off;
	return 0;
}

/* Wanted offsets are given out first, so that a chosen one never takes their room. */
static int caps_place(const struct rf_device *dev, const struct cap *caps, unsigned count,
		      bool used[PCI_CONFIG_SIZE], char **error)
{
	for (unsigned i = 0; i < 2 * count; i++) {
		const struct cap *cap = &caps[i % count];

		if ((i < count) != (cap->wanted != 0) || !cap->size)
			continue;
		if (cap_place(cap, used)) {
			*error = message("%s: bad model: no room for capability 0x%02x at 0x%02x",
					 dev->model->name, cap->id, cap->wanted);
			return -EINVAL;
		}
	}
	return 0;
}

/*
 * RF_PCI_CONFIG_MEMORY: what belongs to no capability holds what is written. Where the
 * extended ones begin there is a header, which says that there are none.
 */
static void caps_build_gaps(struct rf_device *dev, const bool used[PCI_CONFIG_SIZE])
{
	unsigned end = PCI_CONFIG_SIZE + (dev->cap_pasid ? CAP_SIZE_PASID : 4);

	if (!(dev->model->caps & RF_PCI_CONFIG_MEMORY))
		return;
	for (unsigned i = CFG_HEADER_END; i < dev->config_size; i++) {
		if (i < PCI_CONFIG_SIZE ? used[i] : i < end)
			continue;
		dev->config_wmask[i] = 0xff;
		dev->config_w1c[i] = 0xff; /* both: no reset clears it, see config.c */
	}
}

int caps_build(struct rf_device *dev, char **error)
{
	const struct rf_pci_model *model = dev->model;
	const struct cap caps[] = {
		{ CAP_ID_MSIX, model->cap_offset.msix, model->msix_vectors ? CAP_SIZE_MSIX : 0,
		  &dev->cap_msix },
		{ CAP_ID_MSI, model->cap_offset.msi, model->msi_vectors ? CAP_SIZE_MSI : 0,
		  &dev->cap_msi },
		{ CAP_ID_PCIE, model->cap_offset.pcie,
		  model->caps & RF_PCI_CAP_PCIE ? CAP_SIZE_PCIE : 0, &dev->cap_pcie },
		{ CAP_ID_PM, model->cap_offset.pm, model->caps & RF_PCI_CAP_PM ? CAP_SIZE_PM : 0,
		  &dev->cap_pm },
	};
	unsigned count = sizeof(caps) / sizeof(*caps);
	bool used[PCI_CONFIG_SIZE] = { false };
	unsigned link = CFG_CAPABILITIES;
	int ret;

	ret = caps_place(dev, caps, count, used, error);
	if (ret)
		return ret;
	for (unsigned i = 0; i < count; i++) {
		if (!caps[i].size)
			continue;
		config_set_byte(dev, link, *caps[i].offset);
		config_set_byte(dev, *caps[i].offset, caps[i].id);
		link = *caps[i].offset + 1u;
	}
	if (dev->cap_msix)
		cap_build_msix(dev, dev->cap_msix);
	if (dev->cap_msi)
		cap_build_msi(dev, dev->cap_msi);
	if (dev->cap_pcie)
		cap_build_pcie(dev, dev->cap_pcie);
	if (dev->cap_pm)
		cap_build_pm(dev, dev->cap_pm);
	if (model->caps & RF_PCI_CAP_PASID) {
		dev->cap_pasid = PCI_CONFIG_SIZE;
		cap_build_pasid(dev, dev->cap_pasid);
	}
	caps_build_gaps(dev, used);
	return 0;
}
