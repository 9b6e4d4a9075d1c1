/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A space's domains, one by one: what a hardware page table (HWPT) of iommufd
 * is made of. ioas_get_domain() (ioas.h) is the shared one that VFIO uses.
 */
#ifndef RF_IOAS_DOMAINS_H
#define RF_IOAS_DOMAINS_H

#include "ioas/ioas.h"

#define DOMAIN_DIRTY_TRACKING (1u << 0) /* keeps a dirty bit for each page a device writes */

/*
 * A new domain of @kind, filled with what the space maps. -EADDRINUSE where a
 * mapping does not fit the kind (aperture, alignment: Linux's errno for each);
 * -EOPNOTSUPP for a flag the kind lacks; -ENOMEM. No change on failure.
 */
int ioas_add_domain(struct rf_ioas *ioas, const struct iommu_kind *kind, uint32_t flags,
		    struct domain **out);
/* No device may use it. Never fails. */
void ioas_del_domain(struct rf_ioas *ioas, struct domain *domain);

/*
 * Dirty tracking. Setting starts clean. Reading calls @fn for each run of
 * dirty pages in [first, last], at the granularity of the kind's smallest
 * page, and clears them unless @keep. -EINVAL when tracking is off.
 */
int domain_set_dirty_tracking(struct domain *domain, bool enable);
int domain_read_dirty(struct domain *domain, uint64_t first, uint64_t last, bool keep,
		      void (*fn)(void *arg, uint64_t first, uint64_t last), void *arg);
/* As a device's write does; for mock devices and DMA. Inside a gate or under the writers' lock. */
void domain_mark_dirty(struct domain *domain, uint64_t first, uint64_t last);

#endif
