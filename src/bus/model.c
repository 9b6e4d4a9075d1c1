/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks a model's declaration before a device is made of it, so that the
 * rest of the folder can rely on it: BARs are powers of two and do not use
 * each other's slots, areas are whole pages that do not overlap, the MSI-X
 * table and pending bits have pages of their own. A user's shared object is
 * told what is wrong in one line.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/internal.h"

/* -EINVAL, and "NAME: bad model: ..." */
static int __attribute__((format(printf, 3, 4)))
model_bad(const struct rf_pci_model *model, char **error, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*error = message("%s: bad model: %s", model->name, text);
	return -EINVAL;
}

static bool model_name_valid(const char *name)
{
	if (!name || !*name)
		return false;
	for (; *name; name++) {
		char c = (char)(*name | 32);

		if (!(c >= 'a' && c <= 'z') && !(*name >= '0' && *name <= '9') && *name != '-' &&
		    *name != '_')
			return false;
	}
	return true;
}

static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static int model_check_areas(const struct rf_pci_model *model, unsigned n, char **error)
{
	const struct rf_bar *bar = &model->bars[n];

	for (unsigned i = 0; i < RF_BAR_AREAS && bar->areas[i].size; i++) {
		const struct rf_bar_area *area = &bar->areas[i];

		if (area->offset % PAGE_SIZE || area->size % PAGE_SIZE ||
		    area->offset > bar->size || area->size > bar->size - area->offset)
			return model_bad(model, error, "BAR %u: area %u is not made of its pages",
					 n, i);
		if ((unsigned)area->kind > RF_AREA_DOORBELL)
			return model_bad(model, error, "BAR %u: area %u is of no known kind", n, i);
		for (unsigned j = 0; j < i; j++)
			if (ranges_overlap(area->offset, area->size, bar->areas[j].offset,
					   bar->areas[j].size))
				return model_bad(model, error, "BAR %u: areas %u and %u overlap", n,
						 j, i);
	}
	return 0;
}

static int model_check_ports(const struct rf_pci_model *model, unsigned n, char **error)
{
	const struct rf_bar *bar = &model->bars[n];

	if (bar->size < 4 || bar->size > 256 || bar->size & (bar->size - 1))
		return model_bad(model, error,
				 "BAR %u: 0x%llx I/O ports are not a power of two from 4 to 256", n,
				 (unsigned long long)bar->size);
	if (bar->flags != RF_BAR_IO || bar->areas[0].size)
		return model_bad(model, error,
				 "BAR %u: I/O ports have no other flags, and no areas", n);
	return 0;
}

static int model_check_bar(const struct rf_pci_model *model, unsigned n, char **error)
{
	const struct rf_bar *bar = &model->bars[n];
	uint64_t most = bar->flags & RF_BAR_64 ? 1ull << 62 : 1ull << 31;

	if (!bar->size)
		return 0;
	if (bar->flags & RF_BAR_IO)
		return model_check_ports(model, n, error);
	if (bar->size < 16 || bar->size & (bar->size - 1) || bar->size > most)
		return model_bad(model, error,
				 "BAR %u: size 0x%llx is not a power of two from 16 to 0x%llx", n,
				 (unsigned long long)bar->size, (unsigned long long)most);
	if (bar->flags & ~(uint32_t)(RF_BAR_64 | RF_BAR_PREFETCH))
		return model_bad(model, error, "BAR %u: unknown flags", n);
	if (bar->flags & RF_BAR_64 && (n == RF_PCI_BARS - 1 || model->bars[n + 1].size))
		return model_bad(model, error, "BAR %u: a 64-bit BAR needs the next slot too", n);
	return model_check_areas(model, n, error);
}

static int model_check_msix(const struct rf_pci_model *model, char **error)
{
	uint64_t table = page_up((uint64_t)model->msix_vectors * MSIX_ENTRY_SIZE);
	uint64_t pba = page_up((model->msix_vectors + 63u) / 64 * 8);
	const struct rf_bar *bar;

	if (!model->msix_vectors)
		return 0;
	if (model->msix_vectors > 2048)
		return model_bad(model, error, "more than 2048 MSI-X vectors");
	if (model->config || (!model->msix_table && !model->msix_pba))
		return 0; /* what does not fit is left out; or we add a BAR for them */
	if (model->msix_bar >= RF_PCI_BARS || !model->bars[model->msix_bar].size ||
	    model->bars[model->msix_bar].flags & RF_BAR_IO)
		return model_bad(model, error, "there is no BAR %u for MSI-X", model->msix_bar);
	bar = &model->bars[model->msix_bar];
	if (model->msix_table % PAGE_SIZE || model->msix_pba % PAGE_SIZE ||
	    model->msix_table > bar->size || table > bar->size - model->msix_table ||
	    model->msix_pba > bar->size || pba > bar->size - model->msix_pba ||
	    ranges_overlap(model->msix_table, table, model->msix_pba, pba))
		return model_bad(
			model, error,
			"the MSI-X table and pending bits need pages of their own in BAR %u",
			model->msix_bar);
	for (unsigned i = 0; i < RF_BAR_AREAS && bar->areas[i].size; i++)
		if (ranges_overlap(bar->areas[i].offset, bar->areas[i].size, model->msix_table,
				   table) ||
		    ranges_overlap(bar->areas[i].offset, bar->areas[i].size, model->msix_pba, pba))
			return model_bad(model, error, "BAR %u: area %u covers MSI-X pages",
					 model->msix_bar, i);
	return 0;
}

int model_check(const struct rf_pci_model *model, char **error)
{
	int ret;

	if (!model_name_valid(model->name)) {
		*error = message("bad model: its name is not made of letters, digits, - and _");
		return -EINVAL;
	}
	if (model->abi != RF_MODEL_ABI)
		return model_bad(model, error, "built for model interface %u, this is %u",
				 model->abi, RF_MODEL_ABI);
	if (model->class > 0xffffff)
		return model_bad(model, error, "its class has more than 24 bits");
	if (model->int_pin > 4)
		return model_bad(model, error, "interrupt pin %u is not one of 0 to 4",
				 model->int_pin);
	if (model->msi_vectors > 32 || model->msi_vectors & (model->msi_vectors - 1))
		return model_bad(model, error, "%u MSI vectors are not 0, 1, 2, 4, 8, 16 or 32",
				 model->msi_vectors);
	if (model->caps & ~(uint32_t)(RF_PCI_CAP_PM | RF_PCI_CAP_PCIE | RF_PCI_CAP_FLR |
				      RF_PCI_CAP_PASID | RF_PCI_CONFIG_MEMORY))
		return model_bad(model, error, "unknown capabilities");
	if (model->caps & RF_PCI_CAP_FLR && !(model->caps & RF_PCI_CAP_PCIE))
		return model_bad(model, error,
				 "function level reset needs the PCI Express capability");
	if (model->caps & RF_PCI_CAP_PASID && !(model->caps & RF_PCI_CAP_PCIE))
		return model_bad(model, error, "PASIDs need the PCI Express capability");
	if (model->caps & RF_PCI_CAP_PASID && (!model->pasid_bits || model->pasid_bits > 20))
		return model_bad(model, error, "PASIDs have 1 to 20 bits, not %u",
				 model->pasid_bits);
	if (model->rom_size && (model->rom_size < 2048 || model->rom_size > 16u << 20 ||
				model->rom_size & (model->rom_size - 1)))
		return model_bad(model, error,
				 "a ROM of 0x%llx bytes is not a power of two from "
				 "0x800 to 0x1000000",
				 (unsigned long long)model->rom_size);
	if (model->rom_length > model->rom_size)
		return model_bad(model, error, "the ROM's contents are longer than its BAR");
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		ret = model_check_bar(model, i, error);
		if (ret)
			return ret;
	}
	return model_check_msix(model, error);
}
