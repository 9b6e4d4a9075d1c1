/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modelled devices bound to an iommufd, as vfio binds them: who owns a group, what
 * is reserved, and where DMA goes.
 */
#include "../faults.h"
#include "base/log.h"
#include "rig.h"

struct devices {
	struct rf_device *dev[3]; /* 0 and 1 share a group */
	struct rf_group *group[2];
};

static struct devices devices_new(const struct iommu_kind *kind)
{
	struct devices d;

	log_set_level(LOG_ERROR);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(group_new(i + 1, &d.group[i]), 0);
	for (unsigned i = 0; i < 3; i++) {
		d.dev[i] = rig_device(kind, i + 1);
		assert_int_equal(group_add_device(d.group[i / 2], d.dev[i]), 0);
	}
	return d;
}

static void devices_free(struct devices *d)
{
	for (unsigned i = 0; i < 2; i++)
		group_free(d->group[i]);
	for (unsigned i = 0; i < 3; i++)
		device_free(d->dev[i]);
}

static struct iommufd_device *bind(struct rig *rig, struct rf_device *dev, uint32_t *id)
{
	struct iommufd_device *idev;

	assert_int_equal(rig_link(rig)->bind(rig_file(rig), dev, &idev, id), 0);
	return idev;
}

static bool reads(struct rf_device *dev, uint64_t iova, uint8_t expected)
{
	uint8_t byte = 0;

	return !rf_dma_read(dev, iova, &byte, 1) && byte == expected;
}

static void binding_owns_the_whole_group(void **state)
{
	struct rig *rig = *state;
	const struct iommufd_link_ops *link = rig_link(rig);
	struct devices d = devices_new(iommu_kind_find(NULL));
	int second = rig_open(rig);
	struct file *other = table_file(&rig->table, second);
	struct iommufd_device *a, *b, *none;
	uint32_t id[2], x;

	a = bind(rig, d.dev[0], &id[0]);
	assert_int_equal(link->id(a), id[0]);
	assert_ptr_equal(link->file(a), rig_file(rig));
	assert_true(link->has_group(rig_file(rig), d.group[0]));
	assert_false(link->has_group(rig_file(rig), d.group[1]));
	assert_false(link->has_group(other, d.group[0]));
	assert_int_equal(link->bind(other, d.dev[1], &none, &x), -EPERM);
	b = bind(rig, d.dev[1], &id[1]);
	assert_int_not_equal(id[0], id[1]);
	assert_int_equal(destroy(rig, id[0]), -EBUSY);
	link->unbind(a);
	assert_int_equal(link->bind(other, d.dev[0], &none, &x), -EPERM);
	link->unbind(b);
	assert_false(link->has_group(rig_file(rig), d.group[0]));
	assert_int_equal(link->bind(other, d.dev[0], &none, &x), 0);
	link->unbind(none);
	devices_free(&d);
}

static void a_host_driver_keeps_the_group(void **state)
{
	static char nvme[] = "nvme";
	struct rig *rig = *state;
	struct devices d = devices_new(iommu_kind_find(NULL));
	struct iommufd_device *none;
	uint32_t id;

	d.dev[1]->host_driver = nvme;
	assert_int_equal(rig_link(rig)->bind(rig_file(rig), d.dev[0], &none, &id), -EPERM);
	d.dev[1]->host_driver = NULL;
	rig_link(rig)->unbind(bind(rig, d.dev[0], &id));
	devices_free(&d);
}

static void interrupts_must_be_isolated_unless_allowed(void **state)
{
	struct rig *rig = *state;
	struct iommu_kind kind = *iommu_kind_find(NULL);
	struct iommufd_device *none;
	struct devices d;
	uint32_t id;

	kind.irq_remapping = false;
	d = devices_new(&kind);
	assert_int_equal(rig_link(rig)->bind(rig_file(rig), d.dev[0], &none, &id), -EPERM);
	rig->options.unsafe_interrupts = true;
	rig_link(rig)->unbind(bind(rig, d.dev[0], &id));
	devices_free(&d);
}

static void a_device_without_a_group_cannot_be_bound(void **state)
{
	struct rig *rig = *state;
	struct rf_device *dev = rig_device(iommu_kind_find(NULL), 9);
	struct iommufd_device *none;
	uint32_t id;

	assert_int_equal(rig_link(rig)->bind(rig_file(rig), dev, &none, &id), -ENODEV);
	device_free(dev);
}

static void dma_goes_where_the_device_is_attached(void **state)
{
	struct rig *rig = *state;
	const struct iommufd_link_ops *link = rig_link(rig);
	struct devices d = devices_new(iommu_kind_find(NULL));
	uint32_t ioas[2] = { ioas_new_id(rig), ioas_new_id(rig) }, id, pt;
	struct iommufd_device *idev;

	rig->buf[PAGE] = 0x11;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(map_fixed(rig, ioas[i], rig->buf + i * PAGE, PAGE, 0x10000), 0);
	idev = bind(rig, d.dev[0], &id);
	assert_false(reads(d.dev[0], 0x10000, 0x5a));
	pt = 77;
	assert_int_equal(link->attach(idev, &pt), -ENOENT);
	pt = id;
	assert_int_equal(link->attach(idev, &pt), -EINVAL);
	assert_false(link->attached(idev));
	pt = ioas[0];
	assert_int_equal(link->attach(idev, &pt), 0);
	assert_int_not_equal(pt, ioas[0]); /* it became the page table's */
	assert_true(link->attached(idev));
	assert_true(reads(d.dev[0], 0x10000, 0x5a));
	assert_true(reads(d.dev[1], 0x10000, 0x5a)); /* the group goes together */
	pt = ioas[1];
	assert_int_equal(link->attach(idev, &pt), 0); /* a replacement */
	assert_true(reads(d.dev[0], 0x10000, 0x11));
	pt = 77;
	assert_int_equal(link->attach(idev, &pt), -ENOENT);
	assert_true(reads(d.dev[0], 0x10000, 0x11));
	link->detach(idev);
	link->detach(idev);
	assert_false(reads(d.dev[0], 0x10000, 0x11));
	pt = ioas[0];
	assert_int_equal(link->attach(idev, &pt), 0);
	link->unbind(idev); /* detaches too */
	assert_false(reads(d.dev[0], 0x10000, 0x5a));
	assert_int_equal(destroy(rig, ioas[0]), 0);
	devices_free(&d);
}

static void devices_of_a_group_follow_the_first(void **state)
{
	struct rig *rig = *state;
	const struct iommufd_link_ops *link = rig_link(rig);
	struct devices d = devices_new(iommu_kind_find(NULL));
	uint32_t ioas[2] = { ioas_new_id(rig), ioas_new_id(rig) }, id, pt, hwpt;
	struct iommufd_device *idev[2] = { bind(rig, d.dev[0], &id), bind(rig, d.dev[1], &id) };

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(map_fixed(rig, ioas[i], rig->buf, PAGE, 0x10000), 0);
	pt = ioas[0];
	assert_int_equal(link->attach(idev[0], &pt), 0);
	hwpt = pt;
	/* another table for the second alone is out of the question */
	pt = ioas[1];
	assert_int_equal(link->attach(idev[1], &pt), -EINVAL);
	pt = ioas[0];
	assert_int_equal(link->attach(idev[1], &pt), 0);
	assert_int_equal(pt, hwpt);
	/* but either takes both along */
	pt = ioas[1];
	assert_int_equal(link->attach(idev[1], &pt), 0);
	assert_int_equal(destroy(rig, hwpt), -ENOENT);
	assert_int_equal(destroy(rig, ioas[0]), 0);
	link->detach(idev[0]);
	assert_true(reads(d.dev[0], 0x10000, 0x5a)); /* as long as one is attached */
	link->detach(idev[1]);
	assert_false(reads(d.dev[0], 0x10000, 0x5a));
	assert_int_equal(destroy(rig, ioas[1]), 0);
	link->unbind(idev[0]);
	link->unbind(idev[1]);
	devices_free(&d);
}

static void what_the_iommu_reserves_is_kept_free(void **state)
{
	struct rig *rig = *state;
	const struct iommufd_link_ops *link = rig_link(rig);
	struct devices d = devices_new(iommu_kind_find(NULL));
	uint32_t ioas[2] = { ioas_new_id(rig), ioas_new_id(rig) }, id, pt;
	struct iommufd_device *idev = bind(rig, d.dev[0], &id);

	assert_int_equal(map_fixed(rig, ioas[0], rig->buf, PAGE, 0xfee00000), 0);
	pt = ioas[0];
	assert_int_equal(link->attach(idev, &pt), -EADDRINUSE);
	pt = ioas[1];
	assert_int_equal(link->attach(idev, &pt), 0);
	pt = ioas[0];
	assert_int_equal(link->attach(idev, &pt), -EADDRINUSE);
	/* nothing has changed by that */
	assert_int_equal(map_fixed(rig, ioas[1], rig->buf, PAGE, 0xfee00000), -EINVAL);
	assert_int_equal(map_fixed(rig, ioas[1], rig->buf, PAGE, 1ull << 48), -EINVAL);
	assert_int_equal(unmap(rig, ioas[0], 0xfee00000, PAGE, NULL), 0);
	pt = ioas[0];
	assert_int_equal(link->attach(idev, &pt), 0);
	assert_int_equal(map_fixed(rig, ioas[1], rig->buf, PAGE, 0xfee00000), 0);
	link->unbind(idev);
	assert_int_equal(map_fixed(rig, ioas[0], rig->buf, PAGE, 0xfee00000), 0);

	/* it is told before memory that is not there, and left again when that is told */
	idev = bind(rig, d.dev[0], &id);
	take_faults();
	assert_int_equal(map_fixed(rig, ioas[0], (void *)PAGE, PAGE, 0x1000000), 0);
	pt = ioas[0];
	assert_int_equal(link->attach(idev, &pt), -EADDRINUSE);
	assert_int_equal(unmap(rig, ioas[0], 0xfee00000, PAGE, NULL), 0);
	assert_int_equal(link->attach(idev, &pt), -EFAULT);
	assert_int_equal(map_fixed(rig, ioas[0], rig->buf, PAGE, 0xfee00000), 0);
	link->unbind(idev);
	devices_free(&d);
}

static void tables_suit_devices_of_their_own_iommu(void **state)
{
	struct rig *rig = *state;
	const struct iommufd_link_ops *link = rig_link(rig);
	struct devices d = devices_new(iommu_kind_find(NULL));
	uint32_t ioas = ioas_new_id(rig), id, pt, mock_hwpt, hwpt, out;
	struct iommufd_device *idev = bind(rig, d.dev[0], &id);

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, &mock_hwpt, NULL), 0);
	pt = mock_hwpt;
	assert_int_equal(link->attach(idev, &pt), -EINVAL);
	assert_int_equal(hwpt_alloc(rig, id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &out),
			 -EOPNOTSUPP);
	pt = ioas;
	assert_int_equal(link->attach(idev, &pt), 0); /* one of its own */
	hwpt = pt;
	assert_int_not_equal(hwpt, mock_hwpt);
	/* both are filled */
	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, BASE), 0);
	assert_int_equal(check_map(rig, mock_hwpt, BASE, PAGE, rig->buf), 0);
	assert_int_equal(check_map(rig, hwpt, BASE, PAGE, rig->buf), -EINVAL); /* no mock's */
	assert_true(reads(d.dev[0], BASE, 0x5a));
	link->unbind(idev);
	devices_free(&d);
}

static void a_bound_device_keeps_the_file(void **state)
{
	struct rig *rig = *state;
	const struct iommufd_link_ops *link = rig_link(rig);
	struct devices d = devices_new(iommu_kind_find(NULL));
	uint32_t ioas = ioas_new_id(rig), id;
	struct iommufd_device *idev = bind(rig, d.dev[0], &id);

	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, 0x10000), 0);
	assert_int_equal(link->attach(idev, &(uint32_t){ ioas }), 0);
	table_close(&rig->table, rig->fd);
	assert_true(reads(d.dev[0], 0x10000, 0x5a));
	link->unbind(idev);
	rig->fd = rig_open(rig);
	assert_int_equal(check_refs(rig, rig->buf, PAGE, 0), 0);
	devices_free(&d);
}

static void hw_info_is_vtd_s(void **state)
{
	struct rig *rig = *state;
	struct devices d = devices_new(iommu_kind_find(NULL));
	struct iommu_hw_info_vtd vtd;
	uint32_t id;
	struct iommufd_device *idev = bind(rig, d.dev[0], &id);
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = id,
		.data_len = sizeof(vtd),
		.data_uptr = (uintptr_t)&vtd,
	};

	assert_int_equal(call(rig, IOMMU_GET_HW_INFO, &cmd), 0);
	assert_int_equal(cmd.out_data_type, IOMMU_HW_INFO_TYPE_INTEL_VTD);
	assert_int_equal(cmd.data_len, sizeof(vtd));
	assert_int_equal(cmd.out_capabilities, IOMMU_HW_CAP_DIRTY_TRACKING);
	assert_int_equal((vtd.cap_reg >> 16 & 0x3f) + 1, 48); /* guest address width */
	assert_int_equal(vtd.cap_reg >> 34 & 3, 3); /* 2 MiB and 1 GiB pages */
	assert_true(vtd.ecap_reg & 1ull << 45); /* dirty bits */
	assert_false(vtd.ecap_reg & 1ull << 26); /* no nesting */
	rig_link(rig)->unbind(idev);
	devices_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(binding_owns_the_whole_group),
		RIG_TEST(a_host_driver_keeps_the_group),
		RIG_TEST(interrupts_must_be_isolated_unless_allowed),
		RIG_TEST(a_device_without_a_group_cannot_be_bound),
		RIG_TEST(dma_goes_where_the_device_is_attached),
		RIG_TEST(devices_of_a_group_follow_the_first),
		RIG_TEST(what_the_iommu_reserves_is_kept_free),
		RIG_TEST(tables_suit_devices_of_their_own_iommu),
		RIG_TEST(a_bound_device_keeps_the_file),
		RIG_TEST(hw_info_is_vtd_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
