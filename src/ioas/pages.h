/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages: a run of an owner's memory that several areas share, in one space or
 * in several, or that accesses have pinned.
 *
 * Pages are numbered from 0. A page is held while an area with a domain or an
 * access's pin covers it; it is then pinned and charged to the account, once.
 * Where a held page is, is the object's to know: at the owner's address, or
 * hidden when the owner let go of it. A page that nobody holds is at the owner's
 * address, whatever lies there.
 *
 * Held pages stand in runs: neighbours that are held equally often and lie
 * together, with a pin each. A run begins and ends where a hold does, or where
 * memory was moved away, so letting go never needs to cut one.
 *
 * Locks: pages->lock, inside an address space's; then the owner's. The object is
 * a holder of pins of rank 1, so its lock is the same when pages move.
 */
#ifndef RF_IOAS_PAGES_H
#define RF_IOAS_PAGES_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/tree.h"
#include "ioas/user_map.h"
#include "memory/pin.h"

/**
 * struct run - held pages
 * @node: in pages->runs
 * @first: number of the first
 * @last: number of the last
 * @count: how often they are held, not 0
 * @hidden: the hidden memory they are in, one reference; NULL: the owner's
 * @pin: of them; its address is where they are even when they are hidden
 */
struct run {
	struct tree_node node;
	uint64_t first;
	uint64_t last;
	uint64_t count;
	struct pin_hidden *hidden;
	struct pin pin;
};

/**
 * struct pages - a shared run of an owner's memory
 * @holder: of the runs' pins
 * @lock: protects what follows @refs and changes
 * @refs: slices, and whoever looks at it for a moment
 * @owner: whose memory
 * @addr: the owner's address of page 0
 * @place: what an IOVA that the space chooses is aligned like: @addr, or where page
 *	0 is in the file
 * @nr: pages
 * @writable: they were mapped to be written
 * @bad_file: they are those of a file that cannot be pinned
 * @view: our own mapping of a file, which @addr is in; NULL: none
 * @view_length: of all of it
 * @account: who is charged, or NULL
 * @mode: how
 * @runs: held pages, by number
 * @spare: runs that a move under way may need, linked by node.left
 */
struct pages {
	struct pin_holder holder;
	pthread_mutex_t lock;
	atomic_uint refs;
	struct rf_owner *owner;
	uintptr_t addr;
	uint64_t place;
	uint64_t nr;
	bool writable;
	bool bad_file;
	void *view;
	uint64_t view_length;
	struct account *account;
	enum account_mode mode;
	struct tree runs;
	struct run *spare;
};

/* Over [addr, addr + length), any alignment. NULL for want of memory. */
struct pages *pages_new(struct rf_owner *owner, uintptr_t addr, uint64_t length, bool writable,
			struct account *account, enum account_mode mode);
struct pages *pages_get(struct pages *pages);
/* Nothing of it is held when the last reference goes. */
void pages_put(struct pages *pages);

/* Number of pages that @length bytes at @addr touch. */
static inline uint64_t pages_spanned(uint64_t addr, uint64_t length)
{
	return ((addr & 4095) + (length - 1)) / 4096 + 1;
}

/*
 * Whether the memory is there, as Linux asks who pins it, for which BARs are no memory:
 * 0 or -EFAULT. Pages that end where addresses
 * do are -EOVERFLOW, as their end is computed before they are looked at; but it looks at
 * 8192 at a time.
 */
int pages_probe(struct rf_owner *owner, uintptr_t addr, uint64_t length, uint32_t prot);

/*
 * Pages that are pinned and charged already become held once: at @addr, or
 * hidden. Nobody else knows the object yet. 0 or -ENOMEM.
 */
int pages_adopt(struct pages *pages, uint64_t first, uint64_t last, uintptr_t addr,
		struct pin_hidden *hidden);

/*
 * Hold pages [first, last] once more. 0; -EFAULT when one is not there, -EINVAL
 * for a file that cannot be pinned, -ENOMEM, also beyond the account's limit.
 * With the lock held, so that nothing moves until the caller has pinned them too.
 */
int pages_hold(struct pages *pages, uint64_t first, uint64_t last);
/* Whether those of [first, last] that nobody holds could be held: 0 or as above. With the lock held. */
int pages_check(struct pages *pages, uint64_t first, uint64_t last);
/* Undo one hold, or adoption. With the lock held. Never fails. */
void pages_release(struct pages *pages, uint64_t first, uint64_t last);
/* A hold that covers @index - 1 and @index may be released in two pieces: 0 or -ENOMEM. */
int pages_cut(struct pages *pages, uint64_t index);

/**
 * struct place - where a page is
 * @addr: its address
 * @last: pages up to this one lie there together
 * @hidden: the hidden memory, or NULL: the owner's
 * @held: somebody holds them
 */
struct place {
	uintptr_t addr;
	uint64_t last;
	struct pin_hidden *hidden;
	bool held;
};

/* Where page @index is, and those after it up to @last at most. With the lock held. */
void pages_find(const struct pages *pages, uint64_t index, uint64_t last, struct place *out);

static inline void pages_lock(struct pages *pages)
{
	pthread_mutex_lock(&pages->lock);
}

static inline void pages_unlock(struct pages *pages)
{
	pthread_mutex_unlock(&pages->lock);
}

/* account.c: count pages: 0 or -ENOMEM beyond the limit; NULL counts nothing. */
int account_charge(struct account *account, enum account_mode mode, uint64_t pages);
void account_uncharge(struct account *account, enum account_mode mode, uint64_t pages);

#endif
