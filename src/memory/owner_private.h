/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an owner is, for the files of this folder.
 */
#ifndef RF_MEMORY_OWNER_PRIVATE_H
#define RF_MEMORY_OWNER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/tree.h"
#include "memory/owner.h"
#include "memory/pin.h"

#define OWNER_DEVICE_RANGES 256
#define OWNER_LEAVING	    64

struct owner_remote;
struct vma_walk;

struct owner_range {
	uintptr_t first;
	uintptr_t last;
};

/**
 * struct owner_device - a BAR mapping
 * @first: its first byte
 * @last: its last byte
 * @prot: which DMA may be mapped there, RF_READ and RF_WRITE
 */
struct owner_device {
	uintptr_t first;
	uintptr_t last;
	uint32_t prot;
};

/**
 * struct owner_leaving - a range that is announced to leave (leaving.c)
 * @first: its first byte; 0 while nobody has this place
 * @last: its last byte; UINTPTR_MAX while nobody has this place
 */
struct owner_leaving {
	atomic_uintptr_t first;
	atomic_uintptr_t last;
};

/**
 * struct pin_move - a move under way
 * @owner: whose pages
 * @first: the range
 * @last: its end
 * @holders: of pins in the range, locked
 * @overflow: there are more than fit
 * @dying: one of them is going away
 * @stranger: a pin's holder is not among them
 * @found: a pin that was looked for
 * @pins: those that take part, linked by node.left
 * @staying: those whose begin() failed
 * @locked: the holders are locked, for an mremap
 * @moves: and there are pins
 */
struct pin_move {
	struct rf_owner *owner;
	uintptr_t first;
	uintptr_t last;
	struct pin_holders *holders;
	bool overflow;
	bool dying;
	bool stranger;
	struct pin *found;
	struct pin *pins;
	struct pin *staying;
	bool locked;
	bool moves;
};

/**
 * struct rf_owner - a process's memory
 * @remote: it is another one's than this process's: see owner_remote.c; NULL: it is ours
 * @next: in the list of all, under its lock
 * @link: what points at it there
 * @lock: protects what follows, up to @moving; innermost
 * @pins: by address, struct pin
 * @nr_pins: how many; read without the lock
 * @hidden: struct pin_hidden objects
 * @hidden_pins: those of hidden memory: a list, linked by node.right and back by node.left
 * @devices: BAR mappings, in no order
 * @nr_devices: how many; read without the lock
 * @locked: owner_locked()
 * @moving: held while pages move; outermost, before the holders' locks
 * @move_seq: odd while pages move
 * @move_first: while @moves, what is on the move: under @lock
 * @move_last: its end
 * @moves: pages move, and the pins among them are counted but not in @pins: under @lock
 * @remap: the move between pin_remap_begin() and pin_remap_end()
 * @remap_leaving: what it announced; the first keeps its holders
 * @leaving: a bit for each of @leaving_ranges that is in use
 * @leaving_more: how many more have found no place there
 * @leaving_ranges: what is about to be taken away: leaving.c
 */
struct rf_owner {
	struct owner_remote *remote;
	struct rf_owner *next;
	struct rf_owner **link;
	pthread_mutex_t lock;
	struct tree pins;
	_Atomic uint64_t nr_pins;
	struct slab hidden;
	struct tree_node *hidden_pins;
	struct owner_device devices[OWNER_DEVICE_RANGES];
	atomic_uint nr_devices;
	_Atomic uint64_t locked;

	pthread_mutex_t moving;
	atomic_uint move_seq;
	uintptr_t move_first;
	uintptr_t move_last;
	bool moves;
	struct pin_move remap;
	struct pin_leaving remap_leaving[PIN_DROPS + 1];

	_Atomic uint64_t leaving;
	atomic_uint leaving_more;
	struct owner_leaving leaving_ranges[OWNER_LEAVING];
};

/* leaving.c: announce, and withdraw again; any thread. */
void leaving_init(struct rf_owner *owner);
void leaving_announce(struct pin_leaving *leaving, struct rf_owner *owner, uintptr_t first,
		      uintptr_t last);
void leaving_withdraw(struct pin_leaving *leaving);
/* pin_move.c: drop their references. */
void pin_holders_put(struct pin_holders *holders);

/* owner_remote.c: what the functions of owner.h do for another process; one of @dst and @src. */
int owner_remote_copy(struct rf_owner *owner, uintptr_t addr, void *dst, const void *src,
		      size_t len);
int owner_remote_dma(struct rf_owner *owner, uintptr_t addr, void *dst, const void *src,
		     size_t len);
int owner_remote_probe(struct rf_owner *owner, uintptr_t addr, uint64_t len, uint32_t prot);
bool owner_remote_is_there(struct rf_owner *owner);
bool owner_remote_each_vma(struct rf_owner *owner, uintptr_t addr,
			   bool (*each)(const struct vma *vma, void *arg), void *arg);
/* owner.c: what has begun: all mappings from @addr on. */
bool owner_walk_vmas(struct vma_walk *walk, uintptr_t addr,
		     bool (*each)(const struct vma *vma, void *arg), void *arg);
/* Out of the list of all: owner_each() calls for it no more. Any number of times. */
void owner_unlist(struct rf_owner *owner);
pid_t owner_remote_pid(const struct rf_owner *owner);
void owner_remote_get(struct rf_owner *owner);
void owner_remote_put(struct rf_owner *owner);
/* Its last pin may have gone. Without the owner's lock. */
void owner_remote_unpinned(struct rf_owner *owner);

#endif
