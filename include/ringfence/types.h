/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words that every public header uses.
 *
 * Functions return 0 (or a documented count) or a negative errno. A call that
 * fails changes nothing. Ranges are closed, [first, last], unless a length is
 * given.
 *
 * C++ programs include these headers inside extern "C".
 */
#ifndef RINGFENCE_TYPES_H
#define RINGFENCE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Public symbols; everything else in the library is hidden. */
#define RF_API __attribute__((visibility("default")))

struct rf_machine;
struct rf_device;
struct rf_group;
struct rf_ioas;
struct rf_owner;

/* Access rights of a mapping, seen from the device. */
#define RF_READ	 (1u << 0) /* the device may read memory */
#define RF_WRITE (1u << 1) /* the device may write memory */

#endif
