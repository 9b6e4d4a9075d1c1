/* SPDX-License-Identifier: BSD-3-Clause */
/* Distributions of 2023 have no such header: then there is nothing to compare with. */
#if __has_include(<linux/iommufd.h>)
#include <linux/iommufd.h>

#define ABI_TABLE abi_system
#include "abi_table.h"
#else
#include "../abi.h"

const struct abi_entry abi_system[] = { { NULL, 0 } };
#endif
