/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses as objects: in-process use of an address space (ioas/access.h) has a
 * number too, is a user of its space, and keeps the file open.
 *
 * An access is made, used and ended by the same holder; its lock makes changes
 * of the space take turns.
 */
#include <errno.h>

#include "ioas/access.h"
#include "iommufd/ctx.h"

/**
 * struct access - an access
 * @lock: what follows
 * @ioas: the space it is attached to, or NULL
 */
struct access {
	struct object obj;
	struct iommufd_ctx *ctx;
	struct ioas_access *access;
	pthread_mutex_t lock;
	struct iommufd_ioas *ioas;
};

static void access_destroy(struct iommufd_ctx *ctx, struct object *obj)
{
	struct access *a = (struct access *)obj;

	ioas_access_free(a->access);
	if (a->ioas)
		object_release(&a->ioas->obj);
	pthread_mutex_destroy(&a->lock);
	file_put(&ctx->file); /* the last, perhaps */
}

static const struct object_ops access_object_ops = {
	.type = OBJECT_ACCESS,
	.destroy = access_destroy,
};

struct access *access_new(struct iommufd_ctx *ctx, const struct ioas_access_ops *ops, void *arg)
{
	struct access *a = object_new(ctx, sizeof(*a), &access_object_ops);

	if (!a)
		return NULL;
	if (ioas_access_new(ops, arg, &a->access)) {
		object_abandon(ctx, &a->obj);
		return NULL;
	}
	a->ctx = ctx;
	pthread_mutex_init(&a->lock, NULL);
	object_hold(&a->obj); /* its maker is a user until access_end() */
	file_get(&ctx->file);
	object_publish(ctx, &a->obj);
	return a;
}

void access_end(struct access *a)
{
	object_end(a->ctx, &a->obj);
}

struct ioas_access *access_of(struct access *a)
{
	return a->access;
}

/* With a->lock held. */
static int access_change(struct access *a, uint32_t ioas_id)
{
	struct iommufd_ioas *ioas = ioas_object_get(a->ctx, ioas_id);
	int ret = 0;

	if (!ioas)
		return -ENOENT;
	if (ioas != a->ioas)
		ret = ioas_access_replace(a->access, ioas->space);
	if (!ret && ioas != a->ioas) {
		object_hold(&ioas->obj);
		if (a->ioas)
			object_release(&a->ioas->obj);
		a->ioas = ioas;
	}
	object_put(a->ctx, &ioas->obj);
	return ret;
}

int access_attach(struct access *a, uint32_t ioas_id)
{
	int ret;

	pthread_mutex_lock(&a->lock);
	ret = a->ioas ? -EINVAL : access_change(a, ioas_id);
	pthread_mutex_unlock(&a->lock);
	return ret;
}

int access_replace(struct access *a, uint32_t ioas_id)
{
	int ret;

	pthread_mutex_lock(&a->lock);
	ret = a->ioas ? access_change(a, ioas_id) : -ENOENT;
	pthread_mutex_unlock(&a->lock);
	return ret;
}
