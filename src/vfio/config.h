/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program may do with each capability (config_perms.c), which there are
 * (config_walk.c), and accesses by both (config.c).
 */
#ifndef RF_VFIO_CONFIG_H
#define RF_VFIO_CONFIG_H

#include "bus/topology.h"
#include "vfio/pci_regs.h"
#include "vfio/vdev.h"

/**
 * struct perms - what a program may do with a capability
 * @virt: bits that are read from and written to the copy
 * @write: bits that can be written
 * @size: bytes of both; what is behind is read as it is and cannot be written. 0: so is
 *	all but the link to the next capability, which is the copy's
 * @raw: writes go to the device as they are
 * @wrote: acts on a write, after it was done; @at is its offset in the capability
 */
struct perms {
	const uint8_t *virt;
	const uint8_t *write;
	unsigned size;
	bool raw;
	void (*wrote)(struct vdev *v, unsigned cap, unsigned at, uint32_t val, unsigned size);
};

/* config_perms.c: of the capability @id at or beyond @pos; *@msi has room for that one's. */
const struct perms *perms_of(struct vdev *v, unsigned pos, unsigned id, struct perms *msi);
/* How long the MSI capability at @pos is; its layout is kept for perms_of(). */
unsigned perms_msi_layout(struct vdev *v, unsigned pos);

/* config_walk.c: find the capabilities and link those that a program gets. */
void vconfig_walk(struct vdev *v);

static inline uint16_t word_at(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline void word_set(uint8_t *p, uint16_t val)
{
	p[0] = (uint8_t)val;
	p[1] = (uint8_t)(val >> 8);
}

static inline uint32_t long_at(const uint8_t *p)
{
	return word_at(p) | (uint32_t)word_at(p + 2) << 16;
}

static inline void long_set(uint8_t *p, uint32_t val)
{
	word_set(p, (uint16_t)val);
	word_set(p + 2, (uint16_t)(val >> 16));
}

static inline bool vconfig_in_bars(unsigned pos)
{
	return (pos >= PCI_BAR0 && pos < PCI_BAR0 + 4 * RF_PCI_BARS) ||
	       (pos >= PCI_ROM && pos < PCI_ROM + 4);
}

#endif
