/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No doorbell is ever lost, whether it traps, is polled, or is rung just while
 * the one becomes the other. Drives ringer.c; prints TAP.
 */
#include <stdlib.h>
#include <time.h>

#include "../container.h"
#include "tap.h"

#define DOORBELL 0x1000u
#define IOVA	 0x100000u

static const char *address = "0000:01:00.0";
static struct vfio vfio;
static volatile uint32_t *shown, *doorbell, *memory;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool device_open(void)
{
	uint8_t *bar;

	CHECK(vfio_open(&vfio, address));
	bar = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED, vfio.device, 0);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(bar != MAP_FAILED && memory != MAP_FAILED);
	CHECK(vfio_map(vfio.container, memory, 4096, IOVA));
	shown = (volatile uint32_t *)bar;
	doorbell = (volatile uint32_t *)(bar + DOORBELL);
	*(volatile uint64_t *)bar = IOVA;
	return true;
}

/* Ring; then the device must see it. */
static bool rung(uint32_t val)
{
	double end = 0;

	*doorbell = val;
	for (unsigned i = 0; *shown != val || *memory != val; i++) {
		if (i % 1024)
			continue;
		if (!end)
			end = now() + 10;
		else if (now() > end)
			return false;
	}
	return true;
}

static uint32_t counter;

static bool bursts_arrive(void)
{
	double end = now() + 0.3;

	while (now() < end)
		for (int i = 0; i < 100; i++)
			if (!rung(++counter))
				return false;
	return true;
}

/* Pauses about as long as it takes until polling ends. */
static bool pauses_lose_nothing(void)
{
	double end = now() + 0.7;
	unsigned seed = 1;

	while (now() < end) {
		struct timespec pause = { 0, rand_r(&seed) % 300000 };

		for (int i = rand_r(&seed) % 60; i >= 0; i--)
			if (!rung(++counter))
				return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* Only the last of many counts, and it does. */
static bool the_newest_value_arrives(void)
{
	for (int i = 0; i < 2000; i++) {
		for (int j = 0; j < 20; j++)
			*doorbell = ++counter;
		if (!rung(++counter))
			return false;
	}
	return true;
}

static bool a_child_rings(void)
{
	uint32_t in_child;
	pid_t child;

	for (int i = 0; i < 200; i++)
		if (!rung(++counter))
			return false;
	in_child = ++counter;
	child = fork();
	if (!child) {
		*doorbell = in_child;
		_exit(*shown == in_child ? 0 : 1);
	}
	if (wait_for(child) != 0)
		return false;
	return *shown == in_child && *memory == in_child && rung(++counter);
}

static bool closing_while_polled_and_opening_again(void)
{
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 200; i++)
			if (!rung(++counter))
				return false;
		*doorbell = ++counter; /* left for the poller, if it is quick enough */
		if (munmap((void *)shown, 0x4000) || munmap((void *)memory, 4096) ||
		    !vfio_close(&vfio) || !device_open())
			return false;
	}
	return true;
}

static const struct test tests[] = {
	TEST(bursts_arrive),
	TEST(pauses_lose_nothing),
	TEST(the_newest_value_arrives),
	TEST(a_child_rings),
	TEST(closing_while_polled_and_opening_again),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		address = argv[1];
	if (!device_open()) {
		printf("Bail out! cannot open %s\n", address);
		return 1;
	}
	return run_tests(tests, NR_TESTS(tests), NULL);
}
