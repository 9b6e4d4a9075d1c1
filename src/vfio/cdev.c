/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices opened by themselves: files of /dev/vfio/devices/vfioN.
 *
 * Opening gives a file that refuses everything until BIND_IOMMUFD. Binding takes
 * the device: from then on its group cannot be opened, nor the device be bound
 * again, and the file answers what a group's device does. Where its DMA goes is
 * said by ATTACH_IOMMUFD_PT; the last copy of the descriptor undoes all of it.
 * Bound or not, while the file is open the device keeps its driver.
 *
 * A file reads its device without a lock: it is set once, before it is told.
 *
 * Locks: the group's own, around bind, attach, detach and release; it is the
 * set's lock of vdev.h. Then those of the iommufd, then the device's.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/iommufd_link.h"
#include "base/stats.h"
#include "group/group.h"
#include "memory/owner.h"
#include "vfio/vdev.h"
#include "vfio/vfio.h"

/**
 * struct cdev_file - an open device
 * @v: the device once bound; NULL: nothing is granted yet
 * @open_claim: what keeps the device's driver
 * @claim: what the binding took of other processes
 */
struct cdev_file {
	struct file file;
	char path[40];
	struct rf_device *dev;
	const struct vfio_options *options;
	struct vdev *_Atomic v;
	void *open_claim;
	void *claim;
};

static struct vdev *cdev_bound(struct file *file)
{
	struct cdev_file *cf = (struct cdev_file *)file;

	return atomic_load_explicit(&cf->v, memory_order_acquire);
}

struct vdev *cdev_find(struct rf_group *group, const struct rf_device *dev)
{
	struct vdev *v = group->bound;

	while (v && v->dev != dev)
		v = v->next;
	return v;
}

/* The file of an iommufd, referenced; NULL with *@err. */
static struct file *cdev_iommufd(struct file_caller *caller, int fd, int *err)
{
	struct file *file = caller->ops->lookup(caller, fd, err);

	if (file && !file->ops->iommufd) {
		file_put(file);
		file = NULL;
		*err = -EBADFD;
	}
	return file;
}

static void cdev_leave(struct rf_group *group, struct vdev *v)
{
	struct vdev **link = (struct vdev **)&group->bound;

	while (*link != v)
		link = &(*link)->next;
	*link = v->next;
	vdev_end(v);
}

/* With the group's lock held. */
static int cdev_take(struct cdev_file *cf, struct file *iommufd, struct file_caller *caller,
		     unsigned long arg)
{
	struct rf_group *group = cf->dev->group;
	struct vdev *v;
	uint32_t id;
	int ret;

	if (cdev_find(group, cf->dev) || vdev_find(group, cf->dev))
		return -EINVAL;
	ret = vdev_begin(cf->dev, cf->options, iommufd, &v);
	if (ret)
		return ret;
	v->next = group->bound;
	group->bound = v;
	id = v->link->id(v->idev);
	if (owner_write(caller->owner, arg + offsetof(struct vfio_device_bind_iommufd, out_devid),
			&id, sizeof(id))) {
		cdev_leave(group, v);
		return -EFAULT;
	}
	v->open_count = 1;
	stats_add(&stats()->opens, 1);
	atomic_store_explicit(&cf->v, v, memory_order_release);
	return 0;
}

/*
 * With the group's lock held. Other processes come last, so that what is wrong
 * here is told first, as it is where there is one kernel for all.
 */
static int cdev_bind_locked(struct cdev_file *cf, struct file_caller *caller, int fd,
			    unsigned long arg)
{
	const struct vfio_claim_ops *claims = cf->options->claims;
	struct file *iommufd;
	int ret;

	if (atomic_load(&cf->dev->group->holder))
		return -EBUSY;
	if (cdev_bound(&cf->file))
		return -EINVAL;
	iommufd = cdev_iommufd(caller, fd, &ret);
	if (!iommufd)
		return ret;
	ret = claims ? claims->take(cf->dev, &cf->claim) : 0;
	if (!ret) {
		ret = cdev_take(cf, iommufd, caller, arg);
		if (ret && claims)
			claims->drop(cf->claim);
	}
	file_put(iommufd);
	return ret;
}

static int cdev_bind(struct cdev_file *cf, struct file_caller *caller, unsigned long arg)
{
	struct vfio_device_bind_iommufd bind;
	int ret;

	if (owner_read(caller->owner, &bind, arg, sizeof(bind)))
		return -EFAULT;
	if (bind.argsz < sizeof(bind) || bind.flags || bind.iommufd < 0)
		return -EINVAL;
	pthread_mutex_lock(&cf->dev->group->lock);
	ret = cdev_bind_locked(cf, caller, bind.iommufd, arg);
	pthread_mutex_unlock(&cf->dev->group->lock);
	return ret;
}

static int cdev_attach(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	struct vfio_device_attach_iommufd_pt attach;
	int ret;

	if (owner_read(caller->owner, &attach, arg, sizeof(attach)))
		return -EFAULT;
	if (attach.argsz < sizeof(attach) || attach.flags)
		return -EINVAL;
	pthread_mutex_lock(&v->dev->group->lock);
	ret = v->link->attach(v->idev, &attach.pt_id);
	if (!ret &&
	    owner_write(caller->owner, arg + offsetof(struct vfio_device_attach_iommufd_pt, pt_id),
			&attach.pt_id, sizeof(attach.pt_id))) {
		v->link->detach(v->idev);
		ret = -EFAULT;
	}
	pthread_mutex_unlock(&v->dev->group->lock);
	return ret;
}

static int cdev_detach(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	struct vfio_device_detach_iommufd_pt detach;

	if (owner_read(caller->owner, &detach, arg, sizeof(detach)))
		return -EFAULT;
	if (detach.argsz < sizeof(detach) || detach.flags)
		return -EINVAL;
	pthread_mutex_lock(&v->dev->group->lock);
	v->link->detach(v->idev);
	pthread_mutex_unlock(&v->dev->group->lock);
	return 0;
}

static long cdev_ioctl(struct file *file, struct file_caller *caller, unsigned long cmd,
		       unsigned long arg)
{
	struct vdev *v = cdev_bound(file);

	if ((unsigned int)cmd == VFIO_DEVICE_BIND_IOMMUFD)
		return cdev_bind((struct cdev_file *)file, caller, arg);
	if (!v)
		return -EINVAL;
	switch ((unsigned int)cmd) {
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		vdev_wake(v);
		return cdev_attach(v, caller, arg);
	case VFIO_DEVICE_DETACH_IOMMUFD_PT:
		vdev_wake(v);
		return cdev_detach(v, caller, arg);
	default:
		return device_ioctl(v, caller, (unsigned int)cmd, arg);
	}
}

static ssize_t cdev_pread(struct file *file, struct file_caller *caller, void *buf, size_t len,
			  uint64_t off)
{
	struct vdev *v = cdev_bound(file);

	return v ? vdev_pread(v, caller, buf, len, off) : -EINVAL;
}

static ssize_t cdev_pwrite(struct file *file, struct file_caller *caller, const void *buf,
			   size_t len, uint64_t off)
{
	struct vdev *v = cdev_bound(file);

	return v ? vdev_pwrite(v, caller, buf, len, off) : -EINVAL;
}

static int cdev_mmap(struct file *file, uint64_t off, uint64_t len, int prot, int flags,
		     struct file_mapping *out)
{
	struct vdev *v = cdev_bound(file);

	return v ? vdev_mmap(v, off, len, prot, flags, out) : -EINVAL;
}

static void cdev_release(struct file *file)
{
	struct cdev_file *cf = (struct cdev_file *)file;
	struct rf_group *group = cf->dev->group;
	struct vdev *v = cdev_bound(file);
	struct rf_device *dev = cf->dev;

	if (v) {
		pthread_mutex_lock(&group->lock);
		cdev_leave(group, v);
		if (cf->options->claims)
			cf->options->claims->drop(cf->claim);
		pthread_mutex_unlock(&group->lock);
		stats_add(&stats()->closes, 1);
	}
	if (cf->options->claims)
		cf->options->claims->unkeep(cf->open_claim);
	device_put(dev);
	group_put(group);
	free(cf);
}

static const struct file_ops cdev_ops = {
	.ioctl = cdev_ioctl,
	.pread = cdev_pread,
	.pwrite = cdev_pwrite,
	.mmap = cdev_mmap,
	.release = cdev_release,
};

int vfio_open_device(struct rf_device *dev, unsigned index, const struct vfio_options *options,
		     struct file **out)
{
	struct cdev_file *cf;
	int ret;

	if (!dev->model || device_gone(dev) || !dev->group || !dev->host_driver ||
	    strcmp(dev->host_driver, "vfio-pci"))
		return -ENODEV;
	cf = calloc(1, sizeof(*cf));
	if (!cf)
		return -ENOMEM;
	ret = options->claims ? options->claims->keep(dev, &cf->open_claim) : 0;
	if (ret) {
		free(cf);
		return ret;
	}
	snprintf(cf->path, sizeof(cf->path), "/dev/vfio/devices/vfio%u", index);
	file_init(&cf->file, &cdev_ops, cf->path);
	device_get(dev);
	group_get(dev->group);
	cf->dev = dev;
	cf->options = options;
	*out = &cf->file;
	return 0;
}
