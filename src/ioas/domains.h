/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A space's domains, one by one: what a hardware page table (HWPT) of iommufd
 * is made of. ioas_get_domain() (ioas.h) is the shared one that VFIO uses.
 */
#ifndef RF_IOAS_DOMAINS_H
#define RF_IOAS_DOMAINS_H

#include "ioas/ioas.h"
#include "iommu/domain.h" /* domain_set_dirty_tracking() and its like */

#define DOMAIN_DIRTY_TRACKING (1u << 0) /* keeps a dirty bit for each page a device writes */

/*
 * A new domain of @kind, filled with what the space maps. What is outside the
 * kind's aperture is reserved as long as it lives; a kind's reserved ranges are
 * not (they are a device's: ioas_reserve()). -EADDRINUSE where a mapping or an
 * allowed range does not fit the kind (aperture, alignment); -EINVAL for pages
 * larger than 4 KiB; -EOPNOTSUPP for a flag the kind lacks; -EFAULT when memory
 * that must be pinned now is not there, -EINVAL for a file that is no memfd;
 * -ENOMEM, also beyond the account's limit. No change on failure.
 */
int ioas_add_domain(struct rf_ioas *ioas, const struct iommu_kind *kind, uint32_t flags,
		    struct domain **out);
/* No device may use it. Never fails. */
void ioas_del_domain(struct rf_ioas *ioas, struct domain *domain);

#endif
