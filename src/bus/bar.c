/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * BARs: who answers an access, and the pages behind it.
 *
 * A page is one of: ours (the MSI-X table and pending bits), the model's (TRAP),
 * or memory (READABLE, RAM, DOORBELL). Loads of memory pages read the
 * memory, and stores to READABLE and DOORBELL pages call the model too, so an
 * access through bar_read() and one through a mapping of the memfd give the
 * same bytes.
 *
 * The memfd is made when somebody needs it: with the device if it has memory
 * pages (the model fills them), else at the first mapping. Its descriptor is
 * moved out of the way of a program's low numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/hidden.h"
#include "base/sys.h"
#include "bus/internal.h"

static uint64_t all_ones(unsigned size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

static bool bar_access_valid(const struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	uint64_t end = bar_size(dev, bar);

	return (size == 1 || size == 2 || size == 4 || size == 8) && off % size == 0 && off < end &&
	       size <= end - off;
}

static uint64_t table_size(const struct rf_device *dev)
{
	return (uint64_t)dev->model->msix_vectors * MSIX_ENTRY_SIZE;
}

static uint64_t pba_size(const struct rf_device *dev)
{
	return (dev->model->msix_vectors + 63u) / 64 * 8;
}

/*
 * Whether @off is the engine's: in the @size bytes at @start, or anywhere in the pages
 * that hold them. Where an image of configuration space says that they are there
 * may be other registers in these pages, which are the model's.
 */
static bool in_msix(const struct rf_device *dev, uint64_t off, uint64_t start, uint64_t size)
{
	return off >= start && off - start < (dev->model->config ? size : page_up(size));
}

static bool bar_in_table(const struct rf_device *dev, unsigned bar, uint64_t off)
{
	return dev->cap_msix && bar == dev->msix_bar &&
	       in_msix(dev, off, dev->msix_table, table_size(dev));
}

static bool bar_in_pba(const struct rf_device *dev, unsigned bar, uint64_t off)
{
	return dev->cap_msix && bar == dev->msix_pba_bar &&
	       in_msix(dev, off, dev->msix_pba, pba_size(dev));
}

/* Whether a page of an image's BAR has something of MSI-X, and so cannot be memory. */
static bool page_has(uint64_t off, uint64_t start, uint64_t size)
{
	return off / PAGE_SIZE >= start / PAGE_SIZE &&
	       off / PAGE_SIZE <= (start + size - 1) / PAGE_SIZE;
}

static bool page_is_msix(const struct rf_device *dev, unsigned bar, uint64_t off)
{
	return dev->cap_msix && dev->model->config &&
	       ((bar == dev->msix_bar && page_has(off, dev->msix_table, table_size(dev))) ||
		(bar == dev->msix_pba_bar && page_has(off, dev->msix_pba, pba_size(dev))));
}

enum rf_area_kind bar_page_kind(const struct rf_device *dev, unsigned bar, uint64_t off)
{
	const struct rf_bar_area *area;

	if (bar >= RF_PCI_BARS || page_is_msix(dev, bar, off))
		return RF_AREA_TRAP;
	area = dev->bars[bar].decl->areas;
	for (unsigned i = 0; i < RF_BAR_AREAS && area[i].size; i++)
		if (off >= area[i].offset && off - area[i].offset < area[i].size)
			return area[i].kind;
	return RF_AREA_TRAP;
}

static uint64_t mem_load(const uint8_t *at, unsigned size)
{
	switch (size) {
	case 1:
		return __atomic_load_n(at, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
	default:
		return __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
	}
}

static void mem_store(uint8_t *at, uint64_t val, unsigned size)
{
	switch (size) {
	case 1:
		__atomic_store_n(at, (uint8_t)val, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)at, (uint16_t)val, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)at, (uint32_t)val, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint64_t *)at, val, __ATOMIC_RELEASE);
		break;
	}
}

/* MSI-X structures are words and double words; narrower loads are picked out of a word. */
static uint64_t msix_load(struct rf_device *dev, bool table, uint64_t off, unsigned size)
{
	uint32_t (*word)(struct rf_device *, uint64_t) = table ? irq_table_read : irq_pba_read;
	uint64_t val = word(dev, off & ~3ull);

	if (size == 8)
		val |= (uint64_t)word(dev, off + 4) << 32;
	return val >> (off % 4 * 8) & all_ones(size);
}

/* As the specification demands, narrower stores than a word have no effect. */
static void msix_store(struct rf_device *dev, uint64_t off, uint64_t val, unsigned size)
{
	if (size < 4)
		return;
	irq_table_write(dev, off, (uint32_t)val);
	if (size == 8)
		irq_table_write(dev, off + 4, (uint32_t)(val >> 32));
}

static uint64_t bar_load(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	const struct bar_state *state = &dev->bars[bar];

	if (bar_in_table(dev, bar, off))
		return msix_load(dev, true, off - dev->msix_table, size);
	if (bar_in_pba(dev, bar, off))
		return msix_load(dev, false, off - dev->msix_pba, size);
	if (bar_page_kind(dev, bar, off) != RF_AREA_TRAP)
		return mem_load(state->mem + off, size);
	if (!state->decl->read)
		return 0;
	return state->decl->read(dev, bar, off, size) & all_ones(size);
}

static void bar_store(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
		      unsigned size)
{
	const struct bar_state *state = &dev->bars[bar];
	enum rf_area_kind kind;

	if (bar_in_table(dev, bar, off)) {
		msix_store(dev, off - dev->msix_table, val, size);
		return;
	}
	if (bar_in_pba(dev, bar, off))
		return;
	kind = bar_page_kind(dev, bar, off);
	if (kind == RF_AREA_RAM || kind == RF_AREA_DOORBELL)
		mem_store(state->mem + off, val, size);
	if (kind != RF_AREA_RAM && state->decl->write)
		state->decl->write(dev, bar, off, val & all_ones(size), size);
}

uint64_t bar_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	uint64_t val;

	if (device_gone(dev) || !bar_access_valid(dev, bar, off, size))
		return size && size < 8 ? all_ones(size) : UINT64_MAX;
	device_lock(dev);
	val = bar_load(dev, bar, off, size);
	device_unlock(dev);
	return val;
}

void bar_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val, unsigned size)
{
	if (device_gone(dev) || !bar_access_valid(dev, bar, off, size))
		return;
	device_lock(dev);
	bar_store(dev, bar, off, val, size);
	device_unlock(dev);
}

/* The widest naturally aligned access at @off within @len. */
static unsigned bar_step(uint64_t off, size_t len)
{
	for (unsigned size = 8; size > 1; size /= 2)
		if (off % size == 0 && len >= size)
			return size;
	return 1;
}

void bar_read_bytes(struct rf_device *dev, unsigned bar, uint64_t off, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		unsigned step = bar_step(off, len);
		uint64_t val = bar_read(dev, bar, off, step);

		memcpy(to, &val, step);
		to += step;
		off += step;
		len -= step;
	}
}

void bar_write_bytes(struct rf_device *dev, unsigned bar, uint64_t off, const void *buf, size_t len)
{
	const uint8_t *from = buf;

	while (len) {
		unsigned step = bar_step(off, len);
		uint64_t val = 0;

		memcpy(&val, from, step);
		bar_write(dev, bar, off, val, step);
		from += step;
		off += step;
		len -= step;
	}
}

/* A memfd of @size bytes. */
static int bar_memfd(uint64_t size)
{
	int fd, ret;

	fd = (int)syscall(SYS_memfd_create, "ringfence-bar", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_ftruncate, fd, size)) {
		ret = -errno;
		sys_close(fd);
		return ret;
	}
	return fd;
}

int bar_backing(struct rf_device *dev, unsigned bar)
{
	struct bar_state *state = &dev->bars[bar];
	void *mem;
	int fd;

	if (!bar_size(dev, bar))
		return -EINVAL;
	device_lock(dev);
	fd = hidden_number(&state->memfd);
	if (fd >= 0)
		goto out;
	fd = bar_memfd(page_up(state->decl->size));
	if (fd < 0)
		goto out;
	mem = apart_mmap(page_up(state->decl->size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sys_failed(mem)) {
		sys_close(fd);
		fd = sys_error(mem);
		goto out;
	}
	state->mem = mem;
	hidden_keep(&state->memfd, fd);
	fd = hidden_number(&state->memfd);
out:
	device_unlock(dev);
	return fd;
}

/*
 * Lending. What other processes have mapped nobody here can take away from them, but
 * the file can be cut to nothing: the kernel then drops its pages from every mapping,
 * and answers accesses with a bus error. What the pages held is kept in a copy, which
 * lies where they lay, as models know the place.
 */

atomic_uint bars_lent;

void bar_lend(struct rf_device *dev, unsigned bar)
{
	if (!atomic_exchange(&dev->bars[bar].lent, true))
		atomic_fetch_add(&bars_lent, 1);
}

static bool page_is_empty(const uint8_t *page)
{
	static const uint8_t zeroes[PAGE_SIZE];

	return !memcmp(page, zeroes, PAGE_SIZE);
}

/* @to, all zeroes, takes the place of what is at state->mem, with the same bytes. */
static int bar_move_in(struct bar_state *state, uint8_t *to, uint64_t size)
{
	void *ret;

	for (uint64_t off = 0; off < size; off += PAGE_SIZE)
		if (!page_is_empty(state->mem + off))
			memcpy(to + off, state->mem + off, PAGE_SIZE);
	ret = sys_mremap(to, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, state->mem);
	if (!sys_failed(ret))
		return 0;
	sys_munmap(to, size);
	return sys_error(ret);
}

static int bar_go_away(struct bar_state *state, int fd, uint64_t size)
{
	void *copy = apart_mmap(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret = sys_failed(copy) ? sys_error(copy) : bar_move_in(state, copy, size);

	return ret ? ret : (int)syscall(SYS_ftruncate, fd, 0ul);
}

static int bar_come_back(struct bar_state *state, int fd, uint64_t size)
{
	void *pages;
	int ret;

	if (syscall(SYS_ftruncate, fd, size))
		return -errno;
	pages = apart_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ret = sys_failed(pages) ? sys_error(pages) : bar_move_in(state, pages, size);
	if (ret)
		syscall(SYS_ftruncate, fd, 0ul);
	return ret;
}

void bars_follow_memory(struct rf_device *dev)
{
	device_lock(dev);
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		struct bar_state *state = &dev->bars[i];
		uint64_t size = bar_size(dev, i) ? page_up(state->decl->size) : 0;
		bool away = !config_memory_enabled(dev);
		int fd = size ? hidden_number(&state->memfd) : -1;

		if (!atomic_load(&state->lent) || fd < 0 || state->away == away)
			continue;
		if (!(away ? bar_go_away(state, fd, size) : bar_come_back(state, fd, size)))
			state->away = away;
	}
	device_unlock(dev);
}

int bars_new(struct rf_device *dev)
{
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		int fd;

		if (!bar_size(dev, i) || !dev->bars[i].decl->areas[0].size)
			continue;
		fd = bar_backing(dev, i);
		if (fd < 0)
			return fd;
	}
	return 0;
}

void bars_free(struct rf_device *dev)
{
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		struct bar_state *state = &dev->bars[i];

		if (state->memfd.fd < 0)
			continue;
		sys_munmap(state->mem, page_up(state->decl->size));
		hidden_close(&state->memfd);
		state->mem = NULL;
	}
}

void rom_read_bytes(const struct rf_device *dev, uint64_t off, void *buf, size_t len)
{
	const struct rf_pci_model *model = dev->model;
	size_t there = off < model->rom_length ? model->rom_length - off : 0;

	if (there > len)
		there = len;
	memset(buf, device_gone(dev) ? 0xff : 0, len);
	if (there && !device_gone(dev))
		memcpy(buf, (const uint8_t *)model->rom + off, there);
}

uint64_t rf_bar_size(const struct rf_device *dev, unsigned bar)
{
	return bar_size(dev, bar);
}

void *rf_bar_mem(const struct rf_device *dev, unsigned bar)
{
	if (!bar_size(dev, bar) || !dev->bars[bar].decl->areas[0].size)
		return NULL;
	return dev->bars[bar].mem;
}

unsigned device_poll(struct rf_device *dev)
{
	unsigned found;

	if (!dev->model->poll || device_gone(dev))
		return 0;
	device_lock(dev);
	found = dev->model->poll(dev);
	device_unlock(dev);
	return found;
}
