/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's life: made of a model's declaration and a user's properties,
 * reset any number of times, freed.
 *
 * device_new() builds everything in order and hands back either a whole device
 * or nothing; device_free() takes down whatever of it exists, so it serves as
 * the error path too.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/stats.h"
#include "bus/bus.h"
#include "bus/internal.h"

#define COMPLAINTS_SHOWN 8u

static char *message_of(const char *fmt, va_list ap)
{
	char *text;

	return vasprintf(&text, fmt, ap) < 0 ? NULL : text;
}

char *message(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = message_of(fmt, ap);
	va_end(ap);
	return text;
}

static void *zalloc_aligned(size_t size)
{
	size_t rounded = (size + 63) & ~(size_t)63;
	void *mem;

	if (alloc_should_fail())
		return NULL;
	mem = aligned_alloc(64, rounded ? rounded : 64);
	return mem ? memset(mem, 0, rounded) : NULL;
}

int lock_init_recursive(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;
	int ret;

	ret = pthread_mutexattr_init(&attr);
	if (ret)
		return -ret;
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	ret = pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
	return -ret;
}

static int device_common_init(struct rf_device *dev)
{
	atomic_init(&dev->users, 1);
	dev->group_wish = DEVICE_NO_WISH;
	return lock_init_recursive(&dev->lock);
}

/* What needs no undoing. */
static struct rf_device *device_alloc(const struct rf_pci_model *model,
				      const struct pci_address *address)
{
	bool large = model->caps & RF_PCI_CAP_PCIE || model->declare || model->config;
	size_t space = large ? PCI_CONFIG_EXT_SIZE : PCI_CONFIG_SIZE;
	struct rf_device *dev = zalloc_aligned(sizeof(*dev) + 3 * space);

	if (!dev)
		return NULL;
	dev->config_size = (unsigned)space;
	dev->config = (uint8_t *)(dev + 1);
	dev->config_wmask = dev->config + space;
	dev->config_w1c = dev->config_wmask + space;
	dev->model = dev->base_model = model;
	dev->address = *address;
	snprintf(dev->name, sizeof(dev->name), BDF_FMT, address->domain, address->bus,
		 address->slot & 0x1fu, address->function & 7u);
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		dev->bars[i].decl = &model->bars[i];
		dev->bars[i].memfd = HIDDEN_NONE;
	}
	if (device_common_init(dev)) {
		free(dev);
		return NULL;
	}
	return dev;
}

/* The MSI-X table where the model wants it, or in a BAR that we add. */
static int device_place_msix(struct rf_device *dev, char **error)
{
	const struct rf_pci_model *model = dev->model;
	uint64_t table = page_up((uint64_t)model->msix_vectors * MSIX_ENTRY_SIZE);
	unsigned bar = 0;

	dev->msix_bar = dev->msix_pba_bar = model->msix_bar;
	dev->msix_table = model->msix_table;
	dev->msix_pba = model->msix_pba;
	if (!model->msix_vectors || dev->msix_table || dev->msix_pba)
		return 0;

	while (bar < RF_PCI_BARS && model->bars[bar].size)
		bar += model->bars[bar].flags & RF_BAR_64 ? 2 : 1;
	if (bar >= RF_PCI_BARS) {
		*error = message("%s: bad model: no BAR left for MSI-X", model->name);
		return -EINVAL;
	}
	dev->added_bar.size = 2 * PAGE_SIZE;
	while (dev->added_bar.size < table + PAGE_SIZE)
		dev->added_bar.size *= 2;
	dev->bars[bar].decl = &dev->added_bar;
	dev->msix_bar = dev->msix_pba_bar = (uint8_t)bar;
	dev->msix_pba = table;
	return 0;
}

/* What the model said through rf_device_error() becomes the reason of a failure. */
static int device_reason(struct rf_device *dev, int ret, char **error)
{
	if (ret > 0)
		ret = -EINVAL;
	if (ret && dev->error && !*error)
		*error = message("%s %s: %s", dev->model->name, dev->name, dev->error);
	free(dev->error);
	dev->error = NULL;
	return ret;
}

/* A declaration of the device's own, if its model makes one or brings an image. */
static int device_declare(struct rf_device *dev, char **error)
{
	const struct rf_pci_model *model = dev->model;
	struct rf_pci_model *copy;
	int ret = 0;

	if (!model->declare && !model->config)
		return 0;
	copy = alloc_zeroed(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *model;
	copy->declare = NULL;
	dev->declared = copy;
	if (model->declare)
		ret = device_reason(dev, model->declare(dev, copy), error);
	if (!ret && copy->config)
		ret = image_declare(copy, error);
	if (!ret)
		ret = model_check(copy, error);
	if (ret)
		return ret;
	dev->model = copy;
	dev->config_size = copy->caps & RF_PCI_CAP_PCIE ? PCI_CONFIG_EXT_SIZE : PCI_CONFIG_SIZE;
	for (unsigned i = 0; i < RF_PCI_BARS; i++)
		dev->bars[i].decl = &copy->bars[i];
	return 0;
}

/* Configuration space, made of the declaration or the one it brings. */
static int device_build_config(struct rf_device *dev, char **error)
{
	int ret;

	if (dev->model->config) {
		image_build(dev);
	} else {
		ret = device_place_msix(dev, error);
		if (ret)
			return ret;
		ret = caps_build(dev, error);
		if (ret)
			return ret;
	}
	config_build(dev);
	return 0;
}

static int device_build(struct rf_device *dev, const struct prop_value *values, char **error)
{
	int ret;

	ret = props_new(dev->model, values, &dev->props, error);
	if (ret)
		return ret;
	ret = device_declare(dev, error);
	if (ret)
		return ret;
	dev->data = zalloc_aligned(dev->model->data_size);
	if (!dev->data)
		return -ENOMEM;
	ret = device_build_config(dev, error);
	if (ret)
		return ret;
	ret = config_keep(dev);
	if (ret)
		return ret;
	ret = pasids_new(dev);
	if (ret)
		return ret;
	ret = irq_new(dev);
	if (ret)
		return ret;
	irq_reset(dev);
	return bars_new(dev);
}

/* The model's own start. What it says through rf_device_error() is the reason. */
static int device_init(struct rf_device *dev, char **error)
{
	int ret;

	if (!dev->model->init)
		return 0;
	device_lock(dev);
	ret = dev->model->init(dev);
	device_unlock(dev);
	return device_reason(dev, ret, error);
}

/* What a declaration of the device's own points to, if it is not what the model has. */
static void declared_free(struct rf_pci_model *declared, const struct rf_pci_model *model)
{
	if (!declared)
		return;
	if (declared->config != model->config)
		free((void *)declared->config);
	if (declared->rom != model->rom)
		free((void *)declared->rom);
	alloc_free(declared);
}

static void device_destroy(struct rf_device *dev)
{
	eventfds_free(dev);
	bars_free(dev);
	irq_free(dev);
	pasids_free(dev);
	alloc_free(dev->power_on);
	scratch_free(dev);
	free(dev->data);
	props_free(dev->props);
	declared_free(dev->declared, dev->base_model);
	free(dev->error);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

int device_new(const struct rf_pci_model *model, const struct pci_address *address,
	       const struct prop_value *values, struct rf_device **out, char **error)
{
	return device_new_described(model, address, values, NULL, out, error);
}

int device_new_described(const struct rf_pci_model *model, const struct pci_address *address,
			 const struct prop_value *values, const struct described *described,
			 struct rf_device **out, char **error)
{
	struct rf_device *dev;
	int ret;

	*error = NULL;
	/* a declaration of the device's own is checked once it is made */
	ret = model->declare || model->config ? 0 : model_check(model, error);
	if (ret)
		return ret;
	dev = device_alloc(model, address);
	if (dev)
		dev->described = described;
	ret = dev ? device_build(dev, values, error) : -ENOMEM;
	if (!ret)
		ret = device_init(dev, error);
	if (!ret) {
		dev->described = NULL;
		*out = dev;
		return 0;
	}
	if (!*error)
		*error = message("%s: %s", model->name, strerror(-ret));
	if (dev)
		device_destroy(dev);
	return ret;
}

static uint32_t name_hash(const char *name)
{
	uint32_t hash = 2166136261u;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 16777619u;
	return hash;
}

int device_new_plain(const char *name, struct rf_device **out)
{
	size_t len = strlen(name);
	struct rf_device *dev;

	if (!len || len >= DEVICE_NAME_SIZE)
		return -EINVAL;
	dev = zalloc_aligned(sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	if (device_common_init(dev)) {
		free(dev);
		return -ENOMEM;
	}
	memcpy(dev->name, name, len);
	dev->name_hash = name_hash(name);
	if (pci_address_parse(name, &dev->address))
		dev->address = (struct pci_address){ 0 };
	*out = dev;
	return 0;
}

static void plain_free(struct rf_device *dev)
{
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

void device_free(struct rf_device *dev)
{
	if (!dev)
		return;
	device_detach(dev);
	device_detach_pasids(dev);
	if (!dev->model) {
		plain_free(dev);
		return;
	}
	if (dev->model->fini)
		dev->model->fini(dev);
	device_destroy(dev);
}

/*
 * DMA looks at @gone inside the gate, so none is in flight when this returns. The
 * domain stays until the group takes it away: whose it is is the group's to lock.
 * Plain memory behind BARs reads as ones from now on, too.
 */
bool device_depart(struct rf_device *dev)
{
	if (atomic_exchange(&dev->gone, true))
		return false;
	gate_sync(&dev->gate);
	if (!dev->model)
		return true;
	device_lock(dev);
	for (unsigned bar = 0; bar < RF_PCI_BARS; bar++)
		if (dev->bars[bar].mem)
			memset(dev->bars[bar].mem, 0xff, bar_size(dev, bar));
	if (dev->sink)
		dev->sink->signal(dev->sink, IRQ_REQ, 0);
	device_unlock(dev);
	return true;
}

int device_ask(struct rf_device *dev)
{
	int ret = 0;

	if (!dev->model)
		return 0;
	device_lock(dev);
	if (dev->sink) {
		dev->sink->signal(dev->sink, IRQ_REQ, 0);
		ret = -EBUSY;
	}
	device_unlock(dev);
	return ret;
}

void device_reset(struct rf_device *dev)
{
	device_lock(dev);
	config_reset(dev);
	irq_reset(dev);
	if (dev->model->reset)
		dev->model->reset(dev);
	device_unlock(dev);
}

bool device_can_flr(const struct rf_device *dev)
{
	return dev->model->caps & RF_PCI_CAP_FLR || dev->cap_af;
}

bool device_can_pm_reset(const struct rf_device *dev)
{
	return dev->cap_pm && !(config_byte(dev, dev->cap_pm + PM_CTRL) & PM_CTRL_NO_SOFT_RESET);
}

bool device_can_reset(const struct rf_device *dev)
{
	return device_can_flr(dev) || device_can_pm_reset(dev);
}

const void *rf_device_described(const struct rf_device *dev, size_t *size)
{
	*size = dev->described ? dev->described->size : 0;
	return *size ? dev->described->config : NULL;
}

uint64_t rf_device_described_bar(const struct rf_device *dev, unsigned bar)
{
	return dev->described && bar <= RF_PCI_BARS ? dev->described->bar_size[bar] : 0;
}

void *rf_device_data(const struct rf_device *dev)
{
	return dev->data;
}

const char *rf_device_name(const struct rf_device *dev)
{
	return dev->name;
}

void rf_device_lock(struct rf_device *dev)
{
	device_lock(dev);
}

void rf_device_unlock(struct rf_device *dev)
{
	device_unlock(dev);
}

void rf_device_error(struct rf_device *dev, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = message_of(fmt, ap);
	va_end(ap);
	if (!text)
		return;
	free(dev->error);
	dev->error = text;
}

/* Allocates nothing: DMA complains from any context. */
static void device_complain_va(struct rf_device *dev, const char *fmt, va_list ap)
{
	char text[240];
	unsigned nth;

	if (atomic_load_explicit(&dev->complaints, memory_order_relaxed) > COMPLAINTS_SHOWN)
		return;
	nth = atomic_fetch_add_explicit(&dev->complaints, 1, memory_order_relaxed);
	if (nth > COMPLAINTS_SHOWN)
		return;
	if (nth == COMPLAINTS_SHOWN) {
		log_line(LOG_WARN, "%s: more of this; only counted from now on", dev->name);
		return;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	log_line(LOG_WARN, "%s: %s", dev->name, text);
}

void device_complain(struct rf_device *dev, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	device_complain_va(dev, fmt, ap);
	va_end(ap);
}

void rf_device_warn(struct rf_device *dev, const char *fmt, ...)
{
	va_list ap;

	stats_add(&stats()->warnings, 1);
	va_start(ap, fmt);
	device_complain_va(dev, fmt, ap);
	va_end(ap);
}
