/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices whose DMA carries somebody else's requester id.
 *
 * The IOMMU knows a device by the requester id of its requests. Some controllers
 * send another function's, which may not even exist (a phantom); some bridges do
 * not say that they are PCIe-to-PCI bridges, and so send their secondary bus's.
 * What Linux 6.12 knows of them is a table here. Those of Switchtec bridges are
 * whatever the bridge was programmed with: Linux reads them from its memory at
 * boot, a machine file has to say them.
 */
#include "bus/topology_private.h"

enum alias_kind {
	ALIAS_FUNCTION, /* function @arg of the same slot */
	ALIAS_DEVFN, /* devfn @arg */
	ALIAS_MIC_X200,
	ALIAS_VCA, /* functions 0 to 4 of every slot */
	ALIAS_BUS, /* any devfn */
	ALIAS_BRIDGE, /* a PCIe-to-PCI bridge without the capability */
	ALIAS_TRANSLATION_ROOT, /* the IOMMU sits at this bridge */
};

/**
 * struct alias_quirk - one device
 * @subsystem: the subsystem's device id, 0: any
 * @arg: see enum alias_kind
 * @text: completes "DMA of this device carries ..."
 */
struct alias_quirk {
	uint16_t vendor, device, subsystem;
	uint8_t kind, arg;
	const char *text;
};

#define DEVFN(slot, function) ((slot) << 3 | (function))

#define MARVELL(device)                               \
	{                                             \
		0x1b4b, device, 0, ALIAS_FUNCTION, 1, \
			"the id of function 1 "       \
			"(Marvell SATA controller)"   \
	}
#define VCA(device)                                   \
	{                                             \
		0x8086, device, 0, ALIAS_VCA, 0,      \
			"ids of functions 0 to 4 of " \
			"every slot (Intel VCA)"      \
	}

static const struct alias_quirk quirks[] = {
	{ 0x1180, 0xe832, 0, ALIAS_FUNCTION, 0, "the id of function 0 (Ricoh card reader)" },
	{ 0x1180, 0xe476, 0, ALIAS_FUNCTION, 0, "the id of function 0 (Ricoh card reader)" },
	{ 0x6766, 0x3d40, 0, ALIAS_FUNCTION, 0, "the id of function 0 (Glenfly GPU)" },
	{ 0x6766, 0x3d41, 0, ALIAS_FUNCTION, 0, "the id of function 0 (Glenfly GPU)" },
	MARVELL(0x9120),
	MARVELL(0x9123),
	MARVELL(0x9125),
	MARVELL(0x9128),
	MARVELL(0x9130),
	MARVELL(0x9170),
	MARVELL(0x9172),
	MARVELL(0x917a),
	MARVELL(0x9182),
	MARVELL(0x9183),
	MARVELL(0x91a0),
	MARVELL(0x9215),
	MARVELL(0x9220),
	MARVELL(0x9230),
	MARVELL(0x9235),
	{ 0x1103, 0x0642, 0, ALIAS_FUNCTION, 1, "the id of function 1 (HighPoint RocketRAID)" },
	{ 0x1103, 0x0645, 0, ALIAS_FUNCTION, 1, "the id of function 1 (HighPoint RocketRAID)" },
	{ 0x197b, 0x2392, 0, ALIAS_FUNCTION, 1, "the id of function 1 (JMicron JMB388)" },
	{ 0x1c28, 0x0122, 0, ALIAS_FUNCTION, 1, "the id of function 1 (Plextor M6e)" },
	{ 0x9005, 0x0285, 0x02bb, ALIAS_DEVFN, DEVFN(1, 0),
	  "the id of the hidden device 01.0 (Adaptec 3405)" },
	{ 0x9005, 0x0285, 0x02bc, ALIAS_DEVFN, DEVFN(1, 0),
	  "the id of the hidden device 01.0 (Adaptec 3805)" },
	{ 0x8086, 0x2260, 0, ALIAS_MIC_X200, 0, "ids 10.0, 11.0 and 12.3 (Intel MIC x200)" },
	{ 0x8086, 0x2264, 0, ALIAS_MIC_X200, 0, "ids 10.0, 11.0 and 12.3 (Intel MIC x200)" },
	VCA(0x2954),
	VCA(0x2955),
	VCA(0x2956),
	VCA(0x2958),
	VCA(0x2959),
	VCA(0x295a),
	{ 0x10b5, 0x87b0, 0, ALIAS_BUS, 0, "any id of its bus (PLX non-transparent bridge)" },
	{ 0x10b5, 0x87b1, 0, ALIAS_BUS, 0, "any id of its bus (PLX non-transparent bridge)" },
	{ 0x1b21, 0x1080, 0, ALIAS_BRIDGE, 0, "its secondary bus's id (ASMedia ASM1083)" },
	{ 0x10e3, 0x8113, 0, ALIAS_BRIDGE, 0, "its secondary bus's id (Tundra 8113)" },
	{ 0x1283, 0x8892, 0, ALIAS_BRIDGE, 0, "its secondary bus's id (ITE 8892)" },
	{ 0x1283, 0x8893, 0, ALIAS_BRIDGE, 0, "its secondary bus's id (ITE 8893)" },
	{ 0x8086, 0x244e, 0, ALIAS_BRIDGE, 0, "its secondary bus's id (Intel 82801)" },
	{ 0x14e4, 0x9000, 0, ALIAS_TRANSLATION_ROOT, 0, NULL }, /* Vulcan */
	{ 0x14e4, 0x9084, 0, ALIAS_TRANSLATION_ROOT, 0, NULL }, /* ThunderX2 */
};

#define CLASS_BRIDGE_OTHER 0x0680u

/* Microsemi Switchtec's non-transparent bridges, and EFAR's of the same kind. */
static const struct {
	uint16_t vendor, first, last;
} switchtec[] = {
	{ 0x11f8, 0x8531, 0x8576 }, /* third generation */
	{ 0x11f8, 0x4000, 0x4552 }, /* fourth */
	{ 0x11f8, 0x5000, 0x5584 }, /* fifth */
	{ 0x1055, 0x1001, 0x1008 }, /* PCI1001XG4 and on */
};

bool pci_aliases_unread(const struct pci_function *fn)
{
	if (fn->class >> 8 != CLASS_BRIDGE_OTHER || function_has_aliases(fn))
		return false;
	for (size_t i = 0; i < sizeof(switchtec) / sizeof(*switchtec); i++)
		if (fn->vendor == switchtec[i].vendor && fn->device >= switchtec[i].first &&
		    fn->device <= switchtec[i].last)
			return true;
	return false;
}

static const struct alias_quirk *quirk_find(const struct pci_function *fn)
{
	for (size_t i = 0; i < sizeof(quirks) / sizeof(*quirks); i++) {
		const struct alias_quirk *q = &quirks[i];

		if (q->vendor == fn->vendor && q->device == fn->device &&
		    (!q->subsystem ||
		     (fn->subsystem_vendor == q->vendor && fn->subsystem_device == q->subsystem)))
			return q;
	}
	return NULL;
}

/* A bridge below a PCIe port that is no PCIe bridge itself must be the one between. */
static bool bridge_is_forward(const struct pci_function *fn)
{
	return fn->parent && fn->header == PCI_HEADER_BRIDGE && pcie_is(fn, PCIE_NONE) &&
	       !pcie_is(fn->parent, PCIE_NONE) && !pcie_is(fn->parent, PCIE_TO_PCI_BRIDGE);
}

static void quirk_apply(struct pci_function *fn, const struct alias_quirk *q)
{
	unsigned slot = fn->address.slot;

	switch ((enum alias_kind)q->kind) {
	case ALIAS_FUNCTION:
		if (fn->address.function != q->arg)
			function_add_alias(fn, DEVFN(slot, q->arg));
		break;
	case ALIAS_DEVFN:
		function_add_alias(fn, q->arg);
		break;
	case ALIAS_MIC_X200:
		function_add_alias(fn, DEVFN(0x10, 0));
		function_add_alias(fn, DEVFN(0x11, 0));
		function_add_alias(fn, DEVFN(0x12, 3));
		break;
	case ALIAS_VCA:
		for (slot = 0; slot < 32; slot++)
			for (unsigned f = 0; f < 5; f++)
				function_add_alias(fn, DEVFN(slot, f));
		break;
	case ALIAS_BUS:
		for (unsigned devfn = 0; devfn < PCI_DEVFNS; devfn++)
			function_add_alias(fn, devfn);
		break;
	case ALIAS_BRIDGE:
		fn->bridge_aliases_bus = bridge_is_forward(fn);
		break;
	case ALIAS_TRANSLATION_ROOT:
		fn->translation_root = true;
		break;
	}
}

void quirks_apply(struct pci_function *fn)
{
	const struct alias_quirk *q = quirk_find(fn);

	if (q)
		quirk_apply(fn, q);
	if (function_has_aliases(fn) && !fn->alias_counted) {
		fn->alias_counted = true;
		fn->bus->nr_aliases++;
	}
}

const char *pci_alias_quirk(const struct pci_function *fn)
{
	const struct alias_quirk *q = quirk_find(fn);

	return q ? q->text : NULL;
}
