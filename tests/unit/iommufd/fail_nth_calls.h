/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What test_fail_nth.c calls of address spaces, page tables and fault queues: each
 * ioctl once, with what must be there before.
 */
#ifndef TEST_IOMMUFD_FAIL_NTH_CALLS_H
#define TEST_IOMMUFD_FAIL_NTH_CALLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "iommufd/abi.h"
#include "iommufd/selftest.h"
#include "table.h"

#define PAGE   4096ul
#define LENGTH (64 * PAGE)

/**
 * struct env - what a case works on
 * @ioas: two address spaces
 * @mock: self-test devices on the first, as asked for by the case; @device and
 *	@hwpt belong to them
 * @results: what the call gave back, to be compared between runs
 */
struct env {
	struct table table;
	int fd;
	uint32_t ioas[2];
	uint32_t mock[2];
	uint32_t device[2];
	uint32_t hwpt[2];
	uint32_t other; /* what the case's own set-up made */
	uint32_t queue;
	int access; /* a descriptor: of an access, or of the queue */
	uint64_t iova;
	uint64_t results[8];
};

static uint8_t *buffer;
static int memfd; /* as long as the buffer */

static int iommu(struct env *e, unsigned long cmd, void *arg)
{
	return table_ioctl(&e->table, e->fd, cmd, arg);
}

static int test_cmd(struct env *e, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	return iommu(e, IOMMU_TEST_CMD, cmd);
}

/* The calls: each returns 0 or a negative errno, and fills e->results on success. */

static int ioas_alloc(struct env *e)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int ret = iommu(e, IOMMU_IOAS_ALLOC, &cmd);

	e->results[0] = cmd.out_ioas_id;
	return ret;
}

static int map_at(struct env *e, uint32_t ioas, uint32_t flags, uint64_t iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)buffer,
		.length = LENGTH,
		.iova = iova,
	};
	int ret = iommu(e, IOMMU_IOAS_MAP, &cmd);

	e->results[0] = cmd.iova;
	return ret;
}

static int map_anywhere(struct env *e)
{
	return map_at(e, e->ioas[0], 0, 0);
}

static int map_fixed(struct env *e)
{
	return map_at(e, e->ioas[0], IOMMU_IOAS_MAP_FIXED_IOVA, MOCK_APERTURE_START + LENGTH);
}

static int map_file(struct env *e)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = e->ioas[0],
		.fd = memfd,
		.length = LENGTH,
	};
	int ret = iommu(e, IOMMU_IOAS_MAP_FILE, &cmd);

	e->results[0] = cmd.iova;
	return ret;
}

static int copy(struct env *e, uint32_t to, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = to,
		.src_ioas_id = e->ioas[0],
		.length = length,
		.src_iova = iova,
	};
	int ret = iommu(e, IOMMU_IOAS_COPY, &cmd);

	e->results[0] = cmd.dst_iova;
	return ret;
}

static int copy_within(struct env *e)
{
	return copy(e, e->ioas[0], e->iova, LENGTH);
}

static int copy_across(struct env *e)
{
	return copy(e, e->ioas[1], e->iova, LENGTH);
}

static void map_two_more(struct env *e)
{
	assert_int_equal(map_at(e, e->ioas[0], IOMMU_IOAS_MAP_FIXED_IOVA, e->iova + LENGTH), 0);
	assert_int_equal(map_at(e, e->ioas[0], IOMMU_IOAS_MAP_FIXED_IOVA, e->iova + 2 * LENGTH), 0);
}

/* Pieces of three mappings. */
static int copy_several(struct env *e)
{
	return copy(e, e->ioas[1], e->iova + PAGE, 3 * LENGTH - 2 * PAGE);
}

static int unmap(struct env *e)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = e->ioas[0],
		.length = UINT64_MAX,
	};
	int ret = iommu(e, IOMMU_IOAS_UNMAP, &cmd);

	e->results[0] = cmd.length;
	return ret;
}

static int iova_ranges(struct env *e)
{
	struct iommu_iova_range range[4] = { 0 };
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = e->ioas[0],
		.num_iovas = 4,
		.allowed_iovas = (uintptr_t)range,
	};
	int ret = iommu(e, IOMMU_IOAS_IOVA_RANGES, &cmd);

	e->results[0] = cmd.num_iovas;
	e->results[1] = range[0].start;
	e->results[2] = range[0].last;
	return ret;
}

static int allow_iovas(struct env *e)
{
	struct iommu_iova_range range[] = {
		{ .start = MOCK_APERTURE_START, .last = MOCK_APERTURE_START + 0xffffff },
		{ .start = MOCK_APERTURE_START + 0x2000000, .last = MOCK_APERTURE_LAST },
	};
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = e->ioas[0],
		.num_iovas = 2,
		.allowed_iovas = (uintptr_t)range,
	};

	return iommu(e, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

static int huge_pages_off(struct env *e)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = e->ioas[1],
	};

	return iommu(e, IOMMU_OPTION, &cmd);
}

static int vfio_ioas_set(struct env *e)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.ioas_id = e->ioas[0],
		.op = IOMMU_VFIO_IOAS_SET,
	};

	return iommu(e, IOMMU_VFIO_IOAS, &cmd);
}

static int hwpt(struct env *e, uint32_t flags, uint32_t pt, uint32_t type, void *data,
		uint32_t length)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = e->device[0],
		.pt_id = pt,
		.data_type = type,
		.data_len = length,
		.data_uptr = (uintptr_t)data,
	};
	int ret = iommu(e, IOMMU_HWPT_ALLOC, &cmd);

	e->results[0] = cmd.out_hwpt_id;
	return ret;
}

static int hwpt_alloc(struct env *e)
{
	return hwpt(e, 0, e->ioas[0], IOMMU_HWPT_DATA_NONE, NULL, 0);
}

static int hwpt_alloc_dirty(struct env *e)
{
	return hwpt(e, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, e->ioas[0], IOMMU_HWPT_DATA_NONE, NULL, 0);
}

static int hwpt_alloc_parent(struct env *e)
{
	return hwpt(e, IOMMU_HWPT_ALLOC_NEST_PARENT, e->ioas[0], IOMMU_HWPT_DATA_NONE, NULL, 0);
}

static int hwpt_alloc_nested(struct env *e)
{
	struct iommu_hwpt_selftest data = { .iotlb = IOMMU_TEST_IOTLB_DEFAULT };

	return hwpt(e, 0, e->other, IOMMU_HWPT_DATA_SELFTEST, &data, sizeof(data));
}

static void make_parent(struct env *e)
{
	assert_int_equal(hwpt_alloc_parent(e), 0);
	e->other = (uint32_t)e->results[0];
}

static void make_nested(struct env *e)
{
	make_parent(e);
	assert_int_equal(hwpt_alloc_nested(e), 0);
	e->other = (uint32_t)e->results[0];
}

static void make_dirty(struct env *e)
{
	assert_int_equal(hwpt_alloc_dirty(e), 0);
	e->other = (uint32_t)e->results[0];
}

static int hwpt_invalidate(struct env *e)
{
	struct iommu_hwpt_invalidate_selftest all = { .flags = IOMMU_TEST_INVALIDATE_FLAG_ALL };
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = e->other,
		.data_uptr = (uintptr_t)&all,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(all),
		.entry_num = 1,
	};
	int ret = iommu(e, IOMMU_HWPT_INVALIDATE, &cmd);

	e->results[0] = cmd.entry_num;
	return ret;
}

static int set_dirty_tracking(struct env *e)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
		.hwpt_id = e->other,
	};

	return iommu(e, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static int mark_dirty(struct env *e)
{
	uint64_t bits = 0x0f;
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_DIRTY,
		.id = e->other,
		.dirty = { .iova = e->iova,
			   .length = 64 * PAGE,
			   .page_size = PAGE,
			   .uptr = (uintptr_t)&bits },
	};

	return test_cmd(e, &cmd);
}

static void make_dirtied(struct env *e)
{
	make_dirty(e);
	assert_int_equal(set_dirty_tracking(e), 0);
	assert_int_equal(mark_dirty(e), 0);
}

static int get_dirty_bitmap(struct env *e)
{
	uint64_t bits = 0;
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = e->other,
		.iova = e->iova,
		.length = 64 * PAGE,
		.page_size = PAGE,
		.data = (uintptr_t)&bits,
	};
	int ret = iommu(e, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);

	e->results[0] = bits;
	return ret;
}

static int get_hw_info(struct env *e)
{
	struct iommu_test_hw_info info = { 0 };
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = e->device[0],
		.data_len = sizeof(info),
		.data_uptr = (uintptr_t)&info,
	};
	int ret = iommu(e, IOMMU_GET_HW_INFO, &cmd);

	e->results[0] = info.test_reg;
	e->results[1] = cmd.out_data_type;
	e->results[2] = cmd.out_capabilities;
	return ret;
}

static int fault_queue(struct env *e)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int ret = iommu(e, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	e->results[0] = cmd.out_fault_id;
	e->results[1] = cmd.out_fault_fd;
	return ret;
}

/* A nested page table whose faults go to a queue. */
static int hwpt_alloc_faulting(struct env *e)
{
	struct iommu_hwpt_selftest data = { .iotlb = IOMMU_TEST_IOTLB_DEFAULT };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = e->device[0],
		.pt_id = e->other,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
		.fault_id = e->queue,
	};
	int ret = iommu(e, IOMMU_HWPT_ALLOC, &cmd);

	e->results[0] = cmd.out_hwpt_id;
	return ret;
}

static void make_parent_and_queue(struct env *e)
{
	make_parent(e);
	assert_int_equal(fault_queue(e), 0);
	e->queue = (uint32_t)e->results[0];
	e->access = (int)e->results[1];
}

static int destroy(struct env *e, uint32_t id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return iommu(e, IOMMU_DESTROY, &cmd);
}

static int destroy_ioas(struct env *e)
{
	return destroy(e, e->ioas[0]);
}

static int destroy_mock(struct env *e)
{
	return destroy(e, e->mock[0]);
}

static int destroy_other(struct env *e)
{
	return destroy(e, e->other);
}

static void make_fault_queue(struct env *e)
{
	assert_int_equal(fault_queue(e), 0);
	e->other = (uint32_t)e->results[0];
	table_close(&e->table, (int)e->results[1]);
}

/* A device as the driver would bind it, here behind the self-test's own call. */
static int mock_device(struct env *e)
{
	struct iommu_test_cmd cmd = { .op = IOMMU_TEST_OP_MOCK_DOMAIN, .id = e->ioas[0] };
	int ret = test_cmd(e, &cmd);

	e->results[0] = cmd.mock_domain.out_stdev_id;
	e->results[1] = cmd.mock_domain.out_hwpt_id;
	e->results[2] = cmd.mock_domain.out_idev_id;
	return ret;
}

static int replace(struct env *e, uint32_t pt)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		.id = e->mock[0],
		.mock_domain_replace = { .pt_id = pt },
	};
	int ret = test_cmd(e, &cmd);

	e->results[0] = cmd.mock_domain_replace.pt_id;
	return ret;
}

static int replace_by_ioas(struct env *e)
{
	return replace(e, e->ioas[1]);
}

static int replace_by_hwpt(struct env *e)
{
	return replace(e, e->other);
}

static void make_faulting(struct env *e)
{
	make_parent_and_queue(e);
	assert_int_equal(hwpt_alloc_faulting(e), 0);
	assert_int_equal(replace(e, (uint32_t)e->results[0]), 0);
}

static ssize_t queue_read(struct env *e, struct iommu_hwpt_pgfault *fault)
{
	struct file *file = table_file(&e->table, e->access);

	return file->ops->pread(file, &e->table.caller, fault, sizeof(*fault), 0);
}

/* Linux drops the fault for want of memory, and says nothing; so whether it arrived is no result. */
static int trigger_fault(struct env *e)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = { .dev_id = e->device[0],
				  .pasid = 1,
				  .grpid = 2,
				  .perm = IOMMU_PGFAULT_PERM_READ,
				  .addr = 0xdeadbeef },
	};

	return test_cmd(e, &cmd);
}

static void make_fault(struct env *e)
{
	make_faulting(e);
	assert_int_equal(trigger_fault(e), 0);
}

static int read_fault(struct env *e)
{
	struct iommu_hwpt_pgfault fault = { 0 };
	ssize_t ret = queue_read(e, &fault);

	e->results[0] = fault.addr;
	e->results[1] = fault.cookie;
	return ret == sizeof(fault) ? 0 : (int)ret;
}

static void make_hwpt(struct env *e)
{
	assert_int_equal(hwpt_alloc(e), 0);
	e->other = (uint32_t)e->results[0];
}

#endif
