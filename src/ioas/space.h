/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an I/O address space is made of, for the files of this folder.
 *
 * An area is what the user mapped. It consists of parts: one, unless some of
 * its memory had to be moved away from the program (memory/pin.h); then the
 * parts follow each other without a gap, and all but the first are marked as
 * joined. The tree of an address space holds parts, so there is no structure of
 * its own for an area.
 */
#ifndef RF_IOAS_SPACE_H
#define RF_IOAS_SPACE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/tree.h"
#include "ioas/ioas.h"
#include "memory/owner.h"
#include "memory/pin.h"

#define PAGE_MASK   4095ull

#define PART_JOINED (1u << 0) /* continues the area of the part before it */
#define PART_HIDDEN (1u << 1) /* its memory is hidden: no pin */

/**
 * struct part - an area, or a piece of one
 * @node: in ioas->parts
 * @gap: free IOVA right before it, in bytes
 * @max_gap: the largest @gap in the subtree
 * @seg: what domains translate; its flags are PART_*
 * @pin: its memory, unless hidden
 * @hidden: the hidden memory it lies in
 * @user_addr: where hidden memory was when the program mapped it
 */
struct part {
	struct tree_node node;
	uint64_t gap;
	uint64_t max_gap;
	struct segment seg;
	union {
		struct pin pin;
		struct {
			struct pin_hidden *hidden;
			uintptr_t user_addr;
		};
	};
};

/**
 * struct ioas_domain - a domain of an address space
 * @users: ioas_get_domain() less ioas_put_domain()
 */
struct ioas_domain {
	struct domain *domain;
	unsigned users;
	struct ioas_domain *next;
};

/**
 * struct rf_ioas - an I/O address space
 * @lock: protects all of it
 * @refs: references
 * @parts: by IOVA, struct part
 * @slab: their memory
 * @nr_areas: mappings
 * @domains: one for each kind of IOMMU attached
 * @ranges: what may be mapped, as long as there are domains
 * @nr_ranges: how many
 * @holder: of the pins
 */
struct rf_ioas {
	pthread_mutex_t lock;
	atomic_uint refs;
	struct tree parts;
	struct slab slab;
	uint64_t nr_areas;
	struct ioas_domain *domains;
	struct iommu_range *ranges;
	unsigned nr_ranges;
	struct pin_holder holder;
};

/* part.c: the tree. With the lock held. */
struct part *part_at(const struct rf_ioas *ioas, uint64_t iova); /* that holds @iova, or NULL */
struct part *part_from(const struct rf_ioas *ioas, uint64_t iova); /* that holds it, or the next */
struct part *part_next(const struct rf_ioas *ioas, const struct part *part);
/* The first and the last part of the area that @part belongs to. */
struct part *area_first(const struct rf_ioas *ioas, struct part *part);
struct part *area_last(const struct rf_ioas *ioas, struct part *part);
void part_insert(struct rf_ioas *ioas, struct part *part);
void part_remove(struct rf_ioas *ioas, struct part *part);
/* The lowest IOVA in @range where @length bytes fit, aligned: true and *iova. */
bool part_find_gap(const struct rf_ioas *ioas, const struct iommu_range *range, uint64_t length,
		   uint64_t align, uint64_t *iova);

/* repin.c: what the space does when pinned pages move. */
extern const struct pin_holder_ops ioas_pin_ops;

/* domains.c: enter a segment into every domain, or none: 0 or -ENOMEM. */
int ioas_enter(struct rf_ioas *ioas, const struct segment *seg);
void ioas_leave(struct rf_ioas *ioas, uint64_t first, uint64_t last);
/* Wait until no device uses what ioas_leave() took away. */
void ioas_settle(struct rf_ioas *ioas);
/* Whether [first, last] may be mapped. */
bool ioas_usable(const struct rf_ioas *ioas, uint64_t first, uint64_t last);

#endif
