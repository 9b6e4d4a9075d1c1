/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The models that are built in. They use ringfence/device.h and nothing else
 * of this tree, as a user's own would.
 */
#ifndef RF_MODELS_MODELS_H
#define RF_MODELS_MODELS_H

#include <ringfence/device.h>

extern const struct rf_pci_model edu_model;
extern const struct rf_pci_model nvme_model;
extern const struct rf_pci_model inert_model;

/* All of them, ended by NULL. */
extern const struct rf_pci_model *const models_builtin[];

#endif
