/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of another process.
 *
 * It hands over two files: /proc/self/mem reaches its memory as a debugger does,
 * and /proc/self/maps says what is there. Both stand for the memory itself: they
 * stay right when the process ends and its number is used again, and need no
 * right to trace it. What they do not do is keep the memory: for that there is
 * the keeper, a task that shares the memory and does nothing, made by the process
 * when it first maps something and ended by closing a descriptor here. So pages
 * that are pinned outlive their process, as the kernel's would, and all the rest
 * goes with it.
 *
 * /proc/PID/mem ignores what the process may do with its own memory. That is
 * right for devices, which hold pages pinned; a pointer that the process passes
 * is read by process_vm_readv() while it waits for the answer, if that is allowed.
 *
 * Unlike the kernel's pins, a page that the process unmaps is gone for devices
 * too: DMA to it faults.
 *
 * Lock: remote->lock around the keeper and the walk of the map; innermost but for the
 * owner's own.
 */
#include "memory/owner_remote.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hidden.h"
#include "base/sys.h"
#include "memory/owner_private.h"
#include "memory/vma.h"

/**
 * struct owner_remote - the rest of an owner that is another process
 * @lock: protects @alive, @keeper and the position of @maps
 * @refs: of the owner: the connection's, one for each thing mapped
 * @pid: of the process, while it waits for us
 * @calls: how many of its threads do
 * @gone: the process has ended
 * @untraceable: process_vm_readv() is not for us
 * @mem: its memory
 * @maps: its map
 * @alive: what tells its end; none: told
 * @keeper: what keeps the memory
 */
struct owner_remote {
	pthread_mutex_t lock;
	atomic_uint refs;
	pid_t pid;
	atomic_uint calls;
	atomic_bool gone;
	atomic_bool untraceable;
	struct hidden mem;
	struct hidden maps;
	struct hidden alive;
	struct hidden keeper;
};

struct rf_owner *owner_new_remote(pid_t pid, const struct owner_fds *fds)
{
	struct rf_owner *owner = owner_new_self();
	struct owner_remote *r = alloc_zeroed(sizeof(*r));

	if (!owner || !r) {
		owner_free(owner);
		alloc_free(r);
		return NULL;
	}
	pthread_mutex_init(&r->lock, NULL);
	atomic_init(&r->refs, 1);
	r->pid = pid;
	hidden_keep(&r->mem, fds->mem);
	hidden_keep(&r->maps, fds->maps);
	hidden_keep(&r->alive, fds->alive);
	r->keeper = HIDDEN_NONE;
	owner->remote = r;
	return owner;
}

pid_t owner_remote_pid(const struct rf_owner *owner)
{
	return owner->remote->pid;
}

void owner_remote_get(struct rf_owner *owner)
{
	atomic_fetch_add_explicit(&owner->remote->refs, 1, memory_order_relaxed);
}

void owner_remote_put(struct rf_owner *owner)
{
	struct owner_remote *r = owner->remote;

	if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	owner_unlist(owner);
	hidden_close(&r->keeper);
	hidden_close(&r->alive);
	hidden_close(&r->mem);
	hidden_close(&r->maps);
	pthread_mutex_destroy(&r->lock);
	alloc_free(r);
	owner->remote = NULL;
	owner_free(owner);
}

void owner_remote_unpinned(struct rf_owner *owner)
{
	struct owner_remote *r = owner->remote;

	if (!atomic_load(&r->gone))
		return;
	pthread_mutex_lock(&r->lock);
	if (!pin_any(owner))
		hidden_close(&r->keeper);
	pthread_mutex_unlock(&r->lock);
}

void owner_begin_call(struct rf_owner *owner)
{
	atomic_fetch_add(&owner->remote->calls, 1);
}

void owner_end_call(struct rf_owner *owner)
{
	atomic_fetch_sub(&owner->remote->calls, 1);
}

bool owner_wants_keeper(struct rf_owner *owner)
{
	struct owner_remote *r = owner->remote;
	bool wants;

	pthread_mutex_lock(&r->lock);
	wants = r->keeper.fd < 0 && atomic_load(&r->refs) > 1;
	pthread_mutex_unlock(&r->lock);
	return wants;
}

void owner_set_keeper(struct rf_owner *owner, int fd)
{
	struct owner_remote *r = owner->remote;

	pthread_mutex_lock(&r->lock);
	hidden_close(&r->keeper);
	hidden_keep(&r->keeper, fd);
	pthread_mutex_unlock(&r->lock);
}

void owner_left(struct rf_owner *owner)
{
	struct owner_remote *r = owner->remote;

	pthread_mutex_lock(&r->lock);
	atomic_store(&r->gone, true);
	hidden_close(&r->alive);
	if (!pin_any(owner))
		hidden_close(&r->keeper);
	pthread_mutex_unlock(&r->lock);
}

/* Whether the process is there. It is asked, as its end may not have been told yet. */
static bool remote_is_there(struct owner_remote *r)
{
	struct pollfd p = { .events = 0 };
	unsigned token;
	bool there;

	pthread_mutex_lock(&r->lock);
	token = hidden_enter();
	p.fd = hidden_number(&r->alive);
	there = p.fd >= 0 && sys_poll(&p, 1, 0) == 0;
	hidden_leave(token);
	pthread_mutex_unlock(&r->lock);
	return there;
}

bool owner_remote_is_there(struct rf_owner *owner)
{
	return remote_is_there(owner->remote);
}

/* Copies. */

static int copy_by_mem(struct owner_remote *r, uintptr_t addr, void *dst, const void *src,
		       size_t len)
{
	unsigned token = hidden_enter();
	int mem = hidden_number(&r->mem);
	size_t done = 0;
	ssize_t ret = 1;

	while (done < len && ret > 0) {
		off_t at = (off_t)(addr + done);

		ret = dst ? sys_pread(mem, (char *)dst + done, len - done, at) :
			    sys_pwrite(mem, (const char *)src + done, len - done, at);
		if (ret > 0)
			done += (size_t)ret;
	}
	hidden_leave(token);
	return done < len ? -EFAULT : 0;
}

/* 0, -EFAULT, or -EPERM when this way is closed. */
static int copy_as_process(struct owner_remote *r, uintptr_t addr, void *dst, const void *src,
			   size_t len)
{
	int saved = errno;
	size_t done = 0;
	long ret = 1;

	while (done < len && ret > 0) {
		struct iovec there = { .iov_base = (void *)(addr + done), .iov_len = len - done };
		struct iovec here = {
			.iov_base = dst ? (char *)dst + done : (char *)(uintptr_t)src + done,
			.iov_len = len - done,
		};

		ret = syscall(dst ? SYS_process_vm_readv : SYS_process_vm_writev, (long)r->pid,
			      &here, 1ul, &there, 1ul, 0ul);
		if (ret < 0 && (errno == EPERM || errno == ENOSYS)) {
			errno = saved;
			return -EPERM;
		}
		if (ret > 0)
			done += (size_t)ret;
	}
	errno = saved;
	return done == len ? 0 : -EFAULT;
}

int owner_remote_copy(struct rf_owner *owner, uintptr_t addr, void *dst, const void *src,
		      size_t len)
{
	struct owner_remote *r = owner->remote;
	int ret;

	if (atomic_load(&r->calls) &&
	    !atomic_load_explicit(&r->untraceable, memory_order_relaxed)) {
		ret = copy_as_process(r, addr, dst, src, len);
		if (ret != -EPERM)
			return ret;
		atomic_store(&r->untraceable, true);
	}
	/* what keeps pinned memory, or has only been told to let it go, keeps the rest as well */
	if (!remote_is_there(r))
		return -EFAULT;
	return copy_by_mem(r, addr, dst, src, len);
}

int owner_remote_dma(struct rf_owner *owner, uintptr_t addr, void *dst, const void *src, size_t len)
{
	return copy_by_mem(owner->remote, addr, dst, src, len);
}

/* Probing. */

static int probe_map(int maps, uintptr_t first, uintptr_t last, uint32_t prot)
{
	struct vma_walk walk;
	struct vma vma;

	vma_walk_begin_fd(&walk, maps);
	for (;;) {
		if (vma_walk_find(&walk, first, &vma) || vma.first > first)
			return -EFAULT;
		if (prot & RF_WRITE ? !vma.writable : !vma.readable && !vma.writable)
			return -EFAULT;
		if (vma.last >= last)
			return 0;
		first = vma.last + 1;
	}
}

int owner_remote_probe(struct rf_owner *owner, uintptr_t addr, uint64_t len, uint32_t prot)
{
	struct owner_remote *r = owner->remote;
	uintptr_t last = addr + len - 1;
	unsigned token;
	char byte;
	int ret;

	if (last < addr || last >> 63 || !remote_is_there(r))
		return -EFAULT;
	pthread_mutex_lock(&r->lock);
	token = hidden_enter();
	ret = probe_map(hidden_number(&r->maps), addr, last, prot);
	hidden_leave(token);
	pthread_mutex_unlock(&r->lock);
	/* a file may end before its mapping does: touch both ends as well */
	if (!ret && (copy_by_mem(r, addr, &byte, NULL, 1) || copy_by_mem(r, last, &byte, NULL, 1)))
		ret = -EFAULT;
	return ret;
}

bool owner_remote_each_vma(struct rf_owner *owner, uintptr_t addr,
			   bool (*each)(const struct vma *vma, void *arg), void *arg)
{
	struct owner_remote *r = owner->remote;
	struct vma_walk walk;
	unsigned token;
	bool all;

	pthread_mutex_lock(&r->lock);
	token = hidden_enter();
	vma_walk_begin_fd(&walk, hidden_number(&r->maps));
	all = owner_walk_vmas(&walk, addr, each, arg);
	hidden_leave(token);
	pthread_mutex_unlock(&r->lock);
	return all;
}
