/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An object that two threads replace over and over while three look at it. What was
 * replaced is poisoned and freed after its writer has waited for all who may still look:
 * nobody inside may see poison; ThreadSanitizer checks the order.
 */
#ifndef TEST_BASE_REPLACED_H
#define TEST_BASE_REPLACED_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define REPLACED_READERS 3u

/**
 * struct replaced_ways - who keeps readers and writers apart
 * @enter: begin to look
 * @leave: the end of it
 * @sync: wait for those who are inside
 * @rounds: how often each writer replaces the object
 * @meanwhile: done while all of them run, or NULL
 */
struct replaced_ways {
	unsigned (*enter)(void);
	void (*leave)(unsigned token);
	void (*sync)(void);
	unsigned rounds;
	void (*meanwhile)(const pthread_t *readers);
};

static _Atomic(uint64_t *) replaced;
static atomic_uint replaced_poison;
static atomic_bool replaced_stop;

static inline uint64_t *replaced_fresh(void)
{
	uint64_t *p = malloc(4 * sizeof(*p));

	for (unsigned i = 0; p && i < 4; i++)
		p[i] = 7;
	return p;
}

/* From inside. */
static inline void replaced_look(void)
{
	const uint64_t *p = atomic_load_explicit(&replaced, memory_order_acquire);

	for (unsigned i = 0; i < 4; i++)
		if (p[i] != 7)
			atomic_fetch_add(&replaced_poison, 1);
}

static inline void *replaced_reader(void *arg)
{
	const struct replaced_ways *ways = arg;

	while (!atomic_load_explicit(&replaced_stop, memory_order_relaxed)) {
		unsigned token = ways->enter();

		replaced_look();
		ways->leave(token);
	}
	return NULL;
}

static inline void *replaced_writer(void *arg)
{
	const struct replaced_ways *ways = arg;

	for (unsigned i = 0; i < ways->rounds; i++) {
		uint64_t *old = atomic_exchange(&replaced, replaced_fresh());

		ways->sync();
		for (unsigned j = 0; j < 4; j++)
			old[j] = 666;
		free(old);
	}
	return NULL;
}

static inline void replaced_stress(const struct replaced_ways *ways)
{
	pthread_t readers[REPLACED_READERS], writers[2];
	void *arg = (void *)(uintptr_t)ways;

	atomic_store(&replaced, replaced_fresh());
	atomic_store(&replaced_stop, false);
	for (unsigned i = 0; i < REPLACED_READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, replaced_reader, arg), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, replaced_writer, arg), 0);
	if (ways->meanwhile)
		ways->meanwhile(readers);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&replaced_stop, true);
	for (unsigned i = 0; i < REPLACED_READERS; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(atomic_load(&replaced_poison), 0);
	free(atomic_load(&replaced));
}

#endif
