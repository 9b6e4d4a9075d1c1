/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the core costs: mapping, translating, finding IOVAs. Peers are quoted where
 * they cannot run here: a kernel's iommufd was measured inside user-mode Linux, without
 * the system call.
 */
#include <sys/mman.h>

#include "base/gate.h"
#include "bench.h"
#include "ioas/domains.h"
#include "ioas/ioas.h"
#include "ioas/user_map.h"
#include "iommu/domain.h"
#include "memory/fault.h"
#include "memory/owner.h"

#define PAGE	    4096ull
#define MIB	    (1ull << 20)
#define GIB	    (1ull << 30)
#define TIB	    (1ull << 40)
#define BASE	    (4 * GIB) /* above the MSI window */
#define MILLION	    (1ull << 20)
#define DENSE	    100000ull

#define WINDOW_MAPS 20000u
#define NR_WINDOWS  4u

/* ns, in the kernel's core without the system call; Linux pins pages for a domain, we need not */
#define QUOTED(what)	"Linux 6.12 iommufd, quoted: " what
#define PINS		"; it pins pages, we need not"
#define PAIR_BARE	(90.0 + 60.0)
#define PAIR_MOCK	(471.0 + 381.0)
#define PAIR_64MIB_BARE (70.0 + 40.0)
#define PAIR_64MIB_MOCK ((47.0 + 46.0) * 64 * MIB / PAGE)
#define COPY_BARE	(70.0 + 40.0)
#define COPY_MOCK	(391.0 + 381.0)
#define COPY_64MIB_MOCK ((44.0 + 46.0) * 64 * MIB / PAGE)
#define SEARCH_1000	4837.0
#define SEARCH_100000	3430000.0
#define HOLE_BARE	(871.0 + 140.0)
#define HOLE_MOCK	(1432.0 + 561.0)

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

/* Mappings by iommufd's rules, in a space with a mock domain or without any. */
static struct rf_ioas *user;
static struct rf_ioas *copies;
static uint64_t user_size;
static bool user_fixed;

#define USER_BASE (16 * MIB) /* where a mock domain's aperture begins */

static uint64_t user_map(struct rf_ioas *space, char *addr, uint64_t length, bool fixed,
			 uint64_t iova)
{
	struct user_map map = {
		.owner = owner,
		.addr = (uintptr_t)addr,
		.memfd = -1,
		.length = length,
		.prot = RF_READ | RF_WRITE,
		.fixed = fixed,
		.iova = iova,
	};

	must(ioas_user_map(space, &map, &iova), "user map");
	return iova;
}

static void user_unmap(struct rf_ioas *space, uint64_t iova, uint64_t length)
{
	uint64_t unmapped;

	must(ioas_user_unmap(space, iova, length, &unmapped), "user unmap");
}

static void user_pair(uint64_t count)
{
	char *addr = user_size == PAGE ? page : tebi;

	while (count--)
		user_unmap(user, user_map(user, addr, user_size, user_fixed, USER_BASE), user_size);
}

static void user_copy(uint64_t count)
{
	while (count--) {
		uint64_t iova = USER_BASE;

		must(ioas_user_copy(copies, user, USER_BASE, user_size, RF_READ | RF_WRITE, true,
				    &iova),
		     "copy");
		user_unmap(copies, iova, user_size);
	}
}

static uint64_t user_holes;

/* Of dense mappings one is taken out and put back. */
static void user_hole(uint64_t count)
{
	while (count--) {
		uint64_t iova = USER_BASE + scatter(count) % user_holes * PAGE;

		user_unmap(user, iova, PAGE);
		user_map(user, page, PAGE, true, iova);
	}
}

/* Memory all of which is there, as it is for a kernel that pins it. */
static void user_fill(uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		user_map(user, page, PAGE, true, USER_BASE + i * PAGE);
	user_holes = nr;
}

static void bench_user_pairs(const char *where, double pair, double pair_64mib, double copy,
			     double copy_64mib, const char *peer)
{
	char name[100];

	user_fixed = true;
	user_size = PAGE;
	snprintf(name, sizeof(name), "iommufd map + unmap one page, %s", where);
	row(name, median(user_pair, 20000), "ns", pair, peer, "");
	user_map(user, page, PAGE, true, USER_BASE);
	snprintf(name, sizeof(name), "iommufd copy + unmap one page, %s", where);
	row(name, median(user_copy, 20000), "ns", copy, peer, "");
	user_unmap(user, USER_BASE, PAGE);
	user_size = 64 * MIB;
	snprintf(name, sizeof(name), "iommufd map + unmap 64 MiB, %s", where);
	row(name, median(user_pair, 2000), "ns", pair_64mib, peer, "");
	user_map(user, tebi, user_size, true, USER_BASE);
	snprintf(name, sizeof(name), "iommufd copy + unmap 64 MiB, %s", where);
	row(name, median(user_copy, 2000), "ns", copy_64mib, peer, "");
	user_unmap(user, USER_BASE, user_size);
}

static void bench_user_dense(uint64_t nr, double search, double hole, const char *where)
{
	char name[100];

	user_fill(nr);
	user_fixed = false;
	user_size = PAGE;
	if (search > 0) {
		snprintf(name, sizeof(name),
			 "iommufd auto-IOVA among %llu mappings, map + unmap, %s",
			 (unsigned long long)nr, where);
		row(name, median(user_pair, 5000), "ns", search, QUOTED("the map") PINS, "");
	}
	if (hole > 0) {
		snprintf(name, sizeof(name), "iommufd unmap + map in a random hole among %llu, %s",
			 (unsigned long long)nr, where);
		row(name, median(user_hole, 5000), "ns", hole, QUOTED("map + unmap") PINS, "");
	}
	user_unmap(user, 0, UINT64_MAX);
}

static void bench_user_bytes(const char *where)
{
	char name[100];
	double before;

	/* of a size of its own, so that none of it is left over from before */
	before = resident();
	for (uint64_t i = 0; i < MILLION / 4; i++)
		user_map(user, page, PAGE, true, USER_BASE + i * PAGE);
	snprintf(name, sizeof(name), "iommufd: memory a 4 KiB mapping, 262,144 of them, %s", where);
	row(name, (resident() - before) / (MILLION / 4.0), "bytes", BTREE_BYTES, BTREE,
	    "<= 128 bytes");
}

static void bench_user(void)
{
	struct domain *mock[2];

	must(ioas_new(&user), "new");
	must(ioas_new(&copies), "new");
	bench_user_pairs("no domain", PAIR_BARE, PAIR_64MIB_BARE, COPY_BARE, COPY_BARE,
			 QUOTED("the sum of both"));
	bench_user_dense(100000, 0, HOLE_BARE, "no domain");
	must(ioas_add_domain(user, iommu_kind_mock(0), 0, &mock[0]), "domain");
	must(ioas_add_domain(copies, iommu_kind_mock(0), 0, &mock[1]), "domain");
	bench_user_pairs("a mock domain", PAIR_MOCK, PAIR_64MIB_MOCK, COPY_MOCK, COPY_64MIB_MOCK,
			 QUOTED("the sum of both") PINS);
	bench_user_dense(1000, SEARCH_1000, 0, "a mock domain");
	bench_user_dense(100000, SEARCH_100000, HOLE_MOCK, "a mock domain");
	ioas_del_domain(user, mock[0]);
	ioas_del_domain(copies, mock[1]);
	rf_ioas_free(copies);
	rf_ioas_free(user);

	must(ioas_new(&user), "new");
	must(ioas_add_domain(user, iommu_kind_mock(0), 0, &mock[0]), "domain");
	bench_user_bytes("a mock domain");
	ioas_del_domain(user, mock[0]);
	rf_ioas_free(user);
}

static void bench_small(void)
{
	row("map + unmap one 4 KiB page", median(map_unmap_page, 20000), "ns", IOMMUFD_PAIR,
	    IOMMUFD, "<= 150 ns");
	row("map + unmap 1 GiB", median(map_1gib, 200), "ns", IOMMUFD_1GIB, IOMMUFD, "");
	row("map + unmap 1 TiB", median(map_1tib, 200), "ns", IOMMUFD_1TIB,
	    IOMMUFD ", extrapolated", "<= 20000 ns for the map");
}

/* Maps alone: what they made goes untimed. */
static struct rf_ioas *space;

static void map_many(uint64_t count)
{
	for (uint64_t iova = BASE; count--; iova += PAGE)
		must(rf_ioas_map(space, owner, page, PAGE, RF_READ | RF_WRITE, RF_MAP_FIXED, &iova),
		     "map");
}

static void user_map_many(uint64_t count)
{
	for (uint64_t iova = BASE; count--; iova += PAGE)
		user_map(space, page, PAGE, true, iova);
}

static double map_cost(struct rf_ioas *in, void (*run)(uint64_t count))
{
	uint64_t unmapped;
	double start;

	space = in;
	start = now();
	run(WINDOW_MAPS);
	start = now() - start;
	must(rf_ioas_unmap(in, 0, 0, RF_UNMAP_ALL, &unmapped), "unmap all");
	return start / WINDOW_MAPS;
}

/* By turns in a plain and in a windowed space, so that noise meets both. */
static void bench_window(struct rf_ioas *plain, struct rf_ioas *windowed, const char *what,
			 void (*run)(uint64_t count))
{
	double with[4 * BATCHES], without[4 * BATCHES];
	char name[100];

	for (unsigned b = 0; b < 4 * BATCHES; b++) {
		without[b] = map_cost(plain, run);
		with[b] = map_cost(windowed, run);
	}
	snprintf(name, sizeof(name), "%s one page in one window of %u", what, NR_WINDOWS);
	row(name, median_of(with, 4 * BATCHES), "ns", median_of(without, 4 * BATCHES),
	    "the same in a plain space", "<= 10 ns more");
}

static void bench_windows(void)
{
	struct domain *domains[2];
	struct rf_ioas *plain, *windowed;
	struct rf_window want = { .iova = BASE };

	must(rf_ioas_new(NULL, 0, &plain), "new");
	must(rf_ioas_new(NULL, RF_IOAS_WINDOWED, &windowed), "new");
	must(ioas_get_domain(plain, iommu_kind_find(NULL), &domains[0]), "domain");
	must(ioas_get_domain(windowed, iommu_kind_find(NULL), &domains[1]), "domain");
	for (unsigned i = 0; i < NR_WINDOWS; i++, want.iova += GIB)
		must(rf_ioas_create_window(windowed, &want, GIB, RF_WINDOW_FIXED, NULL), "window");
	bench_window(plain, windowed, "map", map_many);
	bench_window(plain, windowed, "iommufd map", user_map_many);
	ioas_put_domain(plain, domains[0]);
	ioas_put_domain(windowed, domains[1]);
	rf_ioas_free(plain);
	rf_ioas_free(windowed);
}

#define FEW_DOMAINS  100u
#define MANY_DOMAINS 10000u

/* One space, a page table for each of many devices: all go, oldest first. In ns each. */
static double domains_go(unsigned nr)
{
	static struct domain *domains[MANY_DOMAINS];
	struct rf_ioas *shared;
	double start, each;

	must(ioas_new(&shared), "new");
	for (unsigned i = 0; i < nr; i++)
		must(ioas_add_domain(shared, iommu_kind_find(NULL), 0, &domains[i]), "add domain");
	start = now();
	for (unsigned i = 0; i < nr; i++)
		ioas_del_domain(shared, domains[i]);
	each = (now() - start) / nr;
	rf_ioas_free(shared);
	return each;
}

static void bench_domains(void)
{
	double few[BATCHES], many[BATCHES];

	for (unsigned i = 0; i < BATCHES; i++) {
		few[i] = domains_go(FEW_DOMAINS);
		many[i] = domains_go(MANY_DOMAINS);
	}
	row("destroy a page table of 10,000 in a space", median_of(many, BATCHES), "ns",
	    median_of(few, BATCHES), "one of 100", "<= 3 times that");
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
	bench_user();
	bench_windows();
	bench_domains();
	rows_end();

	ioas_put_domain(ioas, domain);
	rf_ioas_free(ioas);
	owner_free(owner);
	return sink == 42;
}
