/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/vfio.h>

#define ABI_TABLE abi_system
#include "abi_table.h"
