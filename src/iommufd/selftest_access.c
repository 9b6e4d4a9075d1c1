/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses of the self-tests: files that stand for an in-process user of an
 * address space, which pins ranges and copies.
 *
 * What is pinned is listed as items. When a range is about to be unmapped, the
 * items in it are let go. The file's lock is held around pinning, so an unmap
 * that asks for a range finds it listed. Like Linux, it knows an access by its
 * descriptor.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/alloc.h"
#include "ioas/access.h"
#include "iommufd/ctx.h"
#include "iommufd/same_page.h"
#include "memory/owner.h"

#define PAGE	   4096ull
#define LENGTH_MAX (16ull << 20)

struct item {
	struct item *next;
	uint64_t iova;
	uint64_t length;
	uint32_t id;
};

/**
 * struct access_file - an open access
 * @pins: it may pin
 * @lock: what follows
 * @items: what it has pinned, in order
 * @next_id: of the next item
 */
struct access_file {
	struct file file;
	struct access *access;
	bool pins;
	pthread_mutex_t lock;
	struct item *items;
	uint32_t next_id;
};

/* The first item from *link on that meets [first, last], out of the list; or NULL. */
static struct item *item_take(struct item **link, uint64_t first, uint64_t last)
{
	for (; *link; link = &(*link)->next) {
		struct item *item = *link;

		if (first <= item->iova + item->length - 1 && last >= item->iova) {
			*link = item->next;
			return item;
		}
	}
	return NULL;
}

static void access_unmap(void *arg, uint64_t first, uint64_t last)
{
	struct access_file *af = arg;
	struct item *item;

	pthread_mutex_lock(&af->lock);
	while ((item = item_take(&af->items, first, last))) {
		ioas_access_unpin(access_of(af->access), item->iova, item->length);
		alloc_free(item);
	}
	pthread_mutex_unlock(&af->lock);
}

static void access_file_release(struct file *file)
{
	struct access_file *af = (struct access_file *)file;

	if (af->access) {
		access_unmap(af, 0, UINT64_MAX);
		access_end(af->access);
	}
	pthread_mutex_destroy(&af->lock);
	alloc_free(af);
}

static const struct file_ops access_file_ops = {
	.release = access_file_release,
};

static const struct ioas_access_ops pinning_ops = { .unmap = access_unmap };
static const struct ioas_access_ops copying_ops = { .unmap = NULL };

static struct access_file *access_file_new(struct iommufd_ctx *ctx, bool pins)
{
	struct access_file *af = alloc_zeroed(sizeof(*af));

	if (!af)
		return NULL;
	file_init(&af->file, &access_file_ops, "anon_inode:[iommufd_test_staccess]");
	pthread_mutex_init(&af->lock, NULL);
	af->pins = pins;
	af->access = access_new(ctx, pins ? &pinning_ops : &copying_ops, af);
	if (!af->access) {
		file_put(&af->file);
		return NULL;
	}
	return af;
}

int selftest_create_access(struct ucmd *u)
{
	struct iommu_test_cmd *cmd = &u->cmd.test;
	uint32_t flags = cmd->create_access.flags;
	struct access_file *af;
	int fd, ret;

	if (flags & ~MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES)
		return -EOPNOTSUPP;
	af = access_file_new(u->ctx, flags);
	if (!af)
		return -ENOMEM;
	ret = access_attach(af->access, cmd->id);
	/* what can be told before there is a descriptor, as that cannot be undone */
	if (!ret)
		ret = ucmd_respond(u, sizeof(*cmd));
	if (ret)
		goto put_file;
	fd = u->caller->ops->install(u->caller, &af->file, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		ret = -ENOMEM;
		goto put_file;
	}
	cmd->create_access.out_access_fd = (uint32_t)fd;
	return ucmd_respond(u, sizeof(*cmd));
put_file:
	file_put(&af->file);
	return ret;
}

/* The access behind the descriptor that a command names, with a reference; or NULL. */
static struct access_file *access_file_get(struct ucmd *u)
{
	struct file *file;
	int err;

	file = u->caller->ops->lookup(u->caller, (int)u->cmd.test.id, &err);
	if (file && file->ops != &access_file_ops) {
		file_put(file);
		file = NULL;
	}
	return (struct access_file *)file;
}

int selftest_access_replace(struct ucmd *u)
{
	struct access_file *af = access_file_get(u);
	int ret;

	if (!af)
		return -EBADFD;
	ret = access_replace(af->access, u->cmd.test.access_replace_ioas.ioas_id);
	file_put(&af->file);
	return ret;
}

static uint64_t access_decode_iova(struct access_file *af, uint64_t coded)
{
	struct rf_ioas *space = ioas_access_space(access_of(af->access));

	return space ? selftest_nth_area(space, coded) : 0;
}

/* Whether the pages are those the caller sees at @uptr. */
static int check_pages(struct rf_owner *owner, const struct ioas_pinned *pages, uint64_t nr,
		       uint64_t uptr)
{
	for (uint64_t i = 0; i < nr; i++, uptr += PAGE) {
		uint64_t page = uptr & ~(PAGE - 1);
		int ret = same_page_probe(owner, page);

		if (ret)
			return ret;
		if (!same_memory(pages[i].owner, pages[i].addr, owner, page, PAGE))
			return -EBADE;
	}
	return 0;
}

/* Pin, check, list, and tell; with the file's lock held. */
static int access_pin_item(struct ucmd *u, struct access_file *af, struct item *item,
			   struct ioas_pinned *pages, uint64_t nr)
{
	struct iommu_test_cmd *cmd = &u->cmd.test;
	uint64_t uptr = cmd->access_pages.uptr;
	struct ioas_access *access = access_of(af->access);
	struct item **end = &af->items;
	int ret;

	ret = ioas_access_pin(
		access, item->iova, item->length, pages,
		cmd->access_pages.flags & MOCK_FLAGS_ACCESS_WRITE ? IOAS_ACCESS_WRITE : 0);
	if (ret)
		return ret;
	if (uptr)
		ret = check_pages(u->caller->owner, pages, nr, uptr - item->iova % PAGE);
	if (!ret) {
		item->id = af->next_id++;
		cmd->access_pages.out_access_pages_id = item->id;
		ret = ucmd_respond(u, sizeof(*cmd));
	}
	if (ret) {
		ioas_access_unpin(access, item->iova, item->length);
		return ret;
	}
	while (*end)
		end = &(*end)->next;
	*end = item;
	return 0;
}

static int access_pin(struct ucmd *u, struct access_file *af, uint64_t iova, uint64_t length)
{
	uint64_t nr = (iova % PAGE + length + PAGE - 1) / PAGE;
	struct ioas_pinned *pages;
	struct item *item;
	int ret = -ENOMEM;

	pages = alloc_zeroed((nr ? nr : 1) * sizeof(*pages));
	item = alloc_zeroed(sizeof(*item));
	if (pages && item) {
		item->iova = iova;
		item->length = length;
		pthread_mutex_lock(&af->lock);
		ret = access_pin_item(u, af, item, pages, nr);
		pthread_mutex_unlock(&af->lock);
	}
	if (ret)
		alloc_free(item);
	alloc_free(pages);
	return ret;
}

int selftest_access_pages(struct ucmd *u)
{
	struct iommu_test_cmd *cmd = &u->cmd.test;
	uint64_t iova = cmd->access_pages.iova;
	struct access_file *af;
	int ret;

	if (cmd->access_pages.length > LENGTH_MAX)
		return -ENOMEM;
	if (cmd->access_pages.flags & ~(MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ))
		return -EOPNOTSUPP;
	af = access_file_get(u);
	if (!af)
		return -EBADFD;
	if (cmd->access_pages.flags & MOCK_FLAGS_ACCESS_SYZ)
		iova = access_decode_iova(af, iova);
	ret = af->pins ? access_pin(u, af, iova, cmd->access_pages.length) : -EOPNOTSUPP;
	file_put(&af->file);
	return ret;
}

int selftest_access_pages_destroy(struct ucmd *u)
{
	uint32_t id = u->cmd.test.destroy_access_pages.access_pages_id;
	struct access_file *af = access_file_get(u);
	struct item **link, *item;

	if (!af)
		return -EBADFD;
	pthread_mutex_lock(&af->lock);
	for (link = &af->items; *link && (*link)->id != id; link = &(*link)->next)
		;
	item = *link;
	if (item) {
		*link = item->next;
		ioas_access_unpin(access_of(af->access), item->iova, item->length);
		alloc_free(item);
	}
	pthread_mutex_unlock(&af->lock);
	file_put(&af->file);
	return item ? 0 : -ENOENT;
}

static int access_copy(struct ucmd *u, struct access_file *af, void *tmp)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	bool write = cmd->access_rw.flags & MOCK_ACCESS_RW_WRITE;
	uint64_t length = cmd->access_rw.length;
	uint64_t iova = cmd->access_rw.iova;
	int ret;

	if (write && owner_read(u->caller->owner, tmp, cmd->access_rw.uptr, length))
		return -EFAULT;
	if (cmd->access_rw.flags & MOCK_FLAGS_ACCESS_SYZ)
		iova = access_decode_iova(af, iova);
	ret = ioas_access_rw_for(
		access_of(af->access), u->caller->owner, iova, tmp, length,
		(write ? IOAS_ACCESS_WRITE : 0) |
			(cmd->access_rw.flags & MOCK_ACCESS_RW_SLOW_PATH ? IOAS_ACCESS_SLOW : 0));
	if (!ret && !write)
		ret = owner_write(u->caller->owner, cmd->access_rw.uptr, tmp, length);
	return ret;
}

int selftest_access_rw(struct ucmd *u)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	uint64_t length = cmd->access_rw.length;
	struct access_file *af;
	int ret = -ENOMEM;
	void *tmp;

	if (length > LENGTH_MAX)
		return -ENOMEM;
	if (cmd->access_rw.flags &
	    ~(MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH | MOCK_FLAGS_ACCESS_SYZ))
		return -EOPNOTSUPP;
	af = access_file_get(u);
	if (!af)
		return -EBADFD;
	tmp = alloc_zeroed(length ? length : 1);
	if (tmp)
		ret = access_copy(u, af, tmp);
	alloc_free(tmp);
	file_put(&af->file);
	return ret;
}
