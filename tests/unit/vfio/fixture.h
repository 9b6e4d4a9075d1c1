/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rig with one device, opened through its group and a container.
 */
#ifndef TEST_VFIO_FIXTURE_H
#define TEST_VFIO_FIXTURE_H

#include "iommu/kind.h"
#include "rig.h"

struct fixture {
	struct rig rig;
	int c, g, d; /* container, group, device */
};

static inline int fixture_open(void **state, const struct rf_pci_model *model, const char *address)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	rig_add(&f->rig, model, address, iommu_kind_find("x86"), NULL);
	rig_attach(&f->rig, 1, VFIO_TYPE1v2_IOMMU, &f->c, &f->g);
	f->d = rig_device(&f->rig, f->g, 1);
	assert_true(f->d >= 0);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	rig_fini(&f->rig);
	free(f);
	return 0;
}

#endif
