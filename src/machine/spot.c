/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A walk over text that is known to be JSON needs no grammar: strings are
 * skipped by their quotes, arrays and objects by counting brackets outside
 * strings, everything else ends at a delimiter. No step passes the final NUL.
 */
#include "machine/spot.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* @p at the opening quote; returns behind the closing one. */
static const char *skip_string(const char *p)
{
	p++;
	while (*p && *p != '"')
		p += *p == '\\' && p[1] ? 2 : 1;
	return *p ? p + 1 : p;
}

static const char *skip_value(const char *p)
{
	unsigned depth = 0;

	do {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		else if (!depth)
			return p + strcspn(p, ",]} \t\r\n");
		if (*p)
			p++;
	} while (depth && *p);
	return p;
}

/* Whether the string literal [p, end) spells @key; escapes are the library's business. */
static bool literal_is(const char *p, const char *end, const char *key)
{
	json_t *string = json_loadb(p, (size_t)(end - p), JSON_DECODE_ANY, NULL);
	bool same = string && !strcmp(json_string_value(string) ?: "", key);

	json_decref(string);
	return same;
}

struct spot spot_root(const char *text)
{
	const char *value = skip_space(text);

	return (struct spot){ .text = text, .name = value, .value = value };
}

struct spot spot_member(struct spot object, const char *key)
{
	const char *p = object.value;

	if (*p != '{')
		return object;
	p = skip_space(p + 1);
	while (*p == '"') {
		const char *name = p, *end = skip_string(p);

		p = skip_space(end);
		if (*p != ':')
			break;
		p = skip_space(p + 1);
		if (literal_is(name, end, key))
			return (struct spot){ .text = object.text, .name = name, .value = p };
		p = skip_space(skip_value(p));
		if (*p == ',')
			p = skip_space(p + 1);
	}
	return object;
}

struct spot spot_first(struct spot array)
{
	const char *p = array.value;

	if (*p != '[')
		return array;
	p = skip_space(p + 1);
	return (struct spot){ .text = array.text, .name = p, .value = p };
}

struct spot spot_next(struct spot element)
{
	const char *p = skip_space(skip_value(element.value));

	if (*p != ',')
		return element;
	p = skip_space(p + 1);
	return (struct spot){ .text = element.text, .name = p, .value = p };
}

unsigned spot_line(struct spot spot)
{
	unsigned line = 1;

	for (const char *p = spot.text; p < spot.name; p++)
		line += *p == '\n';
	return line;
}
