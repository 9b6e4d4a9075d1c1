/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nvme: an NVM Express 1.4 controller with memory or a file for media.
 *
 * BAR 0 holds the registers in its first page (loads never trap: the model
 * keeps the page as the driver should see it), the doorbells in its second,
 * and the MSI-X table and pending bits in the third and fourth.
 *
 * nvme_ctrl.c registers; nvme_queue.c rings, doorbells and interrupts;
 * nvme_admin.c, nvme_identify.c, nvme_feature.c, nvme_log.c admin commands;
 * nvme_io.c the NVM command set; nvme_prp.c data transfers; nvme_media.c the
 * blocks; nvme_spec.h the numbers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "models/nvme.h"

#define NVME_BAR_SIZE 0x4000u

extern const struct rf_pci_model nvme_model;

static uint64_t nvme_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	const uint8_t *mem = rf_bar_mem(dev, bar);
	uint64_t val = 0;

	memcpy(&val, mem + off, size);
	return val;
}

static void nvme_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
		       unsigned size)
{
	struct nvme *n = rf_device_data(dev);

	if (off >= NVME_REG_DOORBELLS)
		nvme_doorbell_write(n, off, size);
	else
		nvme_ctrl_write(n, off, val, size);
}

static unsigned nvme_poll(struct rf_device *dev)
{
	return nvme_doorbell_poll(rf_device_data(dev));
}

static void nvme_reset(struct rf_device *dev)
{
	nvme_ctrl_power_on(rf_device_data(dev));
}

/* A number property within [min, max]. */
static int nvme_prop_number(struct rf_device *dev, const char *name, uint64_t min, uint64_t max,
			    unsigned *out)
{
	uint64_t val = rf_prop_uint(dev, name);

	if (val < min || val > max) {
		rf_device_error(dev, "%s: %llu is not between %llu and %llu", name,
				(unsigned long long)val, (unsigned long long)min,
				(unsigned long long)max);
		return -EINVAL;
	}
	*out = val;
	return 0;
}

/* A text property of printable ASCII that fits its field. */
static int nvme_prop_text(struct rf_device *dev, const char *name, char *out, size_t size)
{
	const char *text = rf_prop_string(dev, name);
	size_t i, len;

	if (!text)
		return 0;
	len = strlen(text);
	if (len >= size) {
		rf_device_error(dev, "%s: longer than %zu characters", name, size - 1);
		return -EINVAL;
	}
	for (i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e) {
			rf_device_error(dev, "%s: not printable ASCII", name);
			return -EINVAL;
		}
	memcpy(out, text, len + 1);
	return 0;
}

static int nvme_configure(struct nvme *n)
{
	struct rf_device *dev = n->dev;
	uint64_t block = rf_prop_uint(dev, "block-size");
	int ret;

	if (block != 512 && block != 4096) {
		rf_device_error(dev, "block-size: %llu is neither 512 nor 4096",
				(unsigned long long)block);
		return -EINVAL;
	}
	n->block_shift = block == 512 ? 9 : 12;
	ret = nvme_prop_number(dev, "namespaces", 1, NVME_NAMESPACES, &n->namespaces);
	if (!ret)
		ret = nvme_prop_number(dev, "queues", 1, NVME_QUEUES, &n->queues);
	if (!ret)
		ret = nvme_prop_number(dev, "mdts", 1, NVME_MDTS_MAX, &n->mdts);
	if (!ret)
		ret = nvme_prop_number(dev, "wzsl", 0, NVME_MDTS_MAX, &n->wzsl);
	if (ret)
		return ret;
	snprintf(n->serial, sizeof(n->serial), "RF-%s", rf_device_name(dev));
	ret = nvme_prop_text(dev, "serial", n->serial, sizeof(n->serial));
	if (!ret)
		ret = nvme_prop_text(dev, "model", n->model, sizeof(n->model));
	return ret;
}

/*
 * An identity that is the same at every start and differs between devices: two
 * rounds of FNV-1a over serial number and model, marked as a vendor's own kind
 * of UUID (version 8).
 */
static void nvme_make_uuid(struct nvme *n)
{
	uint64_t hash[2] = { 0xcbf29ce484222325ull, 0x84222325cbf29ce4ull };
	const char *text[2] = { n->serial, n->model };
	unsigned half, part;
	const char *at;

	for (half = 0; half < 2; half++)
		for (part = 0; part < 2; part++)
			for (at = text[part ^ half]; *at; at++)
				hash[half] = (hash[half] ^ (uint8_t)*at) * 0x100000001b3ull;
	memcpy(n->uuid, hash, sizeof(n->uuid));
	n->uuid[6] = (n->uuid[6] & 0x0f) | 0x80;
	n->uuid[8] = (n->uuid[8] & 0x3f) | 0x80;
}

static int nvme_init(struct rf_device *dev)
{
	struct nvme *n = rf_device_data(dev);
	uint8_t *bar = rf_bar_mem(dev, 0);
	int ret;

	if (!bar) {
		rf_device_error(dev, "no memory behind BAR 0");
		return -ENOMEM;
	}
	n->dev = dev;
	n->regs = (volatile struct nvme_regs *)bar;
	n->doorbells = (volatile uint64_t *)(bar + NVME_REG_DOORBELLS);

	ret = nvme_configure(n);
	if (ret)
		return ret;
	nvme_make_uuid(n);
	ret = nvme_media_open(&n->media, dev, (uint64_t)n->namespaces << n->block_shift);
	if (ret)
		return ret;
	n->blocks = n->media.size / n->namespaces >> n->block_shift;
	nvme_ctrl_power_on(n);
	return 0;
}

static void nvme_fini(struct rf_device *dev)
{
	struct nvme *n = rf_device_data(dev);

	nvme_media_close(&n->media);
}

static const struct rf_prop nvme_props[] = {
	{ "size", RF_PROP_SIZE, NULL, "bytes of media in all (default: 1G, or what the file has)" },
	{ "file", RF_PROP_PATH, NULL, "media file; with size=, created when missing" },
	{ "block-size", RF_PROP_SIZE, "512", "bytes of a logical block: 512 or 4096" },
	{ "namespaces", RF_PROP_UINT, "1", "namespaces that share the media equally, 1 to 64" },
	{ "queues", RF_PROP_UINT, "64", "I/O queue pairs, 1 to 64" },
	{ "mdts", RF_PROP_UINT, "7", "largest transfer, 2^mdts pages of 4 KiB, 1 to 9" },
	{ "wzsl", RF_PROP_UINT, "0", "largest Write Zeroes, 2^wzsl pages of 4 KiB; 0: no limit" },
	{ "serial", RF_PROP_STRING, NULL, "serial number, up to 20 characters (default: RF-BDF)" },
	{ "model", RF_PROP_STRING, "Ringfence NVMe Controller", "model name, up to 40 characters" },
	{ NULL, 0, NULL, NULL },
};

const struct rf_pci_model nvme_model = {
	.abi = RF_MODEL_ABI,
	.name = "nvme",
	.summary = "NVM Express 1.4 controller; media in memory or in a file",
	.vendor = NVME_VENDOR,
	.device = NVME_DEVICE,
	.subsystem_vendor = NVME_SUBSYSTEM_VENDOR,
	.subsystem_device = NVME_SUBSYSTEM_DEVICE,
	.class = 0x010802,
	.revision = 2,
	.int_pin = 1,
	.caps = RF_PCI_CAP_PM | RF_PCI_CAP_PCIE | RF_PCI_CAP_FLR | RF_PCI_CONFIG_MEMORY,
	.msix_vectors = NVME_VECTORS,
	.msix_bar = 0,
	.msix_table = 0x2000,
	.msix_pba = 0x3000,
	.cap_offset = { .msix = 0x40, .pcie = 0x80, .pm = 0x60 },
	.bars = { {
		.size = NVME_BAR_SIZE,
		.flags = RF_BAR_64,
		.read = nvme_read,
		.write = nvme_write,
		.areas = {
			{ 0, NVME_REG_DOORBELLS, RF_AREA_READABLE },
			{ NVME_REG_DOORBELLS, 0x1000, RF_AREA_DOORBELL },
		},
	} },
	.props = nvme_props,
	.data_size = sizeof(struct nvme),
	.init = nvme_init,
	.fini = nvme_fini,
	.reset = nvme_reset,
	.poll = nvme_poll,
};
