/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What vfio sees of an iommufd: see base/iommufd_link.h.
 */
#include "iommufd/ctx.h"

static struct iommufd_ctx *ctx_of(struct file *file)
{
	return (struct iommufd_ctx *)file;
}

static int link_bind(struct file *file, struct rf_device *dev, struct iommufd_device **out,
		     uint32_t *id)
{
	int ret = idev_bind(ctx_of(file), dev, NULL, out);

	if (!ret)
		*id = (*out)->obj.id;
	return ret;
}

static int link_attach(struct iommufd_device *idev, uint32_t *pt_id)
{
	return idev->attached ? idev_replace_pt(idev, pt_id) : idev_attach_pt(idev, pt_id);
}

static void link_detach(struct iommufd_device *idev)
{
	if (idev->attached)
		idev_detach_pt(idev);
}

static void link_unbind(struct iommufd_device *idev)
{
	link_detach(idev);
	idev_unbind(idev);
}

static bool link_attached(const struct iommufd_device *idev)
{
	return idev->attached;
}

static struct file *link_file(const struct iommufd_device *idev)
{
	return &idev->ctx->file;
}

static uint32_t link_id(const struct iommufd_device *idev)
{
	return idev->obj.id;
}

static bool link_has_group(struct file *file, const struct rf_group *group)
{
	struct iommufd_ctx *ctx = ctx_of(file);
	const struct igroup *g;

	pthread_mutex_lock(&ctx->objects.lock);
	for (g = ctx->groups; g && g->group != group; g = g->next)
		;
	pthread_mutex_unlock(&ctx->objects.lock);
	return group && g;
}

static int link_compat_create(struct file *file)
{
	return compat_create(ctx_of(file));
}

static int link_compat_id(struct file *file, uint32_t *id)
{
	return compat_id(ctx_of(file), id);
}

const struct iommufd_link_ops link_ops = {
	.bind = link_bind,
	.unbind = link_unbind,
	.attach = link_attach,
	.detach = link_detach,
	.attached = link_attached,
	.file = link_file,
	.id = link_id,
	.has_group = link_has_group,
	.compat_create = link_compat_create,
	.compat_id = link_compat_id,
};
