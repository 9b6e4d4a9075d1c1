/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In-process access to a space: what the kernel calls the access API, for
 * emulated and mediated devices. The public face is in ringfence/ioas.h
 * (rf_access_*); these are the same functions under their private names.
 */
#ifndef RF_IOAS_ACCESS_H
#define RF_IOAS_ACCESS_H

#include "ioas/ioas.h"

struct ioas_access;

/**
 * struct ioas_access_ops - the holder of an access
 * @unmap: [first, last] is about to go: unpin it before returning. Called
 *	without the space's lock. NULL: this access never pins
 */
struct ioas_access_ops {
	void (*unmap)(void *arg, uint64_t first, uint64_t last);
};

int ioas_access_new(const struct ioas_access_ops *ops, void *arg, struct ioas_access **out);
/* Unpins nothing by itself: what is pinned must have been unpinned. Detaches. Never fails. */
void ioas_access_free(struct ioas_access *access);
/* Point it at a space, another one, or (NULL) none; a former space's pins are asked back by unmap. */
int ioas_access_replace(struct ioas_access *access, struct rf_ioas *ioas);

#define IOAS_ACCESS_WRITE (1u << 0)
#define IOAS_ACCESS_SLOW (1u << 1) /* rw only: without the fast path, for tests */

/**
 * struct ioas_pinned - one page of a pinned range
 * @owner: whose memory
 * @addr: the address of the page's first byte (page aligned)
 */
struct ioas_pinned {
	struct rf_owner *owner;
	uintptr_t addr;
};

/* Pin [iova, iova + length): fills one entry a page. -ENOENT, -EPERM, -EINVAL, -EFAULT, -EBUSY, -ENOMEM as Linux. */
int ioas_access_pin(struct ioas_access *access, uint64_t iova, uint64_t length,
		    struct ioas_pinned *pages, uint32_t flags);
void ioas_access_unpin(struct ioas_access *access, uint64_t iova, uint64_t length);

/* Copy to or from the memory behind [iova, iova + length). */
int ioas_access_rw(struct ioas_access *access, uint64_t iova, void *data, uint64_t length,
		   uint32_t flags);

#endif
