/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the core costs: mapping, translating, finding IOVAs. Prints a JSON list
 * of name, value, unit, and a peer's figure. Each value is a median of several
 * batches. Peers are quoted where they cannot run here: a kernel's iommufd was
 * measured inside user-mode Linux, without the system call.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/gate.h"
#include "ioas/ioas.h"
#include "iommu/domain.h"
#include "memory/fault.h"
#include "memory/owner.h"

#define PAGE	4096ull
#define GIB	(1ull << 30)
#define TIB	(1ull << 40)
#define BASE	(4 * GIB) /* above the MSI window */
#define BATCHES 15
#define MILLION (1ull << 20)
#define DENSE	100000ull

/* ns; Linux 6.12's iommufd, one mock domain attached */
#define IOMMUFD	       "Linux 6.12 iommufd with a mock domain, quoted"
#define IOMMUFD_PAIR   1480.0
#define IOMMUFD_1GIB   (46.0 * GIB / PAGE)
#define IOMMUFD_1TIB   (46.0 * TIB / PAGE)
#define IOMMUFD_SEARCH 3430000.0
/* ns; libvfio-user's B-tree at its newest */
#define BTREE	     "libvfio-user's B-tree, quoted"
#define BTREE_HOT    64.0
#define BTREE_RANDOM 609.0
#define BTREE_BYTES  81.0

static struct rf_owner *owner;
static struct rf_ioas *ioas;
static struct domain *domain;
static struct gate gate;
static bool first_row = true;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "bench_core: %s: %d\n", what, ret);
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median of BATCHES batches of @count operations, in ns an operation. */
static double median(void (*run)(uint64_t count), uint64_t count)
{
	double batch[BATCHES];

	run(count);
	for (unsigned b = 0; b < BATCHES; b++) {
		double start = now();

		run(count);
		batch[b] = (now() - start) / (double)count;
	}
	qsort(batch, BATCHES, sizeof(*batch), by_value);
	return batch[BATCHES / 2];
}

static void row(const char *name, double value, const char *unit, double peer,
		const char *peer_name, const char *aim)
{
	printf("%s\n {\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\", ", first_row ? "[" : ",",
	       name, value, unit);
	printf("\"peer\": %.4g, \"peer_name\": \"%s\", \"aim\": \"%s\"}", peer, peer_name, aim);
	first_row = false;
}

static char *page;
static char *tebi;

static void map_unmap(char *addr, uint64_t size, uint32_t flags, uint64_t count)
{
	uint64_t iova = BASE;
	uint64_t unmapped;

	while (count--) {
		must(rf_ioas_map(ioas, owner, addr, size, RF_READ | RF_WRITE, flags, &iova), "map");
		must(rf_ioas_unmap(ioas, iova, size, 0, &unmapped), "unmap");
	}
}

static void map_unmap_page(uint64_t count)
{
	map_unmap(page, PAGE, RF_MAP_FIXED, count);
}

static void map_1gib(uint64_t count)
{
	map_unmap(tebi, GIB, RF_MAP_FIXED, count);
}

static void map_1tib(uint64_t count)
{
	map_unmap(tebi, TIB, RF_MAP_FIXED, count);
}

static void map_anywhere(uint64_t count)
{
	map_unmap(page, PAGE, 0, count);
}

static uint64_t sink;

static void translate_hot(uint64_t count)
{
	struct translation t;

	while (count--)
		if (!domain_translate(domain, BASE + 0x5123, RF_READ, &t))
			sink += t.addr;
}

/* A generator as cheap as can be, so that what is timed is the translation. */
static uint64_t scatter(uint64_t i)
{
	return (i * 0x9e3779b97f4a7c15ull) >> 44;
}

static void translate_random(uint64_t count)
{
	struct translation t;

	while (count--)
		if (!domain_translate(domain, BASE + scatter(count) * PAGE, RF_READ, &t))
			sink += t.addr;
}

static volatile uintptr_t *flat;

static void flat_hot(uint64_t count)
{
	while (count--)
		sink += flat[5];
}

static void flat_random(uint64_t count)
{
	while (count--)
		sink += flat[scatter(count)];
}

static double resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size;
	unsigned long pages = 0;

	if (!f || fscanf(f, "%lu %lu", &size, &pages) != 2)
		must(-1, "/proc/self/statm");
	fclose(f);
	return (double)pages * PAGE;
}

/* 4 KiB mappings side by side in IOVA, scattered in memory so that none can be merged. */
static void fill(uint64_t base, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t iova = base + i * PAGE;
		char *addr = tebi + scatter(i + 1) * 2 * PAGE;

		must(ioas_map_fixed(ioas, owner, (uintptr_t)addr, iova, PAGE, RF_READ, true),
		     "fill");
	}
}

static void bench_small(void)
{
	row("map + unmap one 4 KiB page", median(map_unmap_page, 20000), "ns", IOMMUFD_PAIR,
	    IOMMUFD, "<= 150 ns");
	row("map + unmap 1 GiB", median(map_1gib, 200), "ns", IOMMUFD_1GIB, IOMMUFD, "");
	row("map + unmap 1 TiB", median(map_1tib, 200), "ns", IOMMUFD_1TIB,
	    IOMMUFD ", extrapolated", "<= 20000 ns for the map");
}

static void bench_full(void)
{
	uint64_t unmapped;
	double before;

	fill(0, DENSE);
	row("auto-IOVA among 100,000 mappings, map + unmap", median(map_anywhere, 5000), "ns",
	    IOMMUFD_SEARCH, IOMMUFD, "<= 1000 ns");
	must(rf_ioas_unmap(ioas, 0, 0, RF_UNMAP_ALL, &unmapped), "unmap all");
	ioas_put_domain(ioas, domain);
	rf_ioas_free(ioas);
	must(ioas_new(&ioas), "new");
	must(ioas_get_domain(ioas, iommu_kind_find(NULL), &domain), "domain");

	before = resident();
	fill(BASE, MILLION);
	row("memory a 4 KiB mapping, 1 M of them", (resident() - before) / (double)MILLION, "bytes",
	    BTREE_BYTES, BTREE, "<= 128 bytes");
}

static void bench_translate(void)
{
	flat = calloc(MILLION, sizeof(*flat));
	for (uint64_t i = 0; flat && i < MILLION; i++)
		flat[i] = i;
	must(!flat, "no memory");
	row("translate, hot", median(translate_hot, 200000), "ns", BTREE_HOT, BTREE, "<= 3 ns");
	row("the same, against a flat array", median(translate_hot, 200000), "ns",
	    median(flat_hot, 200000), "array load in the same run", "");
	row("translate, random in 1 M mappings", median(translate_random, MILLION), "ns",
	    BTREE_RANDOM, BTREE, "<= 20 ns");
	row("the same, against a flat array of 8 MiB", median(translate_random, MILLION), "ns",
	    median(flat_random, MILLION), "array load in the same run", "");
	free((void *)flat);
}

int main(void)
{
	must(fault_install(), "fault_install");
	owner = owner_new_self();
	must(ioas_new(&ioas), "new");
	must(ioas_get_domain(ioas, iommu_kind_find(NULL), &domain), "domain");
	must(domain_add_gate(domain, &gate), "gate");
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	tebi = mmap(NULL, TIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	must(page == MAP_FAILED || tebi == MAP_FAILED, "mmap");

	bench_small();
	domain_del_gate(domain, &gate);
	bench_full();
	bench_translate();
	printf("\n]\n");

	ioas_put_domain(ioas, domain);
	rf_ioas_free(ioas);
	owner_free(owner);
	return sink == 42;
}
