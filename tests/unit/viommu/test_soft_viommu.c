/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The example's IOMMU, with a guest that writes its table as it likes: what a device and a
 * device-side cache reach is what the table said when it was last invalidated.
 */
#include <pthread.h>
#include <ringfence/devtlb.h>
#include <ringfence/shadow.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../random.h"
#include "examples/soft-viommu/soft-viommu.h"
#include "fixture.h"
#include "ioas/ioas.h"
#include "memory/owner.h"

#define RAM_PAGES 64u
#define NR	  32u /* pages that the IOMMU translates */

static struct rf_owner *owner;
static struct rf_ioas *ioas;
static struct domain *domain;
static struct rf_shadow *shadow;
static struct rf_devtlb *tlb;
static struct soft_viommu viommu;
static char *ram; /* page 0 is the table; each other one begins with its number */

static int locate(void *arg, uint64_t target, struct rf_shadow_memory *memory)
{
	if (target >= RAM_PAGES * PAGE)
		return -EFAULT;
	*memory = (struct rf_shadow_memory){ owner, ram + target, RAM_PAGES * PAGE - target };
	return 0;
}

static const struct rf_shadow_ops shadow_ops = { .name = "shadow", .locate = locate };

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	owner = owner_new_self();
	ram = mmap(NULL, RAM_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	for (unsigned i = 1; i < RAM_PAGES; i++)
		ram[i * PAGE] = (char)i;
	viommu = (struct soft_viommu){
		.ram = ram, .ram_size = RAM_PAGES * PAGE, .entries = NR, .caching = true
	};
	if (ioas_new(&ioas) || ioas_get_domain(ioas, iommu_kind_find(NULL), &domain))
		return -1;
	return soft_viommu_start(&viommu);
}

static int teardown(void **state)
{
	alloc_fail_nth(0);
	rf_devtlb_free(tlb);
	rf_shadow_free(shadow);
	tlb = NULL;
	shadow = NULL;
	assert_int_equal(ioas_nr_areas(ioas), 0);
	soft_viommu_stop(&viommu);
	ioas_put_domain(ioas, domain);
	ioas_put(ioas);
	munmap(ram, RAM_PAGES * PAGE);
	owner_free(owner);
	log_set_level(LOG_WARN);
	return 0;
}

static void follow(void)
{
	assert_int_equal(rf_shadow_new(viommu.region, 0, UINT64_MAX, ioas, 0, &shadow_ops, NULL,
				       &shadow),
			 0);
	assert_int_equal(rf_devtlb_new(viommu.region, 8, &tlb), 0);
}

static void guest_write(uint64_t page, uint64_t target, uint64_t rights)
{
	__atomic_store_n((uint64_t *)ram + page, target * PAGE | rights, __ATOMIC_RELAXED);
}

static int use(void *arg, uint64_t target, uint64_t length)
{
	return ram[target];
}

/* What is at the first byte of a page, by DMA and by the cache: 0, nothing. */
static int device_reads(uint64_t page)
{
	struct translation t;

	return domain_translate(domain, page * PAGE, RF_READ, &t) ? 0 : *(char *)t.addr;
}

static int cache_reads(uint64_t page)
{
	int ret = rf_devtlb_access(tlb, page * PAGE, RF_READ, use, NULL);

	return ret == -EFAULT ? 0 : ret;
}

static void without_caching_mode_only_caches_are_served(void **state)
{
	viommu.caching = false;
	assert_int_equal(rf_shadow_new(viommu.region, 0, UINT64_MAX, ioas, 0, &shadow_ops, NULL,
				       &shadow),
			 -ENOTSUP);
	assert_null(shadow);
	assert_int_equal(rf_devtlb_new(viommu.region, 8, &tlb), 0);
	guest_write(3, 9, 3);
	assert_int_equal(soft_viommu_invalidate(&viommu, 3 * PAGE, 1), 0);
	assert_int_equal(cache_reads(3), 9);
	guest_write(3, 10, 3);
	assert_int_equal(cache_reads(3), 9);
	assert_int_equal(soft_viommu_invalidate(&viommu, 3 * PAGE, 1), 0);
	assert_int_equal(cache_reads(3), 10);
}

static void commands_are_checked(void **state)
{
	struct soft_viommu bad = viommu;

	assert_int_equal(soft_viommu_invalidate(&viommu, 0, 0), -EINVAL);
	assert_int_equal(soft_viommu_invalidate(&viommu, 0, NR + 1), -EINVAL);
	assert_int_equal(soft_viommu_invalidate(&viommu, PAGE, NR), -EINVAL);
	assert_int_equal(soft_viommu_invalidate(&viommu, 1, 1), -EINVAL);
	assert_int_equal(soft_viommu_invalidate(&viommu, UINT64_MAX - PAGE + 1, 2), -EINVAL);
	bad.table = 4;
	assert_int_equal(soft_viommu_start(&bad), -EINVAL);
	bad.table = RAM_PAGES * PAGE - 8;
	assert_int_equal(soft_viommu_start(&bad), -EINVAL);
	bad.entries = 0;
	assert_int_equal(soft_viommu_start(&bad), -EINVAL);
}

static void every_allocation_may_fail(void **state)
{
	long nth = 0;
	int ret;

	for (unsigned i = 0; i < NR; i += 2)
		guest_write(i, 1 + i, 3);
	do {
		alloc_fail_nth(++nth);
		ret = rf_shadow_new(viommu.region, 0, UINT64_MAX, ioas, 0, &shadow_ops, NULL,
				    &shadow);
		/* a mapping that fails may be tried again with success: that is no failure */
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_true(alloc_has_failed());
			assert_null(shadow);
			assert_int_equal(rf_region_wanted(viommu.region), 0);
			assert_int_equal(ioas_nr_areas(ioas), 0);
		} else {
			for (unsigned i = 0; i < NR; i++)
				assert_int_equal(device_reads(i), i % 2 ? 0 : (int)(1 + i));
			rf_shadow_free(shadow);
			shadow = NULL;
			assert_int_equal(ioas_nr_areas(ioas), 0);
		}
	} while (alloc_has_failed());
	assert_true(nth > 10);
}

static void a_guest_maps_at_random(void **state)
{
	int table[NR] = { 0 };
	int told_table[NR] = { 0 };
	uint64_t seed = 4;

	follow();
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t first = random_below(&seed, NR);
		uint64_t nr = 1 + random_below(&seed, 8);
		bool map = random_below(&seed, 3);

		if (nr > NR - first)
			nr = NR - first;
		/* neighbours, or one page many times */
		for (uint64_t i = first; i < first + nr; i++) {
			table[i] = map ? (int)(1 + (round % 3 ? i : round % 60)) : 0;
			guest_write(i, (uint64_t)table[i], map ? 3 : 0);
		}
		if (random_below(&seed, 4) == 0)
			continue; /* and forgets to tell */
		first = random_below(&seed, NR);
		nr = 1 + random_below(&seed, NR - first);
		assert_int_equal(soft_viommu_invalidate(&viommu, first * PAGE, nr), 0);
		memcpy(told_table + first, table + first, nr * sizeof(*table));
		for (unsigned i = 0; i < NR; i++) {
			assert_int_equal(device_reads(i), told_table[i]);
			assert_int_equal(cache_reads(i), told_table[i]);
		}
	}
}

/*
 * Two processors of the guest each own half of the pages; a device and a cache read all
 * the while. A page is stamped before it is mapped and wiped once it is unmapped.
 */
static struct gate gate;
static atomic_bool stop;
static atomic_uint wiped, reads;
static atomic_char stamps[RAM_PAGES];

static void *processor(void *arg)
{
	uint64_t half = (uintptr_t)arg;
	uint64_t seed = half + 1;
	uint64_t mapped[NR / 2] = { 0 };

	for (unsigned round = 0; round < 4000 || atomic_load(&reads) < 4000; round++) {
		uint64_t i = random_below(&seed, NR / 2);
		uint64_t target = 1 + half * 31 + random_below(&seed, 31);
		uint64_t old = mapped[i];
		bool taken = false;

		for (unsigned k = 0; k < NR / 2; k++)
			taken |= mapped[k] == target;
		mapped[i] = taken ? 0 : target;
		if (!taken)
			atomic_store(&stamps[target], 1);
		guest_write(half * (NR / 2) + i, mapped[i], taken ? 0 : 1);
		if (soft_viommu_invalidate(&viommu, (half * (NR / 2) + i) * PAGE, 1))
			atomic_fetch_add(&wiped, 1);
		if (old)
			atomic_store(&stamps[old], 0);
	}
	return NULL;
}

static int look(void *arg, uint64_t target, uint64_t length)
{
	if (!atomic_load(&stamps[target / PAGE]))
		atomic_fetch_add(&wiped, 1);
	sched_yield();
	if (!atomic_load(&stamps[target / PAGE]))
		atomic_fetch_add(&wiped, 1);
	return 0;
}

static void *device(void *arg)
{
	uint64_t seed = 77;

	while (!atomic_load(&stop)) {
		uint64_t iova = random_below(&seed, NR) * PAGE;
		unsigned token = gate_enter(&gate);
		struct translation t;

		if (!domain_translate(domain, iova, RF_READ, &t))
			look(NULL, t.addr - (uintptr_t)ram, t.length);
		gate_leave(&gate, token);
		rf_devtlb_access(tlb, iova, RF_READ, look, NULL);
		atomic_fetch_add(&reads, 1);
	}
	return NULL;
}

static void nothing_is_reached_that_the_guest_has_taken_back(void **state)
{
	pthread_t processors[2], reader;

	follow();
	assert_int_equal(domain_add_gate(domain, &gate), 0);
	assert_int_equal(pthread_create(&reader, NULL, device, NULL), 0);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&processors[i], NULL, processor, (void *)i), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(processors[i], NULL);
	atomic_store(&stop, true);
	pthread_join(reader, NULL);
	domain_del_gate(domain, &gate);
	assert_int_equal(atomic_load(&wiped), 0);
	assert_int_equal(rf_listener_failures(rf_shadow_listener(shadow), NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(without_caching_mode_only_caches_are_served),
		TEST(commands_are_checked),
		TEST(every_allocation_may_fail),
		TEST(a_guest_maps_at_random),
		TEST(nothing_is_reached_that_the_guest_has_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
