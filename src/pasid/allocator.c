/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where numbers come from: our own bits, or an allocator that was registered.
 *
 * It stays registered while any number, or call of it, is outstanding (space->busy),
 * so who uses it need not hold the lock.
 */
#include <errno.h>

#include "pasid/space.h"

int pasid_allocator_register(struct pasid_space *space, const struct rf_pasid_allocator *allocator,
			     void *data)
{
	int ret = 0;

	if (!allocator || !allocator->alloc || !allocator->free)
		return -EINVAL;
	space_lock(space);
	if (space->allocator)
		ret = -EEXIST;
	else if (space->busy)
		ret = -EAGAIN;
	if (!ret) {
		space->allocator = allocator;
		space->allocator_data = data;
	}
	space_unlock(space, 0);
	return ret;
}

int pasid_allocator_unregister(struct pasid_space *space,
			       const struct rf_pasid_allocator *allocator)
{
	int ret = 0;

	if (!allocator)
		return -EINVAL;
	space_lock(space);
	if (space->allocator != allocator)
		ret = -ENOENT;
	else if (space->busy)
		ret = -EAGAIN;
	if (!ret) {
		space->allocator = NULL;
		space->allocator_data = NULL;
	}
	space_unlock(space, 0);
	return ret;
}
