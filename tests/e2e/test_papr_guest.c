/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM with a PAPR guest, in the steps of D. Gibson's mail of May 2022, up to what a
 * virtual IOMMU does by itself: where the mail says hypercall, the VMM's calls stand.
 * The machine is guest-papr.json: an IOMMU with two windows, four devices that are
 * each a partitionable endpoint. Two are on the guest's first bus, one on its second; the
 * last is plugged in later.
 */
#include "guest.h"

#define HIGH	  (1ul << 59) /* where the hardware's second window begins */
#define LOW_SIZE  (2 * GIB) /* the default window of the guest's firmware */
#define RAM_SIZE  (64 * MIB)
#define HIGH_PAGE (64 * KIB)

static struct edu devices[4];
static uint32_t buses[2]; /* address spaces */
static uint8_t *ram;
static uint64_t high;

static bool an_address_space_for_each_guest_side_bus(void)
{
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	CHECK(iommufd >= 0);
	for (unsigned i = 0; i < 4; i++)
		CHECK(guest_open_device(&devices[i], i));
	ram = pages(RAM_SIZE + HIGH_PAGE, MAP_PRIVATE | MAP_NORESERVE);
	CHECK(ram);
	ram = (uint8_t *)(((uintptr_t)ram + HIGH_PAGE - 1) & ~(HIGH_PAGE - 1));
	for (unsigned i = 0; i < 2; i++) {
		buses[i] = new_windowed_ioas();
		CHECK(buses[i]);
		/* a new one has no windows, so nothing can be mapped */
		FAILS(map_at(iommufd, buses[i], ram, 4 * KIB, 0), EINVAL);
	}
	return true;
}

static bool default_windows_at_the_bases_that_the_guest_expects(void)
{
	CHECK(!create_window_at(buses[0], 0, LOW_SIZE));
	CHECK(!create_window_at(buses[1], 0, LOW_SIZE));
	return true;
}

static bool the_devices_of_each_bus_are_attached(void)
{
	/* what the hardware cannot keep is said now: the VMM would report it and quit */
	CHECK(!create_window_at(buses[1], 8 * GIB, GIB));
	FAILS(attach_to(devices[2].device, buses[1]), EADDRINUSE);
	CHECK(!remove_window(buses[1], 8 * GIB));
	CHECK(!attach_to(devices[0].device, buses[0]));
	CHECK(!attach_to(devices[1].device, buses[0]));
	CHECK(!attach_to(devices[2].device, buses[1]));
	return true;
}

/* The guest's first mappings, in its low window. */
static bool what_the_guest_maps_its_devices_reach(void)
{
	memset(ram, 'a', 4 * KIB);
	CHECK(!map_at(iommufd, buses[0], ram, 4 * KIB, 0x10000));
	CHECK(!map_at(iommufd, buses[0], ram + 4 * KIB, 4 * KIB, 0x11000));
	device_moves(&devices[0], 0x10000, 0x11000);
	CHECK(ram[4 * KIB] == 'a' && ram[4 * KIB + 63] == 'a');
	device_moves(&devices[1], 0x10000, 0x11000 + 64);
	CHECK(ram[4 * KIB + 64] == 'a');
	/* those of the other bus do not */
	CHECK(!device_reaches(&devices[2], 0x11000, ram + 4 * KIB));
	/* a map that fails fails the hypercall: outside, and over what is there */
	FAILS(map_at(iommufd, buses[0], ram, 4 * KIB, LOW_SIZE), EINVAL);
	FAILS(map_at(iommufd, buses[0], ram, 4 * KIB, HIGH), EINVAL);
	FAILS(map_at(iommufd, buses[0], ram, 4 * KIB, 0x10000), EEXIST);
	return true;
}

/* ibm,query-pe-dma-window: how many more, and of which pages. */
static bool the_guest_asks_what_windows_it_could_have(void)
{
	struct rf_ioas_window window;
	struct rf_ioas_get_windows cmd = {
		.size = sizeof(cmd),
		.ioas_id = buses[0],
		.num_windows = 1,
		.windows = (uintptr_t)&window,
	};

	CHECK(!ioctl(iommufd, RF_IOAS_GET_WINDOWS, &cmd));
	CHECK(cmd.num_windows == 1 && window.iova == 0 && window.last == LOW_SIZE - 1);
	CHECK(cmd.out_left == 1 && cmd.out_flags == RF_IOAS_WINDOWS_ONLY);
	CHECK(cmd.out_page_sizes == (4 * KIB | 64 * KIB | 16 * MIB));
	return true;
}

/* ibm,create-pe-dma-window: for all of its memory, in large pages. */
static bool the_guest_creates_a_window_for_all_of_its_memory(void)
{
	uint64_t third = 0;

	CHECK(!create_window(buses[0], 0, &high, 16 * GIB, HIGH_PAGE));
	CHECK(high == HIGH);
	FAILS(create_window(buses[0], 0, &third, GIB, 0), ENOSPC);
	CHECK(!map_at(iommufd, buses[0], ram, RAM_SIZE, high));
	memset(ram + RAM_SIZE - 4 * KIB, 'b', 64);
	device_moves(&devices[1], high + RAM_SIZE - 4 * KIB, high + 8 * KIB);
	CHECK(ram[8 * KIB] == 'b');
	/* a page of 4 KiB is none of this window's */
	FAILS(map_at(iommufd, buses[0], ram, 4 * KIB, high + RAM_SIZE), EINVAL);
	FAILS(map_at(iommufd, buses[0], ram + 4 * KIB, HIGH_PAGE, high + RAM_SIZE), EINVAL);
	FAILS(unmap_at(iommufd, buses[0], 4 * KIB, high), EINVAL);
	return true;
}

static bool a_hotplugged_device_sees_the_windows_of_its_bus(void)
{
	CHECK(!device_reaches(&devices[3], high, ram));
	CHECK(!attach_to(devices[3].device, buses[0]));
	device_moves(&devices[3], high + 8 * KIB, 0x11000);
	CHECK(ram[4 * KIB] == 'b');
	/* it may leave again */
	CHECK(!detach(devices[3].device));
	CHECK(!device_reaches(&devices[3], high, ram));
	return true;
}

static bool reset_brings_the_defaults_back(void)
{
	uint64_t again = 0;

	CHECK(!remove_window(buses[0], high));
	CHECK(!remove_window(buses[0], 0));
	FAILS(remove_window(buses[0], 0), ENOENT);
	CHECK(!device_reaches(&devices[0], 0x11000, ram + 4 * KIB));
	CHECK(!device_reaches(&devices[1], high, ram));
	CHECK(!create_window_at(buses[0], 0, LOW_SIZE));
	CHECK(!device_reaches(&devices[0], 0x11000, ram + 4 * KIB));
	/* another kernel wants it otherwise */
	CHECK(!create_window(buses[0], 0, &again, 4 * GIB, 16 * MIB));
	CHECK(again == HIGH);
	CHECK(!map_at(iommufd, buses[0], ram, 4 * KIB, 0x20000));
	CHECK(device_reaches(&devices[0], 0x20000, ram));
	return true;
}

/* The answer to the mail: other windows by another address space, in one step. */
static bool windows_change_under_running_devices_by_replacing_the_space(void)
{
	uint32_t next = new_windowed_ioas(), before = buses[0];

	CHECK(next);
	CHECK(!create_window_at(next, 0, GIB));
	CHECK(!copy_at(next, 0x20000, before, 0x20000, 4 * KIB));
	CHECK(!attach_to(devices[0].device, next));
	CHECK(device_reaches(&devices[0], 0x20000, ram));
	CHECK(device_reaches(&devices[1], 0x20000, ram)); /* by the space it has still */
	CHECK(!attach_to(devices[1].device, next));
	CHECK(!destroy(iommufd, before));
	CHECK(device_reaches(&devices[1], 0x20000, ram));
	FAILS(map_at(iommufd, next, ram, 4 * KIB, GIB), EINVAL);
	buses[0] = next;
	return true;
}

static bool all_of_it_ends(void)
{
	for (unsigned i = 0; i < 4; i++)
		CHECK(guest_close_device(&devices[i]));
	CHECK(!destroy(iommufd, buses[0]) && !destroy(iommufd, buses[1]));
	return !close(iommufd);
}

int main(void)
{
	static const struct test steps[] = {
		TEST(an_address_space_for_each_guest_side_bus),
		TEST(default_windows_at_the_bases_that_the_guest_expects),
		TEST(the_devices_of_each_bus_are_attached),
		TEST(what_the_guest_maps_its_devices_reach),
		TEST(the_guest_asks_what_windows_it_could_have),
		TEST(the_guest_creates_a_window_for_all_of_its_memory),
		TEST(a_hotplugged_device_sees_the_windows_of_its_bus),
		TEST(reset_brings_the_defaults_back),
		TEST(windows_change_under_running_devices_by_replacing_the_space),
		TEST(all_of_it_ends),
	};

	return run_steps(steps, NR_TESTS(steps));
}
