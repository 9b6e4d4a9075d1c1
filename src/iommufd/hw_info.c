/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET_HW_INFO: what IOMMU a device is behind, for a VMM that shows it to a guest.
 *
 * The structure's kind is the IOMMU's; a caller may insist on one (newer kernels
 * than 6.12). What the caller's buffer lacks is cut, what it has beyond is zeroed,
 * and the length told is always the whole.
 */
#include <errno.h>
#include <string.h>

#include "iommu/vtd.h"
#include "iommufd/ctx.h"
#include "memory/owner.h"

/**
 * struct hw_info - what an IOMMU says of itself
 * @type: of the structure, IOMMU_HW_INFO_TYPE_NONE: there is none
 * @size: its bytes
 */
struct hw_info {
	uint32_t type;
	uint32_t size;
	union {
		struct iommu_hw_info_vtd vtd;
		struct iommu_test_hw_info test;
		unsigned char bytes[24];
	} data;
};

static void hw_info_fill(const struct iommu_kind *kind, struct hw_info *info)
{
	memset(info, 0, sizeof(*info));
	if (kind->mock) {
		info->type = IOMMU_HW_INFO_TYPE_SELFTEST;
		info->size = sizeof(info->data.test);
		info->data.test.test_reg = IOMMU_HW_INFO_SELFTEST_REGVAL;
	} else if (vtd_is(kind)) {
		info->type = IOMMU_HW_INFO_TYPE_INTEL_VTD;
		info->size = sizeof(info->data.vtd);
		info->data.vtd.flags = IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17; /* of all VT-d */
		info->data.vtd.cap_reg = vtd_cap(kind);
		info->data.vtd.ecap_reg = vtd_ecap(kind);
	}
}

static int hw_info_write(struct ucmd *u, const struct hw_info *info)
{
	static const unsigned char zeroes[4096];
	const struct iommu_hw_info *cmd = &u->cmd.hw_info;
	uint32_t n = cmd->data_len < info->size ? cmd->data_len : info->size;

	if (owner_write(u->caller->owner, cmd->data_uptr, &info->data, n))
		return -EFAULT;
	while (n < cmd->data_len) {
		uint32_t len = cmd->data_len - n;

		if (len > sizeof(zeroes))
			len = sizeof(zeroes);
		if (owner_write(u->caller->owner, cmd->data_uptr + n, zeroes, len))
			return -EFAULT;
		n += len;
	}
	return 0;
}

static int hw_info_tell(struct ucmd *u, const struct iommufd_device *idev)
{
	struct iommu_hw_info *cmd = &u->cmd.hw_info;
	uint32_t wanted = cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE ? cmd->in_data_type :
								       IOMMU_HW_INFO_TYPE_DEFAULT;
	struct hw_info info;

	hw_info_fill(idev->kind, &info);
	if (wanted != IOMMU_HW_INFO_TYPE_DEFAULT && wanted != info.type)
		return -EOPNOTSUPP;
	if (hw_info_write(u, &info))
		return -EFAULT;
	cmd->out_data_type = info.type;
	cmd->data_len = info.size;
	cmd->out_capabilities = idev->kind->dirty_tracking ? IOMMU_HW_CAP_DIRTY_TRACKING : 0;
	cmd->out_max_pasid_log2 = (uint8_t)idev->pasid_bits;
	return ucmd_respond(u, sizeof(*cmd));
}

int get_hw_info_cmd(struct ucmd *u)
{
	const struct iommu_hw_info *cmd = &u->cmd.hw_info;
	struct iommufd_device *idev;
	int ret;

	if ((cmd->flags & ~(uint32_t)IOMMU_HW_INFO_FLAG_INPUT_TYPE) || cmd->__reserved[0] ||
	    cmd->__reserved[1] || cmd->__reserved[2])
		return -EOPNOTSUPP;
	idev = idev_get(u->ctx, cmd->dev_id);
	if (!idev)
		return -ENOENT;
	ret = hw_info_tell(u, idev);
	object_put(u->ctx, &idev->obj);
	return ret;
}
