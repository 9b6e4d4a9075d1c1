/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device is pulled out while a program has it open.
 */
#include <sys/eventfd.h>

#include "group/set.h"
#include "iommu/kind.h"
#include "probe.h"

#define BAR0 0ull

struct fixture {
	struct rig rig;
	struct rf_group *groups;
	struct group_set *set;
	struct rf_device *dev;
	int c, g, d, request;
};

static void add_device(struct fixture *f)
{
	const struct pci_address at = { .bus = 1 };
	char *error;

	if (device_new(&probe_model, &at, NULL, &f->dev, &error))
		fail_msg("%s", error);
	f->dev->iommu = iommu_kind_find("x86");
	f->dev->host_driver = rig_driver;
	f->dev->of_set = true;
	f->dev->group_wish = 1;
	assert_int_equal(group_set_add_device(f->set, "pci", f->dev), 0);
	f->rig.devices[0] = f->dev;
	f->rig.groups[0] = f->dev->group;
	f->rig.nr = 1;
}

static void listen(struct fixture *f)
{
	struct {
		struct vfio_irq_set set;
		int fd;
	} u = {
		.set = { .argsz = sizeof(u),
			 .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			 .index = VFIO_PCI_REQ_IRQ_INDEX,
			 .count = 1 },
	};

	f->request = eventfd(0, EFD_NONBLOCK);
	u.fd = f->request;
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_SET_IRQS, &u), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	assert_int_equal(group_set_new(&f->groups, &f->set), 0);
	add_device(f);
	rig_attach(&f->rig, 1, VFIO_TYPE1v2_IOMMU, &f->c, &f->g);
	f->d = rig_device(&f->rig, f->g, 1);
	assert_true(f->d >= 0);
	listen(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->rig.nr = 0; /* the set has them */
	for (int i = 0; i < RIG_FILES; i++)
		rig_close(&f->rig, RIG_FD + i);
	group_set_free(f->set);
	rig_fini(&f->rig);
	close(f->request);
	free(f);
	return 0;
}

static uint64_t requests(const struct fixture *f)
{
	uint64_t count = 0;

	return read(f->request, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static long status(struct fixture *f)
{
	struct vfio_group_status s = { .argsz = sizeof(s) };
	long ret = rig_ioctl(&f->rig, f->g, VFIO_GROUP_GET_STATUS, &s);

	return ret ? ret : s.flags;
}

static void the_program_is_asked_to_let_go(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(requests(f), 0);
	bus_remove_device(f->dev);
	assert_int_equal(requests(f), 1);
}

/* Every time somebody asks, as long as it is open; and it works meanwhile. */
static void the_program_is_asked_again(void **state)
{
	struct fixture *f = *state;
	uint32_t word = 0;

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(device_ask(f->dev), -EBUSY);
		assert_int_equal(requests(f), 1);
	}
	assert_int_equal(rig_pread(&f->rig, f->d, &word, 4, CONFIG + 8), 4);
	assert_int_not_equal(word, 0xffffffff);
	rig_close(&f->rig, f->d);
	assert_int_equal(device_ask(f->dev), 0);
	assert_int_equal(requests(f), 0);
}

static void its_descriptor_answers_with_ones(void **state)
{
	struct fixture *f = *state;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint32_t word = 0;

	bus_remove_device(f->dev);
	/* identity is virtual, hence stays; all else is what the hardware answers */
	assert_int_equal(rig_pread(&f->rig, f->d, &word, 4, CONFIG), 4);
	assert_int_equal(word, probe_model.device << 16 | probe_model.vendor);
	assert_int_equal(rig_pread(&f->rig, f->d, &word, 4, CONFIG + 8), 4);
	assert_int_equal(word, 0xffffffff);
	word = 0;
	assert_int_equal(rig_pread(&f->rig, f->d, &word, 4, BAR0), 4);
	assert_int_equal(word, 0xffffffff);
	assert_int_equal(rig_pwrite(&f->rig, f->d, &word, 4, BAR0), 4);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_RESET, NULL), -ENOTTY);
}

static void it_cannot_be_opened_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(status(f), 3);
	bus_remove_device(f->dev);
	assert_int_equal(rig_device(&f->rig, f->g, 1), -ENODEV);
	assert_int_equal(rig_open_group(&f->rig, 1), -EBUSY);
	assert_int_equal(status(f), 3);
	rig_close(&f->rig, f->d);
	/* with the last descriptor it has left its group, which has nothing left */
	assert_int_equal(status(f), -ENODEV);
	assert_int_equal(rig_ioctl(&f->rig, f->g, VFIO_GROUP_UNSET_CONTAINER, NULL), -EINVAL);
	assert_int_equal(rig_ioctl(&f->rig, f->g, VFIO_GROUP_SET_CONTAINER, &f->c), -ENODEV);
	assert_non_null(f->groups);
	rig_close(&f->rig, f->g);
	assert_null(f->groups);
}

/* In another group of the same number, says Linux: who had the old one open opens it anew. */
static void another_may_come_in_its_place(void **state)
{
	struct fixture *f = *state;

	bus_remove_device(f->dev);
	rig_close(&f->rig, f->d);
	add_device(f);
	assert_int_equal(rig_device(&f->rig, f->g, 1), -ENODEV);
	assert_int_equal(status(f), -ENODEV);
	f->g = rig_open_group(&f->rig, 1);
	assert_int_equal(rig_ioctl(&f->rig, f->g, VFIO_GROUP_SET_CONTAINER, &f->c), 0);
	assert_int_equal(rig_ioctl_number(&f->rig, f->c, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	f->d = rig_device(&f->rig, f->g, 1);
	assert_true(f->d >= 0);
	assert_int_equal(status(f), 3);
}

static void host_drivers_stay_away_while_in_a_container(void **state)
{
	struct fixture *f = *state;
	struct rf_device *other;

	assert_int_equal(device_new_plain("0000:01:00.1", &other), 0);
	other->iommu = f->dev->iommu;
	other->of_set = true;
	other->group_wish = 1;
	assert_int_equal(group_set_add_device(f->set, "pci", other), 0);
	assert_string_equal(rf_group_manager(f->dev->group), "vfio");
	assert_int_equal(rf_device_bind(other, "nvme"), -EBUSY);
	rig_close(&f->rig, f->d);
	rig_close(&f->rig, f->g);
	assert_null(rf_group_manager(f->dev->group));
	assert_int_equal(rf_device_bind(other, "nvme"), 0);
	assert_true(rig_open_group(&f->rig, 1) >= 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_program_is_asked_to_let_go),
		CASE(the_program_is_asked_again),
		CASE(its_descriptor_answers_with_ones),
		CASE(it_cannot_be_opened_again),
		CASE(another_may_come_in_its_place),
		CASE(host_drivers_stay_away_while_in_a_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
