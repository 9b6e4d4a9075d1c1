/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device models: what a model declares, what it is called for, what it may
 * call.
 *
 * A model is a table, struct rf_pci_model, and a handful of callbacks. The
 * same header serves the models in this tree and a user's shared object:
 *
 *	RF_PCI_MODEL(counter, .vendor = 0x1234, .device = 0xc0de, ...);
 *
 *	ringfence run --device ./counter.so -- ./my-driver 0000:01:00.0
 *
 * Context. Every callback of one device runs under that device's lock: never
 * two at once, on whichever thread touched the device (often inside the
 * SIGSEGV handler of the driver's thread, on a stack of at least 64 KiB). A
 * callback must not wait for another thread that touches the device. A model
 * with threads of its own takes the lock with rf_device_lock() before it
 * touches state shared with callbacks; the rf_dma_* and rf_irq_* calls may be
 * made from any thread, with or without that lock.
 */
#ifndef RINGFENCE_DEVICE_H
#define RINGFENCE_DEVICE_H

#ifdef __cplusplus
#error "device models are written in C"
#endif

#include <ringfence/types.h>

#define RF_MODEL_ABI 1u
#define RF_PCI_BARS  6u

/* What a page of a BAR is; struct rf_bar_area. */
enum rf_area_kind {
	/* every access calls the model (the default outside all areas) */
	RF_AREA_TRAP,
	/*
	 * Loads read the page itself (rf_bar_mem()), which the model keeps up
	 * to date; stores call the model. For registers that only the model's
	 * own actions change and whose reads have no side effect.
	 */
	RF_AREA_READABLE,
	/* plain memory; the model is never called (a controller memory buffer) */
	RF_AREA_RAM,
	/*
	 * A store calls the model, except while the engine polls: then stores
	 * land in the page and .poll looks for them. Only for registers where
	 * the newest value is all that matters (queue doorbells). Before it
	 * calls .write for such a page the engine stores the value in the page.
	 */
	RF_AREA_DOORBELL,
};

/**
 * struct rf_bar_area - a run of pages of a BAR that are not plain TRAP
 * @offset: first byte in the BAR; a multiple of 4096
 * @size: bytes; a multiple of 4096; 0 ends the list
 * @kind: what the pages are
 */
struct rf_bar_area {
	uint64_t offset;
	uint64_t size;
	enum rf_area_kind kind;
};

#define RF_BAR_64	(1u << 0) /* a 64-bit BAR; takes the next slot too */
#define RF_BAR_PREFETCH (1u << 1) /* prefetchable */
#define RF_BAR_IO	(1u << 2) /* I/O ports, not memory: read(), write(), no areas */
#define RF_BAR_AREAS	8u

/**
 * struct rf_bar - one BAR: memory, or I/O ports
 * @size: bytes, a power of two, of memory at least 16, of ports 4 to 256; 0: no BAR
 * @flags: RF_BAR_*
 * @read: a load of @size 1, 2, 4 or 8 bytes at @off; NULL reads zero
 * @write: a store of @size 1, 2, 4 or 8 bytes; NULL drops it
 * @areas: up to RF_BAR_AREAS runs of pages that are not RF_AREA_TRAP
 *
 * Accesses are naturally aligned: wider or misaligned ones (vector stores,
 * memcpy) arrive split, in ascending order. The pages of the MSI-X table and
 * pending bits are served by the engine and never reach the model.
 */
struct rf_bar {
	uint64_t size;
	uint32_t flags;
	uint64_t (*read)(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size);
	void (*write)(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
		      unsigned size);
	struct rf_bar_area areas[RF_BAR_AREAS];
};

enum rf_prop_kind {
	RF_PROP_STRING,
	RF_PROP_SIZE, /* bytes, with an optional suffix k, M, G or T (powers of 1024) */
	RF_PROP_UINT, /* decimal or 0x hexadecimal */
	RF_PROP_BOOL, /* on|off, true|false, yes|no, 1|0 */
	RF_PROP_PATH, /* the name of a file; a relative one is made absolute at start */
};

/**
 * struct rf_prop - a property a user may give: --device model,name=value
 * @name: its name; NULL ends the list
 * @kind: how the value is written
 * @def: the default as a user would write it, or NULL when unset
 * @help: one line for `ringfence devices`
 */
struct rf_prop {
	const char *name;
	enum rf_prop_kind kind;
	const char *def;
	const char *help;
};

#define RF_PCI_CAP_PM	(1u << 0) /* power management */
#define RF_PCI_CAP_PCIE (1u << 1) /* PCI Express endpoint; config space of 4096 bytes */
#define RF_PCI_CAP_FLR	(1u << 2) /* function level reset; needs RF_PCI_CAP_PCIE */
#define RF_PCI_CAP_PASID \
	(1u << 3) /* DMA tagged with PASIDs, of pasid_bits; needs RF_PCI_CAP_PCIE */
/*
 * Bytes of configuration space that no capability claims hold what is written to them,
 * whatever is reset, as those of QEMU's devices do; without, they read as zero.
 */
#define RF_PCI_CONFIG_MEMORY (1u << 4)

/**
 * struct rf_pci_model - a PCI device model
 * @abi: RF_MODEL_ABI (RF_PCI_MODEL() fills it)
 * @name: its name in --device; letters, digits, '-', '_'
 * @summary: one line for `ringfence devices`
 * @vendor: @device: @subsystem_vendor: @subsystem_device: identity; the
 *	subsystem ids default to 1af4:1100
 * @class: 24 bits: base class, subclass, programming interface
 * @revision: revision id
 * @caps: RF_PCI_CAP_*
 * @int_pin: 1 (INTA#) to 4, 0: no INTx
 * @msi_vectors: 0, 1, 2, 4, 8, 16 or 32
 * @msix_vectors: 0 to 2048
 * @msix_bar: BAR of the table and pending bits; the table lies at
 *	@msix_table, pending bits at @msix_pba, each in pages of its own
 * @msix_table: byte offset, a multiple of 4096
 * @msix_pba: byte offset, a multiple of 4096; with both 0 the engine adds a BAR
 *	for them, in the first free slot
 * @cap_offset: where the capabilities lie in configuration space, 0: chosen
 *	(in the order MSI-X, MSI, PCI Express, PM, from 0x40)
 * @bars: the BARs
 * @props: properties, ended by a NULL name; NULL: none
 * @data_size: bytes of zeroed private data, rf_device_data()
 * @init: called once, with properties readable; on failure say why with
 *	rf_device_error() and return a negative errno; NULL: nothing to do
 * @fini: undoes @init; never called after a failed @init
 * @reset: back to power-on state; media survive. Called, of a device that VFIO can
 *	reset (by FLR, or alone behind a bridge), at each open and last close of the
 *	device, at DEVICE_RESET and at a function level reset. Lowers INTx
 *	and clears pending vectors by itself
 * @pasid_bits: with RF_PCI_CAP_PASID, how wide its PASIDs are: 1 to 20
 * @poll: while the engine polls RF_AREA_DOORBELL pages: look at the pages and
 *	do what they ask. Returns the number of doorbells found changed, 0 for
 *	none
 * @rom: @rom_length: contents of the expansion ROM; what follows them in its BAR
 *	reads as zero
 * @rom_size: bytes of the ROM's BAR, a power of two from 2048 to 16 MiB; 0: no ROM
 * @config: @config_length: a whole configuration space, 256 or 4096 bytes, to be used
 *	instead of one made of the fields above. Identity, interrupts and capabilities
 *	are then what it says; of the fields, only BARs (their kind, too, is what it
 *	says), the ROM, @props, @data_size and the callbacks count. Registers that
 *	a driver sets begin as after power-on, whatever they were when it was saved
 * @declare: called first, with properties readable, to change this declaration for
 *	one device: @model is a copy to be filled in. What it lets @config and @rom
 *	point to must come from malloc(), and is freed with the device. On failure as
 *	@init; NULL: the declaration is what it is
 */
struct rf_pci_model {
	uint32_t abi;
	const char *name;
	const char *summary;
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem_device;
	uint32_t class;
	uint8_t revision;
	uint8_t int_pin;
	uint32_t caps;
	uint16_t msi_vectors;
	uint16_t msix_vectors;
	uint8_t msix_bar;
	uint64_t msix_table;
	uint64_t msix_pba;
	struct {
		uint8_t msix;
		uint8_t msi;
		uint8_t pcie;
		uint8_t pm;
	} cap_offset;
	struct rf_bar bars[RF_PCI_BARS];
	const struct rf_prop *props;
	size_t data_size;
	int (*init)(struct rf_device *dev);
	void (*fini)(struct rf_device *dev);
	void (*reset)(struct rf_device *dev);
	unsigned (*poll)(struct rf_device *dev);
	uint8_t pasid_bits;
	const void *rom;
	size_t rom_length;
	uint64_t rom_size;
	const void *config;
	size_t config_length;
	int (*declare)(struct rf_device *dev, struct rf_pci_model *model);
};

/*
 * Declares the model of a shared object. One per object; the engine finds it
 * by this symbol.
 */
#define RF_MODEL_SYMBOL "rf_pci_model_entry"
#define RF_PCI_MODEL(model_name, ...)                                         \
	RF_API extern const struct rf_pci_model rf_pci_model_entry;           \
	const struct rf_pci_model rf_pci_model_entry = { .abi = RF_MODEL_ABI, \
							 .name = #model_name, \
							 __VA_ARGS__ }

/**
 * rf_device_data() - the model's private data
 *
 * Return: @data_size zeroed bytes, aligned to 64, for the device's lifetime.
 */
RF_API void *rf_device_data(const struct rf_device *dev);

/**
 * rf_device_described() - the configuration space that the machine file has for the device
 * @dev: the device
 * @size: bytes
 *
 * A machine file may describe functions by their configuration space, as of a real
 * machine. Only in @declare and @init.
 *
 * Return: what it says of the function at the device's address; NULL, and 0 bytes, if
 * nothing.
 */
RF_API const void *rf_device_described(const struct rf_device *dev, size_t *size);

/** rf_device_described_bar() - how large BAR @bar (6: the ROM) is there; 0: not known */
RF_API uint64_t rf_device_described_bar(const struct rf_device *dev, unsigned bar);

/** rf_device_name() - its address as text, "0000:01:00.0" */
RF_API const char *rf_device_name(const struct rf_device *dev);

/**
 * rf_device_error() - say why init fails; printf-like, one line, no newline
 *
 * The text reaches the user behind the device's name. Only in @init.
 */
RF_API void rf_device_error(struct rf_device *dev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * rf_device_warn() - report a driver's mistake
 *
 * One line to the session's log, limited to a few a device; counted always.
 * Any thread.
 */
RF_API void rf_device_warn(struct rf_device *dev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** rf_prop_string() - a RF_PROP_STRING or RF_PROP_PATH value, or NULL when unset */
RF_API const char *rf_prop_string(const struct rf_device *dev, const char *name);
/** rf_prop_uint() - a RF_PROP_SIZE, RF_PROP_UINT or RF_PROP_BOOL value; 0 when unset */
RF_API uint64_t rf_prop_uint(const struct rf_device *dev, const char *name);
/** rf_prop_isset() - whether the property has a value (given, or a default) */
RF_API bool rf_prop_isset(const struct rf_device *dev, const char *name);

/**
 * rf_device_scratch() - memory for what the device stores (the blocks of a disk)
 *
 * Zeroed at first, and sparse: what was never written, or given back with
 * MADV_REMOVE, costs nothing. All processes of a session that have the device
 * see the same bytes, for as long as the session is; without a session it is the
 * device's alone. Gone with the device: not to be unmapped. Only in @init, once.
 *
 * Return: 0 with *@mem at @size bytes; -EINVAL (@size is 0), -EFBIG, -EBUSY (not
 * the first call), -ENOMEM, -EMFILE, -ENFILE.
 */
RF_API int rf_device_scratch(struct rf_device *dev, uint64_t size, void **mem);

/** rf_device_lock() - keep the device's callbacks out; not from a callback */
RF_API void rf_device_lock(struct rf_device *dev);
/** rf_device_unlock() - undo rf_device_lock() */
RF_API void rf_device_unlock(struct rf_device *dev);

/**
 * rf_bar_mem() - the bytes behind a BAR's READABLE, RAM and DOORBELL pages
 *
 * The model's own view, always writable, of the same pages the driver sees.
 *
 * Return: the address of byte 0 of the BAR, valid for the device's lifetime;
 * NULL if the BAR has no such area.
 */
RF_API void *rf_bar_mem(const struct rf_device *dev, unsigned bar);

/** rf_bar_size() - how large a BAR is, in bytes; 0: there is none */
RF_API uint64_t rf_bar_size(const struct rf_device *dev, unsigned bar);

/**
 * rf_dma_read() - read from the driver's memory, through the IOMMU
 * @dev: the device
 * @iova: I/O virtual address, in bytes
 * @buf: destination
 * @len: bytes; the range may cross pages and mappings
 *
 * Any thread. On failure @buf may be partly filled; the failure has been
 * counted and reported with address, IOVA and direction.
 *
 * Return: 0; -EFAULT where the IOVA is not mapped, lacks the right, or the
 * memory behind it is gone; -EPERM while COMMAND.MASTER is 0; -ENODEV without
 * an attached address space.
 */
RF_API int rf_dma_read(struct rf_device *dev, uint64_t iova, void *buf, size_t len);

/** rf_dma_write() - write to the driver's memory; as rf_dma_read() */
RF_API int rf_dma_write(struct rf_device *dev, uint64_t iova, const void *buf, size_t len);

/**
 * rf_dma_read_pasid() - read through what a PASID is attached to
 * @dev: the device
 * @pasid: the PASID
 * @iova: I/O virtual address in that address space, in bytes
 * @buf: destination
 * @len: bytes
 *
 * As rf_dma_read(), but tagged: the IOMMU uses the address space that is attached to
 * the PASID (rf_pasid_attach()), whatever the group is attached to. Reported with the
 * PASID.
 *
 * Return: as rf_dma_read(); -EPERM also while the PASID capability is not enabled, or
 * there is none; -EINVAL for a PASID of more bits than the device has; -ENODEV when
 * nothing is attached to the PASID.
 */
RF_API int rf_dma_read_pasid(struct rf_device *dev, uint32_t pasid, uint64_t iova, void *buf,
			     size_t len);

/** rf_dma_write_pasid() - write to it; as rf_dma_read_pasid() */
RF_API int rf_dma_write_pasid(struct rf_device *dev, uint32_t pasid, uint64_t iova, const void *buf,
			      size_t len);

enum rf_irq_mode { RF_IRQ_INTX, RF_IRQ_MSI, RF_IRQ_MSIX };

/** rf_irq_mode() - how the driver has asked for interrupts just now */
RF_API enum rf_irq_mode rf_irq_mode(const struct rf_device *dev);

/**
 * rf_irq_raise() - send a message-signalled interrupt
 * @dev: the device
 * @vector: MSI or MSI-X vector, from 0
 *
 * Masked, it stays pending and is delivered at unmask. With neither MSI nor
 * MSI-X enabled nothing happens (use rf_intx_set()). MSI-X vectors raised
 * before MSI-X is enabled are pending, and delivered then. Any thread.
 *
 * Return: 0; -EINVAL for a vector the model does not have.
 */
RF_API int rf_irq_raise(struct rf_device *dev, unsigned vector);

/** rf_intx_set() - drive the INTx line: asserted or not; level-triggered. Any thread */
RF_API void rf_intx_set(struct rf_device *dev, bool asserted);

#endif
