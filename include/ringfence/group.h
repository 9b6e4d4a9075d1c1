/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Isolation groups: the smallest sets of devices that can be given away
 * safely.
 *
 * Providers decide which device is in which group, as devices are added to
 * their buses. A machine's own PCI devices are grouped by a provider of its
 * own; more may be registered for other buses, or for devices it leaves:
 *
 *	static int foobus_claim(struct rf_provider *p, struct rf_device *dev)
 *	{
 *		struct rf_group *group = group_of_bridge(dev);
 *
 *		return group ? rf_group_add_device(group, dev) : RF_NOT_MINE;
 *	}
 *
 * A device that no provider claims joins the group of the nearest device
 * above it that has one; that is decided once, when it is added. Without such
 * a device it has no group and can never be assigned.
 *
 * Managers give a group away as one: VFIO is one. While a group is claimed, host
 * drivers cannot take its devices.
 *
 * Every function may be called from any thread, but not from a device model's
 * callback. Callbacks of providers and managers are made with locks of the
 * machine's devices and groups held: they may call the functions of this header,
 * but must not wait for another thread that does, nor call the functions of
 * ioas.h.
 */
#ifndef RINGFENCE_GROUP_H
#define RINGFENCE_GROUP_H

#include <ringfence/types.h>

struct rf_provider;

/** rf_device_group() - the device's group; NULL: it can never be assigned */
RF_API struct rf_group *rf_device_group(const struct rf_device *dev);

/**
 * rf_device_no_group() - why a device has no group
 *
 * Return: a phrase such as "no IOMMU above it", NULL when it has one.
 */
RF_API const char *rf_device_no_group(const struct rf_device *dev);

/** rf_group_id() - its number, as in /dev/vfio/N */
RF_API unsigned rf_group_id(const struct rf_group *group);

/** rf_group_name() - what its provider called it, or NULL */
RF_API const char *rf_group_name(const struct rf_group *group);

/** rf_group_nr_devices() - how many devices are in it now */
RF_API unsigned rf_group_nr_devices(const struct rf_group *group);

/**
 * rf_group_device() - one of its devices, by the order in which they joined
 *
 * Return: the device, NULL when there are not that many. Where devices may be
 * removed meanwhile, only from a provider's or manager's callback.
 */
RF_API struct rf_device *rf_group_device(const struct rf_group *group, unsigned n);

/**
 * rf_group_viable() - whether the group could be given away: no device of it
 * is in use by a host driver, and none is quarantined
 */
RF_API bool rf_group_viable(const struct rf_group *group);

/**
 * rf_group_attach() - point every device of the group at an address space
 * @group: the group
 * @ioas: the space; the group holds a reference until it is detached
 *
 * A device that joins the group later is attached as it joins. If it cannot
 * be, it is quarantined: its DMA reaches nothing, and the group is not viable
 * until it is removed.
 *
 * Return: 0; -EPERM with @group NULL (no IOMMU above the device) or not
 * viable; -EBUSY when attached already; -EADDRINUSE where a mapping or a window
 * lies outside what the devices' IOMMU can address; -EFAULT where the memory of a
 * copy (rf_ioas_copy()) is not there any more; -ENOMEM. Nothing changes on failure.
 */
RF_API int rf_group_attach(struct rf_group *group, struct rf_ioas *ioas);

/**
 * rf_group_replace() - point an attached group at another address space
 * @group: a group that rf_group_attach() has attached
 * @ioas: the space; the reference to the former one is dropped
 *
 * For windows that have to change, and for guests that do: make another space, copy
 * what is to stay (rf_ioas_copy()), and replace. Each device goes over in one step: of
 * all its DMA, each sees either the old space or the new, never none and never parts of
 * both. When this returns none sees the old one any more.
 *
 * Return: 0; -EPERM with @group NULL; -EINVAL when it is not attached; -EADDRINUSE where
 * a mapping or a window lies outside what the devices' IOMMU can address; -EFAULT where
 * the memory of a copy (rf_ioas_copy()) is not there any more; -ENOMEM. On failure every
 * device stays where it was.
 */
RF_API int rf_group_replace(struct rf_group *group, struct rf_ioas *ioas);

/** rf_group_detach() - undo rf_group_attach(); DMA is refused from then on */
RF_API void rf_group_detach(struct rf_group *group);

#define RF_NOT_MINE 1 /* a provider leaves the device to others */

/**
 * struct rf_provider_ops - a provider of isolation groups
 * @name: what log lines call it
 * @buses: names of the buses it serves, ended by NULL; at least one
 * @added: a device was added to one of them, and no provider registered
 *	before has claimed it. To claim it, put it into a group
 *	(rf_group_add_device()) and return 0; with 0 and no group, it is claimed
 *	but can never be assigned. RF_NOT_MINE leaves it to the next. A negative
 *	errno makes adding the device fail
 * @removed: a device that it claimed is about to leave its group; may be NULL
 *
 * Both may register and unregister providers, this one included.
 */
struct rf_provider_ops {
	const char *name;
	const char *const *buses;
	int (*added)(struct rf_provider *provider, struct rf_device *dev);
	void (*removed)(struct rf_provider *provider, struct rf_device *dev);
};

/**
 * rf_provider_register() - take part in deciding groups
 * @machine: the machine
 * @ops: copied; the names must stay
 * @data: rf_provider_data()
 * @provider: filled with the provider, before its first callback; NULL after one
 *	that unregistered itself
 *
 * Devices already on its buses that are in no group are played back to it in
 * the order they were added. If it fails for one, its claims are undone.
 *
 * Return: 0; -EINVAL without name, buses or @added; what @added returned;
 * -ENOMEM.
 */
RF_API int rf_provider_register(struct rf_machine *machine, const struct rf_provider_ops *ops,
				void *data, struct rf_provider **provider);

/**
 * rf_provider_unregister() - no longer be asked
 *
 * Its groups stay as long as there are devices in them. Those without are
 * freed. Never fails.
 */
RF_API void rf_provider_unregister(struct rf_provider *provider);

/** rf_provider_data() - what it was registered with */
RF_API void *rf_provider_data(const struct rf_provider *provider);

/**
 * rf_group_new() - make an empty group
 * @provider: whose it is
 * @name: shown to users; copied; may be NULL
 * @group: filled with the group
 *
 * It gets the lowest free number. It is freed with its last device, unless it is
 * open or claimed, or with its provider if it never had one.
 *
 * Return: 0; -ENOMEM.
 */
RF_API int rf_group_new(struct rf_provider *provider, const char *name, struct rf_group **group);

/**
 * rf_group_add_device() - put a device into a group
 *
 * For providers, while they are told of the device or later. A group that is
 * attached has the device attached too; see rf_group_attach().
 *
 * Return: 0; -EBUSY when the device is in a group already, logged as the
 * provider's bug; -EINVAL without an IOMMU above it, or with another one than
 * its group's; -ENOMEM. Nothing changes on failure.
 */
RF_API int rf_group_add_device(struct rf_group *group, struct rf_device *dev);

/** rf_group_remove_device() - take a device out of its group, if it has one */
RF_API void rf_group_remove_device(struct rf_device *dev);

/**
 * struct rf_manager_ops - who gives a group away
 * @name: shown to users
 * @added: a device joined the group; it may be bound (rf_device_bind()). NULL:
 *	no interest
 * @removed: a device left the group
 * @quarantined: the device that just joined could not be attached (@err, a
 *	negative errno), and the group is not viable until it leaves
 */
struct rf_manager_ops {
	const char *name;
	void (*added)(struct rf_group *group, struct rf_device *dev, void *data);
	void (*removed)(struct rf_group *group, struct rf_device *dev, void *data);
	void (*quarantined)(struct rf_group *group, struct rf_device *dev, int err, void *data);
};

/**
 * rf_group_claim() - keep host drivers away from a group's devices
 * @group: the group; it lives at least until released
 * @ops: must stay
 * @data: given to the callbacks, and to rf_group_release()
 *
 * Return: 0; -EPERM with @group NULL (no IOMMU above the device), empty, or not
 * viable; -EBUSY while somebody else has claimed it; -EINVAL without a name.
 */
RF_API int rf_group_claim(struct rf_group *group, const struct rf_manager_ops *ops, void *data);

/** rf_group_release() - undo rf_group_claim(), by who claimed it with @data */
RF_API void rf_group_release(struct rf_group *group, const void *data);

/** rf_group_manager() - the name of who has claimed it, or NULL */
RF_API const char *rf_group_manager(const struct rf_group *group);

/**
 * rf_device_bind() - bind a device to a host driver
 * @dev: the device
 * @driver: its name; NULL: unbind
 *
 * Return: 0; -EBUSY when it is bound already, or while its group is claimed and
 * the driver would use DMA on the host's behalf; -ENODEV when the device was
 * removed; -ENOMEM.
 */
RF_API int rf_device_bind(struct rf_device *dev, const char *driver);

/** rf_device_driver() - the name of the driver it is bound to, or NULL */
RF_API const char *rf_device_driver(const struct rf_device *dev);

/**
 * rf_bus_add_device() - add a device without a model
 * @machine: the machine
 * @bus: the name of its bus; one that is not PCI is made when first named
 * @name: its name, unique on the bus; at most 31 characters
 * @parent: the device it is behind; NULL: none
 * @dev: filled with the device; may be NULL
 *
 * It has no registers and cannot be opened, but belongs to a group as others
 * do: the inner device of a driver, a device on a bus behind a PCI card.
 *
 * Return: 0; -EINVAL for a name that is empty or too long; -EEXIST where the
 * name is taken; what a provider returned; -ENOMEM.
 */
RF_API int rf_bus_add_device(struct rf_machine *machine, const char *bus, const char *name,
			     struct rf_device *parent, struct rf_device **dev);

/**
 * rf_device_request() - ask the user of a device to let go of it
 * @dev: the device
 *
 * Signals the device request interrupt, as Linux's vfio-pci does when its driver
 * is to leave the device: Linux does so again every ten seconds until the device
 * is closed. The device goes on working. Thread-safe.
 *
 * Return: 0 when nobody has it open, so that rf_device_remove() takes nothing from
 * anybody; -EBUSY: the user was asked, if it listens.
 */
RF_API int rf_device_request(struct rf_device *dev);

/**
 * rf_device_remove() - pull a device out of the machine
 * @dev: the device; not to be used by the caller any more
 *
 * As a surprise removal does: from now on its registers read as ones, writes
 * are lost, DMA is refused and no interrupt comes, except that its user, if
 * there is one, is told through the device request interrupt. It leaves its
 * group and is freed when that user has closed it, or at once. Never fails.
 */
RF_API void rf_device_remove(struct rf_device *dev);

#endif
