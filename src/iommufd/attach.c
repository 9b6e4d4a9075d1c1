/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attaching devices to page tables, and moving them from one to another.
 *
 * The devices of a group share one page table: the first that is attached points
 * the group at it, the others can only follow. Each brings the ranges that its
 * IOMMU reserves into the address space, as long as it is attached to it.
 *
 * Attached to an address space, a device gets an automatic page table of it: the
 * first that suits, or a new one. What a program has made itself is never taken.
 */
#include <errno.h>

#include "group/group.h"
#include "iommufd/ctx.h"

/*
 * Attach to, or exchange for, one page table: 0 with *old the one that was given
 * up, to be put (or NULL), -EINVAL where it does not suit the device; others.
 */
typedef int attach_fn(struct iommufd_device *idev, struct hwpt *hwpt, struct hwpt **old);

static int reserve_ranges(struct iommufd_device *idev, struct iommufd_ioas *ioas)
{
	const struct iommu_kind *kind = idev->kind;
	int ret = 0;

	for (unsigned i = 0; i < kind->nr_resv && !ret; i++)
		ret = ioas_reserve(ioas->space, kind->resv[i].range.first, kind->resv[i].range.last,
				   idev);
	if (ret)
		ioas_unreserve(ioas->space, idev);
	return ret;
}

static void group_unreserve(const struct igroup *igroup, struct iommufd_ioas *ioas)
{
	for (struct iommufd_device *d = igroup->devices; d; d = d->next)
		ioas_unreserve(ioas->space, d);
}

static int group_reserve(const struct igroup *igroup, struct iommufd_ioas *ioas)
{
	int ret = 0;

	for (struct iommufd_device *d = igroup->devices; d && !ret; d = d->next)
		ret = reserve_ranges(d, ioas);
	if (ret)
		group_unreserve(igroup, ioas);
	return ret;
}

/* Whether the device's IOMMU can walk the table. */
static bool hwpt_suits(const struct hwpt *hwpt, const struct iommufd_device *idev)
{
	const struct iommu_kind *kind = idev->kind;

	if (!kind->mock)
		return hwpt->kind == kind;
	if (!hwpt->kind->mock)
		return false;
	return kind->dirty_tracking || hwpt->obj.ops->type == OBJECT_HWPT_NESTED ||
	       !((const struct hwpt_paging *)hwpt)->dirty_tracking;
}

/* The group translates through @hwpt from now on, in one step; with its lock held. */
static int group_point(struct igroup *igroup, struct iommufd_device *idev, struct hwpt *hwpt)
{
	int ret = 0;

	if (!hwpt_suits(hwpt, idev))
		return -EINVAL;
	if (igroup->group)
		ret = group_set_domain(igroup->group, hwpt->domain);
	if (!ret) {
		igroup->hwpt = hwpt;
		igroup->handle++;
	}
	return ret;
}

static void group_add(struct igroup *igroup, struct iommufd_device *idev)
{
	struct iommufd_device **end = &igroup->devices;

	while (*end)
		end = &(*end)->next;
	idev->next = NULL;
	*end = idev;
	idev->attached = true;
}

static void group_del(struct igroup *igroup, struct iommufd_device *idev)
{
	struct iommufd_device **link = &igroup->devices;

	while (*link != idev)
		link = &(*link)->next;
	*link = idev->next;
	idev->attached = false;
}

static int attach_first(struct iommufd_device *idev, struct hwpt *hwpt, struct hwpt **old)
{
	struct iommufd_ioas *ioas = hwpt_find_paging(hwpt)->ioas;
	struct igroup *igroup = idev->igroup;
	int ret = -EINVAL;

	*old = NULL;
	pthread_mutex_lock(&igroup->lock);
	if (igroup->hwpt && igroup->hwpt != hwpt)
		goto unlock;
	ret = reserve_ranges(idev, ioas);
	if (ret)
		goto unlock;
	if (!igroup->devices)
		ret = group_point(igroup, idev, hwpt);
	if (ret) {
		ioas_unreserve(ioas->space, idev);
		goto unlock;
	}
	object_hold(&hwpt->obj);
	group_add(igroup, idev);
unlock:
	pthread_mutex_unlock(&igroup->lock);
	return ret;
}

/* With the group's lock held. */
static int group_replace(struct igroup *igroup, struct iommufd_device *idev, struct hwpt *hwpt)
{
	struct iommufd_ioas *ioas = hwpt_find_paging(hwpt)->ioas;
	struct hwpt *old = igroup->hwpt;
	struct iommufd_ioas *old_ioas = hwpt_find_paging(old)->ioas;
	uint64_t old_handle = igroup->handle;
	int ret;

	ret = ioas == old_ioas ? 0 : group_reserve(igroup, ioas);
	if (ret)
		return ret;
	ret = group_point(igroup, idev, hwpt);
	if (ret) {
		if (ioas != old_ioas)
			group_unreserve(igroup, ioas);
		return ret;
	}
	if (old->fault)
		fault_flush(old->fault, igroup, old_handle);
	if (ioas != old_ioas)
		group_unreserve(igroup, old_ioas);
	return 0;
}

static int attach_replace(struct iommufd_device *idev, struct hwpt *hwpt, struct hwpt **old)
{
	struct igroup *igroup = idev->igroup;
	struct hwpt *before;
	unsigned nr = 0;
	int ret = 0;

	*old = NULL;
	pthread_mutex_lock(&igroup->lock);
	before = igroup->hwpt;
	if (!before || !idev->attached)
		ret = -EINVAL;
	else if (hwpt != before)
		ret = group_replace(igroup, idev, hwpt);
	if (!ret && hwpt != before) {
		/* every device's use goes over; the caller puts the last */
		for (struct iommufd_device *d = igroup->devices; d; d = d->next) {
			object_hold(&hwpt->obj);
			if (nr++)
				object_release(&before->obj);
		}
		*old = before;
	}
	pthread_mutex_unlock(&igroup->lock);
	return ret;
}

/* One of the automatic tables that the space has: 0 with its id; -EINVAL: none suits. */
static int attach_auto_found(struct iommufd_device *idev, struct iommufd_ioas *ioas,
			     attach_fn *attach, uint32_t *pt_id, struct hwpt **old)
{
	int ret = -EINVAL;

	for (struct hwpt_paging *h = ioas->hwpts; h && ret == -EINVAL; h = h->next) {
		if (!h->auto_domain || !object_try_get(&h->common.obj))
			continue;
		ret = attach(idev, &h->common, old);
		if (!ret)
			*pt_id = h->common.obj.id;
		object_put(idev->ctx, &h->common.obj);
	}
	return ret;
}

/*
 * What keeps a device from a page table that is still to be made: it is told before what
 * keeps the table from being filled. 0: and it has its ranges already.
 */
static int attach_prepare(struct iommufd_device *idev, struct iommufd_ioas *ioas)
{
	int ret;

	pthread_mutex_lock(&idev->igroup->lock);
	ret = idev->igroup->hwpt ? -EINVAL : reserve_ranges(idev, ioas);
	pthread_mutex_unlock(&idev->igroup->lock);
	return ret;
}

static int attach_auto(struct iommufd_device *idev, struct iommufd_ioas *ioas, attach_fn *attach,
		       uint32_t *pt_id, struct hwpt **old)
{
	struct hwpt_paging *made;
	int ret;

	pthread_mutex_lock(&ioas->lock);
	ret = attach_auto_found(idev, ioas, attach, pt_id, old);
	if (ret != -EINVAL)
		goto unlock;
	ret = attach == attach_first ? attach_prepare(idev, ioas) : 0;
	if (ret)
		goto unlock;
	ret = hwpt_paging_new(idev->ctx, ioas, idev, 0, &made);
	if (ret) {
		if (attach == attach_first)
			ioas_unreserve(ioas->space, idev);
		goto unlock;
	}
	ret = attach(idev, &made->common, old);
	if (ret) {
		hwpt_paging_discard(idev->ctx, made);
		goto unlock;
	}
	made->auto_domain = true;
	*pt_id = made->common.obj.id;
	object_publish(idev->ctx, &made->common.obj);
unlock:
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

static int change_pt(struct iommufd_device *idev, uint32_t *pt_id, attach_fn *attach)
{
	struct iommufd_ctx *ctx = idev->ctx;
	struct hwpt *old = NULL;
	struct object *pt;
	int ret;

	pt = object_get(ctx, *pt_id, OBJECT_ANY);
	if (!pt)
		return -ENOENT;
	switch (pt->ops->type) {
	case OBJECT_HWPT_PAGING:
	case OBJECT_HWPT_NESTED:
		ret = attach(idev, (struct hwpt *)pt, &old);
		break;
	case OBJECT_IOAS:
		ret = attach_auto(idev, (struct iommufd_ioas *)pt, attach, pt_id, &old);
		break;
	default:
		ret = -EINVAL;
	}
	object_put(ctx, pt);
	if (old)
		hwpt_put(ctx, old);
	return ret;
}

int idev_attach_pt(struct iommufd_device *idev, uint32_t *pt_id)
{
	int ret = change_pt(idev, pt_id, attach_first);

	if (!ret)
		object_hold(&idev->obj);
	return ret;
}

int idev_replace_pt(struct iommufd_device *idev, uint32_t *pt_id)
{
	return change_pt(idev, pt_id, attach_replace);
}

void idev_detach_pt(struct iommufd_device *idev)
{
	struct igroup *igroup = idev->igroup;
	struct hwpt *hwpt;

	pthread_mutex_lock(&igroup->lock);
	hwpt = igroup->hwpt;
	group_del(igroup, idev);
	if (!igroup->devices) {
		if (igroup->group)
			group_set_domain(igroup->group, NULL);
		if (hwpt->fault)
			fault_flush(hwpt->fault, igroup, igroup->handle);
		igroup->hwpt = NULL;
	}
	ioas_unreserve(hwpt_find_paging(hwpt)->ioas->space, idev);
	pthread_mutex_unlock(&igroup->lock);
	hwpt_put(idev->ctx, hwpt);
	object_release(&idev->obj);
}
