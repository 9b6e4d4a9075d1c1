/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What test_fail_nth.c calls of accesses and containers, and the table of all cases.
 */
#ifndef TEST_IOMMUFD_FAIL_NTH_CASES_H
#define TEST_IOMMUFD_FAIL_NTH_CASES_H

#include "fail_nth_calls.h"
#include "vfio/abi.h"

struct failing_case {
	const char *name;
	unsigned mocks; /* how many devices are there */
	bool mapped; /* whether the buffer is mapped in the first space */
	void (*prepare)(struct env *e);
	int (*call)(struct env *e);
	bool frees; /* it takes away, so it may not fail */
};

/* Accesses. */

static int create_access(struct env *e)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_CREATE_ACCESS,
		.id = e->ioas[0],
		.create_access = { .flags = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES },
	};
	int ret = test_cmd(e, &cmd);

	e->results[0] = cmd.create_access.out_access_fd;
	return ret;
}

static void make_access(struct env *e)
{
	assert_int_equal(create_access(e), 0);
	e->access = (int)e->results[0];
}

static int access_pin(struct env *e)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_ACCESS_PAGES,
		.id = (uint32_t)e->access,
		.access_pages = { .iova = e->iova, .length = LENGTH, .uptr = (uintptr_t)buffer },
	};
	int ret = test_cmd(e, &cmd);

	e->results[0] = cmd.access_pages.out_access_pages_id;
	return ret;
}

static void make_pinned(struct env *e)
{
	make_access(e);
	assert_int_equal(access_pin(e), 0);
	e->other = (uint32_t)e->results[0];
}

static int access_unpin(struct env *e)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_DESTROY_ACCESS_PAGES,
		.id = (uint32_t)e->access,
		.destroy_access_pages = { .access_pages_id = e->other },
	};

	return test_cmd(e, &cmd);
}

static int access_rw(struct env *e, uint32_t flags)
{
	uint8_t bytes[2 * PAGE] = { 0 };
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_ACCESS_RW,
		.id = (uint32_t)e->access,
		.access_rw = { .iova = e->iova + 7,
			       .length = sizeof(bytes),
			       .uptr = (uintptr_t)bytes,
			       .flags = flags },
	};

	return test_cmd(e, &cmd);
}

static int access_read(struct env *e)
{
	return access_rw(e, 0);
}

static int access_write_slow(struct env *e)
{
	return access_rw(e, MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH);
}

static int access_replace(struct env *e)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_ACCESS_REPLACE_IOAS,
		.id = (uint32_t)e->access,
		.access_replace_ioas = { .ioas_id = e->ioas[1] },
	};

	return test_cmd(e, &cmd);
}

static int access_close(struct env *e)
{
	table_close(&e->table, e->access);
	return 0;
}

static int reserve(struct env *e)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_ADD_RESERVED,
		.id = e->ioas[1],
		.add_reserved = { .start = PAGE, .length = PAGE },
	};

	return test_cmd(e, &cmd);
}

/* A container as vfio programs see it. */

static void make_container(struct env *e)
{
	assert_int_equal(vfio_ioas_set(e), 0);
	assert_int_equal(table_ioctl(&e->table, e->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU),
			 0);
}

static int vfio_map(struct env *e)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)buffer,
		.iova = MOCK_APERTURE_START + 4 * LENGTH,
		.size = LENGTH,
	};

	return iommu(e, VFIO_IOMMU_MAP_DMA, &cmd);
}

static void make_container_mapped(struct env *e)
{
	make_container(e);
	assert_int_equal(vfio_map(e), 0);
}

/* Type 1 cuts: what remains on both sides needs memory, so this may fail. */
static int vfio_unmap_middle(struct env *e)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.iova = MOCK_APERTURE_START + 4 * LENGTH + 16 * PAGE,
		.size = 16 * PAGE,
	};
	int ret = iommu(e, VFIO_IOMMU_UNMAP_DMA, &cmd);

	e->results[0] = cmd.size;
	return ret;
}

static int vfio_info(struct env *e)
{
	uint64_t room[64] = { 0 };
	struct vfio_iommu_type1_info *cmd = (struct vfio_iommu_type1_info *)room;
	int ret;

	cmd->argsz = sizeof(room);
	ret = iommu(e, VFIO_IOMMU_GET_INFO, cmd);
	memcpy(e->results, room, sizeof(e->results));
	return ret;
}

static const struct failing_case cases[] = {
	{ "IOAS_ALLOC", .call = ioas_alloc },
	{ "IOAS_MAP", .call = map_anywhere },
	{ "IOAS_MAP fixed, one domain", .mocks = 1, .call = map_fixed },
	{ "IOAS_MAP, two domains", .mocks = 2, .prepare = make_hwpt, .call = map_anywhere },
	{ "IOAS_MAP_FILE", .mocks = 1, .call = map_file },
	{ "IOAS_COPY", .mapped = true, .call = copy_across },
	{ "IOAS_COPY within", .mapped = true, .mocks = 1, .call = copy_within },
	{ "IOAS_COPY of several", .mapped = true, .prepare = map_two_more, .call = copy_several },
	{ "IOAS_UNMAP", .mapped = true, .mocks = 1, .call = unmap, .frees = true },
	{ "IOAS_UNMAP while pinned", .mapped = true, .prepare = make_pinned, .call = unmap,
	  .frees = true },
	{ "IOAS_IOVA_RANGES", .mocks = 1, .call = iova_ranges },
	{ "IOAS_ALLOW_IOVAS", .mocks = 1, .call = allow_iovas },
	{ "OPTION", .call = huge_pages_off },
	{ "VFIO_IOAS", .call = vfio_ioas_set },
	{ "HWPT_ALLOC", .mocks = 1, .mapped = true, .call = hwpt_alloc },
	{ "HWPT_ALLOC with dirty tracking", .mocks = 1, .mapped = true, .call = hwpt_alloc_dirty },
	{ "HWPT_ALLOC nested", .mocks = 1, .prepare = make_parent, .call = hwpt_alloc_nested },
	{ "HWPT_ALLOC with a fault queue", .mocks = 1, .prepare = make_parent_and_queue,
	  .call = hwpt_alloc_faulting },
	{ "page fault", .mocks = 1, .prepare = make_faulting, .call = trigger_fault },
	{ "page fault: read", .mocks = 1, .prepare = make_fault, .call = read_fault },
	{ "HWPT_INVALIDATE", .mocks = 1, .prepare = make_nested, .call = hwpt_invalidate },
	{ "HWPT_SET_DIRTY_TRACKING", .mocks = 1, .mapped = true, .prepare = make_dirty,
	  .call = set_dirty_tracking },
	{ "HWPT_GET_DIRTY_BITMAP", .mocks = 1, .mapped = true, .prepare = make_dirtied,
	  .call = get_dirty_bitmap },
	{ "GET_HW_INFO", .mocks = 1, .call = get_hw_info },
	{ "FAULT_QUEUE_ALLOC", .call = fault_queue },
	{ "DESTROY of an address space", .mapped = true, .call = destroy_ioas, .frees = true },
	{ "DESTROY of a device", .mocks = 1, .mapped = true, .call = destroy_mock, .frees = true },
	{ "DESTROY of a page table", .mocks = 1, .mapped = true, .prepare = make_hwpt,
	  .call = destroy_other, .frees = true },
	{ "DESTROY of a nested page table", .mocks = 1, .prepare = make_nested,
	  .call = destroy_other, .frees = true },
	{ "DESTROY of a fault queue", .prepare = make_fault_queue, .call = destroy_other,
	  .frees = true },
	{ "bind and attach", .mapped = true, .call = mock_device },
	{ "attach beside another", .mocks = 1, .mapped = true, .call = mock_device },
	{ "replace by an address space", .mocks = 1, .mapped = true, .call = replace_by_ioas },
	{ "replace by a page table", .mocks = 1, .mapped = true, .prepare = make_hwpt,
	  .call = replace_by_hwpt },
	{ "replace by a nested page table", .mocks = 1, .prepare = make_nested,
	  .call = replace_by_hwpt },
	{ "access", .call = create_access },
	{ "access: pin", .mapped = true, .prepare = make_access, .call = access_pin },
	{ "access: pin, one domain", .mapped = true, .mocks = 1, .prepare = make_access,
	  .call = access_pin },
	{ "access: unpin", .mapped = true, .prepare = make_pinned, .call = access_unpin,
	  .frees = true },
	{ "access: read", .mapped = true, .prepare = make_access, .call = access_read },
	{ "access: write, slow path", .mapped = true, .prepare = make_access,
	  .call = access_write_slow },
	{ "access: replace", .mapped = true, .prepare = make_access, .call = access_replace },
	{ "access: close", .mapped = true, .prepare = make_access, .call = access_close,
	  .frees = true },
	{ "reserve", .call = reserve },
	{ "container: MAP_DMA", .mocks = 1, .prepare = make_container, .call = vfio_map },
	{ "container: UNMAP_DMA", .mocks = 1, .prepare = make_container_mapped,
	  .call = vfio_unmap_middle },
	{ "container: GET_INFO", .mocks = 1, .prepare = make_container, .call = vfio_info },
};

#endif
