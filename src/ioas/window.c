/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOVA windows: the only ranges of a windowed address space that may be mapped.
 *
 * Windows are kept in order of address and never overlap, so the one that an IOVA
 * is in is found by halving. Two may touch; they are two all the same, and no
 * mapping goes from one into the other. No window meets a reserved range: making one
 * over it fails, and so does reserving a range under a window. Hence attaching a
 * device, which reserves what it cannot address, is what verifies the windows.
 *
 * Every mapping of a windowed space lies in one window and is made of whole pages
 * of it. A space becomes windowed when it is made, or by its first window as long as
 * nothing is mapped, and stays so.
 *
 * Where an IOMMU has windows of its own (iommu/window.h), each window takes one of
 * them in every domain of the space: all can be had, or none is made.
 *
 * Locks: ioas->lock. Removing a window gives it up while accesses are asked for their
 * pins; a mark on the window keeps others out meanwhile.
 */
#include "ioas/window.h"

#include <errno.h>
#include <string.h>

#include "ioas/space.h"

#define FIRST_WINDOWS 8

/* How many windows begin at or below @iova. */
static unsigned windows_below(const struct rf_ioas *ioas, uint64_t iova)
{
	unsigned low = 0;
	unsigned high = ioas->nr_windows;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (ioas->windows[mid].range.first <= iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct window *window_at(const struct rf_ioas *ioas, uint64_t iova)
{
	unsigned n = windows_below(ioas, iova);

	return n && iova <= ioas->windows[n - 1].range.last ? &ioas->windows[n - 1] : NULL;
}

const struct window *window_from(const struct rf_ioas *ioas, uint64_t iova)
{
	unsigned n = windows_below(ioas, iova);

	if (n && iova <= ioas->windows[n - 1].range.last)
		n--;
	return n < ioas->nr_windows ? &ioas->windows[n] : NULL;
}

bool windows_touch(const struct rf_ioas *ioas, uint64_t first, uint64_t last)
{
	unsigned n = windows_below(ioas, last);

	return n && ioas->windows[n - 1].range.last >= first;
}

bool windows_aligned(const struct rf_ioas *ioas, uint64_t alignment)
{
	for (unsigned i = 0; i < ioas->nr_windows; i++)
		if (ioas->windows[i].page_size < alignment)
			return false;
	return true;
}

int window_check_map(const struct rf_ioas *ioas, uint64_t addr, uint64_t first, uint64_t last,
		     uint32_t prot)
{
	const struct window *window = window_at(ioas, first);

	if (!window || last > window->range.last || window->leaving)
		return -EINVAL;
	if ((first | (last + 1) | addr) & (window->page_size - 1))
		return -EINVAL;
	return prot & ~window->prot ? -EPERM : 0;
}

int window_check_unmap(const struct rf_ioas *ioas, uint64_t first, uint64_t last)
{
	const struct window *window;

	if (!first && last == UINT64_MAX)
		return 0;
	window = window_at(ioas, first);
	if (!window || last > window->range.last || (first | (last + 1)) & (window->page_size - 1))
		return -EINVAL;
	return 0;
}

bool window_suits(const struct window *window, uint64_t addr, uint64_t length, uint32_t prot)
{
	return !window->leaving && !(prot & ~window->prot) &&
	       !((addr | length) & (window->page_size - 1));
}

int windows_enter(const struct rf_ioas *ioas, struct iommu_windows *hardware)
{
	for (unsigned i = 0; i < ioas->nr_windows; i++) {
		const struct window *window = &ioas->windows[i];

		if (iommu_window_check(hardware, &window->range, window->page_size))
			return -EADDRINUSE;
		iommu_window_make(hardware, &window->range, window->page_size);
	}
	return 0;
}

/* Whether @window can be made where it is: 0, -EADDRINUSE, -EOPNOTSUPP, -ENOSPC. */
static int window_check(const struct rf_ioas *ioas, const struct window *window)
{
	const struct iommu_range *range = &window->range;
	int ret;

	if (windows_touch(ioas, range->first, range->last))
		return -EADDRINUSE;
	for (struct ioas_domain *d = ioas->domains; d; d = d->next) {
		ret = iommu_window_check(&d->hardware, range, window->page_size);
		if (ret)
			return ret;
	}
	return ioas_usable(ioas, range->first, range->last) ? 0 : -EADDRINUSE;
}

uint64_t ioas_window_page(struct rf_ioas *ioas)
{
	uint64_t largest = 0;

	pthread_mutex_lock(&ioas->lock);
	for (unsigned i = 0; i < ioas->nr_windows; i++)
		if (ioas->windows[i].page_size > largest)
			largest = ioas->windows[i].page_size;
	pthread_mutex_unlock(&ioas->lock);
	return largest;
}

/* The page sizes that every attached IOMMU has itself. */
static uint64_t common_page_sizes(const struct rf_ioas *ioas)
{
	uint64_t sizes = UINT64_MAX;

	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		sizes &= domain_kind(d->domain)->page_sizes;
	return sizes & ~(ioas->alignment - 1);
}

/* The lowest place from @at on that is aligned, and free of windows, within @last. */
static bool window_find_hole(const struct rf_ioas *ioas, uint64_t at, uint64_t last,
			     uint64_t length, uint64_t align, uint64_t *first)
{
	for (;;) {
		uint64_t aligned = (at + (align - 1)) & ~(align - 1);
		unsigned n;

		if (aligned < at || aligned > last || last - aligned < length - 1)
			return false;
		n = windows_below(ioas, aligned + (length - 1));
		if (!n || ioas->windows[n - 1].range.last < aligned) {
			*first = aligned;
			return true;
		}
		at = ioas->windows[n - 1].range.last + 1;
		if (!at)
			return false;
	}
}

static int window_try(const struct rf_ioas *ioas, struct window *window, uint64_t first,
		      uint64_t length)
{
	window->range = (struct iommu_range){ first, first + (length - 1) };
	if (window->range.last < first || first & (window->page_size - 1))
		return -ENOSPC;
	return window_check(ioas, window) ? -ENOSPC : 0;
}

/* Where an IOMMU has windows of its own, they begin where they always do. */
static int window_place_fixed(const struct rf_ioas *ioas, const struct iommu_kind *kind,
			      struct window *window, uint64_t length)
{
	int ret = -ENOSPC;

	for (unsigned i = 0; i < kind->nr_windows && ret; i++)
		ret = window_try(ioas, window, kind->windows[i].first, length);
	return ret;
}

/*
 * The lowest base that does, but never 0, which drivers take for "none". At first as
 * aligned as the largest pages that the length has room for.
 */
static int window_place(const struct rf_ioas *ioas, struct window *window, uint64_t length)
{
	uint64_t sizes = common_page_sizes(ioas);
	uint64_t fit = ioas->domains ? sizes & (UINT64_MAX >> __builtin_clzll(length)) : 0;
	uint64_t align = fit ? 1ull << (63 - __builtin_clzll(fit)) : 0;

	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		if (domain_kind(d->domain)->nr_windows)
			return window_place_fixed(ioas, domain_kind(d->domain), window, length);
	if (align < window->page_size)
		align = window->page_size;
	for (;;) {
		for (unsigned i = 0; i < ioas->nr_ranges; i++) {
			const struct iommu_range *range = &ioas->ranges[i];
			uint64_t first;

			if (window_find_hole(ioas, range->first ? range->first : 1, range->last,
					     length, align, &first) &&
			    !window_try(ioas, window, first, length))
				return 0;
		}
		if (align == window->page_size)
			return -ENOSPC;
		align = window->page_size;
	}
}

/* Room for one more. */
static int windows_grow(struct rf_ioas *ioas)
{
	unsigned max = ioas->max_windows ? ioas->max_windows * 2 : FIRST_WINDOWS;
	struct window *windows;

	if (ioas->nr_windows < ioas->max_windows)
		return 0;
	windows = alloc_direct(max * sizeof(*windows));
	if (!windows)
		return -ENOMEM;
	if (ioas->windows)
		memcpy(windows, ioas->windows, ioas->nr_windows * sizeof(*windows));
	alloc_direct_free(ioas->windows);
	ioas->windows = windows;
	ioas->max_windows = max;
	return 0;
}

static void window_insert(struct rf_ioas *ioas, const struct window *window)
{
	unsigned n = windows_below(ioas, window->range.first);

	memmove(&ioas->windows[n + 1], &ioas->windows[n], (ioas->nr_windows - n) * sizeof(*window));
	ioas->windows[n] = *window;
	ioas->nr_windows++;
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		iommu_window_make(&d->hardware, &window->range, window->page_size);
	atomic_store_explicit(&ioas->windowed, true, memory_order_relaxed);
}

static void window_delete(struct rf_ioas *ioas, unsigned n)
{
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		iommu_window_remove(&d->hardware, &ioas->windows[n].range);
	ioas->nr_windows--;
	memmove(&ioas->windows[n], &ioas->windows[n + 1],
		(ioas->nr_windows - n) * sizeof(*ioas->windows));
}

/* The wish as far as it can be said without looking into the space. */
static int window_check_wish(const struct rf_window *want, uint64_t size, uint32_t flags)
{
	if (flags & ~RF_WINDOW_FIXED || want->prot & ~(RF_READ | RF_WRITE))
		return -EINVAL;
	if (!size || want->page_size & (want->page_size - 1))
		return -EINVAL;
	if (want->page_size && size & (want->page_size - 1))
		return -EINVAL;
	if (!(flags & RF_WINDOW_FIXED))
		return 0;
	if (want->page_size && want->iova & (want->page_size - 1))
		return -EINVAL;
	return want->iova + (size - 1) < want->iova ? -EOVERFLOW : 0;
}

/* Fill in what is open, and make sure that it can be made. */
static int window_choose(const struct rf_ioas *ioas, struct window *window, uint64_t size,
			 bool fixed)
{
	bool chosen = !window->page_size;

	if (!ioas_windowed(ioas) && ioas->nr_areas)
		return -EBUSY;
	if (chosen)
		window->page_size =
			ioas->alignment > PAGE_MASK + 1 ? ioas->alignment : PAGE_MASK + 1;
	if (window->page_size < ioas->alignment)
		return -EOPNOTSUPP;
	if (chosen && (size | (fixed ? window->range.first : 0)) & (window->page_size - 1))
		return -EINVAL;
	if (!fixed)
		return window_place(ioas, window, size);
	window->range.last = window->range.first + (size - 1);
	return window_check(ioas, window);
}

static void window_tell(const struct window *window, struct rf_window *out)
{
	out->iova = window->range.first;
	out->last = window->range.last;
	out->page_size = window->page_size;
	out->prot = window->prot;
}

int rf_ioas_create_window(struct rf_ioas *ioas, const struct rf_window *want, uint64_t size,
			  uint32_t flags, struct rf_window *got)
{
	struct window window = {
		.range.first = want->iova,
		.page_size = want->page_size,
		.prot = want->prot ? want->prot : RF_READ | RF_WRITE,
	};
	int ret = window_check_wish(want, size, flags);

	if (ret)
		return ret;
	pthread_mutex_lock(&ioas->lock);
	ret = window_choose(ioas, &window, size, flags & RF_WINDOW_FIXED);
	if (!ret)
		ret = windows_grow(ioas);
	if (!ret)
		window_insert(ioas, &window);
	pthread_mutex_unlock(&ioas->lock);
	if (!ret && got)
		window_tell(&window, got);
	return ret;
}

/* The number of the window that begins at @iova; nr_windows: none. */
static unsigned window_find(const struct rf_ioas *ioas, uint64_t iova)
{
	unsigned n = windows_below(ioas, iova);

	return n && ioas->windows[n - 1].range.first == iova ? n - 1 : ioas->nr_windows;
}

int rf_ioas_remove_window(struct rf_ioas *ioas, uint64_t iova)
{
	uint64_t unmapped;
	unsigned n;
	int ret;

	pthread_mutex_lock(&ioas->lock);
	n = window_find(ioas, iova);
	if (n == ioas->nr_windows)
		ret = -ENOENT;
	else
		ret = ioas->windows[n].leaving ? -EBUSY : 0;
	if (ret)
		goto unlock;
	ioas->windows[n].leaving = true;
	ret = space_unmap(ioas, iova, ioas->windows[n].range.last, false, &unmapped);
	/* others may have come and gone while the lock was given up, but not this one */
	n = window_find(ioas, iova);
	if (ret)
		ioas->windows[n].leaving = false;
	else
		window_delete(ioas, n);
unlock:
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

unsigned rf_ioas_get_windows(struct rf_ioas *ioas, struct rf_window *windows, unsigned max,
			     struct rf_window_limits *limits)
{
	unsigned nr;

	pthread_mutex_lock(&ioas->lock);
	nr = ioas->nr_windows;
	for (unsigned i = 0; i < nr && i < max; i++)
		window_tell(&ioas->windows[i], &windows[i]);
	if (limits) {
		*limits = (struct rf_window_limits){
			.page_sizes = common_page_sizes(ioas),
			.left = UINT32_MAX,
			.windowed = ioas_windowed(ioas),
		};
		for (struct ioas_domain *d = ioas->domains; d; d = d->next)
			if (iommu_windows_left(&d->hardware) < limits->left)
				limits->left = iommu_windows_left(&d->hardware);
	}
	pthread_mutex_unlock(&ioas->lock);
	return nr;
}
