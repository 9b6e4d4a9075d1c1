/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resets and power states.
 *
 * A reset takes the function back to its power-on state. Around it the host
 * saves and restores what is not the function's own business: COMMAND, the PCI
 * Express controls, MSI and MSI-X with the eventfds of the program, so a
 * program finds its interrupts still armed. A device is reset when its first
 * descriptor is opened and when its last is closed, if it has a reset that
 * DEVICE_RESET could use.
 *
 * DEVICE_RESET works with a function level reset, with a power cycle through D3
 * (PM without NoSoftReset), or, for a device alone on a bus behind a bridge, with
 * a reset of that bus. Bus 0 of a domain is the root: no bridge, no reset.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/iommufd_link.h"
#include "group/group.h"
#include "memory/owner.h"
#include "vfio/group.h"
#include "vfio/pci_regs.h"
#include "vfio/vdev.h"

/* As firmware leaves it, bus mastering aside, which is for the program to enable. */
#define COMMAND_AT_OPEN (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_SERR)

static bool reset_has_bridge(const struct rf_device *dev)
{
	return dev->address.bus != 0;
}

static bool reset_same_bus(const struct rf_device *a, const struct rf_device *b)
{
	return a->address.domain == b->address.domain && a->address.bus == b->address.bus;
}

/* The first, or next after @at, of the devices that a reset of the bus would hit. */
static struct rf_device *reset_next(const struct vdev *v, const struct rf_device *at)
{
	struct rf_device *const *head = v->options->devices;
	struct rf_device *dev;

	if (!head || !*head)
		return at ? NULL : v->dev;
	for (dev = at ? at->next : *head; dev; dev = dev->next) {
		if (reset_same_bus(dev, v->dev))
			return dev;
	}
	return NULL;
}

static unsigned reset_count(const struct vdev *v)
{
	unsigned n = 0;

	for (struct rf_device *dev = reset_next(v, NULL); dev; dev = reset_next(v, dev))
		n++;
	return n;
}

static bool reset_works(const struct vdev *v)
{
	return device_can_reset(v->dev) || (reset_has_bridge(v->dev) && reset_count(v) == 1);
}

static unsigned pcie_length(struct rf_device *dev)
{
	unsigned flags = dev->cap_pcie ? config_read(dev, dev->cap_pcie + PCIE_FLAGS, 2) : 0;

	if ((flags & 0xf) == 0)
		return 0;
	return (flags & 0xf) == 1 ? PCIE_LNKCTL + 4 : PCIE_DEVCTL2 + 4;
}

/* Where error reporting is, 0: nowhere. */
static unsigned aer_find(struct rf_device *dev)
{
	unsigned pos = PCI_CONFIG_SIZE;

	for (unsigned i = 0; pos >= PCI_CONFIG_SIZE && i < 480; i++) {
		uint32_t header;

		if (pos + EXT_CAP_ERR_SIZE > dev->config_size)
			break;
		header = config_read(dev, pos, 4);
		if ((header & 0xffff) == EXT_CAP_ERR)
			return pos;
		pos = header >> 20 & ~3u;
	}
	return 0;
}

/* What masks errors, how severe they are, ECRC. */
static const uint8_t aer_saved[SAVED_AER] = { 0x08, 0x0c, 0x14, 0x18 };

static void config_save(struct rf_device *dev, struct saved_config *saved)
{
	unsigned pcie = dev->cap_pcie, length = pcie_length(dev), aer = aer_find(dev);

	*saved = (struct saved_config){
		.command = (uint16_t)config_read(dev, PCI_COMMAND, 2),
		.cache_line = (uint8_t)config_read(dev, PCI_CACHE_LINE, 1),
	};
	if (length)
		saved->pcie_devctl = (uint16_t)config_read(dev, pcie + PCIE_DEVCTL, 2);
	if (length)
		saved->pcie_lnkctl = (uint16_t)config_read(dev, pcie + PCIE_LNKCTL, 2);
	if (length > PCIE_DEVCTL2)
		saved->pcie_devctl2 = (uint16_t)config_read(dev, pcie + PCIE_DEVCTL2, 2);
	for (unsigned i = 0; aer && i < SAVED_AER; i++)
		saved->aer[i] = config_read(dev, aer + aer_saved[i], 4);
}

/* COMMAND comes last: it is what lets the device act again. */
static void config_restore(struct rf_device *dev, const struct saved_config *saved)
{
	unsigned pcie = dev->cap_pcie, length = pcie_length(dev), aer = aer_find(dev);

	for (unsigned i = 0; aer && i < SAVED_AER; i++)
		config_write(dev, aer + aer_saved[i], saved->aer[i], 4);
	if (length) {
		config_write(dev, pcie + PCIE_DEVCTL, saved->pcie_devctl & ~PCIE_DEVCTL_FLR, 2);
		config_write(dev, pcie + PCIE_LNKCTL, saved->pcie_lnkctl, 2);
	}
	if (length > PCIE_DEVCTL2)
		config_write(dev, pcie + PCIE_DEVCTL2, saved->pcie_devctl2, 2);
	config_write(dev, PCI_CACHE_LINE, saved->cache_line, 1);
	config_write(dev, PCI_COMMAND, saved->command, 2);
}

void reset_function(struct vdev *v)
{
	struct saved_config saved;

	reset_set_power(v, 0);
	config_save(v->dev, &saved);
	device_reset(v->dev);
	config_restore(v->dev, &saved);
	virqs_restore(v);
}

/* A device without a reset keeps its registers for who opens it next, as hardware does. */
void reset_power_on(struct vdev *v)
{
	struct saved_config saved;

	v->reset_works = reset_works(v);
	if (v->reset_works) {
		config_save(v->dev, &saved);
		device_reset(v->dev);
		config_restore(v->dev, &saved);
	}
	config_write(v->dev, PCI_COMMAND, COMMAND_AT_OPEN, 2);
	config_save(v->dev, &v->at_open);
	v->power = 0;
}

void reset_power_off(struct vdev *v)
{
	reset_set_power(v, 0);
	if (v->reset_works)
		device_reset(v->dev);
	config_restore(v->dev, &v->at_open);
}

/* D1 and D2 are optional, and from one state only a deeper one can be entered, or D0. */
static bool reset_power_exists(const struct vdev *v, unsigned state)
{
	unsigned pmc = v->dev->cap_pm ? config_read(v->dev, v->dev->cap_pm + PM_PMC, 2) : 0;

	if (!v->dev->cap_pm || state == v->power || (state && state < v->power))
		return false;
	return (state != 1 || pmc & PM_PMC_D1) && (state != 2 || pmc & PM_PMC_D2);
}

/*
 * To D0 all of the register is cleared. A function that comes out of D3 without
 * NoSoftReset has been reset.
 */
void reset_set_power(struct vdev *v, unsigned state)
{
	struct rf_device *dev = v->dev;
	unsigned control = dev->cap_pm + PM_CTRL, before = v->power;
	uint16_t now;

	if (!reset_power_exists(v, state))
		return;
	now = (uint16_t)config_read(dev, control, 2);
	if (state == 3)
		config_save(dev, &v->before_d3);
	config_write(dev, control, state ? (now & ~PM_CTRL_STATE) | state : 0, 2);
	v->power = state;
	if (before == 3 && !(now & PM_CTRL_NO_SOFT_RST)) {
		device_reset(dev);
		config_restore(dev, &v->before_d3);
		virqs_restore(v);
	}
}

int reset_ioctl(struct vdev *v)
{
	if (!v->reset_works)
		return -EINVAL;
	if (device_gone(v->dev))
		return -ENOTTY; /* it never comes back from the reset */
	vdev_lock(v);
	reset_function(v);
	vdev_unlock(v);
	return 0;
}

/* Other processes may have bound devices of the bus to other drivers. */
static void reset_refresh(const struct vdev *v)
{
	const struct vfio_claim_ops *claims = v->options->claims;

	if (claims && claims->refresh)
		claims->refresh();
}

static bool reset_has_driver(const struct rf_device *dev)
{
	return dev->group && dev->host_driver && !strcmp(dev->host_driver, "vfio-pci");
}

/* The device in use, however it was opened; its group's lock held. */
static struct vdev *reset_user(const struct rf_device *dev)
{
	struct vdev *v = cdev_find(dev->group, dev);

	return v ? v : vdev_find(dev->group, dev);
}

/*
 * Whether the iommufd that @v is bound to has @dev too: its object id; -ENOENT
 * when it has only the group; -ENODEV when it has neither.
 */
static int64_t reset_owned(const struct vdev *v, struct rf_device *dev)
{
	struct file *iommufd = vdev_iommufd(v);
	int64_t ret = -ENODEV;
	struct vdev *other;

	if (!reset_has_driver(dev))
		return -ENODEV;
	pthread_mutex_lock(&dev->group->lock);
	other = reset_user(dev);
	if (other && vdev_iommufd(other) == iommufd)
		ret = other->link->id(other->idev);
	else if (v->link->has_group(iommufd, dev->group))
		ret = -ENOENT;
	pthread_mutex_unlock(&dev->group->lock);
	return ret;
}

static uint32_t reset_devid(const struct vdev *v, struct rf_device *dev, uint32_t *flags)
{
	int64_t id = reset_owned(v, dev);

	if (id > 0)
		return (uint32_t)id;
	if (id == -ENOENT)
		return VFIO_PCI_DEVID_OWNED;
	*flags &= ~(uint32_t)VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED;
	return (uint32_t)VFIO_PCI_DEVID_NOT_OWNED;
}

int reset_hot_info_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	struct vfio_pci_hot_reset_info info;
	struct vfio_pci_dependent_device entry;
	unsigned long at = arg + sizeof(info);
	unsigned count;

	if (owner_read(caller->owner, &info, arg, sizeof(info)))
		return -EFAULT;
	if (info.argsz < sizeof(info))
		return -EINVAL;
	if (!reset_has_bridge(v->dev))
		return -ENODEV;

	reset_refresh(v);
	count = reset_count(v);
	info.flags = 0;
	info.count = count;
	if (count > (info.argsz - sizeof(info)) / sizeof(entry))
		return owner_write(caller->owner, arg, &info, sizeof(info)) ? -EFAULT : -ENOSPC;

	if (!v->through_group)
		info.flags = VFIO_PCI_HOT_RESET_FLAG_DEV_ID | VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED;
	for (struct rf_device *dev = reset_next(v, NULL); dev; dev = reset_next(v, dev)) {
		const struct pci_address *a = &dev->address;

		if (v->through_group && !dev->group)
			return -EPERM;
		entry = (struct vfio_pci_dependent_device){
			.segment = a->domain,
			.bus = a->bus,
			.devfn = (uint8_t)(a->slot << 3 | a->function),
		};
		if (v->through_group)
			entry.group_id = dev->group->id;
		else
			entry.devid = reset_devid(v, dev, &info.flags);
		if (owner_write(caller->owner, at, &entry, sizeof(entry)))
			return -EFAULT;
		at += sizeof(entry);
	}
	return owner_write(caller->owner, arg, &info, sizeof(info));
}

/* A device of the bus, in use (@v, with its set locked) or not. */
static void reset_one(struct rf_device *dev, struct vdev *v)
{
	struct saved_config saved;

	device_lock(dev);
	if (v) {
		reset_function(v);
	} else {
		config_save(dev, &saved);
		device_reset(dev);
		config_restore(dev, &saved);
	}
	device_unlock(dev);
}

static void reset_in_group(struct group_file *gf, struct rf_device *dev)
{
	pthread_mutex_lock(&gf->group->lock);
	reset_one(dev, vdev_find(gf->group, dev));
	pthread_mutex_unlock(&gf->group->lock);
}

static struct group_file *reset_holder(struct file **files, unsigned nr,
				       const struct rf_device *dev)
{
	for (unsigned i = 0; i < nr; i++) {
		struct group_file *gf = group_of_file(files[i]);

		if (gf->group == dev->group && !gf->lost)
			return gf;
	}
	return NULL;
}

/* Every device of the bus must be vfio-pci's and in a group whose descriptor was shown. */
static int reset_bus(struct vdev *v, struct file **files, unsigned nr)
{
	struct rf_device *dev;

	for (dev = reset_next(v, NULL); dev; dev = reset_next(v, dev)) {
		if (!reset_has_driver(dev) || !reset_holder(files, nr, dev))
			return -EINVAL;
	}
	for (dev = reset_next(v, NULL); dev; dev = reset_next(v, dev))
		reset_in_group(reset_holder(files, nr, dev), dev);
	return 0;
}

/* Of a device that was opened by itself: every device of the bus must be its iommufd's. */
static int reset_owned_bus(struct vdev *v)
{
	struct rf_device *dev;

	for (dev = reset_next(v, NULL); dev; dev = reset_next(v, dev)) {
		int64_t owned = reset_owned(v, dev);

		if (owned < 0 && owned != -ENOENT)
			return -EINVAL;
	}
	for (dev = reset_next(v, NULL); dev; dev = reset_next(v, dev)) {
		pthread_mutex_lock(&dev->group->lock);
		reset_one(dev, reset_user(dev));
		pthread_mutex_unlock(&dev->group->lock);
	}
	return 0;
}

int reset_hot_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	struct vfio_pci_hot_reset hdr;
	struct file **files;
	unsigned nr;
	int ret = 0, fd;

	if (owner_read(caller->owner, &hdr, arg, sizeof(hdr)))
		return -EFAULT;
	if (hdr.argsz < sizeof(hdr) || hdr.flags)
		return -EINVAL;
	/* no groups are shown for a device that was opened without */
	if (!hdr.count != !v->through_group)
		return -EINVAL;
	if (!reset_has_bridge(v->dev))
		return -ENODEV;
	reset_refresh(v);
	if (!v->through_group)
		return reset_owned_bus(v);
	if (hdr.count > reset_count(v))
		return -EINVAL;
	files = calloc(hdr.count, sizeof(struct file *));
	if (!files)
		return -ENOMEM;

	for (nr = 0; nr < hdr.count && !ret; nr++) {
		unsigned long at = arg + sizeof(hdr) + nr * sizeof(fd);

		if (owner_read(caller->owner, &fd, at, sizeof(fd)))
			ret = -EFAULT;
		else
			files[nr] = caller->ops->lookup(caller, fd, &ret);
		if (files[nr])
			ret = group_of_file(files[nr]) ? 0 : -EINVAL;
		else if (ret == -EBADFD)
			ret = -EINVAL;
	}
	if (!ret)
		ret = reset_bus(v, files, nr);

	while (nr--) {
		if (files[nr])
			file_put(files[nr]);
	}
	free(files);
	return ret;
}
