/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No table and no locks: that a descriptor is an attribute is asked of the kernel
 * (/proc/self/fd/N), and only in processes that opened one, or began with one.
 */
#include "interpose/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/sys.h"
#include "interpose/claim.h"
#include "interpose/fd.h"
#include "interpose/internal.h"
#include "interpose/real.h"
#include "interpose/renew.h"
#include "machine/driver.h"
#include "memory/fault.h"

#define NAME_PREFIX   "ringfence:"
#define LINK_PREFIX   "/memfd:" NAME_PREFIX
#define STORE_MAX     4096u /* as much as sysfs takes at once */
#define INHERITED_MAX 64

atomic_int attr_state;

static ssize_t descriptor_name(int fd, char *buf, size_t size)
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = sys_readlink(link, buf, size - 1);
	if (len >= 0)
		buf[len] = '\0';
	return len;
}

/* The attribute behind a descriptor: "driver/vfio-pci/bind". */
static bool attr_name(int fd, char name[DRIVER_ATTR_MAX])
{
	char link[PATH_MAX], *end;

	if (descriptor_name(fd, link, sizeof(link)) < 0 ||
	    strncmp(link, LINK_PREFIX, strlen(LINK_PREFIX)) != 0)
		return false;
	end = strrchr(link, ' '); /* " (deleted)" */
	if (end)
		*end = '\0';
	return snprintf(name, DRIVER_ATTR_MAX, "%s", link + strlen(LINK_PREFIX)) <
	       (int)DRIVER_ATTR_MAX;
}

bool attr_look(void)
{
	int saved = errno, state = ATTR_NONE;
	char name[DRIVER_ATTR_MAX];

	for (int fd = 0; engine_active() && fd < INHERITED_MAX && state == ATTR_NONE; fd++)
		if (attr_name(fd, name))
			state = ATTR_SOME;
	errno = saved;
	atomic_store(&attr_state, state);
	return state == ATTR_SOME;
}

/* A memory file of that name, opened as asked. */
static int attr_make(const char *name, int oflags, mode_t mode)
{
	char full[DRIVER_ATTR_MAX + sizeof(NAME_PREFIX)], link[32];
	int fd, made;

	snprintf(full, sizeof(full), NAME_PREFIX "%s", name);
	made = (int)syscall(SYS_memfd_create, full, MFD_CLOEXEC);
	if (made < 0)
		return -errno;
	fchmod(made, mode);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", made);
	fd = sys_open(link, oflags & (O_ACCMODE | O_CLOEXEC | O_APPEND | O_NONBLOCK), 0);
	/* without /proc, or the right to open it again: as it was made */
	if (fd < 0) {
		if (!(oflags & O_CLOEXEC))
			sys_fcntl(made, F_SETFD, 0);
		return made;
	}
	sys_close(made);
	return fd;
}

int attr_open(int fd, int oflags)
{
	const char *session = engine_session();
	char path[PATH_MAX], name[DRIVER_ATTR_MAX];
	size_t cut = session ? strlen(session) : 0;
	int saved = errno, made;
	struct stat st;

	if (!cut || (oflags & O_ACCMODE) == O_RDONLY || (oflags & O_PATH))
		return fd;
	if (descriptor_name(fd, path, sizeof(path)) < 0)
		return fd;
	/* the session may have been named through a link: look for what follows it */
	for (const char *at = path; (at = strstr(at, "/sys/")); at++) {
		if (!driver_attr(at + 1, name))
			continue;
		if (syscall(SYS_fstat, fd, &st))
			st.st_mode = 0200;
		made = attr_make(name, oflags, st.st_mode & 0777);
		sys_close(fd);
		errno = saved;
		if (made >= 0)
			atomic_store(&attr_state, ATTR_SOME);
		return made;
	}
	return fd;
}

static ssize_t attr_store(const char *name, const char *text, size_t len)
{
	int ret = driver_store(engine_session(), name, text, len);

	if (!ret)
		claim_recheck();
	return ret ? ret : (ssize_t)len;
}

bool attr_write(int fd, const void *buf, size_t len, ssize_t *ret)
{
	char name[DRIVER_ATTR_MAX], text[STORE_MAX];
	int saved = errno, flags;

	if (!attr_name(fd, name)) {
		errno = saved;
		return false;
	}
	flags = sys_fcntl(fd, F_GETFL, 0);
	if ((flags & O_ACCMODE) == O_RDONLY)
		*ret = -EBADF;
	else if (len >= STORE_MAX)
		*ret = -EINVAL;
	else if (fault_copy(text, buf, len))
		*ret = -EFAULT;
	else
		*ret = len ? attr_store(name, text, len) : 0;
	errno = saved;
	return true;
}

int attr_flush(int fd)
{
	char name[DRIVER_ATTR_MAX], text[STORE_MAX];
	int saved = errno;
	ssize_t len, ret = 0;
	struct stat st;

	if (fd < 0 || !attr_name(fd, name) || syscall(SYS_fstat, fd, &st) || !st.st_size)
		goto out;
	/* the file may be open for writing only: read it by another name */
	{
		char link[32];
		int again;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		syscall(SYS_fchmod, fd, st.st_mode | S_IRUSR);
		again = sys_open(link, O_RDONLY | O_CLOEXEC, 0);
		len = again < 0 ? again : sys_pread(again, text, sizeof(text), 0);
		if (again >= 0)
			sys_close(again);
		syscall(SYS_fchmod, fd, st.st_mode & 0777);
	}
	syscall(SYS_ftruncate, fd, 0);
	syscall(SYS_lseek, fd, 0, SEEK_SET);
	ret = len < 0 ? len : attr_store(name, text, (size_t)len);
out:
	errno = saved;
	return ret < 0 ? (int)ret : 0;
}

static int stream_flush(FILE *stream)
{
	int saved = errno, fd, ret;

	fd = fileno(stream);
	ret = fd < 0 ? 0 : attr_flush(fd);
	errno = saved;
	if (!ret)
		return 0;
	stream->_flags |= _IO_ERR_SEEN;
	errno = -ret;
	return EOF;
}

INTERPOSED int fflush(FILE *stream)
{
	int ret = REAL(fflush)(stream);

	if (unlikely(attr_any()) && stream && stream_flush(stream))
		ret = EOF;
	return ret;
}

INTERPOSED int fclose(FILE *stream)
{
	int ret = 0, err = 0;
	bool ours = false;

	if (unlikely(fd_any()))
		ours = renew_closing(stream);
	if (unlikely(attr_any())) {
		REAL(fflush)(stream);
		if (stream_flush(stream))
			err = errno;
	}
	ret = REAL(fclose)(stream);
	if (unlikely(ours))
		renew_closed();
	if (err) {
		errno = err;
		ret = EOF;
	}
	return ret;
}

/* A program that ends without closing its streams: libc would flush them after us. */
static __attribute__((destructor)) void attr_end(void)
{
	if (atomic_load(&attr_state) != ATTR_SOME)
		return;
	REAL(fflush)(NULL);
	for (int fd = 0; fd < INHERITED_MAX; fd++)
		attr_flush(fd);
}
