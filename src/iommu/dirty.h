/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty bits of one domain; domain_set_dirty_tracking() and its like are how
 * others reach them. No locks: marks come from any number of devices at once.
 */
#ifndef RF_IOMMU_DIRTY_H
#define RF_IOMMU_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

struct dirty;
struct domain;

/* For a domain of its kind's page size and aperture; NULL for want of memory. */
struct dirty *dirty_new(const struct domain *domain);
void dirty_free(struct dirty *dirty);

void dirty_mark(struct dirty *dirty, uint64_t first, uint64_t last);
void dirty_clear(struct dirty *dirty, uint64_t first, uint64_t last);
/* As domain_read_dirty(). */
void dirty_read(struct dirty *dirty, uint64_t first, uint64_t last, bool keep,
		void (*fn)(void *arg, uint64_t first, uint64_t last), void *arg);

#endif
