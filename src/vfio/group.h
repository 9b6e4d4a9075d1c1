/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open groups; see group.c.
 */
#ifndef RF_VFIO_GROUP_H
#define RF_VFIO_GROUP_H

#include <stdbool.h>

#include "base/file.h"
#include "vfio/vfio.h"

struct container;
struct rf_group;
struct vdev;

/**
 * struct group_file - an open /dev/vfio/N
 * @group: with a reference; its lock is that of what follows, taken before a
 *	container's
 * @container: where it has been put, or NULL
 * @iommufd: or the iommufd in its place, with a reference
 * @lost: its devices left vfio-pci, all of them; whoever opens the group from now on
 *	has another
 * @next: in the container's list, under the container's lock
 */
struct group_file {
	struct file file;
	char path[24];
	struct rf_group *group;
	const struct vfio_options *options;
	struct container *container;
	struct file *iommufd;
	bool lost;
	void *claim; /* of its DMA, as other processes see it, while in @container */
	struct group_file *next;
};

/* The open group behind a file, or NULL when it is something else. */
struct group_file *group_of_file(struct file *file);

#endif
