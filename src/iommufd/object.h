/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects: what a program names by number.
 *
 * An id is the smallest free number from 1, as the kernel gives them. Two
 * counts keep an object: users, which stand for other objects (a page table
 * that is attached, an address space with page tables) and make DESTROY say
 * EBUSY; and short-term users, calls that work with the object just now, which
 * whoever must destroy it (a device's driver) waits for. A call is both.
 *
 * The table's own hold is one of each. An object whose users have come to 0 is
 * out of the table and about to be freed.
 */
#ifndef RF_IOMMUFD_OBJECT_H
#define RF_IOMMUFD_OBJECT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iommufd_ctx;
struct object;

enum object_type {
	OBJECT_ANY,
	OBJECT_DEVICE,
	OBJECT_HWPT_PAGING,
	OBJECT_HWPT_NESTED,
	OBJECT_IOAS,
	OBJECT_ACCESS,
	OBJECT_FAULT,
	OBJECT_SELFTEST,
};

/**
 * struct object_ops - a kind of object
 * @type: which
 * @destroy: end what the object stands for; its memory is freed afterwards. With
 *	no lock of the table held. Never fails
 */
struct object_ops {
	enum object_type type;
	void (*destroy)(struct iommufd_ctx *ctx, struct object *obj);
};

/**
 * struct object - embedded first in every object
 * @ops: what it is
 * @refs: users in the low 32 bits, short-term users in the high 32 bits
 * @id: its number
 */
struct object {
	const struct object_ops *ops;
	_Atomic uint64_t refs;
	uint32_t id;
};

#define OBJECT_USER  1ull
#define OBJECT_SHORT (1ull << 32)

/**
 * struct idtable - numbers from 1 for pointers; the caller's lock
 * @slots: the pointer of number i + 1, NULL where it is free
 * @size: how many there is room for
 * @used: how many are not free
 * @low: every slot below it is taken
 */
struct idtable {
	void **slots;
	uint32_t size;
	uint32_t used;
	uint32_t low;
};

/* The smallest free number, with @ptr put there; 0 for want of memory. */
uint32_t idtable_add(struct idtable *table, void *ptr);
void *idtable_find(const struct idtable *table, uint32_t id);
void idtable_set(struct idtable *table, uint32_t id, void *ptr);
/* Returns what was there. */
void *idtable_remove(struct idtable *table, uint32_t id);
void idtable_free(struct idtable *table);

/**
 * struct object_table - the objects of an open /dev/iommu
 * @lock: the table, and whatever its owner says
 * @drained: short-term users of some object have come to 0
 * @ids: struct object; or a mark for a number whose object is still being made
 */
struct object_table {
	pthread_mutex_t lock;
	pthread_cond_t drained;
	struct idtable ids;
};

void object_table_init(struct object_table *table);
void object_table_free(struct object_table *table);

/*
 * A new object of @size bytes, zeroed, with a number that nobody finds it by until
 * object_publish(): NULL for want of memory. Whoever fails in between either
 * object_abandon()s it, or object_discard()s it, which destroys it first.
 */
void *object_new(struct iommufd_ctx *ctx, size_t size, const struct object_ops *ops);
void object_publish(struct iommufd_ctx *ctx, struct object *obj);
void object_abandon(struct iommufd_ctx *ctx, struct object *obj);
void object_discard(struct iommufd_ctx *ctx, struct object *obj);

/* The object of that number and type, held by a call: NULL when there is none. */
void *object_get(struct iommufd_ctx *ctx, uint32_t id, enum object_type type);
/* Hold one that is known: false when it is going away. With the table's lock, or as a user. */
bool object_try_get(struct object *obj);
void object_put(struct iommufd_ctx *ctx, struct object *obj);

/* A user comes, a user goes. */
static inline void object_hold(struct object *obj)
{
	atomic_fetch_add_explicit(&obj->refs, OBJECT_USER, memory_order_relaxed);
}

static inline void object_release(struct object *obj)
{
	atomic_fetch_sub_explicit(&obj->refs, OBJECT_USER, memory_order_release);
}

/* DESTROY: -ENOENT, or -EBUSY while somebody uses it. */
int object_destroy(struct iommufd_ctx *ctx, uint32_t id);
/* A user goes, and the object with it if that was the last. */
void object_release_last(struct iommufd_ctx *ctx, struct object *obj);
/* The one user goes and takes the object along, once calls that work with it are done. */
void object_end(struct iommufd_ctx *ctx, struct object *obj);
/* The file is closed: all of them, each after those that use it. */
void object_destroy_all(struct iommufd_ctx *ctx);

#endif
