/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The values of a function in a machine file, key by key: types, classes, ACS,
 * SR-IOV, configuration space.
 */
#include "machine/topology_values.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/suggest.h"

#define VF_OFFSET   8u
#define CONFIG_LINE 16u

const struct function_type function_types[FUNCTION_TYPES] = {
	{ "endpoint", PCIE_ENDPOINT, PCI_HEADER_NORMAL, 0x1b36, 0x0005, 0x00ff00 },
	{ "legacy-endpoint", PCIE_LEGACY_ENDPOINT, PCI_HEADER_NORMAL, 0x1b36, 0x0005, 0x00ff00 },
	{ "root-port", PCIE_ROOT_PORT, PCI_HEADER_BRIDGE, 0x1b36, 0x000c, 0x060400 },
	{ "upstream-port", PCIE_UPSTREAM, PCI_HEADER_BRIDGE, 0x104c, 0x8232, 0x060400 },
	{ "downstream-port", PCIE_DOWNSTREAM, PCI_HEADER_BRIDGE, 0x104c, 0x8233, 0x060400 },
	{ "pcie-to-pci-bridge", PCIE_TO_PCI_BRIDGE, PCI_HEADER_BRIDGE, 0x1b36, 0x000e, 0x060400 },
	{ "pci-to-pcie-bridge", PCI_TO_PCIE_BRIDGE, PCI_HEADER_BRIDGE, 0x1b36, 0x000e, 0x060400 },
	{ "rc-endpoint", PCIE_RC_ENDPOINT, PCI_HEADER_NORMAL, 0x1b36, 0x0005, 0x00ff00 },
	{ "event-collector", PCIE_RC_EVENT_COLLECTOR, PCI_HEADER_NORMAL, 0x1b36, 0x0005, 0x080700 },
	{ "pci", PCIE_NONE, PCI_HEADER_NORMAL, 0x1b36, 0x0005, 0x00ff00 },
	{ "pci-bridge", PCIE_NONE, PCI_HEADER_BRIDGE, 0x1b36, 0x0001, 0x060400 },
	{ "cardbus-bridge", PCIE_NONE, PCI_HEADER_CARDBUS, 0x1b36, 0x0001, 0x060700 },
};

static const struct {
	const char *name;
	uint32_t class;
} classes[] = {
	{ "host-bridge", 0x060000 }, { "isa-bridge", 0x060100 },  { "pci-bridge", 0x060400 },
	{ "nvme", 0x010802 },	     { "sata", 0x010601 },	  { "raid", 0x010400 },
	{ "scsi", 0x010000 },	     { "ethernet", 0x020000 },	  { "network", 0x028000 },
	{ "infiniband", 0x020700 },  { "vga", 0x030000 },	  { "3d", 0x030200 },
	{ "display", 0x038000 },     { "audio", 0x040300 },	  { "multimedia", 0x048000 },
	{ "memory", 0x058000 },	     { "serial", 0x070002 },	  { "communication", 0x078000 },
	{ "system", 0x088000 },	     { "usb", 0x0c0330 },	  { "smbus", 0x0c0500 },
	{ "encryption", 0x100000 },  { "accelerator", 0x120000 }, { "wireless", 0x0d8000 },
	{ "firewire", 0x0c0010 },
};
#define NR_CLASSES (sizeof(classes) / sizeof(*classes))

static const struct {
	const char *name;
	uint16_t bit;
} acs_bits[] = {
	{ "SV", ACS_SV }, { "TB", ACS_TB }, { "RR", ACS_RR }, { "CR", ACS_CR },
	{ "UF", ACS_UF }, { "EC", ACS_EC }, { "DT", ACS_DT },
};

/* "8086:1533": two numbers of four digits. */
static bool ids_parse(const char *text, uint16_t *first, uint16_t *second)
{
	unsigned a, b;
	int end = -1;

	if (!text || strlen(text) != 9 || !isxdigit((unsigned char)text[0]) ||
	    !isxdigit((unsigned char)text[5]) || sscanf(text, "%4x:%4x%n", &a, &b, &end) != 2 ||
	    end != 9)
		return false;
	*first = (uint16_t)a;
	*second = (uint16_t)b;
	return true;
}

int value_ids(const struct reader *r, struct spot spot, const char *key, const json_t *value,
	      uint16_t *first, uint16_t *second)
{
	if (ids_parse(json_string_value(value), first, second))
		return 0;
	return reader_fail(r, spot_member(spot, key),
			   "\"%s\": expected VENDOR:DEVICE in hexadecimal, e.g. \"8086:1533\"",
			   key);
}

int value_class(const struct reader *r, struct spot spot, const json_t *value,
		struct pci_function *fn)
{
	const char *text = json_string_value(value), *words[NR_CLASSES + 1], *near;
	char *end;

	for (size_t i = 0; i < NR_CLASSES; i++) {
		words[i] = classes[i].name;
		if (text && !strcmp(text, classes[i].name)) {
			fn->class = classes[i].class;
			return 0;
		}
	}
	words[NR_CLASSES] = NULL;
	if (text && strlen(text) == 6 && isxdigit((unsigned char)text[0])) {
		fn->class = (uint32_t)strtoul(text, &end, 16);
		if (!*end)
			return 0;
	}
	near = text ? suggest_word(text, words) : NULL;
	if (near)
		return reader_fail(r, spot_member(spot, "class"),
				   "\"class\": no class \"%s\" (did you mean \"%s\"?)", text, near);
	return reader_fail(r, spot_member(spot, "class"),
			   "\"class\": expected a name or six hexadecimal digits, e.g. \"020000\"");
}

int value_type(const struct reader *r, struct spot spot, const json_t *value, size_t *type)
{
	const char *text = json_string_value(value), *words[FUNCTION_TYPES + 1], *near;

	if (!text)
		return read_wrong_type(r, spot_member(spot, "type"), "type", "a string", value);
	for (size_t i = 0; i < FUNCTION_TYPES; i++) {
		words[i] = function_types[i].name;
		if (!strcmp(text, function_types[i].name)) {
			*type = i;
			return 0;
		}
	}
	words[FUNCTION_TYPES] = NULL;
	near = suggest_word(text, words);
	if (near)
		return reader_fail(r, spot_member(spot, "type"),
				   "\"type\": no type \"%s\" (did you mean \"%s\"?)", text, near);
	return reader_fail(r, spot_member(spot, "type"), "\"type\": no type \"%s\"", text);
}

/* The bits of one list, or of true. */
static int read_acs_bits(const struct reader *r, struct spot spot, const json_t *value,
			 uint16_t *out)
{
	const char *text;

	if (json_is_true(value)) {
		*out = ACS_ISOLATION;
		return 0;
	}
	if (!json_is_array(value))
		return reader_fail(r, spot_member(spot, "acs"),
				   "\"acs\": expected true, false, an array of bits, or an object "
				   "with \"capability\" and \"control\"");
	for (size_t n = 0; n < json_array_size(value); n++) {
		size_t i = 0, count = sizeof(acs_bits) / sizeof(*acs_bits);

		text = json_string_value(json_array_get(value, n));
		while (i < count && (!text || strcmp(text, acs_bits[i].name) != 0))
			i++;
		if (i == count)
			return reader_fail(
				r, spot_member(spot, "acs"),
				"\"acs\": no bit \"%s\": expected SV, TB, RR, CR, UF, EC "
				"or DT",
				text ?: "?");
		*out |= acs_bits[i].bit;
	}
	return 0;
}

int value_acs(const struct reader *r, struct spot spot, json_t *value, struct pci_function *fn)
{
	json_t *member;
	const char *key;
	int ret = 0;

	fn->has_acs = !json_is_false(value);
	if (json_is_false(value))
		return 0;
	if (!json_is_object(value)) {
		ret = read_acs_bits(r, spot, value, &fn->acs_cap);
		fn->acs_ctrl = fn->acs_cap;
		return ret;
	}
	json_object_foreach(value, key, member)
	{
		if (!strcmp(key, "capability"))
			ret = read_acs_bits(r, spot, member, &fn->acs_cap);
		else if (!strcmp(key, "control"))
			ret = read_acs_bits(r, spot, member, &fn->acs_ctrl);
		else
			ret = read_unknown_key(
				r, spot_member(spot_member(spot, "acs"), key), key,
				suggest_word(key,
					     (const char *[]){ "capability", "control", NULL }));
		if (ret)
			return ret;
	}
	if (fn->acs_ctrl & ~fn->acs_cap)
		return reader_fail(r, spot_member(spot, "acs"),
				   "\"acs\": \"control\" has bits that \"capability\" lacks");
	return 0;
}

int value_driver(const struct reader *r, struct spot spot, const char *key, const json_t *value,
		 char **driver)
{
	struct device_desc named = { 0 };
	int ret;

	if (!json_is_string(value))
		return read_wrong_type(r, spot, key, "a string", value);
	ret = device_desc_set_driver(&named, json_string_value(value), r->error);
	if (ret)
		return reader_blame(r, spot, ret);
	free(*driver);
	*driver = named.driver;
	return 0;
}

int value_sriov(const struct reader *r, struct spot spot, json_t *value, struct pci_function *fn,
		char **driver)
{
	static const char *const keys[] = { "vfs", "offset", "stride", "device", "driver", NULL };
	uint64_t vfs = 0, offset = VF_OFFSET, stride = 1, device = 0;
	struct spot at = spot_member(spot, "sr-iov");
	json_t *member;
	const char *key;
	int ret = 0;

	if (json_is_integer(value))
		ret = read_number(r, at, "sr-iov", value, 65535, &vfs);
	else if (!json_is_object(value))
		return read_wrong_type(r, at, "sr-iov", "an object or a number of VFs", value);
	else
		json_object_foreach(value, key, member)
		{
			struct spot where = spot_member(at, key);

			if (!strcmp(key, "vfs"))
				ret = read_number(r, where, key, member, 65535, &vfs);
			else if (!strcmp(key, "offset"))
				ret = read_number(r, where, key, member, 65535, &offset);
			else if (!strcmp(key, "stride"))
				ret = read_number(r, where, key, member, 65535, &stride);
			else if (!strcmp(key, "device"))
				ret = read_number(r, where, key, member, 65535, &device);
			else if (!strcmp(key, "driver"))
				ret = value_driver(r, where, key, member, driver);
			else
				ret = read_unknown_key(r, where, key, suggest_word(key, keys));
			if (ret)
				return ret;
		}
	if (!ret && vfs && !offset)
		return reader_fail(r, at, "\"sr-iov\": \"offset\" 0 would put a VF on its PF");
	if (!ret && vfs > 1 && !stride)
		return reader_fail(r, at, "\"sr-iov\": \"stride\" 0 would put VFs on each other");
	fn->nr_vfs = (uint16_t)vfs;
	fn->vf_offset = (uint16_t)offset;
	fn->vf_stride = (uint16_t)stride;
	fn->vf_device = (uint16_t)device;
	return ret;
}

/* DMA aliases: devices and functions of the same bus, "00.1". */
int value_aliases(const struct reader *r, struct spot spot, const json_t *value,
		  struct pci_function *fn)
{
	if (!json_is_array(value))
		return read_wrong_type(r, spot_member(spot, "aliases"), "aliases", "an array",
				       value);
	for (size_t i = 0; i < json_array_size(value); i++) {
		const char *text = json_string_value(json_array_get(value, i));
		unsigned slot, function, devfn;
		int end = -1;

		if (!text || sscanf(text, "%2x.%1x%n", &slot, &function, &end) != 2 || text[end] ||
		    slot > 31 || function > 7)
			return reader_fail(r, spot_member(spot, "aliases"),
					   "\"aliases\": expected DEVICE.FUNCTION, e.g. \"00.1\"");
		devfn = slot << 3 | function;
		fn->aliases[devfn / 64] |= 1ull << devfn % 64;
	}
	return 0;
}

/* "10: 00 00 ..." : one line of sixteen bytes; its offset, or -1. */
static long config_line(const char *text, uint8_t bytes[CONFIG_LINE])
{
	unsigned offset, value;
	int end = -1;

	if (!text || sscanf(text, "%3x:%n", &offset, &end) != 1 || end < 0)
		return -1;
	text += end;
	for (unsigned i = 0; i < CONFIG_LINE; i++) {
		end = -1;
		if (text[0] != ' ' || !isxdigit((unsigned char)text[1]) ||
		    !isxdigit((unsigned char)text[2]) || sscanf(text, " %2x%n", &value, &end) != 1)
			return -1;
		bytes[i] = (uint8_t)value;
		text += end;
	}
	return *text || offset % CONFIG_LINE ? -1 : (long)offset;
}

int value_bar_sizes(const struct reader *r, struct spot spot, const json_t *value,
		    struct pci_function *fn)
{
	struct spot at = spot_member(spot, "bar-sizes");

	if (!json_is_array(value))
		return read_wrong_type(r, at, "bar-sizes", "an array", value);
	if (json_array_size(value) > RF_PCI_BARS + 1)
		return reader_fail(r, at, "\"bar-sizes\": at most six BARs, and the ROM");
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *size = json_array_get(value, i);
		int ret = read_number(r, at, "bar-sizes", size, 1ull << 62, &fn->bar_size[i]);

		if (ret)
			return ret;
		if (fn->bar_size[i] & (fn->bar_size[i] - 1))
			return reader_fail(r, at, "\"bar-sizes\": 0x%llx is not a power of two",
					   (unsigned long long)fn->bar_size[i]);
	}
	return 0;
}

int value_config(const struct reader *r, struct spot spot, const json_t *value,
		 const json_t *size_value, struct pci_function *fn)
{
	uint8_t bytes[PCI_CONFIG_EXT_SIZE] = { 0 };
	uint64_t size = 0;
	long last = -1;
	char *error = NULL;
	int ret;

	if (!json_is_array(value) || !json_array_size(value))
		return reader_fail(r, spot_member(spot, "config"),
				   "\"config\": expected an array of lines like \"00: 86 80 ...\"");
	for (size_t i = 0; i < json_array_size(value); i++) {
		const char *text = json_string_value(json_array_get(value, i));
		uint8_t line[CONFIG_LINE];
		long at = config_line(text, line);

		if (at < 0)
			return reader_fail(r, spot_member(spot, "config"),
					   "\"config\": line %zu: expected an offset and sixteen "
					   "bytes, found \"%.60s\"",
					   i + 1, text ?: "no text");
		if (at <= last || at + CONFIG_LINE > PCI_CONFIG_EXT_SIZE)
			return reader_fail(r, spot_member(spot, "config"),
					   "\"config\": line %zu: offset %lx is out of order",
					   i + 1, at);
		memcpy(bytes + at, line, CONFIG_LINE);
		last = at;
	}
	size = last < 64 ? 64 : last < 256 ? 256 : PCI_CONFIG_EXT_SIZE;
	if (size_value) {
		ret = read_number(r, spot_member(spot, "config-size"), "config-size", size_value,
				  PCI_CONFIG_EXT_SIZE, &size);
		if (ret)
			return ret;
	}
	if (last + CONFIG_LINE > (long)size)
		return reader_fail(r, spot_member(spot, "config-size"),
				   "\"config-size\": there are %ld bytes", last + CONFIG_LINE);
	ret = pci_function_decode(fn, bytes, size, &error);
	if (ret == -EINVAL) {
		fail(ret, r->error, "\"config\": %s", error ?: "cannot be");
		ret = reader_blame(r, spot_member(spot, "config"), ret);
	}
	free(error);
	return ret;
}

int value_buses(const struct reader *r, struct spot spot, const json_t *value,
		struct pci_function *fn)
{
	struct spot at = spot_member(spot, "bus");
	uint64_t first, last;
	int ret;

	if (!json_is_array(value)) {
		ret = read_number(r, at, "bus", value, 255, &first);
		last = 0;
	} else if (json_array_size(value) != 2) {
		return reader_fail(r, at, "\"bus\": expected one number, or the first and last");
	} else {
		ret = read_number(r, at, "bus", json_array_get(value, 0), 255, &first);
		if (!ret)
			ret = read_number(r, at, "bus", json_array_get(value, 1), 255, &last);
	}
	if (ret)
		return ret;
	fn->secondary = (uint8_t)first;
	fn->subordinate = (uint8_t)last;
	return 0;
}
