/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCI topology: every function of a machine, modelled or not, and how they
 * hang together. It is what isolation groups are computed from.
 *
 *	topology_new()
 *	topology_add()		each function, in any order
 *	pci_function_decode()	fill one from the bytes of its configuration space
 *	topology_link()		who is below whom, once all are there
 *	topology_free()
 *
 * A function is plain data: what its configuration space says (vendor to
 * acs_ctrl), where it is (address, the buses below a bridge), and what the host
 * knows (driver, VF and PF). A bridge leads to its secondary bus; a bus to which
 * no bridge leads is a root bus. A virtual function may lie on a bus to which
 * nothing leads: it hangs where its physical function does.
 *
 * Locks: the caller's. Functions are added one by one; finding one by address
 * costs O(1).
 */
#ifndef RF_BUS_TOPOLOGY_H
#define RF_BUS_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/device.h"

/* PCI Express device/port types, numbered as in the capability. */
enum pcie_type {
	PCIE_ENDPOINT = 0,
	PCIE_LEGACY_ENDPOINT = 1,
	PCIE_ROOT_PORT = 4,
	PCIE_UPSTREAM = 5,
	PCIE_DOWNSTREAM = 6,
	PCIE_TO_PCI_BRIDGE = 7,
	PCI_TO_PCIE_BRIDGE = 8,
	PCIE_RC_ENDPOINT = 9,
	PCIE_RC_EVENT_COLLECTOR = 10,
	PCIE_NONE = 0xff, /* conventional PCI */
};

/* Access Control Services: bits of the capability and of the control register. */
#define ACS_SV		   0x0001u /* source validation */
#define ACS_TB		   0x0002u /* translation blocking */
#define ACS_RR		   0x0004u /* request redirect */
#define ACS_CR		   0x0008u /* completion redirect */
#define ACS_UF		   0x0010u /* upstream forwarding */
#define ACS_EC		   0x0020u /* egress control */
#define ACS_DT		   0x0040u /* direct translated peer-to-peer */
#define ACS_ISOLATION	   (ACS_SV | ACS_RR | ACS_CR | ACS_UF) /* what a group needs */

#define PCI_HEADER_NORMAL  0u
#define PCI_HEADER_BRIDGE  1u
#define PCI_HEADER_CARDBUS 2u

#define PCI_GROUP_NONE	   (-1)
#define PCI_PE_NONE	   (-1)

/**
 * struct pci_function - one function of the machine
 * @address: where it is
 * @vendor: @device: @subsystem_vendor: @subsystem_device: @class: @revision:
 *	identity; of a VF, what the host says (its own registers read ffff)
 * @header: PCI_HEADER_*
 * @multifunction: bit 7 of the header type; for functions 1 to 7 and VFs
 *	topology_link() decides
 * @pcie: enum pcie_type
 * @secondary: @subordinate: of a bridge: first and last bus below it
 * @has_acs: it has an ACS capability
 * @acs_cap: what that implements
 * @acs_ctrl: what of it is enabled
 * @acs_ctrl_wide: the dword at offset 8 of the capability, which some root
 *	ports use as control register
 * @ari: ARI forwarding is enabled (a port), or there is an ARI capability (an
 *	endpoint)
 * @nr_vfs: @vf_offset: @vf_stride: @vf_device: its SR-IOV capability; @nr_vfs is
 *	the number that exist now
 * @caps_known: the capabilities could be read; false for the first 64 bytes of
 *	configuration space that an unprivileged user gets, and for the 256 of a
 *	PCI Express function, as ACS is beyond them
 * @silent: its configuration space reads as ones, as of a device that is powered
 *	down or gone: nothing is known but what the caller said
 * @aliases: bit n: DMA of the function may carry devfn n of its bus; quirks are
 *	added by topology_link()
 * @bridge_aliases_bus: a bridge without PCI Express capability that acts as a
 *	PCIe-to-PCI bridge; set by topology_link()
 * @translation_root: a bridge above which no alias counts, as the IOMMU sits at
 *	it; set by topology_link()
 * @dma_device: another function whose requester id all of its DMA carries (a
 *	VMD endpoint); NULL: its own
 * @physfn: of a VF, its PF; topology_link() finds it through the PF's SR-IOV
 *	capability if the caller does not know
 * @pe: the partitionable endpoint that firmware put it in; PCI_PE_NONE: by rule
 * @no_iommu: no IOMMU translates for it
 * @group: the group it is in, or PCI_GROUP_NONE
 * @line: where it is described, for messages; the caller's
 * @config: @config_size: bytes of configuration space that are known, or NULL
 * @bar_size: of six BARs and the ROM, as far as the host said; 0: not known
 * @driver: the host driver it is bound to, or NULL
 * @parent: the bridge above; NULL on a root bus; set by topology_link()
 * @dev: its device, if there is one
 */
struct pci_function {
	struct pci_address address;
	char name[PCI_NAME_SIZE];
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem_device;
	uint32_t class;
	uint8_t revision;
	uint8_t header;
	bool multifunction;
	uint8_t pcie;
	uint8_t secondary, subordinate;
	bool has_acs;
	uint16_t acs_cap, acs_ctrl;
	uint32_t acs_ctrl_wide;
	bool ari;
	uint16_t nr_vfs, vf_offset, vf_stride, vf_device;
	bool caps_known;
	bool silent;
	uint64_t aliases[4];
	bool bridge_aliases_bus;
	bool translation_root;
	struct pci_function *dma_device;
	struct pci_function *physfn;
	int pe;
	bool no_iommu;
	int group;
	unsigned line;
	uint8_t *config;
	unsigned config_size;
	uint64_t bar_size[RF_PCI_BARS + 1];
	char *driver;
	struct pci_function *parent;
	struct rf_device *dev;

	/* the topology's own */
	struct pci_function *next; /* by address */
	struct pci_bus *bus;
	bool alias_counted;
	bool lends_id; /* it is the dma_device of others */
};

#define PCI_DEVFNS 256u

/**
 * struct pci_bus - the functions of one bus
 * @domain: @number: which
 * @bridge: the bridge that leads to it, or NULL: a root bus, or one of VFs
 * @nr_aliases: functions of it with an alias or another's requester id
 * @at: by devfn (slot << 3 | function); NULL: none there
 */
struct pci_bus {
	uint32_t domain;
	uint8_t number;
	struct pci_function *bridge;
	unsigned nr_functions;
	unsigned nr_aliases;
	struct pci_function *at[PCI_DEVFNS];
};

struct pci_topology;

struct pci_topology *topology_new(void);
void topology_free(struct pci_topology *topology);

/*
 * Add a function: the plain fields are taken over from @values (with @pe and
 * @group as given: start from PCI_FUNCTION_INIT), the driver's name is copied.
 * @values->config is not: see pci_function_decode().
 * 0; -EEXIST when the address is taken; -EINVAL for a slot above 31 or function
 * above 7; -ENOMEM.
 */
#define PCI_FUNCTION_INIT                                                                          \
	{                                                                                          \
		.pcie = PCIE_NONE, .pe = PCI_PE_NONE, .group = PCI_GROUP_NONE, .caps_known = true, \
	}
int topology_add(struct pci_topology *topology, const struct pci_function *values,
		 struct pci_function **out);
/*
 * Take it out. What should have gone before, what is below it and its VFs, does not
 * point to it any more.
 */
void topology_remove(struct pci_topology *topology, struct pci_function *fn);

/*
 * Fill the fields that configuration space tells (vendor to vf_device,
 * caps_known) from its bytes, and keep a copy of them. There are 64 of them (or
 * 128, of a CardBus bridge) for users without privilege, 256, or 4096. Before
 * topology_link(). The identity of a VF, whose own registers read ffff, is left
 * as it is; so is everything of a function that is @silent, whose capabilities
 * are then not known.
 * 0; -EINVAL with *error (to be freed; does not name the function) for any other
 * @size, as it must have been cut short, for an unknown header, or a chain
 * of capabilities that loops; -ENOMEM.
 */
int pci_function_decode(struct pci_function *fn, const void *bytes, size_t size, char **error);

/*
 * Link whatever has been added since the last time: parents, VFs, multifunction
 * bits, quirks. May be called again after more were added.
 * 0; -EINVAL with *error (to be freed; names the address) and *blame for bridges
 * that lead in a circle or to no range of buses, two that lead to one bus, and functions on a
 * bus below a bridge to which nothing leads. A bridge whose buses are both 00 is one
 * that nobody configured: it leads nowhere. Nothing is half-linked: the
 * topology can then only be freed.
 */
int topology_link(struct pci_topology *topology, const struct pci_function **blame, char **error);

/* NULL: there is none. */
struct pci_function *topology_find(const struct pci_topology *topology,
				   const struct pci_address *address);
struct pci_bus *topology_bus(const struct pci_topology *topology, uint32_t domain, uint8_t bus);
/* All, by address: for (fn = topology_first(t); fn; fn = topology_next(fn)). */
struct pci_function *topology_first(struct pci_topology *topology);
static inline struct pci_function *topology_next(const struct pci_function *fn)
{
	return fn->next;
}
size_t topology_count(const struct pci_topology *topology);

/* No AMD IOMMU is described by firmware: its southbridges' quirk does not count. */
void topology_set_no_ivrs(struct pci_topology *topology);
bool topology_no_ivrs(const struct pci_topology *topology);

/**
 * struct acs_verdict - whether a function keeps peers apart
 * @isolated: what a group needs is in force
 * @basis: why that is said
 * @missing: ACS_* that are not in force; 0 when @isolated
 * @quirk: what is known about this device, for ACS_BY_QUIRK; or NULL
 */
enum acs_basis {
	ACS_SINGLE, /* one function, no port: there is no peer */
	ACS_REGISTERS, /* its control register says so */
	ACS_ABSENT, /* it has no ACS capability, and should */
	ACS_NEVER, /* its type never has one */
	ACS_CONVENTIONAL, /* no PCI Express: whoever is on the bus hears all */
	ACS_BY_QUIRK,
};
struct acs_verdict {
	bool isolated;
	enum acs_basis basis;
	uint16_t missing;
	const char *quirk;
};
struct acs_verdict acs_check(const struct pci_topology *topology, const struct pci_function *fn);
/* "SV RR CR UF": the names of the bits; at most ACS_NAMES_SIZE with the NUL. */
#define ACS_NAMES_SIZE 32
void acs_names(uint16_t bits, char text[ACS_NAMES_SIZE]);

/* Whether DMA of one may carry the requester id of the other (same bus). */
bool pci_functions_alias(const struct pci_function *a, const struct pci_function *b);
/* What is known of DMA with foreign requester ids from this device; NULL: nothing. */
const char *pci_alias_quirk(const struct pci_function *fn);

/* Linux reads which ids it uses from its memory; whoever has no access has to say. */
bool pci_aliases_unread(const struct pci_function *fn);

/* What Linux does at boot with an IOMMU: enable SV, RR, CR and UF where implemented. */
void topology_enable_acs(struct pci_topology *topology);

static inline bool pci_function_is_bridge(const struct pci_function *fn)
{
	return fn->header != PCI_HEADER_NORMAL;
}

/* A bridge that has no bus numbers: requests do not get past it. */
static inline bool pci_bridge_unconfigured(const struct pci_function *fn)
{
	return pci_function_is_bridge(fn) && !fn->secondary && !fn->subordinate;
}

static inline uint8_t pci_function_devfn(const struct pci_function *fn)
{
	return (uint8_t)(fn->address.slot << 3 | fn->address.function);
}

/* "root port", "switch downstream port", "PCIe-to-PCI bridge", "endpoint" ... */
const char *pci_function_kind(const struct pci_function *fn);

#endif
