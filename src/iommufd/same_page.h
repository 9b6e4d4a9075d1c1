/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages, whatever address leads to them.
 */
#ifndef RF_IOMMUFD_SAME_PAGE_H
#define RF_IOMMUFD_SAME_PAGE_H

#include <stdbool.h>
#include <stdint.h>

struct rf_owner;

/* Whether [addr_a, +length) of owner @a and [addr_b, +length) of owner @b are the same memory. */
bool same_memory(struct rf_owner *a, uintptr_t addr_a, struct rf_owner *b, uintptr_t addr_b,
		 uint64_t length);

/* Whether the page of @addr can be read: 0, -EFAULT, or -EOVERFLOW where addresses end. */
int same_page_probe(struct rf_owner *owner, uintptr_t addr);

/*
 * How often each page from @addr on is pinned (pages_pin_count()), wherever it is mapped:
 * fills @counts for as many of @nr pages as lie in one mapping and tells how many; 0:
 * there is none.
 */
uint64_t same_page_pins(struct rf_owner *owner, uintptr_t addr, uint64_t nr, unsigned *counts);

#endif
