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

/*
 * An access with an unmap operation pins: a space that it is attached to is
 * aligned to 4 KiB from then on. -ENOMEM.
 */
int ioas_access_new(const struct ioas_access_ops *ops, void *arg, struct ioas_access **out);
/* Detaches, which asks its pins back; waits for an unmap operation under way. Never fails. */
void ioas_access_free(struct ioas_access *access);
/*
 * Point it at a space, another one, or (NULL) none; a former space's pins are
 * asked back by unmap (0, UINT64_MAX). Holds a reference to the space. 0;
 * -EBUSY while another thread does the same; -EADDRINUSE where a mapping of the
 * space is not aligned to 4 KiB and this access pins.
 */
int ioas_access_replace(struct ioas_access *access, struct rf_ioas *ioas);
/* The space it is attached to, or NULL; no reference. */
struct rf_ioas *ioas_access_space(struct ioas_access *access);

#define IOAS_ACCESS_WRITE (1u << 0)
#define IOAS_ACCESS_SLOW  (1u << 1) /* rw only: without the fast path, for tests */

/**
 * struct ioas_pinned - one page of a pinned range
 * @owner: whose memory
 * @addr: the address of the page's first byte (page aligned)
 */
struct ioas_pinned {
	struct rf_owner *owner;
	uintptr_t addr;
};

/*
 * Pin [iova, iova + length): fills one entry a page. -EINVAL for length 0, an
 * access that cannot pin, a range not aligned to pages, one that is being
 * unmapped; -EOVERFLOW; -ENOENT where nothing is mapped, or detached; -EPERM
 * without the right; -EFAULT when the memory is not there; -ENOMEM, also beyond the
 * account's limit.
 */
int ioas_access_pin(struct ioas_access *access, uint64_t iova, uint64_t length,
		    struct ioas_pinned *pages, uint32_t flags);
/* Exactly what one pin pinned. */
void ioas_access_unpin(struct ioas_access *access, uint64_t iova, uint64_t length);

/* Copy to or from the memory behind [iova, iova + length). Errnos as for pinning. */
int ioas_access_rw(struct ioas_access *access, uint64_t iova, void *data, uint64_t length,
		   uint32_t flags);
/*
 * The same on behalf of a process, by the rules of Linux: it meets its own memory as it
 * does itself, that of others as with IOAS_ACCESS_SLOW, and with that nothing is copied
 * to or from an area unless all its pages are pinned or could be; but of a single page
 * the owner's memory is taken as it is now.
 */
int ioas_access_rw_for(struct ioas_access *access, const struct rf_owner *caller, uint64_t iova,
		       void *data, uint64_t length, uint32_t flags);

#endif
