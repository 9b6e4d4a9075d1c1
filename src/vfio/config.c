/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space as a program sees it.
 *
 * Between the program and the device's registers stands a copy. Two masks a
 * capability say what each bit is: virtual (read from and written to the copy)
 * or the device's own, and writable or not. BARs are virtual, so a program can
 * size and move them without moving anything; so are the links of the
 * capability list, which leaves out what we don't know how to pass on. A few
 * registers do something when they are written: COMMAND's INTX_DISABLE masks
 * INTx, PM's state field changes the power state, PCI Express' FLR bit resets
 * the function, MSI's flags obey what SET_IRQS has enabled. MSI-X can only be
 * enabled by SET_IRQS; its capability is read-only.
 *
 * Bytes that belong to no capability go straight to the device, which is
 * trusted to be isolated.
 *
 * An access is cut into aligned pieces of 1, 2 or 4 bytes that lie in one
 * capability. Under the device's lock.
 */
#include <string.h>

#include "vfio/pci_regs.h"
#include "vfio/vdev.h"

/**
 * struct perms - what a program may do with a capability
 * @virt: bits that are read from and written to the copy
 * @write: bits that can be written
 * @wrote: acts on a write, after it was done; @at is its offset in the capability
 */
struct perms {
	const uint8_t *virt;
	const uint8_t *write;
	void (*wrote)(struct vdev *v, unsigned cap, unsigned at, uint32_t val, unsigned size);
};

static uint16_t word_at(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void word_set(uint8_t *p, uint16_t val)
{
	p[0] = (uint8_t)val;
	p[1] = (uint8_t)(val >> 8);
}

static uint32_t long_at(const uint8_t *p)
{
	return word_at(p) | (uint32_t)word_at(p + 2) << 16;
}

static void long_set(uint8_t *p, uint32_t val)
{
	word_set(p, (uint16_t)val);
	word_set(p + 2, (uint16_t)(val >> 16));
}

static uint32_t load(const uint8_t *p, unsigned size)
{
	return size == 1 ? *p : size == 2 ? word_at(p) : long_at(p);
}

static void store(uint8_t *p, uint32_t val, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		p[i] = (uint8_t)(val >> (8 * i));
}

bool vconfig_memory_enabled(const struct vdev *v)
{
	return v->power < 3 && v->config.bytes[PCI_COMMAND] & PCI_COMMAND_MEMORY;
}

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

static bool in_bars(unsigned pos)
{
	return (pos >= PCI_BAR0 && pos < PCI_BAR0 + 4 * RF_PCI_BARS) ||
	       (pos >= PCI_ROM && pos < PCI_ROM + 4);
}

/* Make the copies of BARs look as if hardware had taken what was written to them. */
static void bars_fixup(struct vdev *v)
{
	uint8_t *bytes = v->config.bytes;

	if (!v->config.bars_dirty)
		return;
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		uint64_t size = bar_size(v->dev, i), mask = ~(size - 1);
		uint32_t flags = v->dev->bars[i].decl->flags, low = 0;
		uint8_t *bar = bytes + PCI_BAR0 + 4 * i;

		if (!size) {
			long_set(bar, 0);
			continue;
		}
		if (flags & RF_BAR_PREFETCH)
			low |= PCI_BAR_MEM_PREFETCH;
		if (flags & RF_BAR_64)
			low |= PCI_BAR_MEM_64;
		long_set(bar, (long_at(bar) & (uint32_t)mask) | low);
		if (flags & RF_BAR_64) {
			long_set(bar + 4, long_at(bar + 4) & (uint32_t)(mask >> 32));
			i++;
		}
	}
	long_set(bytes + PCI_ROM, 0);
	v->config.bars_dirty = false;
}

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
	if (in_bars(at))
		v->config.bars_dirty = true;
}

static const struct perms basic_perms = { basic_virt, basic_write, basic_wrote };

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

static const struct perms pm_perms = { pm_virt, pm_write, pm_wrote };

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

static const struct perms pcie_perms = { pcie_virt, pcie_write, pcie_wrote };

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

static unsigned msi_layout(struct vdev *v, unsigned cap)
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

/* What is passed on as it is, save the links: MSI-X. */

static const uint8_t link_virt[16] = { [1] = 0xff };
static const uint8_t no_write[16];
static const struct perms direct_perms = { link_virt, no_write, NULL };

/* The header of a hidden capability at the head of its list: it says that there is none. */

static const uint8_t anchor_virt[4] = { 0xff, 0xff, 0xff, 0xff };
static const struct perms anchor_perms = { anchor_virt, no_write, NULL };

/* What capability @pos belongs to, as permissions; *start its first byte. NULL: nothing's. */
static const struct perms *perms_find(struct vdev *v, unsigned pos, unsigned *start,
				      struct perms *msi)
{
	const uint8_t *cap = v->config.cap;
	unsigned first = pos;

	*start = 0;
	if (pos < PCI_HEADER_SIZE)
		return &basic_perms;
	if (cap[pos] == CONFIG_NO_CAP)
		return NULL;
	while (first > PCI_HEADER_SIZE && cap[first - 1] == cap[pos])
		first--;
	*start = first;
	switch (cap[pos]) {
	case PCI_CAP_PM:
		return &pm_perms;
	case PCI_CAP_MSI:
		*msi = (struct perms){ v->config.msi_virt, v->config.msi_write, msi_wrote };
		return msi;
	case PCI_CAP_PCIE:
		return &pcie_perms;
	case CONFIG_ANCHOR:
		return &anchor_perms;
	default:
		return &direct_perms;
	}
}

/* Bits of a mask; a capability's length is rounded up to words, the arrays are too. */
static void piece_read(struct vdev *v, unsigned pos, uint8_t *buf, unsigned size)
{
	unsigned start;
	struct perms msi;
	const struct perms *perms = perms_find(v, pos, &start, &msi);
	uint32_t val = config_read(v->dev, pos, size), virt;

	if (perms) {
		if (in_bars(pos))
			bars_fixup(v);
		virt = load(perms->virt + pos - start, size);
		val = (val & ~virt) | (load(v->config.bytes + pos, size) & virt);
	}
	store(buf, val, size);
}

static void piece_write(struct vdev *v, unsigned pos, const uint8_t *buf, unsigned size)
{
	unsigned start;
	struct perms msi;
	const struct perms *perms = perms_find(v, pos, &start, &msi);
	uint32_t val = load(buf, size), virt, write, old;
	uint8_t *copy = v->config.bytes + pos;

	if (!perms) {
		config_write(v->dev, pos, val, size);
		return;
	}
	write = load(perms->write + pos - start, size);
	virt = load(perms->virt + pos - start, size);
	if (write & virt)
		store(copy, (load(copy, size) & ~(write & virt)) | (val & write & virt), size);
	if (write & ~virt) {
		old = config_read(v->dev, pos, size);
		config_write(v->dev, pos, (old & ~(write & ~virt)) | (val & write & ~virt), size);
	}
	if (perms->wrote)
		perms->wrote(v, start, pos - start, val, size);
}

/* The longest aligned piece at @pos within @len that lies in one capability. */
static unsigned piece_size(const struct vdev *v, unsigned pos, size_t len)
{
	const uint8_t *cap = v->config.cap;
	unsigned same = 1;

	while (same < len && (pos + same) % 4 && cap[pos + same] == cap[pos])
		same++;
	if (same >= 4)
		return 4;
	return same >= 2 && pos % 2 == 0 ? 2 : 1;
}

void vconfig_read(struct vdev *v, unsigned pos, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		unsigned size = piece_size(v, pos, len);

		piece_read(v, pos, to, size);
		pos += size;
		to += size;
		len -= size;
	}
}

void vconfig_write(struct vdev *v, unsigned pos, const void *buf, size_t len)
{
	const uint8_t *from = buf;

	while (len) {
		unsigned size = piece_size(v, pos, len);

		piece_write(v, pos, from, size);
		pos += size;
		from += size;
		len -= size;
	}
}

/* How long a capability is, 0: not one for programs. */
static unsigned cap_length(struct vdev *v, unsigned id, unsigned pos)
{
	unsigned flags;

	switch (id) {
	case PCI_CAP_PM:
		return 8;
	case PCI_CAP_MSI:
		return msi_layout(v, pos);
	case PCI_CAP_MSIX:
		return 12;
	case PCI_CAP_PCIE:
		flags = config_read(v->dev, pos + PCIE_FLAGS, 2);
		/* version 1 ends early, and without a link there is less */
		if ((flags & 0xf) == 1)
			return (flags >> 4 & 0xf) == PCIE_TYPE_RC_END ? 12 : 20;
		return (flags >> 4 & 0xf) == PCIE_TYPE_RC_END ? 44 : 60;
	default:
		return 0;
	}
}

static void vconfig_walk(struct vdev *v)
{
	struct vconfig *config = &v->config;
	uint8_t *link = config->bytes + PCI_CAPABILITIES;
	unsigned pos = *link & ~3u, found = 0;

	if (!(config->bytes[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return;
	/* a list can have no more members than there are words: a loop ends too */
	for (unsigned i = 0; pos >= PCI_HEADER_SIZE && i < 48; i++) {
		unsigned id = config_read(v->dev, pos, 1);
		unsigned next = config_read(v->dev, pos + 1, 1) & ~3u;
		unsigned length = cap_length(v, id, pos);

		if (pos + length > PCI_CONFIG_SIZE)
			length = 0;
		if (!length) {
			*link = (uint8_t)next;
			pos = next;
			continue;
		}
		memset(config->cap + pos, (int)id, length);
		for (unsigned b = 0; b < length; b++)
			config->bytes[pos + b] = (uint8_t)config_read(v->dev, pos + b, 1);
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
}

void vconfig_init(struct vdev *v)
{
	struct vconfig *config = &v->config;

	memset(config->cap, CONFIG_NO_CAP, sizeof(config->cap));
	memset(config->cap, 0, PCI_HEADER_SIZE);
	for (unsigned i = 0; i < PCI_HEADER_SIZE; i++)
		config->bytes[i] = (uint8_t)config_read(v->dev, i, 1);
	config->bars_dirty = true;
	vconfig_walk(v);
	/* of extended capabilities devices have but PASID, which Linux hides */
	if (v->dev->cap_pasid)
		memset(config->cap + v->dev->cap_pasid, CONFIG_ANCHOR, sizeof(anchor_virt));
}
