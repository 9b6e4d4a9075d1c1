/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a machine file, shared between the files that do: values with errors
 * that name the line.
 */
#ifndef RF_MACHINE_PARSE_H
#define RF_MACHINE_PARSE_H

#include <jansson.h>

#include "machine/description.h"
#include "machine/fail.h"
#include "machine/spot.h"

/**
 * struct reader - one text being read
 * @dev: the device being read, or NULL
 * @function: the address of the function being read, or NULL
 */
struct reader {
	struct description *desc;
	struct device_desc *dev;
	const char *function;
	char **error;
};

/* FILE:LINE: devices[N]: what, in front of the line that is there. Returns @err. */
int reader_blame(const struct reader *r, struct spot spot, int err);

#define reader_fail(r, spot, ...) \
	(fail(-EINVAL, (r)->error, __VA_ARGS__), reader_blame(r, spot, -EINVAL))

/* All return 0, or -EINVAL with the line set. */
int read_wrong_type(const struct reader *r, struct spot spot, const char *key, const char *wanted,
		    const json_t *value);
int read_unknown_key(const struct reader *r, struct spot spot, const char *key,
		     const char *suggestion);
int read_bool(const struct reader *r, struct spot spot, const char *key, const json_t *value,
	      bool *out);
/* An integer, or a string that spells one (JSON has no hexadecimal). */
int read_number(const struct reader *r, struct spot spot, const char *key, const json_t *value,
		uint64_t max, uint64_t *out);

/* topology_parse.c: the member "topology". */
int read_topology(struct reader *r, struct spot spot, json_t *value);

#endif
