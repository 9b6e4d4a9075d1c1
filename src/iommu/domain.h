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
 * @addr: the owner's address of @first
 * @owner: whose memory
 * @prot: RF_READ, RF_WRITE
 * @flags: the address space's own; no business of domains
 *
 * Immutable while it is in a domain. @first and @last + 1 are multiples of 4096.
 */
struct segment {
	uint64_t first;
	uint64_t last;
	uintptr_t addr;
	struct rf_owner *owner;
	uint32_t prot;
	uint32_t flags;
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
 * The gates of attached devices: those that domain_sync() waits for. Any
 * thread. 0 or -ENOMEM; -EEXIST for one that is there.
 */
int domain_add_gate(struct domain *domain, struct gate *gate);
void domain_del_gate(struct domain *domain, struct gate *gate);

#endif
