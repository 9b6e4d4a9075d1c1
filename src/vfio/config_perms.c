/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program may do with each capability: which bits are virtual, which it can
 * write, and what a write does besides. What is not here can be read, and not be written.
 */
#include <string.h>

#include "vfio/config.h"

/* The header: identity, COMMAND, BARs. */

static const uint8_t basic_virt[PCI_HEADER_SIZE] = {
	[0x00 ... 0x03] = 0xff, /* vendor, device */
	[0x05] = PCI_COMMAND_INTX_DISABLE >> 8,
	[0x06] = PCI_STATUS_CAP_LIST,
	[0x10 ... 0x27] = 0xff, /* BARs */
	[0x30 ... 0x33] = 0xff, /* ROM */
	[0x34] = 0xff, /* capability list */
	[0x3c ... 0x3d] = 0xff, /* interrupt line and pin */
};

static const uint8_t basic_write[PCI_HEADER_SIZE] = {
	[0x04 ... 0x05] = 0xff, /* COMMAND */
	[0x0c ... 0x0d] = 0xff, /* cache line, latency */
	[0x0f] = 0xff, /* BIST */
	[0x10 ... 0x27] = 0xff, [0x30 ... 0x33] = 0xff, [0x3c] = 0xff,
};

static void basic_wrote(struct vdev *v, unsigned cap, unsigned at, uint32_t val, unsigned size)
{
	const uint16_t decode = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	uint8_t *command = v->config.bytes + PCI_COMMAND;
	bool disabled;

	if (at == PCI_COMMAND)
		word_set(command, (word_at(command) & (uint16_t)~decode) | (val & decode));
	if (at == PCI_COMMAND || at == PCI_COMMAND + 1) {
		disabled = word_at(command) & PCI_COMMAND_INTX_DISABLE;
		if (disabled && !v->config.intx_disabled) {
			v->config.intx_disabled = true;
			virqs_intx_mask(v);
		} else if (!disabled && v->config.intx_disabled) {
			v->config.intx_disabled = false;
			virqs_intx_unmask(v);
		}
	}
	if (vconfig_in_bars(at))
		v->config.bars_dirty = true;
}

static const struct perms basic_perms = { basic_virt, basic_write, PCI_HEADER_SIZE, false,
					  basic_wrote };

/* Power management: the state is ours to change, wake-ups are not the program's. */

static const uint8_t pm_virt[8] = {
	[1] = 0xff,
	[3] = PM_PMC_PME >> 8,
	[5] = PM_CTRL_PME >> 8,
};

static const uint8_t pm_write[8] = {
	[4] = (uint8_t)~PM_CTRL_STATE,
	[5] = (uint8_t) ~(PM_CTRL_PME >> 8),
	[6 ... 7] = 0xff,
};

static void pm_wrote(struct vdev *v, unsigned cap, unsigned at, uint32_t val, unsigned size)
{
	if (at == PM_CTRL)
		reset_set_power(v, val & PM_CTRL_STATE);
}

static const struct perms pm_perms = { pm_virt, pm_write, 8, false, pm_wrote };

/* PCI Express: payload sizes concern the whole hierarchy, so they are virtual. */

static const uint8_t pcie_virt[60] = { [1] = 0xff, [8] = 0xe0, [9] = 0xf0 };
static const uint8_t pcie_write[60] = {
	[8] = 0xff,
	[9] = 0xfd, /* not phantom functions */
	[40] = 0xdf, /* not ARI forwarding */
	[41] = 0xff,
};

static void pcie_wrote(struct vdev *v, unsigned cap, unsigned at, uint32_t val, unsigned size)
{
	uint8_t *control = v->config.bytes + cap + PCIE_DEVCTL;

	if (!(word_at(control) & PCIE_DEVCTL_FLR))
		return;
	word_set(control, word_at(control) & (uint16_t)~PCIE_DEVCTL_FLR);
	if (config_read(v->dev, cap + PCIE_DEVCAP, 4) & PCIE_DEVCAP_FLR)
		reset_function(v);
}

static const struct perms pcie_perms = { pcie_virt, pcie_write, 60, false, pcie_wrote };

/* MSI: all virtual but the mask bits; enabled only while SET_IRQS has it so. */

static void msi_wrote(struct vdev *v, unsigned cap, unsigned at, uint32_t val, unsigned size)
{
	const struct virqs *q = &v->irqs;
	uint8_t *copy = v->config.bytes + cap + MSI_FLAGS;
	uint16_t flags = word_at(copy);

	if (at > MSI_FLAGS || at + size < MSI_FLAGS)
		return;
	if (q->index != VFIO_PCI_MSI_IRQ_INDEX)
		flags &= (uint16_t)~MSI_FLAGS_ENABLE;
	if ((flags & MSI_FLAGS_QSIZE) >> 4 > q->msi_qmax) {
		flags &= (uint16_t)~MSI_FLAGS_QSIZE;
		flags |= (uint16_t)(q->msi_qmax << 4);
	}
	word_set(copy, flags);
	config_write(v->dev, cap + MSI_FLAGS, flags, 2);
}

unsigned perms_msi_layout(struct vdev *v, unsigned cap)
{
	uint16_t flags = (uint16_t)config_read(v->dev, cap + MSI_FLAGS, 2);
	uint8_t *virt = v->config.msi_virt, *write = v->config.msi_write;
	unsigned data = flags & MSI_FLAGS_64 ? 12 : 8, i;

	memset(virt, 0, sizeof(v->config.msi_virt));
	memset(write, 0, sizeof(v->config.msi_write));
	virt[1] = 0xff;
	virt[MSI_FLAGS] = write[MSI_FLAGS] = 0xff;
	for (i = 4; i < data + 2; i++) /* address and data */
		virt[i] = write[i] = 0xff;
	if (flags & MSI_FLAGS_MASK)
		memset(write + data + 4, 0xff, 8);
	return data + 2 + (flags & MSI_FLAGS_MASK ? 10 : 0);
}

/* Vital product data are read and written by the host, and here there are none: no answer comes. */

static const uint8_t vpd_virt[8] = { [1 ... 7] = 0xff };
static const uint8_t vpd_write[8] = { [2 ... 7] = 0xff };
static const struct perms vpd_perms = { vpd_virt, vpd_write, 8, false, NULL };

/* PCI-X: the command, and error correction. */

static const uint8_t pcix_virt[24] = { [1] = 0xff };
static const uint8_t pcix_write[24] = { [2 ... 3] = 0xff, [8 ... 11] = 0xff };
static const struct perms pcix_perms = { pcix_virt, pcix_write, 24, false, NULL };

/* Advanced features of conventional PCI: a function level reset. */

static const uint8_t af_virt[8] = { [1] = 0xff, [AF_CTRL] = AF_CTRL_FLR };
static const uint8_t af_write[8] = { [AF_CTRL] = AF_CTRL_FLR };

static void af_wrote(struct vdev *v, unsigned cap, unsigned at, uint32_t val, unsigned size)
{
	uint8_t *control = v->config.bytes + cap + AF_CTRL;

	if (!(*control & AF_CTRL_FLR))
		return;
	*control &= (uint8_t)~AF_CTRL_FLR;
	if ((config_read(v->dev, cap + AF_CAP, 1) & AF_CAP_RESET) == AF_CAP_RESET)
		reset_function(v);
}

static const struct perms af_perms = { af_virt, af_write, 8, false, af_wrote };

/* Advanced error reporting: all of it but what is reserved; 0x03fff031 and 0xf1c1. */

static const uint8_t err_virt[EXT_CAP_ERR_SIZE] = { [0 ... 3] = 0xff };
static const uint8_t err_write[EXT_CAP_ERR_SIZE] = {
	[0x04] = 0x31, 0xf0, 0xff, 0x03, /* uncorrectable: status, */
	[0x08] = 0x31, 0xf0, 0xff, 0x03, /* mask, */
	[0x0c] = 0x31, 0xf0, 0xff, 0x03, /* severity */
	[0x10] = 0xc1, 0xf1, /* correctable: status, */
	[0x14] = 0xc1, 0xf1, /* mask */
	[0x18] = 0x40, 0x01, /* ECRC: generate, check */
};
static const struct perms err_perms = { err_virt, err_write, EXT_CAP_ERR_SIZE, false, NULL };

/* Power budgeting: a byte of the data register, as in Linux, not the one that selects. */

static const uint8_t pwr_virt[EXT_CAP_PWR_SIZE] = { [0 ... 3] = 0xff };
static const uint8_t pwr_write[EXT_CAP_PWR_SIZE] = { [8] = 0xff };
static const struct perms pwr_perms = { pwr_virt, pwr_write, EXT_CAP_PWR_SIZE, false, NULL };

/* What is passed on as it is, save the links; and what vendors defined, to be written too. */

static const struct perms direct_perms = { NULL, NULL, 0, false, NULL };
static const struct perms raw_perms = { NULL, NULL, 0, true, NULL };

static const struct perms *perms_of_extended(unsigned id)
{
	switch (id) {
	case EXT_CAP_ERR:
		return &err_perms;
	case EXT_CAP_PWR:
		return &pwr_perms;
	case EXT_CAP_VNDR:
	case EXT_CAP_DVSEC:
		return &raw_perms;
	default:
		return &direct_perms;
	}
}

const struct perms *perms_of(struct vdev *v, unsigned pos, unsigned id, struct perms *msi)
{
	if (pos < PCI_HEADER_SIZE)
		return &basic_perms;
	if (pos >= PCI_CONFIG_SIZE)
		return perms_of_extended(id);
	switch (id) {
	case PCI_CAP_PM:
		return &pm_perms;
	case PCI_CAP_VPD:
		return &vpd_perms;
	case PCI_CAP_MSI:
		*msi = (struct perms){ v->config.msi_virt, v->config.msi_write,
				       sizeof(v->config.msi_virt), false, msi_wrote };
		return msi;
	case PCI_CAP_PCIX:
		return &pcix_perms;
	case PCI_CAP_VNDR:
		return &raw_perms;
	case PCI_CAP_PCIE:
		return &pcie_perms;
	case PCI_CAP_AF:
		return &af_perms;
	default:
		return &direct_perms;
	}
}
