/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * BAR mappings of the process; see bar.c.
 */
#ifndef RF_INTERPOSE_BAR_H
#define RF_INTERPOSE_BAR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pin_leaving;
struct rf_bar_area;
struct rf_device;

extern atomic_uint bar_nr_views, bar_memory_shown;

/* Whether any BAR is mapped: one load. */
static inline bool bar_any(void)
{
	return atomic_load_explicit(&bar_nr_views, memory_order_relaxed) != 0;
}

/* Whether a BAR mapping lies in the range. */
bool bar_touches(uintptr_t addr, size_t len);

/*
 * The memory calls, on a descriptor of ours or on a range that touches a
 * mapping of ours. As the system calls: negative errno, pointers as sys_mmap(). What is
 * announced to be leaving (memory/pin.h) is withdrawn as soon as it has gone, before
 * files are closed that lost their last mapping: that may wait for anything.
 */
void *bar_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off);
void *bar_mmap_over(void *addr, size_t len, int prot, int flags, int fd, off_t off,
		    struct pin_leaving *leaving);
int bar_munmap(uintptr_t addr, size_t len, struct pin_leaving *leaving);
int bar_mprotect(uintptr_t addr, size_t len, int prot);
void *bar_mremap(uintptr_t addr, size_t old_len, size_t new_len, int flags, uintptr_t to,
		 struct pin_leaving *leaving);
/* Something else was mapped there by other means: it is a BAR no more. */
void bar_forget(uintptr_t addr, size_t len);
/* For calls that do not apply to device memory: @fn on what lies between BAR mappings. */
int bar_between(uintptr_t addr, size_t len, int (*fn)(void *addr, size_t len, void *arg),
		void *arg);

/*
 * Copies between memory and a range that is in a BAR at least in part, as the
 * program's own loads and stores would. 0 or -EFAULT.
 */
int bar_copy_from(void *dst, uintptr_t src, size_t len);
int bar_copy_to(uintptr_t dst, const void *src, size_t len);

/*
 * Whether a device answers no memory access. A reset disables it for a moment, under
 * its lock, and whoever asks then waits. NULL: it does.
 */
bool bar_memory_is_off(struct rf_device *dev);

/* Another process maps the BAR: its mapping follows the device's memory as well. */
void bar_map_elsewhere(struct rf_device *dev, unsigned bar);

/* Which pages of a BAR are no TRAP, for somebody who cannot ask page by page. */
void bar_areas(const struct rf_device *dev, unsigned bar, struct rf_bar_area *areas);

/* The device's doorbell pages were opened or closed: let all its mappings show that. */
void bar_show_doorbells(struct rf_device *dev);

/*
 * After a call that may have enabled or disabled a device's memory: let the
 * mappings show it. Without the device's lock. One load or two.
 */
void bar_show_memory(void);
static inline void bar_follow_memory(void)
{
	extern atomic_uint config_memory_changes, bars_lent; /* bus/device.h */

	if ((bar_any() || atomic_load_explicit(&bars_lent, memory_order_relaxed)) &&
	    atomic_load_explicit(&config_memory_changes, memory_order_acquire) !=
		    atomic_load_explicit(&bar_memory_shown, memory_order_acquire))
		bar_show_memory();
}

/* In a child of fork, after the descriptor table: mappings go on through the parent. */
void bar_abandon(void);
void bar_fork_prepare(void);
void bar_fork_parent(void);

#endif
