/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOVA windows, for the files of this folder; <ringfence/ioas.h> says what they are.
 *
 * Everything here needs the space's lock.
 */
#ifndef RF_IOAS_WINDOW_H
#define RF_IOAS_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "iommu/window.h"

struct rf_ioas;

/**
 * struct window - one window
 * @range: what may be mapped
 * @page_size: of its mappings; a power of two, a multiple of the space's alignment
 * @prot: rights that mappings in it may have
 * @leaving: it is being removed: nothing may be mapped any more
 */
struct window {
	struct iommu_range range;
	uint64_t page_size;
	uint32_t prot;
	bool leaving;
};

/* The window that holds @iova, or NULL. */
const struct window *window_at(const struct rf_ioas *ioas, uint64_t iova);
/* The same, or the next above. */
const struct window *window_from(const struct rf_ioas *ioas, uint64_t iova);
/* Whether any lies in [first, last], partly at least. */
bool windows_touch(const struct rf_ioas *ioas, uint64_t first, uint64_t last);
/* Whether no window has mappings finer than @alignment. */
bool windows_aligned(const struct rf_ioas *ioas, uint64_t alignment);

/*
 * Whether memory at @addr may be mapped at [first, last] with rights @prot: 0; -EINVAL
 * when that is not inside one window, or not aligned to its page size; -EPERM.
 */
int window_check_map(const struct rf_ioas *ioas, uint64_t addr, uint64_t first, uint64_t last,
		     uint32_t prot);
/* Whether [first, last] may be unmapped: 0 or -EINVAL. Everything always may. */
int window_check_unmap(const struct rf_ioas *ioas, uint64_t first, uint64_t last);
/* Whether a mapping of @length bytes at @addr with @prot could be anywhere in @window. */
bool window_suits(const struct window *window, uint64_t addr, uint64_t length, uint32_t prot);

/* A domain comes: its hardware must keep every window. 0 or -EADDRINUSE, and no change. */
int windows_enter(const struct rf_ioas *ioas, struct iommu_windows *hardware);

#endif
