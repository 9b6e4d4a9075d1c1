/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of objects. Both counts of an object are one word, so that a call
 * takes and drops it with one locked instruction each.
 *
 * An object leaves the table under the lock, by its users going from 1 (the
 * table's own) to 0; as a call is a user too, none is under way then.
 * object_try_get() refuses one whose users or short-term users are 0: the first
 * is gone, the second is waited for by object_end().
 */
#include "iommufd/object.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "iommufd/ctx.h"

#define FIRST_SLOTS 16u

static char unborn; /* what stands for an object that is still being made */

static uint32_t refs_users(uint64_t refs)
{
	return (uint32_t)refs;
}

static uint32_t refs_short(uint64_t refs)
{
	return (uint32_t)(refs >> 32);
}

static int idtable_grow(struct idtable *table)
{
	uint32_t size = table->size ? table->size * 2 : FIRST_SLOTS;
	void **slots = alloc_zeroed(size * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	if (table->size)
		memcpy(slots, table->slots, table->size * sizeof(*slots));
	alloc_free(table->slots);
	table->slots = slots;
	table->size = size;
	return 0;
}

uint32_t idtable_add(struct idtable *table, void *ptr)
{
	uint32_t at = table->low;

	while (at < table->size && table->slots[at])
		at++;
	table->low = at;
	if (at == table->size && idtable_grow(table))
		return 0;
	table->slots[at] = ptr;
	table->low = at + 1;
	table->used++;
	return at + 1;
}

void *idtable_find(const struct idtable *table, uint32_t id)
{
	return id && id <= table->size ? table->slots[id - 1] : NULL;
}

void idtable_set(struct idtable *table, uint32_t id, void *ptr)
{
	table->slots[id - 1] = ptr;
}

void *idtable_remove(struct idtable *table, uint32_t id)
{
	void *ptr = idtable_find(table, id);

	if (!ptr)
		return NULL;
	table->slots[id - 1] = NULL;
	table->used--;
	if (id - 1 < table->low)
		table->low = id - 1;
	return ptr;
}

void idtable_free(struct idtable *table)
{
	alloc_free(table->slots);
	memset(table, 0, sizeof(*table));
}

void object_table_init(struct object_table *table)
{
	pthread_mutex_init(&table->lock, NULL);
	pthread_cond_init(&table->drained, NULL);
}

void object_table_free(struct object_table *table)
{
	idtable_free(&table->ids);
	pthread_cond_destroy(&table->drained);
	pthread_mutex_destroy(&table->lock);
}

void *object_new(struct iommufd_ctx *ctx, size_t size, const struct object_ops *ops)
{
	struct object *obj = alloc_zeroed(size);

	if (!obj)
		return NULL;
	obj->ops = ops;
	atomic_init(&obj->refs, OBJECT_USER | OBJECT_SHORT);
	pthread_mutex_lock(&ctx->objects.lock);
	obj->id = idtable_add(&ctx->objects.ids, &unborn);
	pthread_mutex_unlock(&ctx->objects.lock);
	if (!obj->id) {
		alloc_free(obj);
		return NULL;
	}
	return obj;
}

void object_publish(struct iommufd_ctx *ctx, struct object *obj)
{
	pthread_mutex_lock(&ctx->objects.lock);
	idtable_set(&ctx->objects.ids, obj->id, obj);
	pthread_mutex_unlock(&ctx->objects.lock);
}

void object_abandon(struct iommufd_ctx *ctx, struct object *obj)
{
	pthread_mutex_lock(&ctx->objects.lock);
	idtable_remove(&ctx->objects.ids, obj->id);
	pthread_mutex_unlock(&ctx->objects.lock);
	alloc_free(obj);
}

void object_discard(struct iommufd_ctx *ctx, struct object *obj)
{
	obj->ops->destroy(ctx, obj);
	object_abandon(ctx, obj);
}

bool object_try_get(struct object *obj)
{
	uint64_t refs = atomic_load_explicit(&obj->refs, memory_order_relaxed);

	do {
		if (!refs_users(refs) || !refs_short(refs))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&obj->refs, &refs, refs + OBJECT_USER + OBJECT_SHORT, memory_order_acquire,
		memory_order_relaxed));
	return true;
}

void *object_get(struct iommufd_ctx *ctx, uint32_t id, enum object_type type)
{
	struct object *obj;

	pthread_mutex_lock(&ctx->objects.lock);
	obj = idtable_find(&ctx->objects.ids, id);
	if ((void *)obj == &unborn || (obj && type != OBJECT_ANY && obj->ops->type != type) ||
	    (obj && !object_try_get(obj)))
		obj = NULL;
	pthread_mutex_unlock(&ctx->objects.lock);
	return obj;
}

/* Somebody may be waiting for the short-term users to go. */
static void object_tell_drained(struct iommufd_ctx *ctx)
{
	pthread_mutex_lock(&ctx->objects.lock);
	pthread_cond_broadcast(&ctx->objects.drained);
	pthread_mutex_unlock(&ctx->objects.lock);
}

void object_put(struct iommufd_ctx *ctx, struct object *obj)
{
	uint64_t refs = atomic_fetch_sub_explicit(&obj->refs, OBJECT_USER + OBJECT_SHORT,
						  memory_order_acq_rel);

	/* the object may be gone by now; the table is not, as a call holds the file */
	if (refs_short(refs) == 1)
		object_tell_drained(ctx);
}

/* Gives up the table's short-term hold and waits for all others. With the lock held. */
static void object_drain(struct iommufd_ctx *ctx, struct object *obj)
{
	atomic_fetch_sub(&obj->refs, OBJECT_SHORT);
	while (refs_short(atomic_load(&obj->refs)))
		pthread_cond_wait(&ctx->objects.drained, &ctx->objects.lock);
}

/* Out of the table, if nobody but the table uses it: 0 or -EBUSY. With the lock held. */
static int object_take(struct iommufd_ctx *ctx, struct object *obj)
{
	uint64_t refs = atomic_load(&obj->refs);

	do {
		if (refs_users(refs) != 1)
			return -EBUSY;
	} while (!atomic_compare_exchange_weak(&obj->refs, &refs, refs - OBJECT_USER));
	idtable_remove(&ctx->objects.ids, obj->id);
	if ((void *)ctx->vfio_ioas == obj)
		ctx->vfio_ioas = NULL;
	return 0;
}

static void object_free(struct iommufd_ctx *ctx, struct object *obj)
{
	obj->ops->destroy(ctx, obj);
	alloc_free(obj);
}

int object_destroy(struct iommufd_ctx *ctx, uint32_t id)
{
	struct object *obj;
	int ret = -ENOENT;

	pthread_mutex_lock(&ctx->objects.lock);
	obj = idtable_find(&ctx->objects.ids, id);
	if (obj && (void *)obj != &unborn)
		ret = object_take(ctx, obj);
	pthread_mutex_unlock(&ctx->objects.lock);
	if (!ret)
		object_free(ctx, obj);
	return ret;
}

void object_release_last(struct iommufd_ctx *ctx, struct object *obj)
{
	int ret;

	pthread_mutex_lock(&ctx->objects.lock);
	object_release(obj);
	ret = object_take(ctx, obj);
	pthread_mutex_unlock(&ctx->objects.lock);
	if (!ret)
		object_free(ctx, obj);
}

void object_end(struct iommufd_ctx *ctx, struct object *obj)
{
	int ret;

	pthread_mutex_lock(&ctx->objects.lock);
	object_drain(ctx, obj);
	object_release(obj);
	ret = object_take(ctx, obj);
	pthread_mutex_unlock(&ctx->objects.lock);
	assert(!ret); /* a device or an access is used by nobody but who made it */
	if (!ret)
		object_free(ctx, obj);
}

/* Those that only the table uses just now: whether there was one. */
static bool object_destroy_leaves(struct iommufd_ctx *ctx)
{
	bool any = false;

	for (uint32_t id = 1; id <= ctx->objects.ids.size; id++) {
		struct object *obj = idtable_find(&ctx->objects.ids, id);
		int ret;

		if (!obj)
			continue;
		pthread_mutex_lock(&ctx->objects.lock);
		ret = object_take(ctx, obj);
		pthread_mutex_unlock(&ctx->objects.lock);
		if (ret)
			continue;
		object_free(ctx, obj);
		any = true;
	}
	return any;
}

void object_destroy_all(struct iommufd_ctx *ctx)
{
	/* each holds what it uses, so leaves come first and the rest become leaves */
	while (object_destroy_leaves(ctx))
		;
	assert(!ctx->objects.ids.used);
}
