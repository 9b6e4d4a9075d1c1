/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What IOMMU notifiers cost: announcing a page to some listeners, replaying a million,
 * and a page's whole way from the announcement into the address space that a device
 * uses. Beside it stands what there is to compare with: for listeners a loop over as
 * many callbacks, for the shadow the bare map and unmap.
 */
#include <ringfence/devtlb.h>
#include <ringfence/shadow.h>
#include <string.h>
#include <sys/mman.h>

#include "base/gate.h"
#include "bench.h"
#include "ioas/ioas.h"
#include "memory/fault.h"
#include "memory/owner.h"

#define PAGE	 4096ull
#define MILLION	 (1ull << 20)
#define BATCH	 512u
#define MOST	 64u
#define RAM_SIZE (MILLION * PAGE)
#define BASE	 (4ull << 30) /* above the MSI window */

static struct rf_region *region;
static struct rf_listener *listeners[MOST];
static struct rf_owner *owner;
static struct rf_ioas *ioas;
static struct domain *domain;
static struct rf_devtlb *tlb;
static char *page;
static uint64_t heard;

/* In an order that is no order. */
static uint64_t scatter(uint64_t i)
{
	return (i * 0x9e3779b97f4a7c15ull) >> 44;
}

static int hear(struct rf_listener *listener, const struct rf_notice *notice)
{
	heard += notice->iova;
	return 0;
}

static void set(uint64_t iova, uint64_t target, uint32_t perm)
{
	must(rf_region_announce(region,
				&(struct rf_mapping){ iova, iova + PAGE - 1, target, perm }),
	     "announce");
}

/* A page is mapped and unmapped, so one notice each. */
static void announce_page(uint64_t count)
{
	for (uint64_t i = 0; i < count; i += 2) {
		set(16 * PAGE, PAGE, RF_READ);
		set(16 * PAGE, 0, 0);
	}
}

/* The page's address and target change each time: two notices, or one REPLACE. */
static void replace_page(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		set(16 * PAGE, (1 + i % 2) * PAGE, RF_READ);
	set(16 * PAGE, 0, 0);
}

static void announce_batch(uint64_t count)
{
	static struct rf_mapping batch[BATCH];

	for (uint64_t done = 0; done < count; done += BATCH) {
		for (uint64_t i = 0; i < BATCH; i++)
			batch[i] = (struct rf_mapping){ i * PAGE, i * PAGE + PAGE - 1, i * PAGE,
							done / BATCH % 2 ? 0 : RF_READ };
		must(rf_region_announce_batch(region, batch, BATCH), "batch");
	}
	set(0, 0, 0);
}

static unsigned nr_listeners;
static int (*volatile callbacks[MOST])(struct rf_listener *, const struct rf_notice *);

/* As many indirect calls. */
static void call_callbacks(uint64_t count)
{
	struct rf_notice notice = { .iova = 1 };

	while (count--)
		for (unsigned i = 0; i < nr_listeners; i++)
			callbacks[i](NULL, &notice);
}

static void listen_all(unsigned nr, uint32_t kinds)
{
	const struct rf_listener_ops ops = {
		.name = "bench", .kinds = kinds, .last = UINT64_MAX, .notify = hear
	};

	for (nr_listeners = 0; nr_listeners < nr; nr_listeners++) {
		callbacks[nr_listeners] = hear;
		must(rf_listener_register(region, &ops, NULL, &listeners[nr_listeners]), "listen");
	}
}

static void leave_all(void)
{
	while (nr_listeners)
		rf_listener_unregister(listeners[--nr_listeners]);
}

static void bench_announce(void)
{
	static const unsigned sizes[] = { 0, 1, 8, 64 };
	char name[100];

	for (unsigned i = 0; i < 4; i++) {
		listen_all(sizes[i], RF_NOTIFY_MAP | RF_NOTIFY_UNMAP);
		snprintf(name, sizeof(name), "announce one page, %u listener%s", sizes[i],
			 sizes[i] == 1 ? "" : "s");
		row(name, median(announce_page, 20000), "ns",
		    sizes[i] ? median(call_callbacks, 20000) : 0, "the callbacks alone", "");
		leave_all();
	}
	listen_all(1, RF_NOTIFY_MAP | RF_NOTIFY_UNMAP | RF_NOTIFY_REPLACE);
	row("announce a replaced page, 1 listener of REPLACE", median(replace_page, 20000), "ns", 0,
	    "", "");
	row("announce 512 contiguous pages in a batch, a page", median(announce_batch, BATCH * 64),
	    "ns", 0, "", "");
	leave_all();
}

static void replay_all(uint64_t count)
{
	while (count--)
		must(rf_listener_replay(listeners[0], 0, UINT64_MAX), "replay");
}

static void bench_million(bool contiguous)
{
	const char *where = contiguous ? "contiguous" : "scattered";
	double before = resident();
	double start = now();
	char name[100];

	for (uint64_t i = 0; i < MILLION; i++) {
		uint64_t at = contiguous ? i : scatter(i);

		/* scattered: every other page, of targets that do not continue each other */
		set(at * (contiguous ? 1 : 2) * PAGE, at * (contiguous ? 1 : 3) * PAGE, RF_READ);
	}
	snprintf(name, sizeof(name), "announce 1 M pages one by one, %s, a page", where);
	row(name, (now() - start) / (double)MILLION, "ns", 0, "", "");
	snprintf(name, sizeof(name), "memory of 1 M pages, %s", where);
	row(name, (resident() - before) / 1024, "KiB", 0, "", "");
	listen_all(1, RF_NOTIFY_MAP);
	snprintf(name, sizeof(name), "replay 1 M pages, %s", where);
	row(name, median(replay_all, contiguous ? 1000 : 1) / 1e3, "us", 0, "", "");
	leave_all();
	must(rf_region_announce(region, &(struct rf_mapping){ .last = rf_region_last(region) }),
	     "clear");
}

static int translate(struct rf_region *r, struct rf_mapping *what)
{
	what->target = what->iova;
	what->perm = RF_READ;
	return 0;
}

/* By asking an IOMMU with a table for each page. */
static void bench_walk(void)
{
	const struct rf_region_ops ops = { .name = "table", .translate = translate };
	struct rf_region *plain = region;

	must(rf_region_new(&ops, MILLION * PAGE - 1, PAGE, NULL, &region), "region");
	listen_all(1, RF_NOTIFY_MAP);
	row("replay 1 M pages, asking the IOMMU for each", median(replay_all, 1) / 1e3, "us", 0, "",
	    "");
	leave_all();
	rf_region_free(region);
	region = plain;
}

/* Beyond the page lies a guest's whole memory, of which nothing is ever touched. */
static int locate(void *arg, uint64_t target, struct rf_shadow_memory *memory)
{
	*memory = (struct rf_shadow_memory){ owner, page + target, RAM_SIZE - target };
	return 0;
}

/* Pages out of a million that are one mapping of the space; each is unmapped and comes back. */
static void shadow_cut(uint64_t count)
{
	for (uint64_t i = 0; i < count; i += 2) {
		uint64_t at = scatter(i) * PAGE;

		set(BASE + at, 0, 0);
		set(BASE + at, at, RF_READ);
	}
}

static void map_unmap(uint64_t count)
{
	uint64_t iova = 16 * PAGE;

	for (uint64_t i = 0; i < count; i += 2) {
		must(rf_ioas_map(ioas, owner, page, PAGE, RF_READ, RF_MAP_FIXED, &iova), "map");
		must(rf_ioas_unmap(ioas, iova, PAGE, 0, NULL), "unmap");
	}
}

/* A page comes or goes, and a device finds it so. */
static void shadow_page(uint64_t count)
{
	struct translation t;

	for (uint64_t i = 0; i < count; i += 2) {
		set(16 * PAGE, PAGE, RF_READ);
		must(domain_translate(domain, 16 * PAGE, RF_READ, &t), "translation");
		set(16 * PAGE, 0, 0);
		must(!domain_translate(domain, 16 * PAGE, RF_READ, &t), "no translation");
	}
}

static void bench_shadow(void)
{
	const struct rf_shadow_ops ops = { .name = "shadow", .locate = locate };
	struct rf_shadow *shadow;
	struct gate gate = { 0 };

	must(ioas_new(&ioas), "address space");
	must(ioas_get_domain(ioas, iommu_kind_find(NULL), &domain), "domain");
	must(domain_add_gate(domain, &gate), "gate");
	must(rf_shadow_new(region, 0, UINT64_MAX, ioas, 0, &ops, NULL, &shadow), "shadow");
	row("shadow one page, announcement to translation", median(shadow_page, 20000), "ns",
	    median(map_unmap, 20000), "map or unmap alone", "<= 500 ns");
	row("shadow a replaced page", median(replace_page, 20000), "ns", 0, "", "<= 500 ns");
	must(rf_region_announce(region,
				&(struct rf_mapping){ BASE, BASE + RAM_SIZE - 1, 0, RF_READ }),
	     "map");
	row("shadow a page taken out of 1 M contiguous, or put back", median(shadow_cut, 20000),
	    "ns", 0, "", "");
	rf_shadow_free(shadow);
	must(rf_region_announce(region, &(struct rf_mapping){ .last = rf_region_last(region) }),
	     "clear");
	domain_del_gate(domain, &gate);
	ioas_put_domain(ioas, domain);
	rf_ioas_free(ioas);
}

static int use(void *arg, uint64_t target, uint64_t length)
{
	heard += target;
	return 0;
}

static void cache_hit(uint64_t count)
{
	while (count--)
		rf_devtlb_access(tlb, 2 * PAGE, RF_READ, use, NULL);
}

static void bench_devtlb(void)
{
	set(2 * PAGE, PAGE, RF_READ);
	must(rf_devtlb_new(region, 64, &tlb), "cache");
	row("device-side cache, hit", median(cache_hit, 100000), "ns", 0, "", "");
	rf_devtlb_free(tlb);
	set(2 * PAGE, 0, 0);
}

int main(void)
{
	const struct rf_region_ops ops = { .name = "bench" };

	must(fault_install(), "fault_install");
	owner = owner_new_self();
	page = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(page == MAP_FAILED, "mmap");
	page[0] = 1;
	must(rf_region_new(&ops, (1ull << 39) - 1, PAGE, NULL, &region), "region");
	bench_announce();
	bench_shadow();
	bench_devtlb();
	bench_million(true);
	bench_million(false);
	bench_walk();
	rows_end();
	rf_region_free(region);
	munmap(page, RAM_SIZE);
	owner_free(owner);
	return heard == 42;
}
