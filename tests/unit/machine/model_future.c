/* SPDX-License-Identifier: BSD-3-Clause */
/* A model for an interface that this library does not know. */
#include <ringfence/device.h>

RF_API extern const struct rf_pci_model rf_pci_model_entry;
const struct rf_pci_model rf_pci_model_entry = { .abi = 4000, .name = "future" };
