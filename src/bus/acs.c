/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a function keeps its peers apart: Access Control Services, the rules of
 * each type of function, and what is known of those that do better (or worse)
 * than their registers say. As Linux 6.12 judges.
 *
 * The first quirk of the table that applies decides; without one, the type does.
 */
#include <stdio.h>
#include <string.h>

#include "bus/topology_private.h"

#define TYPE(type)	 (1u << (type))
#define PORTS		 (TYPE(PCIE_ROOT_PORT) | TYPE(PCIE_DOWNSTREAM))
#define FOUR		 ACS_ISOLATION
#define ANY_DEVICE	 0x0000, 0xffff

#define LPC_DEVFN	 (0x1f << 3)
#define LPC_RCBA	 0xf0u
#define LPC_RCBA_ENABLED 1u

enum acs_quirk_kind {
	QUIRK_GRANTS, /* as if @bits were in force, and no more */
	QUIRK_AMD_SOUTHBRIDGE, /* a multifunction device of the root bus, with an AMD IOMMU */
	QUIRK_INTEL_PCH, /* as if @bits, if the chipset's own registers could be set */
	QUIRK_WIDE, /* the control register is a dword at offset 8 */
};

/**
 * struct acs_quirk - what is known of some devices
 * @first: @last: their device ids
 * @types: TYPE() of those it applies to; 0: all, conventional ones too
 * @text: completes "isolated, because ..."; for @bits 0, "not isolated, as ..."
 */
struct acs_quirk {
	uint16_t vendor, first, last;
	uint16_t types;
	uint8_t kind;
	uint16_t bits;
	const char *text;
};

#define AMD_SB(vendor, device)                                                       \
	{                                                                            \
		vendor, device, device, 0, QUIRK_AMD_SOUTHBRIDGE, 0, amd_southbridge \
	}
#define NO_PEERS(vendor, first, last)                                                  \
	{                                                                              \
		vendor, first, last, 0, QUIRK_GRANTS, FOUR | ACS_TB | ACS_DT, no_peers \
	}
#define PORT(vendor, first, last)                                \
	{                                                        \
		vendor, first, last, 0, QUIRK_GRANTS, FOUR, port \
	}
#define ROOT_PORT(vendor, first, last)                                              \
	{                                                                           \
		vendor, first, last, TYPE(PCIE_ROOT_PORT), QUIRK_GRANTS, FOUR, port \
	}
#define PCH(first, last)                                                              \
	{                                                                             \
		0x8086, first, last, TYPE(PCIE_ROOT_PORT), QUIRK_INTEL_PCH, FOUR, pch \
	}
#define WIDE(first, last)                                                      \
	{                                                                      \
		0x8086, first, last, TYPE(PCIE_ROOT_PORT), QUIRK_WIDE, 0, wide \
	}

static const char amd_southbridge[] =
	"AMD's southbridge functions redirect all their requests to the IOMMU";
static const char no_peers[] = "its functions are known never to talk to each other";
static const char port[] = "this port is known to pass nothing to its peers";
static const char rc_endpoint[] =
	"VT-d requires integrated endpoints to send untranslated requests to the IOMMU";
static const char pch[] = "this PCH root port has registers of its own that do what ACS does";
static const char wide[] = "this PCH root port has its ACS control register elsewhere";
static const char unlisted[] = "Linux trusts only certain devices of this vendor";

static const struct acs_quirk quirks[] = {
	AMD_SB(0x1002, 0x4385),
	AMD_SB(0x1002, 0x439c),
	AMD_SB(0x1002, 0x4383),
	AMD_SB(0x1002, 0x439d),
	AMD_SB(0x1002, 0x4384),
	AMD_SB(0x1002, 0x4399),
	AMD_SB(0x1022, 0x780f),
	AMD_SB(0x1022, 0x7809),
	/* Solarflare */
	NO_PEERS(0x1924, 0x0903, 0x0903),
	NO_PEERS(0x1924, 0x0923, 0x0923),
	NO_PEERS(0x1924, 0x0a03, 0x0a03),
	/* Intel 82598, 82599, X540 and others of 10 Gb/s */
	NO_PEERS(0x8086, 0x10c6, 0x10c6),
	NO_PEERS(0x8086, 0x10db, 0x10db),
	NO_PEERS(0x8086, 0x10dd, 0x10dd),
	NO_PEERS(0x8086, 0x10e1, 0x10e1),
	NO_PEERS(0x8086, 0x10f1, 0x10f1),
	NO_PEERS(0x8086, 0x10f7, 0x10fc),
	NO_PEERS(0x8086, 0x1507, 0x1507),
	NO_PEERS(0x8086, 0x1514, 0x1514),
	NO_PEERS(0x8086, 0x151c, 0x151c),
	NO_PEERS(0x8086, 0x1529, 0x152a),
	NO_PEERS(0x8086, 0x154d, 0x154d),
	NO_PEERS(0x8086, 0x154f, 0x154f),
	NO_PEERS(0x8086, 0x1551, 0x1551),
	NO_PEERS(0x8086, 0x1558, 0x1558),
	/* 82580 */
	NO_PEERS(0x8086, 0x1509, 0x1509),
	NO_PEERS(0x8086, 0x150e, 0x1511),
	NO_PEERS(0x8086, 0x1516, 0x1516),
	NO_PEERS(0x8086, 0x1527, 0x1527),
	/* 82576 */
	NO_PEERS(0x8086, 0x10c9, 0x10c9),
	NO_PEERS(0x8086, 0x10e6, 0x10e8),
	NO_PEERS(0x8086, 0x150a, 0x150a),
	NO_PEERS(0x8086, 0x150d, 0x150d),
	NO_PEERS(0x8086, 0x1518, 0x1518),
	NO_PEERS(0x8086, 0x1526, 0x1526),
	/* 82575 */
	NO_PEERS(0x8086, 0x10a7, 0x10a7),
	NO_PEERS(0x8086, 0x10a9, 0x10a9),
	NO_PEERS(0x8086, 0x10d6, 0x10d6),
	/* I350 */
	NO_PEERS(0x8086, 0x1521, 0x1524),
	/* 82571 */
	NO_PEERS(0x8086, 0x105e, 0x1060),
	NO_PEERS(0x8086, 0x10d9, 0x10d9),
	/* I219 */
	NO_PEERS(0x8086, 0x15b7, 0x15b8),
	{ 0x8086, ANY_DEVICE, TYPE(PCIE_RC_ENDPOINT), QUIRK_GRANTS, FOUR, rc_endpoint },
	/* Qualcomm QDF2xxx, SA8775P, Hamoa, Glymur; HXT SD4800 */
	PORT(0x17cb, 0x0400, 0x0401),
	PORT(0x17cb, 0x0115, 0x0115),
	PORT(0x17cb, 0x0111, 0x0111),
	PORT(0x17cb, 0x0120, 0x0120),
	PORT(0x1dbf, 0x0401, 0x0401),
	/* Intel Ibex Peak, Cougar Point, Panther Point, Lynx Point */
	PCH(0x3b42, 0x3b51),
	PCH(0x1c10, 0x1c1f),
	PCH(0x1e10, 0x1e1f),
	PCH(0x8c10, 0x8c1f),
	PCH(0x9c10, 0x9c1b),
	/* Wildcat Point, Patsburg, Wellsburg, Lynx Point's refresh */
	PCH(0x9c90, 0x9c9b),
	PCH(0x1d10, 0x1d10),
	PCH(0x1d12, 0x1d12),
	PCH(0x1d14, 0x1d14),
	PCH(0x1d16, 0x1d16),
	PCH(0x1d18, 0x1d18),
	PCH(0x1d1a, 0x1d1a),
	PCH(0x1d1c, 0x1d1c),
	PCH(0x1d1e, 0x1d1e),
	PCH(0x8d10, 0x8d1e),
	PCH(0x8c90, 0x8c90),
	PCH(0x8c92, 0x8c92),
	PCH(0x8c94, 0x8c94),
	PCH(0x8c96, 0x8c96),
	PCH(0x8c98, 0x8c98),
	PCH(0x8c9a, 0x8c9a),
	PCH(0x8c9c, 0x8c9c),
	PCH(0x8c9e, 0x8c9e),
	/* Sunrise Point (errata 23), Union Point (22), 7th and 8th generation mobile */
	WIDE(0xa110, 0xa11f),
	WIDE(0xa167, 0xa16a),
	WIDE(0xa290, 0xa29f),
	WIDE(0xa2e7, 0xa2ee),
	WIDE(0x9d10, 0x9d1b),
	/* Emulex BE3-R, Skyhawk-R */
	NO_PEERS(0x19a2, 0x0710, 0x0710),
	NO_PEERS(0x10df, 0x0720, 0x0720),
	/* Cavium ThunderX, ThunderX2, ThunderX3 */
	ROOT_PORT(0x177d, 0xa000, 0xa7ff),
	ROOT_PORT(0x177d, 0xaf84, 0xaf84),
	ROOT_PORT(0x177d, 0xb884, 0xb884),
	NO_PEERS(0x177d, 0xa026, 0xa026),
	NO_PEERS(0x177d, 0xa059, 0xa059),
	NO_PEERS(0x177d, 0xa060, 0xa060),
	/* X-Gene, Ampere */
	PORT(0x10e8, 0xe004, 0xe004),
	PORT(0x1def, 0xe005, 0xe00c),
	/* Broadcom */
	NO_PEERS(0x14e4, 0x16d7, 0x16d7),
	NO_PEERS(0x14e4, 0x1750, 0x1752),
	NO_PEERS(0x14e4, 0x1760, 0x1763),
	PORT(0x14e4, 0xd714, 0xd714),
	/* Loongson */
	PORT(0x0014, 0x3c09, 0x3c09),
	PORT(0x0014, 0x3c19, 0x3c19),
	PORT(0x0014, 0x3c29, 0x3c29),
	PORT(0x0014, 0x7a09, 0x7a09),
	PORT(0x0014, 0x7a19, 0x7a19),
	PORT(0x0014, 0x7a29, 0x7a29),
	PORT(0x0014, 0x7a39, 0x7a39),
	PORT(0x0014, 0x7a49, 0x7a49),
	PORT(0x0014, 0x7a59, 0x7a59),
	PORT(0x0014, 0x7a69, 0x7a69),
	/* Annapurna Labs */
	ROOT_PORT(0x1c36, 0x0031, 0x0031),
	/* Zhaoxin */
	NO_PEERS(0x1d17, 0x3038, 0x3038),
	NO_PEERS(0x1d17, 0x3104, 0x3104),
	NO_PEERS(0x1d17, 0x9083, 0x9083),
	/* NXP LX2xx0A, C, E, N and LX2xx2A, C, E, N */
	PORT(0x1957, 0x8d80, 0x8d83),
	PORT(0x1957, 0x8d88, 0x8d8b),
	PORT(0x1957, 0x8d90, 0x8d93),
	PORT(0x1957, 0x8d98, 0x8d9b),
	PORT(0x1957, 0x8da0, 0x8da1),
	PORT(0x1957, 0x8da8, 0x8da9),
	PORT(0x1957, 0x8db0, 0x8db1),
	PORT(0x1957, 0x8db8, 0x8db9),
	/* Zhaoxin's ports: those that are known, and then no other */
	{ 0x1d17, 0x0710, 0x071e, PORTS, QUIRK_GRANTS, FOUR, port },
	{ 0x1d17, 0x0721, 0x0721, PORTS, QUIRK_GRANTS, FOUR, port },
	{ 0x1d17, 0x0723, 0x0752, PORTS, QUIRK_GRANTS, FOUR, port },
	{ 0x1d17, ANY_DEVICE, PORTS, QUIRK_GRANTS, 0, unlisted },
	/* Wangxun: EM, SP, AML, and then no other */
	PORT(0x8088, 0x0100, 0x010f),
	PORT(0x8088, 0x1001, 0x1001),
	PORT(0x8088, 0x2001, 0x2001),
	PORT(0x8088, 0x5010, 0x5010),
	PORT(0x8088, 0x5025, 0x5025),
	PORT(0x8088, 0x5040, 0x5040),
	PORT(0x8088, 0x5110, 0x5110),
	PORT(0x8088, 0x5125, 0x5125),
	PORT(0x8088, 0x5140, 0x5140),
	{ 0x8088, ANY_DEVICE, 0, QUIRK_GRANTS, 0, unlisted },
};

static struct acs_verdict verdict(enum acs_basis basis, uint16_t missing, const char *quirk)
{
	return (struct acs_verdict){
		.isolated = !missing,
		.basis = basis,
		.missing = missing,
		.quirk = quirk,
	};
}

/*
 * The chipset's registers can be reached when the LPC bridge says where they
 * are. Where its configuration space is not known, they are taken to be.
 */
static bool pch_reachable(const struct pci_function *fn)
{
	const struct pci_function *lpc = fn->bus->at[LPC_DEVFN];

	if (!lpc || lpc->config_size <= LPC_RCBA)
		return true;
	return lpc->config[LPC_RCBA] & LPC_RCBA_ENABLED;
}

static bool quirk_matches(const struct pci_topology *topology, const struct pci_function *fn,
			  const struct acs_quirk *q)
{
	if (q->vendor != fn->vendor || fn->device < q->first || fn->device > q->last)
		return false;
	if (q->types && (fn->pcie > 15 || !(q->types & TYPE(fn->pcie))))
		return false;
	if (q->kind == QUIRK_AMD_SOUTHBRIDGE)
		return fn->multifunction && !fn->parent && !topology->no_ivrs;
	if (q->kind == QUIRK_WIDE)
		return fn->has_acs;
	return true;
}

static struct acs_verdict quirk_verdict(const struct pci_function *fn, const struct acs_quirk *q)
{
	uint16_t granted = q->bits;

	if (q->kind == QUIRK_AMD_SOUTHBRIDGE)
		granted = FOUR; /* of which two do not concern multifunction devices */
	else if (q->kind == QUIRK_INTEL_PCH && !pch_reachable(fn))
		granted = 0;
	else if (q->kind == QUIRK_WIDE)
		granted = (uint16_t)(fn->acs_ctrl_wide | ~fn->acs_cap);
	return verdict(ACS_BY_QUIRK, FOUR & ~granted, q->text);
}

/* What is not implemented is either always so or not applicable. */
static struct acs_verdict registers_verdict(const struct pci_function *fn)
{
	if (!fn->has_acs)
		return verdict(ACS_ABSENT, FOUR, NULL);
	return verdict(ACS_REGISTERS, FOUR & fn->acs_cap & ~fn->acs_ctrl, NULL);
}

static struct acs_verdict type_verdict(const struct pci_function *fn)
{
	switch ((enum pcie_type)fn->pcie) {
	case PCIE_NONE:
		return verdict(ACS_CONVENTIONAL, FOUR, NULL);
	case PCI_TO_PCIE_BRIDGE:
	case PCIE_TO_PCI_BRIDGE:
	case PCIE_RC_EVENT_COLLECTOR:
		return verdict(ACS_NEVER, FOUR, NULL);
	case PCIE_ROOT_PORT:
	case PCIE_DOWNSTREAM:
		return registers_verdict(fn);
	case PCIE_ENDPOINT:
	case PCIE_LEGACY_ENDPOINT:
	case PCIE_UPSTREAM:
	case PCIE_RC_ENDPOINT:
		if (fn->multifunction)
			return registers_verdict(fn);
		break;
	}
	return verdict(ACS_SINGLE, 0, NULL);
}

struct acs_verdict acs_check(const struct pci_topology *topology, const struct pci_function *fn)
{
	for (size_t i = 0; i < sizeof(quirks) / sizeof(*quirks); i++)
		if (quirk_matches(topology, fn, &quirks[i]))
			return quirk_verdict(fn, &quirks[i]);
	return type_verdict(fn);
}

void acs_names(uint16_t bits, char text[ACS_NAMES_SIZE])
{
	static const char names[][3] = { "SV", "TB", "RR", "CR", "UF", "EC", "DT" };
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (bits & 1u << i)
			at += (size_t)snprintf(text + at, ACS_NAMES_SIZE - at, "%s%s",
					       at ? " " : "", names[i]);
}
