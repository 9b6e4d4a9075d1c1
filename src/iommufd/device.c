/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices bound to an iommufd, and the groups they are in.
 *
 * Binding makes the iommufd the owner of the whole group's DMA: no other may bind
 * another device of it, and no host driver may have one. Devices of a group are
 * attached together (attach.c), so a group has an entry here while one of its
 * devices is bound.
 *
 * A modelled device keeps the file open; a mock one is a part of it. Whoever binds
 * one keeps its group, as a device may be removed from it while bound.
 */
#include <errno.h>

#include "base/alloc.h"
#include "bus/device.h"
#include "group/group.h"
#include "iommufd/ctx.h"

static struct igroup *igroup_find(struct iommufd_ctx *ctx, const void *key)
{
	struct igroup *g = ctx->groups;

	while (g && g->key != key)
		g = g->next;
	return g;
}

/* The entry of a group, one more of its devices counted; NULL for want of memory. */
static struct igroup *igroup_get(struct iommufd_ctx *ctx, const void *key, struct rf_group *group)
{
	struct igroup *made = alloc_zeroed(sizeof(*made));
	struct igroup *g;

	if (!made)
		return NULL;
	pthread_mutex_lock(&ctx->objects.lock);
	g = igroup_find(ctx, key);
	if (!g) {
		g = made;
		made = NULL;
		g->key = key;
		g->group = group;
		pthread_mutex_init(&g->lock, NULL);
		g->next = ctx->groups;
		ctx->groups = g;
	}
	g->refs++;
	pthread_mutex_unlock(&ctx->objects.lock);
	alloc_free(made);
	return g;
}

static void igroup_put(struct iommufd_ctx *ctx, struct igroup *g)
{
	struct igroup **link = &ctx->groups;
	bool last;

	pthread_mutex_lock(&ctx->objects.lock);
	last = !--g->refs;
	if (last) {
		while (*link != g)
			link = &(*link)->next;
		*link = g->next;
	}
	pthread_mutex_unlock(&ctx->objects.lock);
	if (!last)
		return;
	pthread_mutex_destroy(&g->lock);
	alloc_free(g);
}

static void device_destroy(struct iommufd_ctx *ctx, struct object *obj)
{
	struct iommufd_device *idev = (struct iommufd_device *)obj;

	if (idev->dev)
		group_release_dma(idev->igroup->group);
	igroup_put(ctx, idev->igroup);
	if (idev->dev)
		file_put(&ctx->file); /* the last, perhaps */
}

static const struct object_ops device_object_ops = {
	.type = OBJECT_DEVICE,
	.destroy = device_destroy,
};

static int device_claim(struct iommufd_ctx *ctx, struct rf_device *dev)
{
	if (!dev->iommu->irq_remapping && !ctx->options->unsafe_interrupts)
		return -EPERM;
	return group_claim_dma(dev->group, ctx);
}

int idev_bind(struct iommufd_ctx *ctx, struct rf_device *dev, struct mock_device *mock,
	      struct iommufd_device **out)
{
	struct iommufd_device *idev;
	struct igroup *igroup;
	int ret;

	if (dev && !dev->group)
		return -ENODEV;
	igroup = igroup_get(ctx, dev ? (void *)dev->group : mock, dev ? dev->group : NULL);
	if (!igroup)
		return -ENOMEM;
	ret = dev ? device_claim(ctx, dev) : 0;
	if (ret)
		goto put_group;
	ret = -ENOMEM;
	idev = object_new(ctx, sizeof(*idev), &device_object_ops);
	if (!idev)
		goto release;
	idev->ctx = ctx;
	idev->igroup = igroup;
	idev->dev = dev;
	idev->mock = mock;
	idev->kind = dev ? dev->iommu : mock_device_kind(mock);
	idev->pasid_bits = mock ? mock_device_pasid_bits(mock) : 0;
	object_hold(&idev->obj); /* whoever binds it is a user until it is unbound */
	if (dev)
		file_get(&ctx->file);
	object_publish(ctx, &idev->obj);
	*out = idev;
	return 0;
release:
	if (dev)
		group_release_dma(igroup->group);
put_group:
	igroup_put(ctx, igroup);
	return ret;
}

void idev_unbind(struct iommufd_device *idev)
{
	object_end(idev->ctx, &idev->obj);
}
