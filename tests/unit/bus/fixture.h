/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices for the tests of this folder, and a sink that remembers what it was
 * told.
 */
#ifndef TEST_BUS_FIXTURE_H
#define TEST_BUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/device.h"

struct recorder {
	struct irq_sink sink;
	unsigned count; /* calls */
	enum irq_index index; /* of the last one */
	unsigned vector;
	unsigned per_vector[2048];
};

static inline void recorder_signal(struct irq_sink *sink, enum irq_index index, unsigned vector)
{
	struct recorder *rec = (struct recorder *)sink;

	rec->count++;
	rec->index = index;
	rec->vector = vector;
	rec->per_vector[vector]++;
}

static inline void recorder_init(struct recorder *rec)
{
	memset(rec, 0, sizeof(*rec));
	rec->sink.signal = recorder_signal;
}

static inline struct rf_device *fixture_device_at(const struct rf_pci_model *model,
						  const struct prop_value *values,
						  const char *address)
{
	struct pci_address at;
	struct rf_device *dev;
	char *error = NULL;

	assert_int_equal(pci_address_parse(address, &at), 0);
	if (device_new(model, &at, values, &dev, &error))
		fail_msg("device_new: %s", error);
	return dev;
}

static inline struct rf_device *fixture_device(const struct rf_pci_model *model)
{
	return fixture_device_at(model, NULL, "0000:01:00.0");
}

#endif
