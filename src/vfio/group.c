/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups: open files of /dev/vfio/N.
 *
 * A group is open once at a time. The open file, not the descriptor, is what
 * counts: every device in use in a container keeps a reference to it, so that the
 * group stays open, in its container and out of anybody else's reach until the
 * last descriptor of its devices is closed too.
 *
 * With an iommufd in the container's place devices keep that, and the group can
 * be closed before them. Its devices in use are the group's, not the open file's:
 * who opens it next finds them.
 *
 * Locks: a group's own, then the container's.
 */
#include "vfio/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/iommufd_link.h"
#include "group/group.h"
#include "memory/owner.h"
#include "vfio/abi.h"
#include "vfio/container.h"
#include "vfio/vdev.h"

#define NAME_LIMIT 4096u /* a device name with its NUL, as the kernel bounds it */
#define PAGE	   4096u

/*
 * A device that is bound to another driver, or to none, is not vfio's to give; nor
 * is one that no model stands behind.
 */
static bool group_owns(const struct rf_device *dev)
{
	return dev->model && dev->host_driver && strcmp(dev->host_driver, "vfio-pci") == 0;
}

static bool group_owns_any(struct rf_group *group)
{
	bool owned = false;

	group_lock_members(group);
	for (unsigned i = 0; i < group->nr_devices && !owned; i++)
		owned = group_owns(group->devices[i]);
	group_unlock_members(group);
	return owned;
}

static bool group_has_iommu(const struct group_file *gf)
{
	return gf->container || gf->iommufd;
}

/* First the claim, then the look at the drivers: a driver that comes later sees the claim. */
static int group_enter_container(struct group_file *gf, struct container *c)
{
	const struct vfio_claim_ops *claims = gf->options->claims;
	int ret = claims ? claims->own(gf->group, &gf->claim) : 0;

	if (ret)
		return ret;
	if (claims && claims->refresh)
		claims->refresh();
	ret = container_attach(c, gf);
	if (ret && claims)
		claims->disown(gf->claim);
	return ret;
}

static void group_leave_container(struct group_file *gf)
{
	container_detach(gf->container, gf);
	if (gf->options->claims)
		gf->options->claims->disown(gf->claim);
}

/*
 * With the last of its devices, removed or bound elsewhere, a group of vfio's ends: it
 * leaves its container, and though it may come back under the same number, who has it
 * open has nothing any more. With the group's lock held.
 */
static void group_recheck(struct group_file *gf)
{
	struct file *file = &gf->file;

	if (gf->lost || group_owns_any(gf->group))
		return;
	gf->lost = true;
	if (gf->container)
		group_leave_container(gf);
	atomic_store(&gf->group->holder, NULL);
	if (file->gone)
		file->gone(file->gone_arg);
	file->gone = NULL;
}

void vfio_group_recheck(struct rf_group *group)
{
	struct group_file *gf;

	pthread_mutex_lock(&group->lock);
	gf = atomic_load(&group->holder);
	if (gf && !file_try_get(&gf->file))
		gf = NULL;
	if (gf)
		group_recheck(gf);
	pthread_mutex_unlock(&group->lock);
	if (gf)
		file_put(&gf->file);
}

/* Begin a call by what drivers the devices have at this moment. Takes the group's lock. */
static void group_begin(struct group_file *gf)
{
	const struct vfio_claim_ops *claims = gf->options->claims;

	if (claims && claims->refresh)
		claims->refresh();
	pthread_mutex_lock(&gf->group->lock);
	group_recheck(gf);
}

/*
 * In a container the group is viable. Out of it, it is while nobody has its DMA: a device
 * that outlived its group's leaving an iommufd is such a somebody.
 */
static int group_get_status(struct group_file *gf, struct file_caller *caller, unsigned long arg)
{
	struct vfio_group_status status;
	int ret = 0;

	if (owner_read(caller->owner, &status, arg, sizeof(status)))
		return -EFAULT;
	if (status.argsz < sizeof(status))
		return -EINVAL;

	status.flags = 0;
	group_begin(gf);
	if (gf->lost)
		ret = -ENODEV;
	else if (group_has_iommu(gf))
		status.flags = VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE;
	else if (group_viable(gf->group) && !group_dma_claimed(gf->group))
		status.flags = VFIO_GROUP_FLAGS_VIABLE;
	pthread_mutex_unlock(&gf->group->lock);
	return ret ? ret : owner_write(caller->owner, arg, &status, sizeof(status));
}

/* An iommufd takes the place of a container; its devices are attached as they are opened. */
static int group_set_iommufd(struct group_file *gf, struct file *file)
{
	int ret = file->ops->iommufd->compat_create(file);

	if (!ret)
		gf->iommufd = file_get(file);
	return ret;
}

static int group_set_container(struct group_file *gf, struct file_caller *caller, unsigned long arg)
{
	struct container *c;
	struct file *file;
	int fd, err = -EBADF, ret;

	if (owner_read(caller->owner, &fd, arg, sizeof(fd)))
		return -EFAULT;
	file = caller->ops->lookup(caller, fd, &err);
	if (!file && err != -EBADFD)
		return err;

	group_begin(gf);
	c = file ? container_of_file(file) : NULL;
	if (group_has_iommu(gf))
		ret = -EINVAL;
	else if (gf->lost)
		ret = -ENODEV;
	else if (c)
		ret = group_enter_container(gf, c);
	else if (file && file->ops->iommufd)
		ret = group_set_iommufd(gf, file);
	else
		ret = -EBADFD;
	pthread_mutex_unlock(&gf->group->lock);

	if (file)
		file_put(file);
	return ret;
}

/* Whether a device keeps the group open, and in its container. */
static bool group_in_use(const struct group_file *gf)
{
	const struct vdev *v = gf->group->opened;

	while (v && v->group != gf)
		v = v->next;
	return v != NULL;
}

/* Devices in use hold a container fast, but keep an iommufd by themselves. */
static int group_unset_container(struct group_file *gf)
{
	struct file *iommufd;
	int ret = 0;

	group_begin(gf);
	iommufd = gf->iommufd;
	gf->iommufd = NULL;
	if (!gf->container)
		ret = iommufd ? 0 : -EINVAL;
	else if (group_in_use(gf))
		ret = -EBUSY;
	else
		group_leave_container(gf);
	pthread_mutex_unlock(&gf->group->lock);
	if (iommufd)
		file_put(iommufd);
	return ret;
}

/*
 * A string of the caller: -EFAULT, or -EINVAL when it does not end in time. Read
 * page by page, so that what lies behind its end need not be there.
 */
static int group_read_name(struct file_caller *caller, unsigned long arg, char name[NAME_LIMIT])
{
	size_t got = 0;

	while (got < NAME_LIMIT) {
		size_t n = PAGE - ((arg + got) & (PAGE - 1));

		if (n > NAME_LIMIT - got)
			n = NAME_LIMIT - got;
		if (owner_read(caller->owner, name + got, arg + got, n))
			return -EFAULT;
		if (memchr(name + got, '\0', n))
			return 0;
		got += n;
	}
	return -EINVAL;
}

/*
 * Whether @name means the device: 1, 0, or -EINVAL for options behind the name.
 * The one option there is, a VF token, is wrong for what is no virtual function.
 */
static int group_match(const struct rf_device *dev, const char *name)
{
	size_t len = strlen(dev->name);

	if (strncmp(dev->name, name, len) != 0)
		return 0;
	if (!name[len])
		return 1;
	if (name[len] != ' ')
		return 0;
	return name[len + strspn(name + len, " ")] ? -EINVAL : 1;
}

static struct rf_device *group_find(const struct group_file *gf, const char *name, int *err)
{
	struct rf_device *found = NULL;

	*err = -ENODEV;
	if (gf->lost)
		return NULL;
	group_lock_members(gf->group);
	for (unsigned i = 0; i < gf->group->nr_devices; i++) {
		struct rf_device *dev = gf->group->devices[i];
		int match = group_owns(dev) && !device_gone(dev) ? group_match(dev, name) : 0;

		if (match > 0) {
			device_get(dev);
			found = dev;
			break;
		}
		if (match < 0) {
			*err = match;
			break;
		}
	}
	group_unlock_members(gf->group);
	return found;
}

/* A file for the device of that name: *out, or NULL with the errno. */
static int group_open_device(struct group_file *gf, const char *name, struct file **out)
{
	struct rf_device *dev;
	int ret;

	*out = NULL;
	group_begin(gf);
	dev = group_find(gf, name, &ret);
	if (dev && (gf->iommufd || (gf->container && container_has_iommu(gf->container))))
		ret = vdev_open(gf, dev, out);
	else if (dev)
		ret = -EINVAL;
	pthread_mutex_unlock(&gf->group->lock);
	if (dev)
		device_put(dev);
	return ret;
}

static long group_get_device_fd(struct group_file *gf, struct file_caller *caller,
				unsigned long arg)
{
	char name[NAME_LIMIT];
	struct file *file;
	int ret, fd;

	ret = group_read_name(caller, arg, name);
	if (!ret)
		ret = group_open_device(gf, name, &file);
	if (ret || !file)
		return ret;

	fd = caller->ops->install(caller, file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}

static long group_ioctl(struct file *file, struct file_caller *caller, unsigned long cmd,
			unsigned long arg)
{
	struct group_file *gf = (struct group_file *)file;

	switch ((unsigned int)cmd) {
	case VFIO_GROUP_GET_STATUS:
		return group_get_status(gf, caller, arg);
	case VFIO_GROUP_SET_CONTAINER:
		return group_set_container(gf, caller, arg);
	case VFIO_GROUP_UNSET_CONTAINER:
		return group_unset_container(gf);
	case VFIO_GROUP_GET_DEVICE_FD:
		return group_get_device_fd(gf, caller, arg);
	default:
		return -ENOTTY;
	}
}

static void group_release(struct file *file)
{
	struct group_file *gf = (struct group_file *)file;

	pthread_mutex_lock(&gf->group->lock);
	if (gf->container)
		group_leave_container(gf);
	if (!gf->lost)
		atomic_store(&gf->group->holder, NULL);
	pthread_mutex_unlock(&gf->group->lock);
	if (gf->iommufd)
		file_put(gf->iommufd);
	group_put(gf->group);
	free(gf);
}

static const struct file_ops group_ops = {
	.ioctl = group_ioctl,
	.release = group_release,
};

int vfio_open_group(struct rf_group *group, const struct vfio_options *options, struct file **out)
{
	struct group_file *gf;
	void *nobody = NULL;
	bool free_to_take;

	if (!group_owns_any(group))
		return -ENODEV;
	gf = calloc(1, sizeof(*gf));
	if (!gf)
		return -ENOMEM;
	pthread_mutex_lock(&group->lock);
	free_to_take = !group->bound && atomic_compare_exchange_strong(&group->holder, &nobody, gf);
	pthread_mutex_unlock(&group->lock);
	if (!free_to_take) {
		free(gf);
		return -EBUSY;
	}
	group_get(group);
	snprintf(gf->path, sizeof(gf->path), "/dev/vfio/%u", group->id);
	file_init(&gf->file, &group_ops, gf->path);
	gf->group = group;
	gf->options = options;
	*out = &gf->file;
	return 0;
}

struct group_file *group_of_file(struct file *file)
{
	return file->ops == &group_ops ? (struct group_file *)file : NULL;
}
