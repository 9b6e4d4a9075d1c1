/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommufd/abi.h"

#define ABI_TABLE abi_ours
#include "abi_table.h"
