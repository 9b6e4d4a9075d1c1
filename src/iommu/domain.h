/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains: the translation that devices use. See domain.c for its structure.
 *
 * Readers (devices in DMA) take no lock: they enter their gate, translate,
 * copy, leave. Writers hold the lock of the address space that owns the
 * domain, take mappings away, and domain_sync() before the memory or the
 * segment may go.
 */
#ifndef RF_IOMMU_DOMAIN_H
#define RF_IOMMU_DOMAIN_H

#include <ringfence/types.h>

#include "base/gate.h"
#include "iommu/kind.h"

/**
 * struct segment - a run of IOVA whose bytes lie together in an owner's memory
 * @first: first IOVA
 * @last: last IOVA, inclusive
 * @owner: whose memory
 * @prot: RF_READ, RF_WRITE
 * @flags: the address space's own; no business of domains
 * @addr: the owner's address of @first
 *
 * Immutable while it is in a domain, but for its flags. @first and @last + 1 are
 * multiples of 8, of the kind's smallest page in fact.
 */
struct segment {
	uint64_t first;
	uint64_t last;
	struct rf_owner *owner;
	uint32_t prot;
	uint32_t flags;
	uintptr_t addr;
};

/**
 * struct translation - where an IOVA leads
 * @addr: the owner's address
 * @length: bytes that follow contiguously, at least 1
 * @owner: whose memory
 */
struct translation {
	uintptr_t addr;
	uint64_t length;
	struct rf_owner *owner;
};

struct domain;

int domain_new(const struct iommu_kind *kind, struct domain **out);
/* No device may be attached. Never fails. */
void domain_free(struct domain *domain);
const struct iommu_kind *domain_kind(const struct domain *domain);

/* Enter a segment; nothing is mapped in its range. 0 or -ENOMEM, then without any change. */
int domain_map(struct domain *domain, const struct segment *seg);
/*
 * Take a range away; what was there are whole segments. Never fails. Then
 * domain_sync(), before the segments or the memory may go.
 */
void domain_unmap(struct domain *domain, uint64_t first, uint64_t last);
/*
 * Put @seg, or nothing with NULL, in place of what is in [first, last], whatever that
 * is: in one step for each page. Segments that reach out keep the rest. Page by page
 * of 4 KiB; domain_reserve() for two cuts comes before. Never fails. Then domain_trim() for
 * each piece that is left of a segment, and domain_sync().
 */
void domain_replace(struct domain *domain, uint64_t first, uint64_t last,
		    const struct segment *seg);
/* What is left of @old, after a cut, on one side is now @piece, which begins or ends with it. */
void domain_trim(struct domain *domain, const struct segment *old, const struct segment *piece);
/* Whether a segment can be cut: 256 owners' can. */
bool domain_can_cut(struct domain *domain, const struct segment *seg);
/* Wait until no attached device still uses what was taken away. */
void domain_sync(struct domain *domain);

/*
 * Have tables at hand so that domain_map() cannot fail after segments that are
 * in the domain were cut in @cuts places: 0 or -ENOMEM. Adds up, until
 * domain_unreserve().
 */
int domain_reserve(struct domain *domain, unsigned cuts);
void domain_unreserve(struct domain *domain);

/* Tables in use, kept empty ones included: for tests and measurements. */
uint64_t domain_nr_tables(const struct domain *domain);

/* Inside a gate of the domain, or with the writers' lock held. 0 or -EFAULT. */
int domain_translate(const struct domain *domain, uint64_t iova, uint32_t prot,
		     struct translation *out);

/*
 * Whether only the kind's smallest pages are used in tables that it would see: what a
 * kind with coarse dirty bits needs to know.
 */
void domain_set_small(struct domain *domain, bool small);
bool domain_is_small(const struct domain *domain);

/*
 * Dirty tracking. Setting starts clean: 0, or -EOPNOTSUPP for a
 * domain that was not made able. Reading calls @fn for each run of dirty pages in
 * [first, last], in ascending order and in multiples of the kind's smallest
 * page, and clears them unless @keep. -EINVAL when tracking is off. Pages that
 * are unmapped are dirty no more. A kind with coarse dirty bits is read inside a gate of
 * the domain; of an entry around @first or @last everything is cleared.
 */
int domain_set_dirty_tracking(struct domain *domain, bool enable);
int domain_read_dirty(struct domain *domain, uint64_t first, uint64_t last, bool keep,
		      void (*fn)(void *arg, uint64_t first, uint64_t last), void *arg);
/* Make a domain able to track, before it is used: 0 or -ENOMEM. */
int domain_enable_dirty_tracking(struct domain *domain);
/*
 * As a device's write does; for mock devices and DMA: nothing while tracking is
 * off. Inside a gate of the domain, or while nothing is unmapped there.
 */
void domain_mark_dirty(struct domain *domain, uint64_t first, uint64_t last);

/* Somebody whose memory has been in the domain, or NULL. Without the lock that changes need. */
struct rf_owner *domain_some_owner(const struct domain *domain);

/* Whether a device's write must be marked: one load, for every DMA. */
static inline bool domain_tracks_dirty(const struct domain *domain)
{
	/* a domain begins with this flag */
	return atomic_load_explicit((const atomic_bool *)domain, memory_order_relaxed);
}

/*
 * The gates of attached devices: those that domain_sync() waits for. Any
 * thread. Each add is undone by one del. 0 or -ENOMEM.
 */
int domain_add_gate(struct domain *domain, struct gate *gate);
void domain_del_gate(struct domain *domain, struct gate *gate);

#endif
