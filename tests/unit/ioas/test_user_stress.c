/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything that iommufd does at the same time: one thread maps, copies to a
 * second space and unmaps both; one moves a device from the one space's domain to
 * the other's and back, one lets domains come and go, one pins and copies through
 * an access, one makes the program let go of its memory, and two devices look.
 *
 * The promise: a device that finds a page is inside while that page is mapped,
 * and finds what was in it, or the nothing that took its place in the program's
 * memory before it was mapped. ThreadSanitizer checks the rest.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/gate.h"
#include "user_fixture.h"

#define SLOTS 16u
#if UNDER_TSAN
#define ROUNDS 200u
#else
#define ROUNDS 1500u
#endif

static struct rf_ioas *spaces[2];
static struct domain *own[2]; /* of each space, for as long as the test runs */
static struct account *account;
static struct ioas_access *access_;
static char *memory;

static struct gate gates[2];
static _Atomic(struct domain *) attached[2];
static atomic_uint mapped[SLOTS];
static atomic_bool stop;
static atomic_uint broken;
static atomic_ulong hits;
static atomic_ulong pins;

static void must(bool ok)
{
	if (!ok)
		atomic_fetch_add(&broken, 1);
}

static uint64_t slot_iova(unsigned slot)
{
	return MOCK_BASE + slot * PAGE;
}

static void *device(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	unsigned n = 0;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		unsigned slot = n++ % SLOTS;
		unsigned token = gate_enter(&gates[me]);
		struct domain *d = atomic_load_explicit(&attached[me], memory_order_acquire);
		struct translation t;
		uint8_t byte;

		if (!domain_translate(d, slot_iova(slot) + 5, RF_READ, &t)) {
			must(atomic_load(&mapped[slot]));
			must(!owner_dma_read(t.owner, &byte, t.addr, 1));
			must(byte == slot + 1 || !byte);
			domain_mark_dirty(d, slot_iova(slot), slot_iova(slot));
			atomic_fetch_add_explicit(&hits, 1, memory_order_relaxed);
		}
		gate_leave(&gates[me], token);
	}
	return NULL;
}

static void *mapper(void *arg)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned slot = round % SLOTS;
		uint64_t iova = slot_iova(slot);
		uint64_t unmapped;

		atomic_store(&mapped[slot], 1);
		must(!user_map_in(spaces[0], memory + slot * PAGE, PAGE, RW, true, &iova));
		must(!ioas_user_copy(spaces[1], spaces[0], iova, PAGE, RW, true, &iova));
		if (round % 3)
			sched_yield();
		must(!ioas_user_unmap(spaces[round % 2], iova, PAGE, &unmapped));
		must(!ioas_user_unmap(spaces[!(round % 2)], iova, PAGE, &unmapped));
		atomic_store(&mapped[slot], 0);
	}
	return NULL;
}

/* As the bus attaches: the new domain knows of the device before, the old one until after. */
static void *replacer(void *arg)
{
	unsigned n = 0;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct domain *to = own[++n % 2];
		struct domain *from;

		must(!domain_add_gate(to, &gates[0]));
		from = atomic_exchange(&attached[0], to);
		gate_sync(&gates[0]);
		domain_del_gate(from, &gates[0]);
	}
	return NULL;
}

static void dirty(void *arg, uint64_t first, uint64_t last)
{
	must(first >= MOCK_BASE && last < slot_iova(SLOTS));
}

static void *domains(void *arg)
{
	unsigned n = 0;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct rf_ioas *space = spaces[++n % 2];
		struct domain *more;

		must(!ioas_add_domain(space, iommu_kind_mock(0), 0, &more));
		ioas_del_domain(space, more);
		domain_set_dirty_tracking(own[1], n % 8 > 1);
		domain_read_dirty(own[1], MOCK_BASE, MOCK_BASE + MIB, n % 3, dirty, NULL);
	}
	return NULL;
}

/* One pin at a time, of which either this thread or the unmap lets go. */
static pthread_mutex_t pin_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t pin_iova;

static void let_go(void *arg, uint64_t first, uint64_t last)
{
	pthread_mutex_lock(&pin_lock);
	if (pin_iova && first <= pin_iova && pin_iova <= last) {
		ioas_access_unpin(access_, pin_iova, PAGE);
		pin_iova = 0;
	}
	pthread_mutex_unlock(&pin_lock);
}

static const struct ioas_access_ops access_ops = { let_go };

static void *accessor(void *arg)
{
	unsigned n = 0;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		unsigned slot = n++ % SLOTS;
		struct ioas_pinned page;
		uint8_t byte = 0;
		int ret;

		pthread_mutex_lock(&pin_lock);
		ret = ioas_access_pin(access_, slot_iova(slot), PAGE, &page, 0);
		if (!ret)
			pin_iova = slot_iova(slot);
		pthread_mutex_unlock(&pin_lock);
		must(!ret || ret == -ENOENT || ret == -EINVAL);
		if (!ret)
			atomic_fetch_add_explicit(&pins, 1, memory_order_relaxed);
		ret = ioas_access_rw(access_, slot_iova(slot), &byte, 1, IOAS_ACCESS_SLOW);
		must(!ret || ret == -ENOENT || ret == -EINVAL);
		must(!byte || byte == slot + 1);
		if (n % 64 == 0)
			must(!ioas_access_replace(access_, spaces[n / 64 % 2]));
		let_go(NULL, 0, UINT64_MAX);
	}
	return NULL;
}

static void *mover(void *arg)
{
	unsigned n = 0;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		pin_keep(owner, (uintptr_t)memory + n++ % (SLOTS - 3) * PAGE, 3 * PAGE,
			 PIN_DISCARD);
		usleep(200);
	}
	return NULL;
}

static void all_at_once(void **state)
{
	static void *(*const work[])(void *) = { replacer, domains, accessor, mover };
	pthread_t threads[4];
	pthread_t devices[2];
	pthread_t maps;

	take_faults();
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&devices[i], NULL, device, (void *)i), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work[i], NULL), 0);
	assert_int_equal(pthread_create(&maps, NULL, mapper, NULL), 0);
	pthread_join(maps, NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(devices[i], NULL);
	assert_int_equal(atomic_load(&broken), 0);
	assert_true(atomic_load(&hits) > 0);
	assert_true(atomic_load(&pins) > 0);
	assert_int_equal(ioas_nr_areas(spaces[0]) + ioas_nr_areas(spaces[1]), 0);
}

static int make_all(void **state)
{
	owner = owner_new_self();
	account = account_new(UINT64_MAX);
	memory = pages(SLOTS);
	for (unsigned i = 0; i < SLOTS; i++)
		memset(memory + i * PAGE, (int)i + 1, PAGE);
	for (unsigned i = 0; i < 2; i++) {
		if (ioas_new(&spaces[i]))
			return -1;
		ioas_set_account(spaces[i], account, ACCOUNT_USER);
		if (ioas_add_domain(spaces[i], iommu_kind_mock(0), DOMAIN_DIRTY_TRACKING, &own[i]))
			return -1;
		gates[i] = (struct gate){ 0 };
		atomic_store(&attached[i], own[i]);
		if (domain_add_gate(own[i], &gates[i]))
			return -1;
	}
	return ioas_access_new(&access_ops, NULL, &access_) ||
	       ioas_access_replace(access_, spaces[0]);
}

static int drop_all(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		domain_del_gate(atomic_load(&attached[i]), &gates[i]);
	ioas_access_free(access_);
	for (unsigned i = 0; i < 2; i++) {
		ioas_del_domain(spaces[i], own[i]);
		rf_ioas_free(spaces[i]);
	}
	assert_int_equal(account_pages(account, ACCOUNT_USER), 0);
	assert_false(pin_any(owner));
	account_free(account);
	owner_free(owner);
	munmap(memory, SLOTS * PAGE);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_at_once, make_all, drop_all),
	};

	return cmocka_run_group_tests_name("user_stress", tests, NULL, NULL);
}
