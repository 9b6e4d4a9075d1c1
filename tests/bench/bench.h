/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What benchmarks measure with, and how they print it: a JSON list of rows, each a
 * name, a value, its unit and, where there is one, the figure that stands beside it.
 * Times are in ns. A value is a median of several batches, as machines change their
 * speed and neighbours come and go. For programs of one thread.
 */
#ifndef TEST_BENCH_BENCH_H
#define TEST_BENCH_BENCH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCHES 15

static inline double clock_now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline double now(void)
{
	return clock_now(CLOCK_MONOTONIC);
}

/* @ret is 0, or the end of the program. */
static inline void must(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "%s: %s: %d\n", program_invocation_short_name, what, ret);
	exit(1);
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static inline double median_of(double *values, unsigned nr)
{
	qsort(values, nr, sizeof(*values), by_value);
	return values[nr / 2];
}

/* A batch of @count operations, in ns an operation. */
static inline double batch(void (*run)(uint64_t count), uint64_t count)
{
	double start = now();

	run(count);
	return (now() - start) / (double)count;
}

/* Median of BATCHES batches, after one that warms up. */
static inline double median(void (*run)(uint64_t count), uint64_t count)
{
	double batches[BATCHES];

	run(count);
	for (unsigned b = 0; b < BATCHES; b++)
		batches[b] = batch(run, count);
	return median_of(batches, BATCHES);
}

/* Bytes of this program that are in memory. */
static inline double resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size;
	unsigned long pages = 0;

	if (!f || fscanf(f, "%lu %lu", &size, &pages) != 2)
		must(-1, "/proc/self/statm");
	fclose(f);
	return (double)pages * 4096;
}

static bool rows_begun;

/* @peer 0: nothing stands beside it. */
static inline void row(const char *name, double value, const char *unit, double peer,
		       const char *peer_name, const char *aim)
{
	printf("%s\n {\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", ",
	       rows_begun ? "," : "[", name, value, unit);
	if (peer > 0)
		printf("\"peer\": %.6g, \"peer_name\": \"%s\", ", peer, peer_name);
	printf("\"aim\": \"%s\"}", aim);
	fflush(stdout);
	rows_begun = true;
}

static inline void rows_end(void)
{
	printf("%s\n]\n", rows_begun ? "" : "[");
}

#endif
