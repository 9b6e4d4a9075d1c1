/* SPDX-License-Identifier: BSD-3-Clause */
#include "models/models.h"

const struct rf_pci_model *const models_builtin[] = {
	&edu_model,
	&nvme_model,
	&inert_model,
	NULL,
};
