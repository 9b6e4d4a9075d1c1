/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine's PASIDs: which space the public functions mean.
 */
#include <errno.h>

#include "machine/machine.h"

int rf_pasid_set_new(struct rf_machine *machine, const struct rf_pasid_type *type,
		     const void *owner, uint32_t quota, struct rf_pasid_set **set)
{
	return machine ? pasid_set_new(machine->pasids, type, owner, quota, set) : -EINVAL;
}

void *rf_pasid_find_typed(struct rf_machine *machine, const struct rf_pasid_type *type,
			  uint32_t pasid, bool (*getter)(void *data))
{
	return machine ? pasid_find_typed(machine->pasids, type, pasid, getter) : NULL;
}

int rf_pasid_check_owner(struct rf_machine *machine, uint32_t pasid, const void *owner)
{
	return machine ? pasid_check_owner(machine->pasids, pasid, owner) : -EINVAL;
}

int rf_pasid_allocator_register(struct rf_machine *machine,
				const struct rf_pasid_allocator *allocator, void *data)
{
	return machine ? pasid_allocator_register(machine->pasids, allocator, data) : -EINVAL;
}

int rf_pasid_allocator_unregister(struct rf_machine *machine,
				  const struct rf_pasid_allocator *allocator)
{
	return machine ? pasid_allocator_unregister(machine->pasids, allocator) : -EINVAL;
}
