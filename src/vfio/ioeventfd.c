/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOEVENTFD: a write to a BAR that happens when an eventfd is signalled.
 *
 * An assignment is known by place, width and value; the same may not be made
 * twice, and is undone with descriptor -1. The MSI-X table is out of reach.
 */
#include <errno.h>
#include <stdlib.h>

#include "memory/owner.h"
#include "vfio/vdev.h"

#define MAX_IOEVENTFDS 1000u
#define MSIX_ENTRY     16u

struct ioeventfd {
	struct watch watch;
	struct vdev *v;
	struct ioeventfd *next;
	unsigned bar;
	uint64_t pos;
	uint64_t data;
	unsigned size;
};

static void ioeventfd_fired(struct watch *watch)
{
	struct ioeventfd *io = (struct ioeventfd *)watch;

	if (bar_is_io(io->v->dev, io->bar) ? vdev_answers(io->v, io->bar) :
					     vconfig_memory_enabled(io->v))
		bar_write(io->v->dev, io->bar, io->pos, io->data, io->size);
}

static bool ioeventfd_hits_table(const struct rf_device *dev, const struct ioeventfd *io)
{
	uint64_t end = dev->msix_table + (uint64_t)irq_count(dev, IRQ_MSIX) * MSIX_ENTRY;

	return dev->cap_msix && io->bar == dev->msix_bar && io->pos + io->size > dev->msix_table &&
	       io->pos < end;
}

/* With the lock held. */
static int ioeventfd_set(struct vdev *v, const struct ioeventfd *want, int fd)
{
	struct ioeventfd **link, *io;
	int ret;

	for (link = &v->ioeventfds; (io = *link); link = &io->next) {
		if (io->bar != want->bar || io->pos != want->pos || io->size != want->size ||
		    io->data != want->data)
			continue;
		if (fd != -1)
			return -EEXIST;
		*link = io->next;
		v->nr_ioeventfds--;
		watch_del(&v->watcher, &io->watch);
		free(io);
		return 0;
	}
	if (fd < 0)
		return -ENODEV;
	if (v->nr_ioeventfds >= MAX_IOEVENTFDS)
		return -ENOSPC;

	io = malloc(sizeof(*io));
	if (!io)
		return -ENOMEM;
	*io = *want;
	ret = watch_add(&v->watcher, &io->watch, fd, ioeventfd_fired);
	if (ret) {
		free(io);
		return ret;
	}
	io->next = v->ioeventfds;
	v->ioeventfds = io;
	v->nr_ioeventfds++;
	return 0;
}

int ioeventfd_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	struct vfio_device_ioeventfd req;
	struct ioeventfd want = { .v = v };
	uint64_t index, limit;
	int ret;

	if (owner_read(caller->owner, &req, arg, offsetof(struct vfio_device_ioeventfd, reserved)))
		return -EFAULT;
	if (req.argsz < offsetof(struct vfio_device_ioeventfd, reserved) ||
	    req.flags & ~VFIO_DEVICE_IOEVENTFD_SIZE_MASK || __builtin_popcount(req.flags) != 1 ||
	    req.fd < -1)
		return -EINVAL;
	index = req.offset >> VFIO_PCI_OFFSET_SHIFT;
	if (index > VFIO_PCI_BAR5_REGION_INDEX)
		return -EINVAL;

	/* the flags are the width in bytes */
	want.size = req.flags;
	want.bar = (unsigned)index;
	want.pos = req.offset & ((1ull << VFIO_PCI_OFFSET_SHIFT) - 1);
	want.data = req.data;
	limit = bar_size(v->dev, want.bar);
	if (want.pos + want.size > limit || ioeventfd_hits_table(v->dev, &want))
		return -EINVAL;

	req.fd = caller_fd(caller, req.fd);
	vdev_lock(v);
	ret = ioeventfd_set(v, &want, req.fd);
	vdev_unlock(v);
	return ret;
}

void ioeventfd_release(struct vdev *v)
{
	while (v->ioeventfds) {
		struct ioeventfd *io = v->ioeventfds;

		v->ioeventfds = io->next;
		watch_del(&v->watcher, &io->watch);
		free(io);
	}
	v->nr_ioeventfds = 0;
}
