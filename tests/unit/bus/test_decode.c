/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions read from the bytes of their configuration space.
 */
#include <errno.h>

#include "../random.h"
#include "base/alloc.h"
#include "bus/topology.h"
#include "fixture.h"

static uint8_t bytes[4096];
static struct pci_function fn;

static void put16(unsigned at, unsigned value)
{
	bytes[at] = (uint8_t)value;
	bytes[at + 1] = (uint8_t)(value >> 8);
}

static void put32(unsigned at, uint32_t value)
{
	put16(at, value & 0xffff);
	put16(at + 2, value >> 16);
}

/* A root port of an ACS capability, with ARI forwarding on. */
static int setup(void **state)
{
	memset(bytes, 0, sizeof(bytes));
	fn = (struct pci_function)PCI_FUNCTION_INIT;
	put16(0x00, 0x8086);
	put16(0x02, 0x1901);
	put16(0x06, 0x0010);
	put32(0x08, 0x06040007);
	bytes[0x0e] = 0x81;
	bytes[0x19] = 2;
	bytes[0x1a] = 5;
	bytes[0x34] = 0x88;
	put32(0x88, 0x0000400d); /* subsystem ids */
	put32(0x8c, 0x20151458);
	put32(0x40, 0x01420010); /* PCI Express, version 2, root port, last */
	put16(0x68, 0x0020);
	put32(0x100, 0x14010000); /* an empty capability that is no ACS */
	put32(0x140, 0x0001000d);
	put16(0x144, 0x005f);
	put16(0x146, 0x001d);
	put32(0x148, 0x12345678);
	return 0;
}

static int teardown(void **state)
{
	alloc_fail_nth(0);
	free(fn.config);
	return 0;
}

static void expect_decode(size_t size)
{
	char *error;

	if (pci_function_decode(&fn, bytes, size, &error))
		fail_msg("%s", error ? error : "no memory");
}

static void expect_refusal(size_t size, const char *why)
{
	struct pci_function was = fn;
	char *error;

	assert_int_equal(pci_function_decode(&fn, bytes, size, &error), -EINVAL);
	assert_string_equal(error, why);
	assert_memory_equal(&fn, &was, sizeof(fn));
	free(error);
}

static void a_port_says_everything(void **state)
{
	put32(0x100, 0x14010001);
	expect_decode(4096);
	assert_int_equal(fn.vendor, 0x8086);
	assert_int_equal(fn.device, 0x1901);
	assert_int_equal(fn.class, 0x060400);
	assert_int_equal(fn.revision, 7);
	assert_int_equal(fn.header, PCI_HEADER_BRIDGE);
	assert_true(fn.multifunction);
	assert_int_equal(fn.secondary, 2);
	assert_int_equal(fn.subordinate, 5);
	assert_int_equal(fn.pcie, PCIE_ROOT_PORT);
	assert_true(fn.ari);
	assert_int_equal(fn.subsystem_vendor, 0x1458);
	assert_int_equal(fn.subsystem_device, 0x2015);
	assert_true(fn.has_acs);
	assert_int_equal(fn.acs_cap, 0x5f);
	assert_int_equal(fn.acs_ctrl, 0x1d);
	assert_int_equal(fn.acs_ctrl_wide, 0x12345678);
	assert_true(fn.caps_known);
	assert_int_equal(fn.config_size, 4096);
}

static void an_endpoint_says_its_vfs(void **state)
{
	bytes[0x0e] = 0;
	put16(0x42, 0x0002);
	put32(0x2c, 0x00011af4);
	put32(0x88, 0x00004001);
	put32(0x100, 0x14010010);
	put16(0x108, 1);
	put16(0x110, 3);
	put16(0x114, 128);
	put16(0x116, 2);
	put16(0x11a, 0x154c);
	put32(0x140, 0x0001000e);
	expect_decode(4096);
	assert_int_equal(fn.pcie, PCIE_ENDPOINT);
	assert_int_equal(fn.nr_vfs, 3);
	assert_int_equal(fn.vf_offset, 128);
	assert_int_equal(fn.vf_stride, 2);
	assert_int_equal(fn.vf_device, 0x154c);
	assert_true(fn.ari);
	assert_false(fn.has_acs);
	assert_int_equal(fn.subsystem_device, 1);
	put16(0x108, 0); /* not enabled: none are there */
	expect_decode(4096);
	assert_int_equal(fn.nr_vfs, 0);
}

static void the_first_of_two_capabilities_counts(void **state)
{
	bytes[0x41] = 0xa0;
	put32(0xa0, 0x00420010); /* another PCI Express: an endpoint */
	put32(0x140, 0x1801000d);
	put32(0x180, 0x0001000d); /* another ACS, with nothing on */
	expect_decode(4096);
	assert_int_equal(fn.pcie, PCIE_ROOT_PORT);
	assert_int_equal(fn.acs_cap, 0x5f);
	assert_int_equal(fn.acs_ctrl, 0x1d);
}

/* An upstream port is a function with an ARI capability of its own. */
static void an_ari_capability_forwards_nothing(void **state)
{
	put16(0x42, 0x0152); /* an upstream port */
	put16(0x68, 0);
	put32(0x140, 0x0001000e);
	expect_decode(4096);
	assert_false(fn.ari);
	bytes[0x0e] = 0;
	put16(0x42, 0x0002); /* an endpoint */
	expect_decode(4096);
	assert_true(fn.ari);
}

static void a_short_view_says_what_it_can(void **state)
{
	expect_decode(256);
	assert_int_equal(fn.pcie, PCIE_ROOT_PORT);
	assert_false(fn.has_acs);
	assert_false(fn.caps_known); /* ACS would be beyond */
	expect_decode(4096);
	assert_true(fn.caps_known);
	expect_decode(64);
	assert_int_equal(fn.pcie, PCIE_NONE);
	assert_int_equal(fn.secondary, 2);
	assert_false(fn.caps_known);
	put16(0x06, 0); /* it has none */
	expect_decode(64);
	assert_true(fn.caps_known);
	expect_decode(256); /* conventional PCI has no more */
	assert_true(fn.caps_known);
}

static void a_vf_keeps_the_identity_it_was_given(void **state)
{
	put32(0, 0xffffffff);
	bytes[0x0e] = 0;
	fn.vendor = 0x15b3;
	fn.device = 0x1018;
	expect_decode(4096);
	assert_int_equal(fn.vendor, 0x15b3);
	assert_int_equal(fn.device, 0x1018);
}

static void cut_short_is_refused(void **state)
{
	expect_refusal(0, "its configuration space is cut short after 0 bytes");
	expect_refusal(63, "its configuration space is cut short after 63 bytes");
	expect_refusal(200, "its configuration space is cut short after 200 bytes");
	expect_refusal(4095, "its configuration space is cut short after 4095 bytes");
}

static void nonsense_is_refused(void **state)
{
	bytes[0x0e] = 0x03;
	expect_refusal(256, "header type 03 is unknown");
	bytes[0x0e] = 0xff; /* ones, but it answers */
	expect_refusal(256, "header type 7f is unknown");
}

/* Powered down, or gone: what the caller knew is what is known. */
static void ones_are_a_function_that_does_not_answer(void **state)
{
	expect_decode(4096);
	memset(bytes, 0xff, sizeof(bytes));
	expect_decode(4096);
	assert_true(fn.silent);
	assert_false(fn.caps_known);
	assert_false(fn.has_acs);
	assert_int_equal(fn.pcie, PCIE_NONE);
	assert_int_equal(fn.vendor, 0x8086);
	assert_int_equal(fn.class, 0x060400);
	assert_int_equal(fn.header, PCI_HEADER_BRIDGE);
	assert_int_equal(fn.secondary, 2);
	expect_decode(64);
	assert_true(fn.silent);
	expect_refusal(63, "its configuration space is cut short after 63 bytes");
	free(fn.config);
	setup(NULL);
	expect_decode(256);
	assert_false(fn.silent);
}

static void circles_of_capabilities_are_refused(void **state)
{
	bytes[0x41] = 0x88;
	expect_refusal(256, "its capabilities are linked in a circle");
	bytes[0x41] = 0;
	put32(0x100, 0x14010001);
	put32(0x140, 0x1001000d);
	expect_refusal(4096, "its extended capabilities are linked in a circle");
}

static void any_bytes_can_be_read(void **state)
{
	static const size_t sizes[] = { 64, 128, 256, 4096 };
	uint64_t seed = 3;

	for (unsigned round = 0; round < 2000; round++) {
		char *error;

		for (unsigned i = 0; i < sizeof(bytes); i += 8) {
			uint64_t r = random_next(&seed) & random_next(&seed);

			memcpy(bytes + i, &r, 8);
		}
		bytes[0x0e] &= 0x83;
		if (pci_function_decode(&fn, bytes, sizes[round % 4], &error))
			free(error);
	}
}

static void memory_may_run_out(void **state)
{
	char *error;

	alloc_fail_nth(1);
	assert_int_equal(pci_function_decode(&fn, bytes, 256, &error), -ENOMEM);
	assert_null(error);
	assert_null(fn.config);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_port_says_everything),
		CASE(an_endpoint_says_its_vfs),
		CASE(the_first_of_two_capabilities_counts),
		CASE(an_ari_capability_forwards_nothing),
		CASE(a_short_view_says_what_it_can),
		CASE(a_vf_keeps_the_identity_it_was_given),
		CASE(cut_short_is_refused),
		CASE(nonsense_is_refused),
		CASE(ones_are_a_function_that_does_not_answer),
		CASE(circles_of_capabilities_are_refused),
		CASE(any_bytes_can_be_read),
		CASE(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
