/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device without the rest of the house: ringfence/device.h answered from
 * memory, so that a model can be driven one step at a time, with DMA that
 * fails where a test wants it.
 *
 * The driver's memory is one arena at FAKE_IOVA. MMIO goes through the same
 * rules as the engine's: loads of READABLE and DOORBELL pages read the page,
 * stores to a DOORBELL page land there first and call the model unless it is
 * being polled.
 */
#ifndef TEST_MODELS_FAKE_DEVICE_H
#define TEST_MODELS_FAKE_DEVICE_H

#include <ringfence/device.h>

#define FAKE_IOVA    0x10000000ull
#define FAKE_MEMORY  (16ull << 20)
#define FAKE_VECTORS 65u
#define FAKE_PROPS   16u

struct rf_device {
	void *scratch; /* rf_device_scratch() */
	uint64_t scratch_size;
	const struct rf_pci_model *model;
	void *data;
	uint8_t *bar;
	uint8_t *memory; /* FAKE_MEMORY bytes at FAKE_IOVA */
	struct {
		const char *name;
		const char *value;
	} props[FAKE_PROPS];
	char error[256]; /* what init complained of */
	unsigned warnings;
	char warning[256]; /* the last */

	bool polling;
	enum rf_irq_mode irq_mode;
	unsigned irqs[FAKE_VECTORS];
	bool intx;

	bool master_off;
	uint64_t hole_first, hole_last; /* IOVAs that fail, when last is not 0 */
	unsigned dma_until_failure; /* when not 0: this many DMAs, the last of which fails */
	uint64_t dmas; /* DMAs made */
	/* looks on after each dword that a DMA stores */
	void (*on_dma_write)(struct rf_device *dev);
	void *opaque;
};

/*
 * Make a device: @props are name, value, name, value, ..., NULL. NULL when
 * init fails; then fake_error() says why.
 */
struct rf_device *fake_new(const struct rf_pci_model *model, const char *const *props);
const char *fake_error(void);
void fake_free(struct rf_device *dev);

uint64_t fake_read(struct rf_device *dev, uint64_t off, unsigned size);
void fake_write(struct rf_device *dev, uint64_t off, uint64_t val, unsigned size);
/* The driver's memory at an IOVA. */
void *fake_at(struct rf_device *dev, uint64_t iova);

#endif
