/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../faults.h"
#include "../logged.h"
#include "base/log.h"
#include "base/stats.h"
#include "fixture.h"
#include "ioas/ioas.h"
#include "memory/owner.h"
#include "memory/pin.h"

#define PAGE  4096u
#define PAGES 8u
#define IOVA  0x100000u
#define MOVED 500u

static const struct rf_pci_model model = { .abi = RF_MODEL_ABI, .name = "dma" };

static struct rf_device *dev;
static struct rf_owner *owner;
static struct domain *domain;
static struct segment segs[PAGES];
static uint8_t *memory;

static void map_page(struct domain *to, unsigned n, uint64_t iova, unsigned page, uint32_t prot)
{
	segs[n] = (struct segment){ .first = iova,
				    .last = iova + PAGE - 1,
				    .addr = (uintptr_t)memory + page * PAGE,
				    .owner = owner,
				    .prot = prot };
	assert_int_equal(domain_map(to, &segs[n]), 0);
}

static int setup(void **state)
{
	log_begins();
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	owner = owner_new_self();
	assert_non_null(owner);
	assert_int_equal(domain_new(iommu_kind_find(NULL), &domain), 0);
	dev = fixture_device(&model);
	assert_int_equal(device_attach(dev, domain), 0);
	config_write(dev, 4, 4, 2);
	return 0;
}

static int teardown(void **state)
{
	device_free(dev);
	domain_unmap(domain, 0, UINT64_MAX);
	domain_free(domain);
	owner_free(owner);
	munmap(memory, PAGES * PAGE);
	log_ends();
	return 0;
}

static void bytes_go_both_ways_across_mappings(void **state)
{
	uint64_t read_before = atomic_load(&stats()->dma_read);
	uint64_t written_before = atomic_load(&stats()->dma_written);
	uint8_t out[3 * PAGE - 200], in[sizeof(out)];

	/* three mappings in a row, whose pages lie in another order */
	map_page(domain, 0, IOVA, 4, RF_READ | RF_WRITE);
	map_page(domain, 1, IOVA + PAGE, 1, RF_READ | RF_WRITE);
	map_page(domain, 2, IOVA + 2 * PAGE, 6, RF_READ | RF_WRITE);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 31 + i / 255);
	assert_int_equal(rf_dma_write(dev, IOVA + 100, out, sizeof(out)), 0);
	assert_memory_equal(memory + 4 * PAGE + 100, out, PAGE - 100);
	assert_memory_equal(memory + 1 * PAGE, out + PAGE - 100, PAGE);
	assert_memory_equal(memory + 6 * PAGE, out + 2 * PAGE - 100, PAGE - 100);
	assert_int_equal(memory[4 * PAGE + 99], 0);
	assert_int_equal(memory[7 * PAGE - 100], 0);
	assert_int_equal(rf_dma_read(dev, IOVA + 100, in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(atomic_load(&stats()->dma_read) - read_before, sizeof(in));
	assert_int_equal(atomic_load(&stats()->dma_written) - written_before, sizeof(in));
	assert_string_equal(logged(), "");
}

static void nothing_is_always_allowed(void **state)
{
	assert_int_equal(rf_dma_read(dev, IOVA, NULL, 0), 0);
	assert_int_equal(rf_dma_write(dev, UINT64_MAX, NULL, 0), 0);
	assert_string_equal(logged(), "");
}

static void unmapped_addresses_are_refused_and_reported(void **state)
{
	uint64_t faults = atomic_load(&stats()->faults);
	uint8_t buf[64] = { 0 };

	assert_int_equal(rf_dma_write(dev, 0x1234000, buf, 64), -EFAULT);
	logged_has("0000:01:00.0: DMA write of 64 bytes to IOVA 0x1234000: not mapped; dropped\n");
	map_page(domain, 0, IOVA, 0, RF_READ | RF_WRITE);
	assert_int_equal(rf_dma_read(dev, IOVA + PAGE - 32, buf, 64), -EFAULT);
	logged_has("DMA read of 64 bytes from IOVA 0x100fe0: not mapped at 0x101000; dropped\n");
	assert_int_equal(rf_dma_read(dev, UINT64_MAX - 31, buf, 64), -EFAULT);
	logged_has("wraps around");
	assert_int_equal(atomic_load(&stats()->faults) - faults, 3);
}

static void rights_are_those_of_the_mapping(void **state)
{
	uint8_t buf[16] = { 1 };

	map_page(domain, 0, IOVA, 0, RF_READ);
	map_page(domain, 1, IOVA + PAGE, 1, RF_WRITE);
	assert_int_equal(rf_dma_write(dev, IOVA, buf, 16), -EFAULT);
	logged_has("no right to write; dropped");
	assert_int_equal(memory[0], 0);
	assert_int_equal(rf_dma_read(dev, IOVA + PAGE, buf, 16), -EFAULT);
	logged_has("no right to read; dropped");
	assert_int_equal(rf_dma_read(dev, IOVA, buf, 16), 0);
	assert_int_equal(rf_dma_write(dev, IOVA + PAGE, buf, 16), 0);
}

static void bus_mastering_gates_dma(void **state)
{
	uint8_t buf[16] = { 1 };

	map_page(domain, 0, IOVA, 0, RF_READ | RF_WRITE);
	config_write(dev, 4, 0, 2);
	assert_int_equal(rf_dma_write(dev, IOVA, buf, 16), -EPERM);
	logged_has("bus mastering is off (COMMAND.MASTER=0); dropped");
	assert_int_equal(memory[0], 0);
	config_write(dev, 4, 4, 2);
	assert_int_equal(rf_dma_write(dev, IOVA, buf, 16), 0);
	device_reset(dev);
	assert_int_equal(rf_dma_write(dev, IOVA, buf, 16), -EPERM);
}

static void a_detached_device_reaches_nothing(void **state)
{
	uint8_t buf[16];

	map_page(domain, 0, IOVA, 0, RF_READ | RF_WRITE);
	device_detach(dev);
	assert_int_equal(rf_dma_read(dev, IOVA, buf, 16), -ENODEV);
	logged_has("no address space is attached; dropped");
	device_detach(dev);
	assert_int_equal(device_attach(dev, domain), 0);
	assert_int_equal(rf_dma_read(dev, IOVA, buf, 16), 0);
}

static void replacing_a_domain_switches_at_once(void **state)
{
	struct domain *other;
	uint8_t val;

	assert_int_equal(domain_new(iommu_kind_find(NULL), &other), 0);
	map_page(domain, 0, IOVA, 0, RF_READ);
	map_page(other, 1, IOVA, 1, RF_READ);
	memory[0] = 10;
	memory[PAGE] = 11;
	assert_int_equal(device_attach(dev, domain), 0); /* again: no change */
	assert_int_equal(rf_dma_read(dev, IOVA, &val, 1), 0);
	assert_int_equal(val, 10);
	assert_int_equal(device_attach(dev, other), 0);
	assert_int_equal(rf_dma_read(dev, IOVA, &val, 1), 0);
	assert_int_equal(val, 11);
	/* the old one no longer knows the device: it can go */
	domain_unmap(domain, 0, UINT64_MAX);
	domain_sync(domain);
	domain_free(domain);
	domain = other;
}

static void memory_that_is_gone_is_a_fault(void **state)
{
	uint8_t buf[64];

	take_faults();
	map_page(domain, 0, IOVA, 3, RF_READ | RF_WRITE);
	munmap(memory + 3 * PAGE, PAGE); /* behind everybody's back */
	assert_int_equal(rf_dma_read(dev, IOVA, buf, 64), -EFAULT);
	logged_has("memory is gone; dropped");
	assert_int_equal(rf_dma_write(dev, IOVA, buf, 64), -EFAULT);
	logged_has("memory is gone; dropped");
	mmap(memory + 3 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void reports_end_but_counting_does_not(void **state)
{
	uint64_t faults = atomic_load(&stats()->faults);
	unsigned lines = 0;

	for (unsigned i = 0; i < 100; i++)
		rf_dma_write(dev, IOVA, "x", 1);
	for (const char *c = logged(); *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 9);
	assert_int_equal(atomic_load(&stats()->faults) - faults, 100);
}

static void warnings_are_counted_and_share_the_limit(void **state)
{
	uint64_t before = atomic_load(&stats()->warnings);

	rf_device_warn(dev, "queue %u: tail %u is beyond its end", 1, 99);
	logged_has("0000:01:00.0: queue 1: tail 99 is beyond its end\n");
	for (unsigned i = 0; i < 20; i++)
		rf_device_warn(dev, "again");
	logged_has("only counted");
	rf_device_warn(dev, "again");
	assert_string_equal(logged(), "");
	assert_int_equal(atomic_load(&stats()->warnings) - before, 22);
}

/* A device that writes all the time, and a page that comes and goes. */
static atomic_bool stop;

static void *writer(void *arg)
{
	uint8_t buf[256];

	memset(buf, 0xee, sizeof(buf));
	while (!atomic_load(&stop))
		rf_dma_write(dev, IOVA, buf, sizeof(buf));
	return NULL;
}

static void unmap_waits_for_dma_in_flight(void **state)
{
	pthread_t thread;

	log_set_level(LOG_ERROR);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, writer, NULL), 0);
	for (unsigned round = 0; round < 2000; round++) {
		map_page(domain, 0, IOVA, 0, RF_WRITE);
		if (round % 8 == 0)
			usleep(20);
		if (round & 1) {
			device_detach(dev);
		} else {
			domain_unmap(domain, IOVA, IOVA + PAGE - 1);
			domain_sync(domain);
		}
		memset(memory, 0, 256);
		for (unsigned i = 0; i < 256; i++)
			assert_int_equal(*(volatile uint8_t *)(memory + i), 0);
		if (round & 1) {
			domain_unmap(domain, IOVA, IOVA + PAGE - 1);
			domain_sync(domain);
			assert_int_equal(device_attach(dev, domain), 0);
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	log_set_level(LOG_WARN);
}

/* A device that reads all the time, while the program lets go of the pages. */
static atomic_uint failures, reads, current;

static void *reader(void *arg)
{
	uint8_t val;

	while (!atomic_load(&stop)) {
		unsigned page = atomic_load(&current);

		if (rf_dma_read(dev, (uint64_t)page * PAGE, &val, 1) || val != page % 256)
			atomic_fetch_add(&failures, 1);
		atomic_fetch_add(&reads, 1);
	}
	return NULL;
}

static void pages_on_the_move_are_waited_for(void **state)
{
	struct rf_ioas *ioas;
	struct domain *moving;
	uint64_t unmapped;
	pthread_t thread;
	uint8_t *pages;

	take_faults();
	pages = mmap(NULL, MOVED * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(ioas_new(&ioas), 0);
	for (unsigned i = 0; i < MOVED; i++) {
		pages[i * PAGE] = (uint8_t)i;
		assert_int_equal(ioas_map_fixed(ioas, owner, (uintptr_t)pages + i * PAGE,
						(uint64_t)i * PAGE, PAGE, RF_READ, false),
				 0);
	}
	assert_int_equal(ioas_get_domain(ioas, iommu_kind_find(NULL), &moving), 0);
	assert_int_equal(device_attach(dev, moving), 0);
	assert_int_equal(rf_dma_read(dev, 0, pages, 1), 0); /* the device knows the owner */

	atomic_store(&stop, false);
	atomic_store(&failures, 0);
	atomic_store(&current, 0);
	assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
	for (unsigned i = 0; i < MOVED; i++) {
		uintptr_t page = (uintptr_t)pages + i * PAGE;
		unsigned before = atomic_load(&reads);

		atomic_store(&current, i);
		while (atomic_load(&reads) < before + 2) /* it is at this page now */
			sched_yield();
		assert_int_equal(pin_keep(owner, page, PAGE, PIN_UNMAP), 1);
		munmap((void *)page, PAGE);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&failures), 0);

	device_detach(dev);
	ioas_put_domain(ioas, moving);
	assert_int_equal(ioas_unmap_range(ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, false, &unmapped),
			 0);
	assert_int_equal(unmapped, MOVED * PAGE);
	ioas_put(ioas);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bytes_go_both_ways_across_mappings),
		CASE(nothing_is_always_allowed),
		CASE(unmapped_addresses_are_refused_and_reported),
		CASE(rights_are_those_of_the_mapping),
		CASE(bus_mastering_gates_dma),
		CASE(a_detached_device_reaches_nothing),
		CASE(replacing_a_domain_switches_at_once),
		CASE(memory_that_is_gone_is_a_fault),
		CASE(reports_end_but_counting_does_not),
		CASE(warnings_are_counted_and_share_the_limit),
		CASE(unmap_waits_for_dma_in_flight),
		CASE(pages_on_the_move_are_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
