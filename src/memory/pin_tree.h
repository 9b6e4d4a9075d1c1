/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The owner's tree of pins, for the files of this folder. With the owner's lock
 * held.
 */
#ifndef RF_MEMORY_PIN_TREE_H
#define RF_MEMORY_PIN_TREE_H

#include "memory/pin.h"

void pin_tree_add(struct rf_owner *owner, struct pin *pin);
void pin_tree_del(struct rf_owner *owner, struct pin *pin);
/* The pin of the lowest address that meets [first, last], or NULL. */
struct pin *pin_tree_first(const struct rf_owner *owner, uintptr_t first, uintptr_t last);
/* Calls @each for every pin that meets [first, last], in order, until it says false: false. */
bool pin_tree_visit(const struct rf_owner *owner, uintptr_t first, uintptr_t last,
		    bool (*each)(struct pin *pin, void *arg), void *arg);

/* Count @change more pins, or fewer. */
void pin_count(struct rf_owner *owner, uint64_t change);

#endif
