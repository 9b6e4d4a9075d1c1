/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mapping as iommufd does it: byte-granular while nothing demands more, IOVA
 * of the space's choice, copies that share pages, allowed and reserved ranges,
 * accounting by pages object.
 *
 * Each function takes the space's lock; errnos and the order of checks are
 * those of Linux 6.12 (drivers/iommu/iommufd/io_pagetable.c).
 */
#ifndef RF_IOAS_USER_MAP_H
#define RF_IOAS_USER_MAP_H

#include "ioas/ioas.h"

/**
 * struct user_map - what IOMMU_IOAS_MAP and IOMMU_IOAS_MAP_FILE ask for
 * @owner: whose memory; with @memfd, the owner that is this process, where the
 *	file will be mapped
 * @addr: the owner's address, any alignment; or the offset in the file
 * @memfd: a memfd, borrowed, or -1
 * @length: bytes
 * @prot: RF_READ, RF_WRITE; 0 is a mapping for accesses only
 * @fixed: map at @iova
 */
struct user_map {
	struct rf_owner *owner;
	uint64_t addr;
	int memfd;
	uint64_t length;
	uint32_t prot;
	bool fixed;
	uint64_t iova;
};

/* 0 with *iova; -EINVAL, -EOVERFLOW, -EADDRINUSE, -EEXIST, -ENOSPC, -EFAULT, -ENOMEM as Linux. */
int ioas_user_map(struct rf_ioas *ioas, const struct user_map *map, uint64_t *iova);

/* IOMMU_IOAS_COPY: [src_iova, +length) of @src, which may span areas, shares its pages. */
int ioas_user_copy(struct rf_ioas *dst, struct rf_ioas *src, uint64_t src_iova, uint64_t length,
		   uint32_t prot, bool fixed, uint64_t *dst_iova);

/*
 * IOMMU_IOAS_UNMAP: whole areas; (0, UINT64_MAX) everything, which is 0 even of
 * nothing. -EINVAL for length 0; -EOVERFLOW; -ENOENT where nothing is mapped or an
 * area reaches beyond the range: areas before it are gone by then, as on Linux;
 * -EDEADLK when an access does not let go though asked.
 */
int ioas_user_unmap(struct rf_ioas *ioas, uint64_t iova, uint64_t length, uint64_t *unmapped);

/*
 * VFIO_IOMMU_UNMAP_DMA of the compatible container: the same, but nothing mapped
 * is 0, and without large pages (ioas_set_huge_pages(ioas, 0)) an area that
 * reaches beyond the range is cut: -EINVAL where that cannot be (alignment, an
 * access holds it), -ENOMEM, -EBUSY while it is going away. These leave *unmapped as
 * it was, as unmapping has not begun.
 */
int ioas_compat_unmap(struct rf_ioas *ioas, uint64_t iova, uint64_t length, uint64_t *unmapped);

/* The least alignment of an IOVA and a length: 1 with nothing attached. */
uint64_t ioas_alignment(struct rf_ioas *ioas);
/*
 * The largest page size of any window: what is made of such pages may be mapped in each.
 * 0: no window.
 */
uint64_t ioas_window_page(struct rf_ioas *ioas);

/*
 * IOMMU_IOAS_ALLOW_IOVAS: replaces the list. -EINVAL for a range whose first is
 * not below its last, or that overlaps another of the list; -ENOMEM; -EADDRINUSE
 * over a reserved range.
 */
int ioas_set_allowed(struct rf_ioas *ioas, const struct iommu_range *ranges, unsigned nr);

/*
 * Reserved ranges, each belonging to @who (a device, or NULL: nobody, until the
 * space goes); they may overlap. -EADDRINUSE over a mapping or an allowed range;
 * -ENOMEM. ioas_unreserve() takes all of @who's away.
 */
int ioas_reserve(struct rf_ioas *ioas, uint64_t first, uint64_t last, const void *who);
void ioas_unreserve(struct rf_ioas *ioas, const void *who);

/*
 * The ranges that IOMMU_IOAS_IOVA_RANGES reports, in order; returns how many there are,
 * fills at most @max.
 */
unsigned ioas_iova_ranges(struct rf_ioas *ioas, struct iommu_range *out, unsigned max);

/*
 * IOMMU_OPTION_HUGE_PAGES: whether large leaves may be used; without them areas
 * can be cut, and everything is aligned to 4 KiB. -EINVAL for another value than
 * 0, 1, or to end them while a domain holds mappings; -EADDRINUSE when a mapping
 * is not aligned so.
 */
int ioas_set_huge_pages(struct rf_ioas *ioas, uint64_t value);
bool ioas_huge_pages(struct rf_ioas *ioas);

/* Accounting: IOMMU_OPTION_RLIMIT_MODE. Limits come from the machine through the account. */
enum account_mode { ACCOUNT_USER, ACCOUNT_PROCESS };
struct account;
struct account *account_new(uint64_t limit); /* bytes, or a LIMIT_ of memory/limit.h */
void account_free(struct account *account);
/*
 * Pages of @ioas are charged there, in that mode, while a domain or an access
 * holds them. NULL (so it begins): nobody counts. Only while nothing is mapped;
 * the account outlives the space. Type1's mappings are not charged here.
 */
void ioas_set_account(struct rf_ioas *ioas, struct account *account, enum account_mode mode);
uint64_t account_pages(const struct account *account, enum account_mode mode);

/*
 * How many pages objects hold the page of @owner at @addr pinned just now (by
 * a domain or an access). @addr may be hidden memory. Linux counts a page's pins
 * wherever it is mapped; here that is the sum of all places.
 */
unsigned pages_pin_count(struct rf_owner *owner, uintptr_t addr);

#endif
