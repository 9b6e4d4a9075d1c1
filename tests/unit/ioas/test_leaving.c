/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that one thread takes away while another maps it: the pages stay with the
 * device, or the mapping is refused; never does a device reach what came after them.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "ioas/domains.h"
#include "ioas/user_map.h"
#include "memory/owner_private.h"
#include "memory/pin.h"

static char *memory;
static struct rf_ioas *other;

static int make_spaces(void **state)
{
	return make_space(state) || ioas_new(&other) ? -1 : 0;
}

static int drop_spaces(void **state)
{
	rf_ioas_free(other);
	return drop_space(state);
}

/* Ways to come to hold memory. 0 or the errno. */

static int way_map(void)
{
	return map_at(MIB, memory, PAGE);
}

static int way_map_anywhere(void)
{
	uint64_t iova;

	return ioas_map_anywhere(ioas, owner, (uintptr_t)memory, PAGE, RW, PAGE, &iova);
}

static int way_remap(void)
{
	return rf_ioas_remap(ioas, MIB, PAGE, owner, memory, RW);
}

static int user_map(struct rf_ioas *space)
{
	const struct user_map map = {
		.owner = owner,
		.addr = (uintptr_t)memory,
		.length = PAGE,
		.prot = RW,
		.memfd = -1,
	};
	uint64_t iova = 0;

	return ioas_user_map(space, &map, &iova);
}

static int way_user_map(void)
{
	return user_map(ioas);
}

static int way_first_domain(void)
{
	struct domain *first;
	int ret = user_map(other);

	assert_int_equal(ret, 0);
	ret = ioas_get_domain(other, iommu_kind_find(NULL), &first);
	if (!ret)
		ioas_put_domain(other, first);
	return ret;
}

static int way_copy(void)
{
	uint64_t iova = 0, copy = 0;
	const struct user_map map = {
		.owner = owner,
		.addr = (uintptr_t)memory,
		.length = PAGE,
		.prot = RW,
		.memfd = -1,
		.fixed = true,
	};

	assert_int_equal(ioas_user_map(other, &map, &iova), 0);
	return ioas_user_copy(ioas, other, iova, PAGE, RW, false, &copy);
}

static int (*const ways[])(void) = {
	way_map, way_map_anywhere, way_remap, way_user_map, way_first_domain, way_copy,
};

static int (*way)(void);
static atomic_bool done;

static void *mapper(void *arg)
{
	intptr_t ret = way();

	atomic_store(&done, true);
	return (void *)ret;
}

static pthread_t mapper_start(int (*fn)(void))
{
	pthread_t thread;

	way = fn;
	atomic_store(&done, false);
	assert_int_equal(pthread_create(&thread, NULL, mapper, NULL), 0);
	return thread;
}

static int mapper_join(pthread_t thread)
{
	void *ret;

	assert_int_equal(pthread_join(thread, &ret), 0);
	return (int)(intptr_t)ret;
}

static bool leave(struct pin_leaving *leaving, void *addr, size_t len)
{
	return pin_leave_begin(leaving, owner, (uintptr_t)addr, len);
}

static void a_mapping_waits_for_what_is_leaving(void **state)
{
	struct pin_leaving leaving;
	pthread_t thread;

	take_faults();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		uint64_t unmapped;

		memory = pages(1);
		assert_false(leave(&leaving, memory, PAGE));
		thread = mapper_start(ways[i]);
		usleep(20000);
		assert_false(atomic_load(&done));
		munmap(memory, PAGE);
		pin_leave_end(&leaving);
		assert_int_equal(mapper_join(thread), -EFAULT);
		assert_false(pin_any(owner));
		ioas_user_unmap(other, 0, UINT64_MAX, &unmapped);
	}
}

/* The kernel refused, or there is something else now: what there is afterwards counts. */
static void what_has_not_left_is_mapped(void **state)
{
	struct pin_leaving leaving;
	pthread_t thread;

	take_faults();
	memory = pages(1);
	assert_false(leave(&leaving, memory, PAGE));
	thread = mapper_start(way_map);
	usleep(20000);
	assert_false(atomic_load(&done));
	pin_leave_end(&leaving);
	assert_int_equal(mapper_join(thread), 0);
	assert_int_equal(lookup(MIB), (uintptr_t)memory);
	unmap(MIB, PAGE);
	munmap(memory, PAGE);
}

static void what_is_pinned_before_moves_away(void **state)
{
	struct pin_leaving leaving;

	take_faults();
	memory = pages(1);
	assert_int_equal(map_at(MIB, memory, PAGE), 0);
	assert_true(leave(&leaving, memory, PAGE));
	assert_int_equal(pin_leave_keep(&leaving, owner, (uintptr_t)memory, PAGE, PIN_UNMAP), 1);
	munmap(memory, PAGE);
	pin_leave_end(&leaving);
	assert_int_not_equal(lookup(MIB), (uintptr_t)memory);
	assert_int_equal(*(char *)lookup(MIB), 'a');
	unmap(MIB, PAGE);
}

static int map_other(void)
{
	return ioas_map_fixed(other, owner, (uintptr_t)memory, 0, PAGE, RW, false);
}

/* Who comes while pages move must not get what is left in their place. */
static void a_newcomer_waits_until_a_move_is_over(void **state)
{
	struct pin_leaving leaving;
	pthread_t thread;

	take_faults();
	memory = pages(1);
	assert_int_equal(map_at(MIB, memory, PAGE), 0);
	assert_true(leave(&leaving, memory, PAGE));
	assert_int_equal(pin_leave_keep(&leaving, owner, (uintptr_t)memory, PAGE, PIN_UNMAP), 1);
	thread = mapper_start(map_other);
	usleep(20000);
	assert_false(atomic_load(&done));
	munmap(memory, PAGE);
	pin_leave_end(&leaving);
	assert_int_equal(mapper_join(thread), -EFAULT);
	assert_int_equal(*(char *)lookup(MIB), 'a');
	unmap(MIB, PAGE);
}

/* The same of what mremap moves, and of what it replaces. */
static void a_newcomer_waits_until_mremap_is_over(void **state)
{
	char *from, *to;

	take_faults();
	for (unsigned replaced = 0; replaced < 2; replaced++) {
		struct pin_drop drop = { .len = PAGE };
		pthread_t thread;

		from = pages(1);
		to = pages(2) + PAGE;
		drop.addr = (uintptr_t)to;
		assert_int_equal(map_at(MIB, from, PAGE), 0);
		assert_int_equal(map_at(2 * MIB, to, PAGE), 0);
		memory = replaced ? to : from;
		pin_remap_begin(owner, (uintptr_t)from, PAGE, &drop, 1);
		thread = mapper_start(map_other);
		usleep(20000);
		assert_false(atomic_load(&done));
		assert_ptr_equal(mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
		pin_remap_end(owner, (uintptr_t)from, PAGE, (uintptr_t)to);
		assert_int_equal(mapper_join(thread), replaced ? 0 : -EFAULT);
		assert_int_equal(lookup(MIB), (uintptr_t)to);
		assert_int_equal(*(char *)lookup(2 * MIB), 'b');
		if (replaced) {
			uint64_t unmapped;

			ioas_unmap_range(other, 0, PAGE - 1, IOAS_CUT_REFUSE, false, &unmapped);
		}
		unmap(MIB, PAGE);
		unmap(2 * MIB, PAGE);
		munmap(to - PAGE, 2 * PAGE);
	}
}

/* The pins of what moves are in nobody's tree just then. */
static void what_is_on_the_move_counts_as_pinned(void **state)
{
	struct pin_leaving leaving;

	take_faults();
	memory = pages(1);
	assert_int_equal(map_at(MIB, memory, PAGE), 0);
	pin_remap_begin(owner, (uintptr_t)memory, PAGE, NULL, 0);
	assert_true(leave(&leaving, memory, PAGE));
	assert_null(leaving.owner);
	pin_remap_end(owner, (uintptr_t)memory, PAGE, (uintptr_t)memory);
	unmap(MIB, PAGE);
	assert_false(leave(&leaving, memory, PAGE));
	munmap(memory, PAGE);
	pin_leave_end(&leaving);
}

static void what_lies_beside_is_not_waited_for(void **state)
{
	struct pin_leaving leaving[2];
	char *p = pages(3);

	take_faults();
	assert_false(leave(&leaving[0], p, PAGE));
	assert_false(leave(&leaving[1], p + 2 * PAGE, PAGE));
	assert_int_equal(map_at(MIB, p + PAGE, PAGE), 0);
	unmap(MIB, PAGE);
	pin_leave_end(&leaving[0]);
	pin_leave_end(&leaving[1]);
	munmap(p, 3 * PAGE);
}

static void what_is_no_range_is_not_announced(void **state)
{
	struct pin_leaving leaving;
	char *p = pages(2);

	assert_false(leave(&leaving, p, 0));
	assert_null(leaving.owner);
	assert_false(leave(&leaving, p + 1, PAGE));
	assert_null(leaving.owner);
	assert_false(leave(&leaving, p + PAGE, -PAGE));
	assert_null(leaving.owner);
	pin_leave_end(&leaving);
	assert_int_equal(map_at(MIB, p, 2 * PAGE), 0);
	unmap(MIB, 2 * PAGE);
	munmap(p, 2 * PAGE);
}

/* What finds no place in the list is waited for wherever it is. */
static void any_number_may_leave_at_a_time(void **state)
{
	enum { N = OWNER_LEAVING + 2 };
	static struct pin_leaving leaving[N];
	char *p = pages(N);
	pthread_t thread;

	take_faults();
	for (unsigned i = 0; i < N; i++)
		assert_false(leave(&leaving[i], p + i * PAGE, PAGE));
	memory = pages(1);
	thread = mapper_start(way_map);
	for (unsigned i = 0; i < N; i++) {
		/* those with a place first: they are no reason to wait */
		usleep(500);
		assert_false(atomic_load(&done));
		pin_leave_end(&leaving[i]);
	}
	assert_int_equal(mapper_join(thread), 0);
	unmap(MIB, PAGE);
	munmap(p, N * PAGE);
	munmap(memory, PAGE);
}

/*
 * Two threads replace a page by another one of a file all the time, one of them in two
 * steps, while two others map it for a device each. What a device reads first it reads to the end.
 */
#define ROUNDS 400u

static atomic_bool stop;
static atomic_uint broken, held, refused;
static char *place;
static int file;

static void replace(unsigned n)
{
	struct pin_leaving leaving;
	const uintptr_t addr = (uintptr_t)place;

	if (leave(&leaving, place, PAGE))
		pin_leave_keep(&leaving, owner, addr, PAGE, PIN_UNMAP);
	if (mmap(place, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file,
		 (off_t)(n % 8 * PAGE)) != place)
		atomic_fetch_add(&broken, 1);
	pin_leave_end(&leaving);
}

static void discard(void)
{
	struct pin_leaving leaving;

	if (leave(&leaving, place, PAGE))
		pin_leave_keep(&leaving, owner, (uintptr_t)place, PAGE, PIN_DISCARD);
	madvise(place, PAGE, MADV_DONTNEED);
	pin_leave_end(&leaving);
}

static void *replacer(void *arg)
{
	for (unsigned n = 0; !atomic_load(&stop); n++) {
		replace(n);
		if (arg)
			discard();
	}
	return NULL;
}

static int device_read(struct domain *device, struct gate *gate, uint64_t iova, char *byte)
{
	int ret;

	for (;;) {
		unsigned seq = pin_move_seq(owner);
		unsigned token = gate_enter(gate);
		struct translation t;

		ret = domain_translate(device, iova, RF_READ, &t);
		if (!ret)
			ret = owner_dma_read(t.owner, byte, t.addr, 1);
		gate_leave(gate, token);
		if (!ret || !pin_moved_since(owner, seq))
			return ret;
	}
}

static void *user(void *arg)
{
	struct rf_ioas *space;
	struct domain *device;
	struct gate gate = { 0 };

	if (ioas_new(&space) || ioas_get_domain(space, iommu_kind_find(NULL), &device) ||
	    domain_add_gate(device, &gate)) {
		atomic_fetch_add(&broken, 1);
		return NULL;
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		char first = 0, again = 0;
		uint64_t unmapped;
		int ret = ioas_map_fixed(space, owner, (uintptr_t)place, 0, PAGE, RW, false);

		atomic_fetch_add(ret ? &refused : &held, 1);
		if (ret && ret != -EFAULT)
			atomic_fetch_add(&broken, 1);
		if (ret)
			continue;
		ret = device_read(device, &gate, 0, &first);
		for (unsigned i = 0; i < 3 && !ret; i++) {
			sched_yield();
			ret = device_read(device, &gate, 0, &again);
			if (again != first)
				ret = -EIO;
		}
		if (ret)
			atomic_fetch_add(&broken, 1);
		ioas_unmap_range(space, 0, PAGE - 1, IOAS_CUT_REFUSE, false, &unmapped);
	}
	domain_del_gate(device, &gate);
	ioas_put_domain(space, device);
	rf_ioas_free(space);
	return NULL;
}

static void a_device_never_sees_what_came_after(void **state)
{
	pthread_t replacers[2], users[2];

	take_faults();
	file = memfd_create("pages", MFD_CLOEXEC);
	assert_int_equal(ftruncate(file, 8 * PAGE), 0);
	for (char i = 0; i < 8; i++)
		assert_int_equal(pwrite(file, &i, 1, i * (off_t)PAGE), 1);
	place = pages(1);
	replace(0);
	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&replacers[i], NULL, replacer, (void *)i), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&users[i], NULL, user, NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(users[i], NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(replacers[i], NULL);
	assert_int_equal(atomic_load(&broken), 0);
	assert_int_equal(atomic_load(&refused), 0); /* there is a page at any time */
	assert_int_equal(atomic_load(&held), 2 * ROUNDS);
	assert_false(pin_any(owner));
	munmap(place, PAGE);
	close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_spaces, drop_spaces)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_mapping_waits_for_what_is_leaving),
		TEST(what_has_not_left_is_mapped),
		TEST(what_is_pinned_before_moves_away),
		TEST(a_newcomer_waits_until_a_move_is_over),
		TEST(a_newcomer_waits_until_mremap_is_over),
		TEST(what_is_on_the_move_counts_as_pinned),
		TEST(what_lies_beside_is_not_waited_for),
		TEST(what_is_no_range_is_not_announced),
		TEST(any_number_may_leave_at_a_time),
		TEST(a_device_never_sees_what_came_after),
	};

	return cmocka_run_group_tests_name("leaving", tests, NULL, NULL);
}
