/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU_TEST_CMD, an ioctl of many: each operation is called TEST/NAME here. Its
 * number is its place in the table.
 */
#include "iommufd/selftest.h"

#include "tables.h"

#define S    struct iommu_test_cmd
#define HEAD FIELD(S, size, FIELD_SIZE), FIELD(S, op, FIELD_OP), FIELD(S, id, FIELD_IN)

static const struct field fields[] = {
	HEAD,
	FIELD(S, __reserved, FIELD_IN),
	FIELD(S, last, FIELD_IN),
};
static const struct field add_reserved[] = {
	HEAD,
	FIELD_AS("start", S, add_reserved.start, FIELD_IN),
	FIELD_AS("length", S, add_reserved.length, FIELD_IN),
};
static const struct field mock_domain[] = {
	HEAD,
	FIELD_AS("out_stdev_id", S, mock_domain.out_stdev_id, FIELD_OUT),
	FIELD_AS("out_hwpt_id", S, mock_domain.out_hwpt_id, FIELD_OUT),
	FIELD_AS("out_idev_id", S, mock_domain.out_idev_id, FIELD_OUT),
};
static const struct field mock_domain_flags[] = {
	HEAD,
	FIELD_AS("out_stdev_id", S, mock_domain_flags.out_stdev_id, FIELD_OUT),
	FIELD_AS("out_hwpt_id", S, mock_domain_flags.out_hwpt_id, FIELD_OUT),
	FIELD_AS("out_idev_id", S, mock_domain_flags.out_idev_id, FIELD_OUT),
	FIELD_AS("dev_flags", S, mock_domain_flags.dev_flags, FIELD_IN),
};
static const struct field mock_domain_replace[] = {
	HEAD,
	FIELD_AS("pt_id", S, mock_domain_replace.pt_id, FIELD_OUT),
};
static const struct field check_map[] = {
	HEAD,
	FIELD_AS("iova", S, check_map.iova, FIELD_IN),
	FIELD_AS("length", S, check_map.length, FIELD_IN),
	FIELD_AS("uptr", S, check_map.uptr, FIELD_IN),
};
static const struct field check_refs[] = {
	HEAD,
	FIELD_AS("length", S, check_refs.length, FIELD_IN),
	FIELD_AS("uptr", S, check_refs.uptr, FIELD_IN),
	FIELD_AS("refs", S, check_refs.refs, FIELD_IN),
};
static const struct field create_access[] = {
	HEAD,
	FIELD_AS("out_access_fd", S, create_access.out_access_fd, FIELD_FD),
	FIELD_AS("flags", S, create_access.flags, FIELD_IN),
};
static const struct field destroy_pages[] = {
	HEAD,
	FIELD_AS("access_pages_id", S, destroy_access_pages.access_pages_id, FIELD_IN),
};
static const struct field access_pages[] = {
	HEAD,
	FIELD_AS("flags", S, access_pages.flags, FIELD_IN),
	FIELD_AS("out_access_pages_id", S, access_pages.out_access_pages_id, FIELD_OUT),
	FIELD_AS("iova", S, access_pages.iova, FIELD_IN),
	FIELD_AS("length", S, access_pages.length, FIELD_IN),
	FIELD_AS("uptr", S, access_pages.uptr, FIELD_IN),
};
static const struct field access_rw[] = {
	HEAD,
	FIELD_AS("iova", S, access_rw.iova, FIELD_IN),
	FIELD_AS("length", S, access_rw.length, FIELD_IN),
	FIELD_AS("uptr", S, access_rw.uptr, FIELD_IN),
	FIELD_AS("flags", S, access_rw.flags, FIELD_IN),
};
static const struct field memory_limit[] = {
	HEAD,
	FIELD_AS("limit", S, memory_limit.limit, FIELD_IN),
};
static const struct field access_replace[] = {
	HEAD,
	FIELD_AS("ioas_id", S, access_replace_ioas.ioas_id, FIELD_IN),
};
static const struct field dirty[] = {
	HEAD,
	FIELD_AS("flags", S, dirty.flags, FIELD_IN),
	FIELD_AS("iova", S, dirty.iova, FIELD_IN),
	FIELD_AS("length", S, dirty.length, FIELD_IN),
	FIELD_AS("page_size", S, dirty.page_size, FIELD_IN),
	FIELD_AS("uptr", S, dirty.uptr, FIELD_IN),
	FIELD_AS("out_nr_dirty", S, dirty.out_nr_dirty, FIELD_OUT),
};
static const struct field check_iotlb[] = {
	HEAD,
	FIELD_AS("iotlb_id", S, check_iotlb.id, FIELD_IN),
	FIELD_AS("iotlb", S, check_iotlb.iotlb, FIELD_IN),
};
static const struct field trigger_iopf[] = {
	HEAD,
	FIELD_AS("dev_id", S, trigger_iopf.dev_id, FIELD_IN),
	FIELD_AS("pasid", S, trigger_iopf.pasid, FIELD_IN),
	FIELD_AS("grpid", S, trigger_iopf.grpid, FIELD_IN),
	FIELD_AS("perm", S, trigger_iopf.perm, FIELD_IN),
	FIELD_AS("addr", S, trigger_iopf.addr, FIELD_IN),
};

#define TEST(name, fields_) IOCTL_AS("TEST/" name, IOMMU_TEST_CMD, S, fields_)

const struct ioctl_desc test_ioctls[] = {
	TEST("RAW", fields),
	TEST("ADD_RESERVED", add_reserved),
	TEST("MOCK_DOMAIN", mock_domain),
	TEST("MD_CHECK_MAP", check_map),
	TEST("MD_CHECK_REFS", check_refs),
	TEST("CREATE_ACCESS", create_access),
	TEST("DESTROY_ACCESS_PAGES", destroy_pages),
	TEST("ACCESS_PAGES", access_pages),
	TEST("ACCESS_RW", access_rw),
	TEST("SET_TEMP_MEMORY_LIMIT", memory_limit),
	TEST("MOCK_DOMAIN_REPLACE", mock_domain_replace),
	TEST("ACCESS_REPLACE_IOAS", access_replace),
	TEST("MOCK_DOMAIN_FLAGS", mock_domain_flags),
	TEST("DIRTY", dirty),
	TEST("MD_CHECK_IOTLB", check_iotlb),
	TEST("TRIGGER_IOPF", trigger_iopf),
	{ 0 },
};
