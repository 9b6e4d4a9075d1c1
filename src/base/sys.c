/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sys.h"

#include <sys/syscall.h>

static inline long call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

void *sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	return (void *)call6(SYS_mmap, (long)addr, (long)len, prot, flags, fd, off);
}

int sys_munmap(void *addr, size_t len)
{
	return (int)call6(SYS_munmap, (long)addr, (long)len, 0, 0, 0, 0);
}

int sys_mprotect(void *addr, size_t len, int prot)
{
	return (int)call6(SYS_mprotect, (long)addr, (long)len, prot, 0, 0, 0);
}

int sys_munlock(void *addr, size_t len)
{
	return (int)call6(SYS_munlock, (long)addr, (long)len, 0, 0, 0, 0);
}

void *sys_mremap(void *old, size_t old_len, size_t new_len, int flags, void *addr)
{
	return (void *)call6(SYS_mremap, (long)old, (long)old_len, (long)new_len, flags, (long)addr,
			     0);
}

int sys_open(const char *path, int flags, int mode)
{
	return (int)call6(SYS_open, (long)path, flags, mode, 0, 0, 0);
}

int sys_close(int fd)
{
	return (int)call6(SYS_close, fd, 0, 0, 0, 0, 0);
}

ssize_t sys_read(int fd, void *buf, size_t len)
{
	return call6(SYS_read, fd, (long)buf, (long)len, 0, 0, 0);
}

ssize_t sys_write(int fd, const void *buf, size_t len)
{
	return call6(SYS_write, fd, (long)buf, (long)len, 0, 0, 0);
}

ssize_t sys_pread(int fd, void *buf, size_t len, off_t off)
{
	return call6(SYS_pread64, fd, (long)buf, (long)len, off, 0, 0);
}

ssize_t sys_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return call6(SYS_pwrite64, fd, (long)buf, (long)len, off, 0, 0);
}

int sys_ioctl(int fd, unsigned long cmd, void *arg)
{
	return (int)call6(SYS_ioctl, fd, (long)cmd, (long)arg, 0, 0, 0);
}

int sys_getpid(void)
{
	return (int)call6(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

int sys_fcntl(int fd, int cmd, long arg)
{
	return (int)call6(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
}

ssize_t sys_readlink(const char *path, char *buf, size_t len)
{
	return call6(SYS_readlink, (long)path, (long)buf, (long)len, 0, 0, 0);
}

int sys_poll(struct pollfd *fds, unsigned long nfds, int timeout_ms)
{
	return (int)call6(SYS_poll, (long)fds, (long)nfds, timeout_ms, 0, 0, 0);
}
