/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pins: pages that stay with the device when the program lets go of them.
 *
 * The kernel pins what is mapped for DMA, so a munmap takes the program's view
 * away and leaves the device's. Here a pin records that [addr, addr + len) of
 * an owner is mapped; whoever is about to change the program's memory map
 * (the interposed munmap, mremap, mmap MAP_FIXED, madvise) asks for the pins
 * it would hit and has the pages moved to a hidden address first.
 *
 * The address space that made the pin is told through @ops, and re-aims its
 * leaves. DMA that meets a range on the move waits for it (pin_moving()).
 */
#ifndef RF_MEMORY_PIN_H
#define RF_MEMORY_PIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rf_owner;
struct pin;

/**
 * struct pin_ops - what the holder of a pin does when its pages move
 * @begin: stop translating [addr, addr + len), which lies inside the pin, and
 *	wait until no DMA uses it
 * @end: the bytes of [addr, addr + len) are now at @to (unchanged: the move
 *	failed); translate again. Reserved ahead by @begin: cannot fail
 *
 * Both run with the owner's lock held.
 */
struct pin_ops {
	int (*begin)(struct pin *pin, uintptr_t addr, uint64_t len);
	void (*end)(struct pin *pin, uintptr_t addr, uint64_t len, uintptr_t to);
};

/* Whether any memory of the owner is pinned: one load, for pass-through paths. */
bool pin_any(const struct rf_owner *owner);

/*
 * What is about to happen to [addr, addr + len) of the program's memory map.
 */
enum pin_event {
	PIN_UNMAP,   /* munmap, or MAP_FIXED over it: the range goes away */
	PIN_DISCARD, /* MADV_DONTNEED, MADV_FREE: private pages are replaced by zeroes */
};

/*
 * Keep pinned pages alive over the event: call before it. Moves what is
 * pinned (as few mremaps as possible, split by VMA), re-aims every holder.
 * After PIN_UNMAP the moved parts of the range are holes, which munmap
 * accepts. Returns the pages that were moved. Pages that could not be kept
 * are counted and reported.
 */
uint64_t pin_keep(struct rf_owner *owner, uintptr_t addr, uint64_t len,
		  enum pin_event event);

/* The program itself moved [from, from + len) to @to by mremap: call around it. */
void pin_remap_begin(struct rf_owner *owner, uintptr_t from, uint64_t len);
void pin_remap_end(struct rf_owner *owner, uintptr_t from, uint64_t len, uintptr_t to);

/*
 * DMA found no translation, or its copy failed: if pages are on the move,
 * waits for the move to end and says true: try again. @seq: as read with
 * pin_move_seq() before the attempt.
 */
unsigned pin_move_seq(const struct rf_owner *owner);
bool pin_moved_since(const struct rf_owner *owner, unsigned seq);

#endif
