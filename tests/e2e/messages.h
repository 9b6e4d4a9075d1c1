/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors sent over a socket, up to two in a message.
 */
#ifndef TEST_E2E_MESSAGES_H
#define TEST_E2E_MESSAGES_H

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

static inline bool send_fds(int sock, const int *fds, unsigned nr)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(nr * sizeof(int)),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(nr * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, nr * sizeof(int));
	return sendmsg(sock, &msg, 0) == 1;
}

static inline bool receive_fds(int sock, int *fds, unsigned nr)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(sock, &msg, 0) != 1 || !msg.msg_controllen ||
	    control.header.cmsg_len != CMSG_LEN(nr * sizeof(int)))
		return false;
	memcpy(fds, CMSG_DATA(&control.header), nr * sizeof(int));
	return true;
}

#endif
