/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nvme on the real bus: registers through the BAR, DMA through an IOMMU
 * domain, interrupts to eventfds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <ringfence/machine.h>

#include "base/log.h"
#include "base/stats.h"
#include "bus/device.h"
#include "memory/fault.h"
#include "memory/owner.h"
#include "models/models.h"
#include "models/nvme_spec.h"

#include "../faults.h"

#define PAGE	 4096u
#define IOVA	 0x40000000ull
#define MEMORY	 (64 * PAGE)
#define ASQ	 IOVA
#define ACQ	 (IOVA + PAGE)
#define SQ	 (IOVA + 2 * PAGE)
#define CQ	 (IOVA + 3 * PAGE)
#define DATA	 (IOVA + 8 * PAGE)
#define ENTRIES	 16u
#define VECTOR	 3u
#define FILENAME "bus.img"

static _Alignas(4096) uint8_t memory[MEMORY];
static struct rf_owner *owner;
static struct domain *domain;
static struct segment seg;
static struct rf_device *dev;
static unsigned tails[2], heads[2];
static bool phases[2];

static void *at(uint64_t iova)
{
	return memory + (iova - IOVA);
}

static void device_make(const char *name, const char *value)
{
	const struct prop_value values[] = { { "size", "1M" }, { name, value }, { NULL, NULL } };
	const struct pci_address where = { .bus = 1 };
	char *error;

	if (device_new(&nvme_model, &where, values, &dev, &error))
		fail_msg("%s", error);
	assert_int_equal(device_attach(dev, domain), 0);
	rf_device_config_write(dev, 4, 6, 2);
}

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	assert_int_equal(fault_install(), 0);
	owner = owner_new_self();
	assert_non_null(owner);
	assert_int_equal(domain_new(iommu_kind_find(NULL), &domain), 0);
	seg = (struct segment){ .first = IOVA,
				.last = IOVA + MEMORY - 1,
				.addr = (uintptr_t)memory,
				.owner = owner,
				.prot = RF_READ | RF_WRITE };
	assert_int_equal(domain_map(domain, &seg), 0);
	memset(memory, 0, sizeof(memory));
	memset(tails, 0, sizeof(tails));
	memset(heads, 0, sizeof(heads));
	phases[0] = phases[1] = true;
	dev = NULL;
	return 0;
}

static int teardown(void **state)
{
	if (dev)
		device_free(dev);
	domain_unmap(domain, 0, UINT64_MAX);
	domain_free(domain);
	owner_free(owner);
	unlink(FILENAME);
	return 0;
}

static void put(unsigned off, uint64_t val, unsigned size)
{
	rf_device_mmio_write(dev, 0, off, val, size);
}

static uint32_t get(unsigned off)
{
	return (uint32_t)rf_device_mmio_read(dev, 0, off, 4);
}

static void submit(unsigned id, struct nvme_sqe sqe)
{
	struct nvme_sqe *sq = at(id ? SQ : ASQ);

	sq[tails[id]] = sqe;
	tails[id] = (tails[id] + 1) % ENTRIES;
	put(NVME_REG_DOORBELLS + 8 * id, tails[id], 4);
}

static bool complete(unsigned id, uint16_t *status)
{
	struct nvme_cqe *cq = at(id ? CQ : ACQ);
	struct nvme_cqe cqe = cq[heads[id]];

	if ((cqe.status & 1) != phases[id])
		return false;
	if (++heads[id] == ENTRIES) {
		heads[id] = 0;
		phases[id] = !phases[id];
	}
	put(NVME_REG_DOORBELLS + 8 * id + 4, heads[id], 4);
	*status = cqe.status >> 1 & 0x7ff;
	return true;
}

static uint16_t run(unsigned id, struct nvme_sqe sqe)
{
	uint16_t status = 0;

	submit(id, sqe);
	assert_true(complete(id, &status));
	return status;
}

static void enable(void)
{
	put(NVME_REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
	put(NVME_REG_ASQ, ASQ, 8);
	put(NVME_REG_ACQ, ACQ, 8);
	put(NVME_REG_CC, 4u << 20 | 6u << 16 | NVME_CC_EN, 4);
	assert_int_equal(get(NVME_REG_CSTS), NVME_CSTS_RDY);
}

static void enable_with_queue(void)
{
	enable();
	assert_int_equal(run(0, (struct nvme_sqe){ .opcode = NVME_ADMIN_CREATE_CQ,
						   .prp1 = CQ,
						   .cdw10 = (ENTRIES - 1) << 16 | 1,
						   .cdw11 = VECTOR << 16 | 3 }),
			 0);
	assert_int_equal(run(0, (struct nvme_sqe){ .opcode = NVME_ADMIN_CREATE_SQ,
						   .prp1 = SQ,
						   .cdw10 = (ENTRIES - 1) << 16 | 1,
						   .cdw11 = 1 << 16 | 1 }),
			 0);
}

static struct nvme_sqe rw(uint8_t opcode, uint64_t lba, unsigned blocks, uint64_t iova)
{
	return (struct nvme_sqe){ .opcode = opcode,
				  .nsid = 1,
				  .prp1 = iova,
				  .prp2 = iova + PAGE,
				  .cdw10 = (uint32_t)lba,
				  .cdw12 = blocks - 1 };
}

static unsigned irqs(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? (unsigned)count : 0;
}

static void data_survive_a_round_trip(void **state)
{
	device_make(NULL, NULL);
	enable_with_queue();
	memset(at(DATA), 0x42, 2 * PAGE);
	assert_int_equal(run(1, rw(NVME_IO_WRITE, 100, 16, DATA)), 0);
	assert_int_equal(run(1, rw(NVME_IO_READ, 100, 16, DATA + 4 * PAGE)), 0);
	assert_memory_equal(at(DATA), at(DATA + 4 * PAGE), 2 * PAGE);
}

static void the_engine_finds_polled_doorbells(void **state)
{
	volatile uint32_t *doorbells;
	uint16_t status;

	device_make(NULL, NULL);
	enable_with_queue();
	doorbells = (volatile uint32_t *)((uint8_t *)rf_bar_mem(dev, 0) + NVME_REG_DOORBELLS);
	((struct nvme_sqe *)at(SQ))[0] = rw(NVME_IO_READ, 0, 8, DATA);
	doorbells[2] = 1;
	assert_false(complete(1, &status));
	assert_int_equal(device_poll(dev), 1);
	assert_true(complete(1, &status));
	assert_int_equal(status, 0);
	assert_int_equal(device_poll(dev), 0);
	/* the page says what was stored, to a load as well */
	assert_int_equal(get(NVME_REG_DOORBELLS + 8), 1);
}

static void interrupts_go_to_the_queues_vector(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	device_make(NULL, NULL);
	enable_with_queue();
	assert_int_equal(rf_device_set_irq(dev, VECTOR, fd), 0);
	irqs(fd);
	run(1, rw(NVME_IO_READ, 0, 8, DATA));
	assert_int_equal(irqs(fd), 1);
	run(0, (struct nvme_sqe){ .opcode = NVME_ADMIN_IDENTIFY, .cdw10 = 1, .prp1 = DATA });
	assert_int_equal(irqs(fd), 0);
	rf_device_set_irq(dev, VECTOR, -1);
	close(fd);
}

/* QEMU's driver enables the controller first and MSI-X afterwards. */
static void what_was_raised_before_msix_is_enabled_is_delivered_then(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	device_make(NULL, NULL);
	enable();
	submit(0, (struct nvme_sqe){ .opcode = NVME_ADMIN_IDENTIFY, .cdw10 = 1, .prp1 = DATA });
	assert_int_equal(irqs(fd), 0);
	assert_int_equal(rf_device_set_irq(dev, 0, fd), 0);
	assert_int_equal(irqs(fd), 1);
	rf_device_set_irq(dev, 0, -1);
	close(fd);
}

static void an_unmapped_buffer_fails_the_command_and_is_counted(void **state)
{
	uint64_t faults;

	device_make(NULL, NULL);
	enable_with_queue();
	faults = stats()->faults;
	assert_int_equal(run(1, rw(NVME_IO_READ, 0, 8, 0x1000)), NVME_SC_DATA_TRANSFER);
	assert_int_equal(stats()->faults - faults, 1);
	assert_int_equal(run(1, rw(NVME_IO_READ, 0, 8, DATA)), 0);
}

static void a_command_without_bus_mastering_is_fatal(void **state)
{
	device_make(NULL, NULL);
	enable();
	rf_device_config_write(dev, 4, 2, 2);
	submit(0, (struct nvme_sqe){ .opcode = NVME_ADMIN_IDENTIFY, .cdw10 = 1, .prp1 = DATA });
	assert_true(get(NVME_REG_CSTS) & NVME_CSTS_CFS);
	/* a reset makes it usable again */
	rf_device_config_write(dev, 4, 6, 2);
	rf_device_reset(dev);
	rf_device_config_write(dev, 4, 6, 2);
	assert_int_equal(get(NVME_REG_CSTS), 0);
	tails[0] = 0;
	enable_with_queue();
}

static void a_completion_that_cannot_be_written_interrupts_nobody(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	device_make(NULL, NULL);
	put(NVME_REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
	put(NVME_REG_ASQ, ASQ, 8);
	put(NVME_REG_ACQ, 1ull << 40, 8);
	put(NVME_REG_CC, 4u << 20 | 6u << 16 | NVME_CC_EN, 4);
	assert_int_equal(rf_device_set_irq(dev, 0, fd), 0);
	submit(0, (struct nvme_sqe){ .opcode = NVME_ADMIN_IDENTIFY, .cdw10 = 1, .prp1 = DATA });
	assert_true(get(NVME_REG_CSTS) & NVME_CSTS_CFS);
	assert_int_equal(irqs(fd), 0);
	rf_device_set_irq(dev, 0, -1);
	close(fd);
}

static void a_truncated_file_is_an_error_not_a_crash(void **state)
{
	take_faults();
	unlink(FILENAME);
	device_make("file", FILENAME);
	enable_with_queue();
	assert_int_equal(run(1, rw(NVME_IO_WRITE, 1024, 16, DATA)), 0);
	assert_int_equal(truncate(FILENAME, 65536), 0);
	assert_int_equal(run(1, rw(NVME_IO_READ, 1024, 16, DATA)), NVME_SC_READ_ERROR);
	assert_int_equal(run(1, rw(NVME_IO_WRITE, 1024, 16, DATA)), NVME_SC_WRITE_FAULT);
	assert_int_equal(run(1, rw(NVME_IO_WRITE, 0, 16, DATA)), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(data_survive_a_round_trip),
		TEST(the_engine_finds_polled_doorbells),
		TEST(interrupts_go_to_the_queues_vector),
		TEST(what_was_raised_before_msix_is_enabled_is_delivered_then),
		TEST(an_unmapped_buffer_fails_the_command_and_is_counted),
		TEST(a_command_without_bus_mastering_is_fatal),
		TEST(a_completion_that_cannot_be_written_interrupts_nobody),
		TEST(a_truncated_file_is_an_error_not_a_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
