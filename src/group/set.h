/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All groups of a machine, its buses, and who decides which device is in which.
 *
 * Three deciders are built in, and come before any that registers: a description
 * that names a device's group (group_wish), then the place of a function in a PCI
 * topology, if the machine has one; and after all others the fallback: a device
 * that nobody claimed joins the group of the nearest device above it that has
 * one.
 *
 * A group is found by number in O(log n); numbers are given from 0, the lowest
 * that is free, as Linux does.
 *
 * Locks: the bus set's.
 */
#ifndef RF_GROUP_SET_H
#define RF_GROUP_SET_H

#include "bus/bus.h"
#include "group/group.h"

struct pci_topology;
struct pci_function;

enum pci_grouping {
	PCI_GROUPS_BY_ISOLATION, /* x86, Arm: as Linux's pci_device_group() */
	PCI_GROUPS_BY_PE, /* sPAPR, PowerNV: a group is a partitionable endpoint */
};

/**
 * struct group_set - the groups of a machine
 * @buses: first, so that a bus leads here
 * @groups: by number; @nr of them
 * @dense: groups[0] to groups[dense - 1] have the numbers 0 to dense - 1
 * @head: a list of the same groups, linked by next
 * @providers: those registered
 * @drivers: names of drivers that devices were bound to
 */
struct group_set {
	struct bus_set buses;
	struct rf_group **groups;
	unsigned nr, max, dense;
	struct rf_group **head;
	struct rf_provider *providers;
	struct driver_name *drivers;
	struct rf_provider *described, *by_topology;
	struct pci_topology *topology;
	enum pci_grouping grouping;
};

/*
 * @head is kept as the first of the list; it must be NULL and outlive the set.
 * 0 or -ENOMEM.
 */
int group_set_new(struct rf_group **head, struct group_set **out);
/*
 * Frees every group, and devices marked of_set; the others are then in no group, on
 * no bus, and the caller's to free.
 */
void group_set_free(struct group_set *set);

/*
 * Group PCI functions by their place in @topology, which stays the caller's and
 * must outlive the set's devices. Before any device is added. 0 or -ENOMEM.
 */
int group_set_use_topology(struct group_set *set, struct pci_topology *topology,
			   enum pci_grouping grouping);

struct rf_group *group_set_find(const struct group_set *set, unsigned id);
/* A new group, numbered @id, or with the lowest free number; -EEXIST, -ENOMEM. */
#define GROUP_ANY_ID UINT32_MAX
int group_set_make(struct group_set *set, unsigned id, struct rf_group **out);

/*
 * Add to the bus of that name, where providers and the fallback decide on its group.
 * A function whose bridge has a device is behind that. What bus_add_device() returns.
 */
int group_set_add_device(struct group_set *set, const char *bus, struct rf_device *dev);

/* provider.c */
int provider_register(struct group_set *set, const struct rf_provider_ops *ops, void *data,
		      struct rf_provider **out);
struct group_set *provider_set(const struct rf_provider *provider);

/* set.c: what the files of this folder need of each other. */
void group_set_forget(struct rf_group *group);
/* An empty group that nobody uses, nor waits to fill, is freed. */
void group_set_collect(struct rf_group *group);

/* A device was bound by rf_device_bind(): a copy of @name that lives as long as the set. */
const char *group_set_driver(struct group_set *set, const char *name);

#endif
