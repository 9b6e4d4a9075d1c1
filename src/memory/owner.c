/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The owner that is this process: its memory is reached by plain copies that
 * survive a fault.
 *
 * DMA has a second way. A pinned page stays with the device when the program
 * calls mprotect() on it, but a copy by address then faults; the kernel's own
 * view of the process, /proc/self/mem, reaches it as a debugger does. That is
 * slow and rare. Nothing else may use it: a program's pointer to memory that it
 * cannot access itself is -EFAULT.
 */
#include "memory/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/sys.h"
#include "memory/fault.h"
#include "memory/limit.h"
#include "memory/owner_private.h"
#include "memory/vma.h"

#define unlikely(x)	 __builtin_expect(!!(x), 0)

#define PAGE		 4096ul
#define PROBE_TOUCH	 16 /* so many pages are touched; of more the map is asked */

#define BEYOND_ANY_SPACE 0x7ffffffff000ul /* length of a mapping that no process has room for */

int owner_read(struct rf_owner *owner, void *dst, uintptr_t src, size_t len)
{
	if (unlikely(owner->remote != NULL))
		return owner_remote_copy(owner, src, dst, NULL, len);
	return fault_copy(dst, (const void *)src, len) ? -EFAULT : 0;
}

int owner_write(struct rf_owner *owner, uintptr_t dst, const void *src, size_t len)
{
	if (unlikely(owner->remote != NULL))
		return owner_remote_copy(owner, dst, NULL, src, len);
	return fault_copy((void *)dst, src, len) ? -EFAULT : 0;
}

/* Copy through /proc/self/mem, one way or the other. */
static int owner_force(uintptr_t addr, void *dst, const void *src, size_t len)
{
	int fd = sys_open("/proc/self/mem", O_RDWR | O_CLOEXEC, 0);
	size_t done = 0;

	if (fd < 0)
		return -EFAULT;
	while (done < len) {
		off_t off = (off_t)(addr + done);
		ssize_t ret = dst ? sys_pread(fd, (char *)dst + done, len - done, off) :
				    sys_pwrite(fd, (const char *)src + done, len - done, off);

		if (ret <= 0)
			break;
		done += (size_t)ret;
	}
	sys_close(fd);
	return done == len ? 0 : -EFAULT;
}

int owner_dma_read(struct rf_owner *owner, void *dst, uintptr_t src, size_t len)
{
	size_t left, done;

	if (unlikely(owner->remote != NULL))
		return owner_remote_dma(owner, src, dst, NULL, len);
	left = fault_copy(dst, (const void *)src, len);
	done = len - left;

	return left ? owner_force(src + done, (char *)dst + done, NULL, left) : 0;
}

int owner_dma_write(struct rf_owner *owner, uintptr_t dst, const void *src, size_t len)
{
	size_t left, done;

	if (unlikely(owner->remote != NULL))
		return owner_remote_dma(owner, dst, NULL, src, len);
	left = fault_copy((void *)dst, src, len);
	done = len - left;

	return left ? owner_force(dst + done, NULL, (const char *)src + done, left) : 0;
}

static bool probe_touch(uintptr_t addr, uint32_t prot)
{
	/* whoever may write a page may read it: so says x86 */
	if (prot & RF_WRITE)
		return fault_can_write((void *)addr);
	return fault_can_read((const void *)addr);
}

static int probe_pages(uintptr_t first, uintptr_t last, uint32_t prot)
{
	for (uintptr_t addr = first;; addr = (addr | (PAGE - 1)) + 1) {
		if (!probe_touch(addr, prot))
			return -EFAULT;
		if ((addr | (PAGE - 1)) >= last)
			return 0;
	}
}

static int probe_map(uintptr_t first, uintptr_t last, uint32_t prot)
{
	struct vma_walk walk;
	struct vma vma;
	int ret;

	if (vma_walk_begin(&walk)) /* no descriptor to be had: slow, but as good */
		return probe_pages(first, last, prot);
	for (;;) {
		ret = -EFAULT;
		if (vma_walk_find(&walk, first, &vma) || vma.first > first)
			break;
		if (prot & RF_WRITE ? !vma.writable : !vma.readable && !vma.writable)
			break;
		ret = 0;
		if (vma.last >= last)
			break;
		first = vma.last + 1;
	}
	vma_walk_end(&walk);
	return ret;
}

/*
 * Whether one mapping of the process holds all of [first, last]: asked by an
 * mremap() that would let it grow beyond any address space. That cannot succeed;
 * what counts is which error comes first. Far cheaper than a look at the map.
 */
static bool probe_single(uintptr_t first, uintptr_t last)
{
	uintptr_t begin = first & ~(PAGE - 1);
	void *ret = sys_mremap((void *)begin, (last | (PAGE - 1)) - begin + 1, BEYOND_ANY_SPACE, 0,
			       NULL);

	return sys_failed(ret) && sys_error(ret) == -ENOMEM;
}

static int probe_run(uintptr_t first, uintptr_t last, uint32_t prot)
{
	int ret;

	if ((last - first) / PAGE < PROBE_TOUCH)
		return probe_pages(first, last, prot);

	/* a file may end before its mapping does: touch both ends as well */
	ret = probe_single(first, last) ? 0 : probe_map(first, last, prot);
	if (!ret && (!probe_touch(first, prot) || !probe_touch(last, prot)))
		ret = -EFAULT;
	return ret;
}

/* Whether @addr is in a BAR mapping, of *@prot; *@last is clipped to where that changes. */
static bool owner_device_at(struct rf_owner *owner, uintptr_t addr, uintptr_t *last, uint32_t *prot)
{
	bool inside = false;

	if (!atomic_load_explicit(&owner->nr_devices, memory_order_acquire))
		return false;
	pthread_mutex_lock(&owner->lock);
	for (unsigned i = 0; i < owner->nr_devices; i++) {
		const struct owner_device *range = &owner->devices[i];

		if (range->first <= addr && addr <= range->last) {
			inside = true;
			*prot = range->prot;
			if (range->last < *last)
				*last = range->last;
			break;
		}
		if (addr < range->first && range->first <= *last)
			*last = range->first - 1;
	}
	pthread_mutex_unlock(&owner->lock);
	return inside;
}

bool owner_touches_device(struct rf_owner *owner, uintptr_t addr, uint64_t len)
{
	uintptr_t end = addr + len - 1, last = end;
	uint32_t prot = 0;

	return owner_device_at(owner, addr, &last, &prot) || last != end;
}

bool owner_is_there(struct rf_owner *owner)
{
	return !owner->remote || owner_remote_is_there(owner);
}

uint64_t owner_device_bytes(struct rf_owner *owner, uintptr_t addr, uint64_t len)
{
	uintptr_t last = addr + len - 1;
	uint64_t bytes = 0;

	if (!atomic_load_explicit(&owner->nr_devices, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&owner->lock);
	for (unsigned i = 0; i < owner->nr_devices; i++) {
		uintptr_t from = owner->devices[i].first, to = owner->devices[i].last;

		from = from > addr ? from : addr;
		to = to < last ? to : last;
		if (from <= to)
			bytes += to - from + 1;
	}
	pthread_mutex_unlock(&owner->lock);
	return bytes;
}

_Atomic uint64_t *owner_locked(struct rf_owner *owner)
{
	return &owner->locked;
}

uint64_t owner_mlocked(struct rf_owner *owner)
{
	return limit_mlocked(owner->remote ? owner_remote_pid(owner) : getpid());
}

int owner_probe(struct rf_owner *owner, uintptr_t addr, uint64_t len, uint32_t prot)
{
	uintptr_t last = addr + len - 1;

	if (!len)
		return 0;
	if (owner->remote)
		return owner_remote_probe(owner, addr, len, prot);
	if (last < addr || last >> 63)
		return -EFAULT;
	for (;;) {
		uintptr_t run_last = last;
		uint32_t rights = 0;
		int ret = 0;

		if (!owner_device_at(owner, addr, &run_last, &rights))
			ret = probe_run(addr, run_last, prot);
		else if (!(rights & (prot & RF_WRITE ? RF_WRITE : RF_READ)))
			ret = -EFAULT;
		if (ret)
			return ret;
		if (run_last == last)
			return 0;
		addr = run_last + 1;
	}
}

static bool device_push(struct rf_owner *owner, uintptr_t first, uintptr_t last, uint32_t prot)
{
	if (owner->nr_devices == OWNER_DEVICE_RANGES)
		return false;
	owner->devices[owner->nr_devices] = (struct owner_device){ first, last, prot };
	atomic_fetch_add(&owner->nr_devices, 1);
	return true;
}

/* With the owner's lock held. */
static void device_cut(struct rf_owner *owner, uintptr_t first, uintptr_t last)
{
	unsigned i = 0;

	while (i < owner->nr_devices) {
		struct owner_device *range = &owner->devices[i];
		struct owner_device was = *range;

		if (was.last < first || was.first > last) {
			i++;
			continue;
		}
		*range = owner->devices[owner->nr_devices - 1];
		atomic_fetch_sub(&owner->nr_devices, 1);
		/* what is left of it meets the range no more, wherever in the table it goes */
		if (was.first < first)
			device_push(owner, was.first, first - 1, was.prot);
		if (was.last > last)
			device_push(owner, last + 1, was.last, was.prot);
	}
}

int owner_add_device_range(struct rf_owner *owner, uintptr_t addr, uint64_t len, uint32_t prot)
{
	bool done;

	pthread_mutex_lock(&owner->lock);
	/* enough room for the pieces of one that is cut in two, and this */
	done = owner->nr_devices < OWNER_DEVICE_RANGES - 1;
	if (done) {
		device_cut(owner, addr, addr + len - 1);
		device_push(owner, addr, addr + len - 1, prot);
	}
	pthread_mutex_unlock(&owner->lock);
	return done ? 0 : -ENOSPC;
}

void owner_del_device_range(struct rf_owner *owner, uintptr_t addr, uint64_t len)
{
	pthread_mutex_lock(&owner->lock);
	device_cut(owner, addr, addr + len - 1);
	pthread_mutex_unlock(&owner->lock);
}

void owner_get(struct rf_owner *owner)
{
	if (unlikely(owner->remote != NULL))
		owner_remote_get(owner);
}

void owner_put(struct rf_owner *owner)
{
	if (unlikely(owner->remote != NULL))
		owner_remote_put(owner);
}

bool owner_walk_vmas(struct vma_walk *walk, uintptr_t addr,
		     bool (*each)(const struct vma *vma, void *arg), void *arg)
{
	struct vma vma;

	while (!vma_walk_find(walk, addr, &vma)) {
		if (!each(&vma, arg))
			return false;
		addr = vma.last + 1;
	}
	return true;
}

bool owner_each_vma(struct rf_owner *owner, uintptr_t addr,
		    bool (*each)(const struct vma *vma, void *arg), void *arg)
{
	struct vma_walk walk;
	bool all;

	if (owner->remote)
		return owner_remote_each_vma(owner, addr, each, arg);
	if (vma_walk_begin(&walk))
		return true;
	all = owner_walk_vmas(&walk, addr, each, arg);
	vma_walk_end(&walk);
	return all;
}

/* All owners; outside their own locks. */
static pthread_mutex_t owners_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rf_owner *owners;

static void owner_list(struct rf_owner *owner)
{
	pthread_mutex_lock(&owners_lock);
	owner->next = owners;
	owner->link = &owners;
	if (owners)
		owners->link = &owner->next;
	owners = owner;
	pthread_mutex_unlock(&owners_lock);
}

void owner_unlist(struct rf_owner *owner)
{
	pthread_mutex_lock(&owners_lock);
	if (owner->link) {
		*owner->link = owner->next;
		if (owner->next)
			owner->next->link = owner->link;
		owner->link = NULL;
	}
	pthread_mutex_unlock(&owners_lock);
}

void owner_abandon_all(void)
{
	pthread_mutex_init(&owners_lock, NULL);
	owners = NULL;
}

bool owner_each(bool (*each)(struct rf_owner *owner, void *arg), void *arg)
{
	bool all = true;

	pthread_mutex_lock(&owners_lock);
	for (struct rf_owner *owner = owners; owner && all; owner = owner->next)
		all = each(owner, arg);
	pthread_mutex_unlock(&owners_lock);
	return all;
}

bool owner_moves(const struct rf_owner *owner)
{
	return !owner->remote;
}

struct rf_owner *owner_new_self(void)
{
	struct rf_owner *owner = alloc_zeroed(sizeof(*owner));

	if (!owner)
		return NULL;
	pthread_mutex_init(&owner->lock, NULL);
	pthread_mutex_init(&owner->moving, NULL);
	leaving_init(owner);
	slab_init(&owner->hidden, sizeof(struct pin_hidden), 4096);
	/* now, rather than in a hole of the program's memory while that is moved */
	if (slab_reserve(&owner->hidden, 1)) {
		owner_free(owner);
		return NULL;
	}
	slab_unreserve(&owner->hidden);
	owner_list(owner);
	return owner;
}

void owner_free(struct rf_owner *owner)
{
	if (!owner)
		return;
	owner_unlist(owner);
	slab_destroy(&owner->hidden);
	pthread_mutex_destroy(&owner->moving);
	pthread_mutex_destroy(&owner->lock);
	alloc_free(owner);
}
