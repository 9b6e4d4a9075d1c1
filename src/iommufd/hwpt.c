/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page tables ("HWPT"): what devices are attached to.
 *
 * A paging one is a domain of an address space, filled from it. It is made by
 * the program (HWPT_ALLOC), or because a device was attached to the space
 * itself: then it is automatic, shared by all devices that it suits, and goes
 * with the last of them.
 *
 * A nested one is a guest's own tables above a paging one that was made to be a
 * parent. Only the mock IOMMU can nest; its guest tables are four IOTLB entries.
 */
#include <errno.h>
#include <string.h>

#include "ioas/domains.h"
#include "iommufd/ctx.h"
#include "memory/owner.h"

#define PAGING_FLAGS   (IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING)

#define ENTRY_LEN_MAX  4096u
#define INVALIDATE_MAX (1u << 19) /* entries in one call */

/* With ioas->lock held. */
static void paging_unlink(struct hwpt_paging *hwpt)
{
	if (!hwpt->link)
		return;
	*hwpt->link = hwpt->next;
	if (hwpt->next)
		hwpt->next->link = hwpt->link;
	else
		hwpt->ioas->hwpts_end = hwpt->link;
	hwpt->link = NULL;
}

/* With ioas->lock held. */
static void paging_link(struct hwpt_paging *hwpt)
{
	hwpt->link = hwpt->ioas->hwpts_end;
	*hwpt->link = hwpt;
	hwpt->ioas->hwpts_end = &hwpt->next;
}

static void paging_finish(struct hwpt_paging *hwpt)
{
	ioas_del_domain(hwpt->ioas->space, hwpt->common.domain);
	object_release(&hwpt->ioas->obj);
}

static void paging_destroy(struct iommufd_ctx *ctx, struct object *obj)
{
	struct hwpt_paging *hwpt = (struct hwpt_paging *)obj;

	pthread_mutex_lock(&hwpt->ioas->lock);
	paging_unlink(hwpt);
	pthread_mutex_unlock(&hwpt->ioas->lock);
	paging_finish(hwpt);
}

static void nested_destroy(struct iommufd_ctx *ctx, struct object *obj)
{
	struct hwpt_nested *hwpt = (struct hwpt_nested *)obj;

	if (hwpt->common.fault)
		fault_release(hwpt->common.fault);
	pthread_mutex_destroy(&hwpt->lock);
	object_release(&hwpt->parent->common.obj);
}

static const struct object_ops paging_ops = {
	.type = OBJECT_HWPT_PAGING,
	.destroy = paging_destroy,
};

static const struct object_ops nested_ops = {
	.type = OBJECT_HWPT_NESTED,
	.destroy = nested_destroy,
};

void hwpt_paging_discard(struct iommufd_ctx *ctx, struct hwpt_paging *hwpt)
{
	paging_unlink(hwpt);
	paging_finish(hwpt);
	object_abandon(ctx, &hwpt->common.obj);
}

struct hwpt_paging *hwpt_find_paging(struct hwpt *hwpt)
{
	return hwpt->obj.ops == &nested_ops ? ((struct hwpt_nested *)hwpt)->parent :
					      (struct hwpt_paging *)hwpt;
}

void hwpt_put(struct iommufd_ctx *ctx, struct hwpt *hwpt)
{
	if (hwpt->obj.ops == &paging_ops && ((struct hwpt_paging *)hwpt)->auto_domain)
		object_release_last(ctx, &hwpt->obj);
	else
		object_release(&hwpt->obj);
}

static int paging_check_flags(const struct iommu_kind *kind, uint32_t flags)
{
	if (flags & ~(uint32_t)PAGING_FLAGS)
		return -EOPNOTSUPP;
	if ((flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) && !kind->dirty_tracking)
		return -EOPNOTSUPP;
	if ((flags & IOMMU_HWPT_ALLOC_NEST_PARENT) && !kind->nesting)
		return -EOPNOTSUPP;
	return 0;
}

int hwpt_paging_new(struct iommufd_ctx *ctx, struct iommufd_ioas *ioas, struct iommufd_device *idev,
		    uint32_t flags, struct hwpt_paging **out)
{
	struct hwpt_paging *hwpt;
	int ret;

	ret = paging_check_flags(idev->kind, flags);
	if (ret)
		return ret;
	hwpt = object_new(ctx, sizeof(*hwpt), &paging_ops);
	if (!hwpt)
		return -ENOMEM;
	hwpt->ioas = ioas;
	hwpt->common.kind = idev->kind;
	hwpt->nest_parent = flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	hwpt->dirty_tracking = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	hwpt->coherent = idev->kind->cache_coherency;
	ret = ioas_add_domain(ioas->space, idev->kind,
			      hwpt->dirty_tracking ? DOMAIN_DIRTY_TRACKING : 0,
			      &hwpt->common.domain);
	if (ret) {
		object_abandon(ctx, &hwpt->common.obj);
		return ret;
	}
	object_hold(&ioas->obj);
	paging_link(hwpt);
	*out = hwpt;
	return 0;
}

/* The entry of a mock IOMMU's guest tables that all of them begin with. */
static int nested_read_data(struct ucmd *u, uint32_t *iotlb)
{
	const struct iommu_hwpt_alloc *cmd = &u->cmd.hwpt_alloc;
	struct iommu_hwpt_selftest data;
	int ret;

	if (cmd->data_type != IOMMU_HWPT_DATA_SELFTEST)
		return -EOPNOTSUPP;
	if (cmd->data_len != sizeof(data))
		return -EINVAL;
	ret = copy_struct(u->caller, &data, sizeof(data), cmd->data_uptr, cmd->data_len);
	if (!ret)
		*iotlb = data.iotlb;
	return ret;
}

static int nested_new(struct ucmd *u, struct hwpt_paging *parent, struct iommufd_device *idev,
		      struct hwpt_nested **out)
{
	struct hwpt_nested *hwpt;
	uint32_t iotlb = 0;
	int ret;

	if ((u->cmd.hwpt_alloc.flags & ~(uint32_t)IOMMU_HWPT_FAULT_ID_VALID) ||
	    !u->cmd.hwpt_alloc.data_len)
		return -EOPNOTSUPP;
	if (parent->auto_domain || !parent->nest_parent ||
	    parent->common.kind->mock != idev->kind->mock)
		return -EINVAL;
	ret = nested_read_data(u, &iotlb);
	if (ret)
		return ret;
	hwpt = object_new(u->ctx, sizeof(*hwpt), &nested_ops);
	if (!hwpt)
		return -ENOMEM;
	object_hold(&parent->common.obj);
	hwpt->parent = parent;
	hwpt->common.domain = parent->common.domain;
	hwpt->common.kind = parent->common.kind;
	pthread_mutex_init(&hwpt->lock, NULL);
	for (unsigned i = 0; i < MOCK_NESTED_DOMAIN_IOTLB_NUM; i++)
		hwpt->iotlb[i] = iotlb;
	*out = hwpt;
	return 0;
}

/* Tell the caller its number; only then is it there. */
static int hwpt_answer(struct ucmd *u, struct hwpt *hwpt)
{
	int ret;

	u->cmd.hwpt_alloc.out_hwpt_id = hwpt->obj.id;
	ret = ucmd_respond(u, sizeof(u->cmd.hwpt_alloc));
	if (!ret)
		object_publish(u->ctx, &hwpt->obj);
	return ret;
}

static int hwpt_alloc_paging(struct ucmd *u, struct iommufd_ioas *ioas, struct iommufd_device *idev)
{
	struct hwpt_paging *hwpt;
	int ret;

	ret = paging_check_flags(idev->kind, u->cmd.hwpt_alloc.flags);
	if (!ret && u->cmd.hwpt_alloc.data_len)
		ret = -EOPNOTSUPP; /* it is the space that says what it translates */
	if (ret)
		return ret;
	pthread_mutex_lock(&ioas->lock);
	ret = hwpt_paging_new(u->ctx, ioas, idev, u->cmd.hwpt_alloc.flags, &hwpt);
	if (!ret) {
		ret = hwpt_answer(u, &hwpt->common);
		if (ret)
			hwpt_paging_discard(u->ctx, hwpt);
	}
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

static int hwpt_alloc_nested(struct ucmd *u, struct hwpt_paging *parent,
			     struct iommufd_device *idev)
{
	struct hwpt_nested *hwpt;
	int ret;

	ret = nested_new(u, parent, idev, &hwpt);
	if (ret)
		return ret;
	if (u->cmd.hwpt_alloc.flags & IOMMU_HWPT_FAULT_ID_VALID) {
		hwpt->common.fault = fault_hold(u->ctx, u->cmd.hwpt_alloc.fault_id);
		if (!hwpt->common.fault)
			ret = -ENOENT;
	}
	if (!ret)
		ret = hwpt_answer(u, &hwpt->common);
	if (ret)
		object_discard(u->ctx, &hwpt->common.obj);
	return ret;
}

int hwpt_alloc_cmd(struct ucmd *u)
{
	const struct iommu_hwpt_alloc *cmd = &u->cmd.hwpt_alloc;
	struct iommufd_device *idev;
	struct object *pt;
	int ret = -EINVAL;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if ((cmd->data_type == IOMMU_HWPT_DATA_NONE) != !cmd->data_len)
		return -EINVAL;
	idev = idev_get(u->ctx, cmd->dev_id);
	if (!idev)
		return -ENOENT;
	pt = object_get(u->ctx, cmd->pt_id, OBJECT_ANY);
	if (pt) {
		if (pt->ops->type == OBJECT_IOAS)
			ret = hwpt_alloc_paging(u, (struct iommufd_ioas *)pt, idev);
		else if (pt->ops->type == OBJECT_HWPT_PAGING)
			ret = hwpt_alloc_nested(u, (struct hwpt_paging *)pt, idev);
		object_put(u->ctx, pt);
	}
	object_put(u->ctx, &idev->obj);
	return ret;
}

/* One entry of the caller's array: 0 or why it is not to be done. */
static int nested_invalidate(struct hwpt_nested *hwpt, struct ucmd *u, uint32_t index)
{
	const struct iommu_hwpt_invalidate *cmd = &u->cmd.invalidate;
	struct iommu_hwpt_invalidate_selftest inv;
	int ret;

	if (cmd->entry_len != sizeof(inv))
		return -EINVAL;
	ret = copy_struct(u->caller, &inv, sizeof(inv),
			  cmd->data_uptr + (uint64_t)index * cmd->entry_len, cmd->entry_len);
	if (ret)
		return ret;
	if (inv.flags & ~IOMMU_TEST_INVALIDATE_FLAG_ALL)
		return -EOPNOTSUPP;
	if (inv.iotlb_id > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX)
		return -EINVAL;
	pthread_mutex_lock(&hwpt->lock);
	if (inv.flags & IOMMU_TEST_INVALIDATE_FLAG_ALL)
		memset(hwpt->iotlb, 0, sizeof(hwpt->iotlb));
	else
		hwpt->iotlb[inv.iotlb_id] = 0;
	pthread_mutex_unlock(&hwpt->lock);
	return 0;
}

/* Entries in order, up to the first that fails; *done is how many were before it. */
static int hwpt_invalidate(struct ucmd *u, uint32_t *done)
{
	const struct iommu_hwpt_invalidate *cmd = &u->cmd.invalidate;
	struct hwpt_nested *hwpt;
	int ret = 0;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if (cmd->entry_num && (!cmd->data_uptr || !cmd->entry_len ||
			       cmd->entry_len > ENTRY_LEN_MAX || cmd->entry_num > INVALIDATE_MAX))
		return -EINVAL;
	hwpt = object_get(u->ctx, cmd->hwpt_id, OBJECT_HWPT_NESTED);
	if (!hwpt)
		return -ENOENT;
	if (cmd->data_type != IOMMU_HWPT_INVALIDATE_DATA_SELFTEST)
		ret = -EINVAL;
	while (!ret && *done < cmd->entry_num) {
		ret = nested_invalidate(hwpt, u, *done);
		if (!ret)
			++*done;
	}
	object_put(u->ctx, &hwpt->common.obj);
	return ret;
}

int hwpt_invalidate_cmd(struct ucmd *u)
{
	uint32_t done = 0;
	int ret = hwpt_invalidate(u, &done);

	u->cmd.invalidate.entry_num = done;
	return ucmd_respond(u, sizeof(u->cmd.invalidate)) ? -EFAULT : ret;
}
