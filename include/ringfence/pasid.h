/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PASIDs: numbers that tell address spaces of one device apart.
 *
 * A machine has one space of PASIDs, 1 to RF_PASID_MAX; 0 is what DMA without a
 * PASID counts as, and never given. Numbers are allocated in *sets*. A set has a
 * type, which is what its private pointers point to, an owner, which is who may use
 * its numbers, and a quota:
 *
 *	rf_pasid_set_new(machine, &sva_type, owner, 1024, &set);
 *	rf_pasid_alloc(set, 1, RF_PASID_MAX, my_object, &pasid);
 *
 *	struct my_object *o = rf_pasid_find(set, pasid, my_object_tryget);
 *
 * rf_pasid_find() takes no lock. The getter runs where the object cannot be freed
 * under it: who frees an object takes it away first, by rf_pasid_free() or
 * rf_pasid_set_data(), and calls rf_pasid_sync() between that and freeing.
 *
 * Every function may be called from any thread; those that take no lock say so, and
 * may be called in a signal handler or a device model's callback, too. The caller
 * of a function on a set sees to it that the set is not freed meanwhile.
 */
#ifndef RINGFENCE_PASID_H
#define RINGFENCE_PASID_H

#include <ringfence/types.h>

#define RF_PASID_MAX ((1u << 20) - 1) /* the largest; PCI Express has 20 bits */

struct rf_pasid_set;

/**
 * struct rf_pasid_type - what the private pointers of a set point to
 * @name: for people
 *
 * Types are told apart by address, so one variable is one type. It must stay.
 */
struct rf_pasid_type {
	const char *name;
};

/**
 * rf_pasid_set_new() - make a set
 * @machine: the machine
 * @type: of its private pointers
 * @owner: a token of who may use its PASIDs, e.g. the address of a VMM's guest; not NULL
 * @quota: how many PASIDs it may hold; 1 to RF_PASID_MAX
 * @set: filled with the set
 *
 * The quota is set aside: quotas of all sets together never exceed RF_PASID_MAX, so
 * no owner can use up what others were promised.
 *
 * Return: 0; -EINVAL for a NULL or a quota out of range; -ENOSPC when there is not
 * that much left to promise, or there are 65535 sets; -ENOMEM.
 */
RF_API int rf_pasid_set_new(struct rf_machine *machine, const struct rf_pasid_type *type,
			    const void *owner, uint32_t quota, struct rf_pasid_set **set);

/**
 * rf_pasid_set_free() - free a set and every PASID in it
 * @set: the set, not to be used any more, but for rf_pasid_put() by who has references
 *	and rf_pasid_detach() where it is attached; may be NULL
 *
 * As rf_pasid_free() of each; those that are referenced stay reserved, with the set's
 * quota, until their last reference goes. Never fails.
 */
RF_API void rf_pasid_set_free(struct rf_pasid_set *set);

/**
 * rf_pasid_set_quota() - change a set's quota
 *
 * Return: 0; -EINVAL for a NULL or a quota out of range; -EBUSY when the set holds more
 * than that; -ENOSPC when there is not that much left to promise.
 */
RF_API int rf_pasid_set_quota(struct rf_pasid_set *set, uint32_t quota);

/** rf_pasid_set_used() - how much of the quota is used, PASIDs freed but referenced included */
RF_API uint32_t rf_pasid_set_used(struct rf_pasid_set *set);

/**
 * rf_pasid_alloc() - allocate a PASID
 * @set: the set
 * @min: the smallest wanted; at least 1
 * @max: the largest wanted; at most RF_PASID_MAX
 * @data: the private pointer; NULL: none, to be set later
 * @pasid: filled with the lowest number in the range that is free, or the one that
 *	the registered allocator gave
 *
 * Return: 0; -EINVAL for a NULL or a bad range; -EDQUOT when the set's quota is used up;
 * -ENOSPC when no number in the range is free; what the registered allocator
 * returned, -EIO when it gave a number that it may not give.
 */
RF_API int rf_pasid_alloc(struct rf_pasid_set *set, uint32_t min, uint32_t max, void *data,
			  uint32_t *pasid);

/**
 * rf_pasid_free() - free a PASID
 *
 * At once it is found no more. The number is given again when nothing refers to it:
 * neither rf_pasid_get() nor a device (rf_pasid_attach()). What its private pointer
 * points to may be freed after rf_pasid_sync().
 *
 * Return: 0; -EINVAL for a NULL or no PASID; -ENOENT when it is not allocated, or was
 * freed; -EACCES when it is another set's.
 */
RF_API int rf_pasid_free(struct rf_pasid_set *set, uint32_t pasid);

/**
 * rf_pasid_set_data() - replace the private pointer
 * @set: the set
 * @pasid: the PASID
 * @data: the new pointer; NULL: none
 * @old: filled with the former one, which may be freed after rf_pasid_sync(); may be NULL
 *
 * Return: 0; errors as rf_pasid_free().
 */
RF_API int rf_pasid_set_data(struct rf_pasid_set *set, uint32_t pasid, void *data, void **old);

/**
 * rf_pasid_get() - keep the number from being given again
 *
 * Return: 0; errors as rf_pasid_free(); -EOVERFLOW with 2^32 - 1 references.
 */
RF_API int rf_pasid_get(struct rf_pasid_set *set, uint32_t pasid);

/**
 * rf_pasid_put() - undo one rf_pasid_get()
 *
 * Also of a PASID that was freed meanwhile; the last one makes the number free. It
 * never takes away another user's hold: devices have references of their own.
 *
 * Return: 0; -EINVAL when there is no reference, for a NULL or no PASID; -ENOENT,
 * -EACCES as rf_pasid_free().
 */
RF_API int rf_pasid_put(struct rf_pasid_set *set, uint32_t pasid);

/**
 * rf_pasid_find() - the private pointer of a PASID
 * @set: the set it must be of
 * @pasid: the PASID
 * @getter: takes a reference to the object, so that it outlives the call; false: it is
 *	being torn down. It must not wait for other threads. NULL: for objects that are
 *	never freed
 *
 * No lock.
 *
 * Return: the pointer; NULL when there is none, the PASID is not allocated, was
 * freed, is another set's, or @getter returned false.
 */
RF_API void *rf_pasid_find(struct rf_pasid_set *set, uint32_t pasid, bool (*getter)(void *data));

/**
 * rf_pasid_find_typed() - the same without knowing the set
 *
 * For who gets a PASID from a device (a page request) and knows only what kind of
 * object it can work with: PASIDs of sets of another type are not found, so the
 * pointer is never of another kind.
 */
RF_API void *rf_pasid_find_typed(struct rf_machine *machine, const struct rf_pasid_type *type,
				 uint32_t pasid, bool (*getter)(void *data));

/**
 * rf_pasid_check_owner() - whether a PASID is of a set of this owner
 *
 * For numbers that come from outside, such as a guest. No lock.
 *
 * Return: 0; -EINVAL for a NULL or no PASID; -ENOENT when it is not allocated, or was
 * freed; -EACCES when it is another owner's.
 */
RF_API int rf_pasid_check_owner(struct rf_machine *machine, uint32_t pasid, const void *owner);

/**
 * rf_pasid_for_each() - call a function for each PASID of a set
 * @set: the set
 * @fn: the function; anything but 0 ends it
 * @arg: handed to @fn
 *
 * In the order of allocation. No lock is held: @fn may call every function, also to
 * free the PASID it is called for, or the set. What is allocated meanwhile is
 * visited, what is freed is not.
 *
 * Return: 0; what @fn returned; -EINVAL for a NULL.
 */
RF_API int rf_pasid_for_each(struct rf_pasid_set *set, int (*fn)(void *arg, uint32_t pasid),
			     void *arg);

/**
 * rf_pasid_sync() - wait for finds that may still see what was taken away
 *
 * One call serves any number of rf_pasid_free() and rf_pasid_set_data() before.
 *
 * Return: 0; -EDEADLK from a getter.
 */
RF_API int rf_pasid_sync(void);

/**
 * struct rf_pasid_allocator - where numbers come from
 * @name: for people
 * @alloc: a number of [@min, @max] in *@pasid; 0 or a negative errno
 * @free: the number is used no more
 *
 * Of a guest, whose IOMMU gets them from its host. Called without a lock, by
 * several threads at once.
 */
struct rf_pasid_allocator {
	const char *name;
	int (*alloc)(void *data, uint32_t min, uint32_t max, uint32_t *pasid);
	void (*free)(void *data, uint32_t pasid);
};

/**
 * rf_pasid_allocator_register() - take all further numbers from an allocator
 * @machine: the machine
 * @allocator: kept
 * @data: handed to it
 *
 * Numbers of one allocator are not mixed with those of another. rf_machine_free() gives
 * it back what is left.
 *
 * Return: 0; -EINVAL for a NULL; -EEXIST when there is one; -EAGAIN while PASIDs are
 * allocated; -ENOMEM.
 */
RF_API int rf_pasid_allocator_register(struct rf_machine *machine,
				       const struct rf_pasid_allocator *allocator, void *data);

/**
 * rf_pasid_allocator_unregister() - go back to the built-in one
 *
 * Return: 0; -EINVAL for a NULL; -ENOENT when it is not registered; -EAGAIN while PASIDs
 * are allocated.
 */
RF_API int rf_pasid_allocator_unregister(struct rf_machine *machine,
					 const struct rf_pasid_allocator *allocator);

/**
 * rf_pasid_attach() - point DMA tagged with a PASID at an address space
 * @dev: the device; its model must have the PASID capability
 * @set: the set
 * @pasid: the PASID; referenced until it is detached
 * @ioas: the address space; likewise
 *
 * Tagged DMA goes there, whatever the group is attached to for the rest, once the
 * capability's enable bit is set. The group functions do not touch it; it ends with
 * rf_pasid_detach(), and when the device leaves its group.
 *
 * Return: 0; -EINVAL for a NULL, no PASID, one that has more bits than the device, or
 * a set of another machine; -EOPNOTSUPP without the capability, or when its IOMMU
 * cannot tell PASIDs apart; -EPERM when the device has no group (no IOMMU above it),
 * or is quarantined; -ENODEV when it was removed; -ENOENT, -EACCES as
 * rf_pasid_free(); -EBUSY when something is attached to the PASID already;
 * -EADDRINUSE, -EFAULT as rf_group_attach(); -ENOMEM. Nothing changes on failure.
 */
RF_API int rf_pasid_attach(struct rf_device *dev, struct rf_pasid_set *set, uint32_t pasid,
			   struct rf_ioas *ioas);

/**
 * rf_pasid_replace() - point it at another address space, in one step
 *
 * Each DMA sees the old space or the new. When it returns, none sees the old.
 *
 * Return: as rf_pasid_attach(), but -EINVAL when nothing was attached.
 */
RF_API int rf_pasid_replace(struct rf_device *dev, struct rf_pasid_set *set, uint32_t pasid,
			    struct rf_ioas *ioas);

/**
 * rf_pasid_detach() - undo rf_pasid_attach()
 *
 * When it returns, no DMA with that PASID reaches memory.
 *
 * Return: 0; -EINVAL for a NULL or no PASID; -ENOENT when it is not attached;
 * -EACCES when it is attached by another set.
 */
RF_API int rf_pasid_detach(struct rf_device *dev, struct rf_pasid_set *set, uint32_t pasid);

#endif
