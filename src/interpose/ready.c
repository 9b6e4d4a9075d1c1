/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readiness. The kernel answers poll for the program's end of a socket pair: it
 * is readable while a message is queued in it. So while a file is readable there
 * is one byte there, which nobody reads as data: sent when the file calls wake,
 * taken out after a read that left it empty, by whoever made it. A file without a poll operation is
 * always ready and has its byte from the start.
 *
 * A byte too many for a moment is harmless (a read then finds nothing, as on
 * Linux when another thread was faster); one too few is not. So whoever takes the
 * byte out looks at the file once more. A file may become less ready without having been
 * read (a fault that nobody can answer any more); then the next poll() takes it out.
 *
 * The other end is a copy of the descriptor table's, as a file may call wake
 * until it is released, which is later than the last close.
 */
#include "interpose/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "interpose/fd.h"

/**
 * struct ready - behind a file whose readiness changes
 * @peer: our end
 * @queued: there is a byte in the program's, or about to be
 */
struct ready {
	int peer;
	atomic_bool queued;
};

static int ready_send(int peer)
{
	int saved = errno;

	/* it fails when nobody holds the other end any more: then nobody waits */
	syscall(SYS_sendto, peer, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	errno = saved;
	return 0;
}

static int ready_copy(int peer)
{
	return sys_fcntl(peer, F_DUPFD_CLOEXEC, 0);
}

static void ready_wake(void *arg)
{
	struct ready *r = arg;

	if (!atomic_exchange(&r->queued, true))
		fd_hidden_use(&r->peer, ready_send);
}

static void ready_gone(void *arg)
{
	struct ready *r = arg;

	fd_hidden_close(&r->peer);
	free(r);
}

int ready_begin(struct file *file, const int *peer)
{
	struct ready *r;

	if (!file->ops->poll)
		return fd_hidden_use(peer, ready_send);
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->peer = fd_hidden_use(peer, ready_copy);
	if (r->peer < 0) {
		int ret = r->peer;

		free(r);
		return ret;
	}
	fd_hide(&r->peer);
	file->gone = ready_gone;
	file->gone_arg = r;
	file->wake_arg = r;
	file->wake = ready_wake;
	if (file->ops->poll(file) & POLLIN)
		ready_wake(r);
	return 0;
}

bool ready_is_stale(struct file *file)
{
	struct ready *r = file->wake_arg;

	if (!file->wake || !atomic_load(&r->queued) || file->ops->poll(file) & POLLIN ||
	    !atomic_exchange(&r->queued, false))
		return false;
	if (file->ops->poll(file) & POLLIN)
		ready_wake(r);
	return true;
}

void ready_settle_slow(struct file *file, int fd)
{
	int saved = errno;
	char byte;

	if (ready_is_stale(file))
		syscall(SYS_recvfrom, (long)fd, &byte, sizeof(byte), MSG_DONTWAIT, NULL, NULL);
	errno = saved;
}
