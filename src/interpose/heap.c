/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * free() and realloc() of blocks that are mappings of their own. What libc itself
 * unmaps does not come to our munmap, so pages that a device may still write to
 * are moved away before libc sees the block, and the device keeps what it had.
 *
 * Any other block stays mapped when it is freed, and is shared with the device
 * as before; so is one of another allocator, which unmaps by calling munmap.
 * That libc gives the top of its heap back to the kernel stays unnoticed.
 *
 * With nothing pinned each call costs one load more.
 */
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "interpose/enter.h"
#include "interpose/internal.h"
#include "interpose/real.h"
#include "memory/pin.h"

#define PAGE	   4096ul
#define IS_MMAPPED 2ul /* of a chunk's size word */
#define FLAGS	   7ul

/* Looking up the next free() may itself free something: that much is leaked. */
static __thread bool looking_up;

/* The blocks are libc's own; once free() has been looked up. */
static atomic_bool libc_blocks;

static bool pinned(void)
{
	struct rf_owner *owner = engine_owner();

	return unlikely(owner != NULL) && pin_any(owner) && engine_owned();
}

/* Whether @fn is libc's own, whose blocks these are. */
static bool in_libc(void *fn)
{
	Dl_info a, b;

	return dladdr(fn, &a) && dladdr((void *)gnu_get_libc_version, &b) &&
	       a.dli_fbase == b.dli_fbase;
}

/*
 * Before a block of libc's lie two words: what precedes it in its mapping, and its
 * size with flags. If it is a mapping with pinned pages: true, and where.
 */
static bool block_is_pinned(const void *p, uintptr_t *first, uintptr_t *last)
{
	const size_t *word = (const size_t *)p - 2;

	if (!(word[1] & IS_MMAPPED))
		return false;
	*first = (uintptr_t)word - word[0];
	*last = (uintptr_t)word + (word[1] & ~FLAGS) - 1;
	if (*first % PAGE || *last < *first)
		return false;
	return ENGINE_VALUE(pin_run(engine_owner(), first, last));
}

/* The two words are for libc to find. */
static void let_go(void *p)
{
	size_t *word = (size_t *)p - 2, kept[2] = { word[0], word[1] };
	uintptr_t first = (uintptr_t)word - kept[0], last;
	size_t len = kept[0] + (kept[1] & ~FLAGS);

	if (!block_is_pinned(p, &(uintptr_t){ 0 }, &last))
		return;
	engine_enter();
	pin_keep(engine_owner(), first, len, PIN_DISCARD);
	engine_leave();
	word[0] = kept[0];
	word[1] = kept[1];
}

INTERPOSED void free(void *p)
{
	static _Atomic(__typeof__(&free)) real;
	__typeof__(&free) found = atomic_load_explicit(&real, memory_order_relaxed);

	if (unlikely(!found)) {
		if (looking_up)
			return;
		looking_up = true;
		found = real_find("free");
		libc_blocks = in_libc((void *)found);
		atomic_store_explicit(&real, found, memory_order_relaxed);
		looking_up = false;
	}
	if (unlikely(pinned()) && p && libc_blocks)
		let_go(p);
	found(p);
}

/*
 * libc would move the pages themselves to the new place, mappings and all. There
 * is no telling beforehand, so the bytes are moved by hand.
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
	uintptr_t first, last;

	if (unlikely(pinned()) && p) {
		if (!libc_blocks && !looking_up)
			free(NULL); /* has it looked up */
		if (libc_blocks && block_is_pinned(p, &first, &last)) {
			if (size)
				return realloc_by_hand(p, malloc_usable_size(p), size);
			let_go(p);
		}
	}
	return REAL(realloc)(p, size);
}

/* libc's own would call libc's own realloc(). */
INTERPOSED void *reallocarray(void *p, size_t nr, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(nr, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}
