/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --device MODEL[,addr=BDF][,group=N][,driver=NAME][,NAME=VALUE]...
 *
 * Fields are separated by commas; a comma within one is written twice. A
 * property that is a switch may do without "=VALUE".
 */
#include "machine/description.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "machine/fail.h"

static const char *const spec_keys[] = { "addr", "group", "driver", NULL };

/*
 * Cut the next field off *rest, in place, and undouble its commas. NULL after
 * the last one.
 */
static char *spec_field(char **rest)
{
	char *field = *rest, *in = *rest, *out = *rest;

	if (!field)
		return NULL;
	*rest = NULL;
	while (*in) {
		if (*in == ',' && *++in != ',') {
			*rest = in;
			break;
		}
		*out++ = *in++;
	}
	*out = '\0';
	return field;
}

static int spec_group(struct device_desc *dev, const char *value, char **error)
{
	uint64_t number;

	if (!strcmp(value, "none")) {
		dev->group = GROUP_NONE;
		return 0;
	}
	if (!number_parse(value, &number) || number > INT_MAX)
		return fail(-EINVAL, error, "bad group \"%s\": expected a number or none", value);
	dev->group = (int)number;
	return 0;
}

static int spec_pair(struct device_desc *dev, char *field, char **error)
{
	char *equals = strchr(field, '=');
	const char *value = equals ? equals + 1 : NULL;
	const char *suggestion;
	int ret;

	if (equals)
		*equals = '\0';
	if (!*field)
		return fail(-EINVAL, error, "a property without a name");
	for (size_t i = 0; spec_keys[i] && !value; i++)
		if (!strcmp(field, spec_keys[i]))
			return fail(-EINVAL, error, "\"%s\" needs a value", field);
	if (value && !strcmp(field, "addr"))
		return device_desc_set_address(dev, value, error);
	if (value && !strcmp(field, "group"))
		return spec_group(dev, value, error);
	if (value && !strcmp(field, "driver"))
		return device_desc_set_driver(dev, value, error);

	for (size_t i = 0; i < dev->nr_props; i++)
		if (!strcmp(dev->props[i].name, field))
			return fail(-EINVAL, error, "property \"%s\" is given twice", field);
	ret = device_desc_set_prop(dev, field, value, spec_keys, &suggestion);
	if (ret != -ENOENT)
		return ret;
	if (suggestion)
		return fail(-EINVAL, error, "unknown property \"%s\" (did you mean \"%s\"?)", field,
			    suggestion);
	return fail(-EINVAL, error, "unknown property \"%s\"", field);
}

static int spec_parse(struct device_desc *dev, char *text, char **error)
{
	char *rest = text;
	char *field = spec_field(&rest);
	int ret;

	if (!*field)
		return fail(-EINVAL, error, "no model is named");
	if (strchr(field, '=') && !strchr(field, '/'))
		return fail(-EINVAL, error, "the model comes first: MODEL,%s", field);
	ret = device_desc_set_model(dev, field, error);
	while (!ret && (field = spec_field(&rest)))
		ret = spec_pair(dev, field, error);
	return ret;
}

int description_add(struct description *desc, const char *spec, char **error)
{
	struct device_desc *dev = device_desc_new();
	char *text = strdup(spec);
	int ret = -ENOMEM;

	if (!dev || !text)
		goto out;
	dev->spec = strdup(spec);
	if (!dev->spec)
		goto out;

	ret = spec_parse(dev, text, error);
	if (ret) {
		ret = description_blame(desc, dev, ret, error);
		goto out;
	}
	ret = device_desc_append(desc, dev);
	if (!ret)
		dev = NULL;
out:
	device_desc_free(dev);
	free(text);
	return ret;
}
