/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts: from a device's call to the program's eventfd.
 */
#include <poll.h>
#include <sys/eventfd.h>

#include "iommu/kind.h"
#include "probe.h"

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSI	VFIO_PCI_MSI_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX
#define ERR	VFIO_PCI_ERR_IRQ_INDEX
#define REQ	VFIO_PCI_REQ_IRQ_INDEX

struct fixture {
	struct rig rig;
	int c, g, d; /* the probe */
	int plain; /* the plain device */
	int ev[4];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int other;

	rig_init(&f->rig);
	rig_add(&f->rig, &probe_model, "0000:01:00.0", iommu_kind_find("x86"), NULL);
	rig_add(&f->rig, &plain_model, "0000:00:02.0", iommu_kind_find("x86"), NULL);
	rig_attach(&f->rig, 1, VFIO_TYPE1v2_IOMMU, &f->c, &f->g);
	f->d = rig_device(&f->rig, f->g, 1);
	other = rig_open_group(&f->rig, 2);
	assert_int_equal(rig_ioctl(&f->rig, other, VFIO_GROUP_SET_CONTAINER, &f->c), 0);
	f->plain = rig_device(&f->rig, other, 2);
	assert_true(f->d >= 0 && f->plain >= 0);
	/* a message is a write to memory: without bus mastering there is none */
	probe_config_set(&f->rig, f->d, 0x04, 0x0006, 2);
	probe_config_set(&f->rig, f->plain, 0x04, 0x0006, 2);
	for (int i = 0; i < 4; i++)
		f->ev[i] = eventfd(0, EFD_NONBLOCK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_fini(&f->rig);
	for (int i = 0; i < 4; i++)
		close(f->ev[i]);
	free(f);
	return 0;
}

static long set_irqs(struct rig *rig, int d, uint32_t flags, uint32_t index, uint32_t start,
		     uint32_t count, const void *data)
{
	union {
		struct vfio_irq_set set;
		uint8_t bytes[256];
	} u;
	size_t size = flags & EVENTFD ? count * 4 : flags & BOOL ? count : 0;

	u.set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(u.set) + size),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};
	memcpy(u.bytes + sizeof(u.set), data ? data : "", data ? size : 0);
	return rig_ioctl(rig, d, VFIO_DEVICE_SET_IRQS, &u);
}

static long set_fds(struct rig *rig, int d, uint32_t index, uint32_t start, uint32_t count,
		    const int *fds)
{
	return set_irqs(rig, d, EVENTFD | TRIGGER, index, start, count, fds);
}

/* How often an eventfd was signalled since the last look. */
static unsigned count_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t count;

	if (poll(&p, 1, 0) != 1)
		return 0;
	return read(fd, &count, sizeof(count)) == sizeof(count) ? (unsigned)count : 0;
}

/* The same, for what another thread does: within two seconds. */
static unsigned count_soon(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, 2000);
	return count_of(fd);
}

static void intx_masks_itself_and_fires_again_if_still_up(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;

	assert_int_equal(set_fds(rig, f->d, INTX, 0, 1, f->ev), 0);
	probe_store(rig, f->d, PROBE_INTX, 1);
	assert_int_equal(count_of(f->ev[0]), 1);
	/* masked now: nothing more until the program unmasks */
	probe_store(rig, f->d, PROBE_INTX, 0);
	probe_store(rig, f->d, PROBE_INTX, 1);
	assert_int_equal(count_of(f->ev[0]), 0);
	assert_int_equal(set_irqs(rig, f->d, NONE | UNMASK, INTX, 0, 1, NULL), 0);
	assert_int_equal(count_of(f->ev[0]), 1);
	probe_store(rig, f->d, PROBE_INTX, 0);
	assert_int_equal(set_irqs(rig, f->d, NONE | UNMASK, INTX, 0, 1, NULL), 0);
	assert_int_equal(count_of(f->ev[0]), 0);
	probe_store(rig, f->d, PROBE_INTX, 1);
	assert_int_equal(count_of(f->ev[0]), 1);
}

static void intx_that_is_up_fires_when_it_is_enabled(void **state)
{
	struct fixture *f = *state;

	probe_store(&f->rig, f->d, PROBE_INTX, 1);
	assert_int_equal(set_fds(&f->rig, f->d, INTX, 0, 1, f->ev), 0);
	assert_int_equal(count_of(f->ev[0]), 1);
}

static void intx_mask_and_bool_data(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	uint8_t yes = 1, no = 0;

	assert_int_equal(set_irqs(rig, f->d, NONE | UNMASK, INTX, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_fds(rig, f->d, INTX, 0, 1, f->ev), 0);
	assert_int_equal(set_irqs(rig, f->d, BOOL | MASK, INTX, 0, 1, &no), 0);
	assert_int_equal(set_irqs(rig, f->d, BOOL | MASK, INTX, 0, 1, &yes), 0);
	probe_store(rig, f->d, PROBE_INTX, 1);
	assert_int_equal(count_of(f->ev[0]), 0);
	assert_int_equal(set_irqs(rig, f->d, BOOL | UNMASK, INTX, 0, 1, &no), 0);
	assert_int_equal(count_of(f->ev[0]), 0);
	assert_int_equal(set_irqs(rig, f->d, BOOL | UNMASK, INTX, 0, 1, &yes), 0);
	assert_int_equal(count_of(f->ev[0]), 1);
	assert_int_equal(set_irqs(rig, f->d, EVENTFD | MASK, INTX, 0, 1, f->ev), -ENOTTY);
	assert_int_equal(set_irqs(rig, f->d, NONE | MASK, INTX, 0, 0, NULL), -EINVAL);
}

static void command_bit_keeps_intx_quiet(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;

	assert_int_equal(set_fds(rig, f->d, INTX, 0, 1, f->ev), 0);
	probe_config_set(rig, f->d, 0x04, 0x0402, 2);
	probe_store(rig, f->d, PROBE_INTX, 1);
	assert_int_equal(set_irqs(rig, f->d, NONE | UNMASK, INTX, 0, 1, NULL), 0);
	assert_int_equal(set_irqs(rig, f->d, NONE | TRIGGER, INTX, 0, 1, NULL), 0);
	assert_int_equal(count_of(f->ev[0]), 0);
	probe_config_set(rig, f->d, 0x04, 0x0002, 2);
	assert_int_equal(count_of(f->ev[0]), 1);
}

static void intx_eventfd_can_be_exchanged(void **state)
{
	struct fixture *f = *state;
	int none = -1;

	assert_int_equal(set_fds(&f->rig, f->d, INTX, 0, 1, &f->ev[0]), 0);
	assert_int_equal(set_fds(&f->rig, f->d, INTX, 0, 1, &f->ev[1]), 0);
	probe_store(&f->rig, f->d, PROBE_INTX, 1);
	assert_int_equal(count_of(f->ev[0]), 0);
	assert_int_equal(count_of(f->ev[1]), 1);
	/* with none INTx stays enabled, and keeps MSI-X out */
	assert_int_equal(set_fds(&f->rig, f->d, INTX, 0, 1, &none), 0);
	assert_int_equal(set_fds(&f->rig, f->d, MSIX, 0, 1, f->ev), -EINVAL);
	assert_int_equal(set_irqs(&f->rig, f->d, NONE | TRIGGER, INTX, 0, 0, NULL), 0);
	assert_int_equal(set_fds(&f->rig, f->d, MSIX, 0, 1, f->ev), 0);
}

static void unmask_eventfd_unmasks(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	int none = -1, bad = 9999;

	assert_int_equal(set_fds(rig, f->d, INTX, 0, 1, f->ev), 0);
	assert_int_equal(set_irqs(rig, f->d, EVENTFD | UNMASK, INTX, 0, 1, &bad), -EBADF);
	assert_int_equal(set_irqs(rig, f->d, EVENTFD | UNMASK, INTX, 0, 1, &f->ev[1]), 0);
	assert_int_equal(set_irqs(rig, f->d, EVENTFD | UNMASK, INTX, 0, 1, &f->ev[2]), -EBUSY);
	assert_int_equal(set_irqs(rig, f->d, EVENTFD | UNMASK, INTX, 0, 1, &bad), -EBADF);
	for (int i = 0; i < 3; i++) {
		probe_store(rig, f->d, PROBE_INTX, 1);
		assert_int_equal(count_of(f->ev[0]), i == 0);
		assert_int_equal(eventfd_write(f->ev[1], 1), 0);
		/* still up: fires again, and that is how we see that it was taken */
		assert_int_equal(count_soon(f->ev[0]), 1);
	}
	assert_int_equal(count_of(f->ev[1]), 0);
	assert_int_equal(set_irqs(rig, f->d, EVENTFD | UNMASK, INTX, 0, 1, &none), 0);
	/* one that was counted before it was given counts as well */
	assert_int_equal(eventfd_write(f->ev[2], 1), 0);
	assert_int_equal(set_irqs(rig, f->d, EVENTFD | UNMASK, INTX, 0, 1, &f->ev[2]), 0);
	assert_int_equal(count_soon(f->ev[0]), 1);
}

static void an_unmask_eventfd_that_was_closed_can_be_replaced(void **state)
{
	struct fixture *f = *state;
	int gone = eventfd(0, EFD_NONBLOCK), copy = dup(gone);

	assert_int_equal(set_fds(&f->rig, f->d, INTX, 0, 1, f->ev), 0);
	assert_int_equal(set_irqs(&f->rig, f->d, EVENTFD | UNMASK, INTX, 0, 1, &gone), 0);
	close(gone);
	assert_int_equal(set_irqs(&f->rig, f->d, EVENTFD | UNMASK, INTX, 0, 1, &f->ev[1]), -EBUSY);
	close(copy);
	assert_int_equal(set_irqs(&f->rig, f->d, EVENTFD | UNMASK, INTX, 0, 1, &f->ev[1]), 0);
	probe_store(&f->rig, f->d, PROBE_INTX, 1);
	assert_int_equal(count_of(f->ev[0]), 1);
	assert_int_equal(eventfd_write(f->ev[1], 1), 0);
	assert_int_equal(count_soon(f->ev[0]), 1);
}

static void msix_goes_to_the_vectors_eventfd(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;

	assert_int_equal(set_fds(rig, f->d, MSIX, 0, 2, f->ev), 0);
	probe_store(rig, f->d, PROBE_RAISE, 1);
	probe_store(rig, f->d, PROBE_RAISE, 1);
	assert_int_equal(count_of(f->ev[0]), 0);
	assert_int_equal(count_of(f->ev[1]), 2);
	assert_int_equal(probe_config(rig, f->d, 0x42, 2) & 0x8000, 0x8000);
	assert_int_equal(set_irqs(rig, f->d, NONE | TRIGGER, MSIX, 0, 0, NULL), 0);
	assert_int_equal(probe_config(rig, f->d, 0x42, 2) & 0x8000, 0);
	probe_store(rig, f->d, PROBE_RAISE, 0);
	assert_int_equal(count_of(f->ev[0]), 0);
}

static void messages_need_a_function_that_is_awake(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	unsigned pm = rig->devices[0]->cap_pm + 4;

	for (unsigned power = 3;; power = 0) {
		probe_config_set(rig, f->d, pm, power, 2);
		assert_int_equal(set_fds(rig, f->d, MSIX, 0, 2, f->ev), power ? -EINVAL : 0);
		if (!power)
			break;
	}
	/* what is enabled is signalled all the same */
	probe_config_set(rig, f->d, pm, 3, 2);
	assert_int_equal(set_irqs(rig, f->d, NONE | TRIGGER, MSIX, 0, 2, NULL), 0);
	assert_int_equal(count_of(f->ev[1]), 1);
	assert_int_equal(set_irqs(rig, f->d, NONE | TRIGGER, MSIX, 0, 0, NULL), 0);
}

static void msix_vector_raised_too_early_is_delivered_late(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	int none = -1;

	probe_store(rig, f->d, PROBE_RAISE, 0);
	probe_store(rig, f->d, PROBE_RAISE, 5);
	assert_int_equal(set_fds(rig, f->d, MSIX, 0, 1, &f->ev[0]), 0);
	assert_int_equal(count_of(f->ev[0]), 1);
	/* beyond what was enabled at first: MSI-X grows */
	assert_int_equal(set_fds(rig, f->d, MSIX, 5, 1, &f->ev[1]), 0);
	assert_int_equal(count_of(f->ev[1]), 1);
	/* without an eventfd it waits again */
	assert_int_equal(set_fds(rig, f->d, MSIX, 5, 1, &none), 0);
	probe_store(rig, f->d, PROBE_RAISE, 5);
	assert_int_equal(count_of(f->ev[1]), 0);
	assert_int_equal(set_fds(rig, f->d, MSIX, 5, 1, &f->ev[1]), 0);
	assert_int_equal(count_of(f->ev[1]), 1);
}

static void msix_block_with_a_bad_descriptor_changes_all_or_none(void **state)
{
	struct fixture *f = *state;
	int fds[3] = { f->ev[0], 9999, f->ev[1] }, pipes[2];

	assert_int_equal(set_fds(&f->rig, f->d, MSIX, 0, 3, fds), -EBADF);
	/* it was to be enabled by this, so it is not */
	assert_int_equal(set_irqs(&f->rig, f->d, NONE | TRIGGER, MSIX, 0, 1, NULL), -EINVAL);
	assert_int_equal(pipe(pipes), 0);
	fds[1] = pipes[1];
	assert_int_equal(set_fds(&f->rig, f->d, MSIX, 0, 3, fds), -EINVAL);
	fds[1] = -1;
	assert_int_equal(set_fds(&f->rig, f->d, MSIX, 0, 3, fds), 0);
	assert_int_equal(set_irqs(&f->rig, f->d, NONE | TRIGGER, MSIX, 0, 3, NULL), 0);
	assert_int_equal(count_of(f->ev[0]), 1);
	assert_int_equal(count_of(f->ev[1]), 1);
	close(pipes[0]);
	close(pipes[1]);
}

static void msi_cannot_grow(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;

	assert_int_equal(set_fds(rig, f->plain, MSI, 0, 2, f->ev), 0);
	assert_int_equal(set_fds(rig, f->plain, MSI, 2, 1, &f->ev[2]), -EINVAL);
	assert_int_equal(set_fds(rig, f->plain, MSI, 3, 2, &f->ev[2]), -EINVAL);
	probe_store(rig, f->plain, PROBE_RAISE, 1);
	assert_int_equal(count_of(f->ev[1]), 1);
	assert_int_equal(set_irqs(rig, f->plain, NONE | TRIGGER, MSI, 0, 0, NULL), 0);
	probe_store(rig, f->plain, PROBE_RAISE, 1);
	assert_int_equal(count_of(f->ev[1]), 0);
}

static void msi_enable_bit_follows_set_irqs(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	unsigned cap = probe_config(rig, f->plain, 0x34, 1);

	assert_int_equal(probe_config(rig, f->plain, cap, 1), 0x05);
	probe_config_set(rig, f->plain, cap + 2, 0x31, 1);
	assert_int_equal(probe_config(rig, f->plain, cap + 2, 1) & 0x71, 0);
	assert_int_equal(set_fds(rig, f->plain, MSI, 0, 2, f->ev), 0);
	probe_config_set(rig, f->plain, cap + 2, 0x31, 1);
	/* as many vectors as were enabled, not as asked */
	assert_int_equal(probe_config(rig, f->plain, cap + 2, 1) & 0x71, 0x11);
	/* a program may hold MSI back by its register */
	probe_config_set(rig, f->plain, cap + 2, 0x10, 1);
	probe_store(rig, f->plain, PROBE_RAISE, 0);
	assert_int_equal(count_of(f->ev[0]), 0);
}

static void msi_has_one_vector_without_interrupt_remapping(void **state)
{
	struct fixture *f = *state;
	struct iommu_kind kind = *f->rig.devices[1]->iommu;
	const struct iommu_kind *real = f->rig.devices[1]->iommu;

	kind.irq_remapping = false;
	f->rig.devices[1]->iommu = &kind;
	assert_int_equal(set_fds(&f->rig, f->plain, MSI, 0, 2, f->ev), 1);
	assert_int_equal(set_irqs(&f->rig, f->plain, NONE | TRIGGER, MSI, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_fds(&f->rig, f->plain, MSI, 0, 1, f->ev), 0);
	f->rig.devices[1]->iommu = real;
}

static void eventfd_may_be_closed_before_it_is_disabled(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	int first = eventfd(0, EFD_NONBLOCK), twin = dup(first), again;

	assert_int_equal(set_fds(rig, f->d, MSIX, 0, 1, &first), 0);
	close(first);
	again = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(again, first); /* the number is in use anew */
	probe_store(rig, f->d, PROBE_RAISE, 0);
	assert_int_equal(count_of(twin), 1);
	assert_int_equal(count_of(again), 0);
	close(twin);
	close(again);
}

static void full_eventfd_does_not_block_the_device(void **state)
{
	struct fixture *f = *state;
	int full = eventfd(0, 0); /* writes to it would wait */

	assert_int_equal(eventfd_write(full, UINT64_MAX - 1), 0);
	assert_int_equal(set_fds(&f->rig, f->d, MSIX, 0, 1, &full), 0);
	alarm(10);
	probe_store(&f->rig, f->d, PROBE_RAISE, 0);
	alarm(0);
	assert_int_equal(eventfd_read(full, &(eventfd_t){ 0 }), 0);
	probe_store(&f->rig, f->d, PROBE_RAISE, 0);
	assert_int_equal(count_of(full), 1);
	close(full);
}

static void reset_keeps_eventfds_armed(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;

	assert_int_equal(set_fds(rig, f->d, MSIX, 0, 2, f->ev), 0);
	assert_int_equal(rig_ioctl(rig, f->d, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(probe_config(rig, f->d, 0x04, 2), 0x0006);
	probe_store(rig, f->d, PROBE_RAISE, 1);
	assert_int_equal(count_of(f->ev[1]), 1);
}

static void err_and_req_are_only_looped_back(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	int none = -1, wrong = -2;
	uint8_t yes = 1;

	assert_int_equal(set_irqs(rig, f->d, NONE | TRIGGER, ERR, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_irqs(rig, f->d, BOOL | TRIGGER, ERR, 0, 1, &yes), 0);
	assert_int_equal(set_fds(rig, f->d, ERR, 0, 1, &f->ev[0]), 0);
	assert_int_equal(set_fds(rig, f->d, REQ, 0, 1, &f->ev[1]), 0);
	assert_int_equal(set_irqs(rig, f->d, BOOL | TRIGGER, ERR, 0, 1, &yes), 0);
	assert_int_equal(set_irqs(rig, f->d, NONE | TRIGGER, REQ, 0, 1, NULL), 0);
	assert_int_equal(count_of(f->ev[0]), 1);
	assert_int_equal(count_of(f->ev[1]), 1);
	assert_int_equal(set_fds(rig, f->d, ERR, 0, 1, &wrong), -EINVAL);
	assert_int_equal(set_fds(rig, f->d, ERR, 0, 1, &none), 0);
	assert_int_equal(set_irqs(rig, f->d, NONE | TRIGGER, ERR, 0, 0, NULL), -EINVAL);
	assert_int_equal(set_irqs(rig, f->d, NONE | TRIGGER, REQ, 0, 0, NULL), 0);
	/* only PCI Express devices have errors to tell of */
	assert_int_equal(set_fds(rig, f->plain, ERR, 0, 1, &f->ev[0]), -EINVAL);
}

static void last_close_takes_interrupts_away(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	int again = rig_device(rig, f->g, 1);

	assert_int_equal(set_fds(rig, f->d, MSIX, 0, 1, f->ev), 0);
	rig_close(rig, f->d);
	/* another descriptor of the device is still there */
	probe_store(rig, again, PROBE_RAISE, 0);
	assert_int_equal(count_of(f->ev[0]), 1);
	rig_close(rig, again);
	again = rig_device(rig, f->g, 1);
	probe_config_set(rig, again, 0x04, 0x0006, 2);
	probe_store(rig, again, PROBE_RAISE, 0);
	assert_int_equal(count_of(f->ev[0]), 0);
	assert_int_equal(set_irqs(rig, again, NONE | TRIGGER, MSIX, 0, 0, NULL), -EINVAL);
}

static void set_irqs_reads_only_what_argsz_covers(void **state)
{
	struct fixture *f = *state;
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = EVENTFD | TRIGGER,
		.index = MSIX,
		.count = 1,
	};

	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_SET_IRQS, &set), -EINVAL);
	set.start = UINT32_MAX;
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_SET_IRQS, &set), -EINVAL);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_SET_IRQS, NULL), -EFAULT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(intx_masks_itself_and_fires_again_if_still_up),
		T(intx_that_is_up_fires_when_it_is_enabled),
		T(intx_mask_and_bool_data),
		T(command_bit_keeps_intx_quiet),
		T(intx_eventfd_can_be_exchanged),
		T(unmask_eventfd_unmasks),
		T(an_unmask_eventfd_that_was_closed_can_be_replaced),
		T(msix_goes_to_the_vectors_eventfd),
		T(messages_need_a_function_that_is_awake),
		T(msix_vector_raised_too_early_is_delivered_late),
		T(msix_block_with_a_bad_descriptor_changes_all_or_none),
		T(msi_cannot_grow),
		T(msi_enable_bit_follows_set_irqs),
		T(msi_has_one_vector_without_interrupt_remapping),
		T(eventfd_may_be_closed_before_it_is_disabled),
		T(full_eventfd_does_not_block_the_device),
		T(reset_keeps_eventfds_armed),
		T(err_and_req_are_only_looped_back),
		T(last_close_takes_interrupts_away),
		T(set_irqs_reads_only_what_argsz_covers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
