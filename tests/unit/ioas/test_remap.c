/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings that are replaced and cut while devices use them.
 */
#include <pthread.h>

#include "../random.h"
#include "fixture.h"
#include "ioas/space.h"
#include "iommu/domain_private.h"

static int remap(uint64_t iova, void *addr, uint64_t length, uint32_t prot)
{
	return rf_ioas_remap(ioas, iova, length, prot ? owner : NULL, addr, prot);
}

static void a_mapping_is_replaced(void **state)
{
	char *memory = pages(4);

	assert_int_equal(map_at(PAGE, memory, 2 * PAGE), 0);
	assert_int_equal(remap(PAGE, memory + 2 * PAGE, 2 * PAGE, RW), 0);
	assert_ptr_equal(lookup(PAGE), memory + 2 * PAGE);
	assert_ptr_equal(lookup(2 * PAGE), memory + 3 * PAGE);
	assert_int_equal(ioas_nr_areas(ioas), 1);
	/* rights, too */
	assert_int_equal(remap(PAGE, memory, 2 * PAGE, RF_READ), 0);
	assert_int_equal(domain_translate(domain, PAGE, RF_WRITE, &(struct translation){ 0 }),
			 -EFAULT);
	assert_int_equal(unmap(PAGE, 2 * PAGE), 2 * PAGE);
	munmap(memory, 4 * PAGE);
}

static void what_reaches_out_is_cut_and_stays(void **state)
{
	char *memory = pages(16);

	assert_int_equal(map_at(PAGE, memory, 8 * PAGE), 0);
	assert_int_equal(remap(3 * PAGE, memory + 8 * PAGE, PAGE, RW), 0);
	assert_int_equal(ioas_nr_areas(ioas), 3);
	for (unsigned i = 0; i < 8; i++)
		assert_ptr_equal(lookup((i + 1) * PAGE), memory + (i == 2 ? 8 : i) * PAGE);
	/* the pieces are mappings of their own */
	assert_int_equal(unmap(PAGE, 2 * PAGE), 2 * PAGE);
	assert_int_equal(lookup(PAGE), 0);
	assert_int_equal(unmap(4 * PAGE, 5 * PAGE), 5 * PAGE);
	assert_ptr_equal(lookup(3 * PAGE), memory + 8 * PAGE);
	munmap(memory, 16 * PAGE);
}

static void a_range_may_hold_several_mappings_and_holes(void **state)
{
	char *memory = pages(16);

	assert_int_equal(map_at(PAGE, memory, 2 * PAGE), 0);
	assert_int_equal(map_at(4 * PAGE, memory + 4 * PAGE, PAGE), 0);
	assert_int_equal(map_at(6 * PAGE, memory + 6 * PAGE, 2 * PAGE), 0);
	assert_int_equal(remap(2 * PAGE, memory + 8 * PAGE, 5 * PAGE, RW), 0);
	assert_ptr_equal(lookup(PAGE), memory);
	for (unsigned i = 2; i < 7; i++)
		assert_ptr_equal(lookup(i * PAGE), memory + (6 + i) * PAGE);
	assert_ptr_equal(lookup(7 * PAGE), memory + 7 * PAGE);
	assert_int_equal(ioas_nr_areas(ioas), 3);
	/* nothing is something to lead to, and to come from */
	assert_int_equal(remap(0, NULL, 7 * PAGE, 0), 0);
	assert_int_equal(ioas_nr_areas(ioas), 1);
	assert_int_equal(remap(0, NULL, 7 * PAGE, 0), 0);
	assert_int_equal(remap(0, memory, PAGE, RW), 0);
	assert_ptr_equal(lookup(0), memory);
	munmap(memory, 16 * PAGE);
}

static void leaves_of_any_size_are_cut(void **state)
{
	char *memory = mmap(NULL, 3 * GIB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	const uint64_t cut = 4 * GIB + 5 * MIB + 3 * PAGE;

	assert_true(memory != MAP_FAILED);
	/* one leaf of 1 GiB, and two of less beside it */
	assert_int_equal(map_at(4 * GIB - 2 * MIB, memory, GIB + 4 * MIB), 0);
	assert_int_equal(remap(cut, NULL, PAGE, 0), 0);
	assert_int_equal(lookup(cut), 0);
	for (uint64_t iova = 4 * GIB - 2 * MIB; iova < 5 * GIB + 2 * MIB;
	     iova += iova < 4 * GIB + 8 * MIB ? PAGE : 4 * MIB)
		if (iova != cut)
			assert_ptr_equal(lookup(iova), memory + iova - (4 * GIB - 2 * MIB));
	/* and whole leaves that have become tables */
	assert_int_equal(remap(4 * GIB, memory, GIB, RW), 0);
	for (uint64_t iova = 4 * GIB; iova < 5 * GIB; iova += 3 * MIB)
		assert_ptr_equal(lookup(iova), memory + iova - 4 * GIB);
	assert_int_equal(ioas_nr_areas(ioas), 3);
	assert_true(domain_nr_tables(domain) < 10);
	munmap(memory, 3 * GIB);
}

static void bad_arguments_change_nothing(void **state)
{
	char *memory = pages(2);
	uint64_t iova = 0;

	assert_int_equal(map_at(0, memory, PAGE), 0);
	assert_int_equal(remap(0, memory, 0, RW), -EINVAL);
	assert_int_equal(remap(1, memory, PAGE, RW), -EINVAL);
	assert_int_equal(remap(0, memory + 1, PAGE, RW), -EINVAL);
	assert_int_equal(remap(0, memory, PAGE + 1, RW), -EINVAL);
	assert_int_equal(remap(-PAGE, memory, 2 * PAGE, RW), -EINVAL);
	assert_int_equal(remap(0, (void *)-PAGE, 2 * PAGE, RW), -EINVAL);
	assert_int_equal(remap(0, memory, PAGE, RW << 1), -EINVAL);
	assert_int_equal(rf_ioas_remap(ioas, 0, PAGE, NULL, memory, RW), -EINVAL);
	take_faults();
	/* the MSI window */
	assert_int_equal(remap(0xfee00000, memory, PAGE, RW), -EINVAL);
	munmap(memory + PAGE, PAGE);
	assert_int_equal(remap(0, memory + PAGE, PAGE, RW), -EFAULT);
	assert_ptr_equal(lookup(iova), memory);
	assert_int_equal(ioas_nr_areas(ioas), 1);
	munmap(memory, PAGE);
}

static void let_go(void *arg, uint64_t first, uint64_t last)
{
	rf_access_unpin(*(struct rf_access **)arg, 0, PAGE);
}

static void memory_held_by_an_access_stays(void **state)
{
	const struct rf_access_ops ops = { .unmap = let_go };
	struct rf_access *access;
	struct rf_pinned_page page;
	char *memory = pages(2);

	assert_int_equal(map_at(0, memory, PAGE), 0);
	assert_int_equal(rf_access_new(&ops, &access, &access), 0);
	assert_int_equal(rf_access_attach(access, ioas), 0);
	assert_int_equal(rf_access_pin(access, 0, PAGE, &page, 0), 0);
	assert_int_equal(remap(0, memory + PAGE, PAGE, RW), -EBUSY);
	assert_ptr_equal(lookup(0), memory);
	rf_access_free(access);
	munmap(memory, 2 * PAGE);
}

static void what_others_mapped_or_let_go_of_stays(void **state)
{
	char *memory = pages(4);
	struct user_map map = { .owner = owner,
				.addr = (uintptr_t)memory,
				.memfd = -1,
				.length = PAGE,
				.prot = RW,
				.fixed = true };
	uintptr_t hidden;

	/* charged to an account, as a program's mappings are */
	assert_int_equal(ioas_user_map(ioas, &map, &map.iova), 0);
	assert_int_equal(remap(0, memory + PAGE, PAGE, RW), -EBUSY);
	assert_int_equal(remap(0, NULL, PAGE, 0), -EBUSY);
	assert_ptr_equal(lookup(0), memory);
	/* hidden, since the program has unmapped it */
	assert_int_equal(map_at(PAGE, memory + 2 * PAGE, PAGE), 0);
	assert_int_equal(pin_keep(owner, (uintptr_t)memory + 2 * PAGE, PAGE, PIN_UNMAP), 1);
	hidden = lookup(PAGE);
	assert_ptr_not_equal(hidden, memory + 2 * PAGE);
	assert_int_equal(remap(PAGE, memory + PAGE, PAGE, RW), -EBUSY);
	assert_int_equal(remap(0, memory + PAGE, 2 * PAGE, RW), -EBUSY);
	assert_true(lookup(PAGE) == hidden);
	assert_int_equal(unmap(0, 2 * PAGE), 2 * PAGE);
	munmap(memory, 4 * PAGE);
}

/* A page table can name so many owners; what belongs to another cannot be leaves. */
static void what_cannot_be_cut_stays(void **state)
{
	static struct rf_owner *owners[DOMAIN_OWNERS + 1];
	uint64_t iova = GIB;

	for (unsigned i = 0; i <= DOMAIN_OWNERS; i++) {
		owners[i] = owner_new_self();
		assert_non_null(owners[i]);
		assert_int_equal(ioas_map_fixed(ioas, owners[i], GIB + i * MIB, iova + i * MIB,
						4 * PAGE, RW, true),
				 0);
	}
	iova += (DOMAIN_OWNERS - 1) * MIB;
	assert_int_equal(remap(iova + PAGE, NULL, PAGE, 0), 0);
	iova += MIB;
	assert_int_equal(remap(iova + PAGE, NULL, PAGE, 0), -EBUSY);
	assert_int_equal(remap(iova - PAGE, NULL, 2 * PAGE, 0), -EBUSY);
	for (unsigned i = 0; i < 4; i++)
		assert_true(lookup(iova + i * PAGE) == iova + i * PAGE);
	/* but it may go as a whole */
	assert_int_equal(remap(iova, NULL, 4 * PAGE, 0), 0);
	assert_false(lookup(iova));
	unmap(0, 4 * GIB);
	for (unsigned i = 0; i <= DOMAIN_OWNERS; i++)
		owner_free(owners[i]);
}

static void windows_bound_what_is_remapped(void **state)
{
	const struct rf_window want = { .iova = 0, .page_size = 2 * PAGE, .prot = RF_READ };
	char *start = pages(9);
	char *memory = start + ((uintptr_t)start & PAGE);

	assert_int_equal(rf_ioas_create_window(ioas, &want, 8 * PAGE, RF_WINDOW_FIXED, NULL), 0);
	assert_int_equal(remap(0, memory, 4 * PAGE, RF_READ), 0);
	assert_int_equal(remap(0, memory, 2 * PAGE, RW), -EPERM);
	assert_int_equal(remap(PAGE, memory, 2 * PAGE, RF_READ), -EINVAL);
	assert_int_equal(remap(0, memory, 10 * PAGE, RF_READ), -EINVAL);
	assert_int_equal(remap(PAGE, NULL, PAGE, 0), -EINVAL);
	assert_int_equal(remap(0, NULL, 10 * PAGE, 0), -EINVAL);
	assert_ptr_equal(lookup(PAGE), memory + PAGE);
	assert_int_equal(remap(0, NULL, 2 * PAGE, 0), 0);
	assert_int_equal(lookup(PAGE), 0);
	assert_ptr_equal(lookup(2 * PAGE), memory + 2 * PAGE);
	munmap(start, 9 * PAGE);
}

/*
 * Random remappings, some of which run out of memory, of 2048 pages, of which devices see
 * the middle as two 2 MiB slots.
 */
#define NR    2048u
#define FIRST (GIB - NR / 2 * PAGE)

struct tally {
	uint64_t tables; /* below the root */
	unsigned idle; /* of those, empty ones */
};

/* What each table counts is what it has. Whether it has anything. */
static bool table_adds_up(struct table *table, struct tally *tally)
{
	unsigned used = 0;
	unsigned tables = 0;

	for (unsigned i = 0; i < TABLE_SLOTS; i++) {
		uint64_t slot = slot_load(table, i);

		if (slot_is_table(slot)) {
			bool holds = table_adds_up(slot_table(slot), tally);

			tables++;
			used += holds;
			tally->tables++;
			tally->idle += !holds;
		} else {
			used += !!slot;
		}
	}
	assert_int_equal(table->used, used);
	assert_int_equal(table->tables, tables);
	return used;
}

static void domain_adds_up(struct domain *d)
{
	struct tally tally = { 0 };

	table_adds_up(&d->root, &tally);
	assert_int_equal(domain_nr_tables(d), tally.tables);
	assert_int_equal(d->idle, tally.idle);
	assert_true(d->idle <= DOMAIN_IDLE);
	assert_null(d->retired);
}

/* Unmap the mapping that holds page @i of @model, or map where there is none. */
static void toggle(uintptr_t *model, uint64_t i, uintptr_t addr)
{
	struct area_info area;

	if (ioas_find(ioas, FIRST + i * PAGE, &area)) {
		unmap(area.first, area.last - area.first + 1);
		for (uint64_t iova = area.first; iova < area.last; iova += PAGE)
			model[(iova - FIRST) / PAGE] = 0;
	} else {
		assert_int_equal(
			ioas_map_fixed(ioas, owner, addr, FIRST + i * PAGE, PAGE, RW, true), 0);
		model[i] = addr;
	}
}

static void remap_at_random(struct domain *other)
{
	static uintptr_t model[NR];
	uint64_t seed = 42;
	unsigned failed = 0;

	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < 3000; round++) {
		bool small = random_below(&seed, 2);
		uint64_t first = random_below(&seed, NR);
		uint64_t nr = 1 + random_below(&seed, small ? 4 : NR - first);
		uint64_t addr = (1 + random_below(&seed, 1 << 20)) * PAGE;
		uint32_t prot = random_below(&seed, 4) ? RW : 0;
		int ret;

		if (nr > NR - first)
			nr = NR - first;
		alloc_fail_nth((long)random_below(&seed, 4));
		ret = ioas_remap(ioas, owner, addr, FIRST + first * PAGE, nr * PAGE, prot, true);
		assert_true(!ret || (ret == -ENOMEM && alloc_has_failed()));
		failed += ret < 0;
		alloc_fail_nth(0);
		for (uint64_t i = 0; i < nr && !ret; i++)
			model[first + i] = prot ? addr + i * PAGE : 0;
		if (round % 3 == 0)
			toggle(model, random_below(&seed, NR), addr);
		if (round % 16)
			continue;
		if (round % 96 == 0) {
			/* with every table below */
			assert_int_equal(rf_ioas_remap(ioas, 0, 4 * GIB, NULL, NULL, 0), 0);
			memset(model, 0, sizeof(model));
		}
		domain_adds_up(domain);
		domain_adds_up(other);
		for (unsigned i = 0; i < NR; i++) {
			struct translation t = { 0 };

			assert_true(lookup(FIRST + i * PAGE) == model[i]);
			assert_int_equal(domain_translate(other, FIRST + i * PAGE, 0, &t),
					 model[i] ? 0 : -EFAULT);
			assert_true(t.addr == model[i]);
		}
	}
	assert_true(failed > 100);
	assert_int_equal(rf_ioas_remap(ioas, 0, GIB * 4, NULL, NULL, 0), 0);
	assert_int_equal(ioas_nr_areas(ioas), 0);
	assert_true(domain_nr_tables(domain) < 70);
}

static void replacements_are_those_of_a_loop_over_pages(void **state)
{
	struct domain *other;

	remap_at_random(domain);
	/* an IOMMU with smaller pages beside the first */
	assert_int_equal(ioas_get_domain(ioas, iommu_kind_mock(0), &other), 0);
	remap_at_random(other);
	ioas_put_domain(ioas, other);
}

static void empty_tables_do_not_pile_up(void **state)
{
	enum { NR_TABLES = 3 * DOMAIN_IDLE };

	/* a table each, as it holds two */
	for (uint64_t i = 0; i < NR_TABLES; i++) {
		assert_int_equal(map_blind(GIB + i * 2 * MIB, PAGE), 0);
		assert_int_equal(map_blind(GIB + i * 2 * MIB + 2 * PAGE, PAGE), 0);
	}
	assert_true(domain_nr_tables(domain) > NR_TABLES);
	for (uint64_t i = 0; i < NR_TABLES; i++)
		assert_int_equal(remap(GIB + i * 2 * MIB, NULL, 3 * PAGE, 0), 0);
	domain_adds_up(domain);
	assert_true(domain_nr_tables(domain) <= DOMAIN_IDLE + 2);
}

static void count_dirty(void *arg, uint64_t first, uint64_t last)
{
	*(uint64_t *)arg += last - first + 1;
}

static void pages_that_are_replaced_are_clean(void **state)
{
	char *memory = pages(8);
	struct domain *mock;
	uint64_t bytes = 0;

	assert_int_equal(ioas_get_domain(ioas, iommu_kind_mock(0), &mock), 0);
	assert_int_equal(domain_enable_dirty_tracking(mock), 0);
	assert_int_equal(map_at(FIRST, memory, 4 * PAGE), 0);
	assert_int_equal(domain_set_dirty_tracking(mock, true), 0);
	domain_mark_dirty(mock, FIRST, FIRST + 4 * PAGE - 1);
	assert_int_equal(remap(FIRST + PAGE, memory + 4 * PAGE, PAGE, RW), 0);
	assert_int_equal(
		domain_read_dirty(mock, FIRST, FIRST + 4 * PAGE - 1, true, count_dirty, &bytes), 0);
	assert_int_equal(bytes, 3 * PAGE);
	ioas_put_domain(ioas, mock);
	munmap(memory, 8 * PAGE);
}

/* A device reads pages that are replaced and cut around, and finds them always. */
#define ROUNDS 20000u

static struct gate gate;
static atomic_bool stop;
static atomic_uint holes, laps; /* what the device met, and how often it went round */
static char *stable;

static void *device(void *arg)
{
	while (!atomic_load(&stop)) {
		for (unsigned i = 0; i < 8; i++) {
			unsigned token = gate_enter(&gate);
			struct translation t;

			if (domain_translate(domain, i * PAGE, RF_READ, &t) ||
			    *(volatile char *)t.addr != (char)('a' + i))
				atomic_fetch_add(&holes, 1);
			gate_leave(&gate, token);
		}
		atomic_fetch_add(&laps, 1);
	}
	return NULL;
}

/* One page of three goes, in one way or the other; the outer ones are pieces then. */
static char *in_flight;
static uint32_t in_flight_prot;
static atomic_bool returned;

static void *remapper(void *arg)
{
	assert_int_equal(remap(PAGE, in_flight + 3 * PAGE, PAGE, in_flight_prot), 0);
	atomic_store(&returned, true);
	return NULL;
}

static void remap_waits_for_dma_in_flight(void **state)
{
	static const uint32_t prots[] = { RW, RF_READ, 0 };

	in_flight = pages(4);
	assert_int_equal(domain_add_gate(domain, &gate), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct translation t;
		pthread_t thread;
		unsigned token;

		assert_int_equal(map_at(0, in_flight, 3 * PAGE), 0);
		token = gate_enter(&gate);
		assert_int_equal(domain_translate(domain, PAGE, RF_READ, &t), 0);
		in_flight_prot = prots[i];
		atomic_store(&returned, false);
		assert_int_equal(pthread_create(&thread, NULL, remapper, NULL), 0);
		while (lookup(PAGE) == t.addr)
			usleep(100);
		/* newcomers are over there, yet remap has not returned */
		usleep(20000);
		assert_false(atomic_load(&returned));
		gate_leave(&gate, token);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(atomic_load(&returned));
		assert_true(lookup(0) && lookup(2 * PAGE));
		unmap(0, 3 * PAGE);
	}
	domain_del_gate(domain, &gate);
	munmap(in_flight, 4 * PAGE);
}

static void devices_never_find_a_hole(void **state)
{
	pthread_t thread;
	uint64_t seed = 7;

	stable = pages(16);
	for (unsigned i = 0; i < 8; i++)
		stable[(8 + i) * PAGE] = (char)('a' + i);
	assert_int_equal(domain_add_gate(domain, &gate), 0);
	assert_int_equal(map_at(0, stable, 8 * PAGE), 0);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, device, NULL), 0);
	for (unsigned round = 0; round < ROUNDS || atomic_load(&laps) < ROUNDS; round++) {
		uint64_t first = random_below(&seed, 8);
		uint64_t nr = 1 + random_below(&seed, 8 - first);
		char *to = stable + (first + 8 * random_below(&seed, 2)) * PAGE;

		assert_int_equal(remap(first * PAGE, to, nr * PAGE, RW), 0);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	domain_del_gate(domain, &gate);
	assert_int_equal(atomic_load(&holes), 0);
	munmap(stable, 16 * PAGE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_space, drop_space)
	const struct CMUnitTest tests[] = {
		TEST(a_mapping_is_replaced),
		TEST(what_reaches_out_is_cut_and_stays),
		TEST(a_range_may_hold_several_mappings_and_holes),
		TEST(leaves_of_any_size_are_cut),
		TEST(bad_arguments_change_nothing),
		TEST(memory_held_by_an_access_stays),
		TEST(what_others_mapped_or_let_go_of_stays),
		TEST(what_cannot_be_cut_stays),
		TEST(windows_bound_what_is_remapped),
		TEST(replacements_are_those_of_a_loop_over_pages),
		TEST(empty_tables_do_not_pile_up),
		TEST(pages_that_are_replaced_are_clean),
		TEST(remap_waits_for_dma_in_flight),
		TEST(devices_never_find_a_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
