/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Containers: open files of /dev/vfio/vfio.
 *
 * A container is nothing until a group is put in it: a group is what gives the
 * right to program an IOMMU. SET_IOMMU then gives it a type1 backend, with
 * every group attached; groups that come later are attached at once. When the
 * last group leaves, the backend goes and the container is as it was at open.
 *
 * A group keeps a reference to its container, so closing the container's
 * descriptor changes nothing for devices in use.
 *
 * One lock covers the list of groups and the backend, mapping included. Order:
 * a group's lock, then this one, then whatever is below (ioas.h).
 */
#include "vfio/container.h"

#include <errno.h>
#include <stdlib.h>

#include "group/group.h"
#include "ioas/ioas.h"
#include "vfio/abi.h"
#include "vfio/group.h"

static int container_attach_all(struct container *c)
{
	struct group_file *gf, *undo;
	int ret;

	for (gf = c->groups; gf; gf = gf->next) {
		ret = type1_attach(&c->type1, gf->group);
		if (ret)
			goto unwind;
	}
	return 0;

unwind:
	for (undo = c->groups; undo != gf; undo = undo->next)
		type1_detach(&c->type1, undo->group);
	return ret;
}

static bool container_supports(const struct container *c, unsigned long type)
{
	return !c->options->no_type1 && type1_supports(type);
}

static int container_set_iommu(struct container *c, unsigned long type)
{
	int ret;

	if (!c->groups || c->type1.ioas)
		return -EINVAL;
	if (!container_supports(c, type))
		return -ENODEV;
	ret = type1_open(&c->type1, type, c->options);
	if (ret)
		return ret;
	ret = container_attach_all(c);
	if (ret)
		type1_close(&c->type1);
	return ret;
}

static long container_check_extension(struct container *c, unsigned long extension)
{
	/* without a mapping to update, there is nothing to claim about vaddr */
	if (extension == VFIO_UPDATE_VADDR)
		return c->type1.ioas != NULL;
	if (extension == VFIO_DMA_CC_IOMMU)
		return c->type1.ioas && ioas_coherent(c->type1.ioas);
	return container_supports(c, extension);
}

static long container_ioctl(struct file *file, struct file_caller *caller, unsigned long cmd,
			    unsigned long arg)
{
	struct container *c = (struct container *)file;
	long ret;

	if ((unsigned int)cmd == VFIO_GET_API_VERSION)
		return VFIO_API_VERSION;

	pthread_mutex_lock(&c->lock);
	switch ((unsigned int)cmd) {
	case VFIO_CHECK_EXTENSION:
		ret = container_check_extension(c, arg);
		break;
	case VFIO_SET_IOMMU:
		ret = container_set_iommu(c, arg);
		break;
	default:
		ret = c->type1.ioas ? type1_ioctl(&c->type1, caller, (unsigned int)cmd, arg) :
				      -EINVAL;
	}
	pthread_mutex_unlock(&c->lock);
	return ret;
}

static void container_release(struct file *file)
{
	struct container *c = (struct container *)file;

	pthread_mutex_destroy(&c->lock);
	free(c);
}

static const struct file_ops container_ops = {
	.ioctl = container_ioctl,
	.release = container_release,
};

int vfio_open_container(const struct vfio_options *options, struct file **out)
{
	struct container *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	file_init(&c->file, &container_ops, "/dev/vfio/vfio");
	c->options = options;
	pthread_mutex_init(&c->lock, NULL);
	*out = &c->file;
	return 0;
}

struct container *container_of_file(struct file *file)
{
	return file->ops == &container_ops ? (struct container *)file : NULL;
}

/* While a group is in a container, no host driver can take its devices. */
static const struct rf_manager_ops container_manager = { .name = "vfio" };

int container_attach(struct container *c, struct group_file *gf)
{
	int ret = 0;

	pthread_mutex_lock(&c->lock);
	ret = group_claim(gf->group, &container_manager, gf);
	if (ret)
		ret = -EPERM;
	else if (c->type1.ioas)
		ret = type1_attach(&c->type1, gf->group);
	if (ret)
		group_unclaim(gf->group, gf);
	if (!ret) {
		file_get(&c->file);
		gf->next = c->groups;
		c->groups = gf;
		gf->container = c;
	}
	pthread_mutex_unlock(&c->lock);
	return ret;
}

void container_detach(struct container *c, struct group_file *gf)
{
	struct group_file **link;

	pthread_mutex_lock(&c->lock);
	for (link = &c->groups; *link != gf; link = &(*link)->next)
		;
	*link = gf->next;
	gf->container = NULL;
	if (c->type1.ioas) {
		type1_detach(&c->type1, gf->group);
		if (!c->groups)
			type1_close(&c->type1);
	}
	group_unclaim(gf->group, gf);
	pthread_mutex_unlock(&c->lock);
	file_put(&c->file);
}

bool container_has_iommu(struct container *c)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->type1.ioas != NULL;
	pthread_mutex_unlock(&c->lock);
	return has;
}
