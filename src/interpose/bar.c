/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * BAR mappings.
 *
 * A BAR's pages lie in a memfd. A mapping of the program shows them with the
 * rights it asked for, less what must trap: TRAP pages are inaccessible,
 * READABLE ones read-only, DOORBELL ones inaccessible unless a thread is polling
 * them (doorbell.c). Where the program breaks its own rights (a store through a
 * mapping it asked to read), the fault is the program's, and stays so.
 *
 * As in the kernel, a mapping keeps its file, hence its device, open.
 *
 * The handler finds a view without a lock: the set is immutable, published by a
 * store, and freed after the gate says that no handler is inside (bar_access.c).
 * A handler stays inside while the model runs, so nobody who holds a device's
 * lock may wait for views_lock.
 *
 * Locks: views_lock around edits and everything that changes the protection of
 * a view. Before the descriptor table's; files are released after it is
 * dropped.
 */
#include "interpose/bar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/sys.h"
#include "bus/device.h"
#include "interpose/bar_private.h"
#include "interpose/doorbell.h"
#include "interpose/fd.h"
#include "interpose/fork.h"
#include "interpose/internal.h"
#include "interpose/lock.h"
#include "interpose/stack.h"
#include "memory/owner.h"

#define PAGE 4096ul

atomic_uint bar_nr_views;
_Atomic(struct bar_views *) bar_views_now;
struct gate bar_views_gate;
static struct engine_lock views_lock = ENGINE_LOCK_INIT;

static size_t page_align(size_t len)
{
	return (len + PAGE - 1) & ~(PAGE - 1);
}

/* Edits. */

/*
 * Take [first, last] out and put @add in, with views_lock held. *old is the
 * caller's to free once the lock is dropped. 0 or -ENOMEM.
 */
static int views_change(uintptr_t first, uintptr_t last, const struct bar_view *add,
			struct bar_views **old)
{
	struct bar_views *now = bar_views_now, *next;
	int ret = bar_views_edit(now, first, last, add, &next);

	if (ret)
		return ret;
	atomic_store_explicit(&bar_views_now, next, memory_order_release);
	atomic_store(&bar_nr_views, next ? next->nr : 0);
	gate_sync(&bar_views_gate);
	*old = now;
	return 0;
}

/* What a memory map call left behind is no BAR any more. */
static void views_cut(uintptr_t first, uintptr_t last, struct bar_views **old)
{
	struct rf_owner *owner = engine_owner();
	const struct bar_view *v = bar_views_touch(bar_views_now, first, last);

	*old = NULL;
	if (!v)
		return;
	if (views_change(first, last, NULL, old)) {
		log_line(LOG_ERROR,
			 "out of memory: a BAR mapping at %#lx is gone, but not forgotten",
			 (unsigned long)v->first);
		return;
	}
	if (owner)
		owner_del_device_range(owner, first, last - first + 1);
}

/* Devices that lost their last mapping need no polling. */
static void views_free(struct bar_views *old)
{
	const struct bar_views *now;

	for (unsigned i = 0; old && i < old->nr; i++) {
		struct rf_device *dev = old->view[i].dev;
		bool mapped = false;

		engine_lock(&views_lock);
		now = bar_views_now;
		for (unsigned j = 0; now && j < now->nr; j++)
			mapped |= now->view[j].dev == dev;
		engine_unlock(&views_lock);
		if (!mapped && dev)
			doorbell_quiesce(dev);
	}
	bar_views_free(old);
}

/* Protection. */

static int page_prot(const struct bar_view *v, enum rf_area_kind kind, bool open)
{
	switch (kind) {
	case RF_AREA_RAM:
		return v->prot;
	case RF_AREA_READABLE:
		return v->prot & (PROT_READ | PROT_WRITE) ? PROT_READ : PROT_NONE;
	case RF_AREA_DOORBELL:
		return open ? v->prot & (PROT_READ | PROT_WRITE) : PROT_NONE;
	case RF_AREA_TRAP:
		break;
	}
	return PROT_NONE;
}

/* Protect a view, which is PROT_NONE all over or protected otherwise. 0 or a negative errno. */
static int view_protect(const struct bar_view *v)
{
	bool open = doorbell_is_open(v->dev);
	uintptr_t addr = v->first, end;
	int ret = 0;

	while (!ret && addr - 1 != v->last) {
		enum rf_area_kind kind =
			bar_page_kind(v->dev, v->bar, v->offset + (addr - v->first));

		for (end = addr + PAGE; end - 1 != v->last; end += PAGE)
			if (bar_page_kind(v->dev, v->bar, v->offset + (end - v->first)) != kind)
				break;
		ret = sys_mprotect((void *)addr, end - addr, page_prot(v, kind, open));
		addr = end;
	}
	return ret;
}

static void view_show_doorbells(const struct bar_view *v)
{
	const struct rf_bar_area *area = v->dev->bars[v->bar].decl->areas;
	uint64_t begin = v->offset, end = v->offset + (v->last - v->first) + 1;
	int prot = page_prot(v, RF_AREA_DOORBELL, doorbell_is_open(v->dev));

	for (unsigned i = 0; i < RF_BAR_AREAS && area[i].size; i++) {
		uint64_t from = area[i].offset > begin ? area[i].offset : begin;
		uint64_t to = area[i].offset + area[i].size;

		to = to < end ? to : end;
		if (area[i].kind == RF_AREA_DOORBELL && from < to)
			sys_mprotect((void *)(v->first + (from - begin)), to - from, prot);
	}
}

void bar_show_doorbells(struct rf_device *dev)
{
	const struct bar_views *now;

	engine_lock(&views_lock);
	now = bar_views_now;
	for (unsigned i = 0; now && i < now->nr; i++)
		if (now->view[i].dev == dev)
			view_show_doorbells(&now->view[i]);
	engine_unlock(&views_lock);
}

/* Mapping. */

/* Put @v where nothing of ours or only its own old self lies. With views_lock held. */
static int view_add(const struct bar_view *v, struct bar_views **old)
{
	int ret = views_change(v->first, v->last, v, old);

	if (ret)
		return ret;
	ret = owner_add_device_range(engine_owner(), v->first, v->last - v->first + 1);
	return ret ? ret : view_protect(v);
}

static void *view_map(struct bar_view *v, void *addr, size_t len, int flags, struct bar_views **old)
{
	int memfd = bar_backing(v->dev, v->bar);
	void *p;
	int ret;

	if (memfd < 0)
		return (void *)(long)memfd;
	p = sys_mmap(addr, len, PROT_NONE, flags & ~(MAP_POPULATE | MAP_LOCKED), memfd,
		     (off_t)v->offset);
	if (sys_failed(p))
		return p;
	v->first = (uintptr_t)p;
	v->last = v->first + len - 1;
	ret = view_add(v, old);
	if (ret) {
		sys_munmap(p, len);
		return (void *)(long)ret;
	}
	return p;
}

void *bar_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct bar_view view = { .prot = prot };
	struct bar_views *old = NULL;
	struct file_mapping m;
	struct open_file *of;
	void *p;
	int ret;

	of = fd_get(fd, &ret);
	if (!of)
		return (void *)(long)ret;
	len = page_align(len);
	ret = -EINVAL;
	if (!len || off < 0 || off % PAGE)
		goto refused;
	ret = -EACCES;
	if ((of->oflags & O_ACCMODE) == O_WRONLY ||
	    ((of->oflags & O_ACCMODE) == O_RDONLY && (flags & MAP_SHARED) && (prot & PROT_WRITE)))
		goto refused;
	ret = -ENODEV;
	if (of->file->ops->mmap)
		ret = of->file->ops->mmap(of->file, (uint64_t)off, len, prot, flags, &m);
	if (ret)
		goto refused;
	view.dev = m.dev;
	view.bar = m.bar;
	view.offset = m.offset;
	view.file = of->file;
	if (m.dev)
		doorbell_prepare(m.dev);
	engine_lock(&views_lock);
	p = view_map(&view, addr, len, flags, &old);
	engine_unlock(&views_lock);
	views_free(old);
	fd_put(of);
	return p;
refused:
	fd_put(of);
	return (void *)(long)ret;
}

void *bar_mmap_over(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct bar_views *old = NULL;
	void *p;

	fork_settle();
	engine_lock(&views_lock);
	p = sys_mmap(addr, len, prot, flags, fd, off);
	if (!sys_failed(p))
		views_cut((uintptr_t)p, (uintptr_t)p + page_align(len) - 1, &old);
	engine_unlock(&views_lock);
	views_free(old);
	return p;
}

int bar_munmap(uintptr_t addr, size_t len)
{
	struct bar_views *old = NULL;
	int ret;

	fork_settle();
	engine_lock(&views_lock);
	ret = sys_munmap((void *)addr, len);
	if (!ret)
		views_cut(addr, addr + page_align(len) - 1, &old);
	engine_unlock(&views_lock);
	views_free(old);
	return ret;
}

void bar_forget(uintptr_t addr, size_t len)
{
	struct bar_views *old;

	engine_lock(&views_lock);
	views_cut(addr, addr + page_align(len) - 1, &old);
	engine_unlock(&views_lock);
	views_free(old);
}

bool bar_touches(uintptr_t addr, size_t len)
{
	unsigned token;
	bool ret;

	if (!bar_any() || !len || addr + len - 1 < addr)
		return false;
	token = gate_enter(&bar_views_gate);
	ret = bar_views_touch(bar_views_now, addr, addr + len - 1) != NULL;
	gate_leave(&bar_views_gate, token);
	return ret;
}

int bar_between(uintptr_t addr, size_t len, int (*fn)(void *addr, size_t len, void *arg), void *arg)
{
	int ret;

	fork_settle();
	engine_lock(&views_lock);
	ret = bar_views_walk(&bar_views_now, addr & ~(PAGE - 1), page_align(len + addr % PAGE),
			     NULL, fn, arg);
	engine_unlock(&views_lock);
	return ret;
}

/* A change of rights: walks with the old sets that pile up on the way. */
struct protecting {
	int prot;
	struct bar_views *old[16];
	unsigned nr_old;
};

static int protect_view(const struct bar_view *piece, void *arg)
{
	struct protecting *p = arg;
	struct bar_view changed = *piece;
	int ret;

	if (!piece->dev)
		return 0;
	if (p->nr_old == sizeof(p->old) / sizeof(p->old[0]))
		return -ENOMEM;
	changed.prot = p->prot;
	ret = views_change(piece->first, piece->last, &changed, &p->old[p->nr_old]);
	if (ret)
		return ret;
	p->nr_old++;
	return view_protect(&changed);
}

static int protect_other(void *addr, size_t len, void *arg)
{
	struct protecting *p = arg;

	return sys_mprotect(addr, len, p->prot);
}

int bar_mprotect(uintptr_t addr, size_t len, int prot)
{
	struct protecting p = { .prot = prot };
	int ret;

	if (addr % PAGE)
		return -EINVAL;
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return sys_mprotect((void *)addr, len, prot);
	fork_settle();
	engine_lock(&views_lock);
	ret = bar_views_walk(&bar_views_now, addr, page_align(len), protect_view, protect_other,
			     &p);
	engine_unlock(&views_lock);
	for (unsigned i = 0; i < p.nr_old; i++)
		views_free(p.old[i]);
	return ret;
}

/*
 * Device memory does not grow and cannot be mapped twice by mremap. A move maps
 * the same piece anew, as the old mapping is several to the kernel.
 */
void *bar_mremap(uintptr_t addr, size_t old_len, size_t new_len, int flags, uintptr_t to)
{
	struct bar_views *old = NULL, *gone = NULL;
	const struct bar_view *v;
	struct bar_view moved;
	void *p;

	old_len = page_align(old_len);
	new_len = page_align(new_len);
	if (addr % PAGE || !new_len || !old_len || (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)))
		return (void *)-EINVAL;
	if ((flags & MREMAP_FIXED) && (!(flags & MREMAP_MAYMOVE) || to % PAGE))
		return (void *)-EINVAL;
	if ((flags & MREMAP_FIXED) && to < addr + old_len && addr < to + new_len)
		return (void *)-EINVAL;
	fork_settle();
	engine_lock(&views_lock);
	v = bar_views_find(bar_views_now, addr);
	p = (void *)-EFAULT;
	if (!v || new_len > old_len || v->last - addr < old_len - 1 || !v->dev)
		goto out;
	p = (void *)addr;
	if (flags & MREMAP_FIXED) {
		moved = bar_view_clip(v, addr, addr + new_len - 1);
		p = view_map(&moved, (void *)to, new_len, MAP_SHARED | MAP_FIXED, &old);
		if (sys_failed(p))
			goto out;
		new_len = 0;
	}
	if (new_len < old_len) {
		sys_munmap((void *)(addr + new_len), old_len - new_len);
		views_cut(addr + new_len, addr + old_len - 1, &gone);
	}
out:
	engine_unlock(&views_lock);
	views_free(old);
	views_free(gone);
	return p;
}

/* Fork. */

void bar_fork_prepare(void)
{
	engine_lock(&views_lock);
}

void bar_fork_parent(void)
{
	engine_unlock(&views_lock);
}

void bar_abandon(void)
{
	struct bar_views *now = bar_views_now;

	for (unsigned i = 0; now && i < now->nr; i++) {
		struct bar_view *v = &now->view[i];

		sys_mprotect((void *)v->first, v->last - v->first + 1, PROT_NONE);
		v->dev = NULL;
		v->file = NULL;
	}
	engine_lock_renew(&views_lock);
	memset(&bar_views_gate, 0, sizeof(bar_views_gate));
	stack_abandon();
}
