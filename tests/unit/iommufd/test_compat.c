/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The container's ioctls on an iommufd, and where they differ from a container's.
 */
#include "../faults.h"
#include "base/vfio_abi.h"
#include "rig.h"

static int number(struct rig *rig, unsigned long cmd, unsigned long arg)
{
	return call(rig, cmd, (void *)arg);
}

static int vfio_ioas(struct rig *rig, uint16_t op, uint32_t *id)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = op, .ioas_id = *id };
	int ret = call(rig, IOMMU_VFIO_IOAS, &cmd);

	*id = cmd.ioas_id;
	return ret;
}

static int dma_map(struct rig *rig, void *addr, uint64_t size, uint64_t iova, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = size,
	};

	return call(rig, VFIO_IOMMU_MAP_DMA, &cmd);
}

static int dma_unmap(struct rig *rig, uint64_t iova, uint64_t *size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd), .flags = flags, .iova = iova, .size = *size
	};
	int ret = call(rig, VFIO_IOMMU_UNMAP_DMA, &cmd);

	*size = cmd.size;
	return ret;
}

#define RW (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static void without_a_space_there_is_no_device(void **state)
{
	struct rig *rig = *state;
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
	uint64_t size = PAGE;
	uint32_t id = 0;

	assert_int_equal(number(rig, VFIO_GET_API_VERSION, 0), VFIO_API_VERSION);
	assert_int_equal(number(rig, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU), 1);
	assert_int_equal(number(rig, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), -ENODEV);
	assert_int_equal(number(rig, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), -ENODEV);
	assert_int_equal(number(rig, VFIO_SET_IOMMU, 77), -EINVAL);
	assert_int_equal(call(rig, VFIO_IOMMU_GET_INFO, &info), -ENODEV);
	assert_int_equal(dma_map(rig, rig->buf, PAGE, 0, RW), -ENODEV);
	assert_int_equal(dma_unmap(rig, 0, &size, 0), -ENODEV);
	assert_int_equal(vfio_ioas(rig, IOMMU_VFIO_IOAS_GET, &id), -ENODEV);
	assert_int_equal(number(rig, VFIO_IOMMU_DIRTY_PAGES, 0), -ENOTTY);
	assert_int_equal(number(rig, VFIO_IOMMU_ENABLE, 0), -ENOTTY);
}

static void the_space_is_chosen_or_made_once(void **state)
{
	struct rig *rig = *state;
	const struct iommufd_link_ops *link = rig_link(rig);
	uint32_t ioas = ioas_new_id(rig), id = 77, made;

	assert_int_equal(vfio_ioas(rig, IOMMU_VFIO_IOAS_SET, &id), -ENOENT);
	id = ioas;
	assert_int_equal(vfio_ioas(rig, IOMMU_VFIO_IOAS_SET, &id), 0);
	id = 0;
	assert_int_equal(vfio_ioas(rig, IOMMU_VFIO_IOAS_GET, &id), 0);
	assert_int_equal(id, ioas);
	assert_int_equal(vfio_ioas(rig, IOMMU_VFIO_IOAS_CLEAR, &id), 0);
	assert_int_equal(vfio_ioas(rig, IOMMU_VFIO_IOAS_CLEAR, &id), 0);
	assert_int_equal(vfio_ioas(rig, 9, &id), -EOPNOTSUPP);
	assert_int_equal(link->compat_id(rig_file(rig), &id), -ENODEV);
	/* a group is put into the file */
	assert_int_equal(link->compat_create(rig_file(rig)), 0);
	assert_int_equal(link->compat_id(rig_file(rig), &made), 0);
	assert_int_equal(made, 2);
	assert_int_equal(link->compat_create(rig_file(rig)), 0);
	assert_int_equal(link->compat_id(rig_file(rig), &id), 0);
	assert_int_equal(id, made);
	/* it is an object like any other */
	assert_int_equal(destroy(rig, made), 0);
	assert_int_equal(link->compat_id(rig_file(rig), &id), -ENODEV);
}

/* A space with a mock device, as the container's; the page table in *hwpt. */
static uint32_t container(struct rig *rig, unsigned long type, uint32_t *hwpt)
{
	uint32_t ioas = ioas_new_id(rig), id = ioas;

	assert_int_equal(vfio_ioas(rig, IOMMU_VFIO_IOAS_SET, &id), 0);
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, hwpt, NULL), 0);
	assert_int_equal(number(rig, VFIO_SET_IOMMU, type), 0);
	return ioas;
}

static void v2_maps_and_unmaps_whole(void **state)
{
	struct rig *rig = *state;
	uint64_t size;
	uint32_t hwpt;

	take_faults();
	container(rig, VFIO_TYPE1v2_IOMMU, &hwpt);
	assert_int_equal(dma_map(rig, rig->buf, 4 * PAGE, BASE, 1u << 10), -EINVAL);
	assert_int_equal(dma_map(rig, rig->buf, 4 * PAGE, BASE, RW), 0);
	assert_int_equal(check_map(rig, hwpt, BASE, 4 * PAGE, rig->buf), 0);
	assert_int_equal(dma_map(rig, rig->buf, PAGE, BASE, RW), -EEXIST);
	assert_int_equal(dma_map(rig, rig->buf, PAGE, 0, RW), -EINVAL); /* below the aperture */
	assert_int_equal(dma_map(rig, rig->buf, 0, BASE, RW), -EINVAL);
	size = PAGE;
	assert_int_equal(dma_unmap(rig, BASE, &size, 0), -ENOENT); /* would cut */
	assert_int_equal(size, 0);
	size = 8 * PAGE;
	assert_int_equal(dma_unmap(rig, BASE, &size, 1u << 10), -EINVAL);
	size = 8 * PAGE;
	assert_int_equal(dma_unmap(rig, BASE, &size, 0), 0);
	assert_int_equal(size, 4 * PAGE);
	size = 8 * PAGE;
	assert_int_equal(dma_unmap(rig, BASE, &size, 0), 0); /* nothing there is no error */
	assert_int_equal(size, 0);
	assert_int_equal(call(rig, VFIO_IOMMU_MAP_DMA, (void *)8), -EFAULT);
	assert_int_equal(call(rig, VFIO_IOMMU_UNMAP_DMA, (void *)8), -EFAULT);
	assert_int_equal(call(rig, VFIO_IOMMU_GET_INFO, (void *)8), -EFAULT);
}

static void v1_may_cut_a_mapping(void **state)
{
	struct rig *rig = *state;
	uint64_t size = PAGE;
	uint32_t hwpt;

	container(rig, VFIO_TYPE1_IOMMU, &hwpt);
	assert_int_equal(dma_map(rig, rig->buf, 4 * PAGE, BASE, RW), 0);
	assert_int_equal(dma_unmap(rig, BASE + PAGE, &size, 0), 0);
	assert_int_equal(size, PAGE);
	assert_int_equal(check_map(rig, hwpt, BASE, PAGE, rig->buf), 0);
	assert_int_equal(check_map(rig, hwpt, BASE + PAGE, PAGE, rig->buf + PAGE), -EINVAL);
	assert_int_equal(check_map(rig, hwpt, BASE + 2 * PAGE, 2 * PAGE, rig->buf + 2 * PAGE), 0);
	assert_int_equal(check_refs(rig, rig->buf + PAGE, PAGE, 0), 0);
	assert_int_equal(check_refs(rig, rig->buf + 2 * PAGE, PAGE, 1), 0);
}

static void everything_goes_with_the_all_flag(void **state)
{
	struct rig *rig = *state;
	uint64_t size = PAGE;
	uint32_t hwpt;

	container(rig, VFIO_TYPE1v2_IOMMU, &hwpt);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(dma_map(rig, rig->buf, PAGE, BASE + 2 * i * PAGE, RW), 0);
	assert_int_equal(dma_unmap(rig, 0, &size, VFIO_DMA_UNMAP_FLAG_ALL), -EINVAL);
	size = 0;
	assert_int_equal(dma_unmap(rig, BASE, &size, VFIO_DMA_UNMAP_FLAG_ALL), -EINVAL);
	assert_int_equal(dma_unmap(rig, 0, &size, VFIO_DMA_UNMAP_FLAG_ALL), 0);
	assert_int_equal(size, 3 * PAGE);
	size = 0;
	assert_int_equal(dma_unmap(rig, 0, &size, VFIO_DMA_UNMAP_FLAG_ALL), 0);
	assert_int_equal(size, 0);
}

static void extensions_are_zero_or_one(void **state)
{
	static const struct {
		unsigned long extension;
		int answer;
	} asked[] = {
		{ VFIO_TYPE1_IOMMU, 1 },
		{ VFIO_TYPE1v2_IOMMU, 1 },
		{ VFIO_UNMAP_ALL, 1 },
		{ VFIO_UPDATE_VADDR, 0 },
		{ VFIO_TYPE1_NESTING_IOMMU, 0 },
		{ VFIO_NOIOMMU_IOMMU, 1 },
		{ VFIO_EEH, 0 },
		{ 77, 0 },
	};
	struct rig *rig = *state;
	struct rf_device *dev = rig_device(iommu_kind_find(NULL), 1);
	uint32_t hwpt, ioas = container(rig, VFIO_TYPE1v2_IOMMU, &hwpt), id, pt;
	struct iommufd_device *idev;
	struct rf_group *group;

	for (unsigned i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		assert_int_equal(number(rig, VFIO_CHECK_EXTENSION, asked[i].extension),
				 asked[i].answer);
	/* the mock IOMMU does not enforce coherency, a machine's does */
	assert_int_equal(number(rig, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 0);
	ioas = ioas_new_id(rig);
	assert_int_equal(vfio_ioas(rig, IOMMU_VFIO_IOAS_SET, &ioas), 0);
	assert_int_equal(group_new(1, &group), 0);
	assert_int_equal(group_add_device(group, dev), 0);
	assert_int_equal(rig_link(rig)->bind(rig_file(rig), dev, &idev, &id), 0);
	pt = ioas;
	assert_int_equal(rig_link(rig)->attach(idev, &pt), 0);
	assert_int_equal(number(rig, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 1);
	rig_link(rig)->unbind(idev);
	group_free(group);
	device_free(dev);
}

static void info_grows_until_all_of_it_fits(void **state)
{
	struct rig *rig = *state;
	union {
		struct vfio_iommu_type1_info info;
		uint8_t bytes[256];
	} reply;
	struct vfio_iommu_type1_info_cap_iova_range *ranges;
	struct vfio_iommu_type1_info_dma_avail *avail;
	uint32_t hwpt, wanted;

	container(rig, VFIO_TYPE1v2_IOMMU, &hwpt);
	memset(&reply, 0xee, sizeof(reply));
	reply.info.argsz = 15;
	assert_int_equal(call(rig, VFIO_IOMMU_GET_INFO, &reply), -EINVAL);
	reply.info.argsz = 16;
	assert_int_equal(call(rig, VFIO_IOMMU_GET_INFO, &reply), 0);
	wanted = reply.info.argsz;
	assert_int_equal(wanted, 24 + 16 + 32);
	assert_int_equal(reply.info.flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
	assert_int_equal(reply.info.iova_pgsizes, PAGE); /* 2 KiB pages are cut from it */
	assert_int_equal(reply.info.cap_offset, 0xeeeeeeee); /* not known to that caller */

	reply.info.argsz = wanted - 1;
	assert_int_equal(call(rig, VFIO_IOMMU_GET_INFO, &reply), 0);
	assert_int_equal(reply.info.argsz, wanted);
	assert_int_equal(reply.info.cap_offset, 0);

	memset(&reply, 0xee, sizeof(reply));
	reply.info.argsz = wanted;
	assert_int_equal(call(rig, VFIO_IOMMU_GET_INFO, &reply), 0);
	assert_int_equal(reply.info.cap_offset, 24);
	avail = (void *)(reply.bytes + 24);
	assert_int_equal(avail->header.id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	assert_int_equal(avail->header.version, 1);
	assert_int_equal(avail->avail, UINT32_MAX);
	assert_int_equal(avail->header.next, 40);
	ranges = (void *)(reply.bytes + 40);
	assert_int_equal(ranges->header.id, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	assert_int_equal(ranges->header.next, 0);
	assert_int_equal(ranges->nr_iovas, 1);
	assert_int_equal(ranges->iova_ranges[0].start, MOCK_APERTURE_START);
	assert_int_equal(ranges->iova_ranges[0].end, MOCK_APERTURE_LAST);
	assert_int_equal(reply.bytes[wanted], 0xee);
}

/* Ranges come first, so that who has no room for the end finds no head of them either. */
static void info_that_does_not_fit_is_written_in_order(void **state)
{
	struct rig *rig = *state;
	struct vfio_iommu_type1_info *info;
	uint8_t *end;
	uint32_t hwpt;

	take_faults();
	container(rig, VFIO_TYPE1v2_IOMMU, &hwpt);
	assert_int_equal(mprotect(rig->buf + PAGE, PAGE, PROT_NONE), 0);
	end = rig->buf + PAGE;
	info = (void *)(end - 50);
	memset(info, 0xee, 50);
	*info = (struct vfio_iommu_type1_info){ .argsz = 200 };
	assert_int_equal(call(rig, VFIO_IOMMU_GET_INFO, info), -EFAULT);
	assert_int_equal(info->argsz, 200);
	assert_int_equal(((uint8_t *)info)[24], VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	for (unsigned i = 40; i < 50; i++)
		assert_int_equal(((uint8_t *)info)[i], 0xee);
	assert_int_equal(mprotect(rig->buf + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
}

static void bars_are_no_memory(void **state)
{
	struct rig *rig = *state;
	struct rf_owner *owner = rig->table.caller.owner;
	uintptr_t bar = (uintptr_t)rig->buf + 4 * PAGE;
	uint32_t hwpt, ioas = container(rig, VFIO_TYPE1v2_IOMMU, &hwpt);

	assert_int_equal(owner_add_device_range(owner, bar, 2 * PAGE, RF_READ | RF_WRITE), 0);
	assert_int_equal(dma_map(rig, rig->buf + 4 * PAGE, PAGE, BASE, RW), -EFAULT);
	assert_int_equal(dma_map(rig, rig->buf, 8 * PAGE, BASE, RW), -EFAULT);
	assert_int_equal(dma_map(rig, rig->buf, 5 * PAGE, BASE, RW), -EFAULT);
	assert_int_equal(dma_map(rig, rig->buf + 5 * PAGE, 2 * PAGE, BASE, RW), -EFAULT);
	assert_int_equal(map_fixed(rig, ioas, rig->buf + 4 * PAGE, PAGE, BASE), -EFAULT);
	assert_int_equal(dma_map(rig, rig->buf, 4 * PAGE, BASE, RW), 0);
	assert_int_equal(dma_map(rig, rig->buf + 6 * PAGE, PAGE, BASE + 8 * PAGE, RW), 0);
	owner_del_device_range(owner, bar, 2 * PAGE);
	assert_int_equal(dma_map(rig, rig->buf + 4 * PAGE, PAGE, BASE + 4 * PAGE, RW), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(without_a_space_there_is_no_device),
		RIG_TEST(the_space_is_chosen_or_made_once),
		RIG_TEST(v2_maps_and_unmaps_whole),
		RIG_TEST(v1_may_cut_a_mapping),
		RIG_TEST(everything_goes_with_the_all_flag),
		RIG_TEST(extensions_are_zero_or_one),
		RIG_TEST(info_grows_until_all_of_it_fits),
		RIG_TEST(info_that_does_not_fit_is_written_in_order),
		RIG_TEST(bars_are_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
