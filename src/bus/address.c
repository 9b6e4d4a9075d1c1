/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCI addresses as text. Only the forms that sysfs and users write are taken,
 * digit for digit: "0000:01:00.0", the same without its domain, and domains of
 * more than four digits, which start with none that is 0.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bus/device.h"

#define DOMAIN_DIGITS 4u
#define DOMAIN_MOST   8u

/* @digits hexadecimal digits at *text, not above @max; steps over them. */
static bool address_field(const char **text, unsigned digits, unsigned max, unsigned *out)
{
	unsigned value = 0;

	for (; digits; digits--, (*text)++) {
		char c = **text;

		if (c >= '0' && c <= '9')
			value = value * 16 + (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (unsigned)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			value = value * 16 + (unsigned)(c - 'A') + 10;
		else
			return false;
	}
	*out = value;
	return value <= max;
}

static bool address_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool address_rest(const char *text, unsigned *bus, unsigned *slot, unsigned *function)
{
	return address_field(&text, 2, 0xff, bus) && address_char(&text, ':') &&
	       address_field(&text, 2, 0x1f, slot) && address_char(&text, '.') &&
	       address_field(&text, 1, 7, function) && *text == '\0';
}

static bool address_domain(const char **text, unsigned *domain)
{
	unsigned digits = DOMAIN_DIGITS;

	while (digits <= DOMAIN_MOST && (*text)[digits] && (*text)[digits] != ':')
		digits++;
	if (digits > DOMAIN_MOST || (digits > DOMAIN_DIGITS && **text == '0'))
		return false;
	return address_field(text, digits, UINT32_MAX, domain) && address_char(text, ':');
}

int pci_address_parse(const char *text, struct pci_address *out)
{
	unsigned domain = 0, bus, slot, function;
	const char *rest = text;

	if (!address_rest(text, &bus, &slot, &function)) {
		if (strlen(text) <= DOMAIN_DIGITS || !address_domain(&rest, &domain) ||
		    !address_rest(rest, &bus, &slot, &function))
			return -EINVAL;
	}
	out->domain = domain;
	out->bus = (uint8_t)bus;
	out->slot = (uint8_t)slot;
	out->function = (uint8_t)function;
	return 0;
}

static uint64_t address_key(const struct pci_address *a)
{
	return (uint64_t)a->domain << 24 | (uint64_t)a->bus << 16 | (uint64_t)a->slot << 8 |
	       a->function;
}

int pci_address_compare(const struct pci_address *a, const struct pci_address *b)
{
	uint64_t x = address_key(a), y = address_key(b);

	return (x > y) - (x < y);
}
