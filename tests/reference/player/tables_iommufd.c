/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of /dev/iommu.
 */
#include "iommufd/abi.h"

#include "tables.h"

#define S struct iommu_destroy
static const struct field destroy_fields[] = {
	FIELD(S, size, FIELD_SIZE),
	FIELD(S, id, FIELD_IN),
};
#undef S

#define S struct iommu_ioas_alloc
static const struct field ioas_alloc_fields[] = {
	FIELD(S, size, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
	FIELD(S, out_ioas_id, FIELD_OUT),
};
#undef S

#define S struct iommu_ioas_iova_ranges
static const struct field ranges_fields[] = {
	FIELD(S, size, FIELD_SIZE),	   FIELD(S, ioas_id, FIELD_IN),
	FIELD(S, num_iovas, FIELD_OUT),	   FIELD(S, __reserved, FIELD_IN),
	FIELD(S, allowed_iovas, FIELD_IN), FIELD(S, out_iova_alignment, FIELD_OUT),
};
#undef S

#define S struct iommu_ioas_allow_iovas
static const struct field allow_fields[] = {
	FIELD(S, size, FIELD_SIZE),	   FIELD(S, ioas_id, FIELD_IN),
	FIELD(S, num_iovas, FIELD_IN),	   FIELD(S, __reserved, FIELD_IN),
	FIELD(S, allowed_iovas, FIELD_IN),
};
#undef S

#define S struct iommu_ioas_map
static const struct field map_fields[] = {
	FIELD(S, size, FIELD_SIZE),	FIELD(S, flags, FIELD_IN),   FIELD(S, ioas_id, FIELD_IN),
	FIELD(S, __reserved, FIELD_IN), FIELD(S, user_va, FIELD_IN), FIELD(S, length, FIELD_IN),
	FIELD(S, iova, FIELD_OUT),
};
#undef S

#define S struct iommu_ioas_map_file
static const struct field map_file_fields[] = {
	FIELD(S, size, FIELD_SIZE), FIELD(S, flags, FIELD_IN), FIELD(S, ioas_id, FIELD_IN),
	FIELD(S, fd, FIELD_IN),	    FIELD(S, start, FIELD_IN), FIELD(S, length, FIELD_IN),
	FIELD(S, iova, FIELD_OUT),
};
#undef S

#define S struct iommu_ioas_copy
static const struct field copy_fields[] = {
	FIELD(S, size, FIELD_SIZE),	 FIELD(S, flags, FIELD_IN),
	FIELD(S, dst_ioas_id, FIELD_IN), FIELD(S, src_ioas_id, FIELD_IN),
	FIELD(S, length, FIELD_IN),	 FIELD(S, dst_iova, FIELD_OUT),
	FIELD(S, src_iova, FIELD_IN),
};
#undef S

#define S struct iommu_ioas_unmap
static const struct field unmap_fields[] = {
	FIELD(S, size, FIELD_SIZE),
	FIELD(S, ioas_id, FIELD_IN),
	FIELD(S, iova, FIELD_IN),
	FIELD(S, length, FIELD_OUT),
};
#undef S

#define S struct iommu_option
static const struct field option_fields[] = {
	FIELD(S, size, FIELD_SIZE),	FIELD(S, option_id, FIELD_IN), FIELD(S, op, FIELD_IN),
	FIELD(S, __reserved, FIELD_IN), FIELD(S, object_id, FIELD_IN), FIELD(S, val64, FIELD_OUT),
};
#undef S

#define S struct iommu_vfio_ioas
static const struct field vfio_ioas_fields[] = {
	FIELD(S, size, FIELD_SIZE),
	FIELD(S, ioas_id, FIELD_OUT),
	FIELD(S, op, FIELD_IN),
	FIELD(S, __reserved, FIELD_IN),
};
#undef S

#define S struct iommu_hwpt_alloc
static const struct field hwpt_alloc_fields[] = {
	FIELD(S, size, FIELD_SIZE),	  FIELD(S, flags, FIELD_IN),
	FIELD(S, dev_id, FIELD_IN),	  FIELD(S, pt_id, FIELD_IN),
	FIELD(S, out_hwpt_id, FIELD_OUT), FIELD(S, __reserved, FIELD_IN),
	FIELD(S, data_type, FIELD_IN),	  FIELD(S, data_len, FIELD_IN),
	FIELD(S, data_uptr, FIELD_IN),	  FIELD(S, fault_id, FIELD_IN),
	FIELD(S, __reserved2, FIELD_IN),
};
#undef S

#define S struct iommu_hw_info
static const struct field hw_info_fields[] = {
	FIELD(S, size, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
	FIELD(S, dev_id, FIELD_IN),
	FIELD(S, data_len, FIELD_OUT),
	FIELD(S, data_uptr, FIELD_IN),
	FIELD(S, out_data_type, FIELD_OUT),
	FIELD_AS("reserved", S, out_max_pasid_log2, FIELD_IN),
	FIELD(S, out_capabilities, FIELD_OUT),
};
#undef S

#define S struct iommu_hwpt_set_dirty_tracking
static const struct field set_dirty_fields[] = {
	FIELD(S, size, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
	FIELD(S, hwpt_id, FIELD_IN),
	FIELD(S, __reserved, FIELD_IN),
};
#undef S

#define S struct iommu_hwpt_get_dirty_bitmap
static const struct field get_dirty_fields[] = {
	FIELD(S, size, FIELD_SIZE),	FIELD(S, hwpt_id, FIELD_IN), FIELD(S, flags, FIELD_IN),
	FIELD(S, __reserved, FIELD_IN), FIELD(S, iova, FIELD_IN),    FIELD(S, length, FIELD_IN),
	FIELD(S, page_size, FIELD_IN),	FIELD(S, data, FIELD_IN),
};
#undef S

#define S struct iommu_hwpt_invalidate
static const struct field invalidate_fields[] = {
	FIELD(S, size, FIELD_SIZE),	FIELD(S, hwpt_id, FIELD_IN),
	FIELD(S, data_uptr, FIELD_IN),	FIELD(S, data_type, FIELD_IN),
	FIELD(S, entry_len, FIELD_IN),	FIELD(S, entry_num, FIELD_OUT),
	FIELD(S, __reserved, FIELD_IN),
};
#undef S

#define S struct iommu_fault_alloc
static const struct field fault_alloc_fields[] = {
	FIELD(S, size, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
	FIELD(S, out_fault_id, FIELD_OUT),
	FIELD(S, out_fault_fd, FIELD_FD),
};
#undef S

const struct ioctl_desc iommufd_ioctls[] = {
	IOCTL(IOMMU_DESTROY, struct iommu_destroy, destroy_fields),
	IOCTL(IOMMU_IOAS_ALLOC, struct iommu_ioas_alloc, ioas_alloc_fields),
	IOCTL(IOMMU_IOAS_IOVA_RANGES, struct iommu_ioas_iova_ranges, ranges_fields),
	IOCTL(IOMMU_IOAS_ALLOW_IOVAS, struct iommu_ioas_allow_iovas, allow_fields),
	IOCTL(IOMMU_IOAS_MAP, struct iommu_ioas_map, map_fields),
	IOCTL(IOMMU_IOAS_MAP_FILE, struct iommu_ioas_map_file, map_file_fields),
	IOCTL(IOMMU_IOAS_COPY, struct iommu_ioas_copy, copy_fields),
	IOCTL(IOMMU_IOAS_UNMAP, struct iommu_ioas_unmap, unmap_fields),
	IOCTL(IOMMU_OPTION, struct iommu_option, option_fields),
	IOCTL(IOMMU_VFIO_IOAS, struct iommu_vfio_ioas, vfio_ioas_fields),
	IOCTL(IOMMU_HWPT_ALLOC, struct iommu_hwpt_alloc, hwpt_alloc_fields),
	IOCTL(IOMMU_GET_HW_INFO, struct iommu_hw_info, hw_info_fields),
	IOCTL(IOMMU_HWPT_SET_DIRTY_TRACKING, struct iommu_hwpt_set_dirty_tracking,
	      set_dirty_fields),
	IOCTL(IOMMU_HWPT_GET_DIRTY_BITMAP, struct iommu_hwpt_get_dirty_bitmap, get_dirty_fields),
	IOCTL(IOMMU_HWPT_INVALIDATE, struct iommu_hwpt_invalidate, invalidate_fields),
	IOCTL(IOMMU_FAULT_QUEUE_ALLOC, struct iommu_fault_alloc, fault_alloc_fields),
	{ 0 },
};
