/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU notifiers: how an IOMMU that a guest sees tells others what it translates.
 *
 * A *region* is the range of I/O virtual addresses that an emulated IOMMU
 * translates for a device. The IOMMU announces what is *now true* of a range;
 * the region remembers it, works out what that takes away and what it adds, and
 * tells its *listeners*:
 *
 *	rf_region_announce(region, &(struct rf_mapping){ .iova = 0x4000, .last = 0x4fff,
 *							 .target = gpa, .perm = RF_READ });
 *
 * A target is an address on the IOMMU's far side: of the guest's memory, as a rule.
 *
 * Locks: a region has one, held while its listeners and the IOMMU's operations
 * are called. So everybody hears of changes in one order, and nobody is called
 * any more once rf_listener_unregister() has returned in another thread. From
 * inside a callback, rf_listener_register() without replay,
 * rf_listener_unregister() of any listener, rf_region_lookup() and what only
 * looks may be called; what would start a round of telling inside another is
 * refused with -EDEADLK. From inside an operation of the IOMMU, only what looks.
 * A callback may announce to another region, as long as no callback of that one
 * leads back. It must not wait for another thread that uses the same region.
 * Otherwise every function may be called from any thread.
 *
 * Source: the IOMMU notifiers of QEMU and their discussion in 2016.
 */
#ifndef RINGFENCE_NOTIFIER_H
#define RINGFENCE_NOTIFIER_H

#include <ringfence/types.h>

struct rf_region;
struct rf_listener;

/* What a listener wants to hear of. */
#define RF_NOTIFY_UNMAP	  (1u << 0) /* something is no longer mapped */
#define RF_NOTIFY_MAP	  (1u << 1) /* something is mapped where nothing was */
#define RF_NOTIFY_REPLACE (1u << 2) /* both in one; without it, an UNMAP and then a MAP */

/**
 * struct rf_mapping - what is true of a range
 * @iova: first address
 * @last: last address, inclusive
 * @target: where @iova leads; the rest follows contiguously
 * @perm: RF_READ, RF_WRITE; 0: nothing is mapped there, and @target means nothing
 */
struct rf_mapping {
	uint64_t iova;
	uint64_t last;
	uint64_t target;
	uint32_t perm;
};

/**
 * struct rf_notice - what a listener is told
 * @kind: one of RF_NOTIFY_*
 * @iova: first address
 * @last: last address, inclusive
 * @target: where @iova leads now; MAP and REPLACE
 * @perm: what is allowed now; 0 for UNMAP
 * @was_target: where @iova led until now; UNMAP and REPLACE
 * @was_perm: what was allowed until now; 0 for MAP
 *
 * Of UNMAP and REPLACE, all of the range led to where it did contiguously.
 */
struct rf_notice {
	uint32_t kind;
	uint64_t iova;
	uint64_t last;
	uint64_t target;
	uint32_t perm;
	uint64_t was_target;
	uint32_t was_perm;
};

/**
 * struct rf_region_ops - the IOMMU behind a region
 * @name: for log lines
 * @flags_changed: the kinds that are wanted by any listener change from @old to
 *	@wanted. A negative errno refuses, and the registration that asks for it
 *	fails with it; when listeners leave, the result means nothing. May be NULL
 * @translate: what the IOMMU's tables say at @now->iova, which is a multiple of the
 *	granularity: fill target and perm, and last as far as one entry (or one
 *	hole) says it; last comes filled with the end of the granule, and what
 *	lies beyond the region is cut off. NULL: all there is to know is announced.
 *	A negative errno ends the walk
 *
 * Both are called with the region's lock held. They may take the IOMMU's own
 * lock, so that must not be held where the region is called.
 */
struct rf_region_ops {
	const char *name;
	int (*flags_changed)(struct rf_region *region, uint32_t old, uint32_t wanted);
	int (*translate)(struct rf_region *region, struct rf_mapping *now);
};

/**
 * rf_region_new() - make a region in which nothing is mapped
 * @ops: copied; the name must stay
 * @last: its last address; it begins at 0. @last + 1 is a multiple of the granularity
 * @granularity: the IOMMU's smallest page, in bytes; a power of two
 * @data: rf_region_data()
 * @region: filled with the region
 *
 * Return: 0; -EINVAL for a granularity that is no power of two, or a @last that is not
 * aligned to it; -ENOMEM.
 */
RF_API int rf_region_new(const struct rf_region_ops *ops, uint64_t last, uint64_t granularity,
			 void *data, struct rf_region **region);

/**
 * rf_region_free() - end a region
 *
 * Listeners that are left are unregistered and told nothing. Not from inside a
 * callback, and no other thread may use the region. Never fails.
 */
RF_API void rf_region_free(struct rf_region *region);

/** rf_region_data() - what it was made with */
RF_API void *rf_region_data(const struct rf_region *region);

/** rf_region_last() - its last address */
RF_API uint64_t rf_region_last(const struct rf_region *region);

/** rf_region_granularity() - its smallest page, in bytes */
RF_API uint64_t rf_region_granularity(const struct rf_region *region);

/** rf_region_wanted() - the kinds that its listeners want, all together; takes no lock */
RF_API uint32_t rf_region_wanted(const struct rf_region *region);

/**
 * rf_region_announce() - say what is now true of a range
 * @region: the region
 * @now: what is true; whole pages of the region's granularity
 *
 * What was true of the range before is replaced, whatever it was; around it
 * nothing changes. Listeners are told of the difference, in the order in which
 * they were registered, each of all of it before the next: a cache that is
 * filled from what another listener keeps is registered after that one. A
 * listener hears of what is taken away in one notice a contiguous piece, then of
 * what is added, in pieces as large as they are new. What has not changed is not
 * told.
 *
 * It is true, and remembered, before anyone is told. A listener whose callback
 * fails is reported in the log once, see rf_listener_failures(), and the telling
 * goes on.
 *
 * Return: how many callbacks failed, so 0 as a rule. Nothing has changed with
 * -EINVAL for a range that is empty, misaligned or outside the region, unknown
 * permissions, or a target that is misaligned or wraps; -EDEADLK from inside a
 * callback; -ENOMEM.
 */
RF_API int rf_region_announce(struct rf_region *region, const struct rf_mapping *now);

/**
 * rf_region_announce_batch() - say what is now true of several ranges
 * @region: the region
 * @now: they come true in this order; where they overlap the later one holds
 * @nr: how many; 0 is fine
 *
 * As rf_region_announce() of each, all or none. Neighbours that continue each
 * other are told as one. A listener that is registered while it goes on hears of
 * what comes true later.
 *
 * Return: as rf_region_announce().
 */
RF_API int rf_region_announce_batch(struct rf_region *region, const struct rf_mapping *now,
				    size_t nr);

/**
 * rf_region_refresh() - announce what the IOMMU's tables say
 * @region: the region
 * @first: first address; a multiple of the granularity
 * @last: last address, inclusive
 *
 * Asks the IOMMU's translate operation for all of the range, and announces the
 * answers, in ranges as large as they are contiguous. It is what an invalidation
 * by the guest asks for, whatever changed in between; several threads may do it
 * at once, and the last one leaves the truth.
 *
 * Return: as rf_region_announce(), and -EOPNOTSUPP without a translate operation;
 * what that returned; -EIO when its answer is no whole pages or otherwise no
 * mapping. These, and -ENOMEM, may come when part of it has been announced.
 */
RF_API int rf_region_refresh(struct rf_region *region, uint64_t first, uint64_t last);

/**
 * rf_region_lookup() - what is true of an address, as far as announced
 * @region: the region
 * @iova: the address
 * @now: filled with the contiguous range that holds it; perm 0: with the hole
 *
 * Return: 0; -EINVAL outside the region.
 */
RF_API int rf_region_lookup(struct rf_region *region, uint64_t iova, struct rf_mapping *now);

/**
 * struct rf_listener_ops - somebody who listens
 * @name: for log lines
 * @kinds: RF_NOTIFY_*; at least one
 * @first: hears of nothing below it; a multiple of the granularity
 * @last: nor above; UINT64_MAX: to the region's end. Notices are cut to the range
 * @replay: what is mapped now is told as MAP, in the same step; wants RF_NOTIFY_MAP
 * @notify: what has changed. The notice is valid during the call only. A negative
 *	errno is reported and changes nothing: it is true all the same
 */
struct rf_listener_ops {
	const char *name;
	uint32_t kinds;
	uint64_t first;
	uint64_t last;
	bool replay;
	int (*notify)(struct rf_listener *listener, const struct rf_notice *notice);
};

/**
 * rf_listener_register() - listen to a region
 * @region: the region
 * @ops: copied; the name must stay
 * @data: rf_listener_data()
 * @listener: filled with the listener, before its first callback; NULL after one that
 *	unregistered itself; untouched on failure
 *
 * The IOMMU is told when kinds are wanted that were not. From inside a callback
 * the newcomer is not told of the change under way: it is true already.
 *
 * Return: 0, also when the callback failed during replay; what the IOMMU's
 * flags_changed returned; -EINVAL for no kind, an unknown one, no callback, a range that
 * is empty, misaligned or outside the region, or replay without RF_NOTIFY_MAP; for
 * replay -EDEADLK from inside a callback, and what rf_region_refresh()
 * returns; -ENOMEM. Nothing changes on failure, but what a refresh found is true.
 */
RF_API int rf_listener_register(struct rf_region *region, const struct rf_listener_ops *ops,
				void *data, struct rf_listener **listener);

/**
 * rf_listener_unregister() - listen no more
 *
 * It is called no more and told nothing of what it forgets. The IOMMU is told when
 * kinds are no longer wanted. From inside a callback, any listener of the region may
 * go, its own included. NULL is fine. Never fails.
 */
RF_API void rf_listener_unregister(struct rf_listener *listener);

/** rf_listener_data() - what it was registered with */
RF_API void *rf_listener_data(const struct rf_listener *listener);

/** rf_listener_region() - what it listens to */
RF_API struct rf_region *rf_listener_region(const struct rf_listener *listener);

/**
 * rf_listener_failures() - how often its callback has failed
 * @listener: the listener
 * @error: filled with the last errno, negative, 0 for none; may be NULL
 *
 * What it failed at is still remembered: rf_listener_replay() tells it again.
 */
RF_API uint64_t rf_listener_failures(const struct rf_listener *listener, int *error);

/**
 * rf_listener_replay() - tell a listener of all that is mapped
 * @listener: one that wants RF_NOTIFY_MAP
 * @first: first address; a multiple of the granularity
 * @last: last address, inclusive; UINT64_MAX: to the region's end
 *
 * The IOMMU is asked first, if it has a translate operation; all listeners hear of
 * what had changed (rf_region_refresh()). Then this one alone hears a MAP of
 * all that is mapped in the range and its own, in ranges as large as they are
 * contiguous; also of what it knows already.
 *
 * Return: how many callbacks failed; -EINVAL for a range that is empty or misaligned,
 * or a listener that does not want MAP; -EDEADLK from inside a callback; what
 * rf_region_refresh() returns.
 */
RF_API int rf_listener_replay(struct rf_listener *listener, uint64_t first, uint64_t last);

#endif
