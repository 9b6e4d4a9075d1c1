/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address spaces as a program makes and fills them.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "iommufd/ctx.h"
#include "memory/limit.h"
#include "memory/owner.h"

#define MAP_FLAGS (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)

static void ioas_object_destroy(struct iommufd_ctx *ctx, struct object *obj)
{
	struct iommufd_ioas *ioas = (struct iommufd_ioas *)obj;
	uint64_t unmapped;

	/* pages are charged to an account only until then */
	ioas_user_unmap(ioas->space, 0, UINT64_MAX, &unmapped);
	ioas_put(ioas->space);
	pthread_mutex_destroy(&ioas->lock);
}

static const struct object_ops ioas_object_ops = {
	.type = OBJECT_IOAS,
	.destroy = ioas_object_destroy,
};

struct iommufd_ioas *ioas_object_new(struct iommufd_ctx *ctx, uint32_t flags)
{
	struct iommufd_ioas *ioas = object_new(ctx, sizeof(*ioas), &ioas_object_ops);

	if (!ioas)
		return NULL;
	if (rf_ioas_new(NULL, flags, &ioas->space)) {
		object_abandon(ctx, &ioas->obj);
		return NULL;
	}
	pthread_mutex_init(&ioas->lock, NULL);
	ioas->hwpts_end = &ioas->hwpts;
	ioas_set_account(ioas->space, ctx->options->account, ctx->mode);
	return ioas;
}

int ioas_alloc_cmd(struct ucmd *u)
{
	struct iommu_ioas_alloc *cmd = &u->cmd.ioas_alloc;
	struct iommufd_ioas *ioas;
	int ret;

	if (cmd->flags & ~RF_IOAS_WINDOWED)
		return -EOPNOTSUPP;
	ioas = ioas_object_new(u->ctx, cmd->flags);
	if (!ioas)
		return -ENOMEM;
	cmd->out_ioas_id = ioas->obj.id;
	ret = ucmd_respond(u, sizeof(*cmd));
	if (ret)
		object_discard(u->ctx, &ioas->obj);
	else
		object_publish(u->ctx, &ioas->obj);
	return ret;
}

/* All the ranges of a space, to be freed; their number in *nr. NULL for want of memory. */
static struct iommu_range *ioas_all_ranges(struct rf_ioas *space, unsigned *nr)
{
	struct iommu_range *ranges = NULL;
	unsigned max = ioas_iova_ranges(space, NULL, 0);

	for (;;) {
		ranges = alloc_zeroed((max ? max : 1) * sizeof(*ranges));
		if (!ranges)
			return NULL;
		*nr = ioas_iova_ranges(space, ranges, max);
		if (*nr <= max)
			return ranges;
		alloc_free(ranges); /* another thread has made more of them */
		max = *nr;
	}
}

static int ioas_tell_ranges(struct ucmd *u, struct rf_ioas *space)
{
	struct iommu_ioas_iova_ranges *cmd = &u->cmd.iova_ranges;
	uint32_t max = cmd->num_iovas;
	struct iommu_range *ranges;
	unsigned nr;
	int ret = 0;

	ranges = ioas_all_ranges(space, &nr);
	if (!ranges)
		return -ENOMEM;
	for (unsigned i = 0; i < nr && i < max && !ret; i++) {
		struct iommu_iova_range range = { ranges[i].first, ranges[i].last };

		ret = owner_write(u->caller->owner, cmd->allowed_iovas + i * sizeof(range), &range,
				  sizeof(range));
	}
	alloc_free(ranges);
	if (ret)
		return ret;
	cmd->num_iovas = nr;
	cmd->out_iova_alignment = ioas_alignment(space);
	ret = ucmd_respond(u, sizeof(*cmd));
	return !ret && nr > max ? -EMSGSIZE : ret;
}

int ioas_iova_ranges_cmd(struct ucmd *u)
{
	struct iommufd_ioas *ioas;
	int ret;

	if (u->cmd.iova_ranges.__reserved)
		return -EOPNOTSUPP;
	ioas = ioas_object_get(u->ctx, u->cmd.iova_ranges.ioas_id);
	if (!ioas)
		return -ENOENT;
	ret = ioas_tell_ranges(u, ioas->space);
	object_put(u->ctx, &ioas->obj);
	return ret;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct iommu_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Sorts. */
static bool ranges_overlap(struct iommu_range *ranges, uint32_t nr)
{
	if (nr)
		qsort(ranges, nr, sizeof(*ranges), compare_ranges);
	for (uint32_t i = 1; i < nr; i++)
		if (ranges[i].first <= ranges[i - 1].last)
			return true;
	return false;
}

/* Room for @nr ranges and more; NULL for want of memory, the old ones stay. */
static struct iommu_range *ranges_grow(struct iommu_range *ranges, uint32_t nr)
{
	struct iommu_range *grown;

	if (alloc_should_fail())
		return NULL;
	grown = realloc(ranges, (nr ? 2ul * nr : 16) * sizeof(*ranges));
	return grown;
}

/*
 * The caller's list. It is taken range by range, and grows as it is read: its
 * length is not to be trusted. What is wrong first is what is said.
 */
static int ranges_read(struct ucmd *u, struct iommu_range **out)
{
	const struct iommu_ioas_allow_iovas *cmd = &u->cmd.allow_iovas;
	struct iommu_range *ranges = NULL;
	uint32_t nr;
	int ret = 0;

	for (nr = 0; nr < cmd->num_iovas; nr++) {
		uintptr_t at = cmd->allowed_iovas + nr * sizeof(struct iommu_iova_range);
		struct iommu_iova_range range;

		ret = owner_read(u->caller->owner, &range, at, sizeof(range));
		if (!ret && range.start >= range.last)
			ret = -EINVAL;
		if (!ret && (nr < 16 ? !nr : !(nr & (nr - 1)))) {
			struct iommu_range *grown = ranges_grow(ranges, nr);

			if (grown)
				ranges = grown;
			else
				ret = -ENOMEM;
		}
		if (ret)
			break;
		ranges[nr] = (struct iommu_range){ range.start, range.last };
	}
	*out = ranges;
	return nr && ranges_overlap(ranges, nr) ? -EINVAL : ret;
}

int ioas_allow_iovas_cmd(struct ucmd *u)
{
	struct iommu_range *ranges;
	struct iommufd_ioas *ioas;
	int ret;

	if (u->cmd.allow_iovas.__reserved)
		return -EOPNOTSUPP;
	ioas = ioas_object_get(u->ctx, u->cmd.allow_iovas.ioas_id);
	if (!ioas)
		return -ENOENT;
	ret = ranges_read(u, &ranges);
	if (!ret)
		ret = ioas_set_allowed(ioas->space, ranges, u->cmd.allow_iovas.num_iovas);
	free(ranges);
	object_put(u->ctx, &ioas->obj);
	return ret;
}

static uint32_t prot_of(uint32_t flags)
{
	return (flags & IOMMU_IOAS_MAP_READABLE ? RF_READ : 0) |
	       (flags & IOMMU_IOAS_MAP_WRITEABLE ? RF_WRITE : 0);
}

/* What all three ways to map say of flags and sizes. */
static int map_check(uint32_t flags, uint64_t length, uint64_t iova, uint64_t other_iova)
{
	if (flags & ~(uint32_t)MAP_FLAGS)
		return -EOPNOTSUPP;
	if (iova == UINT64_MAX || length == UINT64_MAX || other_iova == UINT64_MAX)
		return -EOVERFLOW;
	return prot_of(flags) ? 0 : -EINVAL;
}

int ioas_map_cmd(struct ucmd *u)
{
	struct iommu_ioas_map *cmd = &u->cmd.map;
	struct user_map map = {
		.owner = u->caller->owner,
		.addr = cmd->user_va,
		.memfd = -1,
		.length = cmd->length,
		.prot = prot_of(cmd->flags),
		.fixed = cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA,
		.iova = cmd->iova,
	};
	struct iommufd_ioas *ioas;
	uint64_t iova = cmd->iova;
	int ret;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	ret = map_check(cmd->flags, cmd->length, cmd->iova, 0);
	if (ret)
		return ret;
	ioas = ioas_object_get(u->ctx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	ret = ioas_user_map(ioas->space, &map, &iova);
	if (!ret) {
		cmd->iova = iova;
		ret = ucmd_respond(u, sizeof(*cmd));
	}
	object_put(u->ctx, &ioas->obj);
	return ret;
}

int ioas_map_file_cmd(struct ucmd *u)
{
	struct iommu_ioas_map_file *cmd = &u->cmd.map_file;
	struct user_map map = {
		.owner = u->caller->owner,
		.addr = cmd->start,
		.memfd = caller_fd(u->caller, cmd->fd),
		.length = cmd->length,
		.prot = prot_of(cmd->flags),
		.fixed = cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA,
		.iova = cmd->iova,
	};
	struct iommufd_ioas *ioas;
	struct file *file;
	uint64_t iova = cmd->iova;
	int ret, err = -EBADF;

	ret = map_check(cmd->flags, cmd->length, cmd->iova, 0);
	if (ret)
		return ret;
	ioas = ioas_object_get(u->ctx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	file = u->caller->ops->lookup(u->caller, cmd->fd, &err);
	if (file) {
		file_put(file);
		ret = -EINVAL; /* one of ours is no memory */
	} else if (err != -EBADFD) {
		ret = err;
	} else {
		ret = ioas_user_map(ioas->space, &map, &iova);
	}
	if (!ret) {
		cmd->iova = iova;
		ret = ucmd_respond(u, sizeof(*cmd));
	}
	object_put(u->ctx, &ioas->obj);
	return ret;
}

/* A fuzzer's IOVA: see selftest_nth_area(). */
static void copy_decode(struct ucmd *u)
{
	struct iommu_ioas_copy *cmd = &u->cmd.copy;
	struct iommufd_ioas *src;

	if (!u->ctx->options->selftest || !(cmd->flags & MOCK_FLAGS_ACCESS_SYZ))
		return;
	cmd->flags &= ~MOCK_FLAGS_ACCESS_SYZ;
	src = ioas_object_get(u->ctx, cmd->src_ioas_id);
	if (!src)
		return;
	cmd->src_iova = selftest_nth_area(src->space, cmd->src_iova);
	object_put(u->ctx, &src->obj);
}

/* What is said of the source comes before a destination that is not there. */
static int copy_check_source(const struct iommu_ioas_copy *cmd)
{
	if (!cmd->length)
		return -EINVAL;
	return cmd->length - 1 > UINT64_MAX - cmd->src_iova ? -EOVERFLOW : 0;
}

int ioas_copy_cmd(struct ucmd *u)
{
	struct iommu_ioas_copy *cmd = &u->cmd.copy;
	struct iommufd_ioas *src, *dst;
	uint64_t iova = cmd->dst_iova;
	int ret;

	copy_decode(u);
	ret = map_check(cmd->flags, cmd->length, cmd->src_iova, cmd->dst_iova);
	if (ret)
		return ret;
	src = ioas_object_get(u->ctx, cmd->src_ioas_id);
	if (!src)
		return -ENOENT;
	ret = copy_check_source(cmd);
	dst = ret ? NULL : ioas_object_get(u->ctx, cmd->dst_ioas_id);
	if (!ret && !dst)
		ret = -ENOENT;
	if (dst) {
		ret = ioas_user_copy(dst->space, src->space, cmd->src_iova, cmd->length,
				     prot_of(cmd->flags), cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA,
				     &iova);
		if (!ret) {
			cmd->dst_iova = iova;
			ret = ucmd_respond(u, sizeof(*cmd));
		}
		object_put(u->ctx, &dst->obj);
	}
	object_put(u->ctx, &src->obj);
	return ret;
}

int ioas_unmap_cmd(struct ucmd *u)
{
	struct iommu_ioas_unmap *cmd = &u->cmd.unmap;
	struct iommufd_ioas *ioas;
	uint64_t unmapped = 0;
	int ret;

	ioas = ioas_object_get(u->ctx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	if ((cmd->iova || cmd->length != UINT64_MAX) &&
	    (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX))
		ret = -EOVERFLOW;
	else
		ret = ioas_user_unmap(ioas->space, cmd->iova, cmd->length, &unmapped);
	if (!ret) {
		cmd->length = unmapped;
		ret = ucmd_respond(u, sizeof(*cmd));
	}
	object_put(u->ctx, &ioas->obj);
	return ret;
}

/* How pages are charged; for the whole file, as long as there is nothing in it. */
static int option_rlimit_mode(struct ucmd *u)
{
	struct iommu_option *cmd = &u->cmd.option;
	struct iommufd_ctx *ctx = u->ctx;
	int ret = 0;

	if (cmd->object_id)
		return -EOPNOTSUPP;
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = ctx->mode == ACCOUNT_PROCESS;
		return 0;
	}
	if (cmd->op != IOMMU_OPTION_OP_SET)
		return -EOPNOTSUPP;
	if (ctx->options->host_rights && !thread_may(CAP_SYS_RESOURCE))
		return -EPERM;
	pthread_mutex_lock(&ctx->objects.lock);
	if (ctx->objects.ids.used)
		ret = -EBUSY;
	else if (cmd->val64 > 1)
		ret = -EINVAL;
	else
		ctx->mode = cmd->val64 ? ACCOUNT_PROCESS : ACCOUNT_USER;
	pthread_mutex_unlock(&ctx->objects.lock);
	return ret;
}

static int option_huge_pages(struct ucmd *u)
{
	struct iommu_option *cmd = &u->cmd.option;
	struct iommufd_ioas *ioas;
	int ret = 0;

	ioas = ioas_object_get(u->ctx, cmd->object_id);
	if (!ioas)
		return -ENOENT;
	if (cmd->op == IOMMU_OPTION_OP_GET)
		cmd->val64 = ioas_huge_pages(ioas->space);
	else if (cmd->op == IOMMU_OPTION_OP_SET)
		ret = ioas_set_huge_pages(ioas->space, cmd->val64);
	else
		ret = -EOPNOTSUPP;
	object_put(u->ctx, &ioas->obj);
	return ret;
}

int option_cmd(struct ucmd *u)
{
	struct iommu_option *cmd = &u->cmd.option;
	int ret;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	switch (cmd->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		ret = option_rlimit_mode(u);
		break;
	case IOMMU_OPTION_HUGE_PAGES:
		ret = option_huge_pages(u);
		break;
	default:
		ret = -EOPNOTSUPP;
	}
	if (ret)
		return ret;
	return owner_write(u->caller->owner, u->uptr + offsetof(struct iommu_option, val64),
			   &cmd->val64, sizeof(cmd->val64));
}
