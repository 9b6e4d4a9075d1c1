/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of this folder share: machines made of text, errors compared
 * as a user reads them.
 */
#ifndef TEST_MACHINE_FIXTURE_H
#define TEST_MACHINE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine/description.h"
#include "machine/machine.h"

static inline struct rf_machine *machine_of(const char *json)
{
	struct rf_machine *machine = NULL;
	char *error = NULL;
	int ret = rf_machine_new(json, "machine.json", &machine, &error);

	if (ret)
		fail_msg("%s (%d)", error ? error : "no line", ret);
	return machine;
}

/* The description is refused with just this line. */
static inline void refused(const char *json, int err, const char *line)
{
	struct rf_machine *machine = NULL;
	char *error = NULL;

	assert_int_equal(rf_machine_new(json, "machine.json", &machine, &error), err);
	assert_null(machine);
	assert_non_null(error);
	assert_string_equal(error, line);
	free(error);
}

static inline void add_refused(struct rf_machine *machine, const char *spec, int err,
			       const char *line)
{
	struct rf_device *dev = NULL;
	char *error = NULL;

	assert_int_equal(rf_machine_add_device(machine, spec, &dev, &error), err);
	assert_null(dev);
	assert_non_null(error);
	assert_string_equal(error, line);
	free(error);
}

static inline struct rf_device *add(struct rf_machine *machine, const char *spec)
{
	struct rf_device *dev = NULL;
	char *error = NULL;

	if (rf_machine_add_device(machine, spec, &dev, &error))
		fail_msg("%s", error ? error : "no line");
	return dev;
}

#endif
