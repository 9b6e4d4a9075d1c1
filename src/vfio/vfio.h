/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/vfio: containers, groups and devices as open files (base/file.h).
 */
#ifndef RF_VFIO_VFIO_H
#define RF_VFIO_VFIO_H

#include "base/file.h"

struct rf_machine;
struct rf_group;

/**
 * struct vfio_options - what the machine decides
 * @entry_limit: mappings a container may hold (type1's dma_entry_limit)
 * @unsafe_interrupts: allow assignment without interrupt remapping
 * @hide_mmap: no region reports FLAG_MMAP (for VMMs under KVM)
 * @memlock: most bytes that may be mapped in all, UINT64_MAX: no limit
 */
struct vfio_options {
	uint32_t entry_limit;
	bool unsafe_interrupts;
	bool hide_mmap;
	uint64_t memlock;
};

/* open("/dev/vfio/vfio"): 0 or -ENOMEM. */
int vfio_open_container(const struct vfio_options *options, struct file **out);

/*
 * open("/dev/vfio/N"): -EBUSY while open, -ENODEV when the group cannot be
 * assigned, -EPERM without interrupt remapping; -ENOMEM. Exclusive opens
 * across processes are the caller's business.
 */
int vfio_open_group(struct rf_group *group, const struct vfio_options *options,
		    struct file **out);

#endif
