/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holders: a descriptor whose engine is in another process.
 *
 * The file behind it is a stand-in whose operations are messages (wire.h). It keeps
 * a descriptor of its own, so that a BAR mapping, which may outlive the program's,
 * keeps the real file open as a mapping does. The connection is made with the
 * first request; if the engine's process has ended by then, or ends later, every
 * request is -ENODEV.
 *
 * All signals but those of faults are blocked during a request: a handler that
 * touched the same file would wait for itself.
 *
 * Locks: holder->lock for the length of a request. The descriptor table's inside.
 */
#include "interpose/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/sys.h"
#include "interpose/fd.h"
#include "interpose/keeper.h"
#include "interpose/lock.h"
#include "interpose/wire.h"

#define HELLO_MS 5000 /* nobody waits in the engine's process: it does not know that we exist */

/**
 * struct holder - a file of another process
 * @lock: a request is under way
 * @fd: a descriptor of it
 * @conn: the connection; -1: not yet made
 * @dead: nobody answers any more
 * @inode: of its descriptors
 * @areas: of BARs that were mapped
 */
struct holder {
	struct file file;
	char path[WIRE_PATH_MAX];
	struct engine_lock lock;
	int fd;
	int conn;
	bool dead;
	ino_t inode;
	struct rf_bar_area areas[RF_PCI_BARS][RF_BAR_AREAS];
};

static const struct file_ops holder_ops;

bool holder_is(const struct file *file)
{
	return file->ops == &holder_ops;
}

/* Connecting. */

static bool holder_answered(int conn)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };
	int fds[WIRE_FDS];
	struct wire w;

	if (sys_poll(&p, 1, HELLO_MS) != 1) {
		log_line(LOG_WARN, "a descriptor of process %d does not answer", sys_getpid());
		return false;
	}
	if (wire_recv(conn, &w, fds, true))
		return false;
	wire_drop(fds);
	return w.op == WIRE_REPLY && !w.ret;
}

/* Whoever made the descriptor may look at our memory, also where only parents may. */
static void holder_admit(const struct holder *h)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!getsockopt(h->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) && cred.pid)
		prctl(PR_SET_PTRACER, (unsigned long)cred.pid, 0ul, 0ul, 0ul);
}

static int holder_connect(struct holder *h)
{
	struct wire hello = { .op = WIRE_HELLO, .arg = { WIRE_MAGIC } };
	int ends[2], fds[WIRE_FDS], ret = -ENODEV;
	int saved = errno;

	if (syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -ENODEV;
	fds[0] = ends[1];
	fds[1] = sys_open("/proc/self/mem", O_RDWR | O_CLOEXEC, 0);
	fds[2] = sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (fds[1] >= 0 && fds[2] >= 0) {
		holder_admit(h);
		ret = wire_send(h->fd, &hello, fds, WIRE_FDS) ? -ENODEV : 0;
	}
	wire_drop(fds);
	if (!ret && !holder_answered(ends[0]))
		ret = -ENODEV;
	if (ret) {
		sys_close(ends[0]);
	} else {
		h->conn = ends[0];
		fd_hide(&h->conn);
	}
	errno = saved;
	return ret;
}

/* Requests. */

/* The engine gives us a descriptor: the number it has here, or a negative errno. */
static int answer_install(struct holder *h, const struct wire *ask, int fds[WIRE_FDS])
{
	struct wire answer = { .op = WIRE_REPLY };

	answer.ret = fds[0] < 0 ? -EMFILE : fd_adopt(fds[0], (int)ask->arg[0]);
	if (answer.ret >= 0)
		fds[0] = -1;
	return wire_send(h->conn, &answer, NULL, 0);
}

static int answer_borrow(struct holder *h, const struct wire *ask)
{
	struct wire answer = { .op = WIRE_REPLY };
	int fd = (int)ask->arg[0];

	if (fd < 0 || fd_mark(fd) == FD_HIDDEN || !fd_is_there(fd))
		answer.ret = -EBADF;
	return wire_send(h->conn, &answer, &fd, answer.ret ? 0 : 1);
}

static int holder_answer(struct holder *h, const struct wire *ask, int fds[WIRE_FDS])
{
	switch (ask->op) {
	case WIRE_INSTALL:
		return answer_install(h, ask, fds);
	case WIRE_BORROW:
		return answer_borrow(h, ask);
	default:
		return -EPROTO;
	}
}

/* Send @w and wait for its reply, which takes its place. 0 or a negative errno. */
static int holder_exchange(struct holder *h, struct wire *w, const int *fds, unsigned nr_fds,
			   int got[WIRE_FDS])
{
	int ret = wire_send(h->conn, w, fds, nr_fds);

	while (!ret) {
		ret = wire_recv(h->conn, w, got, false);
		if (ret || w->op == WIRE_REPLY)
			return ret;
		ret = holder_answer(h, w, got);
		wire_drop(got);
	}
	return ret;
}

/* What we mapped shall outlive us. */
static void holder_keep(struct holder *h)
{
	struct wire w = { .op = WIRE_KEEP };
	int got[WIRE_FDS], fd = keeper_start();

	if (fd < 0)
		return;
	if (!holder_exchange(h, &w, &fd, 1, got))
		wire_drop(got);
	sys_close(fd);
}

static void holder_drain(struct holder *h)
{
	int saved = errno;
	char byte;

	syscall(SYS_recvfrom, (long)h->fd, &byte, sizeof(byte), MSG_DONTWAIT, NULL, NULL);
	errno = saved;
}

/* A request: the reply in @w, *memfd what came with it. What the request returned, or -ENODEV. */
static long holder_ask(struct holder *h, struct wire *w, int *memfd)
{
	int got[WIRE_FDS] = { -1, -1, -1 }, ret = 0;
	long result = -ENODEV;

	engine_lock(&h->lock);
	if (h->conn < 0 && !h->dead)
		ret = holder_connect(h);
	if (!ret && !h->dead)
		ret = holder_exchange(h, w, NULL, 0, got);
	if (ret)
		h->dead = true;
	if (!h->dead) {
		uint32_t flags = w->flags;

		result = w->ret;
		if (flags & WIRE_DRAIN)
			holder_drain(h);
		if (flags & WIRE_WANT_KEEP)
			holder_keep(h);
		if (memfd) {
			*memfd = got[0];
			got[0] = -1;
		}
		wire_drop(got);
	}
	engine_unlock(&h->lock);
	return result;
}

/* Operations. */

static long holder_ioctl(struct file *file, struct file_caller *caller, unsigned long cmd,
			 unsigned long arg)
{
	struct wire w = { .op = WIRE_IOCTL, .arg = { cmd, arg } };

	return holder_ask((struct holder *)file, &w, NULL);
}

static ssize_t holder_pread(struct file *file, struct file_caller *caller, void *buf, size_t len,
			    uint64_t off)
{
	struct wire w = { .op = WIRE_READ, .arg = { (uintptr_t)buf, len, off } };

	return holder_ask((struct holder *)file, &w, NULL);
}

static ssize_t holder_pwrite(struct file *file, struct file_caller *caller, const void *buf,
			     size_t len, uint64_t off)
{
	struct wire w = { .op = WIRE_WRITE, .arg = { (uintptr_t)buf, len, off } };

	return holder_ask((struct holder *)file, &w, NULL);
}

ssize_t holder_io_here(struct file *file, void *buf, size_t len, bool writing)
{
	return writing ? holder_pwrite(file, NULL, buf, len, WIRE_HERE) :
			 holder_pread(file, NULL, buf, len, WIRE_HERE);
}

static void holder_release(struct file *file)
{
	struct holder *h = (struct holder *)file;

	if (h->conn >= 0)
		fd_hidden_close(&h->conn);
	fd_hidden_close(&h->fd);
	alloc_direct_free(h);
}

static const struct file_ops holder_ops = {
	.ioctl = holder_ioctl,
	.pread = holder_pread,
	.pwrite = holder_pwrite,
	.release = holder_release,
};

/* Memory straight from the kernel: this may be a child that has just been forked. */
int holder_new(int fd, struct file **file, ino_t *inode, int *oflags)
{
	struct holder *h = alloc_direct(sizeof(*h));
	int ret = -EBADF;

	if (!h)
		return -ENOMEM;
	if (!wire_known(fd, inode, oflags, h->path))
		goto fail;
	ret = sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (ret < 0)
		goto fail;
	h->fd = ret;
	fd_hide(&h->fd);
	file_init(&h->file, &holder_ops, h->path);
	engine_lock_renew(&h->lock);
	h->conn = -1;
	h->inode = *inode;
	*file = &h->file;
	return 0;
fail:
	alloc_direct_free(h);
	return ret;
}

/* BARs. */

int holder_mmap(struct file *file, uint64_t off, uint64_t len, int prot, int flags, int *memfd,
		unsigned *bar, uint64_t *offset)
{
	struct wire w = {
		.op = WIRE_MMAP,
		.arg = { off, len, (uint64_t)prot, (uint64_t)flags },
	};
	long ret = holder_ask((struct holder *)file, &w, memfd);

	if (ret)
		return (int)ret;
	if (*memfd < 0 || w.mapping.bar >= RF_PCI_BARS) {
		if (*memfd >= 0)
			sys_close(*memfd);
		return -ENODEV;
	}
	*bar = w.mapping.bar;
	*offset = w.mapping.offset;
	holder_set_areas(file, *bar, w.mapping.areas);
	return 0;
}

/* The name is all that comes with a descriptor, and there is one kind of those. */
bool holder_polls(const struct file *file)
{
	return !strcmp(((const struct holder *)file)->path, "anon_inode:[iommufd-pgfault]");
}

ino_t holder_inode(const struct file *file)
{
	return ((const struct holder *)file)->inode;
}

void holder_areas(const struct file *file, unsigned bar, struct rf_bar_area *areas)
{
	const struct holder *h = (const struct holder *)file;

	memcpy(areas, h->areas[bar], sizeof(h->areas[bar]));
}

void holder_set_areas(struct file *file, unsigned bar, const struct rf_bar_area *areas)
{
	struct holder *h = (struct holder *)file;

	memcpy(h->areas[bar], areas, sizeof(h->areas[bar]));
}

enum rf_area_kind holder_page_kind(const struct file *file, unsigned bar, uint64_t off)
{
	const struct rf_bar_area *area = ((const struct holder *)file)->areas[bar];

	for (unsigned i = 0; i < RF_BAR_AREAS && area[i].size; i++)
		if (area[i].offset <= off && off - area[i].offset < area[i].size)
			return area[i].kind;
	return RF_AREA_TRAP;
}

int holder_load(struct file *file, unsigned bar, uint64_t off, void *buf, unsigned size)
{
	long ret = 0;

	for (unsigned done = 0, some; done < size; done += some) {
		struct wire w = { .op = WIRE_LOAD, .arg = { bar, off + done } };

		some = size - done < sizeof(w.bytes) ? size - done : sizeof(w.bytes);
		w.arg[2] = some;
		ret = holder_ask((struct holder *)file, &w, NULL);
		if (ret)
			memset(w.bytes, 0xff, some);
		memcpy((char *)buf + done, w.bytes, some);
	}
	return (int)ret;
}

int holder_store(struct file *file, unsigned bar, uint64_t off, const void *buf, unsigned size)
{
	long ret = 0;

	for (unsigned done = 0, some; done < size; done += some) {
		struct wire w = { .op = WIRE_STORE, .arg = { bar, off + done } };

		some = size - done < sizeof(w.bytes) ? size - done : sizeof(w.bytes);
		w.arg[2] = some;
		memcpy(w.bytes, (const char *)buf + done, some);
		ret = holder_ask((struct holder *)file, &w, NULL);
	}
	return (int)ret;
}
