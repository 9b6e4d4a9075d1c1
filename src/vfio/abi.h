/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire format of /dev/vfio. It stands on the lowest floor, as iommufd
 * speaks a part of it too.
 */
#ifndef RF_VFIO_ABI_H
#define RF_VFIO_ABI_H

#include "base/vfio_abi.h"

#endif
