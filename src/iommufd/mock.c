/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mock devices: nothing but a place behind the mock IOMMU, each in a group of
 * its own.
 */
#include "base/alloc.h"
#include "iommufd/ctx.h"

struct mock_device {
	uint32_t flags; /* MOCK_FLAGS_DEVICE_* */
};

struct mock_device *mock_device_new(uint32_t flags)
{
	struct mock_device *mock = alloc_zeroed(sizeof(*mock));

	if (mock)
		mock->flags = flags;
	return mock;
}

void mock_device_free(struct mock_device *mock)
{
	alloc_free(mock);
}

const struct iommu_kind *mock_device_kind(const struct mock_device *mock)
{
	return iommu_kind_mock(
		(mock->flags & MOCK_FLAGS_DEVICE_NO_DIRTY ? IOMMU_MOCK_NO_DIRTY : 0) |
		(mock->flags & MOCK_FLAGS_DEVICE_HUGE_IOVA ? IOMMU_MOCK_HUGE : 0));
}

unsigned mock_device_pasid_bits(const struct mock_device *mock)
{
	return mock->flags & MOCK_FLAGS_DEVICE_PASID ? MOCK_PASID_WIDTH : 0;
}
