/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space as a program sees it.
 *
 * Between the program and the device's registers stands a copy. Two masks a
 * capability (config_perms.c) say what each bit is: virtual (read from and written to the
 * copy) or the device's own, and writable or not. BARs are virtual, so a program can
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

#include "vfio/config.h"

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
	return v->power < 3 &&
	       (v->config.no_command_memory || v->config.bytes[PCI_COMMAND] & PCI_COMMAND_MEMORY);
}

/* Make the copies of BARs look as if hardware had taken what was written to them. */
static void bars_fixup(struct vdev *v)
{
	uint64_t rom_size = v->dev->model->rom_size;
	uint8_t *bytes = v->config.bytes;
	uint32_t rom;

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
		if (flags & RF_BAR_IO)
			low |= PCI_BAR_IO;
		long_set(bar, (long_at(bar) & (uint32_t)mask) | low);
		if (flags & RF_BAR_64) {
			long_set(bar + 4, long_at(bar + 4) & (uint32_t)(mask >> 32));
			i++;
		}
	}
	rom = rom_size ? ~((uint32_t)rom_size - 1) | PCI_ROM_ENABLE : 0;
	long_set(bytes + PCI_ROM, long_at(bytes + PCI_ROM) & rom);
	v->config.bars_dirty = false;
}

/* What capability @pos belongs to, as permissions; *start its first byte. NULL: nothing's. */
static const struct perms *perms_find(struct vdev *v, unsigned pos, unsigned *start,
				      struct perms *msi)
{
	const uint8_t *cap = v->config.cap;
	unsigned base = pos < PCI_CONFIG_SIZE ? PCI_HEADER_SIZE : PCI_CONFIG_SIZE;
	unsigned first = pos;

	*start = 0;
	if (cap[pos] == CONFIG_NO_CAP)
		return NULL;
	while (pos >= base && first > base && cap[first - 1] == cap[pos])
		first--;
	if (pos >= base)
		*start = first;
	return perms_of(v, pos, cap[pos], msi);
}

/*
 * Bits of a capability's mask; its length is rounded up to words, the arrays are too. What
 * has none is virtual in its link, or all of the header where the list is extended.
 */
static uint32_t virt_bits(const struct perms *perms, unsigned pos, unsigned at, unsigned size)
{
	static const uint8_t link[2][4] = { { 0, 0xff, 0, 0 }, { 0xff, 0xff, 0xff, 0xff } };

	if (at + size <= perms->size)
		return load(perms->virt + at, size);
	return !perms->size && at < 4 ? load(link[pos >= PCI_CONFIG_SIZE] + at, size) : 0;
}

static uint32_t write_bits(const struct perms *perms, unsigned at, unsigned size)
{
	return at + size <= perms->size ? load(perms->write + at, size) : 0;
}

static void piece_read(struct vdev *v, unsigned pos, uint8_t *buf, unsigned size)
{
	unsigned start;
	struct perms msi;
	const struct perms *perms = perms_find(v, pos, &start, &msi);
	uint32_t val = config_read(v->dev, pos, size), virt;

	if (perms) {
		if (vconfig_in_bars(pos))
			bars_fixup(v);
		virt = virt_bits(perms, pos, pos - start, size);
		val = (val & ~virt) | (load(v->config.bytes + pos, size) & virt);
		if (pos == PCI_COMMAND && v->config.no_command_memory)
			val |= v->config.bytes[PCI_COMMAND] & PCI_COMMAND_MEMORY;
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

	if (!perms || perms->raw) {
		config_write(v->dev, pos, val, size);
		return;
	}
	write = write_bits(perms, pos - start, size);
	virt = virt_bits(perms, pos, pos - start, size);
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

unsigned vconfig_piece(struct vdev *v, unsigned pos, size_t len, bool *taken)
{
	unsigned start;
	struct perms msi;
	const struct perms *perms = perms_find(v, pos, &start, &msi);

	*taken = !perms || perms->size || perms->raw;
	return piece_size(v, pos, len);
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

/* Intel's X710, XL710, XXV710 and X550, whose INTx cannot be masked: they get none. */
static bool intx_is_broken(const uint8_t *bytes)
{
	unsigned vendor = word_at(bytes), device = word_at(bytes + 2);

	if (vendor != 0x8086)
		return false;
	return device == 0x1572 || device == 0x1574 || device == 0x1580 || device == 0x1581 ||
	       (device >= 0x1583 && device <= 0x158b) || device == 0x37d0 || device == 0x37d1 ||
	       device == 0x37d2 || device == 0x1563;
}

/* What registers of a virtual function do not say: its identity, and that memory is on. */
static void virtual_function_init(struct vdev *v)
{
	const struct pci_function *fn = v->dev->function;
	uint8_t *bytes = v->config.bytes;

	if (!fn || !fn->physfn)
		return;
	word_set(bytes, word_at(bytes) == 0xffff ? fn->vendor : word_at(bytes));
	word_set(bytes + 2, word_at(bytes + 2) == 0xffff ? fn->device : word_at(bytes + 2));
	bytes[PCI_INTERRUPT_PIN] = 0;
	bytes[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
	v->config.no_command_memory = true;
}

void vconfig_init(struct vdev *v)
{
	struct vconfig *config = &v->config;

	memset(config->cap, CONFIG_NO_CAP, sizeof(config->cap));
	memset(config->cap, 0, PCI_HEADER_SIZE);
	for (unsigned i = 0; i < PCI_HEADER_SIZE; i++)
		config->bytes[i] = (uint8_t)config_read(v->dev, i, 1);
	config->bars_dirty = true;
	virtual_function_init(v);
	if (intx_is_broken(config->bytes))
		config->bytes[PCI_INTERRUPT_PIN] = 0;
	vconfig_walk(v);
}
