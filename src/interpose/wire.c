/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages and names of the talk between processes; see wire.h. Bare system calls
 * throughout: it happens in signal handlers, and sendmsg() is interposed.
 */
#include "interpose/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sys.h"

#define NAME "ringfence/"

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(WIRE_FDS * sizeof(int))];
};

static long message_call(long number, int sock, struct msghdr *msg, int flags)
{
	int saved = errno;
	long ret;

	do
		ret = syscall(number, (long)sock, msg, (long)flags);
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}

int wire_send(int sock, const struct wire *w, const int *fds, unsigned nr_fds)
{
	struct iovec iov = { .iov_base = (void *)w, .iov_len = sizeof(*w) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	long ret;

	if (nr_fds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, nr_fds * sizeof(int));
	}
	ret = message_call(SYS_sendmsg, sock, &msg, MSG_NOSIGNAL);
	return ret < 0 ? (int)ret : 0;
}

/* Descriptors beyond those we asked for are closed. */
static void take_fds(struct msghdr *msg, int fds[WIRE_FDS])
{
	unsigned n = 0;
	int fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < WIRE_FDS)
				fds[n++] = fd;
			else
				sys_close(fd);
		}
	}
}

int wire_recv(int sock, struct wire *w, int fds[WIRE_FDS], bool now)
{
	struct iovec iov = { .iov_base = w, .iov_len = sizeof(*w) };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	long ret;

	for (unsigned i = 0; i < WIRE_FDS; i++)
		fds[i] = -1;
	ret = message_call(SYS_recvmsg, sock, &msg, MSG_CMSG_CLOEXEC | (now ? MSG_DONTWAIT : 0));
	if (ret < 0)
		return ret == -ECONNRESET ? -EPIPE : (int)ret;
	take_fds(&msg, fds);
	if (ret == sizeof(*w))
		return 0;
	wire_drop(fds);
	return ret ? -EPROTO : -EPIPE;
}

void wire_drop(int fds[WIRE_FDS])
{
	for (unsigned i = 0; i < WIRE_FDS; i++) {
		if (fds[i] >= 0)
			sys_close(fds[i]);
		fds[i] = -1;
	}
}

void wire_name(int peer, ino_t inode, int oflags, const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int saved = errno, len;

	/* the first byte stays 0: the name is in no file system */
	len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, NAME "%lx %x %s",
		       (unsigned long)inode, (unsigned)oflags, path);
	if ((size_t)len < sizeof(name.sun_path) - 1)
		syscall(SYS_bind, (long)peer, &name,
			offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
	errno = saved;
}

bool wire_known(int fd, ino_t *inode, int *oflags, char path[WIRE_PATH_MAX])
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	int saved = errno, at = 0;
	unsigned long ino;
	unsigned flags;
	struct stat st;
	bool known;

	memset(&name, 0, sizeof(name));
	known = !syscall(SYS_fstat, (long)fd, &st) && S_ISSOCK(st.st_mode) &&
		!syscall(SYS_getpeername, (long)fd, &name, &len) && name.sun_family == AF_UNIX;
	errno = saved;
	name.sun_path[sizeof(name.sun_path) - 1] = 0;
	if (!known || len <= offsetof(struct sockaddr_un, sun_path) + 1 || name.sun_path[0])
		return false;
	if (sscanf(name.sun_path + 1, NAME "%lx %x %n", &ino, &flags, &at) != 2 || !at ||
	    ino != st.st_ino)
		return false;
	snprintf(path, WIRE_PATH_MAX, "%s", name.sun_path + 1 + at);
	*inode = st.st_ino;
	*oflags = (int)flags;
	return true;
}
