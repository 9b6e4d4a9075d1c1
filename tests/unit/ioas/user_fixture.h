/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Short ways to map, copy and unmap as iommufd does, over fixture.h; no domain
 * to begin with.
 */
#ifndef RF_TESTS_IOAS_USER_FIXTURE_H
#define RF_TESTS_IOAS_USER_FIXTURE_H

#include "fixture.h"
#include "ioas/access.h"
#include "ioas/domains.h"
#include "ioas/user_map.h"
#include "memory/pin.h"

#define MOCK_BASE (16 * MIB)
#define MOCK_PAGE 2048ul

static inline int make_empty(void **state)
{
	owner = owner_new_self();
	return owner ? ioas_new(&ioas) : -1;
}

static inline int drop_empty(void **state)
{
	return drop_space(state);
}

static inline int user_map_in(struct rf_ioas *space, const void *addr, uint64_t length,
			      uint32_t prot, bool fixed, uint64_t *iova)
{
	struct user_map map = {
		.owner = owner,
		.addr = (uintptr_t)addr,
		.memfd = -1,
		.length = length,
		.prot = prot,
		.fixed = fixed,
		.iova = *iova,
	};

	return ioas_user_map(space, &map, iova);
}

static inline int user_map_at(uint64_t iova, const void *addr, uint64_t length)
{
	return user_map_in(ioas, addr, length, RW, true, &iova);
}

static inline int user_map_auto(const void *addr, uint64_t length, uint64_t *iova)
{
	*iova = 0;
	return user_map_in(ioas, addr, length, RW, false, iova);
}

static inline int user_unmap(uint64_t iova, uint64_t length)
{
	uint64_t unmapped;

	return ioas_user_unmap(ioas, iova, length, &unmapped);
}

static inline struct domain *add_mock(struct rf_ioas *space)
{
	struct domain *mock;

	assert_int_equal(ioas_add_domain(space, iommu_kind_mock(0), 0, &mock), 0);
	return mock;
}

/* The byte that a device behind @d reads, or -EFAULT. */
static inline int device_reads(struct domain *d, uint64_t iova)
{
	struct translation t;
	uint8_t byte;

	if (domain_translate(d, iova, 0, &t) || owner_dma_read(t.owner, &byte, t.addr, 1))
		return -EFAULT;
	return byte;
}

/* What an interposed munmap() does. */
static inline void program_unmaps(void *addr, size_t length)
{
	pin_keep(owner, (uintptr_t)addr, length, PIN_UNMAP);
	assert_int_equal(munmap(addr, length), 0);
}

#endif
