/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Real machines and their groups, worked out from the rules. "PCIe" is the PCI
 * Express Base Specification 4.0, "bridge spec" the PCI Express to PCI/PCI-X
 * Bridge Specification 1.0.
 */
#include <stdio.h>

#include "topologies.h"

/*
 * A Skylake desktop (Z170). The processor's root ports 00:01.x have no ACS: PCIe
 * 6.12.1.1 has downstream ports implement it to say that peers are kept apart, so
 * what is below may talk: the graphics card joins them. 00:01.0 and .1 are
 * functions of one device, exposed to each other: all are one group. The PCH's
 * root ports have ACS, with the control register at offset 8 (100 series
 * specification update, erratum 23). Conventional functions of one slot (00:14.x,
 * 00:1f.x) cannot be told apart by any means; the I219 at 00:1f.6 is known never
 * to talk to its neighbours.
 */
static void desktop_with_an_intel_pch(void **state)
{
	static const struct pci_function table[] = {
		CONVENTIONAL(0, 0, 0, IDS(0x8086, 0x191f)),
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1, IDS(0x8086, 0x1901), MULTI),
		BRIDGE(0, 1, 1, PCIE_ROOT_PORT, 2, IDS(0x8086, 0x1905)),
		CONVENTIONAL(0, 0x14, 0, IDS(0x8086, 0xa12f), MULTI),
		CONVENTIONAL(0, 0x14, 2, IDS(0x8086, 0xa131)),
		CONVENTIONAL(0, 0x16, 0, IDS(0x8086, 0xa13a), MULTI),
		CONVENTIONAL(0, 0x17, 0, IDS(0x8086, 0xa102)),
		BRIDGE(0, 0x1b, 0, PCIE_ROOT_PORT, 3, IDS(0x8086, 0xa167), MULTI, ACS_OFF,
		       .acs_ctrl_wide = ACS_ISOLATION),
		BRIDGE(0, 0x1b, 3, PCIE_ROOT_PORT, 4, IDS(0x8086, 0xa16a), ACS_OFF,
		       .acs_ctrl_wide = ACS_ISOLATION),
		CONVENTIONAL(0, 0x1f, 0, IDS(0x8086, 0xa145), MULTI),
		CONVENTIONAL(0, 0x1f, 2, IDS(0x8086, 0xa121)),
		CONVENTIONAL(0, 0x1f, 3, IDS(0x8086, 0xa170)),
		CONVENTIONAL(0, 0x1f, 4, IDS(0x8086, 0xa123)),
		CONVENTIONAL(0, 0x1f, 6, IDS(0x8086, 0x15b8)),
		ENDPOINT(1, 0, 0, IDS(0x10de, 0x1b81), MULTI),
		ENDPOINT(1, 0, 1, IDS(0x10de, 0x10f0)),
		ENDPOINT(3, 0, 0, IDS(0x144d, 0xa804)),
		ENDPOINT(4, 0, 0, IDS(0x1b21, 0x1242)),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:00.0 | 00:01.0 00:01.1 01:00.0 01:00.1 | 00:14.0 00:14.2 | 00:16.0 | "
			 "00:17.0 | 00:1b.0 | 00:1b.3 | 00:1f.0 00:1f.2 00:1f.3 00:1f.4 | "
			 "00:1f.6 | 03:00.0 | 04:00.0");
	topology_free(t);
}

/*
 * An AM4 board with a B450 chipset: behind a root port with ACS sits a chip whose
 * function 2 is the upstream port of a switch, and whose functions 0 and 1 are USB
 * and SATA. None of them, nor the switch's downstream ports, has ACS: PCIe
 * 6.12.1.2 asks it of multifunction devices that keep their functions apart. So
 * everything behind the chipset is one group. 00:01.0 is no port, but a function
 * of the root port's slot without PCI Express; it takes nobody along, as the port
 * itself has ACS.
 */
static void desktop_without_acs_on_the_chipset(void **state)
{
	static const struct pci_function table[] = {
		CONVENTIONAL(0, 0, 0, IDS(0x1022, 0x1450)),
		CONVENTIONAL(0, 1, 0, IDS(0x1022, 0x1452), MULTI),
		BRIDGE(0, 1, 3, PCIE_ROOT_PORT, 1, IDS(0x1022, 0x1453), ACS_OK, .subordinate = 5),
		CONVENTIONAL(0, 3, 0, IDS(0x1022, 0x1452), MULTI),
		BRIDGE(0, 3, 1, PCIE_ROOT_PORT, 7, IDS(0x1022, 0x1453), ACS_OK),
		ENDPOINT(1, 0, 0, IDS(0x1022, 0x43d5), MULTI),
		ENDPOINT(1, 0, 1, IDS(0x1022, 0x43c8)),
		BRIDGE(1, 0, 2, PCIE_UPSTREAM, 2, IDS(0x1022, 0x43c6), .subordinate = 5),
		BRIDGE(2, 0, 0, PCIE_DOWNSTREAM, 3, IDS(0x1022, 0x43c7)),
		BRIDGE(2, 1, 0, PCIE_DOWNSTREAM, 4, IDS(0x1022, 0x43c7)),
		BRIDGE(2, 4, 0, PCIE_DOWNSTREAM, 5, IDS(0x1022, 0x43c7)),
		ENDPOINT(4, 0, 0, IDS(0x10ec, 0x8168)),
		ENDPOINT(5, 0, 0, IDS(0x144d, 0xa808)),
		ENDPOINT(7, 0, 0, IDS(0x1002, 0x67df), MULTI),
		ENDPOINT(7, 0, 1, IDS(0x1002, 0xaaf0)),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t,
		      "00:00.0 | 00:01.0 | 00:01.3 | 00:03.0 | 00:03.1 | 01:00.0 01:00.1 01:00.2 "
		      "02:00.0 02:01.0 02:04.0 04:00.0 05:00.0 | 07:00.0 07:00.1");
	topology_free(t);
}

/* A server: a root port with ACS, a switch, an adapter at each downstream port. */
static struct pci_topology *server(void)
{
	static const struct pci_function table[] = {
		BRIDGE(0x17, 0, 0, PCIE_ROOT_PORT, 0x18, ACS_OK, .subordinate = 0x1c),
		BRIDGE(0x18, 0, 0, PCIE_UPSTREAM, 0x19, IDS(0x10b5, 0x8747), .subordinate = 0x1c),
		BRIDGE(0x19, 8, 0, PCIE_DOWNSTREAM, 0x1a, IDS(0x10b5, 0x8747), ACS_OK),
		BRIDGE(0x19, 9, 0, PCIE_DOWNSTREAM, 0x1b, IDS(0x10b5, 0x8747), ACS_OK),
		BRIDGE(0x19, 0x10, 0, PCIE_DOWNSTREAM, 0x1c, IDS(0x10b5, 0x8747), ACS_OK),
		ENDPOINT(0x1a, 0, 0, IDS(0x15b3, 0x1017)),
		ENDPOINT(0x1b, 0, 0, IDS(0x8086, 0x0953)),
		ENDPOINT(0x1c, 0, 0, IDS(0x144d, 0xa822)),
	};

	return BUILD(table);
}

/*
 * With ACS on in every downstream port each adapter stands alone, and so does each
 * port: the upstream port is a single function, to which ACS does not apply (PCIe
 * 6.12.1.3).
 */
static void server_with_a_switch_that_has_acs(void **state)
{
	struct pci_topology *t = server();

	expect_groups(t, "17:00.0 | 18:00.0 | 19:08.0 | 19:09.0 | 19:10.0 | 1a:00.0 | 1b:00.0 | "
			 "1c:00.0");
	topology_free(t);
}

/*
 * One downstream port with request redirect off: what is below it can reach its
 * peers (PCIe 6.12.1.1), but they cannot reach it in turn except through ports that
 * redirect. It joins its port; the port stands alone, as nothing of its slot is
 * exposed and the ports above isolate.
 */
static void server_with_one_port_that_leaks(void **state)
{
	struct pci_topology *t = server();

	at(t, "19:09.0")->acs_ctrl &= (uint16_t)~ACS_RR;
	expect_groups(t, "17:00.0 | 18:00.0 | 19:08.0 | 19:09.0 1b:00.0 | 19:10.0 | 1a:00.0 | "
			 "1c:00.0");
	topology_free(t);
}

/* No ACS in the root port: it and everything below are one. */
static void server_with_a_root_port_that_leaks(void **state)
{
	struct pci_topology *t = server();

	at(t, "17:00.0")->has_acs = false;
	expect_groups(t, "17:00.0 18:00.0 19:08.0 19:09.0 19:10.0 1a:00.0 1b:00.0 1c:00.0");
	topology_free(t);
}

/*
 * What the capability does not implement counts as done or not applicable, for all
 * but egress control (PCIe 6.12.1.1: each is required where the port can do it).
 */
static void bits_that_are_not_implemented_do_not_count(void **state)
{
	struct pci_topology *t = server();

	at(t, "19:08.0")->acs_cap = at(t, "19:08.0")->acs_ctrl = ACS_SV;
	at(t, "19:09.0")->acs_cap = at(t, "19:09.0")->acs_ctrl = 0;
	expect_groups(t, "17:00.0 | 18:00.0 | 19:08.0 | 19:09.0 | 19:10.0 | 1a:00.0 | 1b:00.0 | "
			 "1c:00.0");
	topology_free(t);
}

static struct pci_topology *four_ports(uint16_t vendor, uint16_t device, bool acs)
{
	const struct pci_function table[] = {
		BRIDGE(0, 3, 0, PCIE_ROOT_PORT, 2, ACS_OK),
		ENDPOINT(2, 0, 0, IDS(vendor, device), MULTI, .has_acs = acs),
		ENDPOINT(2, 0, 1, IDS(vendor, device), .has_acs = acs),
		ENDPOINT(2, 0, 2, IDS(vendor, device), .has_acs = acs),
		ENDPOINT(2, 0, 3, IDS(vendor, device), .has_acs = acs),
	};

	return BUILD(table);
}

/*
 * A network adapter of four functions. Without ACS its functions may talk inside
 * the chip (PCIe 6.12.1.2). With it they may not. An I350 has none, and its
 * vendor's word that it never does.
 */
static void network_adapter_of_four_functions(void **state)
{
	static const char together[] = "00:03.0 | 02:00.0 02:00.1 02:00.2 02:00.3";
	static const char apart[] = "00:03.0 | 02:00.0 | 02:00.1 | 02:00.2 | 02:00.3";
	struct pci_topology *t = four_ports(0x14e4, 0x165f, false);

	expect_groups(t, together);
	topology_free(t);
	t = four_ports(0x14e4, 0x165f, true);
	expect_groups(t, apart);
	topology_free(t);
	t = four_ports(0x8086, 0x1521, false);
	expect_groups(t, apart);
	topology_free(t);
}

/* Of functions that are exposed, those with ACS of their own are not part. */
static void functions_with_acs_keep_out_of_exposed_ones(void **state)
{
	struct pci_topology *t = four_ports(0x14e4, 0x165f, false);

	at(t, "02:00.2")->has_acs = true;
	at(t, "02:00.2")->acs_cap = at(t, "02:00.2")->acs_ctrl = ACS_RR | ACS_CR;
	expect_groups(t, "00:03.0 | 02:00.0 02:00.1 02:00.3 | 02:00.2");
	topology_free(t);
}

/*
 * A PCIe-to-PCI bridge takes ownership of requests from its secondary bus, with
 * that bus's number as requester id (bridge spec 2.3): nothing behind it can be
 * told apart, the bridge itself included. Bridges behind it change nothing.
 */
static void slots_behind_a_pcie_to_pci_bridge(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 0x1c, 0, PCIE_ROOT_PORT, 3, ACS_OK, .subordinate = 5),
		BRIDGE(3, 0, 0, PCIE_TO_PCI_BRIDGE, 4, IDS(0x104c, 0x8240), .subordinate = 5),
		CONVENTIONAL(4, 0, 0, IDS(0x10ec, 0x8139)),
		CONVENTIONAL(4, 1, 0, IDS(0x1102, 0x0002), MULTI),
		CONVENTIONAL(4, 1, 1, IDS(0x1102, 0x7002)),
		BRIDGE(4, 2, 0, PCIE_NONE, 5, IDS(0x1011, 0x0024)),
		CONVENTIONAL(5, 4, 0, IDS(0x109e, 0x036e)),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:1c.0 | 03:00.0 04:00.0 04:01.0 04:01.1 04:02.0 05:04.0");
	topology_free(t);
}

/* The same where the bridge is on the root bus: an 82801's 00:1e.0. */
static void slots_behind_a_bridge_of_the_root_bus(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 0x1e, 0, PCIE_NONE, 9, IDS(0x8086, 0x244e)),
		CONVENTIONAL(9, 0, 0, IDS(0x1106, 0x3044)),
		CONVENTIONAL(9, 1, 0, IDS(0x1274, 0x1371)),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:1e.0 09:00.0 09:01.0");
	assert_false(at(t, "00:1e.0")->bridge_aliases_bus);
	topology_free(t);
}

/* An ASM1083 hides that it is a PCIe-to-PCI bridge; where it sits says so. */
static void bridges_that_do_not_say_what_they_are(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 0x1c, 4, PCIE_ROOT_PORT, 3, ACS_OK, .subordinate = 4),
		BRIDGE(3, 0, 0, PCIE_NONE, 4, IDS(0x1b21, 0x1080)),
		CONVENTIONAL(4, 1, 0, IDS(0x14f1, 0x8800)),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:1c.4 | 03:00.0 04:01.0");
	assert_true(at(t, "03:00.0")->bridge_aliases_bus);
	topology_free(t);
}

/*
 * An SR-IOV adapter with ACS, two PFs, VFs on its bus and on the next, to which
 * nothing leads. VFs are single functions with requester ids of their own (SR-IOV
 * 1.1, 2.1.2), so they are alone where the ports above keep peers apart; and all one
 * with the port where they do not.
 */
static void sriov_adapter(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 2, 0, PCIE_ROOT_PORT, 3, ACS_OK, .subordinate = 4),
		ENDPOINT(3, 0, 0, IDS(0x8086, 0x1572), MULTI, ACS_OK, .nr_vfs = 2, .vf_offset = 16,
			 .vf_stride = 1, .vf_device = 0x154c),
		ENDPOINT(3, 0, 1, IDS(0x8086, 0x1572), ACS_OK, .nr_vfs = 2, .vf_offset = 255,
			 .vf_stride = 1, .vf_device = 0x154c),
		ENDPOINT(3, 2, 0, IDS(0xffff, 0xffff)),
		ENDPOINT(3, 2, 1, IDS(0xffff, 0xffff)),
		ENDPOINT(4, 0, 0, IDS(0xffff, 0xffff)),
		ENDPOINT(4, 0, 1, IDS(0xffff, 0xffff)),
	};
	struct pci_topology *t = BUILD(table);

	assert_ptr_equal(at(t, "03:02.1")->physfn, at(t, "03:00.0"));
	assert_ptr_equal(at(t, "04:00.1")->physfn, at(t, "03:00.1"));
	assert_ptr_equal(at(t, "04:00.1")->parent, at(t, "00:02.0"));
	assert_false(at(t, "03:02.1")->multifunction);
	assert_int_equal(at(t, "04:00.0")->vendor, 0x8086);
	assert_int_equal(at(t, "04:00.0")->device, 0x154c);
	expect_groups(t, "00:02.0 | 03:00.0 | 03:00.1 | 03:02.0 | 03:02.1 | 04:00.0 | 04:00.1");
	at(t, "00:02.0")->acs_ctrl = ACS_SV;
	expect_groups(t, "00:02.0 03:00.0 03:00.1 03:02.0 03:02.1 04:00.0 04:00.1");
	topology_free(t);
}

/*
 * Endpoints integrated into the root complex. VT-d has them send untranslated
 * requests to the IOMMU (VT-d 3.16), so Intel's are isolated as they are; others
 * need ACS where they are of several functions. Event collectors never have it
 * (PCIe 6.12).
 */
static void endpoints_of_the_root_complex(void **state)
{
	static const struct pci_function table[] = {
		EXPRESS(0, 2, 0, PCIE_RC_ENDPOINT, IDS(0x8086, 0x9a49), MULTI),
		EXPRESS(0, 2, 1, PCIE_RC_ENDPOINT, IDS(0x8086, 0x9a4a)),
		EXPRESS(0, 3, 0, PCIE_RC_ENDPOINT, IDS(0x1022, 0x1480), MULTI),
		EXPRESS(0, 3, 1, PCIE_RC_ENDPOINT, IDS(0x1022, 0x1481)),
		EXPRESS(0, 4, 0, PCIE_RC_ENDPOINT, IDS(0x1022, 0x1482)),
		EXPRESS(0, 5, 0, PCIE_RC_EVENT_COLLECTOR, IDS(0x1022, 0x1483), MULTI),
		EXPRESS(0, 5, 1, PCIE_RC_EVENT_COLLECTOR, IDS(0x1022, 0x1484)),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:02.0 | 00:02.1 | 00:03.0 00:03.1 | 00:04.0 | 00:05.0 00:05.1");
	topology_free(t);
}

/*
 * A POWER8 machine: one PE a bus below a host bridge's root port and below each
 * port of a switch, one for a PCIe-to-PCI bridge with all behind it, one a VF; and
 * what firmware numbers itself.
 */
static void power_groups_are_partitionable_endpoints(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 0, 0, PCIE_ROOT_PORT, 1, IDS(0x1014, 0x03dc), .subordinate = 9),
		BRIDGE(1, 0, 0, PCIE_UPSTREAM, 2, IDS(0x10b5, 0x8748), .subordinate = 9),
		BRIDGE(2, 1, 0, PCIE_DOWNSTREAM, 3, IDS(0x10b5, 0x8748), ACS_OK),
		BRIDGE(2, 8, 0, PCIE_DOWNSTREAM, 4, IDS(0x10b5, 0x8748), ACS_OK, .subordinate = 6),
		BRIDGE(2, 9, 0, PCIE_DOWNSTREAM, 7, IDS(0x10b5, 0x8748), ACS_OK, .subordinate = 8),
		ENDPOINT(3, 0, 0, IDS(0x14e4, 0x1657), MULTI, ACS_OK),
		ENDPOINT(3, 0, 1, IDS(0x14e4, 0x1657), ACS_OK),
		BRIDGE(4, 0, 0, PCIE_TO_PCI_BRIDGE, 5, IDS(0x104c, 0x8241), .subordinate = 6),
		CONVENTIONAL(5, 1, 0, IDS(0x104c, 0x8023)),
		BRIDGE(5, 2, 0, PCIE_NONE, 6, IDS(0x1011, 0x0024)),
		CONVENTIONAL(6, 0, 0, IDS(0x10ec, 0x8139)),
		ENDPOINT(7, 0, 0, IDS(0x15b3, 0x1013), .nr_vfs = 2, .vf_offset = 1, .vf_stride = 1),
		ENDPOINT(7, 0, 1, IDS(0xffff, 0xffff)),
		ENDPOINT(7, 0, 2, IDS(0xffff, 0xffff)),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups_by(t, PCI_GROUPS_BY_PE,
			 "00:00.0 | 01:00.0 | 02:01.0 02:08.0 02:09.0 | 03:00.0 03:00.1 | 04:00.0 "
			 "| 05:01.0 05:02.0 06:00.0 | 07:00.0 | 07:00.1 | 07:00.2");
	at(t, "03:00.1")->pe = at(t, "07:00.0")->pe = 5;
	at(t, "07:00.2")->pe = 5;
	expect_groups_by(t, PCI_GROUPS_BY_PE,
			 "00:00.0 | 01:00.0 | 02:01.0 02:08.0 02:09.0 | 03:00.0 | 03:00.1 07:00.0 "
			 "07:00.2 | 04:00.0 | 05:01.0 05:02.0 06:00.0 | 07:00.1");
	topology_free(t);
}

/*
 * Controllers that send requests with another function's id. A Marvell 88SE9230
 * uses function 1, a phantom; where something is there, it is theirs together. A
 * Ricoh's functions all use function 0's.
 */
static void functions_that_use_foreign_ids(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1, ACS_OK),
		BRIDGE(0, 2, 0, PCIE_ROOT_PORT, 2, ACS_OK),
		BRIDGE(0, 3, 0, PCIE_ROOT_PORT, 3, ACS_OK),
		ENDPOINT(1, 0, 0, IDS(0x1b4b, 0x9230)),
		ENDPOINT(2, 0, 0, IDS(0x1b4b, 0x9123), MULTI, ACS_OK),
		ENDPOINT(2, 0, 1, IDS(0x1b4b, 0x91a4), ACS_OK),
		ENDPOINT(2, 0, 2, IDS(0x1b4b, 0x91a4), ACS_OK),
		ENDPOINT(3, 0, 0, IDS(0x1180, 0xe822), MULTI, ACS_OK),
		ENDPOINT(3, 0, 1, IDS(0x1180, 0xe832), ACS_OK),
		ENDPOINT(3, 0, 2, IDS(0x1180, 0xe476), ACS_OK),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:01.0 | 00:02.0 | 00:03.0 | 01:00.0 | 02:00.0 02:00.1 | 02:00.2 | "
			 "03:00.0 03:00.1 03:00.2");
	topology_free(t);
}

/* Two that never meet are together if a third shares ids with both. */
static void sharing_ids_is_transitive(void **state)
{
	struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1, ACS_OK),
		ENDPOINT(1, 0, 0, .aliases = { 1ull << 16 }),
		ENDPOINT(1, 1, 0),
		ENDPOINT(1, 2, 0, .aliases = { 1ull << 8 }),
		ENDPOINT(1, 3, 0),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:01.0 | 01:00.0 01:01.0 01:02.0 | 01:03.0");
	topology_free(t);
}

/* A non-transparent bridge may use any id of its bus: all of that is its group. */
static void bridges_to_other_hosts_use_any_id(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1, ACS_OK),
		ENDPOINT(1, 0, 0, IDS(0x10b5, 0x87b0)),
		ENDPOINT(1, 1, 0),
		ENDPOINT(1, 2, 0),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:01.0 | 01:00.0 01:01.0 01:02.0");
	topology_free(t);
}

/* What hangs behind a VMD endpoint, in a domain of its own, uses the endpoint's id. */
static void disks_behind_vmd_are_in_its_group(void **state)
{
	static const struct pci_function table[] = {
		EXPRESS(0, 0x0e, 0, PCIE_RC_ENDPOINT, IDS(0x8086, 0x9a0b)),
		{ COMMON, AT(0x10000, 0xe0, 6, 0), .header = PCI_HEADER_BRIDGE,
		  .pcie = PCIE_ROOT_PORT, .secondary = 0xe1, .subordinate = 0xe1, ACS_OK },
		{ COMMON, AT(0x10000, 0xe1, 0, 0), .pcie = PCIE_ENDPOINT },
	};
	struct pci_topology *t = BUILD(table);

	at(t, "10000:e0:06.0")->dma_device = at(t, "00:0e.0");
	at(t, "10000:e1:00.0")->dma_device = at(t, "00:0e.0");
	expect_groups(t, "00:0e.0 10000:e0:06.0 10000:e1:00.0");
	topology_free(t);
}

/* On a ThunderX2 the IOMMU sits below a bridge that would hide what is behind it. */
static void no_alias_counts_above_the_iommu(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 0, 0, PCIE_TO_PCI_BRIDGE, 1, IDS(0x14e4, 0x9000), .subordinate = 3),
		BRIDGE(1, 0, 0, PCIE_ROOT_PORT, 2, IDS(0x177d, 0xaf84)),
		ENDPOINT(2, 0, 0),
	};
	struct pci_topology *t = BUILD(table);

	/* the way up is not isolated all the same: bridges have no ACS */
	expect_groups(t, "00:00.0 01:00.0 02:00.0");
	assert_true(at(t, "00:00.0")->translation_root);
	topology_free(t);
}

/* AMD's southbridge functions count as isolated where firmware describes its IOMMU. */
static void southbridge_functions_need_an_amd_iommu(void **state)
{
	static const struct pci_function table[] = {
		CONVENTIONAL(0, 0x14, 0, IDS(0x1002, 0x4385), MULTI),
		CONVENTIONAL(0, 0x14, 2, IDS(0x1002, 0x4383)),
		CONVENTIONAL(0, 0x14, 3, IDS(0x1002, 0x439d)),
		CONVENTIONAL(0, 0x14, 5, IDS(0x1002, 0x4399)),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:14.0 | 00:14.2 | 00:14.3 | 00:14.5");
	topology_set_no_ivrs(t);
	expect_groups(t, "00:14.0 00:14.2 00:14.3 00:14.5");
	topology_free(t);
}

/*
 * Older PCH root ports have registers of their own in place of ACS, which the
 * kernel can set when the LPC bridge says where they are (RCBA, bit 0 at f0).
 */
static void old_pch_ports_isolate_by_registers_of_their_own(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 0x1c, 0, PCIE_ROOT_PORT, 2, IDS(0x8086, 0x1e10), MULTI),
		BRIDGE(0, 0x1c, 4, PCIE_ROOT_PORT, 3, IDS(0x8086, 0x1e18)),
		CONVENTIONAL(0, 0x1f, 0, IDS(0x8086, 0x1e44)),
		ENDPOINT(2, 0, 0),
		ENDPOINT(3, 0, 0),
	};
	struct pci_topology *t = BUILD(table);
	uint8_t lpc[256] = { 0x86, 0x80, 0x44, 0x1e };
	char *error;

	expect_groups(t, "00:1c.0 | 00:1c.4 | 00:1f.0 | 02:00.0 | 03:00.0");
	assert_int_equal(pci_function_decode(at(t, "00:1f.0"), lpc, sizeof(lpc), &error), 0);
	expect_groups(t, "00:1c.0 00:1c.4 02:00.0 03:00.0 | 00:1f.0");
	lpc[0xf0] = 1;
	assert_int_equal(pci_function_decode(at(t, "00:1f.0"), lpc, sizeof(lpc), &error), 0);
	expect_groups(t, "00:1c.0 | 00:1c.4 | 00:1f.0 | 02:00.0 | 03:00.0");
	topology_free(t);
}

/* Of some vendors Linux trusts the devices it knows, and none else, whatever they say. */
static void some_vendors_are_trusted_by_device_only(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 2, IDS(0x1d17, 0x0715)),
		BRIDGE(0, 2, 0, PCIE_ROOT_PORT, 3, IDS(0x1d17, 0x0999), ACS_OK),
		ENDPOINT(2, 0, 0),
		ENDPOINT(3, 0, 0),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:01.0 | 00:02.0 03:00.0 | 02:00.0");
	topology_free(t);
}

/* Functions without an IOMMU have no group, and give none to others. */
static void functions_without_an_iommu_have_no_group(void **state)
{
	static const struct pci_function table[] = {
		BRIDGE(0, 1, 0, PCIE_ROOT_PORT, 1, .no_iommu = true),
		ENDPOINT(1, 0, 0, .no_iommu = true),
		EXPRESS(0, 2, 0, PCIE_RC_ENDPOINT, .device = 1),
	};
	struct pci_topology *t = BUILD(table);

	expect_groups(t, "00:02.0");
	assert_int_equal(at(t, "01:00.0")->group, PCI_GROUP_NONE);
	topology_free(t);
}

#define CASE(test) cmocka_unit_test(test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(desktop_with_an_intel_pch),
		CASE(desktop_without_acs_on_the_chipset),
		CASE(server_with_a_switch_that_has_acs),
		CASE(server_with_one_port_that_leaks),
		CASE(server_with_a_root_port_that_leaks),
		CASE(bits_that_are_not_implemented_do_not_count),
		CASE(network_adapter_of_four_functions),
		CASE(functions_with_acs_keep_out_of_exposed_ones),
		CASE(slots_behind_a_pcie_to_pci_bridge),
		CASE(slots_behind_a_bridge_of_the_root_bus),
		CASE(bridges_that_do_not_say_what_they_are),
		CASE(sriov_adapter),
		CASE(endpoints_of_the_root_complex),
		CASE(power_groups_are_partitionable_endpoints),
		CASE(functions_that_use_foreign_ids),
		CASE(sharing_ids_is_transitive),
		CASE(bridges_to_other_hosts_use_any_id),
		CASE(disks_behind_vmd_are_in_its_group),
		CASE(no_alias_counts_above_the_iommu),
		CASE(southbridge_functions_need_an_amd_iommu),
		CASE(old_pch_ports_isolate_by_registers_of_their_own),
		CASE(some_vendors_are_trusted_by_device_only),
		CASE(functions_without_an_iommu_have_no_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
