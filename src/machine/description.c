/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a description is made of, whoever says it: the machine file (parse.c)
 * and --device (spec.c) both end in the setters here, so a value is judged in
 * one place. Setters change nothing when they fail, and say what is wrong
 * without saying where; where is description_blame()'s.
 */
#include "machine/description.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/fail.h"
#include "machine/model.h"
#include "machine/suggest.h"

#define WORDS_MAX 128u

struct device_desc *device_desc_new(void)
{
	struct device_desc *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return NULL;
	dev->group = GROUP_AUTO;
	dev->irq_line = IRQ_LINE_AUTO;
	dev->props = calloc(1, sizeof(*dev->props));
	dev->driver = strdup("vfio-pci");
	if (!dev->props || !dev->driver) {
		device_desc_free(dev);
		return NULL;
	}
	return dev;
}

void device_desc_free(struct device_desc *dev)
{
	if (!dev)
		return;
	for (size_t i = 0; i < dev->nr_props; i++) {
		free((char *)dev->props[i].name);
		free((char *)dev->props[i].value);
	}
	free(dev->props);
	free(dev->spec);
	free(dev->model_name);
	free(dev->driver);
	free(dev);
}

int device_desc_append(struct description *desc, struct device_desc *dev)
{
	struct device_desc **devices;

	devices = realloc(desc->devices, (desc->nr_devices + 1) * sizeof(*devices));
	if (!devices)
		return -ENOMEM;
	devices[desc->nr_devices++] = dev;
	desc->devices = devices;
	return 0;
}

void device_desc_remove(struct description *desc, struct device_desc *dev)
{
	size_t kept = 0;

	for (size_t i = 0; i < desc->nr_devices; i++)
		if (desc->devices[i] != dev)
			desc->devices[kept++] = desc->devices[i];
	desc->nr_devices = kept;
	device_desc_free(dev);
}

void description_free(struct description *desc)
{
	if (!desc)
		return;
	for (size_t i = 0; i < desc->nr_devices; i++)
		device_desc_free(desc->devices[i]);
	free(desc->devices);
	topology_free(desc->topology);
	free(desc->topology_text);
	free(desc->name);
	free(desc);
}

int description_blame(const struct description *desc, const struct device_desc *dev, int err,
		      char **error)
{
	if (dev->spec)
		return fail_prefix(err, error, "--device %s", dev->spec);
	return fail_prefix(err, error, "%s:%u: devices[%u]", desc->name, dev->line, dev->index);
}

bool number_parse(const char *text, uint64_t *out)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	unsigned long long value;
	char *end;

	if (!isxdigit((unsigned char)*digits))
		return false;
	errno = 0;
	value = strtoull(digits, &end, hex ? 16 : 10);
	if (*end || errno)
		return false;
	*out = value;
	return true;
}

int device_desc_set_model(struct device_desc *dev, const char *name, char **error)
{
	const struct rf_pci_model *model;
	char *found;
	int ret;

	ret = model_find(name, &model, &found, error);
	if (ret)
		return ret;
	free(dev->model_name);
	dev->model_name = found;
	dev->model = model;
	return 0;
}

int device_desc_set_address(struct device_desc *dev, const char *text, char **error)
{
	struct pci_address address;

	if (pci_address_parse(text, &address))
		return fail(-EINVAL, error,
			    "bad address \"%s\": expected DOMAIN:BUS:DEVICE.FUNCTION, e.g. "
			    "0000:01:00.0",
			    text);
	dev->address = address;
	dev->address_set = true;
	return 0;
}

/* The name becomes a directory of the view. */
int device_desc_set_driver(struct device_desc *dev, const char *text, char **error)
{
	char *driver = NULL;

	if (strcmp(text, "none") != 0) {
		size_t len = strlen(text);

		for (size_t i = 0; i < len; i++)
			if (!isalnum((unsigned char)text[i]) && !strchr("-_", text[i]))
				len = 0;
		if (!len || len > 64)
			return fail(-EINVAL, error, "bad driver name \"%s\"", text);
		driver = strdup(text);
		if (!driver)
			return -ENOMEM;
	}
	free(dev->driver);
	dev->driver = driver;
	return 0;
}

static const struct rf_prop *model_prop(const struct rf_pci_model *model, const char *name)
{
	for (const struct rf_prop *prop = model->props; prop && prop->name; prop++)
		if (!strcmp(prop->name, name))
			return prop;
	return NULL;
}

static const char *suggest_prop(const struct rf_pci_model *model, const char *name,
				const char *const *others)
{
	const char *words[WORDS_MAX + 1];
	size_t n = 0;

	for (const struct rf_prop *prop = model->props; prop && prop->name; prop++)
		if (n < WORDS_MAX)
			words[n++] = prop->name;
	for (; *others; others++)
		if (n < WORDS_MAX)
			words[n++] = *others;
	words[n] = NULL;
	return suggest_word(name, words);
}

/* The program may change its directory before it opens the device. */
static char *absolute_path(const char *path)
{
	char *cwd, *absolute = NULL;

	if (path[0] == '/' || !path[0])
		return strdup(path);
	cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&absolute, "%s/%s", cwd, path) < 0)
		absolute = NULL;
	free(cwd);
	return absolute;
}

int device_desc_set_prop(struct device_desc *dev, const char *name, const char *value,
			 const char *const *others, const char **suggestion)
{
	const struct rf_prop *decl = model_prop(dev->model, name);
	struct prop_value *props;
	char *own_name, *own_value;

	if (!decl) {
		*suggestion = suggest_prop(dev->model, name, others);
		return -ENOENT;
	}

	props = realloc(dev->props, (dev->nr_props + 2) * sizeof(*props));
	if (!props)
		return -ENOMEM;
	dev->props = props;
	own_name = strdup(name);
	if (!value && decl->kind == RF_PROP_BOOL)
		value = "on";
	own_value = !value		       ? NULL :
		    decl->kind == RF_PROP_PATH ? absolute_path(value) :
						 strdup(value);
	if (!own_name || (value && !own_value)) {
		free(own_name);
		free(own_value);
		return -ENOMEM;
	}
	props[dev->nr_props] = (struct prop_value){ own_name, own_value };
	props[++dev->nr_props] = (struct prop_value){ NULL, NULL };
	return 0;
}
