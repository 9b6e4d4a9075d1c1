/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEVICE_FEATURE: low power entry and exit.
 *
 * Low power is a promise of the program not to touch the device for a while.
 * The model has no clock to stop, so entering keeps no more than that it was
 * entered: a second entry is an error until an exit, and a mapped BAR is out of reach.
 * With a wake-up eventfd the first call of any kind signals it and is the exit.
 *
 * Migration, DMA logging and VF tokens need hardware that no model has, and are
 * refused as Linux does on such devices.
 */
#include <errno.h>

#include "memory/owner.h"
#include "vfio/vdev.h"

/*
 * The checks all features share: 1 to go on, 0 when a probe is answered, or
 * -EINVAL. @least: bytes of data the operation needs.
 */
static int feature_check(uint32_t flags, size_t size, uint32_t supported, size_t least)
{
	const uint32_t operations = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;

	if (flags & operations & ~supported)
		return -EINVAL;
	if (flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	if (!(flags & operations) || size < least)
		return -EINVAL;
	return 1;
}

static int feature_enter(struct vdev *v, const struct eventfd *wakeup)
{
	int ret = 0;

	vdev_lock(v);
	if (v->low_power) {
		ret = -EINVAL;
	} else {
		v->low_power = true;
		v->wakeup = *wakeup;
		device_set_asleep(v->dev, true);
	}
	vdev_unlock(v);
	return ret;
}

static int feature_enter_with_wakeup(struct vdev *v, struct file_caller *caller, unsigned long data)
{
	struct vfio_device_low_power_entry_with_wakeup entry;
	struct eventfd wakeup;
	int ret;

	if (owner_read(caller->owner, &entry, data, sizeof(entry)))
		return -EFAULT;
	if (entry.wakeup_eventfd < 0)
		return -EINVAL;
	ret = eventfd_take(caller_fd(caller, entry.wakeup_eventfd), &wakeup);
	if (ret)
		return ret;
	ret = feature_enter(v, &wakeup);
	if (ret)
		eventfd_drop(&wakeup);
	return ret;
}

void feature_release(struct vdev *v)
{
	v->low_power = false;
	device_set_asleep(v->dev, false);
	eventfd_drop(&v->wakeup);
}

static int feature_exit(struct vdev *v)
{
	vdev_lock(v);
	feature_release(v);
	vdev_unlock(v);
	return 0;
}

void vdev_wake(struct vdev *v)
{
	if (!__atomic_load_n(&v->low_power, __ATOMIC_RELAXED))
		return;
	vdev_lock(v);
	if (eventfd_there(&v->wakeup)) {
		eventfd_signal(&v->wakeup);
		feature_release(v);
	}
	vdev_unlock(v);
}

int feature_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	const uint32_t get = VFIO_DEVICE_FEATURE_GET, set = VFIO_DEVICE_FEATURE_SET,
		       probe = VFIO_DEVICE_FEATURE_PROBE;
	const struct eventfd no_wakeup = EVENTFD_NONE;
	struct vfio_device_feature feature;
	unsigned long data = arg + sizeof(feature);
	size_t size;
	int ret;

	if (owner_read(caller->owner, &feature, arg, sizeof(feature)))
		return -EFAULT;
	if (feature.argsz < sizeof(feature) ||
	    feature.flags & ~(VFIO_DEVICE_FEATURE_MASK | get | set | probe))
		return -EINVAL;
	if (!(feature.flags & probe) && feature.flags & get && feature.flags & set)
		return -EINVAL;
	size = feature.argsz - sizeof(feature);

	switch (feature.flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
		ret = feature_check(feature.flags, size, set, 0);
		return ret > 0 ? feature_enter(v, &no_wakeup) : ret;
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		ret = feature_check(feature.flags, size, set,
				    sizeof(struct vfio_device_low_power_entry_with_wakeup));
		return ret > 0 ? feature_enter_with_wakeup(v, caller, data) : ret;
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		ret = feature_check(feature.flags, size, set, 0);
		return ret > 0 ? feature_exit(v) : ret;
	default:
		return -ENOTTY;
	}
}
