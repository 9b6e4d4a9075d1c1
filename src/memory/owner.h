/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owners: whose memory a mapping refers to.
 *
 * This process's, or another's, which is reached by system calls, never by
 * pointer: owner_remote.h.
 *
 * An owner also keeps, by address, the segments of its memory that are mapped
 * for DMA, so that the interposed munmap finds what it would take away; see
 * pin.h.
 */
#ifndef RF_MEMORY_OWNER_H
#define RF_MEMORY_OWNER_H

#include <ringfence/types.h>

/*
 * Copies between our memory and the owner's. 0 or -EFAULT, then with part of
 * the range possibly copied. Any context, signal handlers included.
 */
int owner_read(struct rf_owner *owner, void *dst, uintptr_t src, size_t len);
int owner_write(struct rf_owner *owner, uintptr_t dst, const void *src, size_t len);

/*
 * The same for DMA, which holds pages pinned: where the program has taken a
 * right away (mprotect) the device still has it. What the mapping allows was
 * checked when it was made and when it was translated.
 */
int owner_dma_read(struct rf_owner *owner, void *dst, uintptr_t src, size_t len);
int owner_dma_write(struct rf_owner *owner, uintptr_t dst, const void *src, size_t len);

/*
 * Whether [addr, addr + len) is there with the rights in @prot (RF_READ,
 * RF_WRITE), as get_user_pages would find it: 0 or -EFAULT. A few pages are
 * touched, more are looked up in the process's memory map, so the cost does
 * not grow with the length. Ranges named by owner_add_device_range() have its rights.
 */
int owner_probe(struct rf_owner *owner, uintptr_t addr, uint64_t len, uint32_t prot);

/*
 * BAR mappings: the program's accesses may trap, which says nothing of what may be
 * mapped for DMA. That is @prot: the rights that the program has, none while the
 * device's memory is off. 0, or -ENOSPC when there are too many. What is added takes
 * the place of what was there; any part can be removed. (If that cuts one in two when
 * there are too many, its upper part is forgotten.)
 */
int owner_add_device_range(struct rf_owner *owner, uintptr_t addr, uint64_t len, uint32_t prot);
void owner_del_device_range(struct rf_owner *owner, uintptr_t addr, uint64_t len);

/* Whether a BAR mapping of this process touches [addr, addr + len). */
bool owner_touches_device(struct rf_owner *owner, uintptr_t addr, uint64_t len);

/* Whether the process is there still: a gone one's memory is what pins keep of it. */
bool owner_is_there(struct rf_owner *owner);

/* How many of these bytes are in BAR mappings. */
uint64_t owner_device_bytes(struct rf_owner *owner, uintptr_t addr, uint64_t len);

/* What is counted as locked of its memory, in bytes: the user's to change (vfio/locked.c). */
_Atomic uint64_t *owner_locked(struct rf_owner *owner);
/* What the process has locked by itself, mlock() and the like, in bytes. Opens a file of /proc. */
uint64_t owner_mlocked(struct rf_owner *owner);

/*
 * Who maps memory of an owner keeps a reference meanwhile. They count nothing for
 * this process, whose owner lives as long as the machine.
 */
void owner_get(struct rf_owner *owner);
void owner_put(struct rf_owner *owner);

struct vma;

/*
 * Calls @each for the owner's mappings from the one that holds @addr on, up to its last
 * or until @each says false: false. Of a process that is gone there are those that a pin
 * keeps. @each takes no lock but owners' own, as pin_visit() does.
 */
bool owner_each_vma(struct rf_owner *owner, uintptr_t addr,
		    bool (*each)(const struct vma *vma, void *arg), void *arg);

/*
 * Calls @each for every owner there is, of all machines, until it says false: false. None
 * goes meanwhile; @each makes and frees none.
 */
bool owner_each(bool (*each)(struct rf_owner *owner, void *arg), void *arg);

/* In a child: none of them is ours, and nobody holds a lock. */
void owner_abandon_all(void);

/* Whether its pages can move under DMA (pin.h): this process's only, whose owner stays. */
bool owner_moves(const struct rf_owner *owner);

/* This process, or NULL for want of memory. */
struct rf_owner *owner_new_self(void);
/* Nothing of it may be mapped any more. */
void owner_free(struct rf_owner *owner);

#endif
