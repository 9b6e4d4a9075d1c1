/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Actions on descriptors.
 *
 *	VAR = open PATH [ro|wo|rw] [cloexec]	PATH: as names.c has it
 *	close FD, VAR = dup FD, dup2 FD FD
 *	VAR = pass FD [gone]			over a socket; with gone it is closed on its way
 *	pread FD LENGTH OFFSET [to=ADDRESS]	prints the bytes, or their hash
 *	pwrite FD OFFSET TYPE VALUE...		TYPE: u8, u16, u32 or u64
 *	pwrite FD OFFSET from=ADDRESS length=N
 *	read FD LENGTH [to=ADDRESS]		at the file's position
 *	write FD TYPE VALUE...
 *	write FD from=ADDRESS length=N
 *	VAR = eventfd [COUNT]			never waits
 *	signal FD [COUNT], wait FD MILLISECONDS	prints the count, or "nothing"
 *	poll FD MILLISECONDS			prints the events
 *	VAR = memfd LENGTH, ftruncate FD LENGTH
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "player.h"

#define MOST_BYTES (1u << 20)

static void act_open(struct call *call)
{
	int flags = O_RDWR;
	char path[PATH_MAX];

	if (call_flag(call, "ro"))
		flags = O_RDONLY;
	else if (call_flag(call, "wo"))
		flags = O_WRONLY;
	else
		call_flag(call, "rw");
	if (call_flag(call, "cloexec"))
		flags |= O_CLOEXEC;
	if (!names_path(path, sizeof(path), call_word(call, 1))) {
		errno = ENODEV;
		call_return_fd(call, -1);
		return;
	}
	call_return_fd(call, open(path, flags));
}

static void act_close(struct call *call)
{
	call_return(call, close((int)call_number(call, 1)));
}

static void act_dup(struct call *call)
{
	call_return_fd(call, dup((int)call_number(call, 1)));
}

static void act_dup2(struct call *call)
{
	call_return_fd(call, dup2((int)call_number(call, 1), (int)call_number(call, 2)));
}

/* The one descriptor that a message holds. */
union passed {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_fd(int to, int fd)
{
	union passed passed = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
					    .cmsg_level = SOL_SOCKET,
					    .cmsg_type = SCM_RIGHTS } };
	char none = 0;
	struct iovec byte = { .iov_base = &none, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte,
				  .msg_iovlen = 1,
				  .msg_control = &passed,
				  .msg_controllen = sizeof(passed) };

	memcpy(CMSG_DATA(&passed.header), &fd, sizeof(fd));
	return sendmsg(to, &message, 0) < 0 ? -1 : 0;
}

static int receive_fd(int from)
{
	union passed passed;
	char byte;
	struct iovec room = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &room,
				  .msg_iovlen = 1,
				  .msg_control = &passed,
				  .msg_controllen = sizeof(passed) };
	int fd = -1;

	if (recvmsg(from, &message, MSG_DONTWAIT) > 0 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(&passed.header), sizeof(fd));
	return fd;
}

static void act_pass(struct call *call)
{
	int fd = (int)call_number(call, 1), ends[2], got = -1;
	bool gone = call_flag(call, "gone");

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		call_return(call, -1);
		return;
	}
	if (!send_fd(ends[0], fd)) {
		if (gone)
			close(fd);
		got = receive_fd(ends[1]);
	}
	call_return_fd(call, got);
	close(ends[0]);
	close(ends[1]);
}

/* TYPE VALUE... from that token on, as bytes. */
static size_t values(struct call *call, unsigned token, uint8_t *bytes, size_t room)
{
	unsigned width = call_width(call, call_word(call, token));
	size_t used = 0;

	for (token++; token < call->ntokens; token++) {
		uint64_t value = call_number(call, token);

		if (used + width > room)
			script_error(call, "too many values");
		memcpy(bytes + used, &value, width);
		used += width;
	}
	return used;
}

static void act_pread(struct call *call)
{
	size_t length = call_number(call, 2);
	const char *to = call_option(call, "to");
	uint8_t *buffer = NULL;
	ssize_t n;

	if (length > MOST_BYTES)
		script_error(call, "too long");
	if (!to)
		buffer = calloc(1, length + 1);
	n = pread((int)call_number(call, 1), to ? (void *)expr_eval(call, to) : buffer, length,
		  (off_t)call_number(call, 3));
	call_return(call, n);
	if (n > 0 && buffer)
		call_bytes(call, buffer, (size_t)n);
	free(buffer);
}

static void act_pwrite(struct call *call)
{
	const char *from = call_option(call, "from");
	off_t offset = (off_t)call_number(call, 2);
	int fd = (int)call_number(call, 1);
	uint8_t bytes[256];

	if (from)
		call_return(call, pwrite(fd, (void *)expr_eval(call, from),
					 call_option_number(call, "length", 0), offset));
	else
		call_return(call, pwrite(fd, bytes, values(call, 3, bytes, sizeof(bytes)), offset));
}

static void act_read(struct call *call)
{
	size_t length = call_number(call, 2);
	const char *to = call_option(call, "to");
	uint8_t *buffer = NULL;
	ssize_t n;

	if (length > MOST_BYTES)
		script_error(call, "too long");
	if (!to)
		buffer = calloc(1, length + 1);
	n = read((int)call_number(call, 1), to ? (void *)expr_eval(call, to) : buffer, length);
	call_return(call, n);
	if (n > 0 && buffer)
		call_bytes(call, buffer, (size_t)n);
	free(buffer);
}

static void act_write(struct call *call)
{
	const char *from = call_option(call, "from");
	int fd = (int)call_number(call, 1);
	uint8_t bytes[256];

	if (from)
		call_return(call, write(fd, (void *)expr_eval(call, from),
					call_option_number(call, "length", 0)));
	else
		call_return(call, write(fd, bytes, values(call, 2, bytes, sizeof(bytes))));
}

static void act_eventfd(struct call *call)
{
	unsigned count = call->ntokens > 1 ? (unsigned)call_number(call, 1) : 0;

	call_return_fd(call, eventfd(count, EFD_NONBLOCK | EFD_CLOEXEC));
}

static void act_signal(struct call *call)
{
	uint64_t count = call->ntokens > 2 ? call_number(call, 2) : 1;

	call_return(call, write((int)call_number(call, 1), &count, sizeof(count)));
}

static void act_wait(struct call *call)
{
	struct pollfd p = { .fd = (int)call_number(call, 1), .events = POLLIN };
	int n = poll(&p, 1, (int)call_number(call, 2));
	uint64_t count = 0;

	if (!n)
		call_say(call, " nothing");
	else if (n < 0 || read(p.fd, &count, sizeof(count)) != sizeof(count))
		call_return(call, -1);
	else
		call_say(call, " %llu", (unsigned long long)count);
}

static void act_poll(struct call *call)
{
	struct pollfd p = { .fd = (int)call_number(call, 1), .events = POLLIN | POLLOUT | POLLPRI };
	int n = poll(&p, 1, (int)call_number(call, 2));

	call_return(call, n);
	call_say(call, "%s%s%s%s%s%s", p.revents & POLLIN ? " IN" : "",
		 p.revents & POLLOUT ? " OUT" : "", p.revents & POLLPRI ? " PRI" : "",
		 p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "",
		 p.revents & POLLNVAL ? " NVAL" : "");
}

static void act_memfd(struct call *call)
{
	off_t length = (off_t)call_number(call, 1);
	int fd = memfd_create("player", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, length)) {
		close(fd);
		fd = -1;
	}
	call_return_fd(call, fd);
}

static void act_ftruncate(struct call *call)
{
	call_return(call, ftruncate((int)call_number(call, 1), (off_t)call_number(call, 2)));
}

const struct action_desc file_actions[] = {
	{ "open", act_open, 2 },
	{ "close", act_close, 2 },
	{ "dup", act_dup, 2 },
	{ "dup2", act_dup2, 3 },
	{ "pass", act_pass, 2 },
	{ "pread", act_pread, 4 },
	{ "pwrite", act_pwrite, 4 },
	{ "read", act_read, 3 },
	{ "write", act_write, 4 },
	{ "eventfd", act_eventfd, 1 },
	{ "signal", act_signal, 2 },
	{ "wait", act_wait, 3 },
	{ "poll", act_poll, 3 },
	{ "memfd", act_memfd, 2 },
	{ "ftruncate", act_ftruncate, 3 },
	{ 0 },
};
