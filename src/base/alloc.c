/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slabs. A chunk starts with its header, one cache line, so that objects
 * whose size is a multiple of 64 never straddle lines needlessly.
 *
 * A reservation is kept by counting: slab_reserve() adds chunks until enough
 * objects are free. alloc_fail_nth() makes the reservation fail, never an
 * allocation covered by one.
 */
#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/apart.h"
#include "base/sys.h"

struct slab_chunk {
	_Alignas(64) struct slab_chunk *next;
	size_t size;
};

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer must see that memory was given back and is another now. */
#define chunk_map(len, prot, flags) mmap(NULL, len, prot, flags, -1, 0)
#define chunk_unmap		    munmap
#else
#define chunk_map(len, prot, flags) apart_mmap(len, prot, flags, -1, 0)
#define chunk_unmap		    sys_munmap
#endif

_Thread_local long alloc_countdown;

void alloc_fail_nth(long nth)
{
	alloc_countdown = nth;
}

bool alloc_has_failed(void)
{
	return alloc_countdown < 0;
}

long alloc_fail_left(void)
{
	return alloc_countdown > 0 ? alloc_countdown : 0;
}

/* Counts down to the failing one; -1 afterwards, so that it can be told it was reached. */
bool alloc_should_fail(void)
{
	if (alloc_countdown <= 0)
		return false;
	if (--alloc_countdown)
		return false;
	alloc_countdown = -1;
	return true;
}

void *alloc_zeroed(size_t size)
{
	return alloc_should_fail() ? NULL : calloc(1, size);
}

void alloc_free(void *ptr)
{
	free(ptr);
}

/* Each has a header of a cache line that knows its size. */
#define DIRECT_HEADER 64

void *alloc_direct(size_t size)
{
	size_t total = (size + DIRECT_HEADER + 4095) & ~(size_t)4095;
	char *pages;

	if (alloc_should_fail())
		return NULL;
	pages = chunk_map(total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
	if (sys_failed(pages))
		return NULL;
	*(size_t *)pages = total;
	return pages + DIRECT_HEADER;
}

void alloc_direct_free(void *ptr)
{
	char *pages;

	if (!ptr)
		return;
	pages = (char *)ptr - DIRECT_HEADER;
	chunk_unmap(pages, *(size_t *)pages);
}

#define SMALL_SHIFT   5
#define SMALL_CLASSES 5
#define SMALL_CHUNK   (64u << 10)

_Static_assert(ALLOC_SMALL_MAX == 1 << (SMALL_SHIFT + SMALL_CLASSES - 1), "the largest class");

static struct {
	pthread_mutex_t lock;
	struct slab slabs[SMALL_CLASSES]; /* of 32, 64 ... bytes; a size of 0: not begun */
} small = { .lock = PTHREAD_MUTEX_INITIALIZER };

static unsigned small_class(size_t size)
{
	unsigned class = 0;

	while ((1ul << (SMALL_SHIFT + class)) < size)
		class ++;
	return class;
}

void *alloc_small(size_t size)
{
	struct slab *slab = &small.slabs[small_class(size)];
	void *ptr;

	pthread_mutex_lock(&small.lock);
	if (!slab->size)
		slab_init(slab, 1ul << (SMALL_SHIFT + small_class(size)), SMALL_CHUNK);
	ptr = slab_alloc(slab);
	pthread_mutex_unlock(&small.lock);
	if (ptr)
		memset(ptr, 0, size);
	return ptr;
}

void alloc_small_free(void *ptr, size_t size)
{
	if (!ptr)
		return;
	pthread_mutex_lock(&small.lock);
	slab_free(&small.slabs[small_class(size)], ptr);
	pthread_mutex_unlock(&small.lock);
}

void alloc_small_abandon(void)
{
	pthread_mutex_init(&small.lock, NULL);
	memset(small.slabs, 0, sizeof(small.slabs));
}

void slab_init(struct slab *slab, size_t size, size_t chunk_size)
{
	*slab = (struct slab){ .size = (size + 7) & ~(size_t)7, .chunk_size = chunk_size };
}

void slab_destroy(struct slab *slab)
{
	while (slab->chunks) {
		struct slab_chunk *chunk = slab->chunks;

		slab->chunks = chunk->next;
		chunk_unmap(chunk, chunk->size);
	}
	slab_init(slab, slab->size, slab->chunk_size);
}

static int slab_grow(struct slab *slab)
{
	struct slab_chunk *chunk;

	chunk = chunk_map(slab->chunk_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
	if (sys_failed(chunk))
		return -ENOMEM;
	chunk->next = slab->chunks;
	chunk->size = slab->chunk_size;
	slab->chunks = chunk;

	/* a tail that is still untouched becomes free objects (only a reservation leaves one) */
	for (; slab->fresh < slab->fresh_end; slab->fresh += slab->size) {
		slab->nr_free--;
		slab_free(slab, slab->fresh);
	}
	slab->fresh = (char *)(chunk + 1);
	slab->fresh_end =
		slab->fresh + (slab->chunk_size - sizeof(*chunk)) / slab->size * slab->size;
	slab->nr_free += (size_t)(slab->fresh_end - slab->fresh) / slab->size;
	return 0;
}

int slab_reserve(struct slab *slab, size_t count)
{
	if (alloc_should_fail())
		return -ENOMEM;
	while (slab->nr_free < slab->reserved + count) {
		int ret = slab_grow(slab);

		if (ret)
			return ret;
	}
	slab->reserved += count;
	return 0;
}

void slab_unreserve(struct slab *slab)
{
	slab->reserved = 0;
}

void *slab_alloc_slow(struct slab *slab)
{
	struct slab_object *object = slab->free;

	if (slab->reserved)
		slab->reserved--;
	else if (alloc_should_fail())
		return NULL;
	if (object) {
		slab->free = object->next;
		object->next = NULL;
	} else {
		if (slab->fresh == slab->fresh_end && slab_grow(slab))
			return NULL;
		object = (struct slab_object *)slab->fresh;
		slab->fresh += slab->size;
	}
	slab->nr_free--;
	return object;
}
