/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O address spaces: what a device's DMA addresses mean.
 *
 * An address space maps ranges of IOVA to an owner's memory. Devices are
 * attached to it (rf_group_attach()); from then on each of their DMAs is
 * translated through it. When rf_ioas_unmap() returns, no device can touch
 * the memory any more.
 *
 * Every function may be called from any thread, but not from a device
 * model's callback.
 */
#ifndef RINGFENCE_IOAS_H
#define RINGFENCE_IOAS_H

#include <ringfence/types.h>

#define RF_IOAS_WINDOWED (1u << 31) /* nothing may be mapped but in windows made for it */

#define RF_MAP_FIXED	 (1u << 0) /* map at *iova; without it the space chooses */

#define RF_UNMAP_ALL	 (1u << 0) /* everything; iova and length must be 0 */

/**
 * rf_owner_self() - the memory of this process
 *
 * Lives as long as the machine; needs no release.
 */
RF_API struct rf_owner *rf_owner_self(struct rf_machine *machine);

/**
 * rf_ioas_new() - make an empty I/O address space
 * @machine: the machine
 * @flags: RF_IOAS_WINDOWED: without any window to begin with; or 0
 * @ioas: filled with the space
 *
 * Return: 0; -EINVAL for unknown flags; -ENOMEM.
 */
RF_API int rf_ioas_new(struct rf_machine *machine, uint32_t flags, struct rf_ioas **ioas);

/**
 * rf_ioas_free() - drop the caller's reference
 *
 * Everything in it is unmapped at once. Devices still attached lose their
 * mappings, and the space itself goes when they are detached. Never fails.
 */
RF_API void rf_ioas_free(struct rf_ioas *ioas);

/**
 * rf_ioas_map() - let devices reach memory
 * @ioas: the address space
 * @owner: whose memory
 * @addr: its first byte, in the owner's address space; a multiple of 4096
 * @length: bytes, a multiple of 4096, not 0
 * @prot: RF_READ, RF_WRITE or both
 * @flags: RF_MAP_FIXED to map at *@iova
 * @iova: first IOVA; read with RF_MAP_FIXED, filled otherwise
 *
 * In a windowed space a mapping lies in one window, made of whole pages of it: @addr,
 * too, is a multiple of the window's page size.
 *
 * Return: 0; -EINVAL for misaligned or wrapping arguments, unknown flags or a
 * range outside what the attached IOMMUs can address, or not inside one window;
 * -EPERM for rights that the window does not allow; -EEXIST where something
 * is mapped already; -EFAULT when the memory is not there or lacks the right;
 * -ENOSPC when no hole is large enough; -ENOMEM.
 */
RF_API int rf_ioas_map(struct rf_ioas *ioas, struct rf_owner *owner, void *addr, uint64_t length,
		       uint32_t prot, uint32_t flags, uint64_t *iova);

/**
 * rf_ioas_copy() - map what another space maps
 * @to: the address space
 * @from: the other one, or the same
 * @from_iova: first IOVA there, a multiple of 4096; all of the range is mapped
 * @length: bytes, a multiple of 4096, not 0
 * @prot: RF_READ, RF_WRITE or both
 * @flags: RF_MAP_FIXED to map at *@iova
 * @iova: first IOVA; read with RF_MAP_FIXED, filled otherwise
 *
 * The very pages are shared: what the owner did to its addresses meanwhile makes
 * no difference. Between windows, the page size of the one copied from must be a
 * multiple of the other's, and both must allow the rights.
 *
 * Return: 0; -EINVAL for misaligned arguments, length 0, unknown flags, a range that
 * may not be mapped, or windows whose page sizes do not agree; -EOVERFLOW when one
 * wraps; -ENOENT when not all of it is mapped there; -EPERM to write what was mapped
 * for reading, or for rights that a window does not allow; -EEXIST where
 * something is mapped already; -ENOSPC when no hole is large enough; -ENOMEM.
 */
RF_API int rf_ioas_copy(struct rf_ioas *to, struct rf_ioas *from, uint64_t from_iova,
			uint64_t length, uint32_t prot, uint32_t flags, uint64_t *iova);

/**
 * rf_ioas_unmap() - end mappings
 * @ioas: the address space
 * @iova: first IOVA
 * @length: bytes
 * @flags: RF_UNMAP_ALL, or 0
 * @unmapped: filled with the bytes unmapped; may be NULL
 *
 * Only whole mappings: a range that would split one fails and changes nothing.
 *
 * Return: 0; -EINVAL for a wrapping range or unknown flags, or in a windowed space
 * for one that is not inside one window and aligned to its page size; -ENOENT where
 * nothing is mapped or a mapping would be split; -EDEADLK when an access
 * (below) does not let go of a mapping though asked a hundred times: what came
 * before it is unmapped by then.
 */
RF_API int rf_ioas_unmap(struct rf_ioas *ioas, uint64_t iova, uint64_t length, uint32_t flags,
			 uint64_t *unmapped);

/**
 * rf_ioas_remap() - let a range lead elsewhere, in one step
 * @ioas: the address space
 * @iova: first IOVA
 * @length: bytes, a multiple of 4096, not 0
 * @owner: whose memory
 * @addr: its first byte
 * @prot: RF_READ, RF_WRITE; 0: from now on nothing is mapped there, and @owner and
 *	@addr mean nothing
 *
 * What is mapped in the range gives way, whatever it is: also nothing, or several
 * mappings. Those that reach out of it are cut and keep the rest. A device in the midst
 * of DMA finds each page where it was or where it is to be, and never nowhere; when this
 * returns it cannot touch what was there before.
 *
 * Return: 0; -EINVAL for misaligned or wrapping arguments, unknown rights or a range
 * outside what the attached IOMMUs can address, or not in whole pages of one window of a
 * windowed space; -EPERM where that window lacks the right; -EBUSY when a mapping in the range
 * is held by an access, was not made by rf_ioas_map(), or lies in memory that its owner has let
 * go of (unmap it first); -EFAULT when the memory is not there or lacks the right;
 * -ENOMEM. Nothing changes on failure.
 */
RF_API int rf_ioas_remap(struct rf_ioas *ioas, uint64_t iova, uint64_t length,
			 struct rf_owner *owner, void *addr, uint32_t prot);

/**
 * rf_ioas_translate() - where one IOVA leads
 * @ioas: the address space; at least one device must be attached
 * @iova: the IOVA
 * @prot: the rights wanted
 * @addr: filled with the address in the owner's address space
 * @length: filled with the bytes that follow contiguously; may be NULL
 *
 * A look, not a hold: the answer may be old by the time it is used.
 *
 * Return: 0; -EFAULT for no such mapping or a right it lacks; -ENODEV when no
 * device is attached.
 */
RF_API int rf_ioas_translate(struct rf_ioas *ioas, uint64_t iova, uint32_t prot, uintptr_t *addr,
			     uint64_t *length);

/*
 * IOVA windows.
 *
 * A windowed space maps nothing but inside windows, whatever the hardware could do:
 * it was made so (RF_IOAS_WINDOWED), or got its first window while nothing was
 * mapped, and stays so. Devices are attached, windows made and removed, and memory
 * is mapped in any order; what does not fit together is refused when it comes.
 * Attaching fails with -EADDRINUSE when a device's IOMMU could not keep a window.
 *
 * Source: CREATE_WINDOW and REMOVE_WINDOW as D. Gibson proposed them for iommufd
 * (kvm list, May 2022).
 */
#define RF_WINDOW_FIXED (1u << 0) /* at @want->iova; without it the space chooses */

/**
 * struct rf_window - one window
 * @iova: first address, a multiple of @page_size
 * @last: last address, inclusive
 * @page_size: bytes; every mapping in the window is made of whole such pages. A
 *	power of two
 * @prot: the rights that mappings in it may have: RF_READ, RF_WRITE or both
 */
struct rf_window {
	uint64_t iova;
	uint64_t last;
	uint64_t page_size;
	uint32_t prot;
};

/**
 * struct rf_window_limits - what windows a space can have
 * @page_sizes: bitmap of the page sizes that every attached IOMMU has itself. A window
 *	may have any multiple of the smallest
 * @left: how many more the attached IOMMUs have room for; UINT32_MAX: they do not count
 * @windowed: nothing may be mapped but in windows
 */
struct rf_window_limits {
	uint64_t page_sizes;
	uint32_t left;
	bool windowed;
};

/**
 * rf_ioas_create_window() - let a range of IOVA be mapped
 * @ioas: the address space
 * @want: what is asked: @want->page_size 0 and @want->prot 0 mean "choose"; @want->iova
 *	is looked at with RF_WINDOW_FIXED only, @want->last never
 * @size: bytes; a multiple of the page size, not 0
 * @flags: RF_WINDOW_FIXED, or 0
 * @got: filled with the window as made; may be NULL; untouched on failure
 *
 * What is not asked for is chosen from what the attached devices' IOMMUs can do: the
 * smallest page, at least 4096; both rights; the lowest base but 0 that is aligned as
 * their largest pages need, or one of the bases of an IOMMU with windows of its own.
 *
 * The window need not be what the hardware has: it may be smaller, and its page size
 * a multiple of the hardware's. An IOMMU with a fixed number of windows of its own
 * gives one of them, which must be free.
 *
 * Return: 0; -EINVAL for size 0, a page size that is no power of two, a size or base
 * that is no multiple of it, unknown flags or rights; -EOVERFLOW when it wraps; -EBUSY
 * in a space with mappings that is not windowed yet; -EADDRINUSE when it would overlap a
 * window or a reserved range; -EOPNOTSUPP when an attached device cannot reach it, or
 * its IOMMU has larger pages; -ENOSPC when no place is left, or no window of the
 * IOMMU's own; -ENOMEM. Nothing changes on failure.
 */
RF_API int rf_ioas_create_window(struct rf_ioas *ioas, const struct rf_window *want, uint64_t size,
				 uint32_t flags, struct rf_window *got);

/**
 * rf_ioas_remove_window() - undo one rf_ioas_create_window()
 * @ioas: the address space
 * @iova: the window's first address
 *
 * Everything mapped in it is unmapped; no device can touch the memory any more when
 * this returns.
 *
 * Return: 0; -ENOENT when no window begins there; -EBUSY while another thread removes
 * it; -EDEADLK when an access (below) does not let go of a mapping though asked a
 * hundred times: the window stays, with that mapping and those behind it.
 */
RF_API int rf_ioas_remove_window(struct rf_ioas *ioas, uint64_t iova);

/**
 * rf_ioas_get_windows() - list the windows
 * @ioas: the address space
 * @windows: filled with them by address, as many as there is room for
 * @max: how many that is; @windows may be NULL for 0
 * @limits: filled with what more there could be; may be NULL
 *
 * Return: how many windows there are.
 */
RF_API unsigned rf_ioas_get_windows(struct rf_ioas *ioas, struct rf_window *windows, unsigned max,
				    struct rf_window_limits *limits);

/*
 * In-process access: how a VMM's own device models, or a mediated device, use
 * an address space without DMA.
 */
struct rf_access;

#define RF_ACCESS_WRITE (1u << 0) /* memory is written; without it, read */
#define RF_ACCESS_SLOW	(1u << 1) /* rw: go by what devices see, not by the owner's addresses */

/**
 * struct rf_access_ops - the holder of an access
 * @unmap: [first, last] is about to be unmapped: unpin all that meets it before
 *	returning. Called from the thread that unmaps, without any lock; it may
 *	call rf_access_unpin() and nothing else of the access. Calls for ranges
 *	that hold no pin of this access are possible. NULL: it never pins
 */
struct rf_access_ops {
	void (*unmap)(void *arg, uint64_t first, uint64_t last);
};

/**
 * struct rf_pinned_page - one page of a pinned range
 * @owner: whose memory
 * @addr: the address of its first byte, a multiple of 4096. If the owner lets go of the
 *	memory meanwhile the page lives on elsewhere: rf_access_rw() with
 *	RF_ACCESS_SLOW finds it
 */
struct rf_pinned_page {
	struct rf_owner *owner;
	uintptr_t addr;
};

/**
 * rf_access_new() - make an access, attached to nothing
 * @ops: kept; its unmap decides whether this access can pin
 * @arg: handed to the operations
 * @access: filled with the access
 *
 * Return: 0; -ENOMEM.
 */
RF_API int rf_access_new(const struct rf_access_ops *ops, void *arg, struct rf_access **access);

/**
 * rf_access_free() - detach and free an access
 *
 * Asks back what is pinned (unmap of everything), and waits for unmap calls
 * under way; so not from inside one. Never fails.
 */
RF_API void rf_access_free(struct rf_access *access);

/**
 * rf_access_attach() - point an access at an address space
 * @access: the access
 * @ioas: the space, or NULL for none; a reference is held
 *
 * From one space to another in one step: pins of the former are asked back
 * through unmap of [0, UINT64_MAX]. A space with an access that pins takes only
 * mappings aligned to 4096.
 *
 * Return: 0; -EADDRINUSE when a mapping of the space is not so aligned; -EBUSY
 * while another thread attaches the same access; -ENOMEM. On failure the access
 * stays where it was.
 */
RF_API int rf_access_attach(struct rf_access *access, struct rf_ioas *ioas);

/**
 * rf_access_pin() - hold pages of the space
 * @access: an access that can pin
 * @iova: first byte, where a page of memory begins
 * @length: bytes; the last page may be partly covered
 * @pages: filled with one entry a page; undefined after a failure
 * @flags: RF_ACCESS_WRITE when they will be written
 *
 * The pages stay what they are, whatever the owner does, until
 * rf_access_unpin() with the same range. They are charged like those that a
 * device holds.
 *
 * Return: 0; -EINVAL for length 0, misalignment, unknown flags, an access that
 * cannot pin, or a range that is just being unmapped; -EOVERFLOW when it wraps;
 * -ENOENT when not all of it is mapped, or the access is detached; -EPERM
 * without the right; -EFAULT when the memory is not there; -ENOMEM, also beyond
 * the limit on locked memory.
 */
RF_API int rf_access_pin(struct rf_access *access, uint64_t iova, uint64_t length,
			 struct rf_pinned_page *pages, uint32_t flags);

/**
 * rf_access_unpin() - undo one rf_access_pin() of exactly this range
 *
 * Also from inside the unmap operation. Never fails.
 */
RF_API void rf_access_unpin(struct rf_access *access, uint64_t iova, uint64_t length);

/**
 * rf_access_rw() - copy to or from the memory behind a range
 * @access: the access
 * @iova: first byte, any alignment
 * @data: the caller's memory
 * @length: bytes
 * @flags: RF_ACCESS_WRITE, RF_ACCESS_SLOW
 *
 * The fast path copies by the owner's addresses, as the owner itself would;
 * RF_ACCESS_SLOW reaches the very pages that devices see.
 *
 * Return: 0; -EINVAL for length 0, unknown flags or a range that is just being
 * unmapped; -EOVERFLOW when it wraps; -ENOENT when not all of it is mapped, or
 * the access is detached; -EPERM without the right; -EFAULT when the memory is
 * not there. After a failure part of it may have been copied.
 */
RF_API int rf_access_rw(struct rf_access *access, uint64_t iova, void *data, uint64_t length,
			uint32_t flags);

#endif
