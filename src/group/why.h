/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a device is in its group: the rules that joined it with others, what would
 * take it apart again, and, for one alone, what keeps others out.
 *
 *	why_function()	every reason, from the function upward
 *	reason_text()	one in plain words
 *	reason_remedy()	and what would undo it
 *
 * Nothing is remembered for this: the reasons are worked out when asked for, by
 * the same steps as the group (pci_isolation.h).
 */
#ifndef RF_GROUP_WHY_H
#define RF_GROUP_WHY_H

#include "bus/topology.h"
#include "group/set.h"

enum group_reason_kind {
	REASON_ALONE, /* nothing joins @subject with others */
	REASON_NO_IOMMU, /* @subject has no group at all */
	REASON_BRIDGE, /* DMA from @subject carries an id of the bridge @cause */
	REASON_DMA_DEVICE, /* DMA of @subject carries the id of @cause */
	REASON_NO_ACS, /* port @cause above @subject lets peers through: @acs */
	REASON_SIBLING, /* @subject and @cause are exposed to each other; @acs of @subject */
	REASON_ALIAS, /* @subject and @cause use each other's ids; @text: what is known */
	REASON_PHANTOM, /* @subject uses the id @devfn, where no function is */
	REASON_PE_NUMBER, /* firmware put it in PE @pe */
	REASON_PE_BUS, /* all functions of bus @cause leads to (NULL: a root bus) are one PE */
	REASON_PE_VF, /* a virtual function is a PE by itself */
	REASON_CAPS_UNKNOWN, /* @subject's capabilities could not be read */
};

/**
 * struct group_reason - one reason
 * @kind: which
 * @subject: whom it is about: the function asked for, or one above it that
 *	stands for it
 * @cause: who makes it so, or NULL
 * @acs: whether the cause (of REASON_SIBLING, the subject) isolates, and why not
 * @cause_acs: of REASON_SIBLING, the same of the cause
 * @text: a quirk's words, or NULL
 * @devfn: of REASON_PHANTOM
 * @pe: of REASON_PE_NUMBER
 */
struct group_reason {
	enum group_reason_kind kind;
	const struct pci_function *subject;
	const struct pci_function *cause;
	struct acs_verdict acs, cause_acs;
	const char *text;
	uint8_t devfn;
	int pe;
};

/*
 * All reasons for the group of @fn: an array, to be freed. 0 or -ENOMEM. REASON_ALONE
 * is the only one then, apart from REASON_CAPS_UNKNOWN and REASON_PHANTOM.
 */
int why_function(const struct pci_topology *topology, const struct pci_function *fn,
		 enum pci_grouping grouping, struct group_reason **reasons, size_t *nr);

/* A sentence without its full stop, to be freed; NULL without memory. */
char *reason_text(const struct group_reason *reason);
/* What would undo it, likewise; an empty string where nothing can or need. */
char *reason_remedy(const struct group_reason *reason);

/*
 * Why a device without a place in the topology is where it is: the same kind of
 * sentence. (Its description, the device above it, or nobody.)
 */
char *why_device(const struct rf_device *dev);

#endif
