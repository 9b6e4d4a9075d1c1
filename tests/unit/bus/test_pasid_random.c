/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attaching spaces to PASIDs of two devices in any order, with allocations that fail,
 * against plain arrays: after each step every device sees with every PASID what the
 * model says, and nothing else.
 */
#include <errno.h>
#include <sys/mman.h>

#include "../random.h"
#include "base/alloc.h"
#include "base/log.h"
#include "fixture.h"
#include "ioas/ioas.h"
#include "memory/owner.h"
#include "pasid/pasid.h"

#define PAGE	4096u
#define IOVA	0x100000u
#define DEVICES 2u
#define SPACES	3u
#define PASIDS	6u
#define NOTHING SPACES
#define STEPS	6000u
#define FAR	5000u /* some PASIDs are in another leaf */

static const struct rf_pci_model model = {
	.abi = RF_MODEL_ABI,
	.name = "tagging",
	.caps = RF_PCI_CAP_PCIE | RF_PCI_CAP_PASID,
	.pasid_bits = 20,
};
static const struct rf_pasid_type type = { "test" };

static struct rf_device *devices[DEVICES];
static struct rf_ioas *spaces[SPACES];
static struct domain *domains[SPACES];
static struct rf_pasid_set *set;
static struct rf_owner *owner;
static uint8_t *memory;
static uint64_t rnd = 3;

/* The model: where each PASID leads, NOTHING first for untagged DMA; what is mapped; who is left. */
static unsigned attached[DEVICES][PASIDS + 1];
static bool mapped[SPACES];
static bool allocated[PASIDS + 1];

static uint32_t number(unsigned n)
{
	return n > PASIDS / 2 ? FAR + n : n;
}

static bool in_use(unsigned n)
{
	return attached[0][n] != NOTHING || attached[1][n] != NOTHING;
}

static void step_attach(unsigned d, unsigned n, unsigned s)
{
	unsigned *at = &attached[d][n];
	bool replace = random_below(&rnd, 2);
	int ret, want = 0;

	if (!allocated[n])
		want = -ENOENT;
	else if (replace && *at == NOTHING)
		want = -EINVAL;
	else if (!replace && *at != NOTHING)
		want = -EBUSY;
	ret = replace ? rf_pasid_replace(devices[d], set, number(n), spaces[s]) :
			rf_pasid_attach(devices[d], set, number(n), spaces[s]);
	if (ret == -ENOMEM && alloc_has_failed())
		return;
	assert_int_equal(ret, want);
	if (!ret)
		*at = s;
}

static void step_detach(unsigned d, unsigned n)
{
	assert_int_equal(rf_pasid_detach(devices[d], set, number(n)),
			 attached[d][n] == NOTHING ? -ENOENT : 0);
	attached[d][n] = NOTHING;
}

/* The rest of the device, which shares domains with the PASIDs. */
static void step_untagged(unsigned d, unsigned s)
{
	if (random_below(&rnd, 2)) {
		device_detach(devices[d]);
		attached[d][0] = NOTHING;
	} else if (!device_attach(devices[d], domains[s])) {
		attached[d][0] = s;
	} else {
		assert_true(alloc_has_failed());
	}
}

static void step_number(unsigned n)
{
	uint32_t got;
	int ret;

	if (allocated[n]) {
		assert_int_equal(rf_pasid_free(set, number(n)), 0);
		allocated[n] = false;
		return;
	}
	ret = rf_pasid_alloc(set, number(n), number(n), NULL, &got);
	assert_int_equal(ret, in_use(n) ? -ENOSPC : 0);
	allocated[n] = !ret;
}

static void step_map(unsigned s)
{
	uint64_t unmapped;
	int ret;

	if (mapped[s]) {
		assert_int_equal(ioas_unmap_range(spaces[s], IOVA, IOVA + PAGE - 1, IOAS_CUT_REFUSE,
						  false, &unmapped),
				 0);
		mapped[s] = false;
		return;
	}
	ret = ioas_map_fixed(spaces[s], owner, (uintptr_t)memory + s * PAGE, IOVA, PAGE, RF_READ,
			     false);
	assert_true(!ret || (ret == -ENOMEM && alloc_has_failed()));
	mapped[s] = !ret;
}

static void compare(void)
{
	for (unsigned d = 0; d < DEVICES; d++)
		for (unsigned n = 0; n <= PASIDS; n++) {
			unsigned s = attached[d][n];
			uint8_t val = 0;
			int ret = n ? rf_dma_read_pasid(devices[d], number(n), IOVA, &val, 1) :
				      rf_dma_read(devices[d], IOVA, &val, 1);

			assert_int_equal(ret, s == NOTHING ? -ENODEV : mapped[s] ? 0 : -EFAULT);
			assert_int_equal(val, ret ? 0 : 10 + s);
		}
}

static void any_order_agrees_with_plain_arrays(void **state)
{
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned d = (unsigned)random_below(&rnd, DEVICES);
		unsigned n = 1 + (unsigned)random_below(&rnd, PASIDS);
		unsigned s = (unsigned)random_below(&rnd, SPACES);

		alloc_fail_nth((long)random_below(&rnd, 4));
		switch (random_below(&rnd, 8)) {
		case 0 ... 2:
			step_attach(d, n, s);
			break;
		case 3:
			step_detach(d, n);
			break;
		case 4:
			step_untagged(d, s);
			break;
		case 5:
			step_map(s);
			break;
		default:
			step_number(n);
		}
		alloc_fail_nth(0);
		compare();
	}
}

static int setup(void **state)
{
	struct pci_address at = { .bus = 1 };
	struct pasid_space **space = (struct pasid_space **)state;
	char *error;

	log_set_level(LOG_ERROR);
	memory = mmap(NULL, SPACES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	owner = owner_new_self();
	assert_int_equal(pasid_space_new(space), 0);
	assert_int_equal(pasid_set_new(*space, &type, &type, PASIDS + 1, &set), 0);
	for (unsigned s = 0; s < SPACES; s++) {
		memory[s * PAGE] = (uint8_t)(10 + s);
		assert_int_equal(ioas_new(&spaces[s]), 0);
		assert_int_equal(ioas_get_domain(spaces[s], iommu_kind_find(NULL), &domains[s]), 0);
	}
	for (unsigned d = 0; d < DEVICES; d++) {
		at.slot = (uint8_t)d;
		assert_int_equal(device_new(&model, &at, NULL, &devices[d], &error), 0);
		devices[d]->iommu = iommu_kind_find(NULL);
		devices[d]->group = (struct rf_group *)memory; /* some group */
		config_write(devices[d], 4, 4, 2);
		config_write(devices[d], devices[d]->cap_pasid + 6u, 1, 2);
		for (unsigned n = 0; n <= PASIDS; n++)
			attached[d][n] = NOTHING;
	}
	return 0;
}

static int teardown(void **state)
{
	for (unsigned d = 0; d < DEVICES; d++)
		device_free(devices[d]);
	for (unsigned s = 0; s < SPACES; s++) {
		ioas_put_domain(spaces[s], domains[s]);
		ioas_put(spaces[s]);
	}
	assert_int_equal(rf_pasid_set_quota(set, RF_PASID_MAX), 0);
	pasid_space_free(*state);
	owner_free(owner);
	munmap(memory, SPACES * PAGE);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_order_agrees_with_plain_arrays, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("pasid_random", tests, NULL, NULL);
}
