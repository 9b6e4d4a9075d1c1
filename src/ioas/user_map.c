/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mapping by the rules of iommufd: where a mapping may go, and IOMMU_IOAS_MAP
 * and MAP_FILE.
 *
 * A mapping refers to the owner's memory and nothing looks at that before a
 * domain or an access needs it. A file is mapped by us, shared, so its bytes are
 * there whatever the program does with its descriptor; that mapping belongs to a
 * pages object.
 */
#include "ioas/user_map.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/apart.h"
#include "base/stats.h"
#include "base/sys.h"
#include "ioas/space.h"

#define PAGE	  4096ull
#define HUGE_PAGE (2ull << 20)

/*
 * The alignment that an IOVA of the space's choice gets: as much of the memory's
 * own as the length can use, so that large pages fit.
 */
static uint64_t place_alignment(uint64_t addr, uint64_t length)
{
	uint64_t align = length > 1 ? 1ull << (64 - __builtin_clzll(length - 1)) : 1;

	if (addr && (addr & -addr) < align)
		align = addr & -addr;
	return align < HUGE_PAGE ? align : HUGE_PAGE;
}

/*
 * Where a search from @first on begins: aligned, and as far into a page as the
 * memory is. Rounding once more at a later hole may give another place, so the
 * edge of an allowed range is rounded first, as Linux does.
 */
static bool place_begin(const struct iommu_range *allowed, uint64_t length, uint64_t align,
			uint64_t offset, struct iommu_range *out)
{
	uint64_t first = allowed->first < PAGE ? PAGE : allowed->first;

	out->last = allowed->last > UINT64_MAX - PAGE ? UINT64_MAX - PAGE : allowed->last;
	if (first + (align - 1) < first)
		return false;
	out->first = ((first + (align - 1)) & ~(align - 1)) | offset;
	return out->first < out->last && out->last - out->first >= length - 1;
}

/* The ranges that the space may choose in: as a program allowed, or all. */
static const struct iommu_range *place_allowed(const struct rf_ioas *ioas, unsigned *nr)
{
	static const struct iommu_range everywhere = { 0, UINT64_MAX };

	*nr = ioas->nr_allowed ? ioas->nr_allowed : 1;
	return ioas->nr_allowed ? ioas->allowed : &everywhere;
}

/* The same in a windowed space: the lowest place that is allowed, in any window that suits. */
static int __attribute__((noinline))
place_find_in_windows(struct rf_ioas *ioas, uint64_t addr, uint64_t length, uint32_t prot,
		      uint64_t *iova)
{
	unsigned nr_allowed;
	const struct iommu_range *allowed = place_allowed(ioas, &nr_allowed);

	for (unsigned w = 0; w < ioas->nr_windows; w++) {
		const struct window *window = &ioas->windows[w];
		uint64_t align = place_alignment(addr, length);

		if (!window_suits(window, addr, length, prot))
			continue;
		if (align < window->page_size)
			align = window->page_size;
		for (unsigned a = 0; a < nr_allowed; a++) {
			struct iommu_range both = allowed[a];
			struct iommu_range want;

			if (both.first < window->range.first)
				both.first = window->range.first;
			if (both.last > window->range.last)
				both.last = window->range.last;
			if (both.first <= both.last &&
			    place_begin(&both, length, align, addr % PAGE, &want) &&
			    part_find_gap(ioas, &want, length, align, addr % PAGE, iova))
				return 0;
		}
	}
	return -ENOSPC;
}

/* The lowest place in what is both allowed and not reserved; never the first or last page. */
static int place_find(struct rf_ioas *ioas, uint64_t addr, uint64_t length, uint64_t *iova)
{
	unsigned nr_allowed;
	const struct iommu_range *allowed = place_allowed(ioas, &nr_allowed);
	uint64_t align = place_alignment(addr, length);

	if (align < ioas->alignment)
		return -EINVAL;
	for (unsigned a = 0; a < nr_allowed; a++) {
		struct iommu_range want;

		if (!place_begin(&allowed[a], length, align, addr % PAGE, &want))
			continue;
		for (unsigned r = 0; r < ioas->nr_ranges && ioas->ranges[r].first <= want.last;
		     r++) {
			const struct iommu_range *free = &ioas->ranges[r];
			struct iommu_range both = {
				want.first > free->first ? want.first : free->first,
				want.last < free->last ? want.last : free->last,
			};

			if (both.first <= both.last &&
			    part_find_gap(ioas, &both, length, align, addr % PAGE, iova))
				return 0;
		}
	}
	return -ENOSPC;
}

static int place_check(const struct rf_ioas *ioas, uint64_t addr, uint64_t iova, uint64_t length,
		       uint32_t prot)
{
	uint64_t last = iova + (length - 1);
	struct part *part;
	int ret;

	if (iova & (ioas->alignment - 1))
		return -EINVAL;
	if (last < iova)
		return -EOVERFLOW;
	ret = ioas_check_map(ioas, addr, iova, last, prot);
	if (ret)
		return ret;
	part = part_from(ioas, iova);
	return part && part->seg.first <= last ? -EEXIST : 0;
}

int place_choose(struct rf_ioas *ioas, uint64_t addr, uint64_t length, uint32_t prot, bool fixed,
		 uint64_t *iova)
{
	if (!length || length & (ioas->alignment - 1))
		return -EINVAL;
	if (fixed)
		return place_check(ioas, addr, *iova, length, prot);
	if (length >= UINT64_MAX / 2)
		return -EOVERFLOW;
	if (ioas_windowed(ioas))
		return place_find_in_windows(ioas, addr, length, prot, iova);
	return place_find(ioas, addr, length, iova);
}

/* The page size of files that can be pinned: memory, and huge pages. 0 for others. */
static uint64_t file_page(int fd)
{
	struct statfs fs;
	struct stat st;

	/* a device node on a tmpfs is no memory */
	if (fstatfs(fd, &fs) || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	if ((uint32_t)fs.f_type == TMPFS_MAGIC)
		return PAGE;
	return (uint32_t)fs.f_type == HUGETLBFS_MAGIC ? (uint64_t)fs.f_bsize : 0;
}

static bool file_ends_before(int fd, uint64_t offset, uint64_t length)
{
	struct stat st;

	return !fstat(fd, &st) &&
	       (offset + length < offset || (uint64_t)st.st_size < offset + length);
}

/* mmap(), and if that needs a descriptor to write by, with one. */
static void *file_mmap(int fd, uint64_t offset, uint64_t length, int prot)
{
	char path[32];
	void *view;

	view = apart_mmap(length, prot, MAP_SHARED, fd, (off_t)offset);
	if (!sys_failed(view) || sys_error(view) != -EACCES)
		return view;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = sys_open(path, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return view;
	view = apart_mmap(length, prot, MAP_SHARED, fd, (off_t)offset);
	sys_close(fd);
	return view;
}

/* Our own mapping of what the pages are. What cannot be pinned fails later, as on Linux. */
static int file_view(struct pages *pages, const struct user_map *map)
{
	int prot = map->prot & RF_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	uint64_t page = file_page(map->memfd);
	uint64_t offset;
	uint64_t length;
	void *view;

	pages->place = map->addr & ~(PAGE - 1);
	pages->bad_file = !page;
	if (!page)
		return 0;
	offset = map->addr & ~(page - 1);
	length = (map->addr - offset + map->length + page - 1) & ~(page - 1);
	view = file_mmap(map->memfd, offset, length, prot);
	if (sys_failed(view) && file_ends_before(map->memfd, offset, length)) {
		/* longer than addresses reach, and nothing there to be pinned anyway */
		pages->bad_file = true;
		return 0;
	}
	if (sys_failed(view))
		return sys_error(view) == -EACCES ? -EPERM : sys_error(view);
	pages->view = view;
	pages->view_length = length;
	pages->addr = (uintptr_t)view + ((map->addr & ~(PAGE - 1)) - offset);
	return 0;
}

/* A slice of a pages object over the file. */
static int file_slice(struct rf_ioas *ioas, const struct user_map *map, struct slice **out)
{
	struct slice *slice = alloc_small(sizeof(*slice));
	int ret = -ENOMEM;

	if (!slice)
		return ret;
	slice->start = map->addr % PAGE;
	slice->pages = pages_new(map->owner, slice->start, map->length, map->prot & RF_WRITE,
				 ioas->account, ioas->mode);
	if (!slice->pages)
		goto free_slice;
	ret = file_view(slice->pages, map);
	if (ret)
		goto put_pages;
	*out = slice;
	return 0;

put_pages:
	pages_put(slice->pages);
free_slice:
	alloc_small_free(slice, sizeof(*slice));
	return ret;
}

static void slice_drop(struct slice *slice)
{
	if (!slice)
		return;
	pages_put(slice->pages);
	alloc_small_free(slice, sizeof(*slice));
}

int ioas_user_map(struct rf_ioas *ioas, const struct user_map *map, uint64_t *iova)
{
	struct slice *slice = NULL;
	struct segment seg;
	uint64_t place = map->iova;
	int ret;

	if (!map->length || map->length > UINT64_MAX - PAGE)
		return -EINVAL;
	if (map->addr + map->length < map->addr)
		return -EOVERFLOW;
	if (map->memfd >= 0) {
		ret = file_slice(ioas, map, &slice);
		if (ret)
			return ret;
	}
	pthread_mutex_lock(&ioas->lock);
	ret = place_choose(ioas, map->addr, map->length, map->prot, map->fixed, &place);
	if (!ret && map->addr % PAGE & (ioas->alignment - 1))
		ret = -EINVAL;
	if (!ret) {
		seg = (struct segment){
			.addr = slice ? slice->pages->addr + slice->start : map->addr,
			.first = place,
			.last = place + map->length - 1,
			.owner = map->owner,
			.prot = map->prot,
		};
		if (slice)
			slice->iova = place;
		ret = area_insert(ioas, &seg, slice);
	}
	pthread_mutex_unlock(&ioas->lock);
	if (ret) {
		slice_drop(slice);
		return ret;
	}
	stats_add(&stats()->maps, 1);
	stats_add(&stats()->mapped_bytes, map->length);
	*iova = place;
	return 0;
}
