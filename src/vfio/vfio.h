/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/vfio: containers, groups and devices as open files (base/file.h).
 */
#ifndef RF_VFIO_VFIO_H
#define RF_VFIO_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

struct rf_machine;
struct rf_device;
struct rf_group;

/**
 * struct vfio_claim_ops - devices in use, as other processes see them
 * @take: a device is about to be bound by its own file: -EBUSY while another
 *	process has its group open, -EINVAL while one has bound the device, -EPERM
 *	while one has bound another device of its group
 * @drop: undo take. Never fails
 * @own: a group's DMA is about to be given away: until @disown no other driver of
 *	the host's may have its devices. 0 or a negative errno
 * @use: a device is about to be opened: until @unuse it keeps its driver. -ENODEV
 *	when it has lost it
 * @keep: a device's own file is about to be opened: until @unkeep it keeps its driver,
 *	and nothing more. -ENODEV when it has lost it
 * @listen: the program wants to be asked to let go of the device (IRQ_REQ): relay,
 *	until @unuse, what other processes ask. May come again; with no locks held
 * @refresh: other processes may have bound devices to other drivers: take that over,
 *	before something is decided by it; with no locks held
 */
struct vfio_claim_ops {
	int (*take)(struct rf_device *dev, void **claim);
	void (*drop)(void *claim);
	int (*own)(struct rf_group *group, void **claim);
	void (*disown)(void *claim);
	int (*use)(struct rf_device *dev, void **claim);
	void (*unuse)(void *claim);
	int (*keep)(struct rf_device *dev, void **claim);
	void (*unkeep)(void *claim);
	void (*listen)(void *claim);
	void (*refresh)(void);
};

/**
 * struct vfio_options - what the machine decides
 * @entry_limit: mappings a container may hold (type1's dma_entry_limit)
 * @unsafe_interrupts: allow assignment without interrupt remapping
 * @no_type1: no container has an IOMMU of type1, as on a kernel for POWER
 * @hide_mmap: no region reports FLAG_MMAP (for VMMs under KVM)
 * @memlock: most bytes that a process may have mapped in all containers, or a LIMIT_ of
 *	memory/limit.h
 * @devices: head of the machine's devices, linked by their next: who shares a
 *	bus and so is hit by its reset; NULL: nobody does
 * @claims: NULL: there are no other processes
 *
 * Lives as long as what was opened with it.
 */
struct vfio_options {
	uint32_t entry_limit;
	bool unsafe_interrupts;
	bool no_type1;
	bool hide_mmap;
	uint64_t memlock;
	struct rf_device *const *devices;
	const struct vfio_claim_ops *claims;
};

/* open("/dev/vfio/vfio"): 0 or -ENOMEM. */
int vfio_open_container(const struct vfio_options *options, struct file **out);

/*
 * open("/dev/vfio/N"): -EBUSY while open (by a descriptor of the group or of one
 * of its devices) or while a device of it is bound by itself; -ENODEV when none of
 * its devices is bound to vfio-pci; -ENOMEM. What else stands in the way of assignment is told later, where Linux
 * does: -EPERM by SET_CONTAINER (not viable) and by SET_IOMMU (no interrupt
 * remapping). Exclusive opens across processes are the caller's business.
 */
int vfio_open_group(struct rf_group *group, const struct vfio_options *options, struct file **out);

/*
 * Devices of the group have other drivers now, or none: with the last that was
 * vfio-pci's, who has the group open loses it. Any context without locks.
 */
void vfio_group_recheck(struct rf_group *group);

/*
 * open("/dev/vfio/devices/vfioN"), @index being N: -ENODEV for a device that
 * vfio-pci does not have or that no IOMMU isolates; -ENOMEM. Any number of
 * times: it is BIND_IOMMUFD that takes the device. Until the file is closed the
 * device keeps its driver.
 */
int vfio_open_device(struct rf_device *dev, unsigned index, const struct vfio_options *options,
		     struct file **out);

#endif
