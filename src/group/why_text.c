/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reasons in plain words. Each names the functions it speaks of, so that it can
 * be read alone.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "group/why.h"

static char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *text(const char *fmt, ...)
{
	char *out;
	va_list ap;
	int n;

	if (alloc_should_fail())
		return NULL;
	va_start(ap, fmt);
	n = vasprintf(&out, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : out;
}

#define WHAT_SIZE 160
#define SLOT_FMT  "%04x:%02x:%02x"

/* Why a function does not isolate: "has no ACS capability". */
static const char *what_lacks(const struct acs_verdict *acs, char buf[WHAT_SIZE])
{
	char names[ACS_NAMES_SIZE];

	switch (acs->basis) {
	case ACS_REGISTERS:
		acs_names(acs->missing, names);
		snprintf(buf, WHAT_SIZE, "has ACS %s switched off", names);
		break;
	case ACS_ABSENT:
		return "has no ACS capability";
	case ACS_NEVER:
		return "is of a kind that never has ACS";
	case ACS_CONVENTIONAL:
		return "is conventional PCI, where whoever is on the bus can be reached";
	case ACS_BY_QUIRK:
		acs_names(acs->missing, names);
		snprintf(buf, WHAT_SIZE, "lacks %s (%s)", names, acs->quirk);
		break;
	case ACS_SINGLE:
		return "has no peers";
	}
	return buf;
}

static char *text_alone(const struct group_reason *r)
{
	const char *name = r->subject->name;

	if (r->acs.basis == ACS_BY_QUIRK && r->acs.isolated)
		return text("%s is alone: every port above it keeps peers apart, and %s", name,
			    r->acs.quirk);
	if (r->subject->physfn)
		return text("%s is alone: a virtual function has a requester id of its own, and "
			    "every port above it keeps peers apart",
			    name);
	if (r->subject->multifunction && r->acs.basis == ACS_REGISTERS && r->acs.isolated)
		return text("%s is alone: every port above it and its own ACS keep peers apart",
			    name);
	if (!r->subject->parent)
		return text("%s is alone: it is on a root bus, and no function of its slot is "
			    "exposed to it",
			    name);
	return text("%s is alone: every port above it keeps peers apart", name);
}

static char *text_bridge(const struct group_reason *r)
{
	if (r->cause->pcie == PCIE_TO_PCI_BRIDGE)
		return text("DMA of %s reaches the IOMMU with an id of the PCIe-to-PCI bridge %s, "
			    "as all DMA of the buses below that does",
			    r->subject->name, r->cause->name);
	if (r->cause->bridge_aliases_bus)
		return text("DMA of %s reaches the IOMMU with an id of the bridge %s: it is a "
			    "PCIe-to-PCI bridge that does not say so (%s)",
			    r->subject->name, r->cause->name, r->text);
	return text("DMA of %s reaches the IOMMU with an id of the %s %s, as all DMA from below "
		    "that does",
		    r->subject->name, pci_function_kind(r->cause), r->cause->name);
}

static char *text_sibling(const struct group_reason *r)
{
	char buf[WHAT_SIZE], other[WHAT_SIZE];

	return text("%s and %s are functions of one device that may talk to each other unseen: "
		    "%s %s, %s %s",
		    r->subject->name, r->cause->name, r->subject->name, what_lacks(&r->acs, buf),
		    r->cause->name, what_lacks(&r->cause_acs, other));
}

char *reason_text(const struct group_reason *r)
{
	const char *name = r->subject->name;
	char buf[WHAT_SIZE];

	switch (r->kind) {
	case REASON_ALONE:
		return text_alone(r);
	case REASON_NO_IOMMU:
		return text("%s has no group: no IOMMU above it", name);
	case REASON_BRIDGE:
		return text_bridge(r);
	case REASON_DMA_DEVICE:
		return text("all DMA of %s carries the requester id of %s", name, r->cause->name);
	case REASON_NO_ACS:
		return text("the %s %s above %s %s: what is below it can reach its peers without "
			    "the IOMMU seeing it",
			    pci_function_kind(r->cause), r->cause->name, name,
			    what_lacks(&r->acs, buf));
	case REASON_SIBLING:
		return text_sibling(r);
	case REASON_ALIAS:
		return text("%s and %s use the same requester id%s%s%s", name, r->cause->name,
			    r->text ? ": DMA carries " : "", r->text ? r->text : "",
			    r->text ? "" : " (a DMA alias)");
	case REASON_PHANTOM:
		return text("%s also uses the requester id of %02x.%x, where no function is%s%s%s",
			    name, r->devfn >> 3, r->devfn & 7u, r->text ? " (" : "",
			    r->text ? r->text : "", r->text ? ")" : "");
	case REASON_PE_NUMBER:
		return text("firmware put %s into partitionable endpoint %d", name, r->pe);
	case REASON_PE_BUS:
		if (!r->cause)
			return text("all functions of %s's root bus are one partitionable "
				    "endpoint",
				    name);
		return text("all functions below the %s %s are one partitionable endpoint",
			    pci_function_kind(r->cause), r->cause->name);
	case REASON_PE_VF:
		return text("the virtual function %s is a partitionable endpoint by itself", name);
	case REASON_CAPS_UNKNOWN:
		if (r->subject->silent)
			return text("%s does not answer (powered down, or gone): what it is "
				    "capable of is not known, and taken to be nothing",
				    name);
		return text("the capabilities of %s cannot be read without privilege; it is taken "
			    "to have none",
			    name);
	}
	return NULL;
}

static char *remedy_acs(const struct pci_function *fn, const struct acs_verdict *acs)
{
	char names[ACS_NAMES_SIZE];

	acs_names(acs->missing, names);
	switch (acs->basis) {
	case ACS_REGISTERS:
		return text("enable ACS %s in %s (a kernel with its IOMMU on does so at boot, "
			    "unless told otherwise)",
			    names, fn->name);
	case ACS_ABSENT:
		return text("none in software: %s would need an ACS capability; move the device to "
			    "a slot below another port",
			    fn->name);
	case ACS_BY_QUIRK:
		return text("none in software for %s", fn->name);
	default:
		return text("move the device to a slot that is not below or beside %s", fn->name);
	}
}

/* One of the two whose registers say so is enough; a port's neighbours can be left to themselves. */
static char *remedy_sibling(const struct group_reason *r)
{
	const struct pci_address *at = &r->subject->address;

	if (r->acs.basis == ACS_REGISTERS)
		return remedy_acs(r->subject, &r->acs);
	if (r->cause_acs.basis == ACS_REGISTERS)
		return remedy_acs(r->cause, &r->cause_acs);
	if (pci_function_is_bridge(r->subject))
		return remedy_acs(r->subject, &r->acs);
	return text("none: the functions of " SLOT_FMT " are one device, which does not keep them "
		    "apart",
		    at->domain, at->bus, at->slot);
}

char *reason_remedy(const struct group_reason *r)
{
	switch (r->kind) {
	case REASON_BRIDGE:
		return text("move the device to a PCIe slot: behind %s nothing can be told apart",
			    r->cause->name);
	case REASON_DMA_DEVICE:
		return text("switch off in firmware what puts it behind %s (VMD)", r->cause->name);
	case REASON_NO_ACS:
		return remedy_acs(r->cause, &r->acs);
	case REASON_SIBLING:
		return remedy_sibling(r);
	case REASON_ALIAS:
		return text("none: %s and %s cannot be told apart", r->subject->name,
			    r->cause->name);
	case REASON_CAPS_UNKNOWN:
		if (r->subject->silent)
			return text("look again when %s is powered up", r->subject->name);
		return text("run it as root, or save lspci -xxxx as root");
	case REASON_PE_BUS:
		return text("move the device to a slot with a bus of its own");
	default:
		return text("%s", "");
	}
}

char *why_device(const struct rf_device *dev)
{
	const struct rf_device *above = dev->parent;

	if (!dev->group)
		return text("%s has no group: %s", dev->name, rf_device_no_group(dev));
	if (dev->group_wish >= 0)
		return text("the machine's description puts %s into group %d", dev->name,
			    dev->group_wish);
	while (above && above->group != dev->group)
		above = above->parent;
	if (above)
		return text("%s is in the group of %s, which it is behind, as nobody else claims "
			    "it",
			    dev->name, above->name);
	return text("a provider put %s into this group", dev->name);
}
