/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pins: pages that stay with the device when the program lets go of them.
 *
 * The kernel pins what is mapped for DMA, so a munmap takes the program's view
 * away and leaves the device's. Here a pin records that [addr, last] of an
 * owner is mapped; whoever is about to change the program's memory map (the
 * interposed munmap, mremap, mmap MAP_FIXED, madvise) calls pin_keep() first,
 * and pages that are pinned move to a hidden address. The holder of the pin, an
 * address space, is told through its operations and re-aims its leaves. DMA
 * that meets a range on the move waits for it and tries again.
 *
 * A move goes like this, all holders locked throughout:
 *
 *	every pin in the range is taken out of the owner's tree
 *	begin() for each: its holder stops translating it
 *	settle() for each holder: no DMA uses it any more
 *	the pages move
 *	end() for each: the holder translates again and pins what is not hidden
 *
 * Locks, outermost first: the owner's moving lock, the holders' locks in order
 * of rank and address, the owner's lock. So a holder may pin and unpin with its own
 * lock held, and those of lower ranks around it, and none of this calls the
 * program's allocator.
 *
 * A pin may begin and end inside a page: all of the page is pinned.
 */
#ifndef RF_MEMORY_PIN_H
#define RF_MEMORY_PIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/tree.h"

struct rf_owner;
struct pin;
struct pin_holder;

/**
 * struct pin_hidden - memory that only devices still see
 * @first: its address
 * @last: its last byte
 * @refs: pieces of mappings that refer to it, under the owner's lock
 */
struct pin_hidden {
	uintptr_t first;
	uintptr_t last;
	uint64_t refs;
};

/**
 * struct pin_shift - what became of the bytes of [first, last]
 * @first: where they were
 * @last: the last of them
 * @to: where @first is now; equal to @first: they did not move
 * @hidden: the hidden memory they are in now, or NULL: they are still the program's
 */
struct pin_shift {
	uintptr_t first;
	uintptr_t last;
	uintptr_t to;
	struct pin_hidden *hidden;
};

/**
 * struct pin_holder_ops - what the holder of pins does when pages move
 * @get: take a reference, or false when the holder is going away: then its pins
 *	go soon. Under the owner's lock: must not wait
 * @put: drop the reference
 * @lock: lock the holder: no pin of it is made or removed meanwhile
 * @unlock: unlock it
 * @begin: stop translating all of @pin, and reserve what end() needs. 0, or
 *	-ENOMEM: nothing changed, and the pin's pages cannot be kept
 * @settle: wait until no DMA uses what begin() stopped
 * @end: translate again: the part of @pin in @shift is where that says, the rest
 *	where it was. Pins anew what is not in hidden memory, and takes a reference
 *	(pin_hidden_get()) for what is. Cannot fail
 */
struct pin_holder_ops {
	bool (*get)(struct pin_holder *holder);
	void (*put)(struct pin_holder *holder);
	void (*lock)(struct pin_holder *holder);
	void (*unlock)(struct pin_holder *holder);
	int (*begin)(struct pin *pin);
	void (*settle)(struct pin_holder *holder);
	void (*end)(struct pin *pin, const struct pin_shift *shift);
};

/**
 * struct pin_holder - who made a pin
 * @ops: what it does when pages move
 * @rank: holders of a lower rank are locked first
 * @moves: some of its pins are on the move; with it locked
 */
struct pin_holder {
	const struct pin_holder_ops *ops;
	unsigned rank;
	bool moves;
};

/**
 * struct pin - a run of an owner's memory that is mapped for DMA
 * @addr: first byte; the holder may know it as the end of something of its own
 * @last: last byte
 * @max_last: highest @last in the subtree, to the end of its page
 * @node: in the owner's tree
 * @holder: whose it is
 */
struct pin {
	uintptr_t addr;
	uintptr_t last;
	uintptr_t max_last;
	struct tree_node node;
	struct pin_holder *holder;
};

/* With the holder's lock held. Never fail. */
void pin_add(struct rf_owner *owner, struct pin *pin);
void pin_del(struct rf_owner *owner, struct pin *pin);

/*
 * Pins of hidden memory stand apart: nothing moves it. Of such a pin @addr, @node and
 * @holder alone are used. With the holder's lock held. Never fail.
 */
void pin_hide(struct rf_owner *owner, struct pin *pin);
void pin_unhide(struct rf_owner *owner, struct pin *pin);

/* References to hidden memory; the last one gives it back to the kernel. */
void pin_hidden_get(struct rf_owner *owner, struct pin_hidden *hidden);
void pin_hidden_put(struct rf_owner *owner, struct pin_hidden *hidden);

/*
 * Memory may be pinned and taken away at the same time, by two threads. So who is
 * about to take a range away announces that, looks whether it is pinned, takes it away,
 * and withdraws; who pins makes the pin, waits for what is announced in its range, and
 * then looks whether the memory is there. One of the two sees the other: the pages move,
 * or the mapping is refused.
 *
 * Who waits holds the locks of its own space. So while something is announced nothing
 * is waited for but the kernel, the owner's lock, and DMA.
 */

#define PIN_HOLDERS 16

/**
 * struct pin_holders - holders of pins, with a reference each
 * @list: sorted in the order of their locks; NULL: there is nothing to release
 * @nr: how many
 * @max: how many fit
 * @few: room for the first
 */
struct pin_holders {
	struct pin_holder **list;
	unsigned nr;
	unsigned max;
	struct pin_holder *few[PIN_HOLDERS];
};

/**
 * struct pin_leaving - a range that is being taken away
 * @owner: whose; NULL: it is not announced
 * @slot: where it stands in the owner's list, or that it has no place there
 * @holders: of what was pinned, released as it ends: that may take locks
 */
struct pin_leaving {
	struct rf_owner *owner;
	unsigned slot;
	struct pin_holders holders;
};

/*
 * Announce that [addr, addr + len), whole pages, is about to be taken away. True: some of it is pinned, and
 * nothing is announced: pin_leave_keep(). Nothing is announced of a range that is no
 * range (not aligned, or it wraps), either. Takes no lock as long as nothing of the
 * owner is pinned, and never allocates. Between this and pin_leave_end() no handler of
 * the program may run in this thread.
 */
bool pin_leave_begin(struct pin_leaving *leaving, struct rf_owner *owner, uintptr_t addr,
		     uint64_t len);
/* It is done, or was given up. Nothing for what is not announced. Not with a holder's lock held. */
void pin_leave_end(struct pin_leaving *leaving);

/*
 * After pin_add(), with the holder's lock held: wait until what was announced of
 * [first, last] is gone. One load, usually.
 */
void pin_settle(struct rf_owner *owner, uintptr_t first, uintptr_t last);

/* Whether any memory of the owner is pinned: one load, for pass-through paths. */
bool pin_any(const struct rf_owner *owner);

/* The first run of pinned pages in [*first, *last]: true, and clipped to it. */
bool pin_run(struct rf_owner *owner, uintptr_t *first, uintptr_t *last);

/*
 * Calls @each for every pin of the page at @addr, until it says false. With the owner's
 * lock held: @each takes no lock.
 */
void pin_visit(struct rf_owner *owner, uintptr_t addr, bool (*each)(struct pin *pin, void *arg),
	       void *arg);

/* The same for every pin of hidden memory, wherever it is. */
void pin_visit_hidden(struct rf_owner *owner, bool (*each)(struct pin *pin, void *arg), void *arg);

/*
 * Hold up DMA that fails to translate, as a move does, while a holder changes
 * segments that devices use: call around it, always both, in one thread, without
 * any holder's lock when it begins.
 */
void pin_hold_dma(struct rf_owner *owner);
void pin_release_dma(struct rf_owner *owner);

/*
 * What is about to happen to a range of the program's memory map.
 */
enum pin_event {
	PIN_UNMAP, /* munmap, or MAP_FIXED over it: the range goes away */
	PIN_DISCARD, /* MADV_DONTNEED: private pages are replaced by zeroes */
	PIN_PROTECT, /* mprotect that takes rights away: see owner_dma_write() for private pages */
};

/*
 * Keep pinned pages alive over the event: call before it, then do what the
 * program asked. Re-aims every holder. After PIN_UNMAP the range is still
 * mapped where it was, but empty (so that no other thread's mmap can be given
 * the place), and munmap or MAP_FIXED finishes it; after PIN_DISCARD private
 * pages are fresh; for PIN_PROTECT devices get a view of their own of shared
 * pages, which DMA could not write by force. Returns the pages that were moved. Pages that could not be
 * kept are counted as lost. After PIN_UNMAP no device reaches that place any
 * more, whatever is mapped there next; only where there was no memory even to
 * begin does it stay as it was.
 *
 * Not from inside a gate, nor with a holder's lock held.
 */
uint64_t pin_keep(struct rf_owner *owner, uintptr_t addr, uint64_t len, enum pin_event event);

/*
 * The same after pin_leave_begin() said true. The range is announced when this returns,
 * since before any page was moved, and until pin_leave_end().
 */
uint64_t pin_leave_keep(struct pin_leaving *leaving, struct rf_owner *owner, uintptr_t addr,
			uint64_t len, enum pin_event event);

/*
 * The program itself moves [from, from + len) to @to by mremap: call around it,
 * always both, in one thread. @to equal to @from: the mremap failed. Pages that
 * mremap would drop (a shorter new size, a target that MREMAP_FIXED replaces)
 * are @drops: they are kept as by pin_keep(). All of it is announced in between.
 */
#define PIN_DROPS 2
struct pin_drop {
	uintptr_t addr;
	uint64_t len;
};
void pin_remap_begin(struct rf_owner *owner, uintptr_t from, uint64_t len,
		     const struct pin_drop *drops, unsigned nr_drops);
void pin_remap_end(struct rf_owner *owner, uintptr_t from, uint64_t len, uintptr_t to);

/*
 * For DMA whose translation or copy failed, outside its gate: if pages have
 * moved since @seq was read by pin_move_seq(), or are moving, waits for the
 * move to end and says true: try again.
 */
unsigned pin_move_seq(const struct rf_owner *owner);
bool pin_moved_since(const struct rf_owner *owner, unsigned seq);

#endif
