/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Containers and groups: who holds whom, and what is refused.
 */
#include "ioas/ioas.h"
#include "iommu/kind.h"
#include "iommufd/iommufd.h"
#include "probe.h"

static char page[4096] __attribute__((aligned(4096)));

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig_init(rig);
	rig_add(rig, &probe_model, "0000:01:00.0", iommu_kind_find("x86"), NULL);
	rig_add(rig, &plain_model, "0000:02:00.0", iommu_kind_find("x86"), NULL);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

static long map_page(struct rig *rig, int c, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)page,
		.iova = iova,
		.size = sizeof(page),
	};

	return rig_ioctl(rig, c, VFIO_IOMMU_MAP_DMA, &map);
}

static uint32_t group_flags(struct rig *rig, int g)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_GET_STATUS, &status), 0);
	return status.flags;
}

static void last_group_takes_iommu_and_mappings_along(void **state)
{
	struct rig *rig = *state;
	int c, g;

	rig_attach(rig, 1, VFIO_TYPE1v2_IOMMU, &c, &g);
	assert_int_equal(map_page(rig, c, 0), 0);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(map_page(rig, c, 0), -EINVAL);
	assert_null(rig->groups[0]->ioas);

	/* and the container starts anew */
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(map_page(rig, c, 0), 0);
}

static void mappings_stay_while_one_group_does(void **state)
{
	struct rig *rig = *state;
	int c, g, other;

	rig_attach(rig, 1, VFIO_TYPE1v2_IOMMU, &c, &g);
	assert_int_equal(map_page(rig, c, 0), 0);
	other = rig_open_group(rig, 2);
	/* a group that comes after SET_IOMMU is attached at once */
	assert_int_equal(rig_ioctl(rig, other, VFIO_GROUP_SET_CONTAINER, &c), 0);
	assert_ptr_equal(rig->groups[1]->ioas, rig->groups[0]->ioas);
	rig_close(rig, g);
	assert_null(rig->groups[0]->ioas);
	assert_int_equal(map_page(rig, c, 0), -EEXIST);
}

static void container_lives_on_without_its_descriptor(void **state)
{
	struct rig *rig = *state;
	struct area_info area;
	int c, g, d;

	rig_attach(rig, 1, VFIO_TYPE1v2_IOMMU, &c, &g);
	assert_int_equal(map_page(rig, c, 0x10000), 0);
	rig_close(rig, c);
	d = rig_device(rig, g, 1);
	assert_true(d >= 0);
	assert_true(ioas_find(rig->groups[0]->ioas, 0x10000, &area));
	assert_int_equal(area.addr, (uintptr_t)page);
}

static void open_device_holds_group_and_container(void **state)
{
	struct rig *rig = *state;
	int c, g, d;

	rig_attach(rig, 1, VFIO_TYPE1v2_IOMMU, &c, &g);
	d = rig_device(rig, g, 1);
	assert_int_equal(rig->last_oflags, O_RDWR | O_CLOEXEC);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	rig_close(rig, g);
	rig_close(rig, c);
	assert_int_equal(rig_open_group(rig, 1), -EBUSY);
	assert_int_equal(probe_config(rig, d, 0, 4), 0x56781234);
	rig_close(rig, d);
	g = rig_open_group(rig, 1);
	assert_true(g >= 0);
	assert_int_equal(group_flags(rig, g), VFIO_GROUP_FLAGS_VIABLE);
}

static void group_in_use_by_the_host_is_refused(void **state)
{
	static char driver[] = "nvme";
	struct rig *rig = *state;
	int c = rig_open_container(rig), g = rig_open_group(rig, 1);
	struct rf_device *other;

	assert_int_equal(device_new_plain("0000:01:00.1", &other), 0);
	other->iommu = rig->devices[0]->iommu;
	assert_int_equal(group_add_device(rig->groups[0], other), 0);
	other->host_driver = driver;
	assert_int_equal(group_flags(rig, g), 0);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), -EPERM);
	other->host_driver = NULL;
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	assert_int_equal(group_flags(rig, g),
			 VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET);
	rig_close(rig, g);
	group_remove_device(other);
	device_free(other);
}

/* As on Linux, where the group's file of before is nothing any more. */
static void group_ends_with_its_last_device(void **state)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct rig *rig = *state;
	int c, g, again;

	rig_attach(rig, 1, VFIO_TYPE1v2_IOMMU, &c, &g);
	assert_int_equal(map_page(rig, c, 0), 0);
	vfio_group_recheck(rig->groups[0]);
	assert_int_equal(map_page(rig, c, 4096), 0);
	rig->devices[0]->host_driver = NULL;
	vfio_group_recheck(rig->groups[0]);
	assert_int_equal(map_page(rig, c, 0), -EINVAL);
	assert_null(rig->groups[0]->ioas);
	assert_int_equal(rig_open_group(rig, 1), -ENODEV);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_UNSET_CONTAINER, NULL), -EINVAL);

	/* and when there is one again, who had the old one does not have it */
	rig->devices[0]->host_driver = rig_driver;
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_GET_STATUS, &status), -ENODEV);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), -ENODEV);
	assert_int_equal(rig_device(rig, g, 1), -ENODEV);
	again = rig_open_group(rig, 1);
	assert_true(again >= 0);
	rig_close(rig, g);
	assert_int_equal(rig_open_group(rig, 1), -EBUSY);
	assert_int_equal(rig_ioctl(rig, again, VFIO_GROUP_SET_CONTAINER, &c), 0);
}

static void group_whose_dma_is_somebodys_is_not_viable(void **state)
{
	struct rig *rig = *state;
	int c = rig_open_container(rig), g = rig_open_group(rig, 1);

	assert_int_equal(group_claim_dma(rig->groups[0], rig), 0);
	assert_int_equal(group_flags(rig, g), 0);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), -EPERM);
	group_release_dma(rig->groups[0]);
	assert_int_equal(group_flags(rig, g), VFIO_GROUP_FLAGS_VIABLE);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), 0);
}

static void without_interrupt_remapping_only_unsafe_machines_assign(void **state)
{
	struct rig *rig = *state;
	struct iommu_kind kind = *iommu_kind_find("x86");
	int c, g;

	kind.irq_remapping = false;
	rig->devices[0]->iommu = &kind;
	c = rig_open_container(rig);
	g = rig_open_group(rig, 1);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), -EPERM);
	rig->options.unsafe_interrupts = true;
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	rig_close(rig, g);
}

static void an_iommu_of_power_has_no_type1(void **state)
{
	struct rig *rig = *state;
	int c, g;

	rig->devices[0]->iommu = iommu_kind_find("spapr");
	c = rig_open_container(rig);
	g = rig_open_group(rig, 1);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), -ENODEV);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), -ENODEV);
	rig_close(rig, g);
}

static void a_machine_of_power_claims_no_type1(void **state)
{
	static const unsigned long extensions[] = {
		VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_NESTING_IOMMU,
		VFIO_UNMAP_ALL,	  VFIO_UPDATE_VADDR,
	};
	struct rig *rig = *state;
	int c = rig_open_container(rig), g = rig_open_group(rig, 1);

	rig->options.no_type1 = true;
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		assert_int_equal(rig_ioctl_number(rig, c, VFIO_CHECK_EXTENSION, extensions[i]), 0);
		assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, extensions[i]), -ENODEV);
	}
	assert_null(rig->groups[0]->ioas);
	rig_close(rig, g);
}

static void coherence_is_that_of_the_iommus(void **state)
{
	struct rig *rig = *state;
	int c = rig_open_container(rig), g = rig_open_group(rig, 1), h = rig_open_group(rig, 2);

	rig->devices[1]->iommu = iommu_kind_find("x86-39");
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 0);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 1);
	assert_int_equal(rig_ioctl(rig, h, VFIO_GROUP_SET_CONTAINER, &c), 0);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 0);
	assert_int_equal(rig_ioctl(rig, h, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 1);
}

static void failed_set_iommu_leaves_no_group_attached(void **state)
{
	struct rig *rig = *state;
	struct iommu_kind kind = *iommu_kind_find("x86");
	int c = rig_open_container(rig), g = rig_open_group(rig, 1), h = rig_open_group(rig, 2);

	kind.irq_remapping = false;
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	assert_int_equal(rig_ioctl(rig, h, VFIO_GROUP_SET_CONTAINER, &c), 0);
	for (unsigned bad = 0; bad < 2; bad++) {
		rig->devices[bad]->iommu = &kind;
		assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU),
				 -EPERM);
		assert_null(rig->groups[0]->ioas);
		assert_null(rig->groups[1]->ioas);
		rig->devices[bad]->iommu = iommu_kind_find("x86");
	}
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	assert_non_null(rig->groups[0]->ioas);
	assert_non_null(rig->groups[1]->ioas);
}

static void nesting_can_be_asked_about_but_not_had(void **state)
{
	struct rig *rig = *state;
	int c = rig_open_container(rig), g = rig_open_group(rig, 1);

	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_CHECK_EXTENSION, VFIO_TYPE1_NESTING_IOMMU),
			 1);
	assert_int_equal(rig_ioctl_number(rig, c, VFIO_SET_IOMMU, VFIO_TYPE1_NESTING_IOMMU),
			 -EINVAL);
}

static void only_a_container_is_a_container(void **state)
{
	struct rig *rig = *state;
	int g = rig_open_group(rig, 1), other = rig_open_group(rig, 2), none = RIG_FD + 60;

	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &other), -EBADFD);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &none), -EBADF);
	assert_int_equal(rig_ioctl_number(rig, g, VFIO_GROUP_SET_CONTAINER, 8), -EFAULT);
}

static void device_names_are_read_like_strings(void **state)
{
	struct rig *rig = *state;
	static char endless[3 * 4096] __attribute__((aligned(4096)));
	int c, g;

	rig_attach(rig, 1, VFIO_TYPE1v2_IOMMU, &c, &g);
	memset(endless, 'x', sizeof(endless));
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_GET_DEVICE_FD, endless), -EINVAL);
	assert_int_equal(rig_ioctl_number(rig, g, VFIO_GROUP_GET_DEVICE_FD, 16), -EFAULT);
	endless[8191] = '\0';
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_GET_DEVICE_FD, endless + 8192 - 4096),
			 -ENODEV);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_GET_DEVICE_FD, endless + 8192 - 4097),
			 -EINVAL);
	/* the other group's device, something behind the name, a token for no VF */
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_GET_DEVICE_FD, "0000:02:00.0"), -ENODEV);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_GET_DEVICE_FD, "0000:01:00.00"), -ENODEV);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_GET_DEVICE_FD,
				   "0000:01:00.0 vf_token=bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3"),
			 -EINVAL);
	assert_true(rig_ioctl(rig, g, VFIO_GROUP_GET_DEVICE_FD, "0000:01:00.0 ") >= RIG_FD);
}

static void empty_group_has_nothing_to_open(void **state)
{
	struct rig *rig = *state;
	struct rf_group *empty;
	struct file *file;

	assert_int_equal(group_new(9, &empty), 0);
	assert_int_equal(vfio_open_group(empty, &rig->options, &file), -ENODEV);
	group_free(empty);
}

static void only_vfio_pci_devices_are_given(void **state)
{
	struct rig *rig = *state;
	int c, g;

	rig_attach(rig, 1, VFIO_TYPE1v2_IOMMU, &c, &g);
	rig->devices[0]->host_driver = NULL;
	assert_int_equal(rig_device(rig, g, 1), -ENODEV);
	rig_close(rig, g);
	assert_int_equal(rig_open_group(rig, 1), -ENODEV);
	rig->devices[0]->host_driver = rig_driver;
	assert_true(rig_open_group(rig, 1) >= 0);
}

static void group_path_has_its_number(void **state)
{
	struct rig *rig = *state;
	int g = rig_open_group(rig, 2);

	assert_string_equal(rig_file(rig, g)->path, "/dev/vfio/2");
	assert_int_equal(rig_ioctl(rig, g, VFIO_DEVICE_GET_INFO, NULL), -ENOTTY);
}

static void with_an_iommufd_the_group_closes_before_its_devices(void **state)
{
	static const struct iommufd_options options;
	struct rig *rig = *state;
	int container = rig_open_container(rig), i, g, d, e;
	struct file *file;

	assert_int_equal(iommufd_open(&options, &file), 0);
	i = rig_install(&rig->caller, file, O_RDWR);
	g = rig_open_group(rig, 1);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &i), 0);
	d = rig_device(rig, g, 1);
	assert_true(d >= 0);
	assert_int_equal(rig_open_group(rig, 1), -EBUSY);
	rig_close(rig, g);

	/* the device goes on, and its DMA is not the group's next user's to give away */
	g = rig_open_group(rig, 1);
	assert_true(g >= 0);
	assert_int_equal(group_flags(rig, g), 0);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &container), -EPERM);
	assert_int_equal(rig_device(rig, g, 1), -EINVAL);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &i), 0);
	e = rig_device(rig, g, 1);
	assert_true(e >= 0);
	rig_close(rig, d);
	rig_close(rig, g);
	assert_int_equal(rig_ioctl_number(rig, e, VFIO_DEVICE_RESET, 0), 0);
	rig_close(rig, e);

	g = rig_open_group(rig, 1);
	assert_int_equal(group_flags(rig, g), VFIO_GROUP_FLAGS_VIABLE);
	assert_int_equal(rig_ioctl(rig, g, VFIO_GROUP_SET_CONTAINER, &container), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(last_group_takes_iommu_and_mappings_along, setup,
						teardown),
		cmocka_unit_test_setup_teardown(mappings_stay_while_one_group_does, setup,
						teardown),
		cmocka_unit_test_setup_teardown(container_lives_on_without_its_descriptor, setup,
						teardown),
		cmocka_unit_test_setup_teardown(open_device_holds_group_and_container, setup,
						teardown),
		cmocka_unit_test_setup_teardown(group_in_use_by_the_host_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(group_ends_with_its_last_device, setup, teardown),
		cmocka_unit_test_setup_teardown(group_whose_dma_is_somebodys_is_not_viable, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			without_interrupt_remapping_only_unsafe_machines_assign, setup, teardown),
		cmocka_unit_test_setup_teardown(an_iommu_of_power_has_no_type1, setup, teardown),
		cmocka_unit_test_setup_teardown(a_machine_of_power_claims_no_type1, setup,
						teardown),
		cmocka_unit_test_setup_teardown(coherence_is_that_of_the_iommus, setup, teardown),
		cmocka_unit_test_setup_teardown(failed_set_iommu_leaves_no_group_attached, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nesting_can_be_asked_about_but_not_had, setup,
						teardown),
		cmocka_unit_test_setup_teardown(only_a_container_is_a_container, setup, teardown),
		cmocka_unit_test_setup_teardown(device_names_are_read_like_strings, setup,
						teardown),
		cmocka_unit_test_setup_teardown(empty_group_has_nothing_to_open, setup, teardown),
		cmocka_unit_test_setup_teardown(only_vfio_pci_devices_are_given, setup, teardown),
		cmocka_unit_test_setup_teardown(group_path_has_its_number, setup, teardown),
		cmocka_unit_test_setup_teardown(with_an_iommufd_the_group_closes_before_its_devices,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
