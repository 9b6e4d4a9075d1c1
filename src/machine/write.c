/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing a description out: what every process of a session reads, so
 * nothing is left for two of them to decide differently.
 */
#include "machine/description.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

/* Takes over @value; false without memory. */
static bool put(json_t *object, const char *key, json_t *value)
{
	return !json_object_set_new(object, key, value);
}

static json_t *hex(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_string(text);
}

static json_t *write_bars(const struct device_desc *dev)
{
	json_t *bars = json_array();

	for (unsigned b = 0; b < RF_PCI_BARS; b++)
		if (json_array_append_new(bars,
					  dev->bar_set[b] ? hex(dev->bars[b]) : json_null())) {
			json_decref(bars);
			return NULL;
		}
	return bars;
}

static json_t *write_props(const struct device_desc *dev)
{
	json_t *object = json_object();

	for (size_t i = 0; i < dev->nr_props; i++)
		if (!put(object, dev->props[i].name, json_string(dev->props[i].value))) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *write_group(const struct device_desc *dev)
{
	return dev->group == GROUP_NONE ? json_string("none") : json_integer(dev->group);
}

static json_t *write_device(const struct device_desc *dev)
{
	json_t *object = json_object();
	char address[32];

	snprintf(address, sizeof(address), BDF_FMT, dev->address.domain, dev->address.bus,
		 dev->address.slot, dev->address.function);
	if (put(object, "model", json_string(dev->model_name)) &&
	    put(object, "address", json_string(address)) &&
	    (dev->group == GROUP_AUTO || put(object, "group", write_group(dev))) &&
	    put(object, "driver", json_string(dev->driver ?: "none")) &&
	    put(object, "bars", write_bars(dev)) &&
	    put(object, "irq-line", json_integer(dev->irq_line)) &&
	    put(object, "properties", write_props(dev)))
		return object;
	json_decref(object);
	return NULL;
}

static json_t *write_devices(const struct description *desc)
{
	json_t *array = json_array();

	for (size_t i = 0; i < desc->nr_devices; i++)
		if (json_array_append_new(array, write_device(desc->devices[i]))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *write_memlock(const struct description *desc)
{
	switch (desc->memlock) {
	case MEMLOCK_HOST:
		return json_string("host");
	case MEMLOCK_BYTES:
		return json_integer((json_int_t)desc->memlock_bytes);
	case MEMLOCK_NONE:
		break;
	}
	return json_string("none");
}

char *description_write(const struct description *desc)
{
	json_t *root = json_object();
	char *text = NULL;

	if (put(root, "iommu", json_string(desc->iommu->name)) &&
	    put(root, "interrupt-remapping", json_boolean(desc->irq_remapping)) &&
	    put(root, "unsafe-interrupts", json_boolean(desc->unsafe_interrupts)) &&
	    put(root, "hide-mmap", json_boolean(desc->hide_mmap)) &&
	    put(root, "emulate-huge-pages", json_boolean(desc->emulate_huge_pages)) &&
	    put(root, "iommufd-selftest", json_boolean(desc->iommufd_selftest)) &&
	    put(root, "memlock", write_memlock(desc)) &&
	    put(root, "dma-entry-limit", json_integer(desc->entry_limit)) &&
	    (!desc->topology ||
	     (put(root, "enable-acs", json_boolean(desc->enable_acs)) &&
	      put(root, "topology", json_loads(desc->topology_text, JSON_DECODE_ANY, NULL)))) &&
	    put(root, "devices", write_devices(desc)))
		text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	return text;
}
