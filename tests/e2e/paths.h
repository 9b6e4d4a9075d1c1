/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of a session with one edu, for programs that ask what is behind them.
 */
#ifndef TEST_E2E_PATHS_H
#define TEST_E2E_PATHS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#define BDF	  "0000:01:00.0"
#define LINK	  "/sys/bus/pci/devices/" BDF
#define DEVICE	  "/sys/devices/pci0000:01/" BDF
#define VENDOR	  LINK "/vendor"
#define CONTAINER "/dev/vfio/vfio"
#define GET_API	  _IO(';', 100)

#define assert_fails(call, error)               \
	do {                                    \
		errno = 0;                      \
		assert_int_equal((call), -1);   \
		assert_int_equal(errno, error); \
	} while (0)

#endif
