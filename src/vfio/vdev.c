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

#include "base/stats.h"
#include "vfio/group.h"

struct device_file {
	struct file file;
	struct vdev *v;
};

static void vdev_free(struct vdev *v)
{
	watcher_destroy(&v->watcher);
	free(v);
}

/* With the group's lock held. */
static int vdev_new(struct group_file *gf, struct rf_device *dev, struct vdev **out)
{
	struct vdev *v = calloc(1, sizeof(*v));
	int ret;

	if (!v)
		return -ENOMEM;
	v->dev = dev;
	v->group = gf;
	v->wakeup = EVENTFD_NONE;
	watcher_init(&v->watcher, dev);

	vdev_lock(v);
	reset_power_on(v);
	vconfig_init(v);
	ret = virqs_init(v);
	vdev_unlock(v);
	if (ret) {
		vdev_free(v);
		return ret;
	}
	v->reset_works = reset_works(v);
	file_get(&gf->file);
	v->next = gf->devices;
	gf->devices = v;
	*out = v;
	return 0;
}

/* Nobody can reach the device any more, save its own interrupts and watches. */
static void vdev_end(struct vdev *v)
{
	vdev_lock(v);
	feature_release(v);
	ioeventfd_release(v);
	virqs_release(v);
	reset_power_off(v);
	vdev_unlock(v);
	vdev_free(v);
}

static void vdev_close(struct vdev *v)
{
	struct group_file *gf = v->group;
	struct vdev **link;
	bool last;

	pthread_mutex_lock(&gf->lock);
	last = --v->open_count == 0;
	if (last) {
		for (link = &gf->devices; *link != v; link = &(*link)->next)
			;
		*link = v->next;
		vdev_end(v);
	}
	pthread_mutex_unlock(&gf->lock);
	if (last)
		file_put(&gf->file);
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
	for (v = gf->devices; v && v->dev != dev; v = v->next)
		;
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
