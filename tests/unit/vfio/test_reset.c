/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resets of a function and of a bus, low power, and writes by eventfd.
 */
#include <poll.h>
#include <sys/eventfd.h>

#include "bus/internal.h"
#include "iommu/kind.h"
#include "probe.h"

/* Devices 1 and 2 share a bus, 3 is alone on one, 4 is on the root bus. */
struct fixture {
	struct rig rig;
	int c, g[4], d[4];
};

static int setup(void **state)
{
	static const char *const where[] = { "0000:01:00.0", "0000:01:01.0", "0000:02:00.0",
					     "0000:00:03.0" };
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	f->c = rig_open_container(&f->rig);
	for (unsigned i = 0; i < 4; i++)
		rig_add(&f->rig, i ? &plain_model : &probe_model, where[i], iommu_kind_find("x86"),
			NULL);
	for (unsigned i = 0; i < 4; i++) {
		f->g[i] = rig_open_group(&f->rig, i + 1);
		assert_int_equal(rig_ioctl(&f->rig, f->g[i], VFIO_GROUP_SET_CONTAINER, &f->c), 0);
	}
	assert_int_equal(rig_ioctl_number(&f->rig, f->c, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	for (unsigned i = 0; i < 4; i++) {
		f->d[i] = rig_device(&f->rig, f->g[i], i + 1);
		assert_true(f->d[i] >= 0);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_fini(&f->rig);
	free(f);
	return 0;
}

static bool says_reset(struct fixture *f, unsigned i)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	assert_int_equal(rig_ioctl(&f->rig, f->d[i], VFIO_DEVICE_GET_INFO, &info), 0);
	return info.flags & VFIO_DEVICE_FLAGS_RESET;
}

static void reset_needs_flr_or_a_bus_of_its_own(void **state)
{
	struct fixture *f = *state;
	const bool works[4] = { true, false, true, false };

	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(says_reset(f, i), works[i]);
		assert_int_equal(rig_ioctl(&f->rig, f->d[i], VFIO_DEVICE_RESET, NULL),
				 works[i] ? 0 : -EINVAL);
	}
}

static void hot_reset_info_lists_the_bus(void **state)
{
	struct fixture *f = *state;
	struct {
		struct vfio_pci_hot_reset_info info;
		struct vfio_pci_dependent_device devices[2];
	} u = { .info.argsz = sizeof(u.info) };

	assert_int_equal(rig_ioctl(&f->rig, f->d[0], VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &u),
			 -ENOSPC);
	assert_int_equal(u.info.count, 2);
	u.info.argsz = sizeof(u);
	assert_int_equal(rig_ioctl(&f->rig, f->d[0], VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &u), 0);
	assert_int_equal(u.info.count, 2);
	assert_int_equal(u.devices[0].group_id, 1);
	assert_int_equal(u.devices[1].group_id, 2);
	assert_int_equal(u.devices[1].bus, 1);
	assert_int_equal(u.devices[1].devfn, 1 << 3);
	assert_int_equal(rig_ioctl(&f->rig, f->d[3], VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &u),
			 -ENODEV);
	u.info.argsz = 4;
	assert_int_equal(rig_ioctl(&f->rig, f->d[0], VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &u),
			 -EINVAL);
}

static long hot_reset(struct fixture *f, unsigned i, unsigned count, int first, int second)
{
	struct {
		struct vfio_pci_hot_reset head;
		int fds[3];
	} u = { .head = { .argsz = sizeof(u), .count = count }, .fds = { first, second, -1 } };

	return rig_ioctl(&f->rig, f->d[i], VFIO_DEVICE_PCI_HOT_RESET, &u);
}

static void hot_reset_demands_every_group_of_the_bus(void **state)
{
	struct fixture *f = *state;
	struct probe *one = probe_of(&f->rig, 1), *two = probe_of(&f->rig, 2);
	unsigned a = one->resets, b = two->resets;

	assert_int_equal(hot_reset(f, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(hot_reset(f, 0, 1, f->g[0], 0), -EINVAL);
	assert_int_equal(hot_reset(f, 0, 2, f->g[0], f->d[1]), -EINVAL);
	assert_int_equal(hot_reset(f, 0, 2, f->g[0], RIG_FD + 60), -EBADF);
	assert_int_equal(hot_reset(f, 0, 2, f->g[0], 0), -EINVAL);
	assert_int_equal(hot_reset(f, 0, 3, f->g[0], f->g[1]), -EINVAL);
	assert_int_equal(hot_reset(f, 3, 1, f->g[3], 0), -ENODEV);
	assert_int_equal(one->resets, a);
	/* one that vfio-pci does not have is nobody's to reset, whatever its group */
	f->rig.devices[1]->host_driver = NULL;
	assert_int_equal(hot_reset(f, 0, 2, f->g[0], f->g[1]), -EINVAL);
	f->rig.devices[1]->host_driver = rig_driver;
	assert_int_equal(one->resets, a);

	/* one in use, one not: both are reset, and what the host keeps is kept */
	probe_config_set(&f->rig, f->d[0], 0x04, 0x0006, 2);
	rig_close(&f->rig, f->d[1]);
	b = two->resets;
	assert_int_equal(hot_reset(f, 0, 2, f->g[1], f->g[0]), 0);
	assert_int_equal(one->resets, a + 1);
	assert_int_equal(two->resets, b + 1);
	assert_int_equal(probe_config(&f->rig, f->d[0], 0x04, 2), 0x0006);
}

/* A function without NoSoftRst has been reset by then; what the host keeps is kept. */
static void leaving_d3_is_a_reset(void **state)
{
	struct fixture *f = *state;
	struct probe *p = probe_of(&f->rig, 1);
	unsigned control = f->rig.devices[0]->cap_pm + PM_CTRL, resets = p->resets;

	probe_config_set(&f->rig, f->d[0], control, 3, 2);
	probe_config_set(&f->rig, f->d[0], control, 0, 2);
	assert_int_equal(p->resets, resets); /* it says NoSoftRst */
	config_set(f->rig.devices[0], control, 0, 2);
	probe_config_set(&f->rig, f->d[0], 0x04, 0x0006, 2);
	probe_store(&f->rig, f->d[0], PROBE_SCRATCH, 7);
	probe_config_set(&f->rig, f->d[0], control, 3, 2);
	assert_int_equal(p->resets, resets);
	probe_config_set(&f->rig, f->d[0], control, 0, 2);
	assert_int_equal(p->resets, resets + 1);
	assert_int_equal(p->scratch, 0x5a5a);
	assert_int_equal(probe_config(&f->rig, f->d[0], 0x04, 2), 0x0006);
}

static long feature(struct fixture *f, uint32_t flags, int wakeup)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_low_power_entry_with_wakeup entry;
	} u = { .head = { .argsz = sizeof(u), .flags = flags }, .entry.wakeup_eventfd = wakeup };

	return rig_ioctl(&f->rig, f->d[0], VFIO_DEVICE_FEATURE, &u);
}

static void low_power_is_entered_once(void **state)
{
	struct fixture *f = *state;
	const uint32_t enter = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
		       leave = VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, set = VFIO_DEVICE_FEATURE_SET,
		       get = VFIO_DEVICE_FEATURE_GET, probe = VFIO_DEVICE_FEATURE_PROBE;

	assert_int_equal(feature(f, enter, 0), -EINVAL); /* neither set nor get */
	assert_int_equal(feature(f, enter | get | set, 0), -EINVAL);
	assert_int_equal(feature(f, enter | probe, 0), 0);
	assert_int_equal(feature(f, enter | set | 1u << 20, 0), -EINVAL);
	assert_int_equal(feature(f, enter | set, 0), 0);
	assert_int_equal(feature(f, enter | set, 0), -EINVAL);
	assert_int_equal(feature(f, leave | set, 0), 0);
	assert_int_equal(feature(f, leave | set, 0), 0);
	assert_int_equal(feature(f, enter | set, 0), 0);
}

static void wakeup_is_signalled_by_the_next_access(void **state)
{
	struct fixture *f = *state;
	const uint32_t enter =
		VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | VFIO_DEVICE_FEATURE_SET;
	int ev = eventfd(0, EFD_NONBLOCK);
	eventfd_t count;

	assert_int_equal(feature(f, enter, -1), -EINVAL);
	assert_int_equal(feature(f, enter, 9999), -EBADF);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(feature(f, enter, ev), 0);
		assert_int_equal(eventfd_read(ev, &count), -1);
		probe_config(&f->rig, f->d[0], 0, 4);
		assert_int_equal(eventfd_read(ev, &count), 0);
		assert_int_equal(count, 1);
	}
	close(ev);
}

static long ioeventfd(struct fixture *f, uint32_t size, uint64_t off, uint64_t data, int fd)
{
	struct vfio_device_ioeventfd io = {
		.argsz = sizeof(io),
		.flags = size,
		.offset = off,
		.data = data,
		.fd = fd,
	};

	return rig_ioctl(&f->rig, f->d[0], VFIO_DEVICE_IOEVENTFD, &io);
}

/* What the watcher's thread writes, within two seconds. */
static uint64_t scratch_soon(struct fixture *f, uint32_t want)
{
	uint32_t val = 0;

	for (int i = 0; i < 2000; i++) {
		assert_int_equal(rig_pread(&f->rig, f->d[0], &val, 4, PROBE_SCRATCH), 4);
		if (val == want)
			break;
		poll(NULL, 0, 1);
	}
	return val;
}

static void ioeventfd_writes_to_the_bar(void **state)
{
	struct fixture *f = *state;
	int ev = eventfd(0, EFD_NONBLOCK), other = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(ioeventfd(f, 4, PROBE_SCRATCH, 11, ev), 0);
	assert_int_equal(ioeventfd(f, 4, PROBE_SCRATCH, 11, ev), -EEXIST);
	assert_int_equal(ioeventfd(f, 4, PROBE_SCRATCH, 12, other), 0);
	assert_int_equal(eventfd_write(ev, 1), 0);
	assert_int_equal(scratch_soon(f, 11), 11);
	assert_int_equal(eventfd_write(other, 5), 0);
	assert_int_equal(scratch_soon(f, 12), 12);
	assert_int_equal(ioeventfd(f, 4, PROBE_SCRATCH, 11, -1), 0);
	assert_int_equal(ioeventfd(f, 4, PROBE_SCRATCH, 11, -1), -ENODEV);
	/* the first is watched no more, the second still is */
	assert_int_equal(eventfd_write(ev, 1), 0);
	probe_store(&f->rig, f->d[0], PROBE_SCRATCH, 0);
	assert_int_equal(eventfd_write(other, 1), 0);
	assert_int_equal(scratch_soon(f, 12), 12);
	close(ev);
	close(other);
}

/* Two writes that one eventfd asks for are both made. */
static void ioeventfd_may_be_asked_for_twice(void **state)
{
	struct fixture *f = *state;
	int ev = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(ioeventfd(f, 4, PROBE_SCRATCH, 31, ev), 0);
	assert_int_equal(ioeventfd(f, 4, 0x20, 1, ev), 0);
	assert_int_equal(ioeventfd(f, 4, 0x24, 1, ev), 0);
	for (unsigned i = 0; i < 20; i++) {
		probe_store(&f->rig, f->d[0], PROBE_SCRATCH, 0);
		assert_int_equal(eventfd_write(ev, 1), 0);
		assert_int_equal(scratch_soon(f, 31), 31);
	}
	close(ev);
}

static void ioeventfd_arguments_are_checked(void **state)
{
	struct fixture *f = *state;
	int ev = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(ioeventfd(f, 0, 0, 0, ev), -EINVAL);
	assert_int_equal(ioeventfd(f, 3, 0, 0, ev), -EINVAL);
	assert_int_equal(ioeventfd(f, 16, 0, 0, ev), -EINVAL);
	assert_int_equal(ioeventfd(f, 4, 0, 0, -2), -EINVAL);
	assert_int_equal(ioeventfd(f, 4, 0x4000, 0, ev), -EINVAL);
	assert_int_equal(ioeventfd(f, 4, 0x2000, 0, ev), -EINVAL); /* the MSI-X table */
	assert_int_equal(ioeventfd(f, 4, 0x2080, 0, ev), 0);
	assert_int_equal(ioeventfd(f, 4, CONFIG, 0, ev), -EINVAL);
	assert_int_equal(ioeventfd(f, 4, 0, 0, 9999), -EBADF);
	assert_int_equal(ioeventfd(f, 4, 0, 0, STDERR_FILENO), -EINVAL);
	close(ev);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reset_needs_flr_or_a_bus_of_its_own),
		T(hot_reset_info_lists_the_bus),
		T(hot_reset_demands_every_group_of_the_bus),
		T(low_power_is_entered_once),
		T(leaving_d3_is_a_reset),
		T(wakeup_is_signalled_by_the_next_access),
		T(ioeventfd_writes_to_the_bar),
		T(ioeventfd_may_be_asked_for_twice),
		T(ioeventfd_arguments_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
