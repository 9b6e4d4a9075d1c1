/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding device models.
 */
#ifndef RF_MACHINE_MODEL_H
#define RF_MACHINE_MODEL_H

#include <ringfence/device.h>

/*
 * A built-in model by its name or, with a '/' in it or ".so" at its end, the
 * model of a shared object. *found (to be freed) is a name that finds it again
 * from any working directory. 0; -ENOENT or -EINVAL with *error; -ENOMEM.
 */
int model_find(const char *name, const struct rf_pci_model **out, char **found, char **error);

#endif
