/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pread, pwrite and mmap of a device descriptor.
 *
 * The file is as sparse as it is large: region n begins at n << 40. BAR accesses
 * are made in the widest aligned pieces that fit, 8 bytes at most; the MSI-X
 * table reads as ones and ignores writes here, as SET_IRQS is its only driver.
 *
 * Data goes through a buffer of ours, so that no user address is touched with
 * the device's lock held. An error leaves whatever happened before it done.
 */
#include <errno.h>
#include <string.h>

#include <linux/mman.h>

#include "memory/owner.h"
#include "vfio/pci_regs.h"
#include "vfio/vdev.h"

#define PAGE	    4096ull
#define CHUNK	    512u
#define MSIX_ENTRY  16u
#define OFFSET_MASK ((1ull << VFIO_PCI_OFFSET_SHIFT) - 1)

/* How far from @pos accesses are all inside or all outside of the MSI-X table. */
static size_t bar_span(const struct rf_device *dev, unsigned bar, uint64_t pos, size_t len,
		       bool *table)
{
	uint64_t first = dev->msix_table;
	uint64_t end = first + (uint64_t)irq_count(dev, IRQ_MSIX) * MSIX_ENTRY;
	uint64_t until = pos + len;

	*table = false;
	if (!dev->cap_msix || bar != dev->msix_bar || pos >= end || until <= first)
		return len;
	if (pos < first)
		return first - pos;
	*table = true;
	return (until < end ? until : end) - pos;
}

bool vdev_answers(const struct vdev *v, unsigned bar)
{
	return !bar_is_io(v->dev, bar) || config_read(v->dev, PCI_COMMAND, 2) & PCI_COMMAND_IO;
}

/*
 * Under the device's lock: -EIO while memory is disabled. Nobody asks that of I/O ports,
 * and while they are off nobody answers.
 */
static int bar_move(struct vdev *v, unsigned bar, uint64_t pos, uint8_t *buf, size_t len,
		    bool write)
{
	while (len) {
		bool table;
		size_t n = bar_span(v->dev, bar, pos, len, &table);

		if (table) {
			memset(buf, 0xff, n);
		} else if (!bar_is_io(v->dev, bar) && !vconfig_memory_enabled(v)) {
			return -EIO;
		} else if (!vdev_answers(v, bar)) {
			memset(buf, 0xff, n);
		} else if (write) {
			bar_write_bytes(v->dev, bar, pos, buf, n);
		} else {
			bar_read_bytes(v->dev, bar, pos, buf, n);
		}
		buf += n;
		pos += n;
		len -= n;
	}
	return 0;
}

/*
 * The ROM is looked at before it is read, to see how long it is: with memory disabled
 * there is nothing to see, and so nothing to map.
 */
static int rom_move(struct vdev *v, uint64_t pos, uint8_t *buf, size_t len)
{
	if (!(config_read(v->dev, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) || !vdev_rom_length(v))
		return -ENOMEM;
	if (!vconfig_memory_enabled(v) && pos < vdev_rom_length(v))
		return -EIO;
	vdev_rom_read(v, pos, buf, len);
	return 0;
}

static int region_move(struct vdev *v, unsigned index, uint64_t pos, uint8_t *buf, size_t len,
		       bool write)
{
	int ret = 0;

	vdev_lock(v);
	if (index == VFIO_PCI_ROM_REGION_INDEX)
		ret = rom_move(v, pos, buf, len);
	else if (index != VFIO_PCI_CONFIG_REGION_INDEX)
		ret = bar_move(v, index, pos, buf, len, write);
	else if (write)
		vconfig_write(v, (unsigned)pos, buf, len);
	else
		vconfig_read(v, (unsigned)pos, buf, len);
	vdev_unlock(v);
	return ret;
}

/* What part of an access exists: a length, or a negative errno. */
static ssize_t region_clip(const struct vdev *v, unsigned index, uint64_t pos, size_t len)
{
	uint64_t size;

	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		size = v->dev->config_size;
		return pos >= size || len > size - pos ? -EFAULT : (ssize_t)len;
	}
	size = index == VFIO_PCI_ROM_REGION_INDEX ? v->dev->model->rom_size :
						    bar_size(v->dev, index);
	if (pos >= size)
		return -EINVAL;
	return (ssize_t)(len < size - pos ? len : size - pos);
}

/* The first piece of a write, as wide as the device gets it, and whether that is looked at. */
static size_t write_piece(struct vdev *v, unsigned index, uint64_t pos, size_t len, bool *taken)
{
	size_t width = 8, n;
	bool table;

	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return vconfig_piece(v, (unsigned)pos, len, taken);
	n = bar_span(v->dev, index, pos, len, &table);
	*taken = !table;
	if (table)
		return n;
	while (width > n || pos % width)
		width /= 2;
	return width;
}

/*
 * A write that cannot be read from the user at once is done piece by piece: what comes
 * before the first that is not there is written, and what nobody takes need not be there.
 */
static int write_pieces(struct vdev *v, struct file_caller *caller, unsigned index, uint64_t pos,
			uintptr_t user, size_t len)
{
	_Alignas(8) uint8_t buf[CHUNK] = { 0 };
	int ret = 0;

	while (len && !ret) {
		bool taken;
		size_t n = write_piece(v, index, pos, len, &taken);

		if (taken && owner_read(caller->owner, buf, user, n))
			return -EFAULT;
		ret = region_move(v, index, pos, buf, n, true);
		pos += n;
		user += n;
		len -= n;
	}
	return ret;
}

static ssize_t vdev_rw(struct vdev *v, struct file_caller *caller, uintptr_t user, size_t len,
		       uint64_t off, bool write)
{
	unsigned index = (unsigned)(off >> VFIO_PCI_OFFSET_SHIFT);
	uint64_t pos = off & OFFSET_MASK;
	_Alignas(8) uint8_t buf[CHUNK];
	ssize_t total;
	int ret;

	if (!len)
		return 0;
	if (off >> VFIO_PCI_OFFSET_SHIFT >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	vdev_wake(v);
	if (index == VFIO_PCI_VGA_REGION_INDEX || (write && index == VFIO_PCI_ROM_REGION_INDEX))
		return -EINVAL;
	total = region_clip(v, index, pos, len);
	if (total < 0)
		return total;

	for (size_t done = 0; done < (size_t)total;) {
		/* chunks end where the widest access would, whatever they start at */
		size_t n = CHUNK - (pos + done) % 8;

		if (n > (size_t)total - done)
			n = (size_t)total - done;
		if (write && owner_read(caller->owner, buf, user + done, n))
			ret = write_pieces(v, caller, index, pos + done, user + done, n);
		else
			ret = region_move(v, index, pos + done, buf, n, write);
		if (ret)
			return ret;
		if (!write && owner_write(caller->owner, user + done, buf, n))
			return -EFAULT;
		done += n;
	}
	return total;
}

ssize_t vdev_pread(struct vdev *v, struct file_caller *caller, void *buf, size_t len, uint64_t off)
{
	return vdev_rw(v, caller, (uintptr_t)buf, len, off, false);
}

ssize_t vdev_pwrite(struct vdev *v, struct file_caller *caller, const void *buf, size_t len,
		    uint64_t off)
{
	return vdev_rw(v, caller, (uintptr_t)buf, len, off, true);
}

int vdev_mmap(struct vdev *v, uint64_t off, uint64_t len, int prot, int flags,
	      struct file_mapping *out)
{
	uint64_t index = off >> VFIO_PCI_OFFSET_SHIFT, pos = off & OFFSET_MASK;
	int type = flags & MAP_TYPE;
	uint64_t size;

	if (!len || off % PAGE || len > UINT64_MAX - PAGE)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && flags & MAP_SYNC)
		return -EOPNOTSUPP;
	if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (index > VFIO_PCI_BAR5_REGION_INDEX || !vdev_bar_mappable(v, (unsigned)index))
		return -EINVAL;
	len = (len + PAGE - 1) & ~(PAGE - 1);
	size = (bar_size(v->dev, (unsigned)index) + PAGE - 1) & ~(PAGE - 1);
	if (pos > size || len > size - pos)
		return -EINVAL;
	*out = (struct file_mapping){
		.dev = v->dev,
		.bar = (unsigned)index,
		.offset = pos,
		.length = len,
	};
	return 0;
}
