/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * About all calls of VFIO on a type1 container, a group and a device, one result a line:
 *
 *	oracle BDF
 *
 * for a device that is bound to vfio-pci. Each line is its number, the call, what it
 * returned, and what it filled in. Lines that depend on the machine (the group's number)
 * start with '#'.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "say.h"

#define MB (1ull << 20)

static void ext(int c)
{
	for (long i = 1; i <= 12; i++) {
		int e, r = io(c, VFIO_CHECK_EXTENSION, (void *)i, &e);
		line(r, e, "CHECK_EXTENSION(%ld)", i);
	}
}

static void status(int g, uint32_t argsz)
{
	struct {
		struct vfio_group_status s;
		char pad[64];
	} b = {};
	int e, r;
	b.s.argsz = argsz;
	b.s.flags = 0xdeadbeef;
	r = io(g, VFIO_GROUP_GET_STATUS, &b, &e);
	out(r, e, "GROUP_GET_STATUS(argsz=%u)", argsz);
	printf(" argsz=%u flags=%#x\n", b.s.argsz, b.s.flags);
}

/* caps chain at off in buf: one indented field list on the same line */
static void caps_iommu(uint8_t *buf, uint32_t off, uint32_t len)
{
	while (off && off + 8 <= len) {
		struct vfio_info_cap_header *h = (void *)(buf + off);
		printf(" cap@%u{id=%u v=%u next=%u", off, h->id, h->version, h->next);
		if (h->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
			struct vfio_iommu_type1_info_cap_iova_range *c = (void *)h;
			printf(" nr=%u res=%u", c->nr_iovas, c->reserved);
			for (unsigned i = 0; i < c->nr_iovas; i++)
				printf(" [%#llx-%#llx]", c->iova_ranges[i].start,
				       c->iova_ranges[i].end);
		} else if (h->id == VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION) {
			struct vfio_iommu_type1_info_cap_migration *c = (void *)h;
			printf(" flags=%#x pgsz=%#llx max=%#llx", c->flags, c->pgsize_bitmap,
			       c->max_dirty_bitmap_size);
		} else if (h->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL) {
			struct vfio_iommu_type1_info_dma_avail *c = (void *)h;
			printf(" avail=%u", c->avail);
		}
		printf("}");
		off = h->next;
	}
}

static void iommu_info(int c, uint32_t argsz)
{
	union {
		struct vfio_iommu_type1_info i;
		uint8_t b[4096];
	} u;
	int e, r;
	memset(&u, 0xa5, sizeof u);
	u.i.argsz = argsz;
	u.i.flags = 0;
	r = io(c, VFIO_IOMMU_GET_INFO, &u, &e);
	out(r, e, "IOMMU_GET_INFO(argsz=%u)", argsz);
	printf(" argsz=%u flags=%#x", u.i.argsz, u.i.flags);
	if (r == 0) {
		printf(" pgsizes=%#llx", u.i.iova_pgsizes);
		if (argsz >= 20)
			printf(" cap_offset=%u", u.i.cap_offset);
		if (argsz >= 24)
			printf(" pad=%#x", u.i.pad);
		if (argsz >= 20 && (u.i.flags & VFIO_IOMMU_INFO_CAPS) &&
		    u.i.cap_offset != 0xa5a5a5a5)
			caps_iommu(u.b, u.i.cap_offset, argsz);
		// first byte the kernel left alone, as a write-extent probe
		unsigned w = sizeof u.b;
		while (w && u.b[w - 1] == 0xa5)
			w--;
		printf(" written<=%u", w);
	}
	nl();
}

static void map(int c, const char *what, uint32_t argsz, uint32_t fl, uint64_t va, uint64_t iova,
		uint64_t sz)
{
	struct vfio_iommu_type1_dma_map m = { argsz, fl, va, iova, sz };
	int e, r = io(c, VFIO_IOMMU_MAP_DMA, &m, &e);
	line(r, e, "MAP_DMA(%s: fl=%#x iova=%#llx size=%#llx)", what, fl, (long long)iova,
	     (long long)sz);
}
static void unmap(int c, const char *what, uint32_t argsz, uint32_t fl, uint64_t iova, uint64_t sz)
{
	struct {
		struct vfio_iommu_type1_dma_unmap m;
		struct vfio_bitmap b;
	} u = {};
	int e, r;
	u.m.argsz = argsz;
	u.m.flags = fl;
	u.m.iova = iova;
	u.m.size = sz;
	r = io(c, VFIO_IOMMU_UNMAP_DMA, &u, &e);
	out(r, e, "UNMAP_DMA(%s: fl=%#x iova=%#llx size=%#llx)", what, fl, (long long)iova,
	    (long long)sz);
	printf(" size=%#llx\n", u.m.size);
}

#define RW 3u
#define A  ((uint32_t)sizeof(struct vfio_iommu_type1_dma_map))
#define U  ((uint32_t)sizeof(struct vfio_iommu_type1_dma_unmap))

/**
 * struct memory - what is mapped
 * @p: 8 MiB, and @v its address
 * @ro, @none: 1 MiB that cannot be written, or not even be read
 * @hole: 1 MiB, and as much behind it that is not there
 */
struct memory {
	uint8_t *p, *ro, *none, *hole;
	uint64_t v;
};

static void dma_map_rules(int c, const struct memory *m)
{
	map(c, "argsz-small", A - 1, RW, m->v, MB, MB);
	map(c, "argsz-zero", 0, RW, m->v, MB, MB);
	map(c, "argsz-big", A + 64, RW, m->v, MB, 4096);
	unmap(c, "that", U, 0, MB, 4096);
	map(c, "zero-size", A, RW, m->v, MB, 0);
	map(c, "unaligned-iova", A, RW, m->v, MB + 1, 4096);
	map(c, "unaligned-va", A, RW, m->v + 512, MB, 4096);
	map(c, "unaligned-size", A, RW, m->v, MB, 4097);
	map(c, "no-perms", A, 0, m->v, MB, 4096);
	map(c, "bad-flag", A, 0x80, m->v, MB, 4096);
	map(c, "vaddr-flag+rw", A, RW | 4, m->v, MB, 4096);
	map(c, "vaddr-flag-nomap", A, 4, m->v, MB, 4096);
	map(c, "iova-wrap", A, RW, m->v, ~0ull << 12, 8192);
	map(c, "va-wrap", A, RW, ~0ull << 12, MB, 8192);
	map(c, "iova-last-page", A, RW, m->v, ~0ull << 12, 4096);
	map(c, "iova-2^57", A, RW, m->v, 1ull << 57, 4096);
	map(c, "iova-2^48", A, RW, m->v, 1ull << 48, 4096);
	unmap(c, "that", U, 0, 1ull << 48, 4096);
	map(c, "iova-2^39", A, RW, m->v, 1ull << 39, 4096);
	unmap(c, "that", U, 0, 1ull << 39, 4096);
	map(c, "iova-2^39-1page", A, RW, m->v, (1ull << 39) - 4096, 4096);
	unmap(c, "that", U, 0, (1ull << 39) - 4096, 4096);
	map(c, "iova-2^38", A, RW, m->v, 1ull << 38, 4096);
	unmap(c, "that", U, 0, 1ull << 38, 4096);
	map(c, "msi-window", A, RW, m->v, 0xfee00000, 4096);
	map(c, "cross-msi-window", A, RW, m->v, 0xfee00000 - MB, 2 * MB);
	map(c, "bad-va-null", A, RW, 0, MB, 4096);
	map(c, "bad-va-unmapped", A, RW, (uintptr_t)(m->hole + MB), MB, 4096);
	map(c, "bad-va-noncanon", A, RW, 1ull << 60, MB, 4096);
	map(c, "bad-va-kernel", A, RW, 0xffff888000000000ull, MB, 4096);
	map(c, "prot-none", A, RW, (uintptr_t)m->none, MB, 4096);
	map(c, "ro-va-with-write", A, RW, (uintptr_t)m->ro, MB, 4096);
	map(c, "ro-va-read-only", A, 1, (uintptr_t)m->ro, MB, 4096);
	unmap(c, "that", U, 0, MB, 4096);
	map(c, "write-only", A, 2, m->v, MB, 4096);
	unmap(c, "that", U, 0, MB, 4096);
	map(c, "half-hole", A, RW, (uintptr_t)m->hole, MB, 2 * MB);
	unmap(c, "must-be-gone", U, 0, MB, 2 * MB);
}

static void dma_overlaps(int c, const struct memory *m)
{
	map(c, "ok-4M", A, RW, m->v, 16 * MB, 4 * MB);
	map(c, "same-again", A, RW, m->v, 16 * MB, 4 * MB);
	map(c, "overlap-head", A, RW, m->v, 15 * MB, 2 * MB);
	map(c, "overlap-tail", A, RW, m->v, 19 * MB, 2 * MB);
	map(c, "overlap-inside", A, RW, m->v, 17 * MB, 4096);
	map(c, "overlap-cover", A, RW, m->v, 15 * MB, 6 * MB);
	map(c, "adjacent", A, RW, m->v + 4 * MB, 20 * MB, MB);
	map(c, "same-va-other-iova", A, RW, m->v, 32 * MB, MB);
}

static void dma_unmap_rules(int c, const struct memory *m)
{
	iommu_info(c, 256);
	unmap(c, "argsz-small", U - 1, 0, 16 * MB, MB);
	unmap(c, "bad-flag", U, 0x80, 16 * MB, MB);
	unmap(c, "zero-size", U, 0, 16 * MB, 0);
	unmap(c, "unaligned-iova", U, 0, 16 * MB + 1, MB);
	unmap(c, "unaligned-size", U, 0, 16 * MB, 4097);
	unmap(c, "wrap", U, 0, ~0ull << 12, 8192);
	unmap(c, "size-2^64-1page", U, 0, 0, ~0ull << 12);
	unmap(c, "nothing-there", U, 0, 64 * MB, MB);
	map(c, "again-4M", A, RW, m->v, 16 * MB, 4 * MB);
	unmap(c, "tail-part", U, 0, 18 * MB, 2 * MB);
	unmap(c, "middle", U, 0, 17 * MB, MB);
	unmap(c, "span-start", U, 0, 15 * MB, 2 * MB);
	map(c, "re-4M(may-exist)", A, RW, m->v, 16 * MB, 4 * MB);
	unmap(c, "head-part", U, 0, 16 * MB, MB);
	map(c, "re-4M(may-exist)", A, RW, m->v, 16 * MB, 4 * MB);
	unmap(c, "exact", U, 0, 16 * MB, 4 * MB);
	unmap(c, "exact-again", U, 0, 16 * MB, 4 * MB);
	map(c, "two-a", A, RW, m->v, 16 * MB, MB);
	map(c, "two-b", A, RW, m->v + MB, 18 * MB, MB);
	unmap(c, "both+gap", U, 0, 15 * MB, 8 * MB);
}

static void dma_unmap_all(int c, const struct memory *m)
{
	map(c, "all-a", A, RW, m->v, 16 * MB, MB);
	map(c, "all-b", A, RW, m->v, 40 * MB, MB);
	unmap(c, "ALL-with-size", U, 2, 0, MB);
	unmap(c, "ALL-with-iova", U, 2, MB, 0);
	unmap(c, "VADDR-a", U, 4, 16 * MB, MB);
	unmap(c, "VADDR-a-again", U, 4, 16 * MB, MB);
	map(c, "VADDR-wrong-size", A, 4, m->v, 16 * MB, 4096);
	map(c, "VADDR-restore", A, 4, m->v, 16 * MB, MB);
	unmap(c, "ALL", U, 2, 0, 0);
	unmap(c, "ALL-empty", U, 2, 0, 0);
	unmap(c, "DIRTY-no-tracking", U + sizeof(struct vfio_bitmap), 1, 16 * MB, MB);
}

static void dma(int c)
{
	struct vfio_iommu_type1_dirty_bitmap d = { sizeof d, VFIO_IOMMU_DIRTY_PAGES_FLAG_START };
	struct memory m = {
		.p = mmap(0, 8 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.ro = mmap(0, MB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.none = mmap(0, MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.hole = mmap(0, 2 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	};

	m.v = (uintptr_t)m.p;
	munmap(m.hole + MB, MB);
	memset(m.p, 1, 8 * MB);
	dma_map_rules(c, &m);
	dma_overlaps(c, &m);
	dma_unmap_rules(c, &m);
	dma_unmap_all(c, &m);
	call(c, VFIO_IOMMU_DIRTY_PAGES, &d, "DIRTY_PAGES(START)");
	d.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP;
	call(c, VFIO_IOMMU_DIRTY_PAGES, &d, "DIRTY_PAGES(STOP)");
	munmap(m.p, 8 * MB);
	munmap(m.ro, MB);
	munmap(m.none, MB);
	munmap(m.hole, MB);
}

static void region(int d, uint32_t idx, uint32_t argsz)
{
	union {
		struct vfio_region_info i;
		uint8_t b[4096];
	} u;
	int e, r;
	memset(&u, 0, sizeof u);
	u.i.argsz = argsz;
	u.i.index = idx;
	r = io(d, VFIO_DEVICE_GET_REGION_INFO, &u, &e);
	out(r, e, "REGION_INFO(%u argsz=%u)", idx, argsz);
	printf(" argsz=%u flags=%#x cap_offset=%u size=%#llx offset=%#llx", u.i.argsz, u.i.flags,
	       u.i.cap_offset, u.i.size, u.i.offset);
	for (uint32_t off = u.i.cap_offset; r == 0 && off && off + 8 <= argsz;) {
		struct vfio_info_cap_header *h = (void *)(u.b + off);
		printf(" cap@%u{id=%u v=%u next=%u", off, h->id, h->version, h->next);
		if (h->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
			struct vfio_region_info_cap_sparse_mmap *s = (void *)h;
			for (unsigned i = 0; i < s->nr_areas; i++)
				printf(" [%#llx+%#llx]", s->areas[i].offset, s->areas[i].size);
		}
		printf("}");
		off = h->next;
	}
	nl();
}

static void irqset(int d, const char *what, uint32_t argsz, uint32_t fl, uint32_t idx,
		   uint32_t start, uint32_t count, const void *data, size_t len)
{
	union {
		struct vfio_irq_set s;
		uint8_t b[512];
	} u;
	int e, r;
	memset(&u, 0, sizeof u);
	u.s.argsz = argsz == ~0u ? sizeof u.s + len : argsz;
	u.s.flags = fl;
	u.s.index = idx;
	u.s.start = start;
	u.s.count = count;
	if (len)
		memcpy(u.b + sizeof u.s, data, len);
	r = io(d, VFIO_DEVICE_SET_IRQS, &u, &e);
	line(r, e, "SET_IRQS(%s: fl=%#x idx=%u start=%u count=%u)", what, fl, idx, start, count);
}
static void evrd(int fd, const char *what)
{
	uint64_t v = 0;
	errno = 0;
	int r = read(fd, &v, 8), e = errno;
	out(r, e, "read(eventfd %s)", what);
	printf(" value=%llu\n", (unsigned long long)v);
}

static uint64_t cfgoff = VFIO_PCI_CONFIG_REGION_INDEX * (1ull << 40);
static void rd(int d, const char *what, uint64_t off, size_t len)
{
	uint8_t b[64] = {};
	errno = 0;
	int r = pread(d, b, len, off), e = errno;
	out(r, e, "pread(%s len=%zu)", what, len);
	for (int i = 0; i < r; i++)
		printf(" %02x", b[i]);
	nl();
}
static void cfgw(int d, const char *what, uint32_t off, size_t len, uint32_t val)
{
	errno = 0;
	int r = pwrite(d, &val, len, cfgoff + off), e = errno;
	line(r, e, "pwrite(cfg+%#x %s len=%zu val=%#x)", off, what, len, val);
	rd(d, what, cfgoff + off, len);
}

static void device_info(int d)
{
	int e, r;

	for (uint32_t a = 0; a <= 64; a += 4) {
		if (a > 24 && a != 32 && a != 64)
			continue;
		union {
			struct vfio_device_info i;
			uint8_t b[256];
		} u;
		memset(&u, 0, sizeof u);
		u.i.argsz = a;
		r = io(d, VFIO_DEVICE_GET_INFO, &u, &e);
		out(r, e, "DEVICE_GET_INFO(argsz=%u)", a);
		printf(" argsz=%u flags=%#x regions=%u irqs=%u cap_offset=%u", u.i.argsz, u.i.flags,
		       u.i.num_regions, u.i.num_irqs, u.i.cap_offset);
		for (uint32_t off = u.i.cap_offset; r == 0 && off && off + 8 <= a;) {
			struct vfio_info_cap_header *h = (void *)(u.b + off);
			printf(" cap@%u{id=%u v=%u next=%u}", off, h->id, h->version, h->next);
			off = h->next;
		}
		nl();
	}
}

static void regions(int d)
{
	region(d, 0, 0);
	region(d, 0, 16);
	region(d, 0, 31);
	for (uint32_t i = 0; i < 9; i++)
		region(d, i, sizeof(struct vfio_region_info));
	for (uint32_t i = 0; i < 9; i++)
		region(d, i, 256);
	region(d, 9, 32);
	region(d, 0xffffffff, 32);
}

static void irq_info(int d)
{
	struct vfio_irq_info cut = { 8, 0, 0, 0 };
	int e, r;

	for (uint32_t i = 0; i <= 5; i++) {
		struct vfio_irq_info q = { sizeof q, 0, i, 0 };
		r = io(d, VFIO_DEVICE_GET_IRQ_INFO, &q, &e);
		out(r, e, "IRQ_INFO(%u)", i);
		printf(" argsz=%u flags=%#x count=%u\n", q.argsz, q.flags, q.count);
	}
	call(d, VFIO_DEVICE_GET_IRQ_INFO, &cut, "IRQ_INFO(argsz=8)");
}

static void read_config(int d)
{
	for (unsigned o = 0; o < 256 + 32; o += 16) {
		char w[16];

		sprintf(w, "cfg+%02x", o);
		rd(d, w, cfgoff + o, 16);
	}
	rd(d, "cfg+1 dword", cfgoff + 1, 4);
	rd(d, "cfg+2 word", cfgoff + 2, 2);
	rd(d, "cfg+ffe len4", cfgoff + 0xffe, 4);
	rd(d, "cfg+1000", cfgoff + 0x1000, 4);
	rd(d, "cfg len0", cfgoff, 0);
}

static void write_config(int d)
{
	cfgw(d, "vendor", 0, 2, 0x1234);
	cfgw(d, "command", 4, 2, 0x0000);
	rd(d, "bar0-mem-off", 0, 4);
	cfgw(d, "command", 4, 2, 0x0407);
	cfgw(d, "command", 4, 2, 0x0002);
	rd(d, "bar0", 0, 4);
	rd(d, "bar0", 0, 8);
	rd(d, "bar0+2", 2, 2);
	cfgw(d, "bar0", 0x10, 4, 0xffffffff);
	cfgw(d, "bar0", 0x10, 4, 0);
	cfgw(d, "bar1", 0x14, 4, 0xffffffff);
	cfgw(d, "rom", 0x30, 4, 0xffffffff);
	cfgw(d, "intline", 0x3c, 1, 0x55);
	cfgw(d, "intpin", 0x3d, 1, 0x02);
	cfgw(d, "latency", 0x0d, 1, 0x40);
	cfgw(d, "status", 6, 2, 0xffff);
	rd(d, "bar5", 5ull << 40, 4);
	rd(d, "rom", 6ull << 40, 4);
	rd(d, "vga", 8ull << 40, 4);
	rd(d, "idx9", 9ull << 40, 4);
}

static void *mapped(int d, int kind, off_t off, const char *what)
{
	errno = 0;
	void *m = mmap(0, 4096, PROT_READ, kind, d, off);

	opened(m == MAP_FAILED ? -1 : 0, errno, what);
	return m;
}

static void maps(int d)
{
	void *m = mapped(d, MAP_SHARED, 0, "mmap(bar0 4096 ro shared)");

	if (m != MAP_FAILED) {
		out(0, 0, "load32(bar0+0)");
		printf(" %#x\n", *(volatile uint32_t *)m);
		munmap(m, 4096);
	}
	mapped(d, MAP_PRIVATE, 0, "mmap(bar0 private)");
	mapped(d, MAP_SHARED, 7ull << 40, "mmap(config)");
	mapped(d, MAP_SHARED, 1ull << 32, "mmap(bar0 beyond)");
}

enum { NONE = 1, BOOL = 2, EV = 4, MASK = 8, UNMASK = 16, TRIG = 32 };

static void irq_rules(int d, const int *ev)
{
	int bad = 9999, one = ev[0];

	irqset(d, "argsz-small", 8, NONE | TRIG, 1, 0, 0, 0, 0);
	irqset(d, "argsz-no-data", sizeof(struct vfio_irq_set), EV | TRIG, 1, 0, 1, 0, 0);
	irqset(d, "no-flags", ~0u, 0, 1, 0, 1, 0, 0);
	irqset(d, "two-data", ~0u, NONE | EV | TRIG, 1, 0, 1, &one, 4);
	irqset(d, "two-actions", ~0u, NONE | TRIG | MASK, 1, 0, 1, 0, 0);
	irqset(d, "bad-flag", ~0u, 0x100 | NONE | TRIG, 1, 0, 1, 0, 0);
	irqset(d, "bad-index", ~0u, NONE | TRIG, 5, 0, 1, 0, 0);
	irqset(d, "start-beyond", ~0u, EV | TRIG, 1, 4096, 1, &one, 4);
	irqset(d, "count-beyond", ~0u, EV | TRIG, 1, 0, 65, ev, 16);
	irqset(d, "count0-EV", ~0u, EV | TRIG, 1, 0, 0, 0, 0);
	irqset(d, "bad-fd", ~0u, EV | TRIG, 1, 0, 1, &bad, 4);
	irqset(d, "trig-not-set-up", ~0u, NONE | TRIG, 1, 0, 1, 0, 0);
	irqset(d, "disable-not-set-up", ~0u, NONE | TRIG, 1, 0, 0, 0, 0);
	irqset(d, "msi-mask", ~0u, NONE | MASK, 1, 0, 1, 0, 0);
}

static void irq_index(int d, uint32_t idx, const int *ev)
{
	uint8_t yes[4] = { 1, 1, 1, 1 };
	int one = ev[0];

	irqset(d, "set", ~0u, EV | TRIG, idx, 0, 1, &one, 4);
	irqset(d, "other-index-while-set", ~0u, EV | TRIG, idx == 1 ? 2 : 1, 0, 1, &ev[1], 4);
	irqset(d, "trigger-none", ~0u, NONE | TRIG, idx, 0, 1, 0, 0);
	evrd(one, "after trigger-none");
	irqset(d, "trigger-bool", ~0u, BOOL | TRIG, idx, 0, 1, yes, 1);
	evrd(one, "after trigger-bool");
	irqset(d, "mask", ~0u, NONE | MASK, idx, 0, 1, 0, 0);
	irqset(d, "unmask", ~0u, NONE | UNMASK, idx, 0, 1, 0, 0);
	evrd(one, "after unmask");
	irqset(d, "disable", ~0u, NONE | TRIG, idx, 0, 0, 0, 0);
	for (uint32_t j = 1; j < 3; j++)
		irqset(d, "cleanup", ~0u, NONE | TRIG, j, 0, 0, 0, 0);
}

static void irq_msix(int d, const int *ev)
{
	irqset(d, "msix-2vec", ~0u, EV | TRIG, 2, 0, 2, ev, 8);
	irqset(d, "msix-add", ~0u, EV | TRIG, 2, 2, 1, &ev[2], 4);
	irqset(d, "msix-trig", ~0u, NONE | TRIG, 2, 0, 3, 0, 0);
	for (int i = 0; i < 3; i++)
		evrd(ev[i], "vec");
	irqset(d, "msix-off", ~0u, NONE | TRIG, 2, 0, 0, 0, 0);
}

static void interrupts(int d)
{
	int ev[4];

	for (int i = 0; i < 4; i++)
		ev[i] = eventfd(0, EFD_NONBLOCK);
	irq_rules(d, ev);
	for (uint32_t idx = 0; idx < 5; idx++)
		irq_index(d, idx, ev);
	irq_msix(d, ev);
	for (int i = 0; i < 4; i++)
		close(ev[i]);
}

static void hot_reset_info(int d)
{
	struct {
		struct vfio_pci_hot_reset_info i;
		struct vfio_pci_dependent_device dd[32];
	} h = { .i.argsz = sizeof h.i };
	int e, r = io(d, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &h, &e);

	out(r, e, "PCI_HOT_RESET_INFO(argsz=12)");
	printf(" count=%u\n", h.i.count);
}

static void features(int d)
{
	int e, r;

	for (uint32_t f = 0; f <= 12; f++) {
		struct {
			struct vfio_device_feature f;
			uint8_t data[64];
		} x = { .f.argsz = sizeof x,
			.f.flags = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | f };
		r = io(d, VFIO_DEVICE_FEATURE, &x, &e);
		line(r, e, "FEATURE(probe get %u)", f);
		x.f.flags = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | f;
		r = io(d, VFIO_DEVICE_FEATURE, &x, &e);
		line(r, e, "FEATURE(probe set %u)", f);
	}
}

static void device(int g, const char *bdf)
{
	int e, d, d2;

	call(g, VFIO_GROUP_GET_DEVICE_FD, "0000:ff:1f.7", "GET_DEVICE_FD(no-such)");
	call(g, VFIO_GROUP_GET_DEVICE_FD, "", "GET_DEVICE_FD(empty)");
	d = io(g, VFIO_GROUP_GET_DEVICE_FD, (void *)bdf, &e);
	if (opened(d, e, "GET_DEVICE_FD(bdf)") < 0)
		return;
	d2 = io(g, VFIO_GROUP_GET_DEVICE_FD, (void *)bdf, &e);
	if (opened(d2, e, "GET_DEVICE_FD(bdf, 2nd)") >= 0)
		close(d2);
	device_info(d);
	regions(d);
	irq_info(d);
	read_config(d);
	write_config(d);
	maps(d);
	interrupts(d);
	hot_reset_info(d);
	features(d);
	call(d, VFIO_DEVICE_RESET, 0, "DEVICE_RESET");
	rd(d, "cfg+4 after reset", cfgoff + 4, 4);
	call(d, _IO(VFIO_TYPE, VFIO_BASE + 77), 0, "unknown ioctl(device)");
	close(d);
}

static void set_iommu(int c, long type, const char *fmt)
{
	int e, r = io(c, VFIO_SET_IOMMU, (void *)type, &e);

	line(r, e, fmt, type);
}

static int container_alone(int type)
{
	int c = open("/dev/vfio/vfio", O_RDWR);

	opened(c, errno, "open(/dev/vfio/vfio)");
	call(c, VFIO_GET_API_VERSION, 0, "GET_API_VERSION");
	ext(c);
	set_iommu(c, type, "SET_IOMMU(%ld, no group)");
	iommu_info(c, 256);
	map(c, "no-iommu", 32, 3, 0x10000, 0, 4096);
	unmap(c, "no-iommu", 24, 0, 0, 4096);
	call(c, _IO(VFIO_TYPE, VFIO_BASE + 77), 0, "unknown ioctl(container)");
	return c;
}

static void set_container(int g, int fd, const char *what)
{
	call(g, VFIO_GROUP_SET_CONTAINER, &fd, what);
}

static void group_joins(int g, int c, const char *bdf)
{
	status(g, 0);
	status(g, 4);
	status(g, 7);
	status(g, 8);
	status(g, 64);
	call(g, VFIO_GROUP_GET_DEVICE_FD, (void *)bdf, "GET_DEVICE_FD(no container)");
	call(g, VFIO_GROUP_UNSET_CONTAINER, 0, "UNSET_CONTAINER(none)");
	set_container(g, -1, "SET_CONTAINER(-1)");
	set_container(g, open("/dev/null", O_RDWR), "SET_CONTAINER(/dev/null)");
	call(g, VFIO_GROUP_SET_CONTAINER, 0, "SET_CONTAINER(NULL ptr)");
	set_container(g, c, "SET_CONTAINER(container)");
	set_container(g, c, "SET_CONTAINER(again)");
	status(g, 8);
	call(g, VFIO_GROUP_GET_DEVICE_FD, (void *)bdf, "GET_DEVICE_FD(no iommu)");
}

static void container_joined(int c, int type)
{
	static const long bad[] = { 0, 2, 4, 5, 7, 8, 9, 99, -1 };
	static const uint32_t az[] = { 0, 4, 8, 15, 16, 20, 24, 32, 64, 96, 104, 128, 256, 4096 };

	iommu_info(c, 256);
	ext(c);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		set_iommu(c, bad[i], "SET_IOMMU(%ld)");
	set_iommu(c, type, "SET_IOMMU(%ld)");
	set_iommu(c, 4 - type, "SET_IOMMU(%ld, again)");
	ext(c);
	for (unsigned i = 0; i < sizeof az / sizeof *az; i++)
		iommu_info(c, az[i]);
}

static bool sample(int type, const char *path, const char *bdf)
{
	int c = container_alone(type), g, g2;

	g = open(path, O_RDWR);
	if (opened(g, errno, "open(group)") < 0)
		return false;
	g2 = open(path, O_RDWR);
	opened(g2, errno, "open(group, 2nd)");
	group_joins(g, c, bdf);
	container_joined(c, type);
	dma(c);
	device(g, bdf);
	call(g, VFIO_GROUP_UNSET_CONTAINER, 0, "UNSET_CONTAINER");
	status(g, 8);
	iommu_info(c, 256);
	close(g);
	close(c);
	if (g2 >= 0)
		close(g2);
	return true;
}

int main(int argc, char **argv)
{
	const char *bdf = argc > 1 ? argv[1] : "0000:00:04.0";
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t l;

	setvbuf(stdout, 0, _IOLBF, 0);
	sprintf(path, "/sys/bus/pci/devices/%s/iommu_group", bdf);
	l = readlink(path, link, sizeof link - 1);
	if (l < 0) {
		printf("# no iommu group for %s: %s\n", bdf, strerror(errno));
		return 1;
	}
	link[l] = 0;
	sprintf(path, "/dev/vfio/%s", strrchr(link, '/') + 1);
	printf("# bdf %s group %s\n", bdf, path);
	for (int type = VFIO_TYPE1_IOMMU; type <= VFIO_TYPE1v2_IOMMU; type += 2) {
		printf("# ---- SET_IOMMU type %d\n", type);
		if (!sample(type, path, bdf))
			return 1;
	}
	printf("# done %d lines\n", n);
	return 0;
}
