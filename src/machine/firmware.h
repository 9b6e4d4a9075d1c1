/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What firmware does to the devices of a machine.
 */
#ifndef RF_MACHINE_FIRMWARE_H
#define RF_MACHINE_FIRMWARE_H

#include "machine/description.h"

/* Every device of the description has been made. 0; -EINVAL with *error: what does not fit. */
int firmware_place_bars(struct description *desc, char **error);

#endif
