/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What regions and listeners are made of, for the files of this folder; the
 * public face is include/ringfence/notifier.h.
 */
#ifndef RF_VIOMMU_REGION_H
#define RF_VIOMMU_REGION_H

#include <pthread.h>
#include <ringfence/notifier.h>
#include <stdatomic.h>

#include "viommu/extents.h"

#define NOTIFY_ALL (RF_NOTIFY_UNMAP | RF_NOTIFY_MAP | RF_NOTIFY_REPLACE)
#define PERM_ALL   (RF_READ | RF_WRITE)

/**
 * struct rf_listener - somebody who listens
 * @region: whom to
 * @ops: as registered; @last is within the region
 * @data: the user's
 * @next: the one registered after it
 * @joined: the number of its registration
 * @muted: being registered: hears of nothing yet
 * @failures: of its callback
 * @error: the last one
 */
struct rf_listener {
	struct rf_region *region;
	struct rf_listener_ops ops;
	void *data;
	struct rf_listener *next;
	uint64_t joined;
	bool muted;
	_Atomic uint64_t failures;
	atomic_int error;
};

/**
 * struct round - one change on its way to the listeners; there is one at a time
 * @listener: who is being told; NULL: it has left
 * @next: who comes then; NULL: nobody
 * @gone: what is taken away; NULL also while none is under way
 * @failures: callbacks that failed since the lock was taken
 */
struct round {
	struct rf_listener *listener;
	struct rf_listener *next;
	const struct extent *gone;
	unsigned failures;
};

/**
 * struct rf_region - what an emulated IOMMU translates for a device
 * @lock: protects all of it, and is held while anyone is called
 * @inside: the thread that has the lock; 0: none
 * @asking: an operation of the IOMMU is being called
 * @ops: as given
 * @data: the user's
 * @last: its last address
 * @granularity: of the IOMMU
 * @wanted: by all listeners
 * @extents: what is true
 * @listeners: by registration
 * @joins: registrations so far
 * @round: the one under way
 * @replayed: a replay was asked for by this one, and it has not left since
 */
struct rf_region {
	pthread_mutex_t lock;
	_Atomic uintptr_t inside;
	bool asking;
	struct rf_region_ops ops;
	void *data;
	uint64_t last;
	uint64_t granularity;
	_Atomic uint32_t wanted;
	struct extents extents;
	struct rf_listener *listeners;
	uint64_t joins;
	struct round round;
	struct rf_listener *replayed;
};

/* False: this thread has the lock already, as it is in a callback. */
bool region_enter(struct rf_region *region);
void region_leave(struct rf_region *region);

/* Whether [first, last] are whole pages of the region. */
bool region_holds(const struct rf_region *region, uint64_t first, uint64_t last);

/* rf_region_refresh() with the lock held, not in a callback; -EOPNOTSUPP is the caller's. */
int region_refresh(struct rf_region *region, uint64_t first, uint64_t last);

/* How many callbacks failed since region_enter(). */
int region_failures(const struct rf_region *region);

/* listener.c: tell everybody that @now came true in place of @gone. */
void listeners_tell(struct rf_region *region, const struct rf_mapping *now,
		    const struct extent *gone);

#endif
