/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What configuration space says of a function.
 *
 * The bytes come from a file that somebody saved, so nothing in them is
 * trusted: every offset is checked against what is there, and a chain of
 * capabilities may have no more links than fit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/internal.h"
#include "bus/topology_private.h"

#define HEADER_SIZE	   64u
#define CARDBUS_SIZE	   128u

#define CFG_VENDOR	   0x00u
#define CFG_DEVICE	   0x02u
#define CFG_REVISION	   0x08u
#define CFG_CLASS	   0x09u
#define CFG_HEADER	   0x0eu
#define CFG_CARDBUS_CAPS   0x14u
#define CFG_SECONDARY	   0x19u
#define CFG_SUBORDINATE	   0x1au
#define CFG_SUBSYSTEM	   0x2cu
#define CFG_CARDBUS_SUBSYS 0x40u

#define CAP_ID_EXPRESS	   0x10u
#define CAP_ID_SUBSYSTEM   0x0du
#define CAP_LINKS	   48u /* as many as fit in 192 bytes */
#define EXT_CAP_ACS	   0x000du
#define EXT_CAP_ARI	   0x000eu
#define EXT_CAP_SRIOV	   0x0010u
#define EXT_CAP_LINKS	   480u /* as many as fit in 3840 bytes */

#define PCIE_FLAGS	   2u
#define PCIE_DEVCTL2	   0x28u
#define PCIE_DEVCTL2_ARI   0x20u

/* Bytes that may end anywhere; beyond the end they are zero. */
struct view {
	const uint8_t *bytes;
	size_t size;
};

static uint8_t get8(const struct view *v, size_t at)
{
	return at < v->size ? v->bytes[at] : 0;
}

static uint16_t get16(const struct view *v, size_t at)
{
	return (uint16_t)(get8(v, at) | get8(v, at + 1) << 8);
}

static uint32_t get32(const struct view *v, size_t at)
{
	return get16(v, at) | (uint32_t)get16(v, at + 2) << 16;
}

static void decode_express(struct pci_function *fn, const struct view *v, size_t at)
{
	uint16_t flags = get16(v, at + PCIE_FLAGS);

	fn->pcie = flags >> 4 & 0xf;
	if (pci_function_is_bridge(fn) && (flags & 0xf) >= 2)
		fn->ari = get16(v, at + PCIE_DEVCTL2) & PCIE_DEVCTL2_ARI;
}

static int decode_caps(struct pci_function *fn, const struct view *v, char **error)
{
	size_t at = fn->header == PCI_HEADER_CARDBUS ? CFG_CARDBUS_CAPS : CFG_CAPABILITIES;
	bool express = false; /* of two, the first counts */
	unsigned links = 0;

	for (at = get8(v, at) & ~3u; at; at = get8(v, at + 1) & ~3u) {
		if (at < HEADER_SIZE || get8(v, at) == 0xff)
			return 0;
		if (links++ == CAP_LINKS) {
			*error = message("its capabilities are linked in a circle");
			return -EINVAL;
		}
		if (get8(v, at) == CAP_ID_EXPRESS && !express) {
			express = true;
			decode_express(fn, v, at);
		} else if (get8(v, at) == CAP_ID_SUBSYSTEM) {
			fn->subsystem_vendor = get16(v, at + 4);
			fn->subsystem_device = get16(v, at + 6);
		}
	}
	return 0;
}

static void decode_acs(struct pci_function *fn, const struct view *v, size_t at)
{
	fn->has_acs = true;
	fn->acs_cap = get16(v, at + 4);
	fn->acs_ctrl = get16(v, at + 6);
	fn->acs_ctrl_wide = get32(v, at + 8);
}

static void decode_sriov(struct pci_function *fn, const struct view *v, size_t at)
{
	bool enabled = get16(v, at + 0x08) & 1;

	fn->nr_vfs = enabled ? get16(v, at + 0x10) : 0;
	fn->vf_offset = get16(v, at + 0x14);
	fn->vf_stride = get16(v, at + 0x16);
	fn->vf_device = get16(v, at + 0x1a);
}

static int decode_ext_caps(struct pci_function *fn, const struct view *v, char **error)
{
	unsigned links = 0;
	size_t at = PCI_CONFIG_SIZE;

	while (at >= PCI_CONFIG_SIZE && at + 4 <= v->size) {
		uint32_t header = get32(v, at);

		if (!header || header == UINT32_MAX)
			return 0;
		if (links++ == EXT_CAP_LINKS) {
			*error = message("its extended capabilities are linked in a circle");
			return -EINVAL;
		}
		/* where there are two of a kind, the first counts */
		if ((header & 0xffff) == EXT_CAP_ACS && !fn->has_acs)
			decode_acs(fn, v, at);
		else if ((header & 0xffff) == EXT_CAP_SRIOV)
			decode_sriov(fn, v, at);
		else if ((header & 0xffff) == EXT_CAP_ARI && !pci_function_is_bridge(fn))
			fn->ari = true;
		at = header >> 20 & ~3u;
	}
	return 0;
}

/* As if it had no capabilities. */
static void decode_no_lists(struct pci_function *fn)
{
	fn->pcie = PCIE_NONE;
	fn->ari = false;
	fn->has_acs = false;
	fn->acs_cap = fn->acs_ctrl = 0;
	fn->acs_ctrl_wide = 0;
	fn->nr_vfs = 0;
}

static void decode_header(struct pci_function *fn, const struct view *v)
{
	if (get16(v, CFG_VENDOR) != 0xffff) {
		fn->vendor = get16(v, CFG_VENDOR);
		fn->device = get16(v, CFG_DEVICE);
	}
	fn->revision = get8(v, CFG_REVISION);
	fn->class = get32(v, CFG_CLASS) & 0xffffff;
	fn->header = get8(v, CFG_HEADER) & 0x7f;
	fn->multifunction = get8(v, CFG_HEADER) & 0x80;
	decode_no_lists(fn);
	fn->secondary = fn->subordinate = 0;
	if (fn->header == PCI_HEADER_NORMAL) {
		fn->subsystem_vendor = get16(v, CFG_SUBSYSTEM);
		fn->subsystem_device = get16(v, CFG_SUBSYSTEM + 2);
		return;
	}
	fn->secondary = get8(v, CFG_SECONDARY);
	fn->subordinate = get8(v, CFG_SUBORDINATE);
	if (fn->header == PCI_HEADER_CARDBUS) {
		fn->subsystem_vendor = get16(v, CFG_CARDBUS_SUBSYS);
		fn->subsystem_device = get16(v, CFG_CARDBUS_SUBSYS + 2);
	}
}

/* It answers nothing: vendor ffff alone is what a VF says, too. */
static bool is_silent(const struct view *v)
{
	return get16(v, CFG_VENDOR) == 0xffff && get8(v, CFG_HEADER) == 0xff;
}

static int decode_check(const struct view *v, char **error)
{
	if (v->size != HEADER_SIZE && v->size != CARDBUS_SIZE && v->size != PCI_CONFIG_SIZE &&
	    v->size != PCI_CONFIG_EXT_SIZE) {
		*error = message("its configuration space is cut short after %zu bytes", v->size);
		return -EINVAL;
	}
	if ((get8(v, CFG_HEADER) & 0x7f) > PCI_HEADER_CARDBUS && !is_silent(v)) {
		*error = message("header type %02x is unknown", get8(v, CFG_HEADER) & 0x7f);
		return -EINVAL;
	}
	return 0;
}

/* What is known of a function when its registers say nothing. */
static void decode_silence(struct pci_function *fn)
{
	fn->silent = true;
	fn->caps_known = false;
	decode_no_lists(fn);
}

/* What is not there without a capability is as decode_header() left it. */
static int decode_lists(struct pci_function *fn, const struct view *v, char **error)
{
	int ret = 0;

	fn->silent = false;
	fn->caps_known = true;
	if (get16(v, CFG_STATUS) & STATUS_CAP_LIST) {
		fn->caps_known = v->size >= PCI_CONFIG_SIZE;
		if (fn->caps_known)
			ret = decode_caps(fn, v, error);
	}
	if (!ret)
		ret = decode_ext_caps(fn, v, error);
	/* ACS and ARI are among the extended capabilities */
	if (fn->pcie != PCIE_NONE && v->size < PCI_CONFIG_EXT_SIZE)
		fn->caps_known = false;
	return ret;
}

int pci_function_decode(struct pci_function *fn, const void *bytes, size_t size, char **error)
{
	struct pci_function was = *fn;
	struct view v = { bytes, size };
	uint8_t *copy;
	int ret;

	*error = NULL;
	ret = decode_check(&v, error);
	if (ret)
		return ret;
	copy = alloc_should_fail() ? NULL : malloc(size);
	if (!copy)
		return -ENOMEM;
	if (is_silent(&v)) {
		decode_silence(fn);
	} else {
		decode_header(fn, &v);
		ret = decode_lists(fn, &v, error);
	}
	if (ret) {
		*fn = was;
		free(copy);
		return ret;
	}
	memcpy(copy, bytes, size);
	free(fn->config);
	fn->config = copy;
	fn->config_size = (unsigned)size;
	return 0;
}
