/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether two addresses lead to the same memory.
 */
#ifndef RF_IOMMUFD_SAME_PAGE_H
#define RF_IOMMUFD_SAME_PAGE_H

#include <stdbool.h>
#include <stdint.h>

struct rf_owner;

/* [addr_a, +length) of owner @a and [addr_b, +length) of owner @b. */
bool same_memory(struct rf_owner *a, uintptr_t addr_a, struct rf_owner *b, uintptr_t addr_b,
		 uint64_t length);

#endif
