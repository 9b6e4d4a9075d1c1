/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire format of IOMMU_TEST_CMD: what the kernel's own iommufd self-tests
 * ask of a kernel that was built for them, and so of us (selftest.c).
 */
#ifndef RF_IOMMUFD_SELFTEST_H
#define RF_IOMMUFD_SELFTEST_H

#include "iommufd/abi.h"

#define IOMMUFD_CMD_TEST (IOMMUFD_CMD_BASE + 32)
#define IOMMU_TEST_CMD	 IOMMUFD_NR(IOMMUFD_CMD_TEST)

enum {
	IOMMU_TEST_OP_ADD_RESERVED = 1,
	IOMMU_TEST_OP_MOCK_DOMAIN,
	IOMMU_TEST_OP_MD_CHECK_MAP,
	IOMMU_TEST_OP_MD_CHECK_REFS,
	IOMMU_TEST_OP_CREATE_ACCESS,
	IOMMU_TEST_OP_DESTROY_ACCESS_PAGES,
	IOMMU_TEST_OP_ACCESS_PAGES,
	IOMMU_TEST_OP_ACCESS_RW,
	IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT,
	IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
	IOMMU_TEST_OP_ACCESS_REPLACE_IOAS,
	IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
	IOMMU_TEST_OP_DIRTY,
	IOMMU_TEST_OP_MD_CHECK_IOTLB,
	IOMMU_TEST_OP_TRIGGER_IOPF,
};

#define MOCK_APERTURE_START			 (1ul << 24)
#define MOCK_APERTURE_LAST			 ((1ul << 31) - 1)

#define MOCK_FLAGS_ACCESS_WRITE			 (1u << 0)
#define MOCK_FLAGS_ACCESS_SYZ			 (1u << 16)
#define MOCK_ACCESS_RW_WRITE			 (1u << 0)
#define MOCK_ACCESS_RW_SLOW_PATH		 (1u << 2)
#define MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES (1u << 0)
#define MOCK_FLAGS_DEVICE_NO_DIRTY		 (1u << 0)
#define MOCK_FLAGS_DEVICE_HUGE_IOVA		 (1u << 1)
#define MOCK_FLAGS_DEVICE_PASID			 (1u << 2)
#define MOCK_PASID_WIDTH			 20

#define MOCK_NESTED_DOMAIN_IOTLB_ID_MAX		 3
#define MOCK_NESTED_DOMAIN_IOTLB_NUM		 4

struct iommu_test_cmd {
	__u32 size;
	__u32 op;
	__u32 id;
	__u32 __reserved;
	union {
		struct {
			__aligned_u64 start;
			__aligned_u64 length;
		} add_reserved;
		struct {
			__u32 out_stdev_id;
			__u32 out_hwpt_id;
			__u32 out_idev_id;
		} mock_domain;
		struct {
			__u32 out_stdev_id;
			__u32 out_hwpt_id;
			__u32 out_idev_id;
			__u32 dev_flags;
		} mock_domain_flags;
		struct {
			__u32 pt_id;
		} mock_domain_replace;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} check_map;
		struct {
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 refs;
		} check_refs;
		struct {
			__u32 out_access_fd;
			__u32 flags;
		} create_access;
		struct {
			__u32 access_pages_id;
		} destroy_access_pages;
		struct {
			__u32 flags;
			__u32 out_access_pages_id;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} access_pages;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 flags;
		} access_rw;
		struct {
			__u32 limit;
		} memory_limit;
		struct {
			__u32 ioas_id;
		} access_replace_ioas;
		struct {
			__u32 flags;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 page_size;
			__aligned_u64 uptr;
			__aligned_u64 out_nr_dirty;
		} dirty;
		struct {
			__u32 id;
			__u32 iotlb;
		} check_iotlb;
		struct {
			__u32 dev_id;
			__u32 pasid;
			__u32 grpid;
			__u32 perm;
			__u64 addr;
		} trigger_iopf;
	};
	__u32 last;
};

#define IOMMU_HW_INFO_TYPE_SELFTEST   0xfeedbeefu
#define IOMMU_HW_INFO_SELFTEST_REGVAL 0xdeadbeefu

struct iommu_test_hw_info {
	__u32 flags;
	__u32 test_reg;
};

#define IOMMU_HWPT_DATA_SELFTEST 0xdeadu
#define IOMMU_TEST_IOTLB_DEFAULT 0xbadbeefu

/* The data of a nested page table: what its IOTLB entries begin with. */
struct iommu_hwpt_selftest {
	__u32 iotlb;
};

#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST	    0xdeadbeefu
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID 0xdadbeefu
#define IOMMU_TEST_INVALIDATE_FLAG_ALL		    (1u << 0)

struct iommu_hwpt_invalidate_selftest {
	__u32 flags;
	__u32 iotlb_id;
};

IOMMUFD_ABI_SIZE(iommu_test_cmd, 72);
IOMMUFD_ABI_AT(iommu_test_cmd, add_reserved, 16);
IOMMUFD_ABI_AT(iommu_test_cmd, access_pages.iova, 24);
IOMMUFD_ABI_AT(iommu_test_cmd, dirty.iova, 24);
IOMMUFD_ABI_AT(iommu_test_cmd, dirty.out_nr_dirty, 56);
IOMMUFD_ABI_AT(iommu_test_cmd, trigger_iopf.addr, 32);
IOMMUFD_ABI_AT(iommu_test_cmd, last, 64);
IOMMUFD_ABI_SIZE(iommu_test_hw_info, 8);
IOMMUFD_ABI_SIZE(iommu_hwpt_selftest, 4);
IOMMUFD_ABI_SIZE(iommu_hwpt_invalidate_selftest, 8);
_Static_assert(IOMMU_TEST_CMD == 0x3ba0, "ioctl number");

#endif
