/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device descriptors and what they share.
 *
 * The first descriptor of a device resets it and makes its struct vdev; further
 * ones share it; the last one takes the interrupts away, resets the device and
 * lets go of the group. A descriptor is no more than a reference.
 */
#include "vfio/vdev.h"

#include <errno.h>
#include <stdlib.h>

#include "base/iommufd_link.h"
#include "base/stats.h"
#include "group/group.h"
#include "vfio/group.h"

struct device_file {
	struct file file;
	struct vdev *v;
};

static void vdev_free(struct vdev *v)
{
	watcher_destroy(&v->watcher);
	device_put(v->dev);
	free(v);
}

static int vdev_bind(struct vdev *v, struct file *iommufd)
{
	uint32_t id;

	if (!iommufd)
		return 0;
	v->link = iommufd->ops->iommufd;
	return v->link->bind(iommufd, v->dev, &v->idev, &id);
}

static void vdev_unbind(struct vdev *v)
{
	if (v->idev)
		v->link->unbind(v->idev);
	v->idev = NULL;
}

struct file *vdev_iommufd(const struct vdev *v)
{
	return v->idev ? v->link->file(v->idev) : NULL;
}

static void vdev_unuse(struct vdev *v)
{
	if (v->options->claims)
		v->options->claims->unuse(v->claim);
}

int vdev_begin(struct rf_device *dev, const struct vfio_options *options, struct file *iommufd,
	       struct vdev **out)
{
	struct vdev *v = calloc(1, sizeof(*v));
	int ret;

	if (!v)
		return -ENOMEM;
	v->dev = dev;
	v->options = options;
	ret = options->claims ? options->claims->use(dev, &v->claim) : 0;
	if (ret) {
		free(v);
		return ret;
	}
	ret = vdev_bind(v, iommufd);
	if (ret) {
		vdev_unuse(v);
		free(v);
		return ret;
	}
	device_get(dev);
	v->wakeup = EVENTFD_NONE;
	watcher_init(&v->watcher, dev);

	vdev_lock(v);
	reset_power_on(v);
	vconfig_init(v);
	ret = virqs_init(v);
	vdev_unlock(v);
	if (ret) {
		vdev_unbind(v);
		vdev_unuse(v);
		vdev_free(v);
		return ret;
	}
	*out = v;
	return 0;
}

void vdev_end(struct vdev *v)
{
	vdev_lock(v);
	feature_release(v);
	ioeventfd_release(v);
	virqs_release(v);
	reset_power_off(v);
	vdev_unlock(v);
	vdev_unbind(v);
	vdev_unuse(v);
	vdev_free(v);
}

/* In a group with an iommufd a device is attached to what stands for the container. */
static int vdev_attach_compat(struct vdev *v)
{
	uint32_t id;
	int ret;

	if (!v->idev)
		return 0;
	ret = v->link->compat_id(v->link->file(v->idev), &id);
	return ret ? ret : v->link->attach(v->idev, &id);
}

/* With the group's lock held. */
static int vdev_new(struct group_file *gf, struct rf_device *dev, struct vdev **out)
{
	struct vdev *v;
	int ret;

	ret = vdev_begin(dev, gf->options, gf->iommufd, &v);
	if (ret)
		return ret;
	ret = vdev_attach_compat(v);
	if (ret) {
		vdev_end(v);
		return ret;
	}
	v->through_group = true;
	v->group = v->idev ? NULL : gf;
	if (v->group)
		file_get(&gf->file);
	v->set = gf->group;
	group_get(v->set);
	v->next = v->set->opened;
	v->set->opened = v;
	*out = v;
	return 0;
}

static void vdev_close(struct vdev *v)
{
	struct group_file *gf = v->group;
	struct rf_group *group = v->set;
	struct vdev **link;
	bool last;

	pthread_mutex_lock(&group->lock);
	last = --v->open_count == 0;
	if (last) {
		for (link = (struct vdev **)&group->opened; *link != v; link = &(*link)->next)
			;
		*link = v->next;
		vdev_end(v);
	}
	pthread_mutex_unlock(&group->lock);
	if (!last)
		return;
	vfio_group_recheck(group); /* a removed device leaves it now */
	if (gf)
		file_put(&gf->file);
	group_put(group);
}

struct vdev *vdev_find(const struct rf_group *group, const struct rf_device *dev)
{
	struct vdev *v = group->opened;

	while (v && v->dev != dev)
		v = v->next;
	return v;
}

static long device_file_ioctl(struct file *file, struct file_caller *caller, unsigned long cmd,
			      unsigned long arg)
{
	return device_ioctl(((struct device_file *)file)->v, caller, (unsigned int)cmd, arg);
}

static ssize_t device_file_pread(struct file *file, struct file_caller *caller, void *buf,
				 size_t len, uint64_t off)
{
	return vdev_pread(((struct device_file *)file)->v, caller, buf, len, off);
}

static ssize_t device_file_pwrite(struct file *file, struct file_caller *caller, const void *buf,
				  size_t len, uint64_t off)
{
	return vdev_pwrite(((struct device_file *)file)->v, caller, buf, len, off);
}

static int device_file_mmap(struct file *file, uint64_t off, uint64_t len, int prot, int flags,
			    struct file_mapping *out)
{
	return vdev_mmap(((struct device_file *)file)->v, off, len, prot, flags, out);
}

static void device_file_release(struct file *file)
{
	struct device_file *df = (struct device_file *)file;

	vdev_close(df->v);
	stats_add(&stats()->closes, 1);
	free(df);
}

static const struct file_ops device_file_ops = {
	.ioctl = device_file_ioctl,
	.pread = device_file_pread,
	.pwrite = device_file_pwrite,
	.mmap = device_file_mmap,
	.release = device_file_release,
};

int vdev_open(struct group_file *gf, struct rf_device *dev, struct file **out)
{
	struct device_file *df = calloc(1, sizeof(*df));
	struct vdev *v;
	int ret;

	if (!df)
		return -ENOMEM;
	v = vdev_find(gf->group, dev);
	if (!v) {
		ret = vdev_new(gf, dev, &v);
		if (ret) {
			free(df);
			return ret;
		}
	}
	v->open_count++;
	file_init(&df->file, &device_file_ops, "anon_inode:[vfio-device]");
	df->v = v;
	stats_add(&stats()->opens, 1);
	*out = &df->file;
	return 0;
}
