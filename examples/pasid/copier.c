/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that copies memory for several address spaces at once, each named by a
 * PASID, as accelerators with shared work queues do.
 *
 * Registers, all of 8 bytes: 0x00 source, 0x08 destination, 0x10 length (at most 4096),
 * 0x18 PASID. A store to the last starts the copy; 0x20 then reads 0, or the errno.
 */
#include <ringfence/device.h>

#define SOURCE	    0x00u
#define DESTINATION 0x08u
#define LENGTH	    0x10u
#define PASID	    0x18u
#define STATUS	    0x20u
#define REGISTERS   4u

struct copier {
	uint64_t regs[REGISTERS];
	uint64_t status;
	uint8_t buf[4096];
};

static uint64_t copy(struct rf_device *dev, struct copier *copier)
{
	uint64_t len = copier->regs[LENGTH / 8];
	uint32_t pasid = (uint32_t)copier->regs[PASID / 8];
	int ret;

	if (len > sizeof(copier->buf))
		len = sizeof(copier->buf);
	ret = rf_dma_read_pasid(dev, pasid, copier->regs[SOURCE / 8], copier->buf, len);
	if (!ret)
		ret = rf_dma_write_pasid(dev, pasid, copier->regs[DESTINATION / 8], copier->buf,
					 len);
	return (uint64_t)-ret;
}

static uint64_t copier_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	const struct copier *copier = rf_device_data(dev);

	return off == STATUS ? copier->status : 0;
}

static void copier_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
			 unsigned size)
{
	struct copier *copier = rf_device_data(dev);

	if (off / 8 >= REGISTERS || off % 8 || size != 8)
		return;
	copier->regs[off / 8] = val;
	if (off == PASID)
		copier->status = copy(dev, copier);
}

RF_PCI_MODEL(copier, .summary = "an example: copies memory by PASID", .vendor = 0x1234,
	     .device = 0xc0d1, .class = 0x088000, .caps = RF_PCI_CAP_PCIE | RF_PCI_CAP_PASID,
	     .pasid_bits = 20,
	     .bars = { { .size = 4096, .read = copier_read, .write = copier_write } },
	     .data_size = sizeof(struct copier));
