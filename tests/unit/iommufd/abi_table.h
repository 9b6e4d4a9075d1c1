/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The numbers of iommufd's ABI, as a table. Included once with our abi.h and once
 * with the system's <linux/iommufd.h>, by two files that each name their table;
 * test_abi.c compares them. What older headers of that name lack is left out.
 */
#include <stddef.h>

#include "abi_tables.h"

#define VALUE(name)                               \
	{                                         \
#name, (unsigned long long)(name) \
	}
#define SIZE(type)                                   \
	{                                            \
		"sizeof " #type, sizeof(struct type) \
	}
#define AT(type, member)                                         \
	{                                                        \
#type "." #member, offsetof(struct type, member) \
	}

const struct abi_entry ABI_TABLE[] = {
	VALUE(IOMMU_DESTROY),
	VALUE(IOMMU_IOAS_ALLOC),
	VALUE(IOMMU_IOAS_ALLOW_IOVAS),
	VALUE(IOMMU_IOAS_COPY),
	VALUE(IOMMU_IOAS_IOVA_RANGES),
	VALUE(IOMMU_IOAS_MAP),
	VALUE(IOMMU_IOAS_UNMAP),
	VALUE(IOMMU_OPTION),
	VALUE(IOMMU_VFIO_IOAS),
	VALUE(IOMMU_IOAS_MAP_FIXED_IOVA),
	VALUE(IOMMU_IOAS_MAP_WRITEABLE),
	VALUE(IOMMU_IOAS_MAP_READABLE),
	VALUE(IOMMU_OPTION_RLIMIT_MODE),
	VALUE(IOMMU_OPTION_HUGE_PAGES),
	VALUE(IOMMU_OPTION_OP_SET),
	VALUE(IOMMU_OPTION_OP_GET),
	VALUE(IOMMU_VFIO_IOAS_GET),
	VALUE(IOMMU_VFIO_IOAS_SET),
	VALUE(IOMMU_VFIO_IOAS_CLEAR),
	SIZE(iommu_destroy),
	SIZE(iommu_ioas_alloc),
	SIZE(iommu_iova_range),
	SIZE(iommu_ioas_iova_ranges),
	AT(iommu_ioas_iova_ranges, allowed_iovas),
	SIZE(iommu_ioas_allow_iovas),
	SIZE(iommu_ioas_map),
	AT(iommu_ioas_map, user_va),
	AT(iommu_ioas_map, length),
	AT(iommu_ioas_map, iova),
	SIZE(iommu_ioas_copy),
	AT(iommu_ioas_copy, dst_ioas_id),
	AT(iommu_ioas_copy, dst_iova),
	SIZE(iommu_ioas_unmap),
	SIZE(iommu_option),
	AT(iommu_option, object_id),
	SIZE(iommu_vfio_ioas),
#ifdef IOMMU_FAULT_QUEUE_ALLOC
	VALUE(IOMMU_HWPT_ALLOC),
	VALUE(IOMMU_GET_HW_INFO),
	VALUE(IOMMU_HWPT_SET_DIRTY_TRACKING),
	VALUE(IOMMU_HWPT_GET_DIRTY_BITMAP),
	VALUE(IOMMU_HWPT_INVALIDATE),
	VALUE(IOMMU_FAULT_QUEUE_ALLOC),
	VALUE(IOMMU_HWPT_ALLOC_NEST_PARENT),
	VALUE(IOMMU_HWPT_ALLOC_DIRTY_TRACKING),
	VALUE(IOMMU_HWPT_FAULT_ID_VALID),
	VALUE(IOMMU_HWPT_DATA_NONE),
	VALUE(IOMMU_HWPT_DATA_VTD_S1),
	VALUE(IOMMU_HW_INFO_TYPE_NONE),
	VALUE(IOMMU_HW_INFO_TYPE_INTEL_VTD),
	VALUE(IOMMU_HW_CAP_DIRTY_TRACKING),
	VALUE(IOMMU_HWPT_DIRTY_TRACKING_ENABLE),
	VALUE(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR),
	VALUE(IOMMU_HWPT_INVALIDATE_DATA_VTD_S1),
	VALUE(IOMMU_PGFAULT_FLAGS_PASID_VALID),
	VALUE(IOMMU_PGFAULT_FLAGS_LAST_PAGE),
	VALUE(IOMMU_PGFAULT_PERM_READ),
	VALUE(IOMMU_PGFAULT_PERM_PRIV),
	VALUE(IOMMUFD_PAGE_RESP_SUCCESS),
	VALUE(IOMMUFD_PAGE_RESP_INVALID),
	AT(iommu_hwpt_alloc, data_uptr),
	AT(iommu_hwpt_alloc, fault_id),
	SIZE(iommu_hwpt_vtd_s1),
	SIZE(iommu_hw_info_vtd),
	SIZE(iommu_hw_info),
	AT(iommu_hw_info, out_data_type),
	AT(iommu_hw_info, out_capabilities),
	SIZE(iommu_hwpt_set_dirty_tracking),
	SIZE(iommu_hwpt_get_dirty_bitmap),
	AT(iommu_hwpt_get_dirty_bitmap, data),
	SIZE(iommu_hwpt_invalidate),
	AT(iommu_hwpt_invalidate, entry_num),
	SIZE(iommu_hwpt_vtd_s1_invalidate),
	SIZE(iommu_hwpt_pgfault),
	AT(iommu_hwpt_pgfault, addr),
	AT(iommu_hwpt_pgfault, cookie),
	SIZE(iommu_hwpt_page_response),
	SIZE(iommu_fault_alloc),
#endif
#ifdef IOMMU_IOAS_MAP_FILE
	VALUE(IOMMU_IOAS_MAP_FILE),
	SIZE(iommu_ioas_map_file),
	AT(iommu_ioas_map_file, fd),
	AT(iommu_ioas_map_file, start),
#endif
	{ NULL, 0 },
};
