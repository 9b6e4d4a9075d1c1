/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine file: JSON, read strictly. An unknown key, a value of the wrong
 * type or out of range is an error that names the line, because a key that is
 * silently ignored costs its author an afternoon. The schema is in
 * ringfence-machine(5).
 */
#include "machine/description.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/parse.h"
#include "machine/suggest.h"

#define DEVICES_MAX 4096u

static const char *const machine_keys[] = {
	"iommu",    "interrupt-remapping", "unsafe-interrupts", "hide-mmap",
	"memlock",  "dma-entry-limit",	   "devices",		"emulate-huge-pages",
	"topology", "enable-acs",	   "iommufd-selftest",	NULL,
};
static const char *const device_keys[] = { "model", "address",	"group",      "driver",
					   "bars",  "irq-line", "properties", NULL };
static const char *const no_keys[] = { NULL };

/* FILE:LINE: devices[N]: what */
int reader_blame(const struct reader *r, struct spot spot, int err)
{
	if (r->dev)
		return fail_prefix(err, r->error, "%s:%u: devices[%u]", r->desc->name,
				   spot_line(spot), r->dev->index);
	if (r->function)
		return fail_prefix(err, r->error, "%s:%u: %s", r->desc->name, spot_line(spot),
				   r->function);
	return fail_prefix(err, r->error, "%s:%u", r->desc->name, spot_line(spot));
}

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		break;
	}
	return "null";
}

int read_wrong_type(const struct reader *r, struct spot spot, const char *key, const char *wanted,
		    const json_t *value)
{
	return reader_fail(r, spot, "\"%s\": expected %s, found %s", key, wanted, type_name(value));
}

int read_unknown_key(const struct reader *r, struct spot spot, const char *key,
		     const char *suggestion)
{
	if (suggestion)
		return reader_fail(r, spot, "unknown key \"%s\" (did you mean \"%s\"?)", key,
				   suggestion);
	return reader_fail(r, spot, "unknown key \"%s\"", key);
}

int read_bool(const struct reader *r, struct spot spot, const char *key, const json_t *value,
	      bool *out)
{
	if (!json_is_boolean(value))
		return read_wrong_type(r, spot, key, "true or false", value);
	*out = json_is_true(value);
	return 0;
}

/* An integer, or a string that spells one (JSON has no hexadecimal). */
int read_number(const struct reader *r, struct spot spot, const char *key, const json_t *value,
		uint64_t max, uint64_t *out)
{
	uint64_t number;

	if (json_is_integer(value)) {
		if (json_integer_value(value) < 0)
			return reader_fail(r, spot, "\"%s\": may not be negative", key);
		number = (uint64_t)json_integer_value(value);
	} else if (!json_is_string(value)) {
		return read_wrong_type(r, spot, key, "a number", value);
	} else if (!number_parse(json_string_value(value), &number)) {
		return reader_fail(r, spot, "\"%s\": \"%s\" is not a number", key,
				   json_string_value(value));
	}
	if (number > max)
		return reader_fail(r, spot, "\"%s\": at most %" PRIu64, key, max);
	*out = number;
	return 0;
}

static int read_iommu(const struct reader *r, struct spot spot, const json_t *value)
{
	const char *words[16];
	const char *kind, *near, *key;
	json_t *member;
	size_t n = 0;

	if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key,
				    member) if (strcmp(key, "kind") !=
						0) return read_unknown_key(r,
									   spot_member(spot, key),
									   key, "kind");
		value = json_object_get(value, "kind");
		if (!value)
			return reader_fail(r, spot, "\"iommu\": no \"kind\" is named");
		spot = spot_member(spot, "kind");
	}
	kind = json_string_value(value);
	if (!kind)
		return read_wrong_type(r, spot, "iommu", "the name of a kind", value);

	r->desc->iommu = iommu_kind_find(kind);
	if (r->desc->iommu)
		return 0;
	for (const struct iommu_kind *const *k = iommu_kinds(); *k && n < 15; k++)
		words[n++] = (*k)->name;
	words[n] = NULL;
	near = suggest_word(kind, words);
	return reader_fail(r, spot, "\"iommu\": no kind \"%s\" (did you mean \"%s\"?)", kind,
			   near ?: words[0]);
}

static int read_memlock(const struct reader *r, struct spot spot, const json_t *value)
{
	struct description *desc = r->desc;
	const char *word = json_string_value(value);

	if (word && !strcmp(word, "none")) {
		desc->memlock = MEMLOCK_NONE;
	} else if (word && !strcmp(word, "host")) {
		desc->memlock = MEMLOCK_HOST;
	} else if (json_is_integer(value) && json_integer_value(value) >= 0) {
		desc->memlock = MEMLOCK_BYTES;
		desc->memlock_bytes = (uint64_t)json_integer_value(value);
	} else {
		return reader_fail(r, spot,
				   "\"memlock\": expected \"none\", \"host\" or a number of bytes");
	}
	return 0;
}

static int read_bars(const struct reader *r, struct spot spot, const json_t *value)
{
	struct device_desc *dev = r->dev;
	struct spot at = spot_first(spot);

	if (!json_is_array(value))
		return read_wrong_type(r, spot, "bars", "an array", value);
	if (json_array_size(value) > RF_PCI_BARS)
		return reader_fail(r, spot, "\"bars\": at most %u", RF_PCI_BARS);
	for (size_t i = 0; i < json_array_size(value); i++, at = spot_next(at)) {
		const json_t *bar = json_array_get(value, i);
		int ret;

		if (json_is_null(bar))
			continue;
		ret = read_number(r, at, "bars", bar, UINT64_MAX, &dev->bars[i]);
		if (ret)
			return ret;
		dev->bar_set[i] = true;
	}
	return 0;
}

static int read_group(const struct reader *r, struct spot spot, const json_t *value)
{
	uint64_t number;
	int ret;

	if (json_is_string(value) && !strcmp(json_string_value(value), "none")) {
		r->dev->group = GROUP_NONE;
		return 0;
	}
	ret = read_number(r, spot, "group", value, INT_MAX, &number);
	if (!ret)
		r->dev->group = (int)number;
	return ret;
}

/* Everything that has no key of its own (@others) is a property of the model. */
static int read_prop(const struct reader *r, struct spot spot, const char *key, const json_t *value,
		     const char *const *others)
{
	const char *text = json_string_value(value), *suggestion;
	char number[32];
	int ret;

	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		text = number;
	} else if (json_is_boolean(value)) {
		text = json_is_true(value) ? "on" : "off";
	}
	if (text)
		for (size_t i = 0; i < r->dev->nr_props; i++)
			if (!strcmp(r->dev->props[i].name, key))
				return reader_fail(r, spot, "\"%s\" is given twice", key);

	ret = device_desc_set_prop(r->dev, key, text ?: "", others, &suggestion);
	if (ret == -ENOENT)
		return read_unknown_key(r, spot, key, suggestion);
	if (!ret && !text)
		return read_wrong_type(r, spot, key, "a string, a number, true or false", value);
	return ret;
}

/* The same set apart, for properties that are called as one of our keys. */
static int read_props(const struct reader *r, struct spot spot, json_t *value)
{
	const char *key;
	json_t *member;
	int ret;

	if (!json_is_object(value))
		return read_wrong_type(r, spot, "properties", "an object", value);
	json_object_foreach(value, key, member)
	{
		ret = read_prop(r, spot_member(spot, key), key, member, no_keys);
		if (ret)
			return ret;
	}
	return 0;
}

static int read_device_text(const struct reader *r, struct spot spot, const char *key,
			    const json_t *value,
			    int (*set)(struct device_desc *, const char *, char **))
{
	int ret;

	if (!json_is_string(value))
		return read_wrong_type(r, spot, key, "a string", value);
	ret = set(r->dev, json_string_value(value), r->error);
	return ret ? reader_blame(r, spot, ret) : 0;
}

static int read_device_key(const struct reader *r, struct spot spot, const char *key, json_t *value)
{
	uint64_t number;
	int ret;

	if (!strcmp(key, "model"))
		return 0; /* read first: it says which properties there are */
	if (!strcmp(key, "address"))
		return read_device_text(r, spot, key, value, device_desc_set_address);
	if (!strcmp(key, "driver"))
		return read_device_text(r, spot, key, value, device_desc_set_driver);
	if (!strcmp(key, "group"))
		return read_group(r, spot, value);
	if (!strcmp(key, "bars"))
		return read_bars(r, spot, value);
	if (!strcmp(key, "properties"))
		return read_props(r, spot, value);
	if (!strcmp(key, "irq-line")) {
		ret = read_number(r, spot, key, value, 255, &number);
		if (!ret)
			r->dev->irq_line = (int)number;
		return ret;
	}
	return read_prop(r, spot, key, value, device_keys);
}

static int read_device(const struct reader *r, struct spot spot, json_t *value)
{
	const char *key;
	json_t *member;
	int ret;

	if (!json_is_object(value))
		return reader_fail(r, spot, "expected an object, found %s", type_name(value));
	member = json_object_get(value, "model");
	if (!member) {
		json_object_foreach(value, key, member)
		{
			const char *near = suggest_word(key, (const char *[]){ "model", NULL });

			if (near)
				return read_unknown_key(r, spot_member(spot, key), key, near);
		}
		return reader_fail(r, spot, "no \"model\" is named");
	}
	ret = read_device_text(r, spot_member(spot, "model"), "model", member,
			       device_desc_set_model);
	if (ret)
		return ret;
	json_object_foreach(value, key, member)
	{
		ret = read_device_key(r, spot_member(spot, key), key, member);
		if (ret)
			return ret;
	}
	return 0;
}

static int read_devices(struct reader *r, struct spot spot, const json_t *value)
{
	struct spot at = spot_first(spot);

	if (!json_is_array(value))
		return read_wrong_type(r, spot, "devices", "an array", value);
	if (json_array_size(value) > DEVICES_MAX)
		return reader_fail(r, spot, "\"devices\": at most %u", DEVICES_MAX);
	for (size_t i = 0; i < json_array_size(value); i++, at = spot_next(at)) {
		int ret;

		r->dev = device_desc_new();
		if (!r->dev)
			return -ENOMEM;
		r->dev->line = spot_line(at);
		r->dev->index = (unsigned)i;
		ret = read_device(r, at, json_array_get(value, i));
		if (!ret)
			ret = device_desc_append(r->desc, r->dev);
		if (ret) {
			device_desc_free(r->dev);
			return ret;
		}
		r->dev = NULL;
	}
	return 0;
}

static int read_machine_key(struct reader *r, struct spot spot, const char *key,
			    const json_t *value)
{
	struct description *desc = r->desc;
	uint64_t number = 0;
	int ret;

	if (!strcmp(key, "iommu"))
		return read_iommu(r, spot, value);
	if (!strcmp(key, "interrupt-remapping"))
		return read_bool(r, spot, key, value, &desc->irq_remapping);
	if (!strcmp(key, "unsafe-interrupts"))
		return read_bool(r, spot, key, value, &desc->unsafe_interrupts);
	if (!strcmp(key, "hide-mmap"))
		return read_bool(r, spot, key, value, &desc->hide_mmap);
	if (!strcmp(key, "emulate-huge-pages"))
		return read_bool(r, spot, key, value, &desc->emulate_huge_pages);
	if (!strcmp(key, "iommufd-selftest"))
		return read_bool(r, spot, key, value, &desc->iommufd_selftest);
	if (!strcmp(key, "memlock"))
		return read_memlock(r, spot, value);
	if (!strcmp(key, "devices"))
		return read_devices(r, spot, value);
	if (!strcmp(key, "enable-acs"))
		return read_bool(r, spot, key, value, &desc->enable_acs);
	if (!strcmp(key, "topology"))
		return read_topology(r, spot, (json_t *)value);
	if (!strcmp(key, "dma-entry-limit")) {
		ret = read_number(r, spot, key, value, UINT32_MAX, &number);
		if (!ret)
			desc->entry_limit = (uint32_t)number;
		return ret;
	}
	return read_unknown_key(r, spot, key, suggest_word(key, machine_keys));
}

static int read_machine(struct reader *r, const char *text, json_t *root)
{
	struct spot spot = spot_root(text);
	const char *key;
	json_t *value;
	int ret;

	if (!json_is_object(root))
		return reader_fail(r, spot, "expected an object, found %s", type_name(root));
	/* interrupt remapping is the kind's, unless the file says otherwise */
	value = json_object_get(root, "iommu");
	if (value) {
		ret = read_iommu(r, spot_member(spot, "iommu"), value);
		if (ret)
			return ret;
		r->desc->irq_remapping = r->desc->iommu->irq_remapping;
	}
	json_object_foreach(root, key, value)
	{
		ret = read_machine_key(r, spot_member(spot, key), key, value);
		if (ret)
			return ret;
	}
	return 0;
}

static int description_read(struct description *desc, const char *json, char **error)
{
	struct reader r = { .desc = desc, .error = error };
	json_error_t syntax;
	json_t *root;
	int ret;

	root = json_loads(json, JSON_REJECT_DUPLICATES, &syntax);
	if (!root) {
		if (json_error_code(&syntax) == json_error_out_of_memory)
			return -ENOMEM;
		return fail(-EINVAL, error, "%s:%d:%d: %s", desc->name, syntax.line, syntax.column,
			    syntax.text);
	}
	ret = read_machine(&r, json, root);
	json_decref(root);
	return ret;
}

int description_new(const char *json, const char *name, struct description **out, char **error)
{
	struct description *desc = calloc(1, sizeof(*desc));
	int ret = -ENOMEM;

	if (!desc)
		return -ENOMEM;
	desc->name = strdup(name ?: "machine");
	if (!desc->name)
		goto fail;
	desc->iommu = iommu_kind_find(NULL);
	desc->irq_remapping = desc->iommu->irq_remapping;
	desc->entry_limit = 65535;

	ret = json ? description_read(desc, json, error) : 0;
	if (ret)
		goto fail;
	*out = desc;
	return 0;
fail:
	description_free(desc);
	return ret;
}
