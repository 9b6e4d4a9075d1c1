/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * free() and realloc() of large blocks. What libc itself unmaps then does not
 * come to our munmap, so pages that a device may still write to are moved away
 * before libc sees the block: it finds zeroed pages, which it may give back or
 * hand out again, and the device keeps what it had.
 *
 * With nothing pinned each call costs one load more.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "interpose/enter.h"
#include "interpose/internal.h"
#include "interpose/real.h"
#include "memory/pin.h"

#define PAGE  4096ul
#define LARGE (64ul << 10)

/* Looking up the next free() may itself free something: that much is leaked. */
static __thread bool looking_up;

static bool pinned(void)
{
	struct rf_owner *owner = engine_owner();

	return unlikely(owner != NULL) && pin_any(owner) && engine_owned();
}

/* Whole pages only: the neighbours' bytes stay. */
static void let_go(void *p, size_t size)
{
	uintptr_t first = ((uintptr_t)p + PAGE - 1) & ~(PAGE - 1);
	uintptr_t end = ((uintptr_t)p + size) & ~(PAGE - 1);

	if (first >= end)
		return;
	engine_enter();
	pin_keep(engine_owner(), first, end - first, PIN_DISCARD);
	engine_leave();
}

INTERPOSED void free(void *p)
{
	static _Atomic(__typeof__(&free)) real;
	__typeof__(&free) found = atomic_load_explicit(&real, memory_order_relaxed);
	size_t size;

	if (unlikely(!found)) {
		if (looking_up)
			return;
		looking_up = true;
		found = real_find("free");
		atomic_store_explicit(&real, found, memory_order_relaxed);
		looking_up = false;
	}
	if (unlikely(pinned()) && p) {
		size = malloc_usable_size(p);
		if (size >= LARGE)
			let_go(p, size);
	}
	found(p);
}

/*
 * libc may move the pages themselves to the new place, mappings and all. There
 * is no telling beforehand, so a large block is moved by hand.
 */
static void *realloc_by_hand(void *p, size_t old, size_t size)
{
	void *made = malloc(size);

	if (!made)
		return NULL;
	memcpy(made, p, old < size ? old : size);
	free(p);
	return made;
}

INTERPOSED void *realloc(void *p, size_t size)
{
	size_t old;

	if (unlikely(pinned()) && p && size) {
		old = malloc_usable_size(p);
		if (old >= LARGE)
			return realloc_by_hand(p, old, size);
	}
	return REAL(realloc)(p, size);
}
