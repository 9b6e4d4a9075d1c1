/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "group/why.h"
#include "topologies.h"

static struct pci_topology *topology;

/* All reasons and what would undo them, a line each. */
static void expect_why_by(enum pci_grouping grouping, const char *address, const char *expected)
{
	struct group_reason *reasons;
	char text[4096] = "";
	size_t nr;

	assert_int_equal(why_function(topology, at(topology, address), grouping, &reasons, &nr), 0);
	for (size_t i = 0; i < nr; i++) {
		char *why = reason_text(&reasons[i]), *remedy = reason_remedy(&reasons[i]);

		assert_non_null(why);
		assert_non_null(remedy);
		strcat(strcat(text, why), "\n");
		if (*remedy)
			strcat(strcat(strcat(text, "  "), remedy), "\n");
		free(why);
		free(remedy);
	}
	free(reasons);
	assert_string_equal(text, expected);
	assert_true(nr > 0);
}

static void expect_why(const char *address, const char *expected)
{
	expect_why_by(PCI_GROUPS_BY_ISOLATION, address, expected);
}

static int teardown(void **state)
{
	topology_free(topology);
	return 0;
}

static void a_port_that_leaks_is_named(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1, ACS_OFF, .subordinate = 3),
		BRIDGE(1, 0, 0, PCIE_UPSTREAM, 2, .subordinate = 3),
		BRIDGE(2, 0, 0, PCIE_DOWNSTREAM, 3),
		ENDPOINT(3, 0, 0),
	};

	topology = BUILD(table);
	at(topology, "00:01.0")->acs_ctrl = ACS_SV | ACS_CR;
	expect_why(
		"03:00.0",
		"the switch downstream port 0000:02:00.0 above 0000:03:00.0 has no ACS "
		"capability: what is below it can reach its peers without the IOMMU seeing it\n"
		"  none in software: 0000:02:00.0 would need an ACS capability; move the device "
		"to a slot below another port\n"
		"the root port 0000:00:01.0 above 0000:03:00.0 has ACS RR UF switched off: what "
		"is below it can reach its peers without the IOMMU seeing it\n"
		"  enable ACS RR UF in 0000:00:01.0 (a kernel with its IOMMU on does so at boot, "
		"unless told otherwise)\n");
	/* the port's own answer names what it lets through */
	expect_why(
		"00:01.0",
		"the root port 0000:00:01.0 above 0000:01:00.0 has ACS RR UF switched off: what "
		"is below it can reach its peers without the IOMMU seeing it\n"
		"  enable ACS RR UF in 0000:00:01.0 (a kernel with its IOMMU on does so at boot, "
		"unless told otherwise)\n");
	at(topology, "00:01.0")->acs_ctrl = ACS_ISOLATION;
	expect_why("00:01.0", "0000:00:01.0 is alone: it is on a root bus, and no function of its "
			      "slot is exposed to it\n");
}

/* A VMD endpoint is with all that sends its DMA through it. */
static void who_lends_its_id_is_told_to_whom(void **state)
{
	static const struct pci_function table[] = {
		EXPRESS(0, 0xe, 0, PCIE_RC_ENDPOINT, IDS(0x8086, 0x9a0b)),
		ENDPOINT(1, 0, 0),
	};
	struct pci_function *vmd, *behind;

	topology = BUILD(table);
	vmd = at(topology, "00:0e.0");
	behind = at(topology, "01:00.0");
	behind->dma_device = vmd;
	vmd->lends_id = true; /* as topology_link() says */
	expect_why("00:0e.0", "all DMA of 0000:01:00.0 carries the requester id of 0000:00:0e.0\n"
			      "  switch off in firmware what puts it behind 0000:00:0e.0 (VMD)\n");
	behind->no_iommu = true;
	expect_why("00:0e.0", "0000:00:0e.0 is alone: every port above it keeps peers apart, and "
			      "VT-d requires integrated endpoints to send untranslated requests to "
			      "the IOMMU\n");
}

/* Another port would not be enough: its functions would still be together. */
static void siblings_below_a_port_that_leaks_are_named(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1),
		ENDPOINT(1, 0, 0, MULTI),
		ENDPOINT(1, 0, 1),
	};

	topology = BUILD(table);
	expect_why(
		"01:00.1",
		"the root port 0000:00:01.0 above 0000:01:00.1 has no ACS capability: what is "
		"below it can reach its peers without the IOMMU seeing it\n"
		"  none in software: 0000:00:01.0 would need an ACS capability; move the device "
		"to a slot below another port\n"
		"0000:01:00.1 and 0000:01:00.0 are functions of one device that may talk to each "
		"other unseen: 0000:01:00.1 has no ACS capability, 0000:01:00.0 has no ACS "
		"capability\n"
		"  none: the functions of 0000:01:00 are one device, which does not keep them "
		"apart\n");
}

static void siblings_are_named(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1, ACS_OK),
		ENDPOINT(1, 0, 0, MULTI),
		ENDPOINT(1, 0, 1, ACS_OFF),
		ENDPOINT(1, 0, 2, ACS_OK),
	};

	topology = BUILD(table);
	expect_why(
		"01:00.1",
		"0000:01:00.1 and 0000:01:00.0 are functions of one device that may talk to each "
		"other unseen: 0000:01:00.1 has ACS SV RR CR UF switched off, 0000:01:00.0 has "
		"no ACS capability\n"
		"  enable ACS SV RR CR UF in 0000:01:00.1 (a kernel with its IOMMU on does so at "
		"boot, unless told otherwise)\n");
	expect_why("01:00.2", "0000:01:00.2 is alone: every port above it and its own ACS keep "
			      "peers apart\n");
}

static void bridges_are_named(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1, ACS_OK, .subordinate = 2),
		BRIDGE(1, 0, 0, PCIE_TO_PCI_BRIDGE, 2),
		BRIDGE(0, 2, 0, PCIE_ROOT_PORT, 3, ACS_OK, .subordinate = 4),
		BRIDGE(3, 0, 0, PCIE_NONE, 4, IDS(0x1b21, 0x1080)),
		CONVENTIONAL(2, 1, 0),
		CONVENTIONAL(4, 1, 0),
	};

	topology = BUILD(table);
	expect_why("02:01.0",
		   "DMA of 0000:02:01.0 reaches the IOMMU with an id of the PCIe-to-PCI bridge "
		   "0000:01:00.0, as all DMA of the buses below that does\n"
		   "  move the device to a PCIe slot: behind 0000:01:00.0 nothing can be told "
		   "apart\n");
	expect_why("01:00.0",
		   "DMA of 0000:02:01.0 reaches the IOMMU with an id of the PCIe-to-PCI bridge "
		   "0000:01:00.0, as all DMA of the buses below that does\n"
		   "  move the device to a PCIe slot: behind 0000:01:00.0 nothing can be told "
		   "apart\n");
	expect_why(
		"04:01.0",
		"DMA of 0000:04:01.0 reaches the IOMMU with an id of the bridge 0000:03:00.0: it "
		"is a PCIe-to-PCI bridge that does not say so (its secondary bus's id (ASMedia "
		"ASM1083))\n"
		"  move the device to a PCIe slot: behind 0000:03:00.0 nothing can be told "
		"apart\n");
}

static void aliases_and_phantoms_are_named(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1, ACS_OK),
		BRIDGE(0, 2, 0, PCIE_ROOT_PORT, 2, ACS_OK),
		ENDPOINT(1, 0, 0, IDS(0x1b4b, 0x9230)),
		ENDPOINT(2, 0, 0, IDS(0x1b4b, 0x9123), MULTI, ACS_OK),
		ENDPOINT(2, 0, 1, IDS(0x1b4b, 0x91a4), ACS_OK),
	};

	topology = BUILD(table);
	expect_why("01:00.0",
		   "0000:01:00.0 also uses the requester id of 00.1, where no function is (the id "
		   "of function 1 (Marvell SATA controller))\n"
		   "0000:01:00.0 is alone: every port above it keeps peers apart\n");
	expect_why("02:00.1",
		   "0000:02:00.1 and 0000:02:00.0 use the same requester id: DMA carries the id of "
		   "function 1 (Marvell SATA controller)\n"
		   "  none: 0000:02:00.1 and 0000:02:00.0 cannot be told apart\n");
}

static void quirks_and_ignorance_are_told(void **state)
{
	static const struct pci_function table[] = {
		EXPRESS(0, 2, 0, PCIE_RC_ENDPOINT, IDS(0x8086, 0x9a49), MULTI),
		BRIDGE(0, 3, 0, PCIE_ROOT_PORT, 1, IDS(0x1d17, 0x0999)),
		ENDPOINT(1, 0, 0),
		EXPRESS(0, 4, 0, PCIE_RC_ENDPOINT, .no_iommu = true),
		CONVENTIONAL(0, 5, 0),
		CONVENTIONAL(0, 6, 0),
	};

	topology = BUILD(table);
	at(topology, "00:05.0")->caps_known = false;
	expect_why("00:02.0", "0000:00:02.0 is alone: every port above it keeps peers apart, and "
			      "VT-d requires integrated endpoints to send untranslated requests to "
			      "the IOMMU\n");
	expect_why("01:00.0",
		   "the root port 0000:00:03.0 above 0000:01:00.0 lacks SV RR CR UF (Linux trusts "
		   "only certain devices of this vendor): what is below it can reach its peers "
		   "without the IOMMU seeing it\n"
		   "  none in software for 0000:00:03.0\n");
	expect_why("00:04.0", "0000:00:04.0 has no group: no IOMMU above it\n");
	at(topology, "00:06.0")->caps_known = false;
	at(topology, "00:06.0")->silent = true;
	expect_why("00:06.0", "0000:00:06.0 does not answer (powered down, or gone): what it is "
			      "capable of is not known, and taken to be nothing\n"
			      "  look again when 0000:00:06.0 is powered up\n"
			      "0000:00:06.0 is alone: it is on a root bus, and no function of its "
			      "slot is exposed to it\n");
	expect_why("00:05.0", "the capabilities of 0000:00:05.0 cannot be read without privilege; "
			      "it is taken to have none\n"
			      "  run it as root, or save lspci -xxxx as root\n"
			      "0000:00:05.0 is alone: it is on a root bus, and no function of its "
			      "slot is exposed to it\n");
}

static void partitionable_endpoints_are_told(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 0, 0, PCIE_ROOT_PORT, 1),
		ENDPOINT(1, 0, 0, .nr_vfs = 1, .vf_offset = 1, .vf_stride = 1),
		ENDPOINT(1, 0, 1),
	};

	topology = BUILD(table);
	expect_why_by(PCI_GROUPS_BY_PE, "00:00.0",
		      "all functions of 0000:00:00.0's root bus are one partitionable endpoint\n"
		      "  move the device to a slot with a bus of its own\n");
	expect_why_by(PCI_GROUPS_BY_PE, "01:00.0",
		      "all functions below the root port 0000:00:00.0 are one partitionable "
		      "endpoint\n"
		      "  move the device to a slot with a bus of its own\n");
	expect_why_by(PCI_GROUPS_BY_PE, "01:00.1",
		      "the virtual function 0000:01:00.1 is a partitionable endpoint by itself\n");
	at(topology, "01:00.0")->pe = 7;
	expect_why_by(PCI_GROUPS_BY_PE, "01:00.0",
		      "firmware put 0000:01:00.0 into partitionable endpoint 7\n");
}

static void memory_may_run_out(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1),
		ENDPOINT(1, 0, 0),
	};
	struct group_reason *reasons;
	size_t nr;

	topology = BUILD(table);
	alloc_fail_nth(1);
	assert_int_equal(why_function(topology, at(topology, "01:00.0"), PCI_GROUPS_BY_ISOLATION,
				      &reasons, &nr),
			 -ENOMEM);
	assert_int_equal(why_function(topology, at(topology, "01:00.0"), PCI_GROUPS_BY_ISOLATION,
				      &reasons, &nr),
			 0);
	alloc_fail_nth(1);
	assert_null(reason_text(reasons));
	alloc_fail_nth(1);
	assert_null(reason_remedy(reasons));
	alloc_fail_nth(0);
	free(reasons);
}

#define CASE(test) cmocka_unit_test_teardown(test, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_port_that_leaks_is_named),
		CASE(siblings_below_a_port_that_leaks_are_named),
		CASE(siblings_are_named),
		CASE(who_lends_its_id_is_told_to_whom),
		CASE(bridges_are_named),
		CASE(aliases_and_phantoms_are_named),
		CASE(quirks_and_ignorance_are_told),
		CASE(partitionable_endpoints_are_told),
		CASE(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
