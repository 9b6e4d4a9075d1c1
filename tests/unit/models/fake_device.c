/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See fake_device.h. Single-threaded, and strict: what the engine would not
 * allow aborts the test.
 */
#include "fake_device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static char last_error[256];

const char *fake_error(void)
{
	return last_error;
}

static void fake_check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fake device: %s\n", what);
	abort();
}

static void *fake_alloc(size_t align, size_t size)
{
	void *mem = NULL;

	fake_check(!posix_memalign(&mem, align, size), "out of memory");
	memset(mem, 0, size);
	return mem;
}

struct rf_device *fake_new(const struct rf_pci_model *model, const char *const *props)
{
	struct rf_device *dev = fake_alloc(64, sizeof(*dev));
	unsigned i;

	dev->model = model;
	dev->irq_mode = RF_IRQ_MSIX;
	dev->data = fake_alloc(64, (model->data_size + 63) / 64 * 64);
	dev->bar = fake_alloc(4096, model->bars[0].size);
	/* zero pages until touched: a fuzzer makes many devices */
	dev->memory =
		mmap(NULL, FAKE_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fake_check(dev->memory != MAP_FAILED, "out of memory");
	for (i = 0; props && props[2 * i]; i++) {
		fake_check(i < FAKE_PROPS, "too many properties");
		dev->props[i].name = props[2 * i];
		dev->props[i].value = props[2 * i + 1];
	}
	last_error[0] = '\0';
	if (!model->init(dev))
		return dev;
	memcpy(last_error, dev->error, sizeof(last_error));
	fake_check(last_error[0], "init failed without saying why");
	dev->model = NULL;
	fake_free(dev);
	return NULL;
}

void fake_free(struct rf_device *dev)
{
	if (dev->model)
		dev->model->fini(dev);
	munmap(dev->memory, FAKE_MEMORY);
	if (dev->scratch)
		munmap(dev->scratch, dev->scratch_size);
	free(dev->bar);
	free(dev->data);
	free(dev);
}

static enum rf_area_kind fake_kind(const struct rf_device *dev, uint64_t off)
{
	const struct rf_bar_area *area = dev->model->bars[0].areas;

	for (; area->size; area++)
		if (off >= area->offset && off < area->offset + area->size)
			return area->kind;
	return RF_AREA_TRAP;
}

uint64_t fake_read(struct rf_device *dev, uint64_t off, unsigned size)
{
	uint64_t val = 0;

	if (fake_kind(dev, off) == RF_AREA_TRAP)
		return dev->model->bars[0].read(dev, 0, off, size);
	memcpy(&val, dev->bar + off, size);
	return val;
}

void fake_write(struct rf_device *dev, uint64_t off, uint64_t val, unsigned size)
{
	if (fake_kind(dev, off) == RF_AREA_DOORBELL) {
		memcpy(dev->bar + off, &val, size);
		if (dev->polling)
			return;
	}
	dev->model->bars[0].write(dev, 0, off, val, size);
}

void *fake_at(struct rf_device *dev, uint64_t iova)
{
	fake_check(iova >= FAKE_IOVA && iova - FAKE_IOVA < FAKE_MEMORY, "bad IOVA in the test");
	return dev->memory + (iova - FAKE_IOVA);
}

static int fake_dma(struct rf_device *dev, uint64_t iova, size_t len)
{
	dev->dmas++;
	if (dev->master_off)
		return -EPERM;
	if (dev->dma_until_failure && !--dev->dma_until_failure)
		return -EFAULT;
	if (iova < FAKE_IOVA || iova - FAKE_IOVA >= FAKE_MEMORY ||
	    len > FAKE_MEMORY - (iova - FAKE_IOVA))
		return -EFAULT;
	if (dev->hole_last && iova <= dev->hole_last && iova + len > dev->hole_first)
		return -EFAULT;
	return 0;
}

int rf_dma_read(struct rf_device *dev, uint64_t iova, void *buf, size_t len)
{
	int ret = fake_dma(dev, iova, len);

	if (!ret)
		memcpy(buf, fake_at(dev, iova), len);
	return ret;
}

/* A wide copy promises no order: the worst for a model is the last dword first. */
static void fake_write_watched(struct rf_device *dev, uint64_t iova, const uint8_t *buf, size_t len)
{
	uint8_t *to = fake_at(dev, iova);

	while (len) {
		size_t piece = len % 4 ? 1 : 4;

		len -= piece;
		memcpy(to + len, buf + len, piece);
		dev->on_dma_write(dev);
	}
}

int rf_dma_write(struct rf_device *dev, uint64_t iova, const void *buf, size_t len)
{
	int ret = fake_dma(dev, iova, len);

	if (ret)
		return ret;
	if (dev->on_dma_write)
		fake_write_watched(dev, iova, buf, len);
	else
		memcpy(fake_at(dev, iova), buf, len);
	return 0;
}

void *rf_device_data(const struct rf_device *dev)
{
	return dev->data;
}

const char *rf_device_name(const struct rf_device *dev)
{
	return "0000:01:00.0";
}

int rf_device_scratch(struct rf_device *dev, uint64_t size, void **mem)
{
	fake_check(size && !dev->scratch, "scratch memory is asked for once");
	*mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (*mem == MAP_FAILED)
		return -errno;
	dev->scratch = *mem;
	dev->scratch_size = size;
	return 0;
}

void *rf_bar_mem(const struct rf_device *dev, unsigned bar)
{
	return dev->bar;
}

void rf_device_error(struct rf_device *dev, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(dev->error, sizeof(dev->error), fmt, ap);
	va_end(ap);
}

void rf_device_warn(struct rf_device *dev, const char *fmt, ...)
{
	va_list ap;

	dev->warnings++;
	va_start(ap, fmt);
	vsnprintf(dev->warning, sizeof(dev->warning), fmt, ap);
	va_end(ap);
}

static const struct rf_prop *fake_prop(const struct rf_device *dev, const char *name)
{
	const struct rf_prop *prop;

	for (prop = dev->model->props; prop->name; prop++)
		if (!strcmp(prop->name, name))
			return prop;
	fake_check(false, "the model asks for a property that it does not declare");
	return NULL;
}

const char *rf_prop_string(const struct rf_device *dev, const char *name)
{
	const struct rf_prop *prop = fake_prop(dev, name);
	unsigned i;

	for (i = 0; i < FAKE_PROPS && dev->props[i].name; i++)
		if (!strcmp(dev->props[i].name, name))
			return dev->props[i].value;
	return prop->def;
}

uint64_t rf_prop_uint(const struct rf_device *dev, const char *name)
{
	static const char suffixes[] = "kMGT";
	const char *text = rf_prop_string(dev, name);
	const char *suffix;
	char *end;
	uint64_t val;

	if (!text)
		return 0;
	val = strtoull(text, &end, 0);
	suffix = *end ? strchr(suffixes, *end) : NULL;
	return suffix ? val << (10 * (suffix - suffixes + 1)) : val;
}

bool rf_prop_isset(const struct rf_device *dev, const char *name)
{
	return rf_prop_string(dev, name);
}

void rf_device_lock(struct rf_device *dev)
{
}

void rf_device_unlock(struct rf_device *dev)
{
}

enum rf_irq_mode rf_irq_mode(const struct rf_device *dev)
{
	return dev->irq_mode;
}

int rf_irq_raise(struct rf_device *dev, unsigned vector)
{
	if (vector >= dev->model->msix_vectors)
		return -EINVAL;
	if (dev->irq_mode == RF_IRQ_MSIX)
		dev->irqs[vector]++;
	return 0;
}

void rf_intx_set(struct rf_device *dev, bool asserted)
{
	dev->intx = asserted;
}
