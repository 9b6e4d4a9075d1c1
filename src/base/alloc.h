/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for the core's own structures.
 *
 * A slab gives out objects of one size from chunks that come straight from
 * the kernel by bare system calls. So it may be used while the program's
 * allocator is busy in the thread that called us (an allocator that calls
 * munmap() under its own lock arrives at pins), and freeing cannot fail or
 * wait. Chunks go back to the kernel when the slab is destroyed.
 *
 * Objects are handed out as they were given back, except that their first
 * eight bytes are zero; fresh ones are all zero.
 *
 * alloc_fail_nth() makes a chosen allocation of the calling thread fail, so that
 * tests can fail each in turn, as the kernel's fail-nth does. It is a variable of
 * the thread, in the static block of those (this code is in the program from its
 * start, never loaded later), so looking at it costs one instruction. That and
 * the shared slabs of alloc_small() are the folder's only other global state.
 */
#ifndef RF_BASE_ALLOC_H
#define RF_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

struct slab_object {
	struct slab_object *next;
};

struct slab_chunk;

/**
 * struct slab - objects of one size
 * @free: those given back
 * @nr_free: how many, the untouched ones included
 * @reserved: allocations that cannot fail
 * @fresh: the untouched part of the newest chunk
 * @fresh_end: its end
 * @size: bytes an object, a multiple of 8
 * @chunk_size: bytes a chunk
 * @chunks: all chunks
 *
 * Locks: the user's.
 */
struct slab {
	struct slab_object *free;
	size_t nr_free;
	size_t reserved;
	char *fresh;
	char *fresh_end;
	size_t size;
	size_t chunk_size;
	struct slab_chunk *chunks;
};

/* Objects are aligned to the largest power of two in @size, at most 64. Never fails. */
void slab_init(struct slab *slab, size_t size, size_t chunk_size);
void slab_destroy(struct slab *slab);

/* Let @count more allocations succeed for certain: 0 or -ENOMEM. */
int slab_reserve(struct slab *slab, size_t count);
/* What was reserved and not used may fail again. */
void slab_unreserve(struct slab *slab);
void *slab_alloc_slow(struct slab *slab);

extern _Thread_local long alloc_countdown __attribute__((tls_model("initial-exec")));

/* The @nth allocation of this thread from now fails (1: the next), and only that one; 0: none. */
void alloc_fail_nth(long nth);
/* Whether the failure asked for has happened. */
bool alloc_has_failed(void);
/* What is left to count: 0 when it has happened, or none was asked for. */
long alloc_fail_left(void);
/* For other allocations of the core: true if this one is to fail. */
bool alloc_should_fail(void);

/* calloc() and free(), where the program's allocator is fine: without our locks. */
void *alloc_zeroed(size_t size);
void alloc_free(void *ptr);

/* The same straight from the kernel, in whole pages; for few things made under locks. */
void *alloc_direct(size_t size);
void alloc_direct_free(void *ptr);

/*
 * Objects of at most ALLOC_SMALL_MAX bytes from slabs that all share, for those
 * that outlive what they were made in. Zeroed. Safe wherever a slab is; takes a
 * lock of its own, innermost. @size to free as it was asked for.
 */
#define ALLOC_SMALL_MAX 512
void *alloc_small(size_t size);
void alloc_small_free(void *ptr, size_t size);
/*
 * In a child of fork(), which forgets whatever its parent had: begin anew, as the
 * lock may have been another thread's.
 */
void alloc_small_abandon(void);

static inline void *slab_alloc(struct slab *slab)
{
	struct slab_object *object = slab->free;

	if (!object || alloc_countdown)
		return slab_alloc_slow(slab);
	slab->free = object->next;
	slab->nr_free--;
	object->next = NULL;
	return object;
}

static inline void slab_free(struct slab *slab, void *ptr)
{
	struct slab_object *object = ptr;

	object->next = slab->free;
	slab->free = object;
	slab->nr_free++;
}

#endif
