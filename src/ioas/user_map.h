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
 * @owner: whose memory; NULL with @memfd
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

/* IOMMU_IOAS_UNMAP: whole areas; (0, UINT64_MAX) everything. -ENOENT, -EBUSY (pinned by an access), ... */
int ioas_user_unmap(struct rf_ioas *ioas, uint64_t iova, uint64_t length, uint64_t *unmapped);

/* The least alignment of an IOVA and a length: 1 with nothing attached. */
uint64_t ioas_alignment(struct rf_ioas *ioas);

/* IOMMU_IOAS_ALLOW_IOVAS: replaces the list; -EADDRINUSE where it would leave a reserved range... as Linux. */
int ioas_set_allowed(struct rf_ioas *ioas, const struct iommu_range *ranges, unsigned nr);

/* Reserved ranges, each belonging to @who (a device); -EADDRINUSE over a mapping. */
int ioas_reserve(struct rf_ioas *ioas, uint64_t first, uint64_t last, const void *who);
void ioas_unreserve(struct rf_ioas *ioas, const void *who);

/* The ranges that IOMMU_IOAS_IOVA_RANGES reports, in order; returns how many there are, fills at most @max. */
unsigned ioas_iova_ranges(struct rf_ioas *ioas, struct iommu_range *out, unsigned max);

/* IOMMU_OPTION_HUGE_PAGES: whether large leaves may be used. -EINVAL for another value than 0, 1. */
int ioas_set_huge_pages(struct rf_ioas *ioas, uint64_t value);
bool ioas_huge_pages(struct rf_ioas *ioas);

/* Accounting: IOMMU_OPTION_RLIMIT_MODE. Limits come from the machine through the account. */
enum account_mode { ACCOUNT_USER, ACCOUNT_PROCESS };
struct account;
struct account *account_new(uint64_t limit_bytes); /* UINT64_MAX: none */
void account_free(struct account *account);
/* New pages of @ioas are charged there, in that mode. */
void ioas_set_account(struct rf_ioas *ioas, struct account *account, enum account_mode mode);
uint64_t account_pages(const struct account *account, enum account_mode mode);

/*
 * How many pages objects hold the page of @owner at @addr pinned just now (by
 * a domain or an access): what a page's pin count would be on Linux.
 */
unsigned pages_pin_count(struct rf_owner *owner, uintptr_t addr);

#endif
