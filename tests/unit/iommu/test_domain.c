/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains: what a translation says, what it costs in tables, and what happens
 * without memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/alloc.h"
#include "iommu/domain.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define TIB (1ull << 40)

static struct rf_owner *const alice = (struct rf_owner *)0x1000;
static struct rf_owner *const bob = (struct rf_owner *)0x2000;

static struct domain *new_domain(const char *kind)
{
	struct domain *domain;

	assert_int_equal(domain_new(iommu_kind_find(kind), &domain), 0);
	return domain;
}

static struct segment seg(uint64_t first, uint64_t length, uintptr_t addr)
{
	return (struct segment){
		.first = first,
		.last = first + length - 1,
		.addr = addr,
		.owner = alice,
		.prot = RF_READ | RF_WRITE,
	};
}

static void expect(struct domain *domain, uint64_t iova, uintptr_t addr)
{
	struct translation t;

	assert_int_equal(domain_translate(domain, iova, RF_READ, &t), 0);
	assert_int_equal(t.addr, addr);
	assert_ptr_equal(t.owner, alice);
	assert_true(t.length >= 1);
}

static void expect_nothing(struct domain *domain, uint64_t iova)
{
	struct translation t;

	assert_int_equal(domain_translate(domain, iova, RF_READ, &t), -EFAULT);
}

static void a_mapping_translates_from_its_first_to_its_last_byte(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct segment s = seg(0x10000, 0x3000, 0x7f0000005000);
	struct translation t;

	assert_int_equal(domain_map(domain, &s), 0);
	expect_nothing(domain, 0xffff);
	expect(domain, 0x10000, 0x7f0000005000);
	expect(domain, 0x12fff, 0x7f0000007fff);
	expect_nothing(domain, 0x13000);
	assert_int_equal(domain_translate(domain, 0x10800, RF_READ, &t), 0);
	assert_true(t.length == 0x2800);
	domain_unmap(domain, s.first, s.last);
	expect_nothing(domain, 0x10000);
	domain_free(domain);
}

static void rights_are_checked_in_leaves_and_in_lonely_segments(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct segment r = seg(0, 4096, 0x5000);
	struct segment w = seg(4096, 4096, 0x9000);
	struct segment lonely = seg(600 * GIB, 4096, 0x5000);
	struct translation t;

	r.prot = RF_READ;
	w.prot = RF_WRITE;
	lonely.prot = RF_READ;
	assert_int_equal(domain_map(domain, &r), 0);
	assert_int_equal(domain_map(domain, &w), 0);
	assert_int_equal(domain_map(domain, &lonely), 0);
	assert_int_equal(domain_translate(domain, 0, RF_READ, &t), 0);
	assert_int_equal(domain_translate(domain, 0, RF_WRITE, &t), -EFAULT);
	assert_int_equal(domain_translate(domain, 4096, RF_WRITE, &t), 0);
	assert_int_equal(domain_translate(domain, 4096, RF_READ, &t), -EFAULT);
	assert_int_equal(domain_translate(domain, 4096, RF_READ | RF_WRITE, &t), -EFAULT);
	assert_int_equal(domain_translate(domain, 600 * GIB, RF_READ, &t), 0);
	assert_int_equal(domain_translate(domain, 600 * GIB, RF_WRITE, &t), -EFAULT);
	domain_free(domain);
}

static void each_mapping_keeps_its_owner(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct segment a = seg(0, 4096, 0x5000);
	struct segment b = seg(4096, 4096, 0x6000);
	struct translation t;

	b.owner = bob;
	assert_int_equal(domain_map(domain, &a), 0);
	assert_int_equal(domain_map(domain, &b), 0);
	assert_int_equal(domain_translate(domain, 0, 0, &t), 0);
	assert_ptr_equal(t.owner, alice);
	assert_int_equal(domain_translate(domain, 4096, 0, &t), 0);
	assert_ptr_equal(t.owner, bob);
	domain_free(domain);
}

static void more_owners_than_a_leaf_can_name(void **state)
{
	enum { N = 600 };
	struct domain *domain = new_domain(NULL);
	struct segment *segs = calloc(N, sizeof(*segs));
	struct translation t;

	for (unsigned i = 0; i < N; i++) {
		segs[i] = seg(i * 2 * MIB, 2 * MIB, 0x700000000000 + i * 2 * MIB);
		segs[i].owner = (struct rf_owner *)(uintptr_t)(0x10000 + i * 16);
		assert_int_equal(domain_map(domain, &segs[i]), 0);
	}
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(domain_translate(domain, i * 2 * MIB + 5, RF_WRITE, &t), 0);
		assert_ptr_equal(t.owner, segs[i].owner);
		assert_int_equal(t.addr, segs[i].addr + 5);
	}
	domain_unmap(domain, 0, N * 2 * MIB - 1);
	for (unsigned i = 0; i < N; i++)
		expect_nothing(domain, i * 2 * MIB);
	domain_free(domain);
	free(segs);
}

static void memory_need_not_be_aligned(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct segment s = seg(0, 3 * MIB, 0x700000000123);
	struct segment neighbour = seg(4 * MIB, 4096, 0x5000);

	assert_int_equal(domain_map(domain, &s), 0);
	assert_int_equal(domain_map(domain, &neighbour), 0);
	expect(domain, 0, 0x700000000123);
	expect(domain, 2 * MIB + 7, 0x700000000123 + 2 * MIB + 7);
	expect(domain, 3 * MIB - 1, 0x700000000123 + 3 * MIB - 1);
	domain_unmap(domain, 0, 3 * MIB - 1);
	expect_nothing(domain, 0);
	expect_nothing(domain, 2 * MIB);
	expect(domain, 4 * MIB, 0x5000);
	domain_free(domain);
}

static void lonely_mappings_cost_no_table(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct segment segs[200];

	for (unsigned i = 0; i < 200; i++) {
		segs[i] = seg(i * 512 * GIB + 123 * MIB, 4096, 0x5000 + i * 4096);
		assert_int_equal(domain_map(domain, &segs[i]), 0);
	}
	assert_int_equal(domain_nr_tables(domain), 0);
	for (unsigned i = 0; i < 200; i++)
		expect(domain, segs[i].first, segs[i].addr);
	domain_free(domain);
}

static void a_terabyte_costs_few_tables_at_any_alignment(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct segment neighbour = seg(0, 4096, 0x5000);
	struct segment s = seg(4096, TIB, 0x100000000000);

	assert_int_equal(domain_map(domain, &neighbour), 0);
	assert_int_equal(domain_map(domain, &s), 0);
	assert_true(domain_nr_tables(domain) <= 8);
	expect(domain, 4096, 0x100000000000);
	expect(domain, TIB + 4095, 0x100000000000 + TIB - 1);
	expect(domain, 512 * GIB, 0x100000000000 + 512 * GIB - 4096);
	expect_nothing(domain, TIB + 4096);
	domain_unmap(domain, s.first, s.last);
	expect(domain, 0, 0x5000);
	expect_nothing(domain, 4096);
	expect_nothing(domain, TIB);
	domain_free(domain);
}

static void the_highest_addresses_of_every_width_work(void **state)
{
	static const char *const names[] = { "x86", "x86-39", "x86-57" };
	struct iommu_kind widest = *iommu_kind_find(NULL);

	widest.aperture.last = UINT64_MAX;
	for (unsigned i = 0; i < 4; i++) {
		const struct iommu_kind *kind = i < 3 ? iommu_kind_find(names[i]) : &widest;
		struct segment top;
		struct segment low = seg(0, 4096, 0x5000);
		struct domain *domain;

		assert_int_equal(domain_new(kind, &domain), 0);
		assert_ptr_equal(domain_kind(domain), kind);
		top = seg(kind->aperture.last - 8191, 8192, 0x700000000000);
		assert_int_equal(domain_map(domain, &top), 0);
		assert_int_equal(domain_map(domain, &low), 0);
		expect(domain, kind->aperture.last, 0x700000001fff);
		expect(domain, 0, 0x5000);
		if (i < 3)
			expect_nothing(domain, kind->aperture.last + 1);
		expect_nothing(domain, UINT64_MAX - (i < 3 ? 0 : 8192));
		domain_unmap(domain, 0, UINT64_MAX);
		expect_nothing(domain, kind->aperture.last);
		expect_nothing(domain, 0);
		domain_free(domain);
	}
}

static void empty_tables_are_bounded(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct segment a = seg(0, 4096, 0x5000);
	struct segment b = seg(8192, 4096, 0x9000);
	struct segment far = seg(0, 4096, 0x5000);
	struct segment near = seg(0, 4096, 0x7000);

	for (uint64_t i = 0; i < 2000; i++) {
		far = seg(i * 2 * MIB, 4096, 0x5000);
		near = seg(i * 2 * MIB + 8192, 4096, 0x7000);
		assert_int_equal(domain_map(domain, &far), 0);
		assert_int_equal(domain_map(domain, &near), 0);
		domain_unmap(domain, far.first, near.last);
		domain_sync(domain);
	}
	assert_true(domain_nr_tables(domain) < 100);
	assert_int_equal(domain_map(domain, &a), 0);
	assert_int_equal(domain_map(domain, &b), 0);
	expect(domain, 0, 0x5000);
	expect(domain, 8192, 0x9000);
	domain_free(domain);
}

static void a_big_leaf_takes_the_place_of_an_empty_table(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct segment a = seg(0, 4096, 0x5000);
	struct segment b = seg(8192, 4096, 0x9000);
	struct segment big = seg(0, GIB, 0x40000000);
	uint64_t tables;

	assert_int_equal(domain_map(domain, &a), 0);
	assert_int_equal(domain_map(domain, &b), 0);
	tables = domain_nr_tables(domain);
	domain_unmap(domain, 0, 3 * 4096 - 1);
	assert_int_equal(domain_nr_tables(domain), tables);
	assert_int_equal(domain_map(domain, &big), 0);
	assert_true(domain_nr_tables(domain) < tables);
	expect(domain, 5, 0x40000005);
	expect(domain, GIB - 1, 0x7fffffff);
	domain_unmap(domain, 0, GIB - 1);
	domain_sync(domain);
	assert_int_equal(domain_map(domain, &a), 0);
	expect_nothing(domain, 8192);
	domain_free(domain);
}

static void a_map_without_memory_changes_nothing(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct segment a = seg(4096, 4096, 0x5000);
	struct segment c = seg(3 * GIB + MIB, 4096, 0x9000);
	struct segment d = seg(8192, 3 * GIB, 0x100000000);
	long failures = 0;

	assert_int_equal(domain_map(domain, &a), 0);
	assert_int_equal(domain_map(domain, &c), 0);
	for (long nth = 1;; nth++) {
		int ret;

		domain_free(domain);
		domain = new_domain(NULL);
		assert_int_equal(domain_map(domain, &a), 0);
		alloc_fail_nth(nth);
		d.last = 3 * GIB - 1;
		ret = domain_map(domain, &d);
		if (!alloc_has_failed()) {
			alloc_fail_nth(0);
			assert_int_equal(ret, 0);
			expect(domain, 8192, 0x100000000);
			expect(domain, 3 * GIB - 1, 0x100000000 + 3 * GIB - 8193);
			break;
		}
		alloc_fail_nth(0);
		failures++;
		assert_int_equal(ret, -ENOMEM);
		for (uint64_t iova = 8192; iova < 3 * GIB; iova += iova < 4 * MIB ? 4096 : MIB)
			expect_nothing(domain, iova);
		expect(domain, 4096, 0x5000);
		assert_int_equal(domain_map(domain, &d), 0);
		expect(domain, 8192, 0x100000000);
		expect(domain, 4096, 0x5000);
	}
	assert_true(failures >= 3);
	domain_free(domain);
}

static void what_was_reserved_is_enough_for_the_cuts(void **state)
{
	struct domain *domain = new_domain("x86-57");
	struct segment whole = seg(4096, 4 * GIB, 0x40000000);
	struct segment one = seg(4096, GIB + 5 * 4096, 0x40000000);
	struct segment two = seg(one.last + 1, 4096, 0x5000);
	struct segment three = seg(two.last + 1, whole.last - two.last, 0x90000000);

	assert_int_equal(domain_map(domain, &whole), 0);
	assert_int_equal(domain_reserve(domain, 2), 0);
	alloc_fail_nth(1);
	domain_unmap(domain, whole.first, whole.last);
	domain_sync(domain);
	assert_int_equal(domain_map(domain, &three), 0);
	assert_int_equal(domain_map(domain, &one), 0);
	assert_int_equal(domain_map(domain, &two), 0);
	assert_false(alloc_has_failed());
	alloc_fail_nth(0);
	domain_unreserve(domain);
	expect(domain, two.first, 0x5000);
	expect(domain, one.last, one.addr + one.last - one.first);
	expect(domain, three.last, three.addr + three.last - three.first);
	domain_free(domain);
}

static void gates_come_and_go(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct gate gates[10] = { 0 };
	unsigned token;

	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(domain_add_gate(domain, &gates[i]), 0);
	domain_del_gate(domain, &gates[3]);
	token = gate_enter(&gates[3]);
	domain_sync(domain); /* would wait for ever were it still there */
	gate_leave(&gates[3], token);
	for (unsigned i = 0; i < 10; i++)
		domain_del_gate(domain, &gates[i]);
	domain_free(domain);
}

static atomic_bool synced;

static void *sync_domain(void *domain)
{
	domain_sync(domain);
	atomic_store(&synced, true);
	return NULL;
}

static void a_gate_stays_as_often_as_it_came(void **state)
{
	struct domain *domain = new_domain(NULL);
	struct gate gate = { 0 };
	pthread_t thread;
	unsigned token;

	assert_int_equal(domain_add_gate(domain, &gate), 0);
	alloc_fail_nth(1); /* the second time needs nothing */
	assert_int_equal(domain_add_gate(domain, &gate), 0);
	alloc_fail_nth(0);
	domain_del_gate(domain, &gate);
	token = gate_enter(&gate);
	assert_int_equal(pthread_create(&thread, NULL, sync_domain, domain), 0);
	usleep(20000);
	assert_false(atomic_load(&synced));
	gate_leave(&gate, token);
	pthread_join(thread, NULL);
	domain_del_gate(domain, &gate);
	token = gate_enter(&gate);
	domain_sync(domain); /* would wait for ever were it still there */
	gate_leave(&gate, token);
	domain_free(domain);
}

static void a_gate_without_memory_is_refused(void **state)
{
	struct domain *domain;
	struct gate late = { 0 };

	domain = new_domain(NULL);
	alloc_fail_nth(1);
	assert_int_equal(domain_add_gate(domain, &late), -ENOMEM);
	alloc_fail_nth(0);
	domain_free(domain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_translates_from_its_first_to_its_last_byte),
		cmocka_unit_test(rights_are_checked_in_leaves_and_in_lonely_segments),
		cmocka_unit_test(each_mapping_keeps_its_owner),
		cmocka_unit_test(more_owners_than_a_leaf_can_name),
		cmocka_unit_test(memory_need_not_be_aligned),
		cmocka_unit_test(lonely_mappings_cost_no_table),
		cmocka_unit_test(a_terabyte_costs_few_tables_at_any_alignment),
		cmocka_unit_test(the_highest_addresses_of_every_width_work),
		cmocka_unit_test(empty_tables_are_bounded),
		cmocka_unit_test(a_big_leaf_takes_the_place_of_an_empty_table),
		cmocka_unit_test(a_map_without_memory_changes_nothing),
		cmocka_unit_test(what_was_reserved_is_enough_for_the_cuts),
		cmocka_unit_test(gates_come_and_go),
		cmocka_unit_test(a_gate_stays_as_often_as_it_came),
		cmocka_unit_test(a_gate_without_memory_is_refused),
	};

	return cmocka_run_group_tests_name("domain", tests, NULL, NULL);
}
