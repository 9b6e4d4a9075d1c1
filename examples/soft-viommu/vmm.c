/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM in small: a guest with a device behind an IOMMU of its own.
 *
 * The machine has QEMU's educational device. The guest, played by functions that
 * touch nothing but its memory, the IOMMU's command and the device's registers, maps a page in its
 * IOMMU's table and lets the device write there; replaces the page, and takes it away.
 * The VMM shadows that into the address space the device is attached to. Beside it
 * stands a cache as a vhost backend has one, which only hears what no longer holds.
 */
#include <errno.h>
#include <ringfence/devtlb.h>
#include <ringfence/group.h>
#include <ringfence/machine.h>
#include <ringfence/shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "soft-viommu.h"

#define PAGE	 SOFT_VIOMMU_PAGE
#define RAM_SIZE (1024 * PAGE)
#define TABLE	 0x1000ull /* of 256 entries, so half a page */
#define ENTRIES	 256u
#define BUFFER_A 0x100000ull /* guest pages */
#define BUFFER_B 0x200000ull
#define IOVA	 0x4000ull

static struct rf_machine *machine;
static struct rf_device *edu;
static char *ram;
static struct soft_viommu viommu;

static void must(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "soft-viommu: %s: %s\n", what,
		ret < 0 ? strerror(-ret) : "not as it should be");
	exit(1);
}

/* The guest. */

static void guest_map(uint64_t iova, uint64_t gpa, uint64_t rights)
{
	((volatile uint64_t *)(ram + TABLE))[iova / PAGE] = gpa | rights;
	must(soft_viommu_invalidate(&viommu, iova, 1), "invalidate");
}

/* The device moves the guest's word through its buffer to @iova. */
static void guest_dma(uint64_t iova, bool to_memory)
{
	rf_device_mmio_write(edu, 0, to_memory ? 0x80 : 0x88, 0x40000, 8);
	rf_device_mmio_write(edu, 0, to_memory ? 0x88 : 0x80, iova, 8);
	rf_device_mmio_write(edu, 0, 0x90, 8, 8);
	rf_device_mmio_write(edu, 0, 0x98, to_memory ? 3 : 1, 8);
}

static bool guest_has(uint64_t gpa, const char *word)
{
	return !memcmp(ram + gpa, word, 8);
}

/* The VMM. */

static int locate(void *arg, uint64_t target, struct rf_shadow_memory *memory)
{
	if (target >= RAM_SIZE) {
		memory->length = UINT64_MAX & -PAGE;
		return -EFAULT;
	}
	*memory = (struct rf_shadow_memory){ rf_owner_self(machine), ram + target,
					     RAM_SIZE - target };
	return 0;
}

static int peek(void *arg, uint64_t target, uint64_t length)
{
	memcpy(arg, ram + target, 8);
	return 0;
}

static void vmm_start(struct rf_ioas **ioas)
{
	char *error = NULL;

	must(rf_machine_new(NULL, "machine", &machine, &error), "machine");
	must(rf_machine_add_device(machine, "edu", &edu, &error), "edu");
	must(rf_ioas_new(machine, 0, ioas), "address space");
	must(rf_group_attach(rf_device_group(edu), *ioas), "attach");
	rf_device_config_write(edu, 4, 6, 2); /* memory, bus master */

	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(ram == MAP_FAILED ? -ENOMEM : 0, "memory");
	viommu = (struct soft_viommu){
		.ram = ram, .ram_size = RAM_SIZE, .table = TABLE, .entries = ENTRIES
	};
	must(soft_viommu_start(&viommu), "soft-viommu");
}

int main(void)
{
	const struct rf_shadow_ops ops = { .name = "shadow", .locate = locate };
	struct rf_shadow *shadow;
	struct rf_devtlb *tlb;
	struct rf_ioas *ioas;
	char word[8];

	vmm_start(&ioas);
	must(rf_shadow_new(viommu.region, 0, UINT64_MAX, ioas, 0, &ops, NULL, &shadow) != -ENOTSUP,
	     "refuse a shadow without caching mode");
	printf("without caching mode the IOMMU refuses to be shadowed\n");
	viommu.caching = true;

	/* mapped before anybody listens: told by replay */
	memcpy(ram + BUFFER_A, "first...", 8);
	((uint64_t *)(ram + TABLE))[IOVA / PAGE] = BUFFER_A | SOFT_VIOMMU_READ | SOFT_VIOMMU_WRITE;
	must(rf_shadow_new(viommu.region, 0, UINT64_MAX, ioas, 0, &ops, NULL, &shadow), "shadow");
	must(rf_devtlb_new(viommu.region, 64, &tlb), "device-side cache");
	guest_dma(IOVA, false);
	must(rf_devtlb_access(tlb, IOVA, RF_READ, peek, word), "read");
	must(memcmp(word, "first...", 8), "the cache's page");

	/* the guest replaces the page in place: the device follows, the cache forgets */
	guest_map(IOVA, BUFFER_B, SOFT_VIOMMU_READ | SOFT_VIOMMU_WRITE);
	guest_dma(IOVA, true);
	must(!guest_has(BUFFER_B, "first..."), "DMA to the page that replaced the first");
	memcpy(ram + BUFFER_A, "second..", 8);
	must(rf_devtlb_access(tlb, IOVA, RF_READ, peek, word), "read");
	must(memcmp(word, "first...", 8), "the cache's page after the replacement");
	printf("a page replaced in place: the device writes to the new one\n");

	/* and takes it away: the next DMA reaches nothing, and is reported */
	guest_map(IOVA, 0, 0);
	memcpy(ram + BUFFER_B, "gone....", 8);
	guest_dma(IOVA, true);
	must(!guest_has(BUFFER_B, "gone...."), "DMA to a page that was unmapped");
	must(rf_devtlb_access(tlb, IOVA, RF_READ, peek, word) != -EFAULT,
	     "the cache has forgotten");
	printf("a page taken away: DMA and cache reach nothing\nok\n");

	rf_devtlb_free(tlb);
	rf_shadow_free(shadow);
	soft_viommu_stop(&viommu);
	rf_group_detach(rf_device_group(edu));
	rf_ioas_free(ioas);
	rf_machine_free(machine);
	munmap(ram, RAM_SIZE);
	return 0;
}
