/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The compatible container: a program that knows VFIO containers may be handed
 * an iommufd instead, and its container ioctls work on one address space of it.
 *
 * That space is made when a group is put into the file, or is chosen by the
 * program (VFIO_IOAS); without one, what needs it is ENODEV. Differences from a real
 * type1 container are Linux's own: no vaddr updates, no dirty log, unmapping
 * what is not there is no error but cutting a mapping is ENOENT with v2 (v1 may
 * cut, and for that gives up large pages), errnos of mapping are iommufd's, and
 * there is no limit on the number of mappings.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/vfio_abi.h"
#include "iommufd/ctx.h"
#include "memory/owner.h"

#define PAGE	  4096ull
#define NOT_BEGUN UINT64_MAX /* more than can be unmapped */

/* What stands for the container, held by the call; or NULL. */
static struct iommufd_ioas *compat_get(struct iommufd_ctx *ctx)
{
	struct iommufd_ioas *ioas;

	pthread_mutex_lock(&ctx->objects.lock);
	ioas = ctx->vfio_ioas;
	if (ioas && !object_try_get(&ioas->obj))
		ioas = NULL;
	pthread_mutex_unlock(&ctx->objects.lock);
	return ioas;
}

int compat_id(struct iommufd_ctx *ctx, uint32_t *id)
{
	struct iommufd_ioas *ioas = compat_get(ctx);

	if (!ioas)
		return -ENODEV;
	*id = ioas->obj.id;
	object_put(ctx, &ioas->obj);
	return 0;
}

int compat_create(struct iommufd_ctx *ctx)
{
	struct iommufd_ioas *ioas;
	bool wanted;

	ioas = ioas_object_new(ctx, 0);
	if (!ioas)
		return -ENOMEM;
	pthread_mutex_lock(&ctx->objects.lock);
	wanted = !ctx->vfio_ioas;
	if (wanted)
		ctx->vfio_ioas = ioas;
	pthread_mutex_unlock(&ctx->objects.lock);
	if (wanted)
		object_publish(ctx, &ioas->obj);
	else
		object_discard(ctx, &ioas->obj);
	return 0;
}

int vfio_ioas_cmd(struct ucmd *u)
{
	struct iommu_vfio_ioas *cmd = &u->cmd.vfio_ioas;
	struct iommufd_ioas *ioas = NULL;
	int ret;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		ret = compat_id(u->ctx, &cmd->ioas_id);
		return ret ? ret : ucmd_respond(u, sizeof(*cmd));
	case IOMMU_VFIO_IOAS_SET:
		ioas = ioas_object_get(u->ctx, cmd->ioas_id);
		if (!ioas)
			return -ENOENT;
		break;
	case IOMMU_VFIO_IOAS_CLEAR:
		break;
	default:
		return -EOPNOTSUPP;
	}
	pthread_mutex_lock(&u->ctx->objects.lock);
	u->ctx->vfio_ioas = ioas;
	pthread_mutex_unlock(&u->ctx->objects.lock);
	if (ioas)
		object_put(u->ctx, &ioas->obj);
	return 0;
}

/* All page tables of the space enforce coherency. */
static long compat_coherent(struct iommufd_ctx *ctx)
{
	struct iommufd_ioas *ioas = compat_get(ctx);
	const struct hwpt_paging *h;

	if (!ioas)
		return -ENODEV;
	pthread_mutex_lock(&ioas->lock);
	for (h = ioas->hwpts; h && h->coherent; h = h->next)
		;
	pthread_mutex_unlock(&ioas->lock);
	object_put(ctx, &ioas->obj);
	return !h;
}

static long compat_check_extension(struct iommufd_ctx *ctx, unsigned long extension)
{
	switch (extension) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
	case VFIO_NOIOMMU_IOMMU: /* of kernels that have it; SET_IOMMU refuses it all the same */
		return 1;
	case VFIO_DMA_CC_IOMMU:
		return compat_coherent(ctx);
	default:
		return 0;
	}
}

static long compat_set_iommu(struct iommufd_ctx *ctx, unsigned long type)
{
	struct iommufd_ioas *ioas;
	int ret = 0;

	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return -EINVAL;
	ioas = compat_get(ctx);
	if (!ioas)
		return -ENODEV;
	if (type == VFIO_TYPE1_IOMMU)
		ret = ioas_set_huge_pages(ioas->space, 0);
	object_put(ctx, &ioas->obj);
	return ret;
}

/* Only this way can memory be mapped without any right, and only mock page tables take it. */
static bool compat_takes_no_right(struct iommufd_ioas *ioas)
{
	const struct hwpt_paging *h;

	pthread_mutex_lock(&ioas->lock);
	for (h = ioas->hwpts; h && h->common.kind->mock; h = h->next)
		;
	pthread_mutex_unlock(&ioas->lock);
	return !h;
}

static long compat_map(struct iommufd_ctx *ctx, struct file_caller *caller, unsigned long arg)
{
	struct vfio_iommu_type1_dma_map cmd;
	struct user_map map = { .owner = caller->owner, .memfd = -1, .fixed = true };
	struct iommufd_ioas *ioas;
	uint64_t iova = 0;
	int ret;

	if (owner_read(caller->owner, &cmd, arg, sizeof(cmd)))
		return -EFAULT;
	if (cmd.argsz < sizeof(cmd) ||
	    (cmd.flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)))
		return -EINVAL;
	ioas = compat_get(ctx);
	if (!ioas)
		return -ENODEV;
	map.addr = cmd.vaddr;
	map.length = cmd.size;
	map.iova = cmd.iova;
	map.prot = (cmd.flags & VFIO_DMA_MAP_FLAG_READ ? RF_READ : 0) |
		   (cmd.flags & VFIO_DMA_MAP_FLAG_WRITE ? RF_WRITE : 0);
	ret = ioas_user_map(ioas->space, &map, &iova);
	if (!ret && !map.prot && !compat_takes_no_right(ioas)) {
		uint64_t unmapped;

		ioas_user_unmap(ioas->space, iova, cmd.size, &unmapped);
		ret = -EINVAL;
	}
	object_put(ctx, &ioas->obj);
	return ret;
}

static int compat_unmap_space(struct rf_ioas *space, const struct vfio_iommu_type1_dma_unmap *cmd,
			      uint64_t *unmapped)
{
	if (cmd->flags & VFIO_DMA_UNMAP_FLAG_ALL)
		return ioas_user_unmap(space, 0, UINT64_MAX, unmapped);
	return ioas_compat_unmap(space, cmd->iova, cmd->size, unmapped);
}

static long compat_unmap(struct iommufd_ctx *ctx, struct file_caller *caller, unsigned long arg)
{
	struct vfio_iommu_type1_dma_unmap cmd;
	size_t minsz = offsetof(struct vfio_iommu_type1_dma_unmap, data);
	struct iommufd_ioas *ioas;
	uint64_t unmapped = NOT_BEGUN;
	int ret;

	if (owner_read(caller->owner, &cmd, arg, minsz))
		return -EFAULT;
	if (cmd.argsz < minsz || (cmd.flags & ~VFIO_DMA_UNMAP_FLAG_ALL))
		return -EINVAL;
	ioas = compat_get(ctx);
	if (!ioas)
		return -ENODEV;
	if ((cmd.flags & VFIO_DMA_UNMAP_FLAG_ALL) && (cmd.iova || cmd.size)) {
		ret = -EINVAL;
	} else {
		ret = compat_unmap_space(ioas->space, &cmd, &unmapped);
		/* what went before it failed is told, too; not when cutting mappings did */
		if (unmapped != NOT_BEGUN) {
			cmd.size = unmapped;
			if (owner_write(caller->owner, arg, &cmd, minsz))
				ret = -EFAULT;
		}
	}
	object_put(ctx, &ioas->obj);
	return ret;
}

static uint64_t compat_page_sizes(struct iommufd_ioas *ioas)
{
	uint64_t alignment = ioas_alignment(ioas->space);
	uint64_t window_page = ioas_window_page(ioas->space);
	uint64_t sizes = UINT64_MAX;

	pthread_mutex_lock(&ioas->lock);
	for (const struct hwpt_paging *h = ioas->hwpts; h; h = h->next)
		sizes &= h->common.kind->page_sizes;
	pthread_mutex_unlock(&ioas->lock);
	/* sizes below a page stand for it, as what is mapped is cut into pages */
	if (sizes & (PAGE - 1))
		sizes = (sizes & ~(PAGE - 1)) | PAGE;
	/* a caller maps in the smallest, in whichever window */
	if (window_page)
		sizes = (sizes & ~(window_page - 1)) | window_page;
	return sizes > alignment ? sizes : alignment;
}

/**
 * struct info_reply - the answer to GET_INFO under way
 * @size: how much there is to tell
 * @room: how much the caller has room for
 * @last: offset of the capability written last, 0: none yet
 */
struct info_reply {
	struct file_caller *caller;
	uintptr_t base;
	uint32_t size;
	uint32_t room;
	uint32_t last;
};

/*
 * One capability of @len bytes (a multiple of 8 follows), as far as there is
 * room; the one before it is told where it is.
 */
static int info_add(struct info_reply *r, const void *cap, size_t len)
{
	uint32_t at = r->size;
	uint32_t next = offsetof(struct vfio_info_cap_header, next);

	if (r->room >= at + len && owner_write(r->caller->owner, r->base + at, cap, len))
		return -EFAULT;
	if (r->last && r->room >= at &&
	    owner_write(r->caller->owner, r->base + r->last + next, &at, sizeof(at)))
		return -EFAULT;
	r->last = at;
	r->size = at + (uint32_t)((len + 7) & ~7ul);
	return 0;
}

static int info_add_avail(struct info_reply *r)
{
	const struct vfio_iommu_type1_info_dma_avail cap = {
		.header = { .id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1 },
		.avail = UINT32_MAX,
	};

	return info_add(r, &cap, sizeof(cap));
}

/*
 * Linux writes each range that there is room for, also when there is none for all of them,
 * and before the head.
 */
static int info_write_ranges(const struct info_reply *r,
			     const struct vfio_iommu_type1_info_cap_iova_range *cap)
{
	uint32_t at = r->size + (uint32_t)sizeof(*cap);
	uint32_t nr = r->room > at ? (r->room - at) / (uint32_t)sizeof(cap->iova_ranges[0]) : 0;

	if (nr > cap->nr_iovas)
		nr = cap->nr_iovas;
	return owner_write(r->caller->owner, r->base + at, cap->iova_ranges,
			   nr * sizeof(cap->iova_ranges[0]));
}

static int info_add_ranges(struct info_reply *r, struct rf_ioas *space)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	unsigned nr = ioas_iova_ranges(space, NULL, 0);
	size_t max = nr, len;
	struct iommu_range *ranges;
	int ret = -ENOMEM;

	ranges = alloc_zeroed((max + 1) * sizeof(*ranges));
	cap = alloc_zeroed(sizeof(*cap) + max * sizeof(cap->iova_ranges[0]));
	if (!ranges || !cap)
		goto out;
	nr = ioas_iova_ranges(space, ranges, (unsigned)max);
	if (nr > max)
		nr = (unsigned)max;
	cap->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	cap->header.version = 1;
	cap->nr_iovas = nr;
	for (unsigned i = 0; i < nr; i++) {
		cap->iova_ranges[i].start = ranges[i].first;
		cap->iova_ranges[i].end = ranges[i].last;
	}
	len = sizeof(*cap) + nr * sizeof(cap->iova_ranges[0]);
	ret = info_write_ranges(r, cap);
	if (!ret)
		ret = info_add(r, cap, len);
out:
	alloc_free(cap);
	alloc_free(ranges);
	return ret;
}

static int compat_tell_info(struct iommufd_ioas *ioas, struct info_reply *r)
{
	struct vfio_iommu_type1_info info = {
		.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
		.iova_pgsizes = compat_page_sizes(ioas),
	};
	int ret;

	r->size = sizeof(info);
	ret = info_add_avail(r);
	if (!ret)
		ret = info_add_ranges(r, ioas->space);
	if (ret)
		return ret;
	if (r->room >= r->size)
		info.cap_offset = sizeof(info);
	info.argsz = r->size;
	return owner_write(r->caller->owner, r->base, &info,
			   r->room < sizeof(info) ? r->room : sizeof(info));
}

static long compat_get_info(struct iommufd_ctx *ctx, struct file_caller *caller, unsigned long arg)
{
	struct info_reply reply = { .caller = caller, .base = arg };
	struct vfio_iommu_type1_info info;
	size_t minsz = offsetof(struct vfio_iommu_type1_info, cap_offset);
	struct iommufd_ioas *ioas;
	int ret;

	if (owner_read(caller->owner, &info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	ioas = compat_get(ctx);
	if (!ioas)
		return -ENODEV;
	reply.room = info.argsz;
	ret = compat_tell_info(ioas, &reply);
	object_put(ctx, &ioas->obj);
	return ret;
}

long compat_ioctl(struct iommufd_ctx *ctx, struct file_caller *caller, unsigned int cmd,
		  unsigned long arg)
{
	switch (cmd) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_SET_IOMMU:
		return compat_set_iommu(ctx, arg);
	case VFIO_CHECK_EXTENSION:
		return compat_check_extension(ctx, arg);
	case VFIO_IOMMU_GET_INFO:
		return compat_get_info(ctx, caller, arg);
	case VFIO_IOMMU_MAP_DMA:
		return compat_map(ctx, caller, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return compat_unmap(ctx, caller, arg);
	default:
		return -ENOTTY;
	}
}
