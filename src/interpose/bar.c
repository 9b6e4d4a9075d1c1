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
 *
 * While a device's memory is disabled (COMMAND, or D3) its mappings are
 * inaccessible all over, and an access is a bus error, as on Linux. So it is in
 * other processes that have mapped the BAR, or inherited a mapping: bus/bar.c.
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
#include "interpose/enter.h"
#include "interpose/fd.h"
#include "interpose/fork.h"
#include "interpose/holder.h"
#include "interpose/internal.h"
#include "interpose/lock.h"
#include "interpose/stack.h"
#include "machine/machine.h"
#include "memory/owner.h"
#include "memory/pin.h"

#define PAGE  4096ul
#define SPACE 0x7ffffffff000ul /* of a process */

atomic_uint bar_nr_views;
atomic_uint bar_memory_shown;
_Atomic(struct bar_views *) bar_views_now;
struct gate bar_views_gate;
static struct engine_lock views_lock = ENGINE_LOCK_INIT;

static size_t page_align(size_t len)
{
	return (len + PAGE - 1) & ~(PAGE - 1);
}

/* Edits. */

/* Publish @next, with views_lock held. The old set is the caller's to free once that is dropped. */
static struct bar_views *views_publish(struct bar_views *next)
{
	struct bar_views *now = bar_views_now;

	atomic_store_explicit(&bar_views_now, next, memory_order_release);
	atomic_store(&bar_nr_views, next ? next->nr : 0);
	gate_sync(&bar_views_gate);
	return now;
}

/*
 * Which DMA to a view may be mapped, as Linux finds out by a fault: what the program
 * itself may do, and nothing while the device's memory is off.
 */
static uint32_t view_dma_rights(const struct bar_view *v)
{
	if (v->dev && !config_memory_enabled(v->dev))
		return 0;
	return (v->prot & PROT_READ ? RF_READ : 0) | (v->prot & PROT_WRITE ? RF_WRITE : 0);
}

static int owner_add_view(struct rf_owner *owner, const struct bar_view *v)
{
	return owner_add_device_range(owner, v->first, v->last - v->first + 1, view_dma_rights(v));
}

/* What is in [first, last] is a BAR for DMA just as far as the set says so. */
static void owner_follow(uintptr_t first, uintptr_t last)
{
	struct rf_owner *owner = engine_owner();
	const struct bar_views *now = bar_views_now;
	struct bar_view piece;

	if (!owner)
		return;
	owner_del_device_range(owner, first, last - first + 1);
	for (unsigned i = 0; now && i < now->nr; i++) {
		if (now->view[i].last < first || now->view[i].first > last)
			continue;
		piece = bar_view_clip(&now->view[i], first, last);
		owner_add_view(owner, &piece);
	}
}

/*
 * [first, last] is to be no BAR any more, with views_lock held. The new set is
 * made while the place is taken, and the place stays taken: the caller unmaps
 * it when the lock is dropped and the old set is freed, so that nothing of ours
 * comes to lie where the program believes a hole. 0, or a negative errno:
 * nothing has changed.
 */
static int views_vacate(uintptr_t first, uintptr_t last, struct bar_views **old)
{
	struct bar_views *next;
	void *place;
	int ret = bar_views_edit(bar_views_now, first, last, NULL, &next);

	if (ret)
		return ret;
	place = sys_mmap((void *)first, last - first + 1, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (sys_failed(place)) {
		ret = sys_munmap((void *)first, last - first + 1);
		if (ret) {
			bar_views_free(next);
			return ret;
		}
	}
	*old = views_publish(next);
	owner_follow(first, last);
	return 0;
}

/* Devices that lost their last mapping need no polling. */
static void views_free(struct bar_views *old)
{
	const struct bar_views *now;

	for (unsigned i = 0; old && i < old->nr; i++) {
		struct rf_device *dev = old->view[i].dev;
		bool mapped = !dev;

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

/* Pages of a device whose memory is disabled are inaccessible: see bar_access.c. */
static int page_prot(const struct bar_view *v, enum rf_area_kind kind, bool open)
{
	if (v->dev && !config_memory_enabled(v->dev))
		return PROT_NONE;
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

static enum rf_area_kind view_kind(const struct bar_view *v, uintptr_t addr)
{
	uint64_t off = v->offset + (addr - v->first);

	return v->dev ? bar_page_kind(v->dev, v->bar, off) : holder_page_kind(v->file, v->bar, off);
}

/* Protect a view, which is PROT_NONE all over or protected otherwise. 0 or a negative errno. */
static int view_protect(const struct bar_view *v)
{
	bool open = v->dev && doorbell_is_open(v->dev);
	uintptr_t addr = v->first, end;
	int ret = 0;

	while (!ret && addr - 1 != v->last) {
		enum rf_area_kind kind = view_kind(v, addr);

		for (end = addr + PAGE; end - 1 != v->last; end += PAGE)
			if (view_kind(v, end) != kind)
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

void bar_areas(const struct rf_device *dev, unsigned bar, struct rf_bar_area *areas)
{
	const struct rf_bar_area *decl = dev->bars[bar].decl->areas;
	unsigned n = 0;

	memset(areas, 0, RF_BAR_AREAS * sizeof(*areas));
	for (unsigned i = 0; i < RF_BAR_AREAS && decl[i].size; i++) {
		uint64_t off = 0;

		/* an area with the MSI-X table in it is left to trapping */
		while (off < decl[i].size &&
		       bar_page_kind(dev, bar, decl[i].offset + off) == decl[i].kind)
			off += PAGE;
		if (off >= decl[i].size)
			areas[n++] = decl[i];
	}
}

/* The device list of a session's machine stays as it is. */
static void lent_follow_memory(bool enabled)
{
	struct rf_machine *machine = engine_machine_made();

	if (!machine || !atomic_load(&bars_lent))
		return;
	for (struct rf_device *dev = machine->devices; dev; dev = dev->next)
		if (dev->model && config_memory_enabled(dev) == enabled)
			bars_follow_memory(dev);
}

void bar_map_elsewhere(struct rf_device *dev, unsigned bar)
{
	engine_lock(&views_lock);
	bar_lend(dev, bar);
	bars_follow_memory(dev);
	engine_unlock(&views_lock);
}

void bar_show_memory(void)
{
	const struct bar_views *now;

	engine_lock(&views_lock);
	atomic_store(&bar_memory_shown, atomic_load(&config_memory_changes));
	/* our own mappings are accessible only while there are pages in them */
	lent_follow_memory(true);
	now = bar_views_now;
	for (unsigned i = 0; now && i < now->nr; i++) {
		if (!now->view[i].dev)
			continue;
		view_protect(&now->view[i]);
		if (engine_owner())
			owner_add_view(engine_owner(), &now->view[i]);
	}
	lent_follow_memory(false);
	engine_unlock(&views_lock);
}

/* Mapping. */

/*
 * Map @v, with views_lock held, @len bytes where @addr and @flags say. What can
 * fail is done before what is there is replaced, save its protection.
 */
static void *view_map(struct bar_view *v, void *addr, size_t len, int flags, int memfd,
		      struct bar_views **old)
{
	bool over = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED;
	struct bar_views *with = NULL, *without = NULL;
	void *p = addr;
	int ret;

	flags &= ~(MAP_POPULATE | MAP_LOCKED);
	if (memfd < 0)
		return (void *)(long)memfd;
	if (over && (uintptr_t)addr % PAGE)
		return (void *)-EINVAL;
	if (over && (uintptr_t)addr + len - 1 < (uintptr_t)addr)
		return (void *)-ENOMEM;
	if (!over)
		p = sys_mmap(addr, len, PROT_NONE, flags, memfd, (off_t)v->offset);
	if (sys_failed(p))
		return p;
	v->first = (uintptr_t)p;
	v->last = v->first + len - 1;
	ret = bar_views_edit(bar_views_now, v->first, v->last, NULL, &without);
	if (!ret)
		ret = bar_views_edit(bar_views_now, v->first, v->last, v, &with);
	if (!ret && engine_owner())
		ret = owner_add_view(engine_owner(), v);
	if (!ret && over) {
		p = sys_mmap(addr, len, PROT_NONE, flags, memfd, (off_t)v->offset);
		ret = sys_failed(p) ? sys_error(p) : 0;
	}
	if (ret)
		goto refused;
	*old = views_publish(with);
	ret = view_protect(v);
	if (ret) {
		sys_munmap(p, len);
		bar_views_free(views_publish(without));
		owner_follow(v->first, v->last);
		return (void *)(long)ret;
	}
	bar_views_free(without);
	return p;
refused:
	bar_views_free(with);
	bar_views_free(without);
	owner_follow(v->first, v->last);
	if (!over)
		sys_munmap((void *)v->first, len);
	return (void *)(long)ret;
}

/* What a file says of a mapping of it. A holder's @memfd is the caller's to close. */
static int view_describe(struct bar_view *v, struct file *file, uint64_t off, uint64_t len,
			 int flags, int *memfd)
{
	struct file_mapping m;
	int ret;

	v->file = file;
	if (holder_is(file)) {
		signals_install();
		return holder_mmap(file, off, len, v->prot, flags, memfd, &v->bar, &v->offset);
	}
	if (!file->ops->mmap)
		return -ENODEV;
	ret = file->ops->mmap(file, off, len, v->prot, flags, &m);
	if (ret)
		return ret;
	v->dev = m.dev;
	v->bar = m.bar;
	v->offset = m.offset;
	*memfd = bar_backing(m.dev, m.bar);
	return 0;
}

void *bar_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct bar_view view = { .prot = prot };
	struct bar_views *old = NULL;
	struct pin_leaving leaving;
	struct open_file *of;
	bool over = engine_owner() && (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED;
	int ret, access, memfd = -1;
	void *p;

	of = fd_get(fd, &ret);
	if (!of)
		return (void *)(long)ret;
	ret = -EINVAL;
	if (!len || off % PAGE)
		goto refused;
	len = page_align(len);
	ret = -ENOMEM;
	if (!len || len > SPACE)
		goto refused;
	ret = -EOVERFLOW;
	if ((uint64_t)off / PAGE > (UINT64_MAX - len) / PAGE)
		goto refused;
	/* Linux shares nothing of a descriptor that cannot write, and VFIO maps nothing else */
	access = of->oflags & O_ACCMODE;
	ret = access == O_WRONLY || (flags & MAP_SHARED && prot & PROT_WRITE) ? -EACCES : -EINVAL;
	if (access != O_RDWR)
		goto refused;
	ret = view_describe(&view, of->file, (uint64_t)off, len, flags, &memfd);
	if (ret)
		goto refused;
	of->dev = view.dev;
	if (view.dev)
		doorbell_prepare(view.dev);
	if (over && pin_leave_begin(&leaving, engine_owner(), (uintptr_t)addr, len) &&
	    range_is_valid(addr, len))
		pin_leave_keep(&leaving, engine_owner(), (uintptr_t)addr, len, PIN_UNMAP);
	engine_lock(&views_lock);
	p = view_map(&view, addr, len, flags, memfd, &old);
	engine_unlock(&views_lock);
	if (over)
		pin_leave_end(&leaving);
	if (!view.dev)
		sys_close(memfd);
	views_free(old);
	fd_put(of);
	return p;
refused:
	fd_put(of);
	return (void *)(long)ret;
}

void *bar_mmap_over(void *addr, size_t len, int prot, int flags, int fd, off_t off,
		    struct pin_leaving *leaving)
{
	uintptr_t first = (uintptr_t)addr, last = first + page_align(len) - 1;
	struct bar_views *old = NULL, *next;
	void *p;
	int ret;

	fork_settle();
	engine_lock(&views_lock);
	ret = bar_views_edit(bar_views_now, first, last, NULL, &next);
	p = ret ? (void *)(long)ret : sys_mmap(addr, len, prot, flags, fd, off);
	if (!sys_failed(p)) {
		old = views_publish(next);
		owner_follow(first, last);
	} else if (!ret) {
		bar_views_free(next);
	}
	engine_unlock(&views_lock);
	pin_leave_end(leaving);
	views_free(old);
	return p;
}

int bar_munmap(uintptr_t addr, size_t len, struct pin_leaving *leaving)
{
	struct bar_views *old = NULL;
	int ret;

	len = page_align(len);
	if (addr % PAGE || addr + len - 1 < addr)
		return -EINVAL;
	fork_settle();
	engine_lock(&views_lock);
	ret = views_vacate(addr, addr + len - 1, &old);
	engine_unlock(&views_lock);
	pin_leave_end(leaving);
	views_free(old);
	return ret ? ret : sys_munmap((void *)addr, len);
}

void bar_forget(uintptr_t addr, size_t len)
{
	uintptr_t last = addr + page_align(len) - 1;
	struct bar_views *old = NULL, *next;

	engine_enter();
	engine_lock(&views_lock);
	if (!bar_views_edit(bar_views_now, addr, last, NULL, &next)) {
		old = views_publish(next);
		owner_follow(addr, last);
	} else {
		log_line(LOG_ERROR,
			 "out of memory: a BAR mapping at %#lx is gone, but not forgotten",
			 (unsigned long)addr);
	}
	engine_unlock(&views_lock);
	views_free(old);
	engine_leave();
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

/* A change of rights, piece by piece, as far as it goes. */
struct protecting {
	int prot;
	uintptr_t reached; /* where the piece begins that was changed last */
};

static int protect_view(const struct bar_view *piece, void *arg)
{
	struct protecting *p = arg;

	p->reached = piece->first;
	return piece->file ? view_protect(piece) : 0;
}

static int protect_other(void *addr, size_t len, void *arg)
{
	struct protecting *p = arg;

	p->reached = (uintptr_t)addr;
	return sys_mprotect(addr, len, p->prot);
}

/* Views of @next from @first on keep the rights that they have now. */
static void protect_undo(struct bar_views *next, uintptr_t first, uintptr_t last)
{
	for (unsigned i = 0; i < next->nr; i++) {
		struct bar_view *v = &next->view[i];

		if (v->first < first || v->first > last)
			continue;
		v->prot = bar_views_find(bar_views_now, v->first)->prot;
		if (v->file)
			view_protect(v);
	}
}

int bar_mprotect(uintptr_t addr, size_t len, int prot)
{
	struct protecting p = { .prot = prot, .reached = addr };
	_Atomic(struct bar_views *) changed;
	struct bar_views *old = NULL, *next;
	uintptr_t last = addr + page_align(len) - 1;
	int ret;

	if (addr % PAGE)
		return -EINVAL;
	if (last < addr)
		return -ENOMEM;
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return sys_mprotect((void *)addr, len, prot);
	fork_settle();
	engine_lock(&views_lock);
	ret = bar_views_protect(bar_views_now, addr, last, prot, &next);
	if (!ret) {
		atomic_init(&changed, next);
		ret = bar_views_walk(&changed, addr, last - addr + 1, protect_view, protect_other,
				     &p);
		if (ret)
			protect_undo(next, p.reached, last);
		old = views_publish(next);
		owner_follow(addr, last);
	}
	engine_unlock(&views_lock);
	views_free(old);
	return ret;
}

/*
 * Device memory does not grow and cannot be mapped twice by mremap. A move maps
 * the same piece anew, as the old mapping is several to the kernel.
 */
void *bar_mremap(uintptr_t addr, size_t old_len, size_t new_len, int flags, uintptr_t to,
		 struct pin_leaving *leaving)
{
	struct bar_views *old = NULL, *gone = NULL;
	const struct bar_view *v;
	struct bar_view moved;
	size_t kept;
	int ret;
	void *p;

	old_len = page_align(old_len);
	new_len = page_align(new_len);
	kept = flags & MREMAP_FIXED ? 0 : new_len; /* at the old place */
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
		p = view_map(&moved, (void *)to, new_len, MAP_SHARED | MAP_FIXED,
			     bar_backing(v->dev, v->bar), &old);
		if (sys_failed(p))
			goto out;
	}
	if (kept < old_len) {
		ret = views_vacate(addr + kept, addr + old_len - 1, &gone);
		if (ret) {
			/* a second mapping of the same is all that there can be left */
			if (flags & MREMAP_FIXED)
				views_vacate(to, to + new_len - 1, &gone);
			p = (void *)(long)ret;
		}
	}
out:
	engine_unlock(&views_lock);
	pin_leave_end(leaving);
	views_free(old);
	views_free(gone);
	if (gone && sys_failed(p))
		sys_munmap((void *)to, new_len);
	else if (gone)
		sys_munmap((void *)(addr + kept), old_len - kept);
	return p;
}

/* Fork. */

/* The child will have our mappings. */
void bar_fork_prepare(void)
{
	const struct bar_views *now;

	engine_lock(&views_lock);
	now = bar_views_now;
	for (unsigned i = 0; now && i < now->nr; i++) {
		const struct bar_view *v = &now->view[i];

		if (!v->dev || atomic_load(&v->dev->bars[v->bar].lent))
			continue;
		bar_lend(v->dev, v->bar);
		bars_follow_memory(v->dev);
	}
}

void bar_fork_parent(void)
{
	engine_unlock(&views_lock);
}

/*
 * The file of a mapping that was the parent's, reached through one of the numbers
 * that we inherited with it; NULL: there is none, or no memory.
 */
static struct file *inherited_file(const struct bar_view *v)
{
	struct rf_bar_area areas[RF_BAR_AREAS];
	int fd = fd_of_file(v->file), oflags;
	struct file *file;
	ino_t inode;

	if (fd < 0 || holder_new(fd, &file, &inode, &oflags))
		return NULL;
	if (v->dev)
		bar_areas(v->dev, v->bar, areas);
	else
		holder_areas(v->file, v->bar, areas);
	holder_set_areas(file, v->bar, areas);
	return file;
}

/*
 * The set is a copy of the parent's, whose file references are the parent's too,
 * and nobody else looks at it yet.
 */
void bar_abandon(void)
{
	struct bar_views *now = bar_views_now;

	engine_lock_renew(&views_lock);
	memset(&bar_views_gate, 0, sizeof(bar_views_gate));
	for (unsigned i = 0; now && i < now->nr; i++) {
		struct bar_view *v = &now->view[i];

		sys_mprotect((void *)v->first, v->last - v->first + 1, PROT_NONE);
		v->file = v->file ? inherited_file(v) : NULL;
		v->dev = NULL;
		if (v->file)
			view_protect(v);
	}
	stack_abandon();
}
