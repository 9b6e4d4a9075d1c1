/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space of which there is an image: a model, or through it a machine
 * file, brings the bytes that a real function showed. They say everything but
 * how large BARs are, and which bits a driver can write. The latter is
 * the specifications' word, capability by capability; of the bits that a function may
 * leave out it has those that were set when the image was made.
 *
 * Bits that a driver sets are clear after power-on, what errors left behind too. What
 * a capability holds that is not known here stays as it is in the image.
 *
 * Nothing in the bytes is trusted: a list may have no more members than there is room
 * for, and what does not fit is not there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/internal.h"

#define CFG_REVISION	 0x08u
#define CFG_CLASS	 0x09u
#define CFG_HEADER	 0x0eu
#define CFG_SUBSYSTEM	 0x2cu
#define CAP_LINKS	 48u
#define EXT_CAP_LINKS	 480u

#define CAP_PM		 0x01u
#define CAP_MSI		 0x05u
#define CAP_PCIE	 0x10u
#define CAP_MSIX	 0x11u
#define CAP_AF		 0x13u
#define EXT_AER		 0x0001u
#define EXT_PASID	 0x001bu

#define PM_CTRL_WRITABLE 0x1f03u /* state, PME enable, data select */
#define PM_CTRL_W1C	 0x8000u /* PME status */
#define MSI_FLAGS_QMASK	 0x000eu
#define MSI_FLAGS_QSIZE	 0x0070u
#define MSI_FLAGS_64	 0x0080u
#define MSI_FLAGS_MASKS	 0x0100u
#define MSIX_QSIZE	 0x07ffu
#define MSIX_BIR	 0x7u
#define PCIE_DEVCAP_FLR	 0x10000000u
#define PCIE_TYPE_RC_END 0x9u /* has no link */
#define PCIE_PHANTOM	 0x0200u
#define AF_CAP		 3u
#define AF_CAP_RESET	 0x03u /* transactions pending, function level reset */
#define AER_UNC		 0x03fff030u /* uncorrectable errors */
#define AER_COR		 0x0000f1c1u /* correctable ones */

#define BAR_IO		 0x1u
#define BAR_TYPE_64	 0x4u
#define BAR_PREFETCH	 0x8u

static uint32_t get(const uint8_t *bytes, unsigned off, unsigned size)
{
	uint32_t val = 0;

	for (unsigned i = 0; i < size; i++)
		val |= (uint32_t)bytes[off + i] << (8 * i);
	return val;
}

/*
 * The list of capabilities: each is told to @found with its offset, as long as @found
 * finds that it fits.
 */
static void image_walk(void *arg, const uint8_t *bytes,
		       void (*found)(void *arg, const uint8_t *bytes, unsigned id, unsigned off))
{
	unsigned off = bytes[CFG_CAPABILITIES] & ~3u;

	if (!(get(bytes, CFG_STATUS, 2) & STATUS_CAP_LIST))
		return;
	for (unsigned i = 0; off >= CFG_HEADER_END && i < CAP_LINKS; i++) {
		found(arg, bytes, bytes[off], off);
		off = bytes[off + 1] & ~3u;
	}
}

static bool fits(unsigned off, unsigned size)
{
	return off + size <= PCI_CONFIG_SIZE;
}

static unsigned msi_size(const uint8_t *bytes, unsigned off)
{
	unsigned flags = get(bytes, off + MSI_FLAGS, 2);

	return 10 + (flags & MSI_FLAGS_64 ? 4 : 0) + (flags & MSI_FLAGS_MASKS ? 10 : 0);
}

static void declare_msix(struct rf_pci_model *model, const uint8_t *bytes, unsigned off)
{
	uint32_t table = get(bytes, off + 4, 4), pba = get(bytes, off + 8, 4);

	model->msix_vectors = (uint16_t)((get(bytes, off + MSIX_FLAGS, 2) & MSIX_QSIZE) + 1);
	model->msix_bar = table & MSIX_BIR;
	model->msix_table = table & ~MSIX_BIR;
	model->msix_pba = pba & ~MSIX_BIR;
}

/* What the engine has to know of a capability to be the device. */
static void declare_cap(void *arg, const uint8_t *bytes, unsigned id, unsigned off)
{
	struct rf_pci_model *model = arg;

	if (id == CAP_PM && fits(off, 8))
		model->caps |= RF_PCI_CAP_PM;
	else if (id == CAP_MSI && fits(off, msi_size(bytes, off)))
		model->msi_vectors =
			(uint16_t)(1u << ((get(bytes, off + MSI_FLAGS, 2) & MSI_FLAGS_QMASK) >> 1));
	else if (id == CAP_MSIX && fits(off, 12))
		declare_msix(model, bytes, off);
	else if (id == CAP_PCIE && fits(off, 20))
		model->caps |= RF_PCI_CAP_PCIE |
			       (get(bytes, off + 4, 4) & PCIE_DEVCAP_FLR ? RF_PCI_CAP_FLR : 0);
}

static void declare_bars(struct rf_pci_model *model, const uint8_t *bytes)
{
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		uint32_t low = get(bytes, CFG_BAR + 4 * i, 4);
		struct rf_bar *bar = &model->bars[i];

		bar->flags = low & BAR_IO ? RF_BAR_IO :
					    (low & BAR_TYPE_64 ? RF_BAR_64 : 0) |
						    (low & BAR_PREFETCH ? RF_BAR_PREFETCH : 0);
		if (bar->flags & RF_BAR_64)
			i++;
	}
}

int image_declare(struct rf_pci_model *model, char **error)
{
	const uint8_t *bytes = model->config;

	if (model->config_length != PCI_CONFIG_SIZE &&
	    model->config_length != PCI_CONFIG_EXT_SIZE) {
		*error = message("%s: a configuration space of %zu bytes is neither 256 nor 4096",
				 model->name, model->config_length);
		return -EINVAL;
	}
	if ((bytes[CFG_HEADER] & 0x7f) != 0) {
		*error = message("%s: the configuration space is not an endpoint's (header type "
				 "%02x)",
				 model->name, bytes[CFG_HEADER] & 0x7fu);
		return -EINVAL;
	}
	model->vendor = (uint16_t)get(bytes, 0, 2);
	model->device = (uint16_t)get(bytes, 2, 2);
	model->subsystem_vendor = (uint16_t)get(bytes, CFG_SUBSYSTEM, 2);
	model->subsystem_device = (uint16_t)get(bytes, CFG_SUBSYSTEM + 2, 2);
	model->revision = bytes[CFG_REVISION];
	model->class = get(bytes, CFG_CLASS, 2) | (uint32_t)bytes[CFG_CLASS + 2] << 16;
	model->int_pin = bytes[CFG_INTERRUPT_PIN] <= 4 ? bytes[CFG_INTERRUPT_PIN] : 0;
	model->caps &= RF_PCI_CONFIG_MEMORY;
	model->msi_vectors = model->msix_vectors = 0;
	model->pasid_bits = 0;
	declare_bars(model, bytes);
	image_walk(model, bytes, declare_cap);
	if (model->msi_vectors > 32)
		model->msi_vectors = 32;
	/* a table that no BAR has room for is none */
	if (model->msix_vectors &&
	    (model->msix_bar >= RF_PCI_BARS || model->bars[model->msix_bar].flags & RF_BAR_IO ||
	     model->msix_table + model->msix_vectors * (uint64_t)MSIX_ENTRY_SIZE >
		     model->bars[model->msix_bar].size))
		model->msix_vectors = 0;
	return 0;
}

/* A register a driver writes: writable bits, cleared, and those that a written 1 clears. */
static void reg(struct rf_device *dev, unsigned off, unsigned size, uint32_t writable, uint32_t w1c)
{
	for (unsigned i = 0; i < size; i++) {
		dev->config_wmask[off + i] = (uint8_t)(writable >> (8 * i));
		dev->config_w1c[off + i] = (uint8_t)(w1c >> (8 * i));
		dev->config[off + i] &= (uint8_t) ~((writable | w1c) >> (8 * i));
	}
}

/* Likewise, but it keeps what is in the image: a default that is not zero. */
static void reg_kept(struct rf_device *dev, unsigned off, unsigned size, uint32_t writable)
{
	for (unsigned i = 0; i < size; i++)
		dev->config_wmask[off + i] = (uint8_t)(writable >> (8 * i));
}

static void build_msi(struct rf_device *dev, unsigned off)
{
	uint32_t flags = get(dev->config, off + MSI_FLAGS, 2);
	unsigned data = flags & MSI_FLAGS_64 ? 12 : 8;

	dev->cap_msi = (uint8_t)off;
	reg(dev, off + MSI_FLAGS, 2,
	    MSI_FLAGS_ENABLE | (flags & MSI_FLAGS_QMASK ? MSI_FLAGS_QSIZE : 0), 0);
	reg(dev, off + 4, 4, 0xfffffffc, 0);
	if (flags & MSI_FLAGS_64)
		reg(dev, off + 8, 4, 0xffffffff, 0);
	reg(dev, off + data, 2, 0xffff, 0);
	if (flags & MSI_FLAGS_MASKS) {
		reg(dev, off + data + 4, 4,
		    dev->model->msi_vectors == 32 ? UINT32_MAX :
						    (1u << dev->model->msi_vectors) - 1,
		    0);
		memset(dev->config + off + data + 8, 0, 4); /* nothing is pending yet */
	}
}

static void build_pcie(struct rf_device *dev, unsigned off)
{
	unsigned version = get(dev->config, off + 2, 2) & 0xf;
	unsigned type = get(dev->config, off + 2, 2) >> 4 & 0xf;
	uint32_t devctl = get(dev->config, off + PCIE_DEVCTL, 2);

	if (dev->cap_pcie)
		return; /* of two, the first counts */
	dev->cap_pcie = (uint8_t)off;
	reg_kept(dev, off + PCIE_DEVCTL, 2, (0x70e0u | devctl) & ~(PCIE_DEVCTL_FLR | PCIE_PHANTOM));
	reg(dev, off + 10, 2, 0, 0x000f); /* errors detected */
	if (type != PCIE_TYPE_RC_END)
		reg_kept(dev, off + 16, 2, 0x00c3u | get(dev->config, off + 16, 2));
	if (version >= 2 && fits(off, 44))
		reg_kept(dev, off + 40, 2, 0x8040u | get(dev->config, off + 40, 2));
}

static void build_cap(void *arg, const uint8_t *bytes, unsigned id, unsigned off)
{
	struct rf_device *dev = arg;

	if (id == CAP_PM && fits(off, 8)) {
		dev->cap_pm = (uint8_t)off;
		reg(dev, off + PM_CTRL, 2, PM_CTRL_WRITABLE, PM_CTRL_W1C);
	} else if (id == CAP_MSI && fits(off, msi_size(bytes, off))) {
		build_msi(dev, off);
	} else if (id == CAP_MSIX && fits(off, 12) && dev->model->msix_vectors) {
		dev->cap_msix = (uint8_t)off;
		dev->msix_pba_bar = dev->config[off + 8] & MSIX_BIR;
		reg(dev, off + MSIX_FLAGS, 2, MSIX_FLAGS_ENABLE | MSIX_FLAGS_MASK, 0);
	} else if (id == CAP_PCIE && fits(off, 20)) {
		build_pcie(dev, off);
	} else if (id == CAP_AF && fits(off, 6) && (bytes[off + AF_CAP] & AF_CAP_RESET) == 3) {
		dev->cap_af = (uint8_t)off;
	}
}

static void build_aer(struct rf_device *dev, unsigned off)
{
	uint32_t control = get(dev->config, off + 0x18, 4);

	reg(dev, off + 0x04, 4, 0, AER_UNC);
	reg_kept(dev, off + 0x08, 4, AER_UNC);
	reg_kept(dev, off + 0x0c, 4, AER_UNC);
	reg(dev, off + 0x10, 4, 0, AER_COR);
	reg_kept(dev, off + 0x14, 4, AER_COR);
	/* ECRC is generated and checked where it can be */
	reg(dev, off + 0x18, 4, (control & 0x20u) << 1 | (control & 0x80u) << 1, 0);
}

static void build_ext_caps(struct rf_device *dev)
{
	unsigned off = PCI_CONFIG_SIZE;

	for (unsigned i = 0;
	     off >= PCI_CONFIG_SIZE && off + 8 <= dev->config_size && i < EXT_CAP_LINKS; i++) {
		uint32_t header = get(dev->config, off, 4);

		if ((header & 0xffff) == EXT_AER && off + 0x2c <= dev->config_size)
			build_aer(dev, off);
		if ((header & 0xffff) == EXT_PASID && !dev->cap_pasid) {
			dev->cap_pasid = (uint16_t)off;
			reg(dev, off + PASID_CTRL, 2, PASID_CTRL_ENABLE, 0);
			dev->declared->caps |= RF_PCI_CAP_PASID;
			dev->declared->pasid_bits = dev->config[off + PASID_CAP + 1] & 0x1f;
		}
		off = header >> 20 & ~3u;
	}
	/* a width that PASIDs cannot have says that there are none */
	if (dev->declared->pasid_bits && dev->declared->pasid_bits <= 20)
		return;
	dev->declared->caps &= ~(uint32_t)RF_PCI_CAP_PASID;
	dev->declared->pasid_bits = 0;
	dev->cap_pasid = 0;
}

void image_build(struct rf_device *dev)
{
	const struct rf_pci_model *model = dev->model;
	size_t size =
		model->config_length < dev->config_size ? model->config_length : dev->config_size;

	memcpy(dev->config, model->config, size);
	dev->msix_bar = model->msix_bar;
	dev->msix_table = model->msix_table;
	dev->msix_pba = model->msix_pba;
	image_walk(dev, dev->config, build_cap);
	build_ext_caps(dev);
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		const struct rf_bar *bar = &model->bars[i];
		uint64_t at = get(dev->config, CFG_BAR + 4 * i, 4);

		if (bar->flags & RF_BAR_64)
			at |= (uint64_t)get(dev->config, CFG_BAR + 4 * i + 4, 4) << 32;
		if (bar->size)
			dev->bars[i].address = at & ~(bar->size - 1);
	}
}
