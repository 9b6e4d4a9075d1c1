/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lists of capabilities: which a program gets, and how long they are.
 *
 * One whose length is not known here (Linux has the same table) is not passed on: the link
 * of the one before leads around it. The first of the extended ones cannot be
 * left out like that, so it stays as a header that says nothing but where the next is.
 */
#include <string.h>

#include "vfio/config.h"

#define CAP_LENGTH_ASK 0xffu
#define EXT_LENGTH_ASK 0xffffu

#define CAP_IDS	       0x15u
#define EXT_CAP_IDS    0x2fu
#define EXT_NEXT_MASK  0xffc00000u

/* 0: left out. */
static const uint8_t cap_lengths[CAP_IDS] = {
	[PCI_CAP_PM] = 8,
	[PCI_CAP_AGP] = 12,
	[PCI_CAP_VPD] = 8,
	[PCI_CAP_MSI] = CAP_LENGTH_ASK,
	[PCI_CAP_PCIX] = CAP_LENGTH_ASK,
	[PCI_CAP_HT] = CAP_LENGTH_ASK,
	[PCI_CAP_VNDR] = CAP_LENGTH_ASK,
	[PCI_CAP_PCIE] = CAP_LENGTH_ASK,
	[PCI_CAP_MSIX] = 12,
	[PCI_CAP_SATA] = CAP_LENGTH_ASK,
	[PCI_CAP_AF] = 6,
};

static const uint16_t ext_lengths[EXT_CAP_IDS] = {
	[EXT_CAP_ERR] = EXT_CAP_ERR_SIZE,
	[EXT_CAP_VC] = EXT_LENGTH_ASK,
	[EXT_CAP_DSN] = 12,
	[EXT_CAP_PWR] = EXT_CAP_PWR_SIZE,
	[EXT_CAP_MFVC] = EXT_LENGTH_ASK,
	[EXT_CAP_VC9] = EXT_LENGTH_ASK,
	[EXT_CAP_VNDR] = EXT_LENGTH_ASK,
	[EXT_CAP_ACS] = EXT_LENGTH_ASK,
	[EXT_CAP_ARI] = 8,
	[EXT_CAP_ATS] = 8,
	[EXT_CAP_SRIOV] = 64,
	[EXT_CAP_MCAST] = 40,
	[EXT_CAP_PRI] = 16,
	[EXT_CAP_REBAR] = EXT_LENGTH_ASK,
	[EXT_CAP_DPA] = EXT_LENGTH_ASK,
	[EXT_CAP_TPH] = EXT_LENGTH_ASK,
	[EXT_CAP_LTR] = 8,
	[EXT_CAP_DVSEC] = EXT_LENGTH_ASK,
};

static uint32_t reg(struct vdev *v, unsigned pos, unsigned size)
{
	return pos + size <= v->dev->config_size ? config_read(v->dev, pos, size) : 0;
}

static unsigned pcie_length(struct vdev *v, unsigned pos)
{
	unsigned flags = reg(v, pos + PCIE_FLAGS, 2);
	bool no_link = (flags >> 4 & 0xf) == PCIE_TYPE_RC_END;

	/* version 1 ends early, and without a link there is less */
	if ((flags & 0xf) == 1)
		return no_link ? 12 : 20;
	return no_link ? 44 : 60;
}

static unsigned cap_length(struct vdev *v, unsigned id, unsigned pos)
{
	unsigned length = id < CAP_IDS ? cap_lengths[id] : 0;

	if (length != CAP_LENGTH_ASK)
		return length;
	switch (id) {
	case PCI_CAP_MSI:
		return perms_msi_layout(v, pos);
	case PCI_CAP_PCIX:
		return reg(v, pos + 2, 2) >> 12 & 3 ? 24 : 8;
	case PCI_CAP_HT:
		return reg(v, pos + 3, 1) & 0xe0 ? 24 : 28;
	case PCI_CAP_SATA:
		return (reg(v, pos + 4, 1) & 0xf) == 0xf ? 16 : 8;
	case PCI_CAP_PCIE:
		return pcie_length(v, pos);
	default: /* vendors' own say it themselves */
		return reg(v, pos + 2, 1);
	}
}

/* Virtual channels, and the arbitration table behind them. */
static unsigned vc_length(struct vdev *v, unsigned pos)
{
	uint32_t phases = reg(v, pos + 8, 4);
	unsigned length = 16 + 12 * (1 + (reg(v, pos + 4, 4) & 7));
	unsigned table = phases & 8 ? 128 : phases & 4 ? 64 : phases & 2 ? 32 : 0;

	return table ? ((length + 15) & ~15u) + table / 2 : length;
}

static unsigned acs_length(struct vdev *v, unsigned pos)
{
	unsigned bits = reg(v, pos + 5, 1);

	if (!(reg(v, pos + 4, 1) & 0x20))
		return 8;
	return 8 + (bits ? (bits + 31) & ~31u : 256) / 8;
}

static unsigned tph_length(struct vdev *v, unsigned pos)
{
	uint32_t cap = reg(v, pos + 4, 4);

	return 12 + ((cap & 0x600) == 0x200 ? 2 * (cap >> 16 & 0x7ff) + 2 : 0);
}

static unsigned ext_length(struct vdev *v, unsigned id, unsigned pos)
{
	unsigned length = id < EXT_CAP_IDS ? ext_lengths[id] : 0;

	if (length != EXT_LENGTH_ASK)
		return length;
	switch (id) {
	case EXT_CAP_ACS:
		return acs_length(v, pos);
	case EXT_CAP_REBAR:
		return 4 + 8 * (reg(v, pos + 8, 1) >> 5);
	case EXT_CAP_DPA:
		return 17 + (reg(v, pos + 4, 1) & 0x1f);
	case EXT_CAP_TPH:
		return tph_length(v, pos);
	case EXT_CAP_VNDR:
	case EXT_CAP_DVSEC:
		return reg(v, pos + 4, 4) >> 20;
	default:
		return vc_length(v, pos);
	}
}

/* @pos to @pos + @length are @id's from now on, as the device has them. */
static void take(struct vdev *v, unsigned id, unsigned pos, unsigned length, unsigned end)
{
	if (length > end - pos)
		length = end - pos;
	memset(v->config.cap + pos, (int)id, length);
	for (unsigned i = 0; i < length; i++)
		v->config.bytes[pos + i] = (uint8_t)config_read(v->dev, pos + i, 1);
}

/* The link at @link leads to @next instead. */
static void relink(struct vdev *v, unsigned link, unsigned next)
{
	long_set(v->config.bytes + link,
		 (long_at(v->config.bytes + link) & ~EXT_NEXT_MASK) | next << 20);
}

static void walk_extended(struct vdev *v)
{
	unsigned pos = PCI_CONFIG_SIZE, last = 0, found = 0;
	/* a list can have no more members than there are words: a loop ends too */
	unsigned loops = (v->dev->config_size - PCI_CONFIG_SIZE) / 4;

	while (loops-- && pos >= PCI_CONFIG_SIZE) {
		uint32_t header = config_read(v->dev, pos, 4);
		unsigned id = header & 0xffff, next = header >> 20 & ~3u;
		unsigned length = ext_length(v, id, pos);

		if (!length && last) {
			relink(v, last, next);
			pos = next;
			continue;
		}
		take(v, length && id < CONFIG_ANCHOR ? id : CONFIG_ANCHOR, pos, length ? length : 4,
		     v->dev->config_size);
		if (length)
			found++;
		else
			long_set(v->config.bytes + pos,
				 long_at(v->config.bytes + pos) & EXT_NEXT_MASK);
		last = pos;
		pos = next;
	}
	if (!found)
		long_set(v->config.bytes + PCI_CONFIG_SIZE, 0);
}

/* Whether there are extended capabilities: not for conventional PCI, and not without any. */
static bool has_extended(struct vdev *v, unsigned id, unsigned pos)
{
	if (id != PCI_CAP_PCIE && (id != PCI_CAP_PCIX || !(reg(v, pos + 2, 2) >> 12 & 3)))
		return false;
	return reg(v, PCI_CONFIG_SIZE, 4) != 0;
}

void vconfig_walk(struct vdev *v)
{
	struct vconfig *config = &v->config;
	uint8_t *link = config->bytes + PCI_CAPABILITIES;
	unsigned pos = *link & ~3u, found = 0;
	bool extended = false;

	if (!(config->bytes[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return;
	for (unsigned i = 0; pos >= PCI_HEADER_SIZE && i < 48; i++) {
		unsigned id = config_read(v->dev, pos, 1);
		unsigned next = config_read(v->dev, pos + 1, 1) & ~3u;
		unsigned length = cap_length(v, id, pos);

		extended = extended || has_extended(v, id, pos);
		if (!length) {
			*link = (uint8_t)next;
			pos = next;
			continue;
		}
		take(v, id, pos, length, PCI_CONFIG_SIZE);
		if (id == PCI_CAP_PM) {
			config->bytes[pos + PM_PMC + 1] &= (uint8_t) ~(PM_PMC_PME >> 8);
			config->bytes[pos + PM_CTRL + 1] &= (uint8_t) ~(PM_CTRL_PME >> 8);
		}
		link = config->bytes + pos + 1;
		pos = next;
		found++;
	}
	if (!found)
		config->bytes[PCI_STATUS] &= (uint8_t)~PCI_STATUS_CAP_LIST;
	if (extended)
		walk_extended(v);
}
