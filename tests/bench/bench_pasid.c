/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What PASIDs cost: finding what belongs to one, allocating and freeing among few and
 * many, replacing a private pointer, and DMA with and without one.
 *
 * Two threads find in one set, each objects of its own, as the IOMMU's and a device's
 * would: a reference count that both fight for is not what is measured.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "base/rcu.h"
#include "bench.h"
#include "bus/device.h"
#include "ioas/ioas.h"
#include "memory/fault.h"
#include "memory/owner.h"
#include "pasid/pasid.h"

#define PAGE	4096u
#define FINDS	400000u
#define FEW	10u
#define MANY	1000000u
#define OBJECTS 64u

/* ns; of liburcu 0.13, read lock and unlock with nothing between, on the reference machine */
#define URCU	  "liburcu-bp, read lock and unlock alone, quoted"
#define URCU_PAIR 0.9

struct object {
	_Alignas(64) _Atomic unsigned refs;
};

static const struct rf_pasid_type type = { "bench" };
static const struct rf_pci_model model = {
	.abi = RF_MODEL_ABI,
	.name = "bench",
	.caps = RF_PCI_CAP_PCIE | RF_PCI_CAP_PASID,
	.pasid_bits = 20,
};

static struct object objects[OBJECTS];
static uint32_t pasids[OBJECTS];
static struct pasid_space *space;
static struct rf_pasid_set *set;
static struct rf_device *dev;
static uint64_t sink;

/* Plainly, as this thread alone counts; the atomic one is a second row. */
static bool getter_plain(void *data)
{
	struct object *object = data;

	return atomic_load_explicit(&object->refs, memory_order_relaxed);
}

static bool getter_ref(void *data)
{
	struct object *object = data;
	unsigned refs = atomic_load_explicit(&object->refs, memory_order_relaxed);

	while (refs && !atomic_compare_exchange_weak(&object->refs, &refs, refs + 1))
		;
	return refs;
}

static void find_in(uint32_t first, uint64_t count, bool (*getter)(void *data))
{
	uintptr_t sum = 0;

	for (uint64_t i = 0; i < count; i++)
		sum += (uintptr_t)rf_pasid_find(set, pasids[first + i % (OBJECTS / 2)], getter);
	if (!sum)
		must(-1, "nothing found");
}

static void section(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		rcu_leave(rcu_enter());
}

static void gates(uint64_t count)
{
	static struct gate gate;

	for (uint64_t i = 0; i < count; i++)
		gate_leave(&gate, gate_enter(&gate));
}

static void find_plain(uint64_t count)
{
	find_in(0, count, getter_plain);
}

static void find_ref(uint64_t count)
{
	find_in(0, count, getter_ref);
}

static void find_typed(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		sink += (uintptr_t)pasid_find_typed(space, &type, pasids[i % OBJECTS],
						    getter_plain);
}

static void ref_alone(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		sink += getter_ref(&objects[i % (OBJECTS / 2)]);
}

struct finder {
	pthread_barrier_t *start;
	bool (*getter)(void *data);
	uint32_t first;
	double each;
};

static void *find_thread(void *arg)
{
	struct finder *finder = arg;
	double batches[BATCHES];

	for (unsigned b = 0; b < BATCHES; b++) {
		double start;

		pthread_barrier_wait(finder->start);
		/* what the thread itself ran: it shares the machine */
		start = clock_now(CLOCK_THREAD_CPUTIME_ID);
		find_in(finder->first, FINDS, finder->getter);
		batches[b] = (clock_now(CLOCK_THREAD_CPUTIME_ID) - start) / FINDS;
	}
	finder->each = median_of(batches, BATCHES);
	return NULL;
}

/* @nr 1 or 2 threads: the slower one. */
static double find_threads(unsigned nr, bool (*getter)(void *data))
{
	struct finder finders[2];
	pthread_barrier_t start;
	pthread_t thread;

	pthread_barrier_init(&start, NULL, nr);
	for (unsigned i = 0; i < 2; i++)
		finders[i] = (struct finder){ &start, getter, i * OBJECTS / 2, 0 };
	if (nr == 2)
		must(pthread_create(&thread, NULL, find_thread, &finders[1]), "thread");
	find_thread(&finders[0]);
	if (nr == 2)
		pthread_join(thread, NULL);
	pthread_barrier_destroy(&start);
	return finders[0].each > finders[1].each ? finders[0].each : finders[1].each;
}

static void alloc_free(uint64_t count)
{
	uint32_t pasid;

	for (uint64_t i = 0; i < count; i++) {
		must(rf_pasid_alloc(set, 1, RF_PASID_MAX, &objects[0], &pasid), "alloc");
		must(rf_pasid_free(set, pasid), "free");
	}
}

/* Of those that live, one goes and one comes, somewhere: no cache helps. */
static void free_alloc_anywhere(uint64_t count)
{
	uint32_t at = 1, pasid;

	for (uint64_t i = 0; i < count; i++) {
		at = (at * 1664525u + 1013904223u) & RF_PASID_MAX;
		if (rf_pasid_free(set, at))
			continue;
		must(rf_pasid_alloc(set, 1, RF_PASID_MAX, &objects[0], &pasid), "alloc");
	}
}

static void set_data(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		must(rf_pasid_set_data(set, pasids[0], &objects[0], NULL), "set_data");
}

static void sync_alone(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		must(rf_pasid_sync(), "sync");
}

static void fill(uint32_t live)
{
	uint32_t pasid;

	for (uint32_t i = rf_pasid_set_used(set); i < live; i++)
		must(rf_pasid_alloc(set, 1, RF_PASID_MAX, &objects[0], &pasid), "fill");
}

static void bench_sets(void)
{
	double few, one, ref;

	must(pasid_space_new(&space), "space");
	must(pasid_set_new(space, &type, &type, RF_PASID_MAX, &set), "set");
	fill(FEW);
	few = median(alloc_free, FINDS);
	row("PASID alloc + free, 10 live", few, "ns", 0, "", "<= 150 ns");
	for (unsigned i = 0; i < OBJECTS; i++) {
		atomic_init(&objects[i].refs, 1);
		must(rf_pasid_alloc(set, 1, RF_PASID_MAX, &objects[i], &pasids[i]), "object");
	}
	row("RCU section, entered and left", median(section, FINDS), "ns", URCU_PAIR, URCU, "");
	row("the same as a gate", median(gates, FINDS), "ns", URCU_PAIR, URCU, "");
	one = median(find_plain, FINDS);
	row("PASID find with a getter", one, "ns", 0, "", "<= 10 ns");
	rcu_set_fenced(true);
	row("the same, where the kernel has no membarrier", median(find_plain, FINDS), "ns", one,
	    "with membarrier", "");
	rcu_set_fenced(false);
	row("the same, each of two threads, of their own time", find_threads(2, getter_plain), "ns",
	    find_threads(1, getter_plain), "one thread", "not slower");
	row("PASID find by type", median(find_typed, FINDS), "ns", one, "by set", "");
	ref = median(ref_alone, FINDS);
	one = median(find_ref, FINDS);
	row("PASID find whose getter takes a reference", one, "ns", ref,
	    "taking it alone, same run", "<= 10 ns");
	row("the same, each of two threads, of their own time", find_threads(2, getter_ref), "ns",
	    find_threads(1, getter_ref), "one thread", "not slower");
	row("PASID set_data", median(set_data, FINDS), "ns", 0, "", "");
	row("PASID sync, nobody else runs", median(sync_alone, 2000), "ns", 0, "", "");
	fill(MANY);
	row("PASID alloc + free, 1,000,000 live", median(alloc_free, FINDS), "ns", few, "10 live",
	    "<= 150 ns");
	row("the same, any of them", median(free_alloc_anywhere, FINDS), "ns", 0, "", "");
}

/* DMA of eight bytes: what a queue entry is. */
static void dma_plain(uint64_t count)
{
	uint64_t val = 0;

	for (uint64_t i = 0; i < count; i++) {
		must(rf_dma_read(dev, PAGE + i % 64 * 8, &val, sizeof(val)), "read");
		sink += val;
	}
}

static void dma_tagged(uint64_t count)
{
	uint64_t val = 0;

	for (uint64_t i = 0; i < count; i++) {
		must(rf_dma_read_pasid(dev, pasids[1], PAGE + i % 64 * 8, &val, sizeof(val)),
		     "read");
		sink += val;
	}
}

static struct rf_ioas *ioas;

static void attach_detach(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		must(rf_pasid_attach(dev, set, pasids[2], ioas), "attach");
		must(rf_pasid_detach(dev, set, pasids[2]), "detach");
	}
}

static void bench_dma(void)
{
	struct pci_address at = { .bus = 1 };
	struct rf_owner *owner = owner_new_self();
	struct domain *domain;
	uint64_t unmapped;
	double plain;
	char *error;
	void *page;

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page == MAP_FAILED, "mmap");
	must(device_new(&model, &at, NULL, &dev, &error), "device");
	dev->iommu = iommu_kind_find(NULL);
	dev->group = (struct rf_group *)page; /* some group */
	config_write(dev, 4, 4, 2);
	config_write(dev, dev->cap_pasid + 6u, 1, 2);
	must(ioas_new(&ioas), "ioas");
	must(ioas_map_fixed(ioas, owner, (uintptr_t)page, PAGE, PAGE, RF_READ, false), "map");
	must(ioas_get_domain(ioas, dev->iommu, &domain), "domain");
	must(device_attach(dev, domain), "attach");
	must(rf_pasid_attach(dev, set, pasids[1], ioas), "attach");
	plain = median(dma_plain, FINDS);
	row("DMA of 8 bytes, untagged", plain, "ns", 0, "", "");
	row("the same, tagged with a PASID", median(dma_tagged, FINDS), "ns", plain, "untagged",
	    "");
	row("attach + detach a space by PASID", median(attach_detach, FINDS / 10), "ns", 0, "", "");
	must(rf_pasid_detach(dev, set, pasids[1]), "detach");
	device_detach(dev);
	ioas_put_domain(ioas, domain);
	must(ioas_unmap_range(ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, true, &unmapped), "unmap");
	ioas_put(ioas);
	dev->group = NULL;
	device_free(dev);
	owner_free(owner);
}

int main(void)
{
	must(fault_install(), "fault_install");
	bench_sets();
	bench_dma();
	pasid_space_free(space);
	rows_end();
	return sink == 42;
}
