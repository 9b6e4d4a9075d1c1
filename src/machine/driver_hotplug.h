/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices that get and lose drivers, leave the bus and come back: the links
 * and files that follow. All of it with the turn taken (files_open()).
 */
#ifndef RF_MACHINE_DRIVER_HOTPLUG_H
#define RF_MACHINE_DRIVER_HOTPLUG_H

#include "machine/driver_files.h"

/* Whether a program has claimed the DMA of the group (a number, as text). */
bool group_in_use(const struct session_files *files, const char *group);
/* Whether a program has the device open. */
bool device_in_use(const struct session_files *files, const char *address);
/* Ask that program, wherever it runs, to let go of the device. */
void device_request(const struct session_files *files, const char *address);

/* Bind a device to a driver, or with NULL to none. 0 or a negative errno. */
int device_set_driver(const struct session_files *files, const char *address, const char *driver);
/* Show or hide what there is only for devices of vfio-pci: nodes of the group and of the device. */
int device_show_vfio(const struct session_files *files, const char *address);

/* Take a device off the bus, those below it first. */
int device_remove(const struct session_files *files, const char *address);
/* Put back one that was removed and whose parent is there. */
int device_restore(const struct session_files *files, const char *address);
/* Put back whatever was taken off, and let drivers have it. */
int bus_rescan(const struct session_files *files);

/* driver_sriov.c: how many virtual functions a device has just now. */
unsigned long sriov_count(const struct session_files *files, const char *pf);
/* Take all of them off, until sriov_set() brings them back. */
int sriov_disable(const struct session_files *files, const char *pf);
/*
 * As a write to sriov_numvfs. -ERANGE: more than there can be, -ENOENT: without a
 * driver that has any, -EBUSY: there are some, in another number.
 */
int sriov_set(const struct session_files *files, const char *pf, unsigned long count);

/* driver.c: let the drivers that match have a device that has none. */
int device_probe(const struct session_files *files, const char *address);

#endif
