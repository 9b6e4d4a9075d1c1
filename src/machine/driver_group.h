/* SPDX-License-Identifier: BSD-3-Clause */
/* What a group's files in /sys/kernel/iommu_groups do when they are written to. */
#ifndef RF_MACHINE_DRIVER_GROUP_H
#define RF_MACHINE_DRIVER_GROUP_H

#include "machine/driver_files.h"

/*
 * Choose the kind of domain that the group has while nobody claims it. 0; -EINVAL: no
 * such kind; -EPERM: a driver of the host or a program has the group, or it has no device.
 */
int group_store_type(const struct session_files *files, const char *group, const char *text);

#endif
