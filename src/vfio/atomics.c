/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Atomic operations of a device on memory: GET_INFO tells which a program may use. The
 * device must complete the same ones itself (Linux asks it, though it is the root port
 * that will), and every port above must pass them on. What ports can is known of
 * those that a machine file describes by their configuration space.
 */
#include <errno.h>

#include "vfio/caps.h"
#include "vfio/config.h"

#define DEVCAP2		     36u
#define DEVCAP2_ROUTE	     0x0040u
#define DEVCAP2_COMP32	     0x0080u
#define DEVCAP2_COMP64	     0x0100u
#define DEVCAP2_COMP128	     0x0200u
#define DEVCTL2_REQUESTER    0x0040u
#define DEVCTL2_EGRESS_BLOCK 0x0080u
#define FLAGS_VERSION	     0x000fu

/* A register of a described function's PCI Express capability; 0: there is none. */
static uint32_t port_reg(const struct pci_function *fn, unsigned reg)
{
	unsigned pos, links = 0;

	if (!fn->config || fn->config_size < PCI_CONFIG_SIZE ||
	    !(fn->config[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return 0;
	for (pos = fn->config[PCI_CAPABILITIES] & ~3u; pos >= PCI_HEADER_SIZE && links < 48;
	     pos = fn->config[pos + 1] & ~3u, links++) {
		if (fn->config[pos] != PCI_CAP_PCIE)
			continue;
		if ((fn->config[pos + PCIE_FLAGS] & FLAGS_VERSION) < 2 ||
		    pos + reg + 4 > PCI_CONFIG_SIZE)
			return 0;
		return long_at(fn->config + pos + reg);
	}
	return 0;
}

static uint32_t device_reg(const struct vdev *v, unsigned reg)
{
	struct rf_device *dev = v->dev;

	if (!dev->cap_pcie || (config_read(dev, dev->cap_pcie + PCIE_FLAGS, 2) & FLAGS_VERSION) < 2)
		return 0;
	return config_read(dev, dev->cap_pcie + reg, 4);
}

/* Whether the ports from the device to the root pass on the operations of @mask. */
static bool ports_pass(const struct vdev *v, uint32_t mask)
{
	const struct pci_function *port = v->dev->function ? v->dev->function->parent : NULL;

	for (; port; port = port->parent) {
		uint32_t cap = port_reg(port, DEVCAP2);

		if (port->pcie == PCIE_ROOT_PORT)
			return (cap & mask) == mask;
		if (port->pcie == PCIE_UPSTREAM &&
		    port_reg(port, PCIE_DEVCTL2) & DEVCTL2_EGRESS_BLOCK)
			return false;
		if ((port->pcie == PCIE_UPSTREAM || port->pcie == PCIE_DOWNSTREAM) &&
		    !(cap & DEVCAP2_ROUTE))
			return false;
	}
	/* no port is seen: somebody must have made sure before */
	return device_reg(v, PCIE_DEVCTL2) & DEVCTL2_REQUESTER;
}

static bool is_endpoint(const struct vdev *v)
{
	unsigned type = config_read(v->dev, v->dev->cap_pcie + PCIE_FLAGS, 2) >> 4 & 0xf;

	return type == PCIE_ENDPOINT || type == PCIE_LEGACY_ENDPOINT || type == PCIE_TYPE_RC_END;
}

int atomics_add_cap(struct vdev *v, struct caps *caps)
{
	static const struct {
		uint32_t bit, flag;
	} widths[] = {
		{ DEVCAP2_COMP32, VFIO_PCI_ATOMIC_COMP32 },
		{ DEVCAP2_COMP64, VFIO_PCI_ATOMIC_COMP64 },
		{ DEVCAP2_COMP128, VFIO_PCI_ATOMIC_COMP128 },
	};
	struct vfio_device_info_cap_pci_atomic_comp *cap;
	uint32_t can = device_reg(v, DEVCAP2), flags = 0;

	for (unsigned i = 0; i < sizeof(widths) / sizeof(*widths); i++)
		if (can & widths[i].bit && is_endpoint(v) && ports_pass(v, widths[i].bit))
			flags |= widths[i].flag;
	if (!flags)
		return 0;
	config_write(v->dev, v->dev->cap_pcie + PCIE_DEVCTL2,
		     device_reg(v, PCIE_DEVCTL2) | DEVCTL2_REQUESTER, 2);
	cap = caps_add(caps, VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP, 1, sizeof(*cap));
	if (!cap)
		return -ENOMEM;
	cap->flags = flags;
	return 0;
}
