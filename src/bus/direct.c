/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driving a device by function calls (ringfence/machine.h): the public face of
 * configuration space, BARs and interrupts, for whoever embeds the library.
 *
 * Interrupts go to a sink of our own that writes eventfds. It stands in for
 * the host kernel, so it also enables MSI-X (or MSI) with the first vector and
 * unmasks each vector that has an eventfd.
 */
#include <errno.h>
#include <ringfence/machine.h>

#include "base/alloc.h"
#include "base/stats.h"
#include "base/sys.h"
#include "bus/internal.h"

struct irq_eventfds {
	struct irq_sink sink;
	enum irq_index index; /* what messages the device has: IRQ_MSIX or IRQ_MSI */
	unsigned count; /* vectors */
	unsigned used; /* of them, with an eventfd */
	int intx;
	int fds[];
};

uint32_t rf_device_config_read(struct rf_device *dev, unsigned off, unsigned size)
{
	return config_read(dev, off, size);
}

void rf_device_config_write(struct rf_device *dev, unsigned off, uint32_t val, unsigned size)
{
	config_write(dev, off, val, size);
}

uint64_t rf_device_mmio_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	if (!config_memory_enabled(dev))
		return size && size < 8 ? UINT64_MAX >> (64 - 8 * size) : UINT64_MAX;
	return bar_read(dev, bar, off, size);
}

void rf_device_mmio_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
			  unsigned size)
{
	if (config_memory_enabled(dev))
		bar_write(dev, bar, off, val, size);
}

void rf_device_reset(struct rf_device *dev)
{
	device_reset(dev);
}

static void eventfd_signal(int fd)
{
	uint64_t one = 1;

	if (fd < 0)
		return;
	/* full or closed: the caller's eventfd, the caller's business */
	(void)sys_write(fd, &one, sizeof(one));
	stats_add(&stats()->irqs, 1);
}

static void eventfds_signal(struct irq_sink *sink, enum irq_index index, unsigned vector)
{
	struct irq_eventfds *efds = (struct irq_eventfds *)sink;

	if (index == IRQ_INTX) {
		if (vector) /* asserted */
			eventfd_signal(efds->intx);
	} else if (index != IRQ_REQ && vector < efds->count) {
		eventfd_signal(efds->fds[vector]);
	}
}

static struct irq_eventfds *eventfds_get(struct rf_device *dev)
{
	enum irq_index index = irq_count(dev, IRQ_MSIX) ? IRQ_MSIX : IRQ_MSI;
	unsigned count = irq_count(dev, index);
	struct irq_eventfds *efds = dev->eventfds;

	if (efds)
		return efds;
	efds = alloc_zeroed(sizeof(*efds) + count * sizeof(efds->fds[0]));
	if (!efds)
		return NULL;
	efds->sink.signal = eventfds_signal;
	efds->index = index;
	efds->count = count;
	efds->intx = -1;
	for (unsigned i = 0; i < count; i++)
		efds->fds[i] = -1;
	dev->eventfds = efds;
	return efds;
}

void eventfds_free(struct rf_device *dev)
{
	alloc_free(dev->eventfds);
	dev->eventfds = NULL;
}

static void eventfds_set_vector(struct rf_device *dev, struct irq_eventfds *efds, unsigned vector,
				int fd)
{
	int old = efds->fds[vector];

	efds->fds[vector] = fd;
	efds->used += (fd >= 0) - (old >= 0);
	if (fd < 0)
		irq_mask_vector(dev, vector, true);
	if (!efds->used)
		irq_disable(dev, efds->index);
	else
		irq_enable(dev, efds->index);
	if (fd >= 0)
		irq_mask_vector(dev, vector, false);
}

static int device_set_irq(struct rf_device *dev, uint32_t vector, int fd)
{
	bool intx = vector == UINT32_MAX;
	struct irq_eventfds *efds;

	if (intx ? !irq_count(dev, IRQ_INTX) :
		   vector >= irq_count(dev, IRQ_MSIX) && vector >= irq_count(dev, IRQ_MSI))
		return -EINVAL;
	efds = eventfds_get(dev);
	if (!efds)
		return -ENOMEM;
	if (!intx && vector >= efds->count)
		return -EINVAL;
	irq_set_sink(dev, &efds->sink);
	if (!intx) {
		eventfds_set_vector(dev, efds, vector, fd);
		return 0;
	}
	efds->intx = fd;
	if (irq_line(dev) && rf_irq_mode(dev) == RF_IRQ_INTX)
		eventfd_signal(fd);
	return 0;
}

int rf_device_set_irq(struct rf_device *dev, uint32_t vector, int eventfd)
{
	int ret;

	device_lock(dev);
	ret = device_set_irq(dev, vector, eventfd < 0 ? -1 : eventfd);
	device_unlock(dev);
	return ret;
}
