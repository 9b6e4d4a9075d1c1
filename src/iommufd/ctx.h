/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder tell each other.
 *
 * Locks, outermost first: an address space's own (struct iommufd_ioas), a
 * group's (struct igroup), a fault queue's; then those of the floors below. The
 * table's lock (objects.lock) is innermost, and nothing is called with it held.
 * Objects are destroyed with none of them held.
 */
#ifndef RF_IOMMUFD_CTX_H
#define RF_IOMMUFD_CTX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ringfence/uapi.h>

#include "base/file.h"
#include "base/iommufd_link.h"
#include "ioas/user_map.h"
#include "iommufd/abi.h"
#include "iommufd/iommufd.h"
#include "iommufd/object.h"
#include "iommufd/selftest.h"

struct domain;
struct fault_queue;
struct hwpt_paging;
struct igroup;
struct mock_device;

/**
 * struct iommufd_ctx - an open /dev/iommu
 * @objects: what it knows by number; its lock is for all below, too
 * @groups: groups with a bound device
 * @vfio_ioas: what a container's ioctls work on, or NULL
 * @mode: how pages are charged
 */
struct iommufd_ctx {
	struct file file;
	const struct iommufd_options *options;
	struct object_table objects;
	struct igroup *groups;
	struct iommufd_ioas *vfio_ioas;
	enum account_mode mode;
};

/**
 * struct ucmd - an ioctl under way
 * @uptr: where its structure is in the caller's memory
 * @size: how many bytes of it the caller knows
 */
struct ucmd {
	struct iommufd_ctx *ctx;
	struct file_caller *caller;
	uintptr_t uptr;
	uint32_t size;
	union {
		struct iommu_destroy destroy;
		struct iommu_ioas_alloc ioas_alloc;
		struct iommu_ioas_iova_ranges iova_ranges;
		struct iommu_ioas_allow_iovas allow_iovas;
		struct iommu_ioas_map map;
		struct iommu_ioas_map_file map_file;
		struct iommu_ioas_copy copy;
		struct iommu_ioas_unmap unmap;
		struct iommu_option option;
		struct iommu_vfio_ioas vfio_ioas;
		struct iommu_hwpt_alloc hwpt_alloc;
		struct iommu_hw_info hw_info;
		struct iommu_hwpt_set_dirty_tracking set_dirty;
		struct iommu_hwpt_get_dirty_bitmap get_dirty;
		struct iommu_hwpt_invalidate invalidate;
		struct iommu_fault_alloc fault_alloc;
		struct iommu_test_cmd test;
		struct rf_ioas_create_window create_window;
		struct rf_ioas_remove_window remove_window;
		struct rf_ioas_get_windows get_windows;
	} cmd;
};

/* main.c: give @size bytes of u->cmd back, as far as the caller knows them: 0 or -EFAULT. */
int ucmd_respond(struct ucmd *u, size_t size);
/*
 * A structure of the caller's, @usize bytes there, @size here: what it lacks is
 * zero, what it has beyond must be. 0, -EFAULT, -E2BIG.
 */
int copy_struct(struct file_caller *caller, void *to, size_t size, uintptr_t from, size_t usize);

/**
 * struct iommufd_ioas - an address space
 * @lock: its page tables, and who makes one
 * @hwpts: page tables that are filled from it, in the order they were made
 * @hwpts_end: where the next goes
 */
struct iommufd_ioas {
	struct object obj;
	struct rf_ioas *space;
	pthread_mutex_t lock;
	struct hwpt_paging *hwpts;
	struct hwpt_paging **hwpts_end;
};

/**
 * struct hwpt - a page table that devices can be attached to
 * @domain: what the device translates with: its own, or a nested one's parent's
 * @kind: the IOMMU it is made for
 * @fault: who hears of page faults, or NULL
 */
struct hwpt {
	struct object obj;
	struct domain *domain;
	const struct iommu_kind *kind;
	struct fault_queue *fault;
};

/**
 * struct hwpt_paging - one that is filled from an address space
 * @next: in ioas->hwpts
 * @link: what leads here; NULL: it is not in there
 * @auto_domain: made because a device was attached to the space, and destroyed
 *	with the last device
 * @coherent: enforces cache coherency
 * @nest_parent: may have nested ones
 * @dirty_tracking: made with it
 * @tracking: it is on; under the space's lock
 */
struct hwpt_paging {
	struct hwpt common;
	struct iommufd_ioas *ioas;
	struct hwpt_paging *next;
	struct hwpt_paging **link;
	bool auto_domain;
	bool coherent;
	bool nest_parent;
	bool dirty_tracking;
	bool tracking;
};

/**
 * struct hwpt_nested - one whose tables the guest owns, above a parent
 * @iotlb: of the mock IOMMU, under @lock
 */
struct hwpt_nested {
	struct hwpt common;
	struct hwpt_paging *parent;
	pthread_mutex_t lock;
	uint32_t iotlb[MOCK_NESTED_DOMAIN_IOTLB_NUM];
};

/**
 * struct igroup - an isolation group with a device bound to this iommufd
 * @refs: its devices, under the table's lock
 * @key: the rf_group, or the mock device, as each of those is alone
 * @group: NULL for a mock
 * @lock: what follows
 * @hwpt: what its devices are attached to, or NULL
 * @devices: those attached
 * @handle: counts attachments, so that a page fault knows its own
 */
struct igroup {
	unsigned refs;
	const void *key;
	struct rf_group *group;
	struct igroup *next;
	pthread_mutex_t lock;
	struct hwpt *hwpt;
	struct iommufd_device *devices;
	uint64_t handle;
};

/**
 * struct iommufd_device - a device bound to this iommufd
 * @dev: NULL for a mock
 * @mock: NULL for a modelled device
 * @kind: the IOMMU above it
 * @pasid_bits: width of its PASIDs, 0: none
 * @attached: it is in igroup->devices, linked by @next
 */
struct iommufd_device {
	struct object obj;
	struct iommufd_ctx *ctx;
	struct igroup *igroup;
	struct iommufd_device *next;
	bool attached;
	struct rf_device *dev;
	struct mock_device *mock;
	const struct iommu_kind *kind;
	unsigned pasid_bits;
};

/* ioas.c */
int ioas_alloc_cmd(struct ucmd *u);
int ioas_iova_ranges_cmd(struct ucmd *u);
int ioas_allow_iovas_cmd(struct ucmd *u);
int ioas_map_cmd(struct ucmd *u);
int ioas_map_file_cmd(struct ucmd *u);
int ioas_copy_cmd(struct ucmd *u);
int ioas_unmap_cmd(struct ucmd *u);
int option_cmd(struct ucmd *u);
/* Not yet published; NULL for want of memory. @flags: of rf_ioas_new(). */
struct iommufd_ioas *ioas_object_new(struct iommufd_ctx *ctx, uint32_t flags);

static inline struct iommufd_ioas *ioas_object_get(struct iommufd_ctx *ctx, uint32_t id)
{
	return object_get(ctx, id, OBJECT_IOAS);
}

/* window.c */
int window_create_cmd(struct ucmd *u);
int window_remove_cmd(struct ucmd *u);
int windows_get_cmd(struct ucmd *u);

/* hwpt.c */
int hwpt_alloc_cmd(struct ucmd *u);
int hwpt_invalidate_cmd(struct ucmd *u);
/*
 * A page table for @idev filled from @ioas, whose lock is held until it has been
 * published or discarded. -EOPNOTSUPP for flags that its IOMMU lacks; what
 * ioas_add_domain() says.
 */
int hwpt_paging_new(struct iommufd_ctx *ctx, struct iommufd_ioas *ioas, struct iommufd_device *idev,
		    uint32_t flags, struct hwpt_paging **out);
void hwpt_paging_discard(struct iommufd_ctx *ctx, struct hwpt_paging *hwpt);
/* The paging table behind: itself, or the parent. */
struct hwpt_paging *hwpt_find_paging(struct hwpt *hwpt);
/* An attachment ends: an automatic table goes with its last. Without any lock. */
void hwpt_put(struct iommufd_ctx *ctx, struct hwpt *hwpt);

/* dirty.c */
int hwpt_set_dirty_cmd(struct ucmd *u);
int hwpt_get_dirty_cmd(struct ucmd *u);

/* device.c */
int idev_bind(struct iommufd_ctx *ctx, struct rf_device *dev, struct mock_device *mock,
	      struct iommufd_device **out);
/* It is attached to nothing. */
void idev_unbind(struct iommufd_device *idev);

static inline struct iommufd_device *idev_get(struct iommufd_ctx *ctx, uint32_t id)
{
	return object_get(ctx, id, OBJECT_DEVICE);
}

/* attach.c: as struct iommufd_link_ops. */
int idev_attach_pt(struct iommufd_device *idev, uint32_t *pt_id);
int idev_replace_pt(struct iommufd_device *idev, uint32_t *pt_id);
void idev_detach_pt(struct iommufd_device *idev);

/* hw_info.c */
int get_hw_info_cmd(struct ucmd *u);

/* fault.c */
int fault_alloc_cmd(struct ucmd *u);
/* A device of the group faults; with its lock held. Answered with "invalid" if nobody listens. */
void fault_report(struct iommufd_device *idev, const struct iommu_hwpt_pgfault *fault);
/* Attachment number @handle of the group is over: its faults are answered. */
void fault_flush(struct fault_queue *queue, const struct igroup *igroup, uint64_t handle);
/* A user of the queue, for a page table; -ENOENT by NULL. */
struct fault_queue *fault_hold(struct iommufd_ctx *ctx, uint32_t id);
void fault_release(struct fault_queue *queue);

/* compat.c */
long compat_ioctl(struct iommufd_ctx *ctx, struct file_caller *caller, unsigned int cmd,
		  unsigned long arg);
int vfio_ioas_cmd(struct ucmd *u);
int compat_create(struct iommufd_ctx *ctx);
int compat_id(struct iommufd_ctx *ctx, uint32_t *id);

/* link.c */
extern const struct iommufd_link_ops link_ops;

/* access.c: in-process access to an address space, as an object. */
struct access;
/* @ops and @arg: ioas/access.h. */
struct ioas_access_ops;
struct ioas_access;
struct access *access_new(struct iommufd_ctx *ctx, const struct ioas_access_ops *ops, void *arg);
void access_end(struct access *access);
/* -ENOENT for no such space; -EINVAL when attached already (attach); -ENOENT when not (replace). */
int access_attach(struct access *access, uint32_t ioas_id);
int access_replace(struct access *access, uint32_t ioas_id);
struct ioas_access *access_of(struct access *access);

/* mock.c */
struct mock_device *mock_device_new(uint32_t flags);
void mock_device_free(struct mock_device *mock);
const struct iommu_kind *mock_device_kind(const struct mock_device *mock);
unsigned mock_device_pasid_bits(const struct mock_device *mock);

/* selftest.c, selftest_access.c */
int selftest_cmd(struct ucmd *u);
int selftest_create_access(struct ucmd *u);
int selftest_access_replace(struct ucmd *u);
int selftest_access_pages(struct ucmd *u);
int selftest_access_pages_destroy(struct ucmd *u);
int selftest_access_rw(struct ucmd *u);
/* An IOVA that stands for "byte @offset of the nth mapping": for fuzzers. */
uint64_t selftest_nth_area(struct rf_ioas *space, uint64_t coded);

#endif
