/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of groups with plain devices, and the log's lines as text.
 */
#ifndef TEST_GROUP_FIXTURE_H
#define TEST_GROUP_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "group/set.h"

static struct rf_group *groups; /* the list that the set keeps */
static struct group_set *set;
static int log_fd = -1;

static inline int setup(void **state)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(log_fd >= 0);
	log_set_fd(log_fd);
	assert_int_equal(group_set_new(&groups, &set), 0);
	return 0;
}

static inline int teardown(void **state)
{
	alloc_fail_nth(0);
	group_set_free(set);
	assert_null(groups);
	log_set_fd(2);
	close(log_fd);
	return 0;
}

/* A device that is on no bus yet. Once added, it goes with the set. */
static inline struct rf_device *plain(const char *name)
{
	struct rf_device *dev;

	assert_int_equal(device_new_plain(name, &dev), 0);
	dev->iommu = iommu_kind_find(NULL);
	dev->of_set = true;
	return dev;
}

static inline struct rf_device *add_below(const char *bus, const char *name,
					  struct rf_device *parent)
{
	struct rf_device *dev = plain(name);

	dev->parent = parent;
	assert_int_equal(group_set_add_device(set, bus, dev), 0);
	return dev;
}

static inline struct rf_device *add(const char *bus, const char *name)
{
	return add_below(bus, name, NULL);
}

static inline bool logged(const char *text)
{
	char lines[4096] = "";
	ssize_t n = pread(log_fd, lines, sizeof(lines) - 1, 0);

	return n > 0 && strstr(lines, text);
}

#endif
