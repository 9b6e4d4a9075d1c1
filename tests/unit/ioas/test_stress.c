/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that map, unmap, translate and move memory at the same time. The
 * promise: when unmap returns, no device touches the memory. ThreadSanitizer
 * checks the rest.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "memory/pin.h"

#define SLOTS 64u

static struct gate gates[2];
static atomic_bool stop;
static atomic_bool done;
static atomic_uint broken;
static atomic_ulong hits;

/* Of the page at each IOVA: mapped (1), or not (0): then nobody may be inside. */
static atomic_uint mapped[SLOTS];

static int make_attached(void **state)
{
	int ret = make_space(state);

	atomic_store(&stop, false);
	atomic_store(&hits, 0);
	for (unsigned i = 0; i < 2 && !ret; i++) {
		gates[i] = (struct gate){ 0 };
		ret = domain_add_gate(domain, &gates[i]);
	}
	return ret;
}

static int drop_attached(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		domain_del_gate(domain, &gates[i]);
	return drop_space(state);
}

static void *unmapper(void *arg)
{
	unmap(0, PAGE);
	atomic_store(&done, true);
	return NULL;
}

static void unmap_waits_for_dma_in_flight(void **state)
{
	struct translation t;
	pthread_t thread;
	unsigned token;

	assert_int_equal(map_blind(0, PAGE), 0);
	token = gate_enter(&gates[1]);
	assert_int_equal(domain_translate(domain, 0, RF_READ, &t), 0);
	atomic_store(&done, false);
	assert_int_equal(pthread_create(&thread, NULL, unmapper, NULL), 0);
	while (!domain_translate(domain, 0, RF_READ, &t))
		usleep(100);
	/* the leaf is gone, yet unmap has not returned */
	usleep(20000);
	assert_false(atomic_load(&done));
	gate_leave(&gates[1], token);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(atomic_load(&done));
}

/* A device: every IOVA it finds must be mapped while it is inside. */
static void *device(void *arg)
{
	struct gate *gate = arg;
	unsigned n = 0;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		unsigned i = n++ % SLOTS;
		struct translation t;
		unsigned token = gate_enter(gate);

		if (!domain_translate(domain, i * PAGE, RF_READ, &t)) {
			if (!atomic_load(&mapped[i]) || t.addr != 0x100000000000 + i * PAGE)
				atomic_fetch_add(&broken, 1);
			atomic_fetch_add_explicit(&hits, 1, memory_order_relaxed);
		}
		gate_leave(gate, token);
	}
	return NULL;
}

/* Maps and unmaps the slots of one residue. */
static void *mapper(void *arg)
{
	unsigned mine = (unsigned)(uintptr_t)arg;

	for (unsigned round = 0; round < 3000; round++) {
		unsigned i = (round * 2 + mine) % SLOTS;
		uint64_t unmapped;

		atomic_store(&mapped[i], 1);
		if (map_blind(i * PAGE, PAGE))
			atomic_fetch_add(&broken, 1);
		if (ioas_unmap_range(ioas, i * PAGE, i * PAGE + PAGE - 1, IOAS_CUT_REFUSE, false,
				     &unmapped) ||
		    unmapped != PAGE)
			atomic_fetch_add(&broken, 1);
		atomic_store(&mapped[i], 0);
	}
	return NULL;
}

static void devices_never_see_what_is_unmapped(void **state)
{
	pthread_t devices[2];
	pthread_t mappers[2];

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&devices[i], NULL, device, &gates[i]), 0);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&mappers[i], NULL, mapper, (void *)i), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(mappers[i], NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(devices[i], NULL);
	assert_int_equal(atomic_load(&broken), 0);
	assert_int_equal(ioas_nr_areas(ioas), 0);
}

/*
 * A device that reads a buffer all the time, as the engine's DMA does, while
 * the program lets go of its pages: it must read the same bytes throughout.
 */
static void *reader(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		for (unsigned i = 0; i < 8; i++) {
			unsigned char byte = 0;
			bool ok;

			for (;;) {
				unsigned seq = pin_move_seq(owner);
				unsigned token = gate_enter(&gates[0]);
				struct translation t;

				ok = !domain_translate(domain, i * PAGE, RF_READ, &t) &&
				     !owner_dma_read(t.owner, &byte, t.addr, 1);
				gate_leave(&gates[0], token);
				if (ok || !pin_moved_since(owner, seq))
					break;
			}
			if (!ok || byte != 'a' + i)
				atomic_fetch_add(&broken, 1);
			atomic_fetch_add_explicit(&hits, 1, memory_order_relaxed);
		}
	}
	return NULL;
}

static void dma_goes_on_while_pages_move(void **state)
{
	pthread_t thread;
	char *p = pages(8);
	uint64_t unmapped;

	take_faults();
	assert_int_equal(map_at(0, p, 8 * PAGE), 0);
	assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
	while (!atomic_load(&hits))
		usleep(100);
	for (unsigned round = 0; round < 200; round++) {
		char *fresh = pages(8);
		uint64_t iova = GIB;

		/* other traffic on the same locks */
		assert_int_equal(map_at(iova, fresh, 8 * PAGE), 0);
		pin_keep(owner, (uintptr_t)fresh + PAGE, 3 * PAGE, PIN_DISCARD);
		pin_keep(owner, (uintptr_t)fresh, 8 * PAGE, PIN_UNMAP);
		munmap(fresh, 8 * PAGE);
		assert_int_equal(ioas_unmap_range(ioas, GIB, GIB + 8 * PAGE - 1, IOAS_CUT_REFUSE,
						  false, &unmapped),
				 0);
		/* and the buffer itself, a page at a time */
		if (round % 25 == 24) {
			char *page = p + round / 25 * PAGE;

			pin_keep(owner, (uintptr_t)page, PAGE, PIN_UNMAP);
			munmap(page, PAGE);
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&broken), 0);
	assert_true(atomic_load(&hits) > 8);
}

/* Spaces that come and go while their memory moves. */
static void *space_churner(void *arg)
{
	char *p = arg;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct rf_ioas *space;

		if (ioas_new(&space))
			continue;
		if (ioas_map_fixed(space, owner, (uintptr_t)p, 0, 4 * PAGE, RW, true))
			atomic_fetch_add(&broken, 1);
		rf_ioas_free(space);
	}
	return NULL;
}

static void spaces_go_away_while_pages_move(void **state)
{
	pthread_t threads[2];
	char *p = pages(4);

	take_faults();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, space_churner, p), 0);
	for (unsigned round = 0; round < 500; round++)
		pin_keep(owner, (uintptr_t)p + PAGE, 2 * PAGE, PIN_DISCARD);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&broken), 0);
	assert_false(pin_any(owner));
	munmap(p, 4 * PAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_attached, drop_attached)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unmap_waits_for_dma_in_flight),
		TEST(devices_never_see_what_is_unmapped),
		TEST(dma_goes_on_while_pages_move),
		TEST(spaces_go_away_while_pages_move),
	};

	return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
