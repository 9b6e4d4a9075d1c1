/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inert: a function of which only the configuration space is known, to be opened all
 * the same. A driver that sets a device up by VFIO (finds it, sizes and maps its BARs,
 * walks its capabilities, arms its interrupts, maps memory) gets the answers that the real
 * one would give there; then nothing happens. BARs are memory that is zero
 * after each reset. It does no DMA and raises no interrupt of its own.
 *
 * The bytes are those that a machine file has for the function at its address, or those
 * of a file. How large a BAR is they do not say: that comes from the machine file
 * too (from an import), or from the user; else it is guessed from the address, which is a
 * multiple of the size, and said.
 */
#include <ctype.h>
#include <errno.h>
#include <ringfence/device.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "models/models.h"

#define PAGE	      4096u
#define CONFIG_SMALL  256u
#define CONFIG_LARGE  4096u
#define CFG_BAR	      0x10u
#define CFG_ROM	      0x30u
#define ROM	      RF_PCI_BARS
#define ROM_MAX	      (16u << 20)
#define BAR_IO	      1u
#define BAR_TYPE_64   4u
#define BAR_FLAGS     0xfu
#define TEXT_MAX      (1u << 20)
#define GUESS_MOST    (1u << 20)
#define GUESS_MOST_IO 256u

/* What is smaller than a page has no page of memory, and is kept here. */
struct inert {
	uint8_t small[RF_PCI_BARS][PAGE];
};

static uint8_t *inert_at(struct rf_device *dev, unsigned bar, uint64_t off)
{
	struct inert *inert = rf_device_data(dev);
	uint8_t *mem = rf_bar_mem(dev, bar);

	return mem ? mem + off : inert->small[bar] + off % PAGE;
}

static uint64_t inert_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	uint64_t val = 0;

	memcpy(&val, inert_at(dev, bar, off), size);
	return val;
}

static void inert_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
			unsigned size)
{
	memcpy(inert_at(dev, bar, off), &val, size);
}

static uint32_t get32(const uint8_t *bytes, unsigned off)
{
	return bytes[off] | (uint32_t)bytes[off + 1] << 8 | (uint32_t)bytes[off + 2] << 16 |
	       (uint32_t)bytes[off + 3] << 24;
}

/* A whole file of at most @most bytes, to be freed, with a 0 behind it. */
static int inert_file(struct rf_device *dev, const char *prop, size_t most, uint8_t **out,
		      size_t *size)
{
	const char *path = rf_prop_string(dev, prop);
	FILE *file = fopen(path, "rbe");
	uint8_t *bytes = malloc(most + 2);
	int ret = 0;

	*size = 0;
	if (!file || !bytes) {
		ret = file ? -ENOMEM : errno ? -errno : -EIO;
		rf_device_error(dev, "%s: %s: %s", prop, path, strerror(-ret));
		goto out;
	}
	*size = fread(bytes, 1, most + 1, file);
	if (ferror(file)) {
		ret = -EIO;
		rf_device_error(dev, "%s: %s: cannot be read", prop, path);
	} else if (!*size || *size > most) {
		ret = -EINVAL;
		rf_device_error(dev, "%s: %s: %s", prop, path, *size ? "too large" : "empty");
	}
out:
	if (file)
		fclose(file);
	if (ret) {
		free(bytes);
		return ret;
	}
	bytes[*size] = '\0';
	*out = bytes;
	return 0;
}

/*
 * "f0: 00 11 ...", lines as lspci -xxxx prints them; others are passed over. The number of
 * bytes, 0 if there is no such line or one is not what follows the last.
 */
static size_t inert_parse(const char *text, uint8_t bytes[CONFIG_LARGE])
{
	size_t size = 0;

	for (; text; text = strchr(text, '\n')) {
		char *at;
		unsigned long off;

		text += *text == '\n';
		off = strtoul(text, &at, 16);
		if (at == text || *at != ':' || !isxdigit((unsigned char)*text) || at - text > 3 ||
		    at[1] != ' ')
			continue;
		if (off != size)
			return 0;
		for (at++; *at == ' ' && isxdigit((unsigned char)at[1]) && size < CONFIG_LARGE;)
			bytes[size++] = (uint8_t)strtoul(at + 1, &at, 16);
	}
	return size;
}

static int inert_config_file(struct rf_device *dev, uint8_t bytes[CONFIG_LARGE], size_t *size)
{
	uint8_t *raw;
	int ret = inert_file(dev, "config", TEXT_MAX, &raw, size);

	if (ret)
		return ret;
	if (*size == CONFIG_SMALL || *size == CONFIG_LARGE)
		memcpy(bytes, raw, *size);
	else
		*size = inert_parse((const char *)raw, bytes);
	free(raw);
	if (*size == CONFIG_SMALL || *size == CONFIG_LARGE)
		return 0;
	rf_device_error(dev,
			"config: %s: %zu bytes of configuration space; expected 256 or 4096, as in "
			"/sys/bus/pci/devices/*/config or from lspci -xxxx, read by root",
			rf_prop_string(dev, "config"), *size);
	return -EINVAL;
}

/* The bytes, from where they are to be had. */
static int inert_config(struct rf_device *dev, uint8_t bytes[CONFIG_LARGE], size_t *size)
{
	const void *described;

	if (rf_prop_isset(dev, "config"))
		return inert_config_file(dev, bytes, size);
	described = rf_device_described(dev, size);
	if (!described) {
		rf_device_error(dev,
				"nothing is known of it: the machine file has no configuration "
				"space for this address; import one, or say config=FILE");
		return -EINVAL;
	}
	if (*size != CONFIG_SMALL && *size != CONFIG_LARGE) {
		rf_device_error(dev,
				"only %zu bytes of its configuration space are known: import it as "
				"root",
				*size);
		return -EINVAL;
	}
	memcpy(bytes, described, *size);
	return 0;
}

/* "128K:0x20:..." of six BARs and the ROM; what is not said stays. */
static int inert_sizes(struct rf_device *dev, uint64_t sizes[ROM + 1])
{
	const char *text = rf_prop_string(dev, "bar-sizes"), *at = text;

	for (unsigned i = 0; at && *at; i++) {
		char *end;
		uint64_t size = strtoull(at, &end, 0);
		const char *unit = *end ? strchr("kmgt", tolower((unsigned char)*end)) : NULL;

		if (unit)
			size <<= 10 * (unsigned)(strchr("kmgt", *unit) - "kmgt" + 1), end++;
		if (i > ROM || (*end && *end != ':') ||
		    !(isdigit((unsigned char)*at) || *at == ':')) {
			rf_device_error(
				dev,
				"bar-sizes: \"%s\" is not up to six sizes and the ROM's, as "
				"128K:0:0x20",
				text);
			return -EINVAL;
		}
		if (end > at)
			sizes[i] = size;
		at = *end ? end + 1 : end;
	}
	return 0;
}

/* Where a BAR of the image is, whether it is assigned at all, and 64 bits wide. */
static uint64_t inert_address(const uint8_t *bytes, unsigned bar, bool *wide)
{
	uint32_t low = get32(bytes, CFG_BAR + 4 * bar);

	*wide = !(low & BAR_IO) && low & BAR_TYPE_64 && bar + 1 < RF_PCI_BARS;
	return (low & ~(low & BAR_IO ? 3u : BAR_FLAGS)) |
	       (*wide ? (uint64_t)get32(bytes, CFG_BAR + 4 * bar + 4) << 32 : 0);
}

/* No larger than the address is aligned, nor into the next BAR. */
static uint64_t inert_guess(const uint8_t *bytes, unsigned bar)
{
	bool io = bytes[CFG_BAR + 4 * bar] & BAR_IO, wide;
	uint64_t at = inert_address(bytes, bar, &wide), size = at & -at;
	uint64_t most = io ? GUESS_MOST_IO : GUESS_MOST;

	if (size > most)
		size = most;
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		bool other_io = bytes[CFG_BAR + 4 * i] & BAR_IO;
		uint64_t other = inert_address(bytes, i, &wide);

		while (other_io == io && other > at && other < at + size)
			size /= 2;
		i += wide;
	}
	return size;
}

static void inert_bar(struct rf_bar *bar, uint64_t size)
{
	*bar = (struct rf_bar){ .size = size, .read = inert_read, .write = inert_write };
	if (size >= PAGE)
		bar->areas[0] = (struct rf_bar_area){ 0, size, RF_AREA_RAM };
}

static void inert_bars(struct rf_device *dev, const uint8_t *bytes, uint64_t sizes[ROM + 1],
		       struct rf_pci_model *model)
{
	unsigned guessed = 0;
	bool wide;

	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		uint64_t at = inert_address(bytes, i, &wide);

		if (!sizes[i] && at) {
			sizes[i] = inert_guess(bytes, i);
			guessed |= 1u << i;
		}
		if (sizes[i])
			inert_bar(&model->bars[i], sizes[i]);
		i += wide;
	}
	if (guessed)
		rf_device_warn(dev, "the sizes of its BARs are not known, and guessed: say "
				    "bar-sizes=, or import from /sys or from lspci -xxxxv");
}

static int inert_rom(struct rf_device *dev, const uint8_t *bytes, uint64_t size,
		     struct rf_pci_model *model)
{
	uint32_t at = get32(bytes, CFG_ROM) & ~0x7ffu;
	uint8_t *contents = NULL;
	int ret;

	if (rf_prop_isset(dev, "rom")) {
		ret = inert_file(dev, "rom", ROM_MAX, &contents, &model->rom_length);
		if (ret)
			return ret;
		model->rom = contents;
	}
	if (!size && (at || contents)) {
		size = 2048;
		while (size < model->rom_length)
			size *= 2;
	}
	model->rom_size = size;
	return 0;
}

static int inert_declare(struct rf_device *dev, struct rf_pci_model *model)
{
	uint64_t sizes[ROM + 1];
	uint8_t bytes[CONFIG_LARGE] = { 0 };
	uint8_t *copy;
	size_t size;
	int ret = inert_config(dev, bytes, &size);

	if (ret)
		return ret;
	for (unsigned i = 0; i <= ROM; i++)
		sizes[i] = rf_device_described_bar(dev, i);
	ret = inert_sizes(dev, sizes);
	if (ret)
		return ret;
	inert_bars(dev, bytes, sizes, model);
	ret = inert_rom(dev, bytes, sizes[ROM], model);
	if (ret)
		return ret;
	copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, size);
	model->config = copy;
	model->config_length = size;
	return 0;
}

static void inert_reset(struct rf_device *dev)
{
	struct inert *inert = rf_device_data(dev);

	memset(inert, 0, sizeof(*inert));
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		void *mem = rf_bar_mem(dev, i);

		if (mem)
			madvise(mem, rf_bar_size(dev, i), MADV_REMOVE);
	}
}

static const struct rf_prop inert_props[] = {
	{ "config", RF_PROP_PATH, NULL,
	  "its configuration space: bytes, or lspci -xxxx (default: the machine file's)" },
	{ "bar-sizes", RF_PROP_STRING, NULL,
	  "of six BARs and the ROM, as 128K:128K:32:16K:0:0:256K (default: the machine file's)" },
	{ "rom", RF_PROP_PATH, NULL, "contents of its expansion ROM" },
	{ NULL, 0, NULL, NULL },
};

const struct rf_pci_model inert_model = {
	.abi = RF_MODEL_ABI,
	.name = "inert",
	.summary = "any function, by its configuration space; can be opened, and does nothing",
	.props = inert_props,
	.data_size = sizeof(struct inert),
	.declare = inert_declare,
	.reset = inert_reset,
};
