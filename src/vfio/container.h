/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Containers and the type1 backend behind them.
 */
#ifndef RF_VFIO_CONTAINER_H
#define RF_VFIO_CONTAINER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "vfio/vfio.h"

struct rf_group;
struct rf_ioas;
struct rf_owner;
struct group_file;

/**
 * struct type1 - the IOMMU of a container; see type1.c
 * @ioas: its address space; NULL: SET_IOMMU has not happened
 * @options: the machine's limits
 * @v2: unmap never splits a mapping
 * @dirty: dirty page tracking is on
 * @page_sizes: what every attached IOMMU can do
 * @entries: mappings there may be; never less than there are
 * @stale: first IOVAs of the mappings whose vaddr was invalidated
 * @excepts: mappings with pages that do not count as locked: locked.c
 */
struct type1 {
	struct rf_ioas *ioas;
	const struct vfio_options *options;
	bool v2;
	bool dirty;
	uint64_t page_sizes;
	uint64_t entries;
	uint64_t *stale;
	size_t nr_stale;
	size_t max_stale;
	struct locked_except *excepts;
	size_t nr_excepts;
	size_t max_excepts;
};

/* Whether type1 answers to @type, as CHECK_EXTENSION asks before SET_IOMMU. */
bool type1_supports(unsigned long type);
/* -EINVAL for an extension that is no kind of IOMMU; -ENOMEM. */
int type1_open(struct type1 *t, unsigned long type, const struct vfio_options *options);
/* Every group has been detached. Drops all mappings. */
void type1_close(struct type1 *t);
/*
 * -EBUSY while a vaddr is invalid; -EINVAL where a mapping lies outside what the
 * group's IOMMU can address; -EPERM without interrupt remapping; -ENOMEM.
 */
int type1_attach(struct type1 *t, struct rf_group *group);
void type1_detach(struct type1 *t, struct rf_group *group);
long type1_ioctl(struct type1 *t, struct file_caller *caller, unsigned int cmd, unsigned long arg);
int type1_dirty_ioctl(struct type1 *t, struct file_caller *caller, unsigned long arg);

/*
 * locked.c: a mapping at @first is about to be made: count its pages. -ENOMEM beyond the
 * limit. Undone by uncharge, when it is gone; or _range, while mappings that begin there
 * are still found.
 */
int type1_charge(struct type1 *t, struct rf_owner *owner, uint64_t first, uintptr_t addr,
		 uint64_t bytes);
void type1_uncharge(struct type1 *t, struct rf_owner *owner, uint64_t first, uint64_t bytes);
void type1_uncharge_range(struct type1 *t, uint64_t first, uint64_t last);

/* dirty.c: every page of a mapping is dirty, in a bitmap that begins with @first; see there. */
struct vfio_bitmap;
struct area_info;
int dirty_check_bitmap(const struct vfio_bitmap *bitmap, uint64_t size);
int dirty_report_mapping(struct file_caller *caller, const struct vfio_bitmap *bitmap,
			 uint64_t first, const struct area_info *area);
/* Most pages one mapping may have while it is tracked, and bytes of a bitmap: of so many pages. */
#define DIRTY_MAX_PAGES ((1ull << 31) - 1)
#define DIRTY_MAX_BYTES (1ull << 28)

static inline uint64_t type1_page_size(const struct type1 *t)
{
	return t->page_sizes & -t->page_sizes;
}

/**
 * struct container - an open /dev/vfio/vfio
 * @lock: everything below, the address space's mappings included; taken after a
 *	group's lock
 * @groups: what has been put in it, linked by @next
 */
struct container {
	struct file file;
	const struct vfio_options *options;
	pthread_mutex_t lock;
	struct group_file *groups;
	struct type1 type1;
};

/* The container behind a file, or NULL when it is something else. */
struct container *container_of_file(struct file *file);
/*
 * Put a group in; with its lock held. Keeps a reference to the container until
 * container_detach(). -EPERM for a group that is not viable; what type1_attach()
 * returns.
 */
int container_attach(struct container *c, struct group_file *gf);
/* The last group to leave takes the IOMMU and every mapping with it. */
void container_detach(struct container *c, struct group_file *gf);
bool container_has_iommu(struct container *c);

#endif
