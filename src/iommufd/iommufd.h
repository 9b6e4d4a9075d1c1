/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/iommu as an open file (base/file.h).
 */
#ifndef RF_IOMMUFD_IOMMUFD_H
#define RF_IOMMUFD_IOMMUFD_H

#include <stdbool.h>

#include "base/file.h"

struct account;

/**
 * struct iommufd_options - what the machine decides
 * @selftest: answer IOMMU_TEST_CMD, with mock devices behind a mock IOMMU
 * @unsafe_interrupts: let devices be bound whose interrupts are not isolated
 * @host_rights: programs need the host's CAP_SYS_RESOURCE for what asks for it; false:
 *	they have it
 * @account: what pinned pages are charged to (ioas/user_map.h); NULL: nobody
 *	counts them
 *
 * Lives as long as what was opened with it.
 */
struct iommufd_options {
	bool selftest;
	bool unsafe_interrupts;
	bool host_rights;
	struct account *account;
};

/* open("/dev/iommu"): 0 or -ENOMEM. */
int iommufd_open(const struct iommufd_options *options, struct file **out);

#endif
