/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What PASIDs of a device are attached to.
 *
 * A directory of leaves, as VT-d's of PASID tables: DMA finds the domain of a PASID by
 * two loads, inside the device's gate, so all that is said of domains and unmap in
 * dma.c holds here as well: who takes an address space away from a PASID waits for the
 * gate. There is no cache in front of a domain that would have to be tagged: walking it
 * costs less than looking into one (docs/pasid.md).
 *
 * What is attached holds a pin on the PASID, so that the number is not given to
 * somebody else, a reference to the address space, a get of its domain, and has the
 * domain know the gate: a struct pasid_use is all four.
 *
 * Locks: pasids->lock around changes of the tables; innermost. Leaves stay as long as
 * the device.
 */
#include <errno.h>
#include <pthread.h>

#include <ringfence/pasid.h>

#include "base/alloc.h"
#include "bus/internal.h"
#include "ioas/ioas.h"
#include "pasid/pasid.h"

#define LEAF_BITS 10u
#define LEAF_SIZE (1u << LEAF_BITS)
#define LEAVES	  ((RF_PASID_MAX + 1) / LEAF_SIZE)

struct pasid_use {
	struct rf_pasid_set *set;
	struct rf_ioas *ioas;
	struct domain *domain;
};

struct pasid_leaf {
	_Atomic(struct domain *) domains[LEAF_SIZE]; /* that of @uses, for DMA */
	struct pasid_use uses[LEAF_SIZE];
};

struct device_pasids {
	pthread_mutex_t lock;
	uint32_t attached;
	_Atomic(struct pasid_leaf *) leaves[LEAVES];
};

int pasids_new(struct rf_device *dev)
{
	if (!(dev->model->caps & RF_PCI_CAP_PASID))
		return 0;
	dev->pasids = alloc_zeroed(sizeof(*dev->pasids));
	if (!dev->pasids)
		return -ENOMEM;
	pthread_mutex_init(&dev->pasids->lock, NULL);
	return 0;
}

void pasids_free(struct rf_device *dev)
{
	if (!dev->pasids)
		return;
	for (unsigned i = 0; i < LEAVES; i++)
		alloc_direct_free(atomic_load(&dev->pasids->leaves[i]));
	pthread_mutex_destroy(&dev->pasids->lock);
	alloc_free(dev->pasids);
}

static struct pasid_leaf *pasids_leaf(const struct rf_device *dev, uint32_t pasid)
{
	return atomic_load_explicit(&dev->pasids->leaves[pasid / LEAF_SIZE], memory_order_acquire);
}

struct domain *pasids_domain(const struct rf_device *dev, uint32_t pasid)
{
	struct pasid_leaf *leaf = pasids_leaf(dev, pasid);

	if (!leaf)
		return NULL;
	return atomic_load_explicit(&leaf->domains[pasid % LEAF_SIZE], memory_order_acquire);
}

/* Everything that being attached holds, but the place in the tables. */
static int use_take(struct rf_device *dev, uint32_t pasid, struct rf_pasid_set *set,
		    struct rf_ioas *ioas, struct pasid_use *use)
{
	int ret;

	ret = pasid_pin(set, pasid);
	if (ret)
		return ret;
	ret = ioas_get_domain(ioas, dev->iommu, &use->domain);
	if (ret)
		goto unpin;
	ret = domain_add_gate(use->domain, &dev->gate);
	if (ret)
		goto put;
	use->ioas = ioas_get(ioas);
	use->set = set;
	return 0;
put:
	ioas_put_domain(ioas, use->domain);
unpin:
	pasid_unpin(set, pasid);
	return ret;
}

static void use_drop(struct rf_device *dev, uint32_t pasid, const struct pasid_use *use)
{
	domain_del_gate(use->domain, &dev->gate);
	ioas_put_domain(use->ioas, use->domain);
	ioas_put(use->ioas);
	pasid_unpin(use->set, pasid);
}

/* With the lock held. *@use goes in, and what was there comes out. */
static void leaf_swap(struct device_pasids *pasids, struct pasid_leaf *leaf, uint32_t pasid,
		      struct pasid_use *use)
{
	struct pasid_use old = leaf->uses[pasid % LEAF_SIZE];

	pasids->attached += (use->domain != NULL) - (old.domain != NULL);
	leaf->uses[pasid % LEAF_SIZE] = *use;
	atomic_store(&leaf->domains[pasid % LEAF_SIZE], use->domain);
	*use = old;
}

/*
 * Read without the group's lock. A device that leaves its group has no group first and
 * its PASIDs detached then, under our lock; so what is attached while this says yes
 * under our lock is found by that.
 */
static bool device_may_reach(const struct rf_device *dev)
{
	return __atomic_load_n(&dev->group, __ATOMIC_ACQUIRE) &&
	       !__atomic_load_n(&dev->quarantined, __ATOMIC_RELAXED);
}

/* What may have changed since the first look is looked at again. */
static int pasids_install(struct rf_device *dev, uint32_t pasid, struct pasid_use *use,
			  bool replace)
{
	struct device_pasids *pasids = dev->pasids;
	struct pasid_leaf *leaf;
	bool there;

	if (device_gone(dev))
		return -ENODEV;
	if (!device_may_reach(dev))
		return -EPERM;
	leaf = pasids_leaf(dev, pasid);
	there = leaf && leaf->uses[pasid % LEAF_SIZE].domain;
	if (there != replace)
		return replace ? -EINVAL : -EBUSY;
	if (!leaf) {
		leaf = alloc_direct(sizeof(*leaf));
		if (!leaf)
			return -ENOMEM;
		atomic_store_explicit(&pasids->leaves[pasid / LEAF_SIZE], leaf,
				      memory_order_release);
	}
	leaf_swap(pasids, leaf, pasid, use);
	return 0;
}

static int pasids_check(const struct rf_device *dev, const struct rf_pasid_set *set, uint32_t pasid)
{
	if (!dev || !set || !pasid || pasid > RF_PASID_MAX)
		return -EINVAL;
	return dev->pasids ? 0 : -EOPNOTSUPP;
}

static int pasids_point(struct rf_device *dev, struct rf_pasid_set *set, uint32_t pasid,
			struct rf_ioas *ioas, bool replace)
{
	struct pasid_use use;
	int ret;

	if (!ioas)
		return -EINVAL;
	ret = pasids_check(dev, set, pasid);
	if (ret)
		return ret;
	if (pasid >> dev->model->pasid_bits || pasid_set_machine(set) != dev->machine)
		return -EINVAL;
	if (!device_may_reach(dev))
		return -EPERM;
	if (pasid >> dev->iommu->pasid_bits)
		return -EOPNOTSUPP;
	ret = use_take(dev, pasid, set, ioas, &use);
	if (ret)
		return ret;
	atomic_fetch_add(&dev->switches, 1);
	pthread_mutex_lock(&dev->pasids->lock);
	ret = pasids_install(dev, pasid, &use, replace);
	pthread_mutex_unlock(&dev->pasids->lock);
	if (!ret && replace)
		gate_sync(&dev->gate);
	if (ret || replace) /* it did not go in, or it came out */
		use_drop(dev, pasid, &use);
	return ret;
}

int rf_pasid_attach(struct rf_device *dev, struct rf_pasid_set *set, uint32_t pasid,
		    struct rf_ioas *ioas)
{
	return pasids_point(dev, set, pasid, ioas, false);
}

int rf_pasid_replace(struct rf_device *dev, struct rf_pasid_set *set, uint32_t pasid,
		     struct rf_ioas *ioas)
{
	return pasids_point(dev, set, pasid, ioas, true);
}

/* @set NULL: whosever it is. */
static int pasids_detach(struct rf_device *dev, const struct rf_pasid_set *set, uint32_t pasid)
{
	struct pasid_leaf *leaf = pasids_leaf(dev, pasid);
	struct pasid_use use = { 0 };
	int ret = 0;

	if (!leaf)
		return -ENOENT;
	atomic_fetch_add(&dev->switches, 1);
	pthread_mutex_lock(&dev->pasids->lock);
	if (!leaf->uses[pasid % LEAF_SIZE].domain)
		ret = -ENOENT;
	else if (set && leaf->uses[pasid % LEAF_SIZE].set != set)
		ret = -EACCES;
	else
		leaf_swap(dev->pasids, leaf, pasid, &use);
	pthread_mutex_unlock(&dev->pasids->lock);
	if (ret)
		return ret;
	gate_sync(&dev->gate);
	use_drop(dev, pasid, &use);
	return 0;
}

int rf_pasid_detach(struct rf_device *dev, struct rf_pasid_set *set, uint32_t pasid)
{
	int ret = pasids_check(dev, set, pasid);

	if (ret == -EOPNOTSUPP)
		ret = -ENOENT;
	return ret ? ret : pasids_detach(dev, set, pasid);
}

void device_detach_pasids(struct rf_device *dev)
{
	uint32_t attached = 0;

	if (!dev->pasids)
		return;
	pthread_mutex_lock(&dev->pasids->lock);
	attached = dev->pasids->attached;
	pthread_mutex_unlock(&dev->pasids->lock);
	for (uint32_t pasid = 1; attached && pasid <= RF_PASID_MAX; pasid++) {
		if (!pasids_leaf(dev, pasid))
			pasid |= LEAF_SIZE - 1;
		else if (!pasids_detach(dev, NULL, pasid))
			attached--;
	}
}
