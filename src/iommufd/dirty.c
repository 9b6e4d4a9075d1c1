/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages devices have written: tracking of page tables that were made with
 * it.
 *
 * A bitmap has one bit for each page of the size that the caller names, from the
 * first IOVA on; bits are only ever set. What is asked for must be mapped
 * without a hole: from a hole on, nothing is reported. A bitmap that is not
 * there, or in part, is not complained of, as Linux does not either: what falls
 * there is clean and lost.
 */
#include <errno.h>

#include <string.h>

#include "base/gate.h"
#include "ioas/domains.h"
#include "iommufd/ctx.h"
#include "memory/owner.h"

#define PAGE	     4096u
#define BITMAP_CHUNK 256u

static struct hwpt_paging *paging_get(struct iommufd_ctx *ctx, uint32_t id)
{
	return object_get(ctx, id, OBJECT_HWPT_PAGING);
}

int hwpt_set_dirty_cmd(struct ucmd *u)
{
	const struct iommu_hwpt_set_dirty_tracking *cmd = &u->cmd.set_dirty;
	bool enable = cmd->flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	struct hwpt_paging *hwpt;
	int ret;

	if (cmd->flags & ~(uint32_t)IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return -EOPNOTSUPP;
	hwpt = paging_get(u->ctx, cmd->hwpt_id);
	if (!hwpt)
		return -ENOENT;
	pthread_mutex_lock(&hwpt->ioas->lock);
	ret = domain_set_dirty_tracking(hwpt->common.domain, enable);
	if (!ret)
		hwpt->tracking = enable;
	pthread_mutex_unlock(&hwpt->ioas->lock);
	object_put(u->ctx, &hwpt->common.obj);
	return ret;
}

/**
 * struct bitmap - a caller's
 * @data: in its memory
 * @first: IOVA of bit 0
 * @last: the last that is asked for
 * @shift: log2 of the page size
 */
struct bitmap {
	struct file_caller *caller;
	uintptr_t data;
	uint64_t first;
	uint64_t last;
	unsigned shift;
};

/* Set bits [first, last] of the bytes in @buf. */
static void set_bits(unsigned char *buf, uint64_t first, uint64_t last)
{
	for (uint64_t bit = first; bit <= last; bit++) {
		if (!(bit & 7) && last - bit >= 7) {
			buf[bit / 8] = 0xff;
			bit += 7;
		} else {
			buf[bit / 8] |= (unsigned char)(1u << (bit & 7));
		}
	}
}

/* Bits of pages [first, last], IOVA. */
static void bitmap_add(void *arg, uint64_t first, uint64_t last)
{
	struct bitmap *b = arg;
	unsigned char buf[BITMAP_CHUNK];
	uint64_t bit, end;

	if (last > b->last)
		last = b->last;
	bit = (first - b->first) >> b->shift;
	end = (last - b->first) >> b->shift;
	while (bit <= end) {
		uintptr_t at = b->data + bit / 8;
		uint64_t base = bit & ~7ull;
		uint64_t until;
		size_t len;

		/* a page of the bitmap that is not there does not hurt the next */
		len = PAGE - at % PAGE < sizeof(buf) ? PAGE - at % PAGE : sizeof(buf);
		until = base + 8 * len - 1;
		if (until > end)
			until = end;
		len = until / 8 - bit / 8 + 1;
		if (!owner_read(b->caller->owner, buf, at, len)) {
			set_bits(buf, bit - base, until - base);
			owner_write(b->caller->owner, at, buf, len);
		}
		bit = until + 1;
	}
}

/* The last IOVA, up to @last, that is mapped without a hole from @first on; or false. */
static bool mapped_until(struct rf_ioas *space, uint64_t first, uint64_t *last)
{
	struct area_info area;
	uint64_t end = first;

	if (!ioas_find(space, first, &area))
		return false;
	while (area.last < *last) {
		end = area.last;
		if (!ioas_find(space, end + 1, &area)) {
			*last = end;
			return true;
		}
	}
	return true;
}

static int dirty_check_range(const struct iommu_hwpt_get_dirty_bitmap *cmd, uint64_t alignment)
{
	uint64_t end = cmd->iova + cmd->length; /* 0: the very last */

	if (!cmd->length)
		return -EINVAL;
	if (cmd->length - 1 > UINT64_MAX - cmd->iova)
		return -EOVERFLOW;
	if ((cmd->iova | end) & (alignment - 1))
		return -EINVAL;
	if (!cmd->page_size || ((cmd->iova | end) & (cmd->page_size - 1)))
		return -EINVAL;
	return 0;
}

static int dirty_read(struct ucmd *u, struct hwpt_paging *hwpt)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = &u->cmd.get_dirty;
	struct domain *domain = hwpt->common.domain;
	struct bitmap bitmap = {
		.caller = u->caller,
		.data = cmd->data,
		.first = cmd->iova,
		.last = cmd->iova + cmd->length - 1,
	};
	uint64_t last = bitmap.last;
	struct gate gate;
	unsigned token;
	int ret;

	ret = dirty_check_range(cmd, ioas_alignment(hwpt->ioas->space));
	if (ret)
		return ret;
	if (!hwpt->dirty_tracking)
		return -EOPNOTSUPP;
	bitmap.shift = (unsigned)__builtin_ctzll(cmd->page_size);
	if (!mapped_until(hwpt->ioas->space, cmd->iova, &last))
		return 0;
	memset(&gate, 0, sizeof(gate));
	ret = domain_add_gate(domain, &gate);
	if (ret)
		return ret;
	token = gate_enter(&gate);
	/* not even that tracking is off is an error */
	domain_read_dirty(domain, cmd->iova, last,
			  cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, bitmap_add, &bitmap);
	gate_leave(&gate, token);
	domain_del_gate(domain, &gate);
	return 0;
}

int hwpt_get_dirty_cmd(struct ucmd *u)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = &u->cmd.get_dirty;
	struct hwpt_paging *hwpt;
	int ret;

	if ((cmd->flags & ~(uint32_t)IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR) || cmd->__reserved)
		return -EOPNOTSUPP;
	hwpt = paging_get(u->ctx, cmd->hwpt_id);
	if (!hwpt)
		return -ENOENT;
	ret = dirty_read(u, hwpt);
	object_put(u->ctx, &hwpt->common.obj);
	return ret;
}
