/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an I/O address space is made of, for the files of this folder.
 *
 * An area is what the user mapped. It consists of parts: one, unless some of
 * its memory had to be moved away from the program (memory/pin.h); then the
 * parts follow each other without a gap, and all but the first are marked as
 * joined. The tree of an address space holds parts, so there is no structure of
 * its own for an area.
 *
 * An area is held while its memory is pinned: from the first to the last moment
 * for the mappings of type1, and as long as there is a domain for those of
 * iommufd, which are called lazy. An area that is not held is in no domain, and
 * its parts lie where the user said.
 *
 * Most areas have their memory to themselves. One that was copied, that an
 * access has pinned, or that is a file's, refers to a pages object (pages.h)
 * through a slice.
 */
#ifndef RF_IOAS_SPACE_H
#define RF_IOAS_SPACE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/tree.h"
#include "ioas/ioas.h"
#include "ioas/pages.h"
#include "ioas/user_map.h"
#include "ioas/window.h"
#include "memory/owner.h"
#include "memory/pin.h"

#define PAGE_MASK   4095ull

#define PART_JOINED (1u << 0) /* continues the area of the part before it */
#define PART_HIDDEN (1u << 1) /* its memory is hidden */
#define PART_LAZY   (1u << 2) /* held only while there is a domain */
#define PART_HELD   (1u << 3) /* its memory is pinned, or hidden */
#define PART_MORE   (1u << 4) /* the next part continues this area */

/**
 * struct slice - what an area has of a pages object; its parts share it
 * @pages: the object, one reference
 * @iova: an IOVA
 * @start: the byte of the pages that is mapped there
 * @refs: parts
 * @accesses: pins of accesses in the area
 * @leaving: it is being unmapped: no access may pin it any more
 */
struct slice {
	struct pages *pages;
	uint64_t iova;
	uint64_t start;
	unsigned refs;
	uint64_t accesses;
	bool leaving;
};

/**
 * struct part - an area, or a piece of one
 * @node: in ioas->parts
 * @gap: free IOVA right before it, in bytes
 * @max_gap: the largest @gap in the subtree
 * @seg: what domains translate; its flags are PART_*
 * @pin: its memory, while held; its address is that of @seg, and while that is hidden @hidden
 *	and @user_addr have the place of its end
 * @before_addr: of @seg
 * @addr: of @seg
 * @hidden: the hidden memory it lies in
 * @user_addr: where hidden memory was when the program mapped it
 * @slice: of shared pages; NULL: the memory is this area's alone
 */
struct part {
	struct tree_node node;
	uint64_t gap;
	uint64_t max_gap;
	union {
		struct segment seg;
		struct {
			uint64_t before_addr[4];
			union {
				struct pin pin;
				struct {
					uintptr_t addr;
					struct pin_hidden *hidden;
					uintptr_t user_addr;
				};
			};
		};
	};
	struct slice *slice;
};

_Static_assert(offsetof(struct part, pin.addr) == offsetof(struct part, seg.addr) &&
		       sizeof(uintptr_t) == 8,
	       "a pin begins with the address that a segment ends with");
_Static_assert(offsetof(struct part, user_addr) + sizeof(uintptr_t) <=
		       offsetof(struct part, pin.node),
	       "what hidden memory needs of a pin is left");

/**
 * struct ioas_domain - a domain of an address space
 * @node: in ioas->by_domain
 * @shared: it came by ioas_get_domain()
 * @users: ioas_get_domain() less ioas_put_domain()
 * @hardware: windows of the IOMMU's own
 * @next: in ioas->domains
 * @link: what points to it there
 */
struct ioas_domain {
	struct tree_node node;
	struct domain *domain;
	bool shared;
	unsigned users;
	struct iommu_windows hardware;
	struct ioas_domain *next;
	struct ioas_domain **link;
};

/**
 * struct reserved - a range that somebody does not want to be mapped
 * @node: in ioas->reserved
 * @who: a device, a domain, or NULL: for good
 */
struct reserved {
	struct tree_node node;
	struct iommu_range range;
	const void *who;
};

/**
 * struct hole - the same range as often as it is reserved
 * @count: how often, not 0
 */
struct hole {
	struct iommu_range range;
	uint64_t count;
};

/* Pages of a domain are at most as large as the processor's. */
#define PAGE_SIZES 13

struct access_link;

/**
 * struct rf_ioas - an I/O address space
 * @lock: protects all of it
 * @refs: references
 * @parts: by IOVA, struct part
 * @slab: their memory
 * @nr_areas: mappings
 * @alignment: of IOVA, length and page offset of mappings
 * @no_large_pages: IOMMU_OPTION_HUGE_PAGES 0
 * @windowed: only windows may be mapped; it changes once at most, with the lock held
 * @domains: those that hold every mapping, shared ones first
 * @by_domain: the same, found by their domain
 * @domain_pages: how many have pages of 1 << index bytes as their smallest
 * @ranges: what may be mapped: all that is not reserved, in order
 * @nr_ranges: how many; there is room for one more than holes fit
 * @reserved: by who reserved it
 * @nr_reserved: how many
 * @holes: what is reserved, each range once, in order
 * @nr_holes: how many
 * @max_holes: how many fit
 * @allowed: where the space may choose, in order
 * @nr_allowed: how many; 0: anywhere
 * @accesses: those attached, by rising id
 * @next_access: the id of the newest
 * @access_idle: signalled when an access's unmap operation has returned
 * @account: of lazy mappings
 * @mode: of the account
 * @holder: of the pins
 * @windows: in order
 * @nr_windows: how many
 * @max_windows: how many fit
 */
struct rf_ioas {
	pthread_mutex_t lock;
	atomic_uint refs;
	struct tree parts;
	struct slab slab;
	uint64_t nr_areas;
	uint64_t alignment;
	bool no_large_pages;
	atomic_bool windowed;
	struct ioas_domain *domains;
	struct tree by_domain;
	unsigned domain_pages[PAGE_SIZES];
	struct iommu_range *ranges;
	unsigned nr_ranges;
	struct tree reserved;
	unsigned nr_reserved;
	struct hole *holes;
	unsigned nr_holes;
	unsigned max_holes;
	struct iommu_range *allowed;
	unsigned nr_allowed;
	struct access_link *accesses;
	uint64_t next_access;
	pthread_cond_t access_idle;
	struct account *account;
	enum account_mode mode;
	struct pin_holder holder;
	struct window *windows;
	unsigned nr_windows;
	unsigned max_windows;
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
/* @next, right behind @part, becomes a piece of it and leaves the tree. */
void part_absorb(struct rf_ioas *ioas, struct part *part, struct part *next);
/*
 * A place in @range where @length bytes fit: (aligned | offset), as
 * iommufd chooses it; @offset is below 4096 and a multiple of @align or 0. The lowest,
 * unless many lower holes are long enough and fail by their alignment. True and *iova.
 */
bool part_find_gap(const struct rf_ioas *ioas, const struct iommu_range *range, uint64_t length,
		   uint64_t align, uint64_t offset, uint64_t *iova);

/* repin.c: what the space does when pinned pages move. */
extern const struct pin_holder_ops ioas_pin_ops;
/*
 * Cut @part, which is in no domain and not pinned just now, before @iova; the new
 * part is joined. slab_reserve() has seen to it that there is one.
 */
struct part *part_cut(struct rf_ioas *ioas, struct part *part, uint64_t iova);
/*
 * A held part is where its segment says: pin it there, and let devices have it, with
 * tables reserved.
 */
void part_return(struct rf_ioas *ioas, struct part *part);
/* Whether @pin is that of a part with its memory to itself. */
bool ioas_pin_is_own(const struct pin *pin);
/* The last byte of such a pin, which is of hidden memory. */
uintptr_t ioas_pin_hidden_last(const struct pin *pin);

/* domains.c: enter an area, from its first part to @last, into every domain, or none: 0 or -ENOMEM. */
int ioas_enter(struct rf_ioas *ioas, const struct segment *seg);
int area_enter(struct rf_ioas *ioas, struct part *part, uint64_t last);
void ioas_leave(struct rf_ioas *ioas, uint64_t first, uint64_t last);
/* Wait until no device uses what ioas_leave() took away. */
void ioas_settle(struct rf_ioas *ioas);

/* ranges.c: what may be mapped. */
int ranges_init(struct rf_ioas *ioas);
void ranges_destroy(struct rf_ioas *ioas);
/* Whether nothing of [first, last] is reserved. */
bool ioas_usable(const struct rf_ioas *ioas, uint64_t first, uint64_t last);

static inline bool ioas_windowed(const struct rf_ioas *space)
{
	return __builtin_expect(atomic_load_explicit(&space->windowed, memory_order_relaxed), 0);
}

/*
 * Whether memory at @addr may be mapped at [first, last] with rights @prot, as far as that
 * is a question of where: 0, -EINVAL, in a windowed space -EPERM.
 */
static inline int ioas_check_map(const struct rf_ioas *space, uint64_t addr, uint64_t first,
				 uint64_t last, uint32_t prot)
{
	if (ioas_windowed(space))
		return window_check_map(space, addr, first, last, prot);
	return ioas_usable(space, first, last) ? 0 : -EINVAL;
}

/* The same as ioas_reserve() and ioas_unreserve(), with the lock held. */
int ranges_reserve(struct rf_ioas *ioas, uint64_t first, uint64_t last, const void *who);
void ranges_unreserve(struct rf_ioas *ioas, const void *who);
/* Whether every area and every window's page is aligned to @alignment. */
bool areas_aligned(struct rf_ioas *ioas, uint64_t alignment);
/* Compute ioas->alignment anew: 0, or -EADDRINUSE where an area or a window is not so aligned. */
int ioas_realign(struct rf_ioas *ioas);

/* hold.c: pinning and letting go of areas. With the lock held. */
/* The user's address of a part's first byte. */
uintptr_t part_user_addr(const struct part *part);
/* The byte of the slice's pages that is mapped at @iova. */
uint64_t slice_byte(const struct slice *slice, uint64_t iova);
/*
 * Pin a lazy area, from its first part to @last, and cut it where its memory lies in
 * several places. Errnos of pages_hold(); on failure nothing is held.
 */
int area_hold(struct rf_ioas *ioas, struct part *part, uint64_t last);
/* Let go of a part's memory; the area is in no domain. The area's first part goes first. */
void part_release(struct rf_ioas *ioas, struct part *part);
/* Let go of an area, in no domain, and make it one part again where that can be. */
void area_release(struct rf_ioas *ioas, struct part *part);
/* Let go of all lazy areas. */
void areas_release(struct rf_ioas *ioas);
/* Free a part that holds nothing and is out of the tree. */
void part_free(struct rf_ioas *ioas, struct part *part);
/* Give the area of @part a slice, unless it has one: 0 or -ENOMEM. Parts of it may go. */
int area_share(struct rf_ioas *ioas, struct part *part);

/*
 * ioas.c: a new lazy area in a place that is free and usable, held if there is a
 * domain. Its segment says where and what; @slice, if any, gets a reference. Errnos
 * of area_hold().
 */
int area_insert(struct rf_ioas *ioas, const struct segment *seg, struct slice *slice);
/*
 * Take areas away, from the first part of the first up to IOVA @last, without pins of
 * accesses. Returns how many; *bytes what they mapped.
 */
uint64_t areas_drop(struct rf_ioas *ioas, struct part *part, uint64_t last, uint64_t *bytes);
/* Whether a mapping goes on across the border between @iova - 1 and @iova. */
bool ioas_bisects(const struct rf_ioas *ioas, uint64_t iova);
/* Whether one goes on behind @last; @part is the first that touches what ends there. */
bool ioas_reaches(const struct rf_ioas *ioas, const struct part *part, uint64_t last);

/*
 * user_map.c: where a mapping goes, by the rules of iommufd: *iova is the place
 * if @fixed. @addr is the user's address of its first byte; rights matter to windows.
 */
int place_choose(struct rf_ioas *ioas, uint64_t addr, uint64_t length, uint32_t prot, bool fixed,
		 uint64_t *iova);

/*
 * user_unmap.c: unmap as iommufd does, area by area. The lock is held, and dropped
 * while accesses are asked to let go. 0, -ENOENT, -EDEADLK.
 */
int space_unmap(struct rf_ioas *ioas, uint64_t first, uint64_t last, bool dropped,
		uint64_t *unmapped);

/* access.c: ask every access to let go of [first, last]. The lock is dropped meanwhile. */
void accesses_notify(struct rf_ioas *ioas, uint64_t first, uint64_t last);
/* The alignment that they demand. */
uint64_t accesses_alignment(const struct rf_ioas *ioas);

#endif
