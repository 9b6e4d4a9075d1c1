/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of a holder: the same operations that a call in this process leads to,
 * on behalf of another one. Its memory is a remote owner; its descriptor numbers
 * mean nothing here, so what a request names by number is fetched, and what it is
 * given is sent, while the holder waits (wire.h).
 *
 * Only the service's thread is here.
 */
#include "interpose/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hidden.h"
#include "base/sys.h"
#include "bus/device.h"
#include "interpose/bar.h"
#include "interpose/doorbell.h"
#include "interpose/ready.h"
#include "memory/owner_remote.h"

/* Asking back. */

/* Send a question and wait for its answer: what it says, or a negative errno. */
static int connection_ask(struct connection *c, struct wire *w, const int *send, int got[WIRE_FDS])
{
	int ret = wire_send(c->sock, w, send, send ? 1 : 0);

	if (!ret)
		ret = wire_recv(c->sock, w, got, false);
	if (ret)
		return ret;
	if (w->op == WIRE_REPLY)
		return (int)w->ret;
	wire_drop(got);
	return -EPROTO;
}

static int caller_install(struct file_caller *caller, struct file *file, int oflags)
{
	struct connection *c = (struct connection *)caller;
	struct wire w = { .op = WIRE_INSTALL, .arg = { (uint64_t)oflags } };
	int got[WIRE_FDS], end, ret;

	end = fd_install_away(file_get(file), oflags);
	if (end < 0) {
		file_put(file);
		return end;
	}
	ret = connection_ask(c, &w, &end, got);
	if (ret >= 0)
		wire_drop(got);
	sys_close(end);
	if (ret >= 0)
		file_put(file); /* the one we were given; the descriptor has its own */
	return ret;
}

/* A copy of the holder's descriptor, or a negative errno. */
static int fetch(struct connection *c, int fd)
{
	struct wire w = { .op = WIRE_BORROW, .arg = { (uint64_t)fd } };
	int got[WIRE_FDS], ret = connection_ask(c, &w, NULL, got);

	if (ret)
		return ret;
	ret = got[0];
	got[0] = -1;
	wire_drop(got);
	return ret < 0 ? -EMFILE : ret;
}

static struct file *caller_lookup(struct file_caller *caller, int fd, int *err)
{
	struct connection *c = (struct connection *)caller;
	struct file *file;
	int copy = fetch(c, fd);

	if (copy < 0) {
		*err = -EBADF;
		return NULL;
	}
	file = fd_file_behind(copy);
	sys_close(copy);
	*err = -EBADFD;
	return file;
}

static int caller_borrow(struct file_caller *caller, int fd)
{
	struct connection *c = (struct connection *)caller;
	struct hidden *lent;
	int copy;

	if (c->nr_borrowed == c->max_borrowed) {
		unsigned max = c->max_borrowed ? 2 * c->max_borrowed : 8;
		struct hidden **more = realloc(c->borrowed, max * sizeof(*more));

		if (!more)
			return INT_MAX;
		c->borrowed = more;
		c->max_borrowed = max;
	}
	lent = malloc(sizeof(*lent));
	if (!lent)
		return INT_MAX;
	copy = fetch(c, fd);
	if (copy < 0) {
		free(lent);
		return INT_MAX;
	}
	hidden_keep(lent, copy);
	c->borrowed[c->nr_borrowed++] = lent;
	return hidden_number(lent);
}

static const struct file_caller_ops caller_ops = {
	.install = caller_install,
	.lookup = caller_lookup,
	.borrow = caller_borrow,
};

/* Connections. */

static pid_t peer_pid(int sock)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);
	int saved = errno;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		cred.pid = 0;
	errno = saved;
	return cred.pid;
}

/*
 * The memory of one that has ended is used again, but never given back: as long as
 * a child has a copy of the socket, which it has until it executes, the service may be
 * told of an event of it.
 */
static struct connection *spare;

static struct connection *connection_get(void)
{
	struct connection *c = spare;

	if (!c)
		return calloc(1, sizeof(*c));
	spare = c->next;
	memset(c, 0, sizeof(*c));
	return c;
}

static void connection_spare(struct connection *c)
{
	c->sock = -1;
	c->next = spare;
	spare = c;
}

struct connection *connection_new(struct open_file *d, int fds[WIRE_FDS])
{
	struct connection *c = connection_get();
	struct wire welcome = { .op = WIRE_REPLY };
	struct owner_fds memory = { .mem = fds[1], .maps = fds[2] };

	if (!c)
		return NULL;
	memory.alive = sys_fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	if (memory.alive >= 0)
		c->caller.owner = owner_new_remote(peer_pid(fds[0]), &memory);
	if (!c->caller.owner) {
		if (memory.alive >= 0)
			sys_close(memory.alive);
		connection_spare(c);
		return NULL;
	}
	c->caller.ops = &caller_ops;
	c->sock = fds[0];
	fd_hide(&c->sock);
	fds[0] = fds[1] = fds[2] = -1;
	c->d = d;
	c->serial = d->serial;
	wire_send(c->sock, &welcome, NULL, 0);
	return c;
}

void connection_free(struct connection *c)
{
	owner_left(c->caller.owner);
	owner_put(c->caller.owner);
	fd_hidden_close(&c->sock);
	free(c->borrowed);
	connection_spare(c);
}

/* Requests. */

static int64_t serve_io(struct connection *c, struct open_file *d, const struct wire *w)
{
	const struct file_ops *ops = c->file->ops;
	void *buf = (void *)(uintptr_t)w->arg[0];
	bool here = w->arg[2] == WIRE_HERE;
	uint64_t off = here && !ops->stream ? d->pos : w->arg[2];
	ssize_t ret = -EINVAL;

	if (ops->stream && !here)
		return -ESPIPE;
	if (ops->stream)
		off = 0;
	if (w->op == WIRE_READ && ops->pread)
		ret = ops->pread(c->file, &c->caller, buf, w->arg[1], off);
	else if (w->op == WIRE_WRITE && ops->pwrite)
		ret = ops->pwrite(c->file, &c->caller, buf, w->arg[1], off);
	if (ret > 0 && here)
		d->pos += (uint64_t)ret;
	return ret;
}

/* *memfd is the device's own. */
static int64_t serve_mmap(struct connection *c, struct open_file *d, struct wire *w, int *memfd)
{
	struct file_mapping m;
	int ret = -ENODEV;

	if (c->file->ops->mmap)
		ret = c->file->ops->mmap(c->file, w->arg[0], w->arg[1], (int)w->arg[2],
					 (int)w->arg[3], &m);
	if (ret)
		return ret;
	*memfd = bar_backing(m.dev, m.bar);
	if (*memfd < 0)
		return *memfd;
	bar_map_elsewhere(m.dev, m.bar);
	d->dev = m.dev;
	w->mapping.bar = m.bar;
	w->mapping.offset = m.offset;
	bar_areas(m.dev, m.bar, w->mapping.areas);
	return 0;
}

static int64_t serve_access(struct rf_device *dev, struct wire *w)
{
	unsigned bar = (unsigned)w->arg[0], size = (unsigned)w->arg[2];
	uint64_t off = w->arg[1];

	if (!dev || bar >= RF_PCI_BARS || size > sizeof(w->bytes) || !size ||
	    off >= bar_size(dev, bar) || size > bar_size(dev, bar) - off)
		return -EINVAL;
	if (bar_memory_is_off(dev))
		return -EIO;
	if (w->op == WIRE_LOAD) {
		bar_read_bytes(dev, bar, off, w->bytes, size);
		return 0;
	}
	bar_write_bytes(dev, bar, off, w->bytes, size);
	if (bar_page_kind(dev, bar, off) == RF_AREA_DOORBELL)
		doorbell_rung(dev);
	return 0;
}

static int64_t serve(struct connection *c, struct open_file *d, struct wire *w, int fds[WIRE_FDS],
		     int *memfd)
{
	int64_t ret;

	switch (w->op) {
	case WIRE_IOCTL:
		if (!c->file->ops->ioctl)
			return -ENOTTY;
		ret = c->file->ops->ioctl(c->file, &c->caller, w->arg[0], w->arg[1]);
		if (ret == -EBUSY)
			ret = fd_ioctl_again(c->file, &c->caller, w->arg[0], w->arg[1]);
		return ret;
	case WIRE_READ:
	case WIRE_WRITE:
		return serve_io(c, d, w);
	case WIRE_MMAP:
		return serve_mmap(c, d, w, memfd);
	case WIRE_LOAD:
	case WIRE_STORE:
		return serve_access(d->dev, w);
	case WIRE_KEEP:
		if (fds[0] >= 0)
			owner_set_keeper(c->caller.owner, fds[0]);
		fds[0] = -1;
		return 0;
	default:
		return -EPROTO;
	}
}

static void give_back(struct connection *c)
{
	while (c->nr_borrowed) {
		struct hidden *lent = c->borrowed[--c->nr_borrowed];

		hidden_close(lent);
		free(lent);
	}
}

int connection_serve(struct connection *c, struct wire *w, int fds[WIRE_FDS])
{
	struct open_file *d = fd_hold(c->d, c->serial);
	int memfd = -1;

	w->flags = 0;
	if (d) {
		c->file = d->file;
		owner_begin_call(c->caller.owner);
		w->ret = serve(c, d, w, fds, &memfd);
		owner_end_call(c->caller.owner);
		bar_follow_memory(); /* of this process, and of others, before it is answered */
		give_back(c);
		if (c->file->wake && ready_is_stale(c->file))
			w->flags |= WIRE_DRAIN;
		if (owner_wants_keeper(c->caller.owner))
			w->flags |= WIRE_WANT_KEEP;
		fd_put(d);
	} else {
		w->ret = -ENODEV;
	}
	w->op = WIRE_REPLY;
	return wire_send(c->sock, w, &memfd, memfd >= 0 ? 1 : 0);
}
