/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts: SET_IRQS, and the way from the device to an eventfd.
 *
 * Of INTx, MSI and MSI-X one is enabled at a time; enabling is giving the first
 * eventfd, disabling is DATA_NONE with count 0. ERR and REQ are independent of
 * them and of the device: nothing but a loopback trigger signals them here.
 *
 * INTx is level-triggered. When the line rises and is not masked, it is masked
 * and signalled; the program serves the device and unmasks; if the line is
 * still up then, it is signalled again and stays masked. COMMAND.INTX_DISABLE is
 * virtual: it masks in the same way, and nothing is signalled while it is set.
 *
 * MSI-X vectors without an eventfd stay masked in the device's table, so what is
 * raised there is pending, and delivered when they get one.
 *
 * Under the device's lock throughout. Delivery (virqs_signal) runs on whichever
 * thread touched the device, in signal handlers too: an array look-up and a
 * write, no allocation.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/stats.h"
#include "memory/owner.h"
#include "vfio/pci_regs.h"
#include "vfio/vdev.h"
#include "vfio/vfio.h"

#define MAX_VECTORS 2048u

static void virqs_deliver(const struct eventfd *ev)
{
	if (!eventfd_there(ev))
		return;
	eventfd_signal(ev);
	stats_add(&stats()->irqs, 1);
}

static void virqs_deliver_intx(struct virqs *q, const struct vconfig *config)
{
	if (q->index == VFIO_PCI_INTX_IRQ_INDEX && !config->intx_disabled)
		virqs_deliver(&q->vectors[0]);
}

static void virqs_intx_raised(struct vdev *v)
{
	struct virqs *q = &v->irqs;

	if (q->index != VFIO_PCI_INTX_IRQ_INDEX || q->intx_masked)
		return;
	q->intx_masked = true;
	virqs_deliver_intx(q, &v->config);
}

static void virqs_signal(struct irq_sink *sink, enum irq_index index, unsigned vector)
{
	struct vdev *v = (struct vdev *)((char *)sink - offsetof(struct vdev, irqs.sink));
	struct virqs *q = &v->irqs;

	if (index == IRQ_INTX) {
		if (vector)
			virqs_intx_raised(v);
	} else if (index == IRQ_REQ) {
		virqs_deliver(&q->req);
	} else if ((unsigned)index == q->index && vector < q->nr_vectors) {
		virqs_deliver(&q->vectors[vector]);
	}
}

unsigned virqs_count(const struct vdev *v, uint32_t index)
{
	/* the pin as the program sees it, as a broken one is hidden */
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		return v->config.bytes[PCI_INTERRUPT_PIN] ? 1 : 0;
	return index < VFIO_PCI_NUM_IRQS ? irq_count(v->dev, (enum irq_index)index) : 0;
}

int virqs_init(struct vdev *v)
{
	struct virqs *q = &v->irqs;
	unsigned msi = virqs_count(v, VFIO_PCI_MSI_IRQ_INDEX);

	q->nr_vectors = virqs_count(v, VFIO_PCI_MSIX_IRQ_INDEX);
	if (q->nr_vectors < msi)
		q->nr_vectors = msi;
	if (!q->nr_vectors)
		q->nr_vectors = 1;
	q->vectors = malloc(q->nr_vectors * sizeof(*q->vectors));
	if (!q->vectors)
		return -ENOMEM;
	for (unsigned i = 0; i < q->nr_vectors; i++)
		q->vectors[i] = EVENTFD_NONE;
	q->err = q->req = EVENTFD_NONE;
	q->index = IRQ_NO_INDEX;
	q->sink.signal = virqs_signal;
	irq_set_sink(v->dev, &q->sink);
	return 0;
}

/* INTx */

void virqs_intx_mask(struct vdev *v)
{
	if (v->irqs.index == VFIO_PCI_INTX_IRQ_INDEX)
		v->irqs.intx_masked = true;
}

void virqs_intx_unmask(struct vdev *v)
{
	struct virqs *q = &v->irqs;

	if (q->index != VFIO_PCI_INTX_IRQ_INDEX || !q->intx_masked || v->config.intx_disabled)
		return;
	if (irq_line(v->dev))
		virqs_deliver_intx(q, &v->config);
	else
		q->intx_masked = false;
}

static void virqs_unmask_fired(struct watch *watch)
{
	struct vdev *v = (struct vdev *)((char *)watch - offsetof(struct vdev, irqs.unmask));

	virqs_intx_unmask(v);
}

static int intx_enable(struct vdev *v, const struct eventfd *ev)
{
	struct virqs *q = &v->irqs;

	q->vectors[0] = *ev;
	q->index = VFIO_PCI_INTX_IRQ_INDEX;
	q->intx_masked = v->config.intx_disabled;
	if (irq_line(v->dev))
		virqs_intx_raised(v);
	return 0;
}

static void intx_stop_watching(struct vdev *v)
{
	if (v->irqs.unmask_watched)
		watch_del(&v->watcher, &v->irqs.unmask);
	v->irqs.unmask_watched = false;
}

static void intx_disable(struct vdev *v)
{
	intx_stop_watching(v);
	eventfd_drop(&v->irqs.vectors[0]);
	v->irqs.index = IRQ_NO_INDEX;
}

static int set_intx_trigger(struct vdev *v, const struct vfio_irq_set *set, const void *data)
{
	struct virqs *q = &v->irqs;
	bool on = q->index == VFIO_PCI_INTX_IRQ_INDEX;

	if (on && !set->count && set->flags & VFIO_IRQ_SET_DATA_NONE) {
		intx_disable(v);
		return 0;
	}
	if (!(on || q->index == IRQ_NO_INDEX) || set->start || set->count != 1)
		return -EINVAL;

	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		int fd = *(const int32_t *)data;
		struct eventfd ev = EVENTFD_NONE;
		int ret = fd >= 0 ? eventfd_take(fd, &ev) : 0;

		if (ret)
			return ret;
		if (!on)
			return intx_enable(v, &ev);
		eventfd_drop(&q->vectors[0]);
		q->vectors[0] = ev;
		return 0;
	}
	if (!on)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_NONE || *(const uint8_t *)data)
		virqs_deliver_intx(q, &v->config);
	return 0;
}

static int set_intx_mask(struct vdev *v, const struct vfio_irq_set *set, const void *data)
{
	if (v->irqs.index != VFIO_PCI_INTX_IRQ_INDEX || set->start || set->count != 1)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return -ENOTTY;
	if (set->flags & VFIO_IRQ_SET_DATA_NONE || *(const uint8_t *)data)
		virqs_intx_mask(v);
	return 0;
}

static int set_intx_unmask(struct vdev *v, const struct vfio_irq_set *set, const void *data)
{
	struct virqs *q = &v->irqs;
	int ret;

	if (q->index != VFIO_PCI_INTX_IRQ_INDEX || set->start || set->count != 1)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		int fd = *(const int32_t *)data;
		struct watch fresh;

		if (fd < 0) {
			intx_stop_watching(v);
			return 0;
		}
		/* one that nobody can signal any more has gone by itself */
		if (q->unmask_watched && eventfd_is_orphan(&q->unmask.ev))
			intx_stop_watching(v);
		if (q->unmask_watched) {
			/* an unusable descriptor is told before a second one */
			ret = eventfd_take(fd, &fresh.ev);
			if (!ret)
				eventfd_drop(&fresh.ev);
			return ret ? ret : -EBUSY;
		}
		ret = watch_add(&v->watcher, &q->unmask, fd, virqs_unmask_fired);
		q->unmask_watched = !ret;
		return ret;
	}
	if (set->flags & VFIO_IRQ_SET_DATA_NONE || *(const uint8_t *)data)
		virqs_intx_unmask(v);
	return 0;
}

/* MSI and MSI-X */

static bool msi_is_x(const struct virqs *q)
{
	return q->index == VFIO_PCI_MSIX_IRQ_INDEX;
}

/* How many bits it takes to count @n vectors in powers of two. */
static unsigned msi_order(unsigned n)
{
	unsigned order = 0;

	while (1u << order < n)
		order++;
	return order;
}

/* 0, a negative errno, or a count: as many vectors as there could be. */
static int msi_enable(struct vdev *v, uint32_t index, unsigned vectors)
{
	struct virqs *q = &v->irqs;
	bool many = v->dev->iommu && v->dev->iommu->irq_remapping;

	/* in this order for MSI-X, in the other for MSI */
	if (!vectors && (index == VFIO_PCI_MSIX_IRQ_INDEX || !v->power))
		return -ERANGE;
	if (v->power)
		return -EINVAL;
	/* without interrupt remapping a host has a single MSI vector to give */
	if (index == VFIO_PCI_MSI_IRQ_INDEX && vectors > 1 && !many)
		return 1;
	q->index = index;
	if (index == VFIO_PCI_MSI_IRQ_INDEX) {
		q->msi_allocated = vectors;
		q->msi_qmax = msi_order(vectors);
	}
	irq_enable(v->dev, (enum irq_index)index);
	return 0;
}

static int msi_set_vector(struct vdev *v, unsigned vector, int fd)
{
	struct virqs *q = &v->irqs;
	struct eventfd ev = EVENTFD_NONE;
	int ret;

	if (eventfd_there(&q->vectors[vector])) {
		if (msi_is_x(q))
			irq_mask_vector(v->dev, vector, true);
		eventfd_drop(&q->vectors[vector]);
	}
	if (fd < 0)
		return 0;
	if (!msi_is_x(q) && vector >= q->msi_allocated)
		return -EINVAL;
	ret = eventfd_take(fd, &ev);
	if (ret)
		return ret;
	q->vectors[vector] = ev;
	if (msi_is_x(q))
		irq_mask_vector(v->dev, vector, false);
	return 0;
}

static int msi_set_block(struct vdev *v, unsigned start, unsigned count, const int32_t *fds)
{
	unsigned done;
	int ret = 0;

	for (done = 0; done < count && !ret; done++)
		ret = msi_set_vector(v, start + done, fds[done]);
	if (ret) {
		while (done--)
			msi_set_vector(v, start + done, -1);
	}
	return ret;
}

static void msi_disable(struct vdev *v)
{
	struct virqs *q = &v->irqs;

	for (unsigned i = 0; i < q->nr_vectors; i++)
		msi_set_vector(v, i, -1);
	irq_disable(v->dev, (enum irq_index)q->index);
	q->index = IRQ_NO_INDEX;
}

static int set_msi_trigger(struct vdev *v, const struct vfio_irq_set *set, const void *data)
{
	struct virqs *q = &v->irqs;
	bool on = q->index == set->index;
	int ret;

	if (on && !set->count && set->flags & VFIO_IRQ_SET_DATA_NONE) {
		msi_disable(v);
		return 0;
	}
	if (!(on || q->index == IRQ_NO_INDEX))
		return -EINVAL;

	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		if (on)
			return msi_set_block(v, set->start, set->count, data);
		ret = msi_enable(v, set->index, set->start + set->count);
		if (ret)
			return ret;
		ret = msi_set_block(v, set->start, set->count, data);
		if (ret)
			msi_disable(v);
		return ret;
	}
	if (!on)
		return -EINVAL;
	for (unsigned i = 0; i < set->count; i++) {
		if (set->flags & VFIO_IRQ_SET_DATA_NONE || ((const uint8_t *)data)[i])
			virqs_deliver(&q->vectors[set->start + i]);
	}
	return 0;
}

/* ERR and REQ */

static int set_single_trigger(struct eventfd *ev, const struct vfio_irq_set *set, const void *data)
{
	struct eventfd fresh;
	int fd, ret;

	if (set->start || set->count > 1)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_NONE) {
		if (!eventfd_there(ev))
			return -EINVAL;
		if (set->count)
			virqs_deliver(ev);
		else
			eventfd_drop(ev);
		return 0;
	}
	if (!set->count)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_BOOL) {
		if (*(const uint8_t *)data)
			virqs_deliver(ev);
		return 0;
	}
	fd = *(const int32_t *)data;
	if (fd < -1)
		return -EINVAL;
	if (fd == -1) {
		eventfd_drop(ev);
		return 0;
	}
	ret = eventfd_take(fd, &fresh);
	if (ret)
		return ret;
	eventfd_drop(ev);
	*ev = fresh;
	return 0;
}

/* Which combinations of index and action exist: -ENOTTY for the others. */
static int virqs_set(struct vdev *v, const struct vfio_irq_set *set, const void *data)
{
	uint32_t action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	if (set->index == VFIO_PCI_INTX_IRQ_INDEX) {
		if (action == VFIO_IRQ_SET_ACTION_MASK)
			return set_intx_mask(v, set, data);
		if (action == VFIO_IRQ_SET_ACTION_UNMASK)
			return set_intx_unmask(v, set, data);
	}
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -ENOTTY;
	switch (set->index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return set_intx_trigger(v, set, data);
	case VFIO_PCI_MSI_IRQ_INDEX:
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return set_msi_trigger(v, set, data);
	case VFIO_PCI_ERR_IRQ_INDEX:
		return set_single_trigger(&v->irqs.err, set, data);
	default:
		return set_single_trigger(&v->irqs.req, set, data);
	}
}

/* The kernel's common checks; *size is the length of the data that follows. */
static int virqs_validate(const struct vfio_irq_set *set, unsigned available, size_t *size)
{
	const uint32_t known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
	size_t each;

	if (set->argsz < sizeof(*set) || set->index >= VFIO_PCI_NUM_IRQS ||
	    set->count >= UINT32_MAX - set->start || set->flags & ~known)
		return -EINVAL;
	if (set->start >= available || set->start + set->count > available)
		return -EINVAL;
	switch (set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		each = 0;
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		each = sizeof(uint8_t);
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		each = sizeof(int32_t);
		break;
	default:
		return -EINVAL;
	}
	*size = set->count * each;
	return set->argsz - sizeof(*set) < *size ? -EINVAL : 0;
}

int virqs_set_ioctl(struct vdev *v, struct file_caller *caller, unsigned long arg)
{
	int32_t data[MAX_VECTORS] = { 0 }; /* one word a vector is the most there can be */
	struct vfio_irq_set set;
	bool listens;
	size_t size;
	int ret;

	if (owner_read(caller->owner, &set, arg, sizeof(set)))
		return -EFAULT;
	ret = virqs_validate(&set, virqs_count(v, set.index), &size);
	if (ret)
		return ret;
	if (size > sizeof(data))
		return -EINVAL;
	if (owner_read(caller->owner, data, arg + sizeof(set), size))
		return -EFAULT;
	for (unsigned i = 0; set.flags & VFIO_IRQ_SET_DATA_EVENTFD && i < set.count; i++)
		data[i] = caller_fd(caller, data[i]);

	vdev_lock(v);
	ret = virqs_set(v, &set, data);
	listens = set.index == VFIO_PCI_REQ_IRQ_INDEX && eventfd_there(&v->irqs.req);
	vdev_unlock(v);
	if (listens && v->options->claims && v->options->claims->listen)
		v->options->claims->listen(v->claim);
	return ret;
}

void virqs_restore(struct vdev *v)
{
	struct virqs *q = &v->irqs;

	if (q->index == VFIO_PCI_MSI_IRQ_INDEX || q->index == VFIO_PCI_MSIX_IRQ_INDEX)
		irq_enable(v->dev, (enum irq_index)q->index);
	if (!msi_is_x(q))
		return;
	for (unsigned i = 0; i < q->nr_vectors; i++) {
		if (eventfd_there(&q->vectors[i]))
			irq_mask_vector(v->dev, i, false);
	}
}

void virqs_release(struct vdev *v)
{
	struct virqs *q = &v->irqs;

	if (q->index == VFIO_PCI_INTX_IRQ_INDEX)
		intx_disable(v);
	else if (q->index != IRQ_NO_INDEX)
		msi_disable(v);
	eventfd_drop(&q->err);
	eventfd_drop(&q->req);
	irq_set_sink(v->dev, NULL);
	free(q->vectors);
}
