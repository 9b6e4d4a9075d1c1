/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Short ways to make windows and to map in them, over user_fixture.h.
 */
#ifndef RF_TESTS_IOAS_WINDOW_FIXTURE_H
#define RF_TESTS_IOAS_WINDOW_FIXTURE_H

#include "ioas/space.h"
#include "user_fixture.h"

static struct rf_window got;

static inline int make_windowed(void **state)
{
	owner = owner_new_self();
	return owner ? rf_ioas_new(NULL, RF_IOAS_WINDOWED, &ioas) : -1;
}

static inline int create_in(struct rf_ioas *space, uint64_t iova, uint64_t size, uint64_t page_size)
{
	const struct rf_window want = { .iova = iova, .page_size = page_size };

	return rf_ioas_create_window(space, &want, size, RF_WINDOW_FIXED, &got);
}

static inline int create_at(uint64_t iova, uint64_t size, uint64_t page_size)
{
	return create_in(ioas, iova, size, page_size);
}

static inline int create_any(uint64_t size, uint64_t page_size)
{
	const struct rf_window want = { .page_size = page_size };

	return rf_ioas_create_window(ioas, &want, size, 0, &got);
}

static inline int attach(const char *kind)
{
	assert_null(domain);
	return ioas_get_domain(ioas, iommu_kind_find(kind), &domain);
}

static inline void detach(void)
{
	ioas_put_domain(ioas, domain);
	domain = NULL;
}

static inline int map_rw(uint64_t iova, void *addr, uint64_t length)
{
	return rf_ioas_map(ioas, owner, addr, length, RW, RF_MAP_FIXED, &iova);
}

static inline unsigned nr_windows(void)
{
	return rf_ioas_get_windows(ioas, NULL, 0, NULL);
}

static inline struct rf_window_limits limits(void)
{
	struct rf_window_limits l;

	rf_ioas_get_windows(ioas, NULL, 0, &l);
	return l;
}

#define PLAIN(name)    cmocka_unit_test_setup_teardown(name, make_empty, drop_empty)
#define WINDOWED(name) cmocka_unit_test_setup_teardown(name, make_windowed, drop_empty)

#endif
