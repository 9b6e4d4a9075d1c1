/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Properties: what a user says about a device, --device model,name=value.
 *
 * Every declared property has a slot, in the order of the model's table; a
 * slot is set by the user, or by the default. Values are checked and turned
 * into numbers here, once, so that a model only reads what is known to be
 * right; the message of a bad one names the model, the property and the value.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/internal.h"

struct prop_slot {
	const struct rf_prop *decl;
	char *text; /* NULL: unset */
	uint64_t number;
};

struct prop_values {
	unsigned count;
	struct prop_slot slots[];
};

/* Decimal or 0x hexadecimal digits at *text; steps over them. False: none, or too large. */
static bool prop_digits(const char **text, uint64_t *out)
{
	char *end;

	if (**text < '0' || **text > '9') /* strtoull would take blanks and signs */
		return false;
	errno = 0;
	*out = strtoull(*text, &end, (*text)[0] == '0' && ((*text)[1] | 32) == 'x' ? 16 : 10);
	*text = end;
	return !errno;
}

static bool prop_parse_size(const char *text, uint64_t *out)
{
	static const char suffixes[] = "kmgt";
	const char *suffix;
	uint64_t value;
	unsigned shift;

	if (!prop_digits(&text, &value))
		return false;
	if (*text) {
		suffix = strchr(suffixes, *text | 32);
		if (!suffix || text[1])
			return false;
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		if (value > UINT64_MAX >> shift)
			return false;
		value <<= shift;
	}
	*out = value;
	return true;
}

static bool prop_parse_uint(const char *text, uint64_t *out)
{
	return prop_digits(&text, out) && !*text;
}

static bool prop_parse_bool(const char *text, uint64_t *out)
{
	static const char *const words[] = { "off", "on", "false", "true", "no", "yes", "0", "1" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strcmp(text, words[i])) {
			*out = i & 1;
			return true;
		}
	}
	return false;
}

/* NULL, or what the value should have been. */
static const char *prop_parse(enum rf_prop_kind kind, const char *text, uint64_t *out)
{
	switch (kind) {
	case RF_PROP_STRING:
	case RF_PROP_PATH:
		return NULL;
	case RF_PROP_SIZE:
		return prop_parse_size(text, out) ? NULL : "a size";
	case RF_PROP_UINT:
		return prop_parse_uint(text, out) ? NULL : "a number";
	case RF_PROP_BOOL:
		return prop_parse_bool(text, out) ? NULL : "on or off";
	}
	return "of a known kind";
}

static struct prop_slot *prop_slot(const struct prop_values *props, const char *name)
{
	for (unsigned i = 0; i < props->count; i++)
		if (!strcmp(props->slots[i].decl->name, name))
			return (struct prop_slot *)&props->slots[i];
	return NULL;
}

/* "size, file, serial": the names a model knows. */
static void prop_names(const struct prop_values *props, char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < props->count && used < len; i++) {
		int n = snprintf(buf + used, len - used, "%s%s", i ? ", " : "",
				 props->slots[i].decl->name);

		if (n < 0)
			return;
		used += (size_t)n;
	}
}

static int prop_unknown(const struct rf_pci_model *model, const struct prop_values *props,
			const char *name, char **error)
{
	char names[512];

	prop_names(props, names, sizeof(names));
	if (props->count)
		*error = message("%s: unknown property \"%s\" (has: %s)", model->name, name, names);
	else
		*error = message("%s: unknown property \"%s\" (has none)", model->name, name);
	return -EINVAL;
}

static int prop_set(const struct rf_pci_model *model, struct prop_slot *slot, const char *text,
		    char **error)
{
	const char *want;

	if (!text && slot->decl->kind == RF_PROP_BOOL)
		text = "on"; /* --device model,flag */
	if (!text || (!*text && slot->decl->kind != RF_PROP_STRING)) {
		*error = message("%s: %s: needs a value", model->name, slot->decl->name);
		return -EINVAL;
	}
	want = prop_parse(slot->decl->kind, text, &slot->number);
	if (want) {
		*error = message("%s: %s: \"%s\" is not %s", model->name, slot->decl->name, text,
				 want);
		return -EINVAL;
	}
	slot->text = alloc_should_fail() ? NULL : strdup(text);
	return slot->text ? 0 : -ENOMEM;
}

static int props_fill(const struct rf_pci_model *model, const struct prop_value *values,
		      struct prop_values *props, char **error)
{
	struct prop_slot *slot;
	int ret;

	for (; values && values->name; values++) {
		slot = prop_slot(props, values->name);
		if (!slot)
			return prop_unknown(model, props, values->name, error);
		if (slot->text) {
			*error = message("%s: %s: given twice", model->name, values->name);
			return -EINVAL;
		}
		ret = prop_set(model, slot, values->value, error);
		if (ret)
			return ret;
	}
	for (unsigned i = 0; i < props->count; i++) {
		slot = &props->slots[i];
		if (slot->text || !slot->decl->def)
			continue;
		ret = prop_set(model, slot, slot->decl->def, error);
		if (ret)
			return ret;
	}
	return 0;
}

int props_new(const struct rf_pci_model *model, const struct prop_value *values,
	      struct prop_values **out, char **error)
{
	struct prop_values *props;
	unsigned count = 0;
	int ret;

	while (model->props && model->props[count].name)
		count++;
	props = alloc_zeroed(sizeof(*props) + count * sizeof(props->slots[0]));
	if (!props)
		return -ENOMEM;
	props->count = count;
	for (unsigned i = 0; i < count; i++)
		props->slots[i].decl = &model->props[i];

	ret = props_fill(model, values, props, error);
	if (ret) {
		props_free(props);
		return ret;
	}
	*out = props;
	return 0;
}

void props_free(struct prop_values *props)
{
	if (!props)
		return;
	for (unsigned i = 0; i < props->count; i++)
		free(props->slots[i].text);
	alloc_free(props);
}

const char *rf_prop_string(const struct rf_device *dev, const char *name)
{
	struct prop_slot *slot = prop_slot(dev->props, name);

	return slot ? slot->text : NULL;
}

uint64_t rf_prop_uint(const struct rf_device *dev, const char *name)
{
	struct prop_slot *slot = prop_slot(dev->props, name);

	return slot ? slot->number : 0;
}

bool rf_prop_isset(const struct rf_device *dev, const char *name)
{
	struct prop_slot *slot = prop_slot(dev->props, name);

	return slot && slot->text;
}
