/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM with an x86 guest, in the steps of D. Gibson's mail of May 2022, up to what a
 * virtual IOMMU does by itself: where the mail says that it mirrors the guest's tables,
 * the VMM's calls stand. The machine is guest-x86.json: three devices; the last is plugged
 * in later.
 */
#include "guest.h"

#define LOW_SIZE  (2 * GIB) /* guest memory below 4 GiB */
#define HIGH_AT	  (4 * GIB)
#define HIGH_SIZE (1 * GIB)
#define MORE_AT	  (8 * GIB) /* plugged in later */
#define MORE_SIZE (256 * MIB)

static struct edu devices[3];
static uint8_t *low, *high, *more;
static uint32_t everything; /* the default address space: GPA is IOVA */
static uint32_t domain; /* one that the guest has made */

static bool a_default_address_space(void)
{
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	CHECK(iommufd >= 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK(guest_open_device(&devices[i], i));
	everything = new_ioas(iommufd);
	CHECK(everything);
	return true;
}

static bool a_window_for_each_block_of_guest_memory(void)
{
	low = pages(LOW_SIZE, MAP_PRIVATE | MAP_NORESERVE);
	high = pages(HIGH_SIZE, MAP_PRIVATE | MAP_NORESERVE);
	CHECK(low && high);
	CHECK(!create_window_at(everything, 0, LOW_SIZE));
	CHECK(!create_window_at(everything, HIGH_AT, HIGH_SIZE));
	FAILS(create_window_at(everything, LOW_SIZE - MIB, 2 * MIB), EADDRINUSE);
	return true;
}

static bool guest_memory_is_mapped_at_its_own_addresses(void)
{
	CHECK(!map_at(iommufd, everything, low, LOW_SIZE, 0));
	CHECK(!map_at(iommufd, everything, high, HIGH_SIZE, HIGH_AT));
	FAILS(map_at(iommufd, everything, low, 4 * KIB, LOW_SIZE), EINVAL); /* no memory there */
	return true;
}

static bool every_virtual_device_is_attached(void)
{
	/* memory where interrupts go: the VMM would report it and quit */
	CHECK(!create_window_at(everything, 0xfee00000, MIB));
	FAILS(attach_to(devices[0].device, everything), EADDRINUSE);
	CHECK(!remove_window(everything, 0xfee00000));
	CHECK(!attach_to(devices[0].device, everything));
	CHECK(!attach_to(devices[1].device, everything));
	return true;
}

static bool devices_use_guest_physical_addresses(void)
{
	memset(low + 0x1000, 'a', 64);
	device_moves(&devices[0], 0x1000, HIGH_AT + 0x3000);
	CHECK(high[0x3000] == 'a');
	device_moves(&devices[1], HIGH_AT + 0x3000, LOW_SIZE - 64);
	CHECK(low[LOW_SIZE - 64] == 'a');
	return true;
}

/* Its tables say 0x40000000 -> 0x1000; the VMM moves the device first, and mirrors then. */
static bool the_guest_gives_a_device_a_domain_of_its_own(void)
{
	domain = new_ioas(iommufd);
	CHECK(domain);
	CHECK(!attach_to(devices[1].device, domain));
	CHECK(!device_reaches(&devices[1], 0x1000, low + 0x1000));
	CHECK(!copy_at(domain, 0x40000000, everything, 0x1000, 4 * KIB));
	CHECK(device_reaches(&devices[1], 0x40000000, low + 0x1000));
	/* the other one goes on as before */
	CHECK(device_reaches(&devices[0], 0x1000, low + 0x1000));
	return true;
}

static bool a_cache_flush_mirrors_the_tables_anew(void)
{
	CHECK(!unmap_at(iommufd, domain, 4 * KIB, 0x40000000));
	CHECK(!copy_at(domain, 0x40000000, everything, HIGH_AT + 0x8000, 4 * KIB));
	CHECK(!device_reaches(&devices[1], 0x40000000, low + 0x1000));
	CHECK(device_reaches(&devices[1], 0x40000000, high + 0x8000));
	return true;
}

static bool a_hotplugged_device_joins_the_default(void)
{
	CHECK(!device_reaches(&devices[2], 0x1000, low + 0x1000));
	CHECK(!attach_to(devices[2].device, everything));
	CHECK(device_reaches(&devices[2], 0x1000, low + 0x1000));
	return true;
}

/* A VMM of several processes: what one makes with the descriptor, all have. */
static bool another_process_may_make_windows(void)
{
	struct rf_ioas_window windows[4] = { { 0 } };
	struct rf_ioas_get_windows cmd = {
		.size = sizeof(cmd),
		.ioas_id = everything,
		.num_windows = 4,
		.windows = (uintptr_t)windows,
	};
	pid_t child = fork();

	CHECK(child >= 0);
	if (!child) {
		uint64_t iova = MORE_AT;
		bool ok;

		ok = !create_window(everything, FIXED, &iova, MORE_SIZE, 2 * MIB) &&
		     !ioctl(iommufd, RF_IOAS_GET_WINDOWS, &cmd) && cmd.num_windows == 3 &&
		     windows[1].iova == HIGH_AT && windows[2].page_size == 2 * MIB;
		_exit(ok ? 0 : 1);
	}
	CHECK(wait_for(child) == 0);
	CHECK(!ioctl(iommufd, RF_IOAS_GET_WINDOWS, &cmd) && cmd.num_windows == 3);
	CHECK(windows[2].iova == MORE_AT && windows[2].last == MORE_AT + MORE_SIZE - 1);
	return !remove_window(everything, MORE_AT);
}

static bool hotplugged_memory_gets_a_window(void)
{
	more = pages(MORE_SIZE, MAP_PRIVATE | MAP_NORESERVE);
	CHECK(more);
	FAILS(map_at(iommufd, everything, more, MORE_SIZE, MORE_AT), EINVAL);
	CHECK(!create_window_at(everything, MORE_AT, MORE_SIZE));
	CHECK(!map_at(iommufd, everything, more, MORE_SIZE, MORE_AT));
	CHECK(device_reaches(&devices[2], MORE_AT + MORE_SIZE - 4096, more + MORE_SIZE - 4096));
	/* where the devices reach nothing, and where interrupts go: the hotplug fails */
	FAILS(create_window_at(everything, 1ul << 48, GIB), EOPNOTSUPP);
	FAILS(create_window_at(everything, 0xfe000000, 16 * MIB), EADDRINUSE);
	/* unplugged, it is gone for the devices */
	CHECK(!remove_window(everything, MORE_AT));
	CHECK(!device_reaches(&devices[2], MORE_AT, more));
	return true;
}

static bool reset_brings_every_device_back_to_the_default(void)
{
	for (unsigned i = 0; i < 3; i++)
		CHECK(!attach_to(devices[i].device, everything));
	CHECK(!destroy(iommufd, domain));
	for (unsigned i = 0; i < 3; i++)
		CHECK(device_reaches(&devices[i], HIGH_AT, high));
	return true;
}

static bool all_of_it_ends(void)
{
	for (unsigned i = 0; i < 3; i++)
		CHECK(guest_close_device(&devices[i]));
	CHECK(!destroy(iommufd, everything));
	return !close(iommufd) && !munmap(low, LOW_SIZE) && !munmap(high, HIGH_SIZE) &&
	       !munmap(more, MORE_SIZE);
}

int main(void)
{
	static const struct test steps[] = {
		TEST(a_default_address_space),
		TEST(a_window_for_each_block_of_guest_memory),
		TEST(guest_memory_is_mapped_at_its_own_addresses),
		TEST(every_virtual_device_is_attached),
		TEST(devices_use_guest_physical_addresses),
		TEST(the_guest_gives_a_device_a_domain_of_its_own),
		TEST(a_cache_flush_mirrors_the_tables_anew),
		TEST(a_hotplugged_device_joins_the_default),
		TEST(another_process_may_make_windows),
		TEST(hotplugged_memory_gets_a_window),
		TEST(reset_brings_every_device_back_to_the_default),
		TEST(all_of_it_ends),
	};

	return run_steps(steps, NR_TESTS(steps));
}
