/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOVA windows of an address space, as a program makes them: the ioctls that Linux
 * does not have. include/ringfence/uapi.h says what they do.
 */
#include <errno.h>

#include "base/alloc.h"
#include "iommufd/ctx.h"
#include "memory/owner.h"

#define RIGHTS	     (RF_IOAS_WINDOW_READABLE | RF_IOAS_WINDOW_WRITEABLE)
#define CREATE_FLAGS (RF_IOAS_WINDOW_FIXED_IOVA | RIGHTS)

_Static_assert(sizeof(struct rf_ioas_create_window) == 40 &&
		       sizeof(struct rf_ioas_remove_window) == 16 &&
		       sizeof(struct rf_ioas_window) == 32 &&
		       sizeof(struct rf_ioas_get_windows) == 40,
	       "one layout for programs of 32 and 64 bits");

static uint32_t prot_of(uint32_t flags)
{
	return (flags & RF_IOAS_WINDOW_READABLE ? RF_READ : 0) |
	       (flags & RF_IOAS_WINDOW_WRITEABLE ? RF_WRITE : 0);
}

static uint32_t flags_of(uint32_t prot)
{
	return (prot & RF_READ ? RF_IOAS_WINDOW_READABLE : 0) |
	       (prot & RF_WRITE ? RF_IOAS_WINDOW_WRITEABLE : 0);
}

/*
 * Make it and tell; what the program cannot be told of, it does not get. That is found out
 * before, as a plain space that has had a window is windowed for good.
 */
static int window_create(struct ucmd *u, struct rf_ioas *space)
{
	struct rf_ioas_create_window *cmd = &u->cmd.create_window;
	const struct rf_window want = {
		.iova = cmd->iova,
		.page_size = cmd->page_size,
		.prot = prot_of(cmd->flags),
	};
	bool fixed = cmd->flags & RF_IOAS_WINDOW_FIXED_IOVA;
	struct rf_window got;
	int ret = ucmd_respond(u, sizeof(*cmd));

	if (ret)
		return ret;
	ret = rf_ioas_create_window(space, &want, cmd->length, fixed ? RF_WINDOW_FIXED : 0, &got);
	if (ret)
		return ret;
	cmd->flags = (cmd->flags & ~RIGHTS) | flags_of(got.prot);
	cmd->page_size = got.page_size;
	cmd->iova = got.iova;
	ret = ucmd_respond(u, sizeof(*cmd));
	if (ret)
		rf_ioas_remove_window(space, got.iova);
	return ret;
}

int window_create_cmd(struct ucmd *u)
{
	struct iommufd_ioas *ioas;
	int ret;

	if (u->cmd.create_window.flags & ~CREATE_FLAGS || u->cmd.create_window.__reserved)
		return -EOPNOTSUPP;
	ioas = ioas_object_get(u->ctx, u->cmd.create_window.ioas_id);
	if (!ioas)
		return -ENOENT;
	ret = window_create(u, ioas->space);
	object_put(u->ctx, &ioas->obj);
	return ret;
}

int window_remove_cmd(struct ucmd *u)
{
	struct iommufd_ioas *ioas;
	int ret;

	ioas = ioas_object_get(u->ctx, u->cmd.remove_window.ioas_id);
	if (!ioas)
		return -ENOENT;
	ret = rf_ioas_remove_window(ioas->space, u->cmd.remove_window.iova);
	object_put(u->ctx, &ioas->obj);
	return ret;
}

/* All the windows of a space, to be freed, their number in *nr; NULL for want of memory. */
static struct rf_window *windows_get(struct rf_ioas *space, unsigned *nr,
				     struct rf_window_limits *limits)
{
	unsigned max = rf_ioas_get_windows(space, NULL, 0, NULL);

	for (;;) {
		struct rf_window *windows = alloc_zeroed((max ? max : 1) * sizeof(*windows));

		if (!windows)
			return NULL;
		*nr = rf_ioas_get_windows(space, windows, max, limits);
		if (*nr <= max)
			return windows;
		alloc_free(windows); /* another thread has made more of them */
		max = *nr;
	}
}

static int windows_tell(struct ucmd *u, struct rf_ioas *space)
{
	struct rf_ioas_get_windows *cmd = &u->cmd.get_windows;
	uint32_t max = cmd->num_windows;
	struct rf_window_limits limits;
	struct rf_window *windows;
	unsigned nr;
	int ret = 0;

	windows = windows_get(space, &nr, &limits);
	if (!windows)
		return -ENOMEM;
	for (unsigned i = 0; i < nr && i < max && !ret; i++) {
		const struct rf_ioas_window window = {
			.iova = windows[i].iova,
			.last = windows[i].last,
			.page_size = windows[i].page_size,
			.flags = flags_of(windows[i].prot),
		};

		ret = owner_write(u->caller->owner, cmd->windows + i * sizeof(window), &window,
				  sizeof(window));
	}
	alloc_free(windows);
	if (ret)
		return ret;
	cmd->num_windows = nr;
	cmd->out_page_sizes = limits.page_sizes;
	cmd->out_left = limits.left;
	cmd->out_flags = limits.windowed ? RF_IOAS_WINDOWS_ONLY : 0;
	ret = ucmd_respond(u, sizeof(*cmd));
	return !ret && nr > max ? -EMSGSIZE : ret;
}

int windows_get_cmd(struct ucmd *u)
{
	struct iommufd_ioas *ioas;
	int ret;

	if (u->cmd.get_windows.__reserved)
		return -EOPNOTSUPP;
	ioas = ioas_object_get(u->ctx, u->cmd.get_windows.ioas_id);
	if (!ioas)
		return -ENOENT;
	ret = windows_tell(u, ioas->space);
	object_put(u->ctx, &ioas->obj);
	return ret;
}
