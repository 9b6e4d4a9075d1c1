/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device for the tests: a scratch register, registers that make interrupts,
 * and a record of what was done to it.
 */
#ifndef TEST_VFIO_PROBE_H
#define TEST_VFIO_PROBE_H

#include "rig.h"

#define PROBE_SCRATCH 0x00 /* holds what is written; 0x5a5a after a reset */
#define PROBE_RAISE   0x08 /* a store raises that vector */
#define PROBE_INTX    0x10 /* a store drives the line */

struct probe {
	uint32_t scratch;
	unsigned resets;
	unsigned reads, writes; /* calls */
	unsigned last_size;
	uint64_t last_off;
};

static inline uint64_t probe_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	struct probe *p = rf_device_data(dev);

	p->reads++;
	p->last_size = size;
	p->last_off = off;
	return off == PROBE_SCRATCH ? p->scratch : 0;
}

static inline void probe_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
			       unsigned size)
{
	struct probe *p = rf_device_data(dev);

	p->writes++;
	p->last_size = size;
	p->last_off = off;
	if (off == PROBE_SCRATCH)
		p->scratch = (uint32_t)val;
	else if (off == PROBE_RAISE)
		rf_irq_raise(dev, (unsigned)val);
	else if (off == PROBE_INTX)
		rf_intx_set(dev, val);
}

static inline void probe_reset(struct rf_device *dev)
{
	struct probe *p = rf_device_data(dev);

	p->scratch = 0x5a5a;
	p->resets++;
}

#define PROBE_COMMON                                                                     \
	.abi = RF_MODEL_ABI, .summary = "for tests", .vendor = 0x1234, .device = 0x5678, \
	.class = 0xff0000, .int_pin = 1, .data_size = sizeof(struct probe), .reset = probe_reset

/* INTx, MSI-X with its table in the middle of BAR 0, a sub-page BAR 2, PM, PCIe with FLR */
static const struct rf_pci_model probe_model = {
	PROBE_COMMON,
	.name = "probe",
	.caps = RF_PCI_CAP_PM | RF_PCI_CAP_PCIE | RF_PCI_CAP_FLR,
	.msix_vectors = 8,
	.msix_bar = 0,
	.msix_table = 0x2000,
	.msix_pba = 0x3000,
	.bars = { [0] = { .size = 0x4000,
			  .flags = RF_BAR_64 | RF_BAR_PREFETCH,
			  .read = probe_read,
			  .write = probe_write },
		  [2] = { .size = 256, .read = probe_read, .write = probe_write } },
};

/* INTx and four MSI vectors, nothing else */
static const struct rf_pci_model plain_model = {
	PROBE_COMMON,
	.name = "plain",
	.msi_vectors = 4,
	.bars = { { .size = 0x1000, .read = probe_read, .write = probe_write } },
};

static inline struct probe *probe_of(struct rig *rig, unsigned id)
{
	return rf_device_data(rig->devices[id - 1]);
}

#define CONFIG ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << VFIO_PCI_OFFSET_SHIFT)

static inline uint32_t probe_config(struct rig *rig, int d, unsigned off, unsigned size)
{
	uint32_t val = 0;

	assert_int_equal(rig_pread(rig, d, &val, size, CONFIG + off), size);
	return val;
}

static inline void probe_config_set(struct rig *rig, int d, unsigned off, uint32_t val,
				    unsigned size)
{
	assert_int_equal(rig_pwrite(rig, d, &val, size, CONFIG + off), size);
}

static inline void probe_store(struct rig *rig, int d, uint64_t off, uint32_t val)
{
	assert_int_equal(rig_pwrite(rig, d, &val, 4, off), 4);
}

#endif
