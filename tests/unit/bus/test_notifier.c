/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "bus/bus.h"
#include "fixture.h"

static struct bus_set set;
static struct rf_bus *bus;
static char told[256];

/* A notifier of these tests: a letter for an addition, its lower case for a removal. */
struct teller {
	struct bus_notifier notifier; /* first */
	char letter;
	int answer;
	struct teller *leaves; /* unregistered at the next call */
	struct teller *joins; /* registered at the next call */
};

static int tell(struct bus_notifier *notifier, enum bus_event event, struct rf_device *dev)
{
	struct teller *t = (struct teller *)notifier;
	char text[2] = { event == BUS_DEVICE_ADDED ? t->letter : (char)(t->letter | 0x20) };
	int answer = t->answer;

	strcat(told, text);
	if (t->joins) {
		struct teller *joins = t->joins;

		t->joins = NULL;
		assert_int_equal(bus_notifier_register(bus, &joins->notifier, false), 0);
	}
	if (t->leaves) {
		struct teller *leaves = t->leaves;

		t->leaves = NULL;
		bus_notifier_unregister(bus, &leaves->notifier);
		memset(leaves, 0xee, sizeof(*leaves)); /* its memory is its owner's again */
	}
	return answer;
}

static void join(struct teller *t, char letter, enum notifier_kind kind, int answer)
{
	*t = (struct teller){ .notifier = { .kind = kind, .notify = tell },
			      .letter = letter,
			      .answer = answer };
	assert_int_equal(bus_notifier_register(bus, &t->notifier, true), 0);
}

static int setup(void **state)
{
	set.fallback = NULL;
	assert_int_equal(bus_set_init(&set), 0);
	bus = bus_get(&set, "foo");
	assert_non_null(bus);
	told[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	alloc_fail_nth(0);
	while (bus->chain.first)
		bus_notifier_unregister(bus, bus->chain.first);
	while (bus->nr_devices)
		bus_remove_device(bus->devices[bus->nr_places - 1]);
	bus_set_destroy(&set);
	return 0;
}

static int try_add(const char *name, struct rf_device **out)
{
	struct rf_device *dev;
	int ret;

	assert_int_equal(device_new_plain(name, &dev), 0);
	ret = bus_add_device(bus, dev);
	if (ret)
		device_free(dev);
	else if (out)
		*out = dev;
	return ret;
}

static void expect_told(const char *expected)
{
	assert_string_equal(told, expected);
	told[0] = '\0';
}

static void providers_then_fallback_then_observers(void **state)
{
	static struct teller o, f, a, b;
	struct rf_device *dev;

	join(&o, 'O', NOTIFIER_OBSERVER, BUS_PASSED);
	join(&f, 'F', NOTIFIER_FALLBACK, BUS_PASSED);
	join(&a, 'A', NOTIFIER_PROVIDER, BUS_PASSED);
	join(&b, 'B', NOTIFIER_PROVIDER, BUS_PASSED);
	assert_int_equal(try_add("one", &dev), 0);
	expect_told("ABFO");
	bus_remove_device(dev);
	expect_told("of");
	a.answer = BUS_CLAIMED;
	assert_int_equal(try_add("two", &dev), 0);
	expect_told("AO");
	bus_remove_device(dev);
	expect_told("oaf");
}

static void a_failure_is_told_to_those_before(void **state)
{
	static struct teller a, o, p, q;
	struct rf_device *dev = NULL;

	join(&a, 'A', NOTIFIER_PROVIDER, BUS_CLAIMED);
	join(&o, 'O', NOTIFIER_OBSERVER, BUS_PASSED);
	join(&p, 'P', NOTIFIER_OBSERVER, -EIO);
	join(&q, 'Q', NOTIFIER_OBSERVER, BUS_PASSED);
	assert_int_equal(try_add("one", &dev), -EIO);
	expect_told("AOPoa");
	assert_int_equal(bus->nr_devices, 0);
	/* one that fails and leaves at once */
	p.leaves = &p;
	assert_int_equal(try_add("one", &dev), -EIO);
	expect_told("AOPoa");
	assert_int_equal(try_add("one", &dev), 0);
	expect_told("AOQ");
}

static void anyone_may_leave_during_a_walk(void **state)
{
	static struct teller a, b, c;

	join(&a, 'A', NOTIFIER_PROVIDER, BUS_PASSED);
	join(&b, 'B', NOTIFIER_PROVIDER, BUS_PASSED);
	join(&c, 'C', NOTIFIER_PROVIDER, BUS_PASSED);
	a.leaves = &b;
	assert_int_equal(try_add("one", NULL), 0);
	expect_told("AC");
	c.leaves = &a;
	assert_int_equal(try_add("two", NULL), 0);
	expect_told("AC");
	c.leaves = &c;
	assert_int_equal(try_add("three", NULL), 0);
	expect_told("C");
	assert_int_equal(try_add("four", NULL), 0);
	expect_told("");
}

static void who_joins_during_a_walk_waits_for_the_next(void **state)
{
	static struct teller a, late = {
		.notifier = { .kind = NOTIFIER_OBSERVER, .notify = tell },
		.letter = 'L',
		.answer = BUS_PASSED,
	};

	join(&a, 'A', NOTIFIER_PROVIDER, BUS_PASSED);
	a.joins = &late;
	assert_int_equal(try_add("one", NULL), 0);
	expect_told("A");
	assert_int_equal(try_add("two", NULL), 0);
	expect_told("AL");
}

static void playback_tells_what_concerns(void **state)
{
	static struct teller a, b, o;
	struct rf_device *dev;

	join(&a, 'A', NOTIFIER_PROVIDER, BUS_CLAIMED);
	assert_int_equal(try_add("one", NULL), 0);
	a.answer = BUS_PASSED;
	assert_int_equal(try_add("two", &dev), 0);
	expect_told("AA");
	join(&b, 'B', NOTIFIER_PROVIDER, BUS_CLAIMED);
	expect_told("B");
	assert_ptr_equal(dev->claimed_by, &b.notifier);
	join(&o, 'O', NOTIFIER_OBSERVER, BUS_PASSED);
	expect_told("OO");
	bus_notifier_unregister(bus, &b.notifier);
	assert_null(dev->claimed_by);
}

static void playback_that_fails_is_taken_back(void **state)
{
	static struct teller o = {
		.notifier = { .kind = NOTIFIER_OBSERVER, .notify = tell },
		.letter = 'O',
		.answer = -EIO,
	};

	assert_int_equal(try_add("one", NULL), 0);
	assert_int_equal(bus_notifier_register(bus, &o.notifier, true), -EIO);
	expect_told("O");
	assert_int_equal(try_add("two", NULL), 0);
	expect_told("");
}

/* Adds a device, and removes the one that it is told of, at its first call. */
static struct rf_device *heard_of[8];
static unsigned nr_heard;

static int meddle(struct bus_notifier *notifier, enum bus_event event, struct rf_device *dev)
{
	if (event != BUS_DEVICE_ADDED)
		return BUS_PASSED;
	assert_true(nr_heard < 8);
	heard_of[nr_heard++] = dev;
	if (nr_heard == 1) {
		assert_int_equal(try_add("three", NULL), 0);
		bus_remove_device(dev);
	}
	return BUS_PASSED;
}

static void devices_may_come_and_go_during_playback(void **state)
{
	static struct bus_notifier observer = { .kind = NOTIFIER_OBSERVER, .notify = meddle };
	struct rf_device *two;

	nr_heard = 0;
	assert_int_equal(try_add("one", NULL), 0);
	assert_int_equal(try_add("two", &two), 0);
	assert_int_equal(bus_notifier_register(bus, &observer, true), 0);
	/* of each once: "three" as it came, "two" in turn */
	assert_int_equal(nr_heard, 3);
	assert_string_equal(heard_of[1]->name, "three");
	assert_ptr_equal(heard_of[2], two);
	assert_int_equal(bus->nr_devices, 2);
}

/* Places of those that have gone are used again; the order stays. */
static void a_bus_is_as_long_as_its_devices_are_many(void **state)
{
	enum { N = 300 };
	static struct teller o;
	struct rf_device *devices[N];
	struct bus_walk walk;

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < N; i++) {
			char name[16];

			snprintf(name, sizeof(name), "dev%u", i);
			assert_int_equal(try_add(name, &devices[i]), 0);
		}
		for (unsigned i = 0; i < N; i++)
			if (i % 100 != 50)
				bus_remove_device(devices[i]);
		assert_int_equal(bus->nr_devices, 3);
		assert_true(bus->nr_places <= 32);
		walk = bus_walk_begin(bus);
		for (unsigned i = 50; i < N; i += 100)
			assert_ptr_equal(bus_walk_next(bus, &walk), devices[i]);
		assert_null(bus_walk_next(bus, &walk));
		bus_walk_end(bus);
		for (unsigned i = 50; i < N; i += 100)
			bus_remove_device(devices[i]);
	}
	join(&o, 'O', NOTIFIER_OBSERVER, BUS_PASSED);
	expect_told("");
}

static void buses_are_found_by_name(void **state)
{
	assert_ptr_equal(bus_get(&set, "foo"), bus);
	assert_ptr_not_equal(bus_get(&set, "bar"), bus);
	assert_null(bus_get(&set, ""));
	assert_null(bus_get(&set, "a-name-that-is-far-too-long-for-it"));
	alloc_fail_nth(1);
	assert_null(bus_get(&set, "baz"));
}

static void a_device_leaves_with_its_last_user(void **state)
{
	struct rf_device *dev;
	static struct teller o;

	join(&o, 'O', NOTIFIER_OBSERVER, BUS_PASSED);
	assert_int_equal(try_add("one", &dev), 0);
	device_get(dev);
	bus_remove_device(dev);
	assert_true(device_gone(dev));
	bus_remove_device(dev);
	assert_int_equal(bus->nr_devices, 1);
	expect_told("O");
	device_put(dev);
	assert_int_equal(bus->nr_devices, 0);
	expect_told("o");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(providers_then_fallback_then_observers),
		CASE(a_failure_is_told_to_those_before),
		CASE(anyone_may_leave_during_a_walk),
		CASE(who_joins_during_a_walk_waits_for_the_next),
		CASE(playback_tells_what_concerns),
		CASE(playback_that_fails_is_taken_back),
		CASE(devices_may_come_and_go_during_playback),
		CASE(a_bus_is_as_long_as_its_devices_are_many),
		CASE(buses_are_found_by_name),
		CASE(a_device_leaves_with_its_last_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
