/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices: a model's instance on a bus, its configuration space, BARs,
 * interrupts and its way to memory.
 *
 * Locks: dev->lock around every model callback and every change of
 * configuration, interrupt or attachment state that a callback can see.
 * Order: group, ioas, then dev->lock. DMA takes no lock at all: it enters
 * dev->gate.
 */
#ifndef RF_BUS_DEVICE_H
#define RF_BUS_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <ringfence/device.h>

#include "base/gate.h"
#include "base/hidden.h"
#include "iommu/domain.h"

#define BDF_FMT		 "%04x:%02x:%02x.%x"

#define DEVICE_NAME_SIZE 32
#define DEVICE_NO_WISH	 (-1)
#define DEVICE_NO_GROUP	 (-2) /* no IOMMU translates for it */
#define PCI_NAME_SIZE	 20 /* "0000:01:00.0"; domains may have eight digits */

struct pci_address {
	uint32_t domain;
	uint8_t bus;
	uint8_t slot;
	uint8_t function;
};

/*
 * "0000:01:00.0", "01:00.0", or with a domain of up to eight digits, as Linux
 * numbers those of VMD from 10000: 0 or -EINVAL (anything behind it included).
 */
int pci_address_parse(const char *text, struct pci_address *out);
int pci_address_compare(const struct pci_address *a, const struct pci_address *b);

#define PCI_CONFIG_SIZE	    256u
#define PCI_CONFIG_EXT_SIZE 4096u

/* Interrupt kinds, numbered as VFIO's indexes. */
enum irq_index { IRQ_INTX, IRQ_MSI, IRQ_MSIX, IRQ_ERR, IRQ_REQ, IRQ_INDEXES };

/**
 * struct irq_sink - where a device's interrupts go
 * @signal: an unmasked interrupt fires; with dev->lock held; must not call
 *	back into the device. For IRQ_INTX: called at each change of the line
 *	with @vector 1 asserted, 0 deasserted
 */
struct irq_sink {
	void (*signal)(struct irq_sink *sink, enum irq_index index, unsigned vector);
};

struct bar_state {
	const struct rf_bar *decl; /* size 0: no BAR */
	struct hidden memfd; /* the pages behind it, none until bar_backing() */
	uint8_t *mem; /* our writable view of them */
	atomic_bool lent; /* other processes may have mapped them */
	bool away; /* they are nobody's: @mem is a copy */
	uint64_t address; /* device_set_bar_address() */
};

/* rf_device_scratch(): its memory, and the file if it is ours. */
struct scratch {
	void *mem;
	uint64_t size;
	struct hidden file;
};

/**
 * struct described - what a machine file says of the function at a device's address
 * @config: @size: its configuration space, NULL: nothing
 * @bar_size: of six BARs and the ROM; 0: not known
 */
struct described {
	const uint8_t *config;
	size_t size;
	uint64_t bar_size[RF_PCI_BARS + 1];
};

#define SCRATCH_NAME "ringfence-scratch"

/* Finds the memory file that a session has for a device: a descriptor, or a negative errno. */
extern int (*scratch_find)(const struct rf_device *dev);
/* The memory file behind a device, the caller's to look at, or -ENOENT. */
int scratch_fd(const struct rf_device *dev);

struct rf_bus;
struct bus_notifier;
struct pci_function;

/*
 * A device with a model behind it, or a plain one: something that is there and
 * belongs to a group, but that nobody can open (a bridge, a function that is not
 * modelled, a device on a bus that is not PCI). A plain device has no
 * configuration space, and is small.
 */
struct rf_device {
	const struct rf_pci_model *model; /* NULL: a plain device */
	struct pci_address address;
	char name[DEVICE_NAME_SIZE]; /* "0000:01:00.0" */
	uint32_t name_hash; /* of a plain device */
	struct rf_machine *machine;

	/* where it is: bus.c; NULL until it has been added */
	struct rf_bus *bus;
	unsigned bus_place; /* its index in the bus's list */
	struct bus_notifier *claimed_by; /* the provider that took it, or the fallback */
	struct rf_device *parent; /* what it is behind, with a reference; or NULL */
	struct pci_function *function; /* its place in the topology, or NULL */
	atomic_uint users; /* device_get(); 1 for its bus */

	/* its group: see group/ */
	unsigned group_suffix; /* its link there is called name.suffix; 0: name */
	int group_wish; /* the group its description names, or DEVICE_NO_... */
	bool quarantined; /* it could not follow its group, and reaches nothing */
	const char *no_group; /* why it has none */
	bool of_set; /* freed with the set of groups, if it is still there then */

	struct rf_group *group; /* NULL: never assignable */
	const struct iommu_kind *iommu; /* the IOMMU above it, or NULL */
	pthread_mutex_t lock; /* recursive */
	void *data; /* the model's */
	struct prop_values *props;
	char *error; /* rf_device_error() */
	struct scratch scratch;

	uint8_t *power_on; /* config after a reset */
	const struct rf_pci_model *base_model; /* the one it was asked for */
	struct rf_pci_model *declared; /* @model, when it was made for this device; or NULL */
	const struct described *described; /* while the device is being made */
	uint8_t cap_pm, cap_pcie, cap_msi, cap_msix; /* offsets, 0: absent */
	uint8_t cap_af; /* likewise, of an image: see image.c */
	uint16_t cap_pasid; /* likewise, of the extended one */
	struct bar_state bars[RF_PCI_BARS];

	/* where the MSI-X table and pending bits lie: the model's wish, or a BAR we added */
	uint8_t msix_bar, msix_pba_bar; /* they differ for images alone */
	uint64_t msix_table, msix_pba;
	struct rf_bar added_bar;

	/* interrupts: see irq.c */
	struct irq_sink *sink;
	struct irq_state *irq;
	struct irq_eventfds *eventfds; /* rf_device_set_irq(): see direct.c */

	/* DMA: see dma.c */
	struct gate gate;
	_Atomic(struct domain *) domain; /* NULL: not attached, DMA refused */
	_Atomic unsigned switches; /* counted before a domain goes in: of this or of a PASID */
	struct domain *next_domain; /* between device_prepare_attach() and what ends it */
	struct device_pasids *pasids; /* the same for each PASID, or NULL: see pasid.c */
	atomic_bool asleep; /* device_set_asleep() */
	atomic_bool gone; /* the hardware was removed: DMA refused, registers read as ones */
	_Atomic(struct rf_owner *) owner; /* whose memory it used last; the machine may preset it */
	_Atomic unsigned complaints; /* lines already logged */

	struct rf_device *next; /* in the machine's list, by address */
	void *host_driver; /* name of the bound driver: const char *, or NULL */

	/* configuration space: what hardware would hold, and which bits are writable */
	unsigned config_size;
	uint8_t *config;
	uint8_t *config_wmask;
	uint8_t *config_w1c;
};

/*
 * Make a device of a model. @values: property names and values, ended by a
 * NULL name; checked against the model's table. Runs the model's init. On
 * failure *error (to be freed) says why.
 * 0; -EINVAL for a bad property or declaration; what init returned; -ENOMEM.
 */
struct prop_value {
	const char *name;
	const char *value;
};
int device_new(const struct rf_pci_model *model, const struct pci_address *address,
	       const struct prop_value *values, struct rf_device **out, char **error);
/* The same with what the machine file has at its address, for the model to read. */
int device_new_described(const struct rf_pci_model *model, const struct pci_address *address,
			 const struct prop_value *values, const struct described *described,
			 struct rf_device **out, char **error);
void device_free(struct rf_device *dev);
/*
 * Make a plain device. -EINVAL for a name that is too long, or empty; -ENOMEM.
 * A PCI function without a model has the @address of its name.
 */
int device_new_plain(const char *name, struct rf_device **out);

/*
 * References. Who uses a device that may be removed meanwhile holds one; the last
 * to go frees it. device_free() does not ask.
 */
static inline void device_get(struct rf_device *dev)
{
	atomic_fetch_add(&dev->users, 1);
}
void device_put(struct rf_device *dev); /* bus.c */
static inline bool device_gone(const struct rf_device *dev)
{
	return atomic_load_explicit(&dev->gone, memory_order_relaxed);
}
/*
 * The hardware goes; see bus.h, bus_remove_device(), which does more. Takes the
 * lock. False: it has gone before.
 */
bool device_depart(struct rf_device *dev);
/*
 * Ask whoever has it open, by the device request interrupt, to let go of it; may be
 * repeated. 0: nobody has; -EBUSY: asked. Takes the lock.
 */
int device_ask(struct rf_device *dev);

/*
 * Where the machine's firmware put a BAR: survives every reset, as the host
 * kernel's save and restore around one would have it.
 */
void device_set_bar_address(struct rf_device *dev, unsigned bar, uint64_t address);
/* There are other functions in its slot: its header type says so. For function 0. */
void device_set_multifunction(struct rf_device *dev);

/*
 * Power-on state: configuration, interrupts, the model. BAR addresses and the
 * interrupt line register stay. MSI and MSI-X are disabled and all entries
 * masked afterwards; COMMAND is 0: what a kernel restores then is the caller's
 * business. Takes the lock.
 */
void device_reset(struct rf_device *dev);
/* Whether the device has a reset of its own (FLR, or PM without NoSoftReset). */
bool device_can_reset(const struct rf_device *dev);
/* Part of it: one that it is asked for by a register; and by way of D3. */
bool device_can_flr(const struct rf_device *dev);
bool device_can_pm_reset(const struct rf_device *dev);

static inline void device_lock(struct rf_device *dev)
{
	pthread_mutex_lock(&dev->lock);
}

static inline void device_unlock(struct rf_device *dev)
{
	pthread_mutex_unlock(&dev->lock);
}

/* Configuration space as hardware; 1, 2 or 4 bytes, aligned. Take the lock. */
uint32_t config_read(struct rf_device *dev, unsigned off, unsigned size);
void config_write(struct rf_device *dev, unsigned off, uint32_t val, unsigned size);
bool config_memory_enabled(const struct rf_device *dev);
/* Mapped BARs are out of reach while the program lets the device sleep. Takes the lock. */
void device_set_asleep(struct rf_device *dev, bool asleep);
/*
 * Another process may map the pages behind a BAR, or has: from now on its mappings
 * follow bars_follow_memory().
 */
void bar_lend(struct rf_device *dev, unsigned bar);
/* How many BARs have been lent. */
extern atomic_uint bars_lent;
/*
 * Let other processes reach the pages of BARs that were lent just while the device's
 * memory is enabled; otherwise each access is a bus error. Where there is no memory for
 * that they stay as they are. Takes the device's lock.
 */
void bars_follow_memory(struct rf_device *dev);
/* Counts how often config_memory_enabled() has changed, of whatever device: who shows BARs looks. */
extern atomic_uint config_memory_changes;

/* How large the BAR is, 0: there is none (also for the upper half of a 64-bit one). */
static inline uint64_t bar_size(const struct rf_device *dev, unsigned bar)
{
	return bar < RF_PCI_BARS ? dev->bars[bar].decl->size : 0;
}

/* BARs. Aligned 1, 2, 4, 8 bytes; the MSI-X table and PBA are served here. Take the lock. */
uint64_t bar_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size);
void bar_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val, unsigned size);
/* Any range, split as struct rf_bar promises. */
void bar_read_bytes(struct rf_device *dev, unsigned bar, uint64_t off, void *buf, size_t len);
void bar_write_bytes(struct rf_device *dev, unsigned bar, uint64_t off, const void *buf,
		     size_t len);
/* What the page at @off is. MSI-X pages are RF_AREA_TRAP. */
enum rf_area_kind bar_page_kind(const struct rf_device *dev, unsigned bar, uint64_t off);
/* What the BAR is: of memory, or of I/O ports. */
static inline bool bar_is_io(const struct rf_device *dev, unsigned bar)
{
	return bar < RF_PCI_BARS && dev->bars[bar].decl->flags & RF_BAR_IO;
}
/* Bytes of the expansion ROM. @off and @len lie within its BAR. */
void rom_read_bytes(const struct rf_device *dev, uint64_t off, void *buf, size_t len);
/* The memfd behind a BAR (made at first use), or a negative errno. */
int bar_backing(struct rf_device *dev, unsigned bar);
/* Let the model look at its doorbell pages: what .poll returned. Takes the lock. */
unsigned device_poll(struct rf_device *dev);

/*
 * Interrupts, host side: what a kernel does when VFIO enables vectors. Take
 * the lock. MSI-X: enable, then unmask each vector in use; a pending one fires.
 */
unsigned irq_count(const struct rf_device *dev, enum irq_index index);
/* The caller's; it must live until another, or NULL, is set. Returns the previous one. */
struct irq_sink *irq_set_sink(struct rf_device *dev, struct irq_sink *sink);
void irq_enable(struct rf_device *dev, enum irq_index index); /* MSI, MSI-X */
void irq_disable(struct rf_device *dev, enum irq_index index);
void irq_mask_vector(struct rf_device *dev, unsigned vector, bool masked); /* MSI-X */
bool irq_line(struct rf_device *dev); /* is INTx asserted by the model */

/*
 * Attachment; the group does this. A second attach replaces the first: 0, or
 * -ENOMEM and all is as before. The old domain is in use by no DMA of the
 * device on return.
 */
int device_attach(struct rf_device *dev, struct domain *domain);
void device_detach(struct rf_device *dev);
/*
 * The same in two steps, for several devices that are attached all or not at all: 0 or
 * -ENOMEM; then either finish, which cannot fail, or abandon. Both do nothing for one
 * that was not prepared.
 */
int device_prepare_attach(struct rf_device *dev, struct domain *domain);
void device_finish_attach(struct rf_device *dev);
void device_abandon_attach(struct rf_device *dev);
/* Detach every PASID; as the device leaves its group, whose pointer is NULL by then. */
void device_detach_pasids(struct rf_device *dev);

#endif
