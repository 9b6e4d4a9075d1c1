/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices in use: what VFIO keeps about a device between the first descriptor
 * of it and the last, shared by all of them.
 *
 * A device is reached through its group, or by its own file (cdev.c), never both
 * at once. Which of the two is its set: the group's devices that were opened
 * through it, or those that were opened by themselves; the group's lock is both
 * sets'.
 *
 * Everything here but @open_count, @next and the iommufd's part is under the
 * device's own lock (bus/device.h), which is recursive, and which an interrupt
 * holds when it arrives. Order: the set's lock, the device's, the watcher's.
 */
#ifndef RF_VFIO_VDEV_H
#define RF_VFIO_VDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "bus/device.h"
#include "vfio/abi.h"
#include "vfio/eventfd.h"
#include "vfio/watcher.h"

struct group_file;
struct rf_group;
struct vfio_options;
struct iommufd_device;
struct iommufd_link_ops;

/*
 * What a host kernel saves before a reset and writes back after it. BAR
 * addresses and the interrupt line survive by themselves (device_reset()).
 */
#define SAVED_AER 4u
struct saved_config {
	uint16_t command;
	uint8_t cache_line;
	uint16_t pcie_devctl, pcie_lnkctl, pcie_devctl2;
	uint32_t aer[SAVED_AER];
};

/* Configuration space as the program sees it: config.c. */
#define CONFIG_NO_CAP 0xffu /* a byte of no capability */
#define CONFIG_ANCHOR 0xfeu /* of what begins the extended list and is hidden: a header */
struct vconfig {
	uint8_t cap[PCI_CONFIG_EXT_SIZE]; /* the capability a byte belongs to */
	uint8_t bytes[PCI_CONFIG_EXT_SIZE]; /* virtual values, where bits are virtual */
	uint8_t msi_virt[24], msi_write[24]; /* this device's MSI layout */
	bool bars_dirty; /* written since they were last made to look like hardware */
	bool intx_disabled; /* COMMAND.INTX_DISABLE, which is virtual */
	bool no_command_memory; /* memory is on whatever COMMAND says: a virtual function */
};

/* Interrupts as the program has set them up: irqs.c. */
#define IRQ_NO_INDEX VFIO_PCI_NUM_IRQS
struct virqs {
	struct irq_sink sink;
	unsigned index; /* INTX, MSI or MSIX while one is enabled; IRQ_NO_INDEX */
	struct eventfd *vectors; /* MSI and MSI-X; of INTx, the first */
	unsigned nr_vectors;
	unsigned msi_allocated; /* MSI cannot grow beyond what was enabled */
	unsigned msi_qmax; /* log2 of it */
	bool intx_masked;
	struct eventfd err, req;
	struct watch unmask;
	bool unmask_watched;
};

struct ioeventfd;

struct vdev {
	struct rf_device *dev;
	const struct vfio_options *options;
	bool through_group; /* opened so, not by itself: with @set, with a reference */
	struct rf_group *set;
	struct group_file *group; /* in a container; keeps it open; NULL: in an iommufd */
	struct vdev *next; /* in its set, under the set's lock, as are the next three */
	unsigned open_count;
	void *claim; /* of its driver, as other processes see it */
	const struct iommufd_link_ops *link; /* with @idev */
	struct iommufd_device *idev; /* bound to an iommufd; NULL: in a container */
	bool reset_works;
	struct vconfig config;
	struct virqs irqs;
	unsigned power; /* D state, 0 to 3 */
	struct saved_config at_open, before_d3;
	bool low_power; /* LOW_POWER_ENTRY */
	struct eventfd wakeup;
	struct watcher watcher;
	struct ioeventfd *ioeventfds;
	unsigned nr_ioeventfds;
};

static inline void vdev_lock(struct vdev *v)
{
	device_lock(v->dev);
}

static inline void vdev_unlock(struct vdev *v)
{
	device_unlock(v->dev);
}

/*
 * A device in use: bound to an iommufd (@iommufd may be NULL) and reset. With the
 * set's lock held; the caller puts it into the set. -ENOMEM; what bind returns.
 */
int vdev_begin(struct rf_device *dev, const struct vfio_options *options, struct file *iommufd,
	       struct vdev **out);
/* The end of it: out of its set, and nobody can reach it. The set's lock held. */
void vdev_end(struct vdev *v);
/* The iommufd that a device is bound to, without a reference; NULL: to none. */
struct file *vdev_iommufd(const struct vdev *v);

/*
 * A new descriptor's file for a device of an open group; with the group's lock
 * held, in a container with an IOMMU or with an iommufd. The first resets the
 * device. -ENOMEM; what bind and attach of the iommufd return.
 */
int vdev_open(struct group_file *gf, struct rf_device *dev, struct file **out);
/* A device of the group that was opened through it, or NULL; the set's lock held. */
struct vdev *vdev_find(const struct rf_group *group, const struct rf_device *dev);
/* Whether COMMAND lets the device answer at all: I/O ports may be off. Takes the lock. */
bool vdev_answers(const struct vdev *v, unsigned bar);
/* Whether the BAR can be mapped, as REGION_INFO says. */
bool vdev_bar_mappable(const struct vdev *v, unsigned bar);
/* Something reached the device: it leaves low power, if a wake-up was asked for. */
void vdev_wake(struct vdev *v);

/* device.c: the ioctls of a device descriptor. */
long device_ioctl(struct vdev *v, struct file_caller *caller, unsigned int cmd, unsigned long arg);

/* feature.c */
int feature_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg);
void feature_release(struct vdev *v);

/* config.c. */
void vconfig_init(struct vdev *v);
/* @pos and @len lie within. Under the lock. */
void vconfig_read(struct vdev *v, unsigned pos, void *buf, size_t len);
void vconfig_write(struct vdev *v, unsigned pos, const void *buf, size_t len);
/* COMMAND.MEMORY as the program set it, and the device is awake enough. */
/* How long the first piece of a write is, and whether anybody looks at what is written. */
unsigned vconfig_piece(struct vdev *v, unsigned pos, size_t len, bool *taken);
bool vconfig_memory_enabled(const struct vdev *v);

/* rdwr.c */
ssize_t vdev_pread(struct vdev *v, struct file_caller *caller, void *buf, size_t len, uint64_t off);
ssize_t vdev_pwrite(struct vdev *v, struct file_caller *caller, const void *buf, size_t len,
		    uint64_t off);
int vdev_mmap(struct vdev *v, uint64_t off, uint64_t len, int prot, int flags,
	      struct file_mapping *out);

/* rom.c: how much of the ROM's BAR images fill, 0: nothing valid. */
uint64_t vdev_rom_length(const struct vdev *v);
/* @pos and @len lie within the BAR. */
void vdev_rom_read(const struct vdev *v, uint64_t pos, uint8_t *buf, size_t len);

/* irqs.c */
int virqs_init(struct vdev *v);
/* Everything off; the eventfds go. */
void virqs_release(struct vdev *v);
unsigned virqs_count(const struct vdev *v, uint32_t index);
int virqs_set_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg);
/* After a reset: what was enabled is enabled again; the eventfds have stayed. */
void virqs_restore(struct vdev *v);
/* COMMAND.INTX_DISABLE changed. */
void virqs_intx_mask(struct vdev *v);
void virqs_intx_unmask(struct vdev *v);

/* cdev.c: a device of the group that was opened by itself, or NULL; the set's lock held. */
struct vdev *cdev_find(struct rf_group *group, const struct rf_device *dev);

/* ioeventfd.c */
int ioeventfd_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg);
void ioeventfd_release(struct vdev *v);

/* reset.c */
void reset_power_on(struct vdev *v); /* at first open */
void reset_power_off(struct vdev *v); /* at last close */
/* Reset the function and put back what the host keeps. Under the lock. */
void reset_function(struct vdev *v);
void reset_set_power(struct vdev *v, unsigned state);
int reset_ioctl(struct vdev *v);
int reset_hot_info_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg);
int reset_hot_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg);

#endif
