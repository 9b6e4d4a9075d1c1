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
#define MOVE_HOLDERS	    16

struct owner_remote;
struct vma_walk;

struct owner_range {
	uintptr_t first;
	uintptr_t last;
};

/**
 * struct pin_move - a move under way
 * @owner: whose pages
 * @first: the range
 * @last: its end
 * @holders: of pins in the range; referenced and locked, sorted
 * @nr_holders: how many
 * @max_holders: how many fit
 * @few: room for the first
 * @overflow: there are more than fit
 * @dying: one of them is going away
 * @stranger: a pin's holder is not among them
 * @pins: those that take part, linked by node.left
 * @staying: those whose begin() failed
 */
struct pin_move {
	struct rf_owner *owner;
	uintptr_t first;
	uintptr_t last;
	struct pin_holder **holders;
	unsigned nr_holders;
	unsigned max_holders;
	struct pin_holder *few[MOVE_HOLDERS];
	bool overflow;
	bool dying;
	bool stranger;
	struct pin *pins;
	struct pin *staying;
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
 * @moving: held while pages move; outermost, before the holders' locks
 * @move_seq: odd while pages move
 * @remap: the move between pin_remap_begin() and pin_remap_end()
 * @remapping: whether there is one
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
	struct owner_range devices[OWNER_DEVICE_RANGES];
	atomic_uint nr_devices;

	pthread_mutex_t moving;
	atomic_uint move_seq;
	struct pin_move remap;
	bool remapping;
};

/* owner_remote.c: what the functions of owner.h do for another process; one of @dst and @src. */
int owner_remote_copy(struct rf_owner *owner, uintptr_t addr, void *dst, const void *src,
		      size_t len);
int owner_remote_dma(struct rf_owner *owner, uintptr_t addr, void *dst, const void *src,
		     size_t len);
int owner_remote_probe(struct rf_owner *owner, uintptr_t addr, uint64_t len, uint32_t prot);
bool owner_remote_each_vma(struct rf_owner *owner, uintptr_t addr,
			   bool (*each)(const struct vma *vma, void *arg), void *arg);
/* owner.c: what has begun: all mappings from @addr on. */
bool owner_walk_vmas(struct vma_walk *walk, uintptr_t addr,
		     bool (*each)(const struct vma *vma, void *arg), void *arg);
/* Out of the list of all: owner_each() calls for it no more. Any number of times. */
void owner_unlist(struct rf_owner *owner);
void owner_remote_get(struct rf_owner *owner);
void owner_remote_put(struct rf_owner *owner);
/* Its last pin may have gone. Without the owner's lock. */
void owner_remote_unpinned(struct rf_owner *owner);

#endif
