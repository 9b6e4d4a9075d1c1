/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lspci prints, read line by line:
 *
 *	0000:01:00.0 Ethernet controller [0200]: ... [8086:1533] (rev 03)
 *		Kernel driver in use: igb
 *	00: 86 80 33 15 ...
 *
 * A device begins with its address in the first column and goes on until the
 * next. Details of -v and -k, and the tree of -t, are passed over; the driver is
 * kept. Anything else is not lspci's, and the file is refused: a topology that
 * lacks the functions behind a cut would give wrong groups without a word.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "machine/fail.h"
#include "machine/import.h"

#define LINE_MAX_SHOWN	60u
#define SHOWN_SIZE	(4 * LINE_MAX_SHOWN + 1)
#define DOMAIN_VMD	0x10000u
#define HEX_BYTES	16u
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* editors leave it */

/**
 * struct lspci - the text being read
 * @line: from 1
 * @fn: the device being read, or NULL
 * @bytes: @size: its configuration space so far
 * @dump_line: the last line of it
 * @largest: the size of the largest configuration space so far
 * @sized: @nr_sized: addresses and sizes of BARs that -v told of it
 */
struct lspci {
	struct import *import;
	unsigned line;
	struct pci_function *fn;
	uint8_t bytes[PCI_CONFIG_EXT_SIZE];
	unsigned size;
	unsigned dump_line;
	unsigned largest;
	struct {
		uint64_t address, size;
	} sized[RF_PCI_BARS + 1];
	unsigned nr_sized;
	char **error;
};

static int lspci_blame(const struct lspci *l, unsigned line, int err)
{
	if (l->fn)
		fail_prefix(err, l->error, "%s", l->fn->name);
	return fail_prefix(err, l->error, "%s:%u", l->import->name, line);
}

#define lspci_fail(l, line, ...) \
	(fail(-EINVAL, (l)->error, __VA_ARGS__), lspci_blame(l, line, -EINVAL))

/*
 * Every line is whole, but lines may be missing at the end: of the last device
 * (@last) of the file, if others have more and it has capabilities beyond.
 */
static int lspci_check_whole(const struct lspci *l, bool last)
{
	if (!last || l->fn->caps_known || l->size >= l->largest ||
	    (l->fn->silent && l->size >= PCI_CONFIG_SIZE))
		return 0;
	return lspci_fail(l, l->dump_line, "cut short after %u of %u bytes%s", l->size, l->largest,
			  l->size == PCI_CONFIG_SIZE ? ", or saved with -xxx" : "");
}

/* Which BARs those are whose addresses and sizes -v told. */
static void lspci_sizes(const struct lspci *l)
{
	for (unsigned i = 0; i <= RF_PCI_BARS && l->fn->header == PCI_HEADER_NORMAL; i++) {
		const uint8_t *at = l->bytes + (i < RF_PCI_BARS ? 0x10 + 4 * i : 0x30);
		uint32_t low = at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
		bool wide = i + 1 < RF_PCI_BARS && (low & 7) == 4;
		uint64_t bar = low & ~(i == RF_PCI_BARS ? 0x7ffu : low & 1 ? 3u : 0xfu);

		if (wide)
			bar |= (uint64_t)(at[4] | at[5] << 8 | at[6] << 16 | (uint32_t)at[7] << 24)
			       << 32;
		for (unsigned n = 0; bar && n < l->nr_sized; n++)
			if (l->sized[n].address == bar)
				l->fn->bar_size[i] = l->sized[n].size;
		i += wide;
	}
}

/* The device is complete: see what its bytes say. */
static int lspci_finish(struct lspci *l, bool last)
{
	char *why = NULL;
	int ret;

	if (!l->fn)
		return 0;
	if (!l->size)
		return lspci_fail(l, l->fn->line,
				  "no configuration space follows: lspci needs -xxxx, and root");
	ret = pci_function_decode(l->fn, l->bytes, l->size, &why);
	if (ret == -EINVAL) {
		fail(ret, l->error, "%s", why ?: "cannot be");
		ret = lspci_blame(l, l->dump_line, ret);
	}
	free(why);
	if (!ret)
		ret = lspci_check_whole(l, last);
	if (!ret)
		lspci_sizes(l);
	if (!ret && !l->fn->caps_known && !l->fn->silent)
		l->import->nr_headers++;
	if (l->largest < l->size)
		l->largest = l->size;
	l->fn = NULL;
	l->size = 0;
	l->nr_sized = 0;
	return ret;
}

/* The start of a text that may be anything, for a message on a terminal. */
static void text_show(const char *text, char shown[SHOWN_SIZE])
{
	size_t used = 0;

	for (unsigned i = 0; text[i] && i < LINE_MAX_SHOWN; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c >= ' ' && c < 0x7f;

		used += (size_t)snprintf(shown + used, SHOWN_SIZE - used, plain ? "%c" : "\\x%02x",
					 c);
	}
	shown[used] = '\0';
}

/* The address at the start of a line, or 0 bytes of one. */
static size_t address_at(const char *line, struct pci_address *at)
{
	char text[PCI_NAME_SIZE];
	size_t len = strcspn(line, " \t");

	if (len < 7 || len >= sizeof(text))
		return 0;
	memcpy(text, line, len);
	text[len] = '\0';
	return pci_address_parse(text, at) ? 0 : len;
}

/* Up to four hexadecimal digits and nothing else: %x takes signs and "0x" as well. */
#define HEX4 "%4[0-9a-fA-F]"

static uint16_t hex4(const char *digits)
{
	return (uint16_t)strtoul(digits, NULL, 16);
}

/* "[8086:1533]", the last of the line, after "[0200]:"; or "0200: 8086:1533" of -n. */
static void line_ids(const char *rest, struct pci_function *fn)
{
	char class[5], vendor[5], device[5];
	const char *at = rest;

	if (sscanf(rest, " " HEX4 ": " HEX4 ":" HEX4, class, vendor, device) == 3) {
		fn->vendor = hex4(vendor);
		fn->device = hex4(device);
		fn->class = (uint32_t)hex4(class) << 8;
		return;
	}
	while ((at = strchr(at, '['))) {
		int end = -1;

		if (sscanf(at, "[" HEX4 ":" HEX4 "]%n", vendor, device, &end) == 2 && end == 11) {
			fn->vendor = hex4(vendor);
			fn->device = hex4(device);
		}
		if (!fn->class && sscanf(at, "[" HEX4 "]:%n", class, &end) == 1 && end == 7)
			fn->class = (uint32_t)hex4(class) << 8;
		at++;
	}
}

static int lspci_device(struct lspci *l, const char *line, size_t len, struct pci_address *at)
{
	struct pci_function values = PCI_FUNCTION_INIT;
	const struct pci_function *other;
	int ret = lspci_finish(l, false);

	if (ret)
		return ret;
	if (!line[len])
		return lspci_fail(l, l->line, "the line ends after the address %s", line);
	other = topology_find(l->import->topology, at);
	if (other)
		return lspci_fail(l, l->line, "%s was described in line %u already", other->name,
				  other->line);
	values.address = *at;
	values.line = l->line;
	line_ids(line + len, &values);
	return topology_add(l->import->topology, &values, &l->fn);
}

/* Two hexadecimal digits at @text; -1 for anything else. */
static int hex_byte(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	const char *high = *text ? strchr(digits, tolower((unsigned char)text[0])) : NULL;
	const char *low = high && text[1] ? strchr(digits, tolower((unsigned char)text[1])) : NULL;

	return low ? (int)((high - digits) << 4 | (low - digits)) : -1;
}

/* "f0: 00 00 ...": whether the line looks like that, and its offset. */
static bool dump_offset(const char *line, unsigned *offset, const char **bytes)
{
	size_t digits = 0;

	*offset = 0;
	while (digits < 4 && isxdigit((unsigned char)line[digits]))
		digits++;
	if (digits < 2 || digits > 3 || line[digits] != ':')
		return false;
	*offset = (unsigned)strtoul(line, NULL, 16);
	*bytes = line + digits + 1;
	return true;
}

static int lspci_dump(struct lspci *l, unsigned offset, const char *at)
{
	if (!l->fn)
		return lspci_fail(l, l->line, "configuration space without a device before it");
	if (offset != l->size || offset + HEX_BYTES > PCI_CONFIG_EXT_SIZE)
		return lspci_fail(l, l->line, "offset %x where %x was expected", offset, l->size);
	for (unsigned i = 0; i < HEX_BYTES; i++) {
		int byte = at[0] == ' ' ? hex_byte(at + 1) : -1;

		if (byte < 0)
			return lspci_fail(l, l->line, "cut short: line %x has %u of %u bytes",
					  offset, i, HEX_BYTES);
		l->bytes[l->size + i] = (uint8_t)byte;
		at += 3;
	}
	at += strspn(at, " \t");
	if (*at)
		return lspci_fail(l, l->line, "more than %u bytes in one line", HEX_BYTES);
	l->size += HEX_BYTES;
	l->dump_line = l->line;
	return 0;
}

/* A detail of -v or -k, or a line of the tree that -t draws. */
static bool is_detail(const char *line)
{
	return line[0] == '\t' || line[0] == ' ' || !strncmp(line, "-[", 2) || line[0] == '+' ||
	       line[0] == '\\' || line[0] == '|' || !strncmp(line, "lspci:", 6) ||
	       !strncmp(line, "pcilib:", 7);
}

/* "Memory at fe500000 (32-bit, ...) [size=128K]", "I/O ports at c080 [size=32]", or a ROM's. */
static void lspci_bar(struct lspci *l, const char *at)
{
	const char *size = strstr(at, "[size="), *address = strstr(at, " at ");
	unsigned long long value;
	char unit = 0;

	if (!size || !address || l->nr_sized > RF_PCI_BARS ||
	    sscanf(size, "[size=%llu%c", &value, &unit) != 2)
		return;
	value <<= unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : unit == 'T' ? 40 : 0;
	if (!value || value & (value - 1))
		return;
	l->sized[l->nr_sized].address = strtoull(address + 4, NULL, 16);
	l->sized[l->nr_sized++].size = value;
}

static int lspci_detail(struct lspci *l, const char *line)
{
	static const char said[] = "Kernel driver in use: ";
	const char *at = line + strspn(line, " \t");
	char shown[SHOWN_SIZE];
	bool good;

	if (l->fn)
		lspci_bar(l, at);
	if (!l->fn || strncmp(at, said, sizeof(said) - 1) != 0)
		return 0;
	at += sizeof(said) - 1;
	free(l->fn->driver);
	l->fn->driver = strndup(at, strcspn(at, " \t"));
	if (!l->fn->driver)
		return -ENOMEM;
	good = l->fn->driver[0] && strlen(l->fn->driver) <= 64;
	for (const char *c = l->fn->driver; *c; c++)
		good = good && (isalnum((unsigned char)*c) || strchr("-_", *c));
	if (good)
		return 0;
	text_show(at, shown);
	return lspci_fail(l, l->line, "no driver is called \"%s\"", shown);
}

static int lspci_line(struct lspci *l, char *line)
{
	size_t end = strlen(line), len;
	char shown[SHOWN_SIZE];
	struct pci_address at;
	const char *bytes;
	unsigned offset;

	while (end && (line[end - 1] == '\r' || line[end - 1] == ' '))
		line[--end] = '\0';
	if (!line[0])
		return 0;
	len = address_at(line, &at);
	if (len)
		return lspci_device(l, line, len, &at);
	if (dump_offset(line, &offset, &bytes))
		return lspci_dump(l, offset, bytes);
	if (is_detail(line))
		return lspci_detail(l, line);
	text_show(line, shown);
	return lspci_fail(l, l->line, "not what lspci prints: \"%s\"", shown);
}

static int lspci_read(struct lspci *l, char *text)
{
	bool tree = !strncmp(text, "-[", 2);
	char *line;
	int ret = 0;

	if (!strncmp(text, BYTE_ORDER_MARK, 3))
		text += 3;
	while (!ret && (line = strsep(&text, "\n"))) {
		l->line++;
		ret = lspci_line(l, line);
	}
	if (!ret)
		ret = lspci_finish(l, true);
	if (!ret && !topology_count(l->import->topology))
		return fail(-EINVAL, l->error,
			    "%s: no device in it: expected the output of "
			    "lspci -xxxx%s",
			    l->import->name, tree ? "; the tree of -t is not enough" : "");
	return ret;
}

static bool is_vmd(const struct pci_function *fn)
{
	static const uint16_t devices[] = { 0x201d, 0x28c0, 0x467f, 0x4c3d,
					    0x9a0b, 0x7d0b, 0xad0b, 0xa77f };

	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		if (fn->vendor == 0x8086 && fn->device == devices[i])
			return true;
	return false;
}

/*
 * Domains that firmware does not number are those of VMD endpoints, with whose
 * requester id all DMA from there is sent. Which is whose lspci does not say.
 */
static void lspci_link_vmd(const struct import *import)
{
	struct pci_function *vmd = NULL, *fn;
	unsigned nr_vmd = 0, nr_behind = 0;

	for (fn = topology_first(import->topology); fn; fn = topology_next(fn)) {
		if (is_vmd(fn) && !nr_vmd++)
			vmd = fn;
		nr_behind += fn->address.domain >= DOMAIN_VMD;
	}
	if (nr_behind && nr_vmd != 1)
		log_line(LOG_WARN,
			 "%s: %u functions are in domains of VMD endpoints, of which there are %u: "
			 "their groups are as if they had requester ids of their own; say "
			 "\"dma-device\" in the machine file",
			 import->name, nr_behind, nr_vmd);
	for (fn = topology_first(import->topology); fn && nr_vmd == 1; fn = topology_next(fn))
		if (fn->address.domain >= DOMAIN_VMD)
			fn->dma_device = vmd;
}

int import_lspci(const char *text, const char *name, struct import *out, char **error)
{
	struct lspci l = { .import = out, .error = error };
	char *copy = strdup(text);
	int ret = -ENOMEM;

	*out = (struct import){ .name = name };
	out->topology = topology_new();
	if (copy && out->topology)
		ret = lspci_read(&l, copy);
	if (!ret)
		lspci_link_vmd(out);
	if (!ret)
		ret = import_link(out, error);
	free(copy);
	if (ret)
		import_release(out);
	return ret;
}
