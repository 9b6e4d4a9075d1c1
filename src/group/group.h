/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Isolation groups, seen from inside.
 *
 * Locks, outermost first: a group's @lock (vfio's: who opens it), a container's or
 * an iommufd's, the bus set's (bus/bus.h: devices come and go), a group's
 * @members, then ioas and device locks. Managers are called with the last two but
 * those of ioas and device held.
 */
#ifndef RF_GROUP_GROUP_H
#define RF_GROUP_GROUP_H

#include <pthread.h>

#include <ringfence/group.h>

#include "bus/device.h"

struct rf_ioas;
struct group_set;

/**
 * struct rf_group - one group
 * @devices: in the order they joined; read it with @members held where devices
 *	may come and go
 * @ioas: attached, or NULL; with one get of its @domain
 * @holder: who has it open exclusively (vfio), or NULL
 * @lock: vfio's: who becomes @holder, what that holds, @bound and @opened; outermost
 * @bound: vfio's: devices that were opened without the group
 * @opened: vfio's: devices that were opened through it
 * @dma_owner: @dma_claims: group_claim_dma()
 * @next: in the machine's list, by id
 * @members: everything below, and @devices, @ioas and @domain; recursive
 * @set: what it is listed in, or NULL
 * @provider: whose it is, or NULL
 * @name: the provider's, or NULL
 * @users: references; an empty group of a set goes with the last
 * @manager: who has claimed it, with @manager_data; or NULL
 * @nr_quarantined: devices that could not follow it
 * @many_buses: its devices are of several buses, so names may collide
 * @had_devices: it is no longer waiting for its first
 */
struct rf_group {
	unsigned id;
	struct rf_device **devices;
	unsigned nr_devices;
	struct rf_ioas *ioas;
	struct domain *domain;
	_Atomic(void *) holder;
	pthread_mutex_t lock;
	const void *dma_owner;
	unsigned dma_claims;
	void *bound;
	void *opened;
	struct rf_group *next;

	pthread_mutex_t members;
	struct group_set *set;
	struct rf_provider *provider;
	char *name;
	atomic_uint users;
	const struct rf_manager_ops *manager;
	void *manager_data;
	unsigned max_devices;
	unsigned nr_quarantined;
	bool many_buses;
	bool had_devices;
};

/* A new, empty group. */
int group_new(unsigned id, struct rf_group **out);
void group_free(struct rf_group *group);

/*
 * As rf_group_add_device(), without words about whose bug it was. A device that
 * cannot follow an attached group is quarantined in it.
 */
int group_add_device(struct rf_group *group, struct rf_device *dev);
/* Out of its group, detached; nothing if it has none. */
void group_remove_device(struct rf_device *dev);

/* group_attach(): as rf_group_attach(). */
int group_attach(struct rf_group *group, struct rf_ioas *ioas);
void group_detach(struct rf_group *group);

/*
 * The group's DMA belongs to one owner at a time (an iommufd), which claims it
 * once for each of the group's devices it has. -EPERM while it is somebody
 * else's, a manager's or a host driver's; -EBUSY while attached by
 * group_attach(). Callers take turns.
 */
int group_claim_dma(struct rf_group *group, const void *owner);
void group_release_dma(struct rf_group *group);
bool group_dma_claimed(const struct rf_group *group);
/*
 * Point every device of the group at @domain, instead of what it had, each in one
 * step; NULL: at nothing. 0 or -ENOMEM, and all is as before. By the owner of its DMA.
 * Devices that join later follow.
 */
int group_set_domain(struct rf_group *group, struct domain *domain);
/* Whether a device is bound to something else than vfio-pci (or nothing). */
bool group_viable(const struct rf_group *group);

/* References, for who has a group open while its devices may be removed. */
static inline void group_get(struct rf_group *group)
{
	atomic_fetch_add(&group->users, 1);
}
void group_put(struct rf_group *group);

static inline void group_lock_members(struct rf_group *group)
{
	pthread_mutex_lock(&group->members);
}

static inline void group_unlock_members(struct rf_group *group)
{
	pthread_mutex_unlock(&group->members);
}

/* What its link in the group's directory is called. */
#define GROUP_LINK_SIZE (DEVICE_NAME_SIZE + 12)
void group_link_name(const struct rf_device *dev, char name[GROUP_LINK_SIZE]);

/*
 * Managers; see rf_group_claim(). Claiming takes no reference; who has the group
 * open holds one. Not while an iommufd owns its DMA.
 */
int group_claim(struct rf_group *group, const struct rf_manager_ops *ops, void *data);
void group_unclaim(struct rf_group *group, const void *data);
/* Whether the driver leaves DMA to others, so that its devices do not stand in the way. */
bool driver_manages_dma(const char *driver);

#endif
