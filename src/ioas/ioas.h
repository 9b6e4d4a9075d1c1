/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O address spaces as the API modules use them; include/ringfence/ioas.h is
 * the public face of the same thing.
 *
 * Locks: the space's own mutex around every change; then the owner's lock.
 */
#ifndef RF_IOAS_IOAS_H
#define RF_IOAS_IOAS_H

#include <ringfence/ioas.h>

#include "iommu/domain.h"
#include "iommu/kind.h"

int ioas_new(struct rf_ioas **out);
struct rf_ioas *ioas_get(struct rf_ioas *ioas);
void ioas_put(struct rf_ioas *ioas);

/*
 * Map [iova, iova + length) exactly; length not 0, no wrap, everything a
 * multiple of 4096 (checked: -EINVAL). -EEXIST on overlap; -EINVAL outside
 * the usable ranges of an attached domain; -EFAULT by owner_probe() (made last,
 * after the cheap checks; pass @probed to skip it); -ENOMEM.
 */
int ioas_map_fixed(struct rf_ioas *ioas, struct rf_owner *owner, uintptr_t addr, uint64_t iova,
		   uint64_t length, uint32_t prot, bool probed);

/* Choose the lowest IOVA at which length fits, aligned to align (a power of two), then map. -ENOSPC. */
int ioas_map_anywhere(struct rf_ioas *ioas, struct rf_owner *owner, uintptr_t addr, uint64_t length,
		      uint32_t prot, uint64_t align, uint64_t *iova);

/* rf_ioas_remap(); pass @probed to skip owner_probe(). */
int ioas_remap(struct rf_ioas *ioas, struct rf_owner *owner, uintptr_t addr, uint64_t iova,
	       uint64_t length, uint32_t prot, bool probed);

/**
 * struct area_info - a mapping as the user made it
 */
struct area_info {
	uint64_t first;
	uint64_t last;
	uintptr_t addr;
	uint32_t prot;
	struct rf_owner *owner;
};

/* The mapping that holds @iova: true and *out filled. */
bool ioas_find(struct rf_ioas *ioas, uint64_t iova, struct area_info *out);
/* The first mapping that touches [first, last]. */
bool ioas_find_first(struct rf_ioas *ioas, uint64_t first, uint64_t last, struct area_info *out);

/*
 * How an unmap treats mappings that reach beyond the range.
 */
enum ioas_cut {
	IOAS_CUT_REFUSE, /* type1 v2: any split fails with -EINVAL, nothing changes */
	IOAS_CUT_ABSENT, /* the library: with -ENOENT; and -EINVAL is for what windows do not allow */
	IOAS_CUT_BY_FIRST, /* type1 v1: mappings that begin inside go whole; one that begins before stays */
};

/*
 * Unmap what lies in [first, last]; returns 0 with *unmapped the bytes (0 for
 * none), or -EINVAL. No device can touch the memory when it returns. @dropped:
 * the container went away rather than the program asking (only for counting).
 */
int ioas_unmap_range(struct rf_ioas *ioas, uint64_t first, uint64_t last, enum ioas_cut cut,
		     bool dropped, uint64_t *unmapped);

uint64_t ioas_nr_areas(struct rf_ioas *ioas);

/*
 * A domain of @kind in this space, made and filled when there is none yet.
 * Each get is undone by one put. -EADDRINUSE where an existing mapping lies
 * outside the kind's ranges; -ENOMEM.
 */
int ioas_get_domain(struct rf_ioas *ioas, const struct iommu_kind *kind, struct domain **out);
void ioas_put_domain(struct rf_ioas *ioas, struct domain *domain);

/* Every domain that it has can refuse what is not coherent: also one that has none. */
bool ioas_coherent(struct rf_ioas *ioas);

/*
 * What may be mapped just now: the intersection of the attached kinds' ranges;
 * [0, 2^64 - 1] with none. Fills at most @max, returns how many there are.
 */
unsigned ioas_ranges(struct rf_ioas *ioas, struct iommu_range *out, unsigned max);
/* The lowest of them that ends at or above @iova. */
bool ioas_range_from(struct rf_ioas *ioas, uint64_t iova, struct iommu_range *out);

#endif
