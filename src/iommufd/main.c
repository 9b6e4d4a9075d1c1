/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open files of /dev/iommu: the way of an ioctl.
 *
 * The caller's structure says first how long it is. Shorter than an ioctl's first
 * version is EINVAL; shorter than ours, the rest is zero; longer, the rest must
 * be zero or it is E2BIG, as the caller wants something that we do not know.
 * What is given back is cut to what the caller has room for.
 *
 * Numbers from EXTENSION_BASE on are ours alone (ringfence/uapi.h). What is none of all
 * these is a container's (compat.c).
 *
 * The file lives as long as its descriptor, its fault queues', its accesses' and
 * its bound devices'. Closing it destroys what is left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "iommufd/ctx.h"
#include "memory/owner.h"

#define ZERO_CHUNK     512u /* divides a page */
#define EXTENSION_BASE 0xE0u

/**
 * struct ioctl_op - what an ioctl takes
 * @cmd: its number
 * @size: its structure
 * @min_size: of its first version
 */
struct ioctl_op {
	uint32_t cmd;
	uint32_t size;
	uint32_t min_size;
	int (*run)(struct ucmd *u);
};

static int destroy_cmd(struct ucmd *u)
{
	return object_destroy(u->ctx, u->cmd.destroy.id);
}

#define MEMBER_END(type, member) \
	(offsetof(struct type, member) + sizeof(((struct type *)0)->member))
#define OP(nr, fn, type, last)                                          \
	[(nr)-IOMMUFD_CMD_BASE] = { .cmd = IOMMUFD_NR(nr),              \
				    .size = sizeof(struct type),        \
				    .min_size = MEMBER_END(type, last), \
				    .run = fn }

static const struct ioctl_op ops[] = {
	OP(IOMMUFD_CMD_DESTROY, destroy_cmd, iommu_destroy, id),
	OP(IOMMUFD_CMD_FAULT_QUEUE_ALLOC, fault_alloc_cmd, iommu_fault_alloc, out_fault_fd),
	OP(IOMMUFD_CMD_GET_HW_INFO, get_hw_info_cmd, iommu_hw_info, __reserved),
	OP(IOMMUFD_CMD_HWPT_ALLOC, hwpt_alloc_cmd, iommu_hwpt_alloc, __reserved),
	OP(IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP, hwpt_get_dirty_cmd, iommu_hwpt_get_dirty_bitmap,
	   data),
	OP(IOMMUFD_CMD_HWPT_INVALIDATE, hwpt_invalidate_cmd, iommu_hwpt_invalidate, __reserved),
	OP(IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING, hwpt_set_dirty_cmd, iommu_hwpt_set_dirty_tracking,
	   __reserved),
	OP(IOMMUFD_CMD_IOAS_ALLOC, ioas_alloc_cmd, iommu_ioas_alloc, out_ioas_id),
	OP(IOMMUFD_CMD_IOAS_ALLOW_IOVAS, ioas_allow_iovas_cmd, iommu_ioas_allow_iovas,
	   allowed_iovas),
	OP(IOMMUFD_CMD_IOAS_COPY, ioas_copy_cmd, iommu_ioas_copy, src_iova),
	OP(IOMMUFD_CMD_IOAS_IOVA_RANGES, ioas_iova_ranges_cmd, iommu_ioas_iova_ranges,
	   out_iova_alignment),
	OP(IOMMUFD_CMD_IOAS_MAP, ioas_map_cmd, iommu_ioas_map, iova),
	OP(IOMMUFD_CMD_IOAS_MAP_FILE, ioas_map_file_cmd, iommu_ioas_map_file, iova),
	OP(IOMMUFD_CMD_IOAS_UNMAP, ioas_unmap_cmd, iommu_ioas_unmap, length),
	OP(IOMMUFD_CMD_OPTION, option_cmd, iommu_option, val64),
	OP(IOMMUFD_CMD_VFIO_IOAS, vfio_ioas_cmd, iommu_vfio_ioas, __reserved),
	OP(IOMMUFD_CMD_TEST, selftest_cmd, iommu_test_cmd, last),
};

#define EXTENSION(cmd_, fn, type, last)                                                         \
	{                                                                                       \
		.cmd = (cmd_), .size = sizeof(struct type), .min_size = MEMBER_END(type, last), \
		.run = fn                                                                       \
	}

static const struct ioctl_op extensions[] = {
	EXTENSION(RF_IOAS_CREATE_WINDOW, window_create_cmd, rf_ioas_create_window, iova),
	EXTENSION(RF_IOAS_REMOVE_WINDOW, window_remove_cmd, rf_ioas_remove_window, iova),
	EXTENSION(RF_IOAS_GET_WINDOWS, windows_get_cmd, rf_ioas_get_windows, out_flags),
};

/* Numbers that are looked up here; the test command is there only where it was asked for. */
static unsigned ops_count(const struct iommufd_ctx *ctx)
{
	return ctx->options->selftest ? sizeof(ops) / sizeof(*ops) :
					IOMMUFD_CMD_IOAS_MAP_FILE - IOMMUFD_CMD_BASE + 1;
}

/* What answers the number; NULL: a container's call, if anything. */
static const struct ioctl_op *op_find(const struct iommufd_ctx *ctx, unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd) - IOMMUFD_CMD_BASE; /* wraps below the base */
	unsigned int extension = _IOC_NR(cmd) - EXTENSION_BASE;

	if (nr < ops_count(ctx))
		return &ops[nr];
	/* what is none of Linux's is ours by all of its number */
	if (extension < sizeof(extensions) / sizeof(*extensions) &&
	    extensions[extension].cmd == cmd)
		return &extensions[extension];
	return NULL;
}

/*
 * 0, -E2BIG, -EFAULT; stops at the first byte that is not zero. No read reaches over the end of a
 * page, so that memory which ends behind such a byte is not missed.
 */
static int check_zeroed(struct file_caller *caller, uintptr_t from, size_t len)
{
	unsigned char buf[ZERO_CHUNK];

	while (len) {
		size_t room = ZERO_CHUNK - from % ZERO_CHUNK;
		size_t n = len < room ? len : room;

		if (owner_read(caller->owner, buf, from, n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (buf[i])
				return -E2BIG;
		from += n;
		len -= n;
	}
	return 0;
}

int copy_struct(struct file_caller *caller, void *to, size_t size, uintptr_t from, size_t usize)
{
	size_t n = usize < size ? usize : size;
	int ret;

	if (usize > size) {
		ret = check_zeroed(caller, from + size, usize - size);
		if (ret)
			return ret;
	}
	memset((char *)to + n, 0, size - n);
	return owner_read(caller->owner, to, from, n);
}

int ucmd_respond(struct ucmd *u, size_t size)
{
	return owner_write(u->caller->owner, u->uptr, &u->cmd, u->size < size ? u->size : size);
}

static long iommufd_ioctl(struct file *file, struct file_caller *caller, unsigned long arg_cmd,
			  unsigned long arg)
{
	struct iommufd_ctx *ctx = (struct iommufd_ctx *)file;
	struct ucmd u = { .ctx = ctx, .caller = caller, .uptr = arg };
	unsigned int cmd = (unsigned int)arg_cmd;
	const struct ioctl_op *op = op_find(ctx, cmd);
	int ret;

	if (!op)
		return compat_ioctl(ctx, caller, cmd, arg);
	if (owner_read(caller->owner, &u.size, arg, sizeof(u.size)))
		return -EFAULT;
	if (op->cmd != cmd)
		return -ENOTTY;
	if (u.size < op->min_size)
		return -EINVAL;
	ret = copy_struct(caller, &u.cmd, op->size, arg, u.size);
	return ret ? ret : op->run(&u);
}

static void iommufd_release(struct file *file)
{
	struct iommufd_ctx *ctx = (struct iommufd_ctx *)file;

	object_destroy_all(ctx);
	object_table_free(&ctx->objects);
	alloc_free(ctx);
}

static const struct file_ops iommufd_ops = {
	.ioctl = iommufd_ioctl,
	.release = iommufd_release,
	.iommufd = &link_ops,
};

int iommufd_open(const struct iommufd_options *options, struct file **out)
{
	struct iommufd_ctx *ctx = alloc_zeroed(sizeof(*ctx));

	if (!ctx)
		return -ENOMEM;
	file_init(&ctx->file, &iommufd_ops, "/dev/iommu");
	ctx->options = options;
	ctx->mode = ACCOUNT_USER;
	object_table_init(&ctx->objects);
	*out = &ctx->file;
	return 0;
}
