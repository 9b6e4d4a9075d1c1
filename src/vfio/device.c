/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of a device descriptor: what the device has, and the way to the
 * files that do the rest.
 *
 * Region and interrupt indexes are fixed: what a device lacks is there with
 * size or count 0.
 */
#include <errno.h>

#include "memory/owner.h"
#include "vfio/caps.h"
#include "vfio/group.h"
#include "vfio/vdev.h"

#define PAGE 4096u

/* Whether another BAR of the machine's has something of the page at @page. */
static bool page_is_shared(const struct vdev *v, unsigned bar, uint64_t page)
{
	struct rf_device *const *head = v->options->devices;
	struct rf_device *dev = head && *head ? *head : v->dev;

	for (; dev; dev = head && *head ? dev->next : NULL) {
		for (unsigned i = 0; i < RF_PCI_BARS; i++) {
			if ((dev == v->dev && i == bar) || !bar_size(dev, i) || bar_is_io(dev, i))
				continue;
			if (dev->bars[i].address < page + PAGE &&
			    dev->bars[i].address + bar_size(dev, i) > page)
				return true;
		}
	}
	return false;
}

/* One that is smaller than a page needs that page for itself, from its start. */
bool vdev_bar_mappable(const struct vdev *v, unsigned bar)
{
	uint64_t at = bar < RF_PCI_BARS ? v->dev->bars[bar].address : 0;

	if (v->options->hide_mmap || !bar_size(v->dev, bar) || bar_is_io(v->dev, bar))
		return false;
	return bar_size(v->dev, bar) >= PAGE ||
	       (at && at % PAGE == 0 && !page_is_shared(v, bar, at));
}

static int device_get_info(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	const size_t least = offsetof(struct vfio_device_info, cap_offset);
	struct vfio_device_info info = { 0 };
	struct caps caps = { .size = 0 };
	size_t size;
	int ret;

	if (owner_read(caller->owner, &info, arg, least))
		return -EFAULT;
	if (info.argsz < least)
		return -EINVAL;
	size = info.argsz < sizeof(info) ? info.argsz : sizeof(info);

	info.flags = VFIO_DEVICE_FLAGS_PCI;
	if (v->reset_works)
		info.flags |= VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	ret = atomics_add_cap(v, &caps);
	if (!ret && caps.size) {
		info.flags |= VFIO_DEVICE_FLAGS_CAPS;
		ret = caps_put(&caps, caller, arg, sizeof(info), &info.argsz, &info.cap_offset);
	}
	return ret ? ret : owner_write(caller->owner, arg, &info, size);
}

static int device_bar_info(struct vdev *v, struct vfio_region_info *info, struct caps *caps)
{
	info->size = bar_size(v->dev, info->index);
	info->flags = 0;
	if (!info->size)
		return 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!vdev_bar_mappable(v, info->index))
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (v->dev->cap_msix && info->index == v->dev->msix_bar &&
	    !caps_add(caps, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1,
		      sizeof(struct vfio_info_cap_header)))
		return -ENOMEM;
	return 0;
}

static int device_get_region_info(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	struct vfio_region_info info;
	struct caps caps = { .size = 0 };
	int ret = 0;

	if (owner_read(caller->owner, &info, arg, sizeof(info)))
		return -EFAULT;
	if (info.argsz < sizeof(info))
		return -EINVAL;
	switch (info.index) {
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
		ret = device_bar_info(v, &info, &caps);
		break;
	case VFIO_PCI_ROM_REGION_INDEX:
		info.flags = 0;
		info.size = vdev_rom_length(v) ? v->dev->model->rom_size : 0;
		if (info.size)
			info.flags = VFIO_REGION_INFO_FLAG_READ;
		break;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		info.size = v->dev->config_size;
		info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		break;
	default:
		/* VGA's legacy ranges, which no model has, and indexes that mean nothing */
		return -EINVAL;
	}
	if (ret)
		return ret;
	info.offset = (uint64_t)info.index << VFIO_PCI_OFFSET_SHIFT;

	if (caps.size)
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
	ret = caps_put(&caps, caller, arg, sizeof(info), &info.argsz, &info.cap_offset);
	if (ret)
		return ret;
	return owner_write(caller->owner, arg, &info, sizeof(info));
}

static int device_get_irq_info(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	struct vfio_irq_info info;

	if (owner_read(caller->owner, &info, arg, sizeof(info)))
		return -EFAULT;
	if (info.argsz < sizeof(info) || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info.count = virqs_count(v, info.index);
	if (info.index == VFIO_PCI_ERR_IRQ_INDEX && !info.count)
		return -EINVAL;

	info.flags = VFIO_IRQ_INFO_EVENTFD;
	if (info.index == VFIO_PCI_INTX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else if (info.index != VFIO_PCI_MSIX_IRQ_INDEX || !info.count)
		/* MSI-X vectors can be added while it is enabled */
		info.flags |= VFIO_IRQ_INFO_NORESIZE;
	return owner_write(caller->owner, arg, &info, sizeof(info));
}

/* Only a descriptor of /dev/vfio/devices can be bound, which this is not. */
static int device_bind_iommufd(struct file_caller *caller, unsigned long arg)
{
	struct vfio_device_bind_iommufd bind;

	return owner_read(caller->owner, &bind, arg, sizeof(bind)) ? -EFAULT : -EINVAL;
}

long device_ioctl(struct vdev *v, struct file_caller *caller, unsigned int cmd, unsigned long arg)
{
	if (cmd == VFIO_DEVICE_BIND_IOMMUFD)
		return device_bind_iommufd(caller, arg);
	vdev_wake(v);
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return device_get_info(v, caller, arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return device_get_region_info(v, caller, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return device_get_irq_info(v, caller, arg);
	case VFIO_DEVICE_SET_IRQS:
		return virqs_set_ioctl(v, caller, arg);
	case VFIO_DEVICE_RESET:
		return reset_ioctl(v);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return reset_hot_info_ioctl(v, caller, arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return reset_hot_ioctl(v, caller, arg);
	case VFIO_DEVICE_IOEVENTFD:
		return ioeventfd_ioctl(v, caller, arg);
	case VFIO_DEVICE_FEATURE:
		return feature_ioctl(v, caller, arg);
	default:
		return -ENOTTY;
	}
}
