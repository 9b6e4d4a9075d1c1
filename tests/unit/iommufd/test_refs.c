/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often a page is pinned, as the self-tests ask for it: by the page, wherever it is
 * mapped, and whatever has become of the place that it was mapped for DMA at.
 */
#include "../faults.h"
#include "rig.h"

#include <unistd.h>

#include "base/vfio_abi.h"
#include "memory/pin.h"

#define NR 8ul

/* The same pages twice. */
struct twice {
	char *a;
	char *b;
};

static struct twice twice_new(void)
{
	int fd = memfd_create("twice", MFD_CLOEXEC);
	struct twice t;

	assert_int_equal(ftruncate(fd, NR * PAGE), 0);
	t.a = mmap(NULL, NR * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	t.b = mmap(NULL, NR * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(t.a != MAP_FAILED && t.b != MAP_FAILED);
	close(fd);
	return t;
}

static void twice_free(struct twice t)
{
	munmap(t.a, NR * PAGE);
	munmap(t.b, NR * PAGE);
}

/* All pages, at both places. */
static void assert_refs(struct rig *rig, struct twice t, uint32_t refs)
{
	assert_int_equal(check_refs(rig, t.a, NR * PAGE, refs), 0);
	assert_int_equal(check_refs(rig, t.b, NR * PAGE, refs), 0);
	assert_int_equal(check_refs(rig, t.a, NR * PAGE, refs + 1), -EIO);
}

static bool none(struct pin *pin, void *arg)
{
	*(bool *)arg = true;
	return false;
}

static void assert_nothing_hidden(struct rig *rig)
{
	bool any = false;

	pin_visit_hidden(rig->table.caller.owner, none, &any);
	assert_false(any);
}

/* As a mprotect() that takes rights away has it: devices get another view. */
static void protect(struct rig *rig, void *addr, uint64_t nr)
{
	assert_int_equal(pin_keep(rig->table.caller.owner, (uintptr_t)addr, nr * PAGE, PIN_PROTECT),
			 nr);
}

static int copy(struct rig *rig, uint32_t to, uint32_t from, uint64_t nr)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = to,
		.src_ioas_id = from,
		.length = nr * PAGE,
		.dst_iova = BASE,
		.src_iova = BASE,
	};

	return call(rig, IOMMU_IOAS_COPY, &cmd);
}

static void a_page_has_the_pins_of_all_its_addresses(void **state)
{
	struct rig *rig = *state;
	struct twice t = twice_new();
	uint32_t ioas = ioas_new_id(rig);

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	assert_refs(rig, t, 0);
	assert_int_equal(map_fixed(rig, ioas, t.a, NR * PAGE, BASE), 0);
	assert_refs(rig, t, 1);
	assert_int_equal(map_fixed(rig, ioas, t.b + 2 * PAGE, PAGE, BASE + NR * PAGE), 0);
	assert_int_equal(check_refs(rig, t.a, 2 * PAGE, 1), 0);
	assert_int_equal(check_refs(rig, t.a + 2 * PAGE, PAGE, 2), 0);
	assert_int_equal(check_refs(rig, t.b + 2 * PAGE, PAGE, 2), 0);
	assert_int_equal(check_refs(rig, t.b, NR * PAGE, 1), -EIO);
	assert_int_equal(unmap(rig, ioas, 0, UINT64_MAX, NULL), 0);
	assert_refs(rig, t, 0);
	twice_free(t);
	assert_int_equal(check_refs(rig, t.a, PAGE, 0), -EFAULT);
}

static void private_memory_has_its_own_pins(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, 2 * PAGE, BASE), 0);
	assert_int_equal(check_refs(rig, rig->buf, 2 * PAGE, 1), 0);
	assert_int_equal(check_refs(rig, rig->buf + 2 * PAGE, 2 * PAGE, 0), 0);
}

static void what_is_moved_out_of_the_way_stays_pinned(void **state)
{
	struct rig *rig = *state;
	struct twice t = twice_new();
	uint32_t ioas = ioas_new_id(rig);

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	assert_int_equal(map_fixed(rig, ioas, t.a, NR * PAGE, BASE), 0);
	protect(rig, t.a + PAGE, 2);
	assert_refs(rig, t, 1);
	assert_int_equal(pin_keep(rig->table.caller.owner, (uintptr_t)t.a, 4 * PAGE, PIN_UNMAP), 2);
	assert_int_equal(check_refs(rig, t.b, NR * PAGE, 1), 0);
	munmap(t.a, 4 * PAGE);
	assert_int_equal(check_refs(rig, t.a + 4 * PAGE, 4 * PAGE, 1), 0);
	assert_int_equal(unmap(rig, ioas, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(check_refs(rig, t.b, NR * PAGE, 0), 0);
	assert_nothing_hidden(rig);
	twice_free(t);
}

static void shared_pages_are_pinned_once_wherever_they_are(void **state)
{
	struct rig *rig = *state;
	struct twice t = twice_new();
	uint32_t one = ioas_new_id(rig), two = ioas_new_id(rig), three = ioas_new_id(rig);
	uint32_t stdev;

	assert_int_equal(mock_domain(rig, one, 0, NULL, NULL, NULL), 0);
	assert_int_equal(mock_domain(rig, two, 0, NULL, NULL, NULL), 0);
	assert_int_equal(map_fixed(rig, one, t.a, NR * PAGE, BASE), 0);
	assert_int_equal(copy(rig, two, one, NR), 0);
	protect(rig, t.a, 4);
	assert_refs(rig, t, 1);
	/* one that comes to where pages are hidden already */
	assert_int_equal(copy(rig, three, one, NR), 0);
	assert_int_equal(mock_domain(rig, three, 0, &stdev, NULL, NULL), 0);
	assert_refs(rig, t, 1);
	assert_int_equal(unmap(rig, one, 0, UINT64_MAX, NULL), 0);
	assert_refs(rig, t, 1);
	assert_int_equal(destroy(rig, stdev), 0);
	assert_refs(rig, t, 1);
	assert_int_equal(unmap(rig, two, 0, UINT64_MAX, NULL), 0);
	assert_refs(rig, t, 0);
	assert_nothing_hidden(rig);
	twice_free(t);
}

static void hidden_memory_can_come_to_be_shared(void **state)
{
	struct rig *rig = *state;
	struct twice t = twice_new();
	uint32_t one = ioas_new_id(rig), two = ioas_new_id(rig);

	assert_int_equal(mock_domain(rig, one, 0, NULL, NULL, NULL), 0);
	assert_int_equal(map_fixed(rig, one, t.a, NR * PAGE, BASE), 0);
	protect(rig, t.a, 4);
	assert_int_equal(copy(rig, two, one, NR), 0);
	assert_refs(rig, t, 1);
	assert_int_equal(unmap(rig, one, 0, UINT64_MAX, NULL), 0);
	assert_refs(rig, t, 0);
	assert_nothing_hidden(rig);
	twice_free(t);
}

static void hidden_memory_can_be_cut(void **state)
{
	struct rig *rig = *state;
	struct twice t = twice_new();
	uint32_t ioas = ioas_new_id(rig);
	struct iommu_vfio_ioas set = { .size = sizeof(set),
				       .ioas_id = ioas,
				       .op = IOMMU_VFIO_IOAS_SET };
	struct vfio_iommu_type1_dma_unmap part = {
		.argsz = offsetof(struct vfio_iommu_type1_dma_unmap, data),
		.iova = BASE + PAGE,
		.size = 2 * PAGE,
	};

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	assert_int_equal(call(rig, IOMMU_VFIO_IOAS, &set), 0);
	assert_int_equal(
		table_ioctl(&rig->table, rig->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(map_fixed(rig, ioas, t.a, NR * PAGE, BASE), 0);
	protect(rig, t.a, NR);
	assert_int_equal(call(rig, VFIO_IOMMU_UNMAP_DMA, &part), 0);
	assert_int_equal(part.size, 2 * PAGE);
	assert_int_equal(check_refs(rig, t.a, PAGE, 1), 0);
	assert_int_equal(check_refs(rig, t.a + PAGE, 2 * PAGE, 0), 0);
	assert_int_equal(check_refs(rig, t.a + 3 * PAGE, 5 * PAGE, 1), 0);
	assert_int_equal(unmap(rig, ioas, 0, UINT64_MAX, NULL), 0);
	assert_refs(rig, t, 0);
	assert_nothing_hidden(rig);
	twice_free(t);
}

static void the_end_of_addresses_is_told_apart(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), hwpt;

	take_faults();
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, &hwpt, NULL), 0);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, BASE), 0);
	assert_int_equal(check_map(rig, hwpt, BASE, 2048, (void *)-PAGE), -EOVERFLOW);
	assert_int_equal(check_map(rig, hwpt, BASE, 2048, (void *)(-2 * PAGE)), -EFAULT);
	assert_int_equal(check_map(rig, hwpt, BASE, PAGE, (void *)-PAGE), -EINVAL);
	assert_int_equal(check_refs(rig, (void *)-PAGE, PAGE, 0), -EINVAL);
	assert_int_equal(check_refs(rig, (void *)(-2 * PAGE), PAGE, 0), -EFAULT);
}

static void another_process_pins_the_same_page(void **state)
{
	struct rig *rig = *state;
	struct twice t = twice_new();
	struct rf_owner *other = owner_new_self();
	struct rf_owner *mine = rig->table.caller.owner;
	uint32_t ioas = ioas_new_id(rig), hwpt;

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, &hwpt, NULL), 0);
	rig->table.caller.owner = other;
	assert_int_equal(map_fixed(rig, ioas, t.a, NR * PAGE, BASE), 0);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, BASE + NR * PAGE), 0);
	rig->table.caller.owner = mine;
	assert_refs(rig, t, 1);
	assert_int_equal(check_map(rig, hwpt, BASE, NR * PAGE, t.a), 0);
	assert_int_equal(check_map(rig, hwpt, BASE, NR * PAGE, t.b), 0);
	assert_int_equal(check_map(rig, hwpt, BASE, PAGE, t.b + PAGE), -EINVAL);
	/* what is private is another's at the same address */
	assert_int_equal(check_refs(rig, rig->buf, PAGE, 0), 0);
	assert_int_equal(check_map(rig, hwpt, BASE + NR * PAGE, PAGE, rig->buf), -EINVAL);
	assert_int_equal(unmap(rig, ioas, 0, UINT64_MAX, NULL), 0);
	owner_free(other);
	assert_refs(rig, t, 0);
	twice_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_page_has_the_pins_of_all_its_addresses),
		RIG_TEST(private_memory_has_its_own_pins),
		RIG_TEST(what_is_moved_out_of_the_way_stays_pinned),
		RIG_TEST(shared_pages_are_pinned_once_wherever_they_are),
		RIG_TEST(hidden_memory_can_come_to_be_shared),
		RIG_TEST(hidden_memory_can_be_cut),
		RIG_TEST(the_end_of_addresses_is_told_apart),
		RIG_TEST(another_process_pins_the_same_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
