/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver binding in a session, as programs do it through /sys/bus/pci.
 *
 * Which driver has a device is a symbolic link in the session's directory, so
 * it holds for every process of the session. These functions work on the
 * directory alone; no machine need be built. They take turns by a lock file,
 * make bare system calls, and leave errno alone.
 */
#ifndef RF_MACHINE_DRIVER_H
#define RF_MACHINE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "machine/layout.h"
#include "machine/machine.h"

#define DRIVER_ATTR_MAX 160u /* bytes of an attribute's name */

/*
 * Whether writing to the file at @path, relative to the session and without
 * links in it ("sys/bus/pci/drivers/vfio-pci/bind"), does something. Then @name
 * is what to call it in driver_store().
 */
bool driver_attr(const char *path, char name[DRIVER_ATTR_MAX]);

/*
 * Do what a write of @text, @len bytes, to an attribute does on Linux. 0 or a
 * negative errno: -ENODEV, -EINVAL, -EBUSY, -EEXIST as the kernel's, and what
 * the file system says of a session that is damaged.
 */
int driver_store(const char *session, const char *name, const char *text, size_t len);

/* The driver of the device at @address: 0 with *name "" for none; -ENODEV: it was removed. */
int driver_of(const char *session, const char *address, char *name, size_t size);

/* Take over into the machine what the session's links say now. */
void driver_refresh(const char *session, struct rf_machine *machine);

/* The driver that would take a device of this class by itself, as Linux's would; or NULL. */
const char *driver_native(unsigned class);

/*
 * At the end of view_build(): write down which devices are of which driver, and put
 * aside what is not to be seen until a device is bound to vfio-pci.
 */
void driver_layout(struct layout *layout, const struct rf_machine *machine);
int driver_settle(int session, char **error);

#endif
