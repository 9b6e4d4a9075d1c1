/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bare system calls, for code that runs with locks held or in a signal
 * handler, and must not come back to us through the interposed libc names.
 * They return the result or a negative errno, and leave errno alone.
 */
#ifndef RF_BASE_SYS_H
#define RF_BASE_SYS_H

#include <stddef.h>
#include <sys/types.h>

void *sys_mmap(void *addr, size_t len, int prot, int flags, int fd,
	       off_t off); /* IS_ERR style: see sys_failed() */
int sys_munmap(void *addr, size_t len);
int sys_mprotect(void *addr, size_t len, int prot);
int sys_munlock(void *addr, size_t len);
void *sys_mremap(void *old, size_t old_len, size_t new_len, int flags, void *addr);
int sys_open(const char *path, int flags, int mode);
int sys_close(int fd);
ssize_t sys_read(int fd, void *buf, size_t len);
ssize_t sys_write(int fd, const void *buf, size_t len);
ssize_t sys_pread(int fd, void *buf, size_t len, off_t off);
ssize_t sys_pwrite(int fd, const void *buf, size_t len, off_t off);
int sys_ioctl(int fd, unsigned long cmd, void *arg);
int sys_getpid(void);
int sys_fcntl(int fd, int cmd, long arg);
ssize_t sys_readlink(const char *path, char *buf, size_t len);
struct pollfd;
int sys_poll(struct pollfd *fds, unsigned long nfds, int timeout_ms);

/* Whether a pointer result is an error; then sys_error() is the negative errno. */
static inline int sys_failed(const void *p)
{
	return (unsigned long)p >= -4095ul;
}

static inline int sys_error(const void *p)
{
	return (int)(long)p;
}

#endif
