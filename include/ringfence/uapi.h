/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Ringfence's /dev/iommu can do beyond Linux's: IOVA windows.
 *
 * For programs; it needs no library, and goes with <linux/iommufd.h>. On Linux these
 * calls are ENOTTY, and the flag of IOMMU_IOAS_ALLOC is EOPNOTSUPP.
 *
 * An address space in which a window has been made maps nothing but inside windows.
 * Each is a range with a page size (the granularity of every mapping in it) and rights.
 * The first can be made as long as nothing is mapped.
 *
 * As with all ioctls of /dev/iommu, a structure begins with its size, and later versions
 * may be longer: too short is EINVAL, and more than Ringfence knows is E2BIG unless
 * zero. ENOENT: no such address space. Unknown flags and reserved fields that are not
 * zero are EOPNOTSUPP.
 */
#ifndef RINGFENCE_UAPI_H
#define RINGFENCE_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * A flag of IOMMU_IOAS_ALLOC: the address space is windowed from the beginning, so that
 * nothing can be mapped before a window has been made.
 */
#define RF_IOAS_WINDOWED	  (1u << 31)

#define RF_IOAS_CREATE_WINDOW	  _IO(';', 0xE0)
#define RF_IOAS_REMOVE_WINDOW	  _IO(';', 0xE1)
#define RF_IOAS_GET_WINDOWS	  _IO(';', 0xE2)

#define RF_IOAS_WINDOW_FIXED_IOVA (1u << 0) /* at @iova; without it, a base is chosen */
#define RF_IOAS_WINDOW_WRITEABLE  (1u << 1) /* devices may be let write in it */
#define RF_IOAS_WINDOW_READABLE	  (1u << 2) /* devices may be let read in it */

/**
 * struct rf_ioas_create_window - ioctl(RF_IOAS_CREATE_WINDOW)
 * @size: sizeof(struct rf_ioas_create_window)
 * @flags: RF_IOAS_WINDOW_*; neither READABLE nor WRITEABLE: choose. Filled with the
 *	rights it has got
 * @ioas_id: the address space
 * @__reserved: 0
 * @length: bytes, a multiple of the page size
 * @page_size: a power of two; 0: choose. Filled with what it has got
 * @iova: with FIXED_IOVA, its first address, a multiple of the page size. Filled with
 *	what it has got
 *
 * What is not asked for is chosen from what the attached devices can do.
 *
 * EINVAL: length 0, a page size that is no power of two, a length or base that is no
 * multiple of it. EOVERFLOW: it wraps. EBUSY: there are mappings, and it would be the
 * first window. EADDRINUSE: over another window or a reserved range. EOPNOTSUPP: an
 * attached device cannot reach it, or its IOMMU has larger pages. ENOSPC: no place is
 * left, or no window of an IOMMU that has a fixed number of them. ENOMEM.
 */
struct rf_ioas_create_window {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 iova;
};

/**
 * struct rf_ioas_remove_window - ioctl(RF_IOAS_REMOVE_WINDOW)
 * @size: sizeof(struct rf_ioas_remove_window)
 * @ioas_id: the address space
 * @iova: the window's first address
 *
 * Undoes one RF_IOAS_CREATE_WINDOW and unmaps everything in the window.
 *
 * ENOENT: no window begins there. EBUSY: it is just being removed. EDEADLK: an
 * in-process access does not let go of a mapping, and the window stays.
 */
struct rf_ioas_remove_window {
	__u32 size;
	__u32 ioas_id;
	__aligned_u64 iova;
};

/**
 * struct rf_ioas_window - a window, as listed
 * @iova: its first address
 * @last: its last address
 * @page_size: bytes
 * @flags: RF_IOAS_WINDOW_READABLE, RF_IOAS_WINDOW_WRITEABLE
 * @__reserved: 0
 */
struct rf_ioas_window {
	__aligned_u64 iova;
	__aligned_u64 last;
	__aligned_u64 page_size;
	__u32 flags;
	__u32 __reserved;
};

#define RF_IOAS_WINDOWS_ONLY (1u << 0) /* nothing may be mapped but in windows */

/**
 * struct rf_ioas_get_windows - ioctl(RF_IOAS_GET_WINDOWS)
 * @size: sizeof(struct rf_ioas_get_windows)
 * @ioas_id: the address space
 * @num_windows: how many there is room for; filled with how many there are
 * @__reserved: 0
 * @windows: address of an array of struct rf_ioas_window, filled by address
 * @out_page_sizes: bitmap of the page sizes that every attached IOMMU has itself. A window
 *	may have any multiple of the smallest
 * @out_left: how many more windows the attached IOMMUs have room for; 2^32 - 1: they do
 *	not count
 * @out_flags: RF_IOAS_WINDOWS_ONLY
 *
 * EMSGSIZE: there are more than there is room for; all else is filled in.
 */
struct rf_ioas_get_windows {
	__u32 size;
	__u32 ioas_id;
	__u32 num_windows;
	__u32 __reserved;
	__aligned_u64 windows;
	__aligned_u64 out_page_sizes;
	__u32 out_left;
	__u32 out_flags;
};

#endif
