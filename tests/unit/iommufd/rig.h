/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An open /dev/iommu with a program's usual calls, in this process.
 */
#ifndef TEST_IOMMUFD_RIG_H
#define TEST_IOMMUFD_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/iommufd_link.h"
#include "bus/device.h"
#include "group/group.h"
#include "iommufd/abi.h"
#include "iommufd/iommufd.h"
#include "iommufd/selftest.h"
#include "memory/fault.h"
#include "memory/owner.h"
#include "table.h"

#define PAGE	 4096ul
#define BUF_SIZE (64 * PAGE)
#define BASE	 MOCK_APERTURE_START

struct rig {
	struct table table;
	struct iommufd_options options;
	int fd;
	uint8_t *buf; /* BUF_SIZE bytes that can be mapped */
};

static inline int rig_open(struct rig *rig)
{
	struct file *file;

	assert_int_equal(iommufd_open(&rig->options, &file), 0);
	return table_install(&rig->table.caller, file, O_RDWR);
}

static inline void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	assert_int_equal(fault_install(), 0);
	table_init(&rig->table, owner_new_self());
	assert_non_null(rig->table.caller.owner);
	rig->options.selftest = true;
	rig->fd = rig_open(rig);
	rig->buf = mmap(NULL, BUF_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(rig->buf, MAP_FAILED);
	memset(rig->buf, 0x5a, BUF_SIZE);
}

static inline void rig_fini(struct rig *rig)
{
	table_close_all(&rig->table);
	munmap(rig->buf, BUF_SIZE);
	owner_free(rig->table.caller.owner);
}

static inline int rig_setup(void **state)
{
	static struct rig rig;

	rig_init(&rig);
	*state = &rig;
	return 0;
}

static inline int rig_teardown(void **state)
{
	rig_fini(*state);
	return 0;
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

static inline int call(struct rig *rig, unsigned long cmd, void *arg)
{
	return table_ioctl(&rig->table, rig->fd, cmd, arg);
}

static inline uint32_t ioas_new_id(struct rig *rig)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };

	assert_int_equal(call(rig, IOMMU_IOAS_ALLOC, &cmd), 0);
	return cmd.out_ioas_id;
}

static inline int destroy(struct rig *rig, uint32_t id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return call(rig, IOMMU_DESTROY, &cmd);
}

static inline int map_fixed(struct rig *rig, uint32_t ioas, void *addr, uint64_t length,
			    uint64_t iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)addr,
		.length = length,
		.iova = iova,
	};

	return call(rig, IOMMU_IOAS_MAP, &cmd);
}

static inline int unmap(struct rig *rig, uint32_t ioas, uint64_t iova, uint64_t length,
			uint64_t *unmapped)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .iova = iova, .length = length
	};
	int ret = call(rig, IOMMU_IOAS_UNMAP, &cmd);

	if (unmapped)
		*unmapped = cmd.length;
	return ret;
}

/* A mock device attached to @pt; *stdev, *hwpt and *idev filled where not NULL. */
static inline int mock_domain(struct rig *rig, uint32_t pt, uint32_t flags, uint32_t *stdev,
			      uint32_t *hwpt, uint32_t *idev)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
		.id = pt,
		.mock_domain_flags = { .dev_flags = flags },
	};
	int ret = call(rig, IOMMU_TEST_CMD, &cmd);

	if (stdev)
		*stdev = cmd.mock_domain_flags.out_stdev_id;
	if (hwpt)
		*hwpt = cmd.mock_domain_flags.out_hwpt_id;
	if (idev)
		*idev = cmd.mock_domain_flags.out_idev_id;
	return ret;
}

static inline int mock_replace(struct rig *rig, uint32_t stdev, uint32_t *pt)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
		.id = stdev,
		.mock_domain_replace = { .pt_id = *pt },
	};
	int ret = call(rig, IOMMU_TEST_CMD, &cmd);

	if (!ret)
		*pt = cmd.mock_domain_replace.pt_id;
	return ret;
}

static inline int check_map(struct rig *rig, uint32_t hwpt, uint64_t iova, uint64_t length,
			    void *addr)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_CHECK_MAP,
		.id = hwpt,
		.check_map = { .iova = iova, .length = length, .uptr = (uintptr_t)addr },
	};

	return call(rig, IOMMU_TEST_CMD, &cmd);
}

static inline int check_refs(struct rig *rig, void *addr, uint64_t length, uint32_t refs)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_CHECK_REFS,
		.check_refs = { .length = length, .uptr = (uintptr_t)addr, .refs = refs },
	};

	return call(rig, IOMMU_TEST_CMD, &cmd);
}

static inline int hwpt_alloc(struct rig *rig, uint32_t dev, uint32_t pt, uint32_t flags,
			     uint32_t *out)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flags, .dev_id = dev, .pt_id = pt
	};
	int ret = call(rig, IOMMU_HWPT_ALLOC, &cmd);

	*out = cmd.out_hwpt_id;
	return ret;
}

static inline int nested_alloc(struct rig *rig, uint32_t dev, uint32_t parent, uint32_t flags,
			       uint32_t fault, uint32_t *out)
{
	struct iommu_hwpt_selftest data = { .iotlb = IOMMU_TEST_IOTLB_DEFAULT };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = dev,
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
		.fault_id = fault,
	};
	int ret = call(rig, IOMMU_HWPT_ALLOC, &cmd);

	*out = cmd.out_hwpt_id;
	return ret;
}

/* Modelled devices: each of them in group 1, 2 ... alone, unless it joins one. */
static const struct rf_pci_model rig_model = { .abi = RF_MODEL_ABI, .name = "plain" };

static inline struct rf_device *rig_device(const struct iommu_kind *kind, unsigned slot)
{
	const struct pci_address at = { .bus = 1, .slot = (uint8_t)slot };
	struct rf_device *dev;
	char *error;

	assert_int_equal(device_new(&rig_model, &at, NULL, &dev, &error), 0);
	dev->iommu = kind;
	config_write(dev, 4, 4, 2); /* bus master */
	return dev;
}

static inline const struct iommufd_link_ops *rig_link(struct rig *rig)
{
	return table_file(&rig->table, rig->fd)->ops->iommufd;
}

static inline struct file *rig_file(struct rig *rig)
{
	return table_file(&rig->table, rig->fd);
}

#endif
