/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shadows: an I/O address space that follows what an emulated IOMMU translates.
 *
 * It is how a VMM gives a guest with an IOMMU of its own a device: the device is
 * attached to the space, and the shadow keeps there what the guest's IOMMU maps, with
 * the guest's memory put in place of guest addresses.
 */
#ifndef RINGFENCE_SHADOW_H
#define RINGFENCE_SHADOW_H

#include <ringfence/ioas.h>
#include <ringfence/notifier.h>

struct rf_shadow;

/**
 * struct rf_shadow_memory - what lies at a target
 * @owner: whose memory
 * @addr: its address there; a multiple of 4096 where the target is one
 * @length: bytes that follow contiguously, this one included
 */
struct rf_shadow_memory {
	struct rf_owner *owner;
	void *addr;
	uint64_t length;
};

/**
 * struct rf_shadow_ops - the machine around a shadow
 * @name: for log lines
 * @locate: what lies at @target. 0, or a negative errno where no memory is, with @length
 *	filled as far as that holds. Called with the region's lock held
 */
struct rf_shadow_ops {
	const char *name;
	int (*locate)(void *arg, uint64_t target, struct rf_shadow_memory *memory);
};

/**
 * rf_shadow_new() - let a space follow a region
 * @region: the region; its granularity is at least 4096. Lives longer than the shadow
 * @first: of the region's addresses, what is followed; a multiple of the granularity
 * @last: last address, inclusive; UINT64_MAX: to the region's end
 * @ioas: the space. Nothing else may map where the shadow does; lives longer than
 *	the shadow
 * @offset: added to the region's addresses; a multiple of 4096
 * @ops: copied; the name must stay
 * @arg: handed to the operations
 * @shadow: filled with the shadow
 *
 * What is mapped already is mapped in the space. From then on a change is there when
 * the call that announced it returns. A mapping that is replaced leads to the old
 * memory or to the new and never nowhere, unless rf_ioas_remap() cannot do that
 * (an access holds it, no memory): then it is unmapped first.
 *
 * What the space may not map, be it reserved or between its windows, is left out. Where that
 * is so, or mapping fails, the failure is reported as of any listener
 * (rf_listener_failures()) and nothing is mapped there, not what was there before
 * either; rf_listener_replay() tries again.
 *
 * Return: 0; -EINVAL for a range that is empty, misaligned or outside the region, a
 * smaller granularity, no locate operation, an offset that is misaligned or lets the range wrap;
 * errnos of rf_listener_register(), so what the IOMMU returned that refuses, and of
 * rf_ioas_map() for what is mapped already. Nothing changes on failure.
 */
RF_API int rf_shadow_new(struct rf_region *region, uint64_t first, uint64_t last,
			 struct rf_ioas *ioas, uint64_t offset, const struct rf_shadow_ops *ops,
			 void *arg, struct rf_shadow **shadow);

/**
 * rf_shadow_free() - follow no more
 *
 * What it mapped is unmapped. Also from inside a callback of another listener, but not
 * from its own locate operation. NULL is fine. Never fails.
 */
RF_API void rf_shadow_free(struct rf_shadow *shadow);

/** rf_shadow_listener() - what it listens with: for replay and failures */
RF_API struct rf_listener *rf_shadow_listener(struct rf_shadow *shadow);

#endif
