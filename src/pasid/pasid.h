/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PASIDs, seen from inside; include/ringfence/pasid.h is the public face.
 */
#ifndef RF_PASID_PASID_H
#define RF_PASID_PASID_H

#include <ringfence/pasid.h>

/* A machine's PASIDs. Small until the first set is made. */
struct pasid_space;

int pasid_space_new(struct pasid_space **out);
/* The machine that its numbers are of, for who must tell spaces apart; NULL at first. */
void pasid_space_set_machine(struct pasid_space *space, const struct rf_machine *machine);
const struct rf_machine *pasid_set_machine(const struct rf_pasid_set *set);
/*
 * Frees the sets and gives back the numbers that are left, too. No device may have
 * anything attached.
 */
void pasid_space_free(struct pasid_space *space);

/* As the public functions with a machine. */
int pasid_set_new(struct pasid_space *space, const struct rf_pasid_type *type, const void *owner,
		  uint32_t quota, struct rf_pasid_set **set);
void *pasid_find_typed(struct pasid_space *space, const struct rf_pasid_type *type, uint32_t pasid,
		       bool (*getter)(void *data));
int pasid_check_owner(struct pasid_space *space, uint32_t pasid, const void *owner);
int pasid_allocator_register(struct pasid_space *space, const struct rf_pasid_allocator *allocator,
			     void *data);
int pasid_allocator_unregister(struct pasid_space *space,
			       const struct rf_pasid_allocator *allocator);

/*
 * A hold on a PASID that its owner cannot take away by rf_pasid_put(): a device's.
 * Errors as rf_pasid_free(). The set lives as long. Who pins uses memory for it, so
 * that the count cannot overflow.
 */
int pasid_pin(struct rf_pasid_set *set, uint32_t pasid);
void pasid_unpin(struct rf_pasid_set *set, uint32_t pasid);

#endif
