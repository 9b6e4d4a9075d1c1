/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An address space, an owner, and one domain of the default kind.
 */
#ifndef RF_TESTS_IOAS_FIXTURE_H
#define RF_TESTS_IOAS_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "../faults.h"
#include "base/alloc.h"
#include "ioas/ioas.h"
#include "memory/owner.h"

#define PAGE 4096ul
#define MIB  (1ul << 20)
#define GIB  (1ul << 30)
#define RW   (RF_READ | RF_WRITE)

static struct rf_owner *owner;
static struct rf_ioas *ioas;
static struct domain *domain;

static inline int make_space(void **state)
{
	owner = owner_new_self();
	if (!owner || ioas_new(&ioas))
		return -1;
	return ioas_get_domain(ioas, iommu_kind_find(NULL), &domain);
}

static inline int drop_space(void **state)
{
	alloc_fail_nth(0);
	if (domain)
		ioas_put_domain(ioas, domain);
	domain = NULL;
	rf_ioas_free(ioas);
	owner_free(owner);
	return 0;
}

/* @nr pages, each beginning with a letter of its own. */
static inline char *pages(size_t nr)
{
	char *p = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	for (size_t i = 0; i < nr; i++)
		p[i * PAGE] = (char)('a' + i % 26);
	return p;
}

/* Addresses that nothing looks behind. */
static inline int map_blind(uint64_t iova, uint64_t length)
{
	return ioas_map_fixed(ioas, owner, 0x100000000000 + iova, iova, length, RW, true);
}

static inline int map_at(uint64_t iova, void *addr, uint64_t length)
{
	return ioas_map_fixed(ioas, owner, (uintptr_t)addr, iova, length, RW, false);
}

static inline uint64_t unmap(uint64_t iova, uint64_t length)
{
	uint64_t unmapped;

	assert_int_equal(ioas_unmap_range(ioas, iova, iova + length - 1, IOAS_CUT_REFUSE, false,
					  &unmapped),
			 0);
	return unmapped;
}

/* The address @iova leads to, 0 for none. */
static inline uintptr_t lookup(uint64_t iova)
{
	struct translation t;

	return domain_translate(domain, iova, 0, &t) ? 0 : t.addr;
}

#endif
