/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets are mapped, not allocated: they are made inside munmap(), which an
 * allocator may have called. A process has a handful of views, so a set is an
 * array and an edit copies it.
 */
#include "interpose/bar_views.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/apart.h"
#include "base/sys.h"

const struct bar_view *bar_views_touch(const struct bar_views *set, uintptr_t first, uintptr_t last)
{
	unsigned lo = 0, hi = set ? set->nr : 0;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (set->view[mid].last < first)
			lo = mid + 1;
		else
			hi = mid;
	}
	return set && lo < set->nr && set->view[lo].first <= last ? &set->view[lo] : NULL;
}

const struct bar_view *bar_views_find(const struct bar_views *set, uintptr_t addr)
{
	return bar_views_touch(set, addr, addr);
}

struct bar_view bar_view_clip(const struct bar_view *view, uintptr_t first, uintptr_t last)
{
	struct bar_view piece = *view;

	if (first > view->first) {
		piece.first = first;
		piece.offset += first - view->first;
	}
	if (last < view->last)
		piece.last = last;
	return piece;
}

static struct bar_views *views_new(unsigned room)
{
	size_t bytes = sizeof(struct bar_views) + room * sizeof(struct bar_view);
	struct bar_views *set;

	bytes = (bytes + 4095) & ~4095ul;
	set = apart_mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(set))
		return NULL;
	set->bytes = bytes;
	return set;
}

static void views_push(struct bar_views *set, struct bar_view view)
{
	if (view.file)
		file_get(view.file);
	set->view[set->nr++] = view;
}

int bar_views_edit(const struct bar_views *set, uintptr_t first, uintptr_t last,
		   const struct bar_view *add, struct bar_views **out)
{
	unsigned nr = set ? set->nr : 0, i;
	struct bar_views *made = views_new(nr + 2);
	const struct bar_view *v;

	if (!made)
		return -ENOMEM;
	for (i = 0; i < nr && set->view[i].first < first; i++) {
		v = &set->view[i];
		views_push(made, bar_view_clip(v, v->first, v->last < first ? v->last : first - 1));
	}
	if (add)
		views_push(made, *add);
	/* A view that spans the whole range leaves a piece on either side. */
	i = i && set->view[i - 1].last > last ? i - 1 : i;
	for (; i < nr; i++) {
		v = &set->view[i];
		if (v->last > last)
			views_push(made, bar_view_clip(v, v->first > last ? v->first : last + 1,
						       v->last));
	}
	if (!made->nr) {
		bar_views_free(made);
		made = NULL;
	}
	*out = made;
	return 0;
}

int bar_views_protect(const struct bar_views *set, uintptr_t first, uintptr_t last, int prot,
		      struct bar_views **out)
{
	unsigned nr = set ? set->nr : 0;
	struct bar_views *made = views_new(nr + 2); /* two may be cut, or one in three */

	if (!made)
		return -ENOMEM;
	for (unsigned i = 0; i < nr; i++) {
		const struct bar_view *v = &set->view[i];
		struct bar_view piece;

		if (v->last < first || v->first > last) {
			views_push(made, *v);
			continue;
		}
		if (v->first < first)
			views_push(made, bar_view_clip(v, v->first, first - 1));
		piece = bar_view_clip(v, first, last);
		piece.prot = prot;
		views_push(made, piece);
		if (v->last > last)
			views_push(made, bar_view_clip(v, last + 1, v->last));
	}
	*out = made;
	return 0;
}

void bar_views_free(struct bar_views *set)
{
	if (!set)
		return;
	for (unsigned i = 0; i < set->nr; i++)
		if (set->view[i].file)
			file_put(set->view[i].file);
	sys_munmap(set, set->bytes);
}

int bar_views_walk(_Atomic(struct bar_views *) *now, uintptr_t addr, size_t len,
		   int (*view)(const struct bar_view *piece, void *arg),
		   int (*other)(void *addr, size_t len, void *arg), void *arg)
{
	uintptr_t last = addr + len - 1;
	int ret = 0;

	while (len && !ret) {
		const struct bar_view *v = bar_views_touch(*now, addr, last);
		uintptr_t end = v ? (v->first > addr ? v->first - 1 : v->last) : last;
		struct bar_view piece;

		end = end < last ? end : last;
		if (v && v->first <= addr) {
			piece = bar_view_clip(v, addr, end);
			ret = view ? view(&piece, arg) : 0;
		} else {
			ret = other((void *)addr, end - addr + 1, arg);
		}
		if (end == last)
			break;
		addr = end + 1;
	}
	return ret;
}
