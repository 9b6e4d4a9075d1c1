/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Isolation groups, first form: each device that has an IOMMU above it is in
 * a group of its own. Who decides that is behind group_add_device(), so that
 * providers can take its place.
 */
#ifndef RF_GROUP_GROUP_H
#define RF_GROUP_GROUP_H

#include <pthread.h>

#include <ringfence/group.h>

#include "bus/device.h"

struct rf_ioas;

struct rf_group {
	unsigned id;
	struct rf_device **devices;
	unsigned nr_devices;
	struct rf_ioas *ioas; /* attached, or NULL */
	struct domain *domain;
	_Atomic(void *) holder; /* who has it open exclusively (vfio), or NULL */
	pthread_mutex_t lock; /* vfio's: who becomes @holder, and @bound; outermost */
	const void *dma_owner; /* group_claim_dma() */
	unsigned dma_claims;
	void *bound; /* vfio's: devices that were opened without the group */
	struct rf_group *next; /* in the machine's list, by id */
};

/* A new, empty group. */
int group_new(unsigned id, struct rf_group **out);
void group_free(struct rf_group *group);
/*
 * -EBUSY when the device has a group already; -EINVAL without an IOMMU above
 * it (dev->iommu), or with another one than its group's; -ENOMEM.
 */
int group_add_device(struct rf_group *group, struct rf_device *dev);

/* group_attach(): as rf_group_attach(). */
int group_attach(struct rf_group *group, struct rf_ioas *ioas);
void group_detach(struct rf_group *group);

/*
 * The group's DMA belongs to one owner at a time (an iommufd), which claims it
 * once for each of the group's devices it has. -EPERM while it is somebody
 * else's or a host driver's; -EBUSY while attached by group_attach(). Callers
 * take turns.
 */
int group_claim_dma(struct rf_group *group, const void *owner);
void group_release_dma(struct rf_group *group);
/*
 * Point every device of the group at @domain, instead of what it had, each in one
 * step; NULL: at nothing. 0 or -ENOMEM, and all is as before. By the owner of its DMA.
 */
int group_set_domain(struct rf_group *group, struct domain *domain);
/* Whether a device is bound to something else than vfio-pci (or nothing). */
bool group_viable(const struct rf_group *group);

#endif
