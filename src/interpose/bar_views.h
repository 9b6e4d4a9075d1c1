/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Views: where in the process BARs are mapped, as a set sorted by address.
 *
 * A set never changes. An edit makes a new one, so a reader (the SIGSEGV
 * handler) needs nothing but a pointer; who edits publishes the new set and
 * frees the old one once no reader is left. Each view of each set holds a
 * reference to its file, as a mapping in the kernel does.
 */
#ifndef RF_INTERPOSE_BAR_VIEWS_H
#define RF_INTERPOSE_BAR_VIEWS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

/**
 * struct bar_view - a mapped piece of a BAR
 * @first: first address
 * @last: last address, inclusive
 * @dev: the device; NULL: it is in another process
 * @bar: BAR index
 * @offset: of @first in the BAR
 * @prot: what the program asked for
 * @file: the device's file; without @dev it is a holder (holder.h), or NULL for a
 *	mapping that cannot be reached any more
 */
struct bar_view {
	uintptr_t first;
	uintptr_t last;
	struct rf_device *dev;
	unsigned bar;
	uint64_t offset;
	int prot;
	struct file *file;
};

struct bar_views {
	size_t bytes; /* of this mapping */
	unsigned nr;
	struct bar_view view[];
};

/* The view that holds @addr, or NULL. @set may be NULL. */
const struct bar_view *bar_views_find(const struct bar_views *set, uintptr_t addr);
/* The first view that touches [first, last], or NULL. */
const struct bar_view *bar_views_touch(const struct bar_views *set, uintptr_t first,
				       uintptr_t last);

/*
 * The set without what lies in [first, last] (views that reach beyond are cut),
 * and with @add, which lies inside that range; NULL: nothing. 0 with *out the
 * new set, NULL when it is empty; -ENOMEM.
 */
int bar_views_edit(const struct bar_views *set, uintptr_t first, uintptr_t last,
		   const struct bar_view *add, struct bar_views **out);
/* The set with the program's rights to [first, last] changed to @prot. 0, or -ENOMEM. */
int bar_views_protect(const struct bar_views *set, uintptr_t first, uintptr_t last, int prot,
		      struct bar_views **out);
/* Drop a set and its references. NULL is fine. */
void bar_views_free(struct bar_views *set);

/*
 * Walk [addr, addr + len) piece by piece, each wholly in a view (@view, which may
 * be NULL: skipped) or in none (@other). The first failure ends it. @now is
 * read anew for each piece, as what is called may change it.
 */
int bar_views_walk(_Atomic(struct bar_views *) *now, uintptr_t addr, size_t len,
		   int (*view)(const struct bar_view *piece, void *arg),
		   int (*other)(void *addr, size_t len, void *arg), void *arg);

/* The piece of a view that lies in [first, last]; they must touch. */
struct bar_view bar_view_clip(const struct bar_view *view, uintptr_t first, uintptr_t last);

#endif
