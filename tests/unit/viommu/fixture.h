/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A region of 16 pages, listeners that write down what they are told, and an
 * IOMMU that writes down which kinds are wanted.
 */
#ifndef RF_TESTS_VIOMMU_FIXTURE_H
#define RF_TESTS_VIOMMU_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <ringfence/notifier.h>

#include "base/alloc.h"
#include "base/log.h"

#define PAGE  4096ull
#define LAST  (16 * PAGE - 1)
#define RW    (RF_READ | RF_WRITE)
#define U     RF_NOTIFY_UNMAP
#define M     RF_NOTIFY_MAP
#define R     RF_NOTIFY_REPLACE
#define HEARD 64

/* What a listener heard: "M 1-2>a" for a MAP of pages 1 and 2 to target page 0xa ... */
struct ear {
	char text[1024];
	unsigned notices;
	int answer;
	void (*then)(struct rf_listener *listener, const struct rf_notice *notice);
};

static struct rf_region *region;
static uint32_t told_old, told_wanted; /* by the last flags_changed */
static unsigned told; /* how often */
static int refuse; /* what flags_changed answers to new kinds */

static inline int flags_changed(struct rf_region *r, uint32_t old, uint32_t wanted)
{
	assert_ptr_equal(r, region);
	told_old = old;
	told_wanted = wanted;
	told++;
	return wanted & ~old ? refuse : 0;
}

static inline int make_region(void **state)
{
	const struct rf_region_ops ops = { .name = "test", .flags_changed = flags_changed };

	told = 0;
	refuse = 0;
	log_set_level(LOG_ERROR);
	return rf_region_new(&ops, LAST, PAGE, &told, &region);
}

static inline int drop_region(void **state)
{
	alloc_fail_nth(0);
	log_set_level(LOG_WARN);
	rf_region_free(region);
	region = NULL;
	return 0;
}

static inline const char *perm_text(uint32_t perm)
{
	return perm == RW ? "" : perm == RF_READ ? "r" : "w";
}

static inline int hear(struct rf_listener *listener, const struct rf_notice *notice)
{
	struct ear *ear = rf_listener_data(listener);
	size_t used = strlen(ear->text);
	char *to = ear->text + used;
	size_t room = sizeof(ear->text) - used;

	ear->notices++;
	assert_true(notice->iova % PAGE == 0 && notice->last % PAGE == PAGE - 1);
	to += snprintf(to, room, "%s%c %llx-%llx", used ? ", " : "",
		       notice->kind == U ? 'U' :
		       notice->kind == M ? 'M' :
					   'R',
		       (unsigned long long)(notice->iova / PAGE),
		       (unsigned long long)(notice->last / PAGE));
	if (notice->was_perm)
		to += sprintf(to, "<%llx%s", (unsigned long long)(notice->was_target / PAGE),
			      perm_text(notice->was_perm));
	if (notice->perm)
		sprintf(to, ">%llx%s", (unsigned long long)(notice->target / PAGE),
			perm_text(notice->perm));
	assert_int_equal(!notice->perm, notice->kind == U);
	assert_int_equal(!notice->was_perm, notice->kind == M);
	if (ear->then)
		ear->then(listener, notice);
	return ear->answer;
}

static inline struct rf_listener *listen_in(struct ear *ear, uint32_t kinds, uint64_t first,
					    uint64_t last)
{
	const struct rf_listener_ops ops = {
		.name = "ear", .kinds = kinds, .first = first, .last = last, .notify = hear
	};
	struct rf_listener *listener;

	assert_int_equal(rf_listener_register(region, &ops, ear, &listener), 0);
	assert_ptr_equal(rf_listener_data(listener), ear);
	assert_ptr_equal(rf_listener_region(listener), region);
	return listener;
}

static inline struct rf_listener *listen(struct ear *ear, uint32_t kinds)
{
	return listen_in(ear, kinds, 0, UINT64_MAX);
}

/* Pages @first to @last lead to target page @target. */
static inline struct rf_mapping pages(uint64_t first, uint64_t last, uint64_t target, uint32_t perm)
{
	return (struct rf_mapping){ first * PAGE, last * PAGE + PAGE - 1, target * PAGE, perm };
}

static inline int announce(uint64_t first, uint64_t last, uint64_t target, uint32_t perm)
{
	struct rf_mapping now = pages(first, last, target, perm);

	return rf_region_announce(region, &now);
}

/* What was heard since the last time. */
#define assert_heard(ear, expected)                         \
	do {                                                \
		assert_string_equal((ear)->text, expected); \
		(ear)->text[0] = 0;                         \
	} while (0)

#endif
