/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder tell each other.
 */
#ifndef RF_BUS_INTERNAL_H
#define RF_BUS_INTERNAL_H

#include "bus/device.h"

#define PAGE_SIZE 4096u

/* Registers of the configuration header that the engine itself looks at. */
#define CFG_COMMAND	      0x04u
#define CFG_STATUS	      0x06u
#define CFG_CACHE_LINE	      0x0cu
#define CFG_BAR		      0x10u
#define CFG_ROM		      0x30u
#define CFG_CAPABILITIES      0x34u
#define CFG_INTERRUPT_LINE    0x3cu
#define CFG_INTERRUPT_PIN     0x3du
#define CFG_HEADER_END	      0x40u

#define COMMAND_MEMORY	      0x0002u
#define COMMAND_MASTER	      0x0004u
#define COMMAND_INTX_DISABLE  0x0400u
#define STATUS_INTERRUPT      0x0008u
#define STATUS_CAP_LIST	      0x0010u

#define PM_CTRL		      4u
#define PM_CTRL_STATE	      0x0003u
#define PM_CTRL_NO_SOFT_RESET 0x0008u
#define MSI_FLAGS	      2u
#define MSI_FLAGS_ENABLE      0x0001u
#define MSIX_FLAGS	      2u
#define MSIX_FLAGS_MASK	      0x4000u
#define MSIX_FLAGS_ENABLE     0x8000u
#define PCIE_DEVCTL	      8u
#define PCIE_DEVCTL_FLR	      0x8000u

#define AF_CTRL		      4u
#define AF_CTRL_FLR	      0x01u

#define PASID_CAP	      4u
#define PASID_CTRL	      6u
#define PASID_CTRL_ENABLE     0x0001u

#define MSIX_ENTRY_SIZE	      16u
#define MSIX_ENTRY_CTRL	      12u /* offset of the vector control word */
#define MSIX_CTRL_MASK	      1u

static inline uint64_t page_up(uint64_t size)
{
	return (size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

/* A one-line message for the user, to be freed; NULL only without memory. */
char *message(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* model.c: whether a declaration makes sense; -EINVAL with *error. */
int model_check(const struct rf_pci_model *model, char **error);

/* props.c: the values of a device's properties, checked; *error when it fails. */
int props_new(const struct rf_pci_model *model, const struct prop_value *values,
	      struct prop_values **out, char **error);
void props_free(struct prop_values *props);

/* config.c, caps.c: power-on contents and write masks, from the model. */
void config_build(struct rf_device *dev);
int config_keep(struct rf_device *dev); /* what it is now is what a reset restores */
void config_reset(struct rf_device *dev);
int caps_build(struct rf_device *dev, char **error);

/* image.c: what a model that brings a configuration space is; -EINVAL with *error. */
int image_declare(struct rf_pci_model *model, char **error);
/* That space and its write masks, and the addresses of BARs in it. */
void image_build(struct rf_device *dev);

/*
 * Bytes of configuration space are read without the lock in a few places
 * (DMA looks at COMMAND), so every store is a single atomic byte.
 */
static inline uint8_t config_byte(const struct rf_device *dev, unsigned off)
{
	return __atomic_load_n(&dev->config[off], __ATOMIC_RELAXED);
}

static inline void config_set_byte(struct rf_device *dev, unsigned off, uint8_t val)
{
	__atomic_store_n(&dev->config[off], val, __ATOMIC_RELAXED);
}

static inline uint16_t config_word(const struct rf_device *dev, unsigned off)
{
	return (uint16_t)(config_byte(dev, off) | config_byte(dev, off + 1) << 8);
}

static inline void config_set(struct rf_device *dev, unsigned off, uint64_t val, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		config_set_byte(dev, off + i, (uint8_t)(val >> (8 * i)));
}

/* irq.c; all with the lock held, but irq_new and irq_free. */
int irq_new(struct rf_device *dev);
void irq_free(struct rf_device *dev);
void irq_reset(struct rf_device *dev);
/* Something that decides about delivery has changed in configuration space. */
void irq_update(struct rf_device *dev);
uint32_t irq_table_read(struct rf_device *dev, uint64_t off);
void irq_table_write(struct rf_device *dev, uint64_t off, uint32_t val);
uint32_t irq_pba_read(struct rf_device *dev, uint64_t off);

/* bar.c */
int bars_new(struct rf_device *dev);
void bars_free(struct rf_device *dev);

/* pasid.c: what PASIDs of a device are attached to; free only once nothing is. */
int pasids_new(struct rf_device *dev);
void pasids_free(struct rf_device *dev);
/* The domain of a PASID that the device has, or NULL. Inside the device's gate. */
struct domain *pasids_domain(const struct rf_device *dev, uint32_t pasid);

/* direct.c */
void eventfds_free(struct rf_device *dev);

/* A line to the log about the driver; the first few of a device are printed. */
void device_complain(struct rf_device *dev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* scratch.c */
void scratch_free(struct rf_device *dev);

#endif
