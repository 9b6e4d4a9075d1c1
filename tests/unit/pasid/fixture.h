/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A space of PASIDs, two owners, two types, and objects with reference counts.
 */
#ifndef TEST_PASID_FIXTURE_H
#define TEST_PASID_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "pasid/pasid.h"

struct object {
	atomic_uint refs; /* 0: being torn down */
	unsigned value;
};

static const struct rf_pasid_type sva = { "sva" }, aux = { "aux" };
static const char alice, mallory; /* owners */
static struct pasid_space *space;

static inline bool object_tryget(void *data)
{
	struct object *object = data;
	unsigned refs = atomic_load(&object->refs);

	while (refs && !atomic_compare_exchange_weak(&object->refs, &refs, refs + 1))
		;
	return refs;
}

static inline struct rf_pasid_set *new_set(const struct rf_pasid_type *type, const void *owner,
					   uint32_t quota)
{
	struct rf_pasid_set *set;

	assert_int_equal(pasid_set_new(space, type, owner, quota, &set), 0);
	return set;
}

static inline uint32_t alloc(struct rf_pasid_set *set, void *data)
{
	uint32_t pasid = 0;

	assert_int_equal(rf_pasid_alloc(set, 1, RF_PASID_MAX, data, &pasid), 0);
	assert_true(pasid >= 1 && pasid <= RF_PASID_MAX);
	return pasid;
}

static inline int setup(void **state)
{
	return pasid_space_new(&space);
}

static inline int teardown(void **state)
{
	alloc_fail_nth(0);
	pasid_space_free(space);
	return 0;
}

#endif
