/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU_IOAS_COPY: a range of one space becomes mappings in another, or in the
 * same, on the same pages.
 *
 * In two steps, one space locked in each: find what lies in the range, with
 * a reference to each pages object, then map slices of those. An area whose
 * memory was its own so far comes to share it.
 *
 * Between windows the one copied from must have pages at least as large as the other's,
 * and both must allow the rights asked for: then what was right there is right here.
 */
#include <errno.h>
#include <string.h>

#include "base/stats.h"
#include "ioas/space.h"

#define PAGE	   4096ull
#define FEW_PIECES 4

struct piece {
	struct pages *pages;
	uint64_t start;
	uint64_t length;
};

/**
 * struct pieces - what a range is made of
 * @list: in order; @few or allocated
 * @nr: how many
 * @max: how many fit
 * @page_size: the smallest of the windows they were in
 * @prot: rights that all of those allow
 * @few: for the usual case
 */
struct pieces {
	struct piece *list;
	size_t nr;
	size_t max;
	uint64_t page_size;
	uint32_t prot;
	struct piece few[FEW_PIECES];
};

static void pieces_init(struct pieces *pieces)
{
	pieces->list = pieces->few;
	pieces->nr = 0;
	pieces->max = FEW_PIECES;
	pieces->page_size = UINT64_MAX;
	pieces->prot = RF_READ | RF_WRITE;
}

static void pieces_destroy(struct pieces *pieces)
{
	for (size_t i = 0; i < pieces->nr; i++)
		pages_put(pieces->list[i].pages);
	if (pieces->list != pieces->few)
		alloc_direct_free(pieces->list);
}

static int pieces_add(struct pieces *pieces, struct pages *pages, uint64_t start, uint64_t length)
{
	if (pieces->nr == pieces->max) {
		struct piece *list = alloc_direct(pieces->max * 8 * sizeof(*list));

		if (!list)
			return -ENOMEM;
		memcpy(list, pieces->list, pieces->nr * sizeof(*list));
		if (pieces->list != pieces->few)
			alloc_direct_free(pieces->list);
		pieces->list = list;
		pieces->max *= 8;
	}
	pieces->list[pieces->nr++] = (struct piece){ pages_get(pages), start, length };
	return 0;
}

/* What lies at @iova of @ioas is in a window of it. */
static void pieces_note_window(struct pieces *pieces, const struct rf_ioas *ioas, uint64_t iova)
{
	const struct window *window = window_at(ioas, iova);

	if (window->page_size < pieces->page_size)
		pieces->page_size = window->page_size;
	pieces->prot &= window->prot;
}

/* What lies in [iova, last], without a hole. */
static int pieces_collect(struct pieces *pieces, struct rf_ioas *ioas, uint64_t iova, uint64_t last)
{
	for (;;) {
		struct part *part = part_at(ioas, iova);
		uint64_t end;
		int ret;

		if (!part)
			return -ENOENT;
		if (ioas_windowed(ioas))
			pieces_note_window(pieces, ioas, iova);
		end = area_last(ioas, part)->seg.last;
		if (end > last)
			end = last;
		ret = area_share(ioas, part);
		if (ret)
			return ret;
		part = part_at(ioas, iova);
		ret = pieces_add(pieces, part->slice->pages, slice_byte(part->slice, iova),
				 end - iova + 1);
		if (ret || end == last)
			return ret;
		iova = end + 1;
	}
}

/* Whether they can be in the window that holds @iova, which all of them do by their length. */
static int pieces_check_window(const struct pieces *pieces, const struct rf_ioas *ioas,
			       uint64_t iova)
{
	uint64_t page_size = window_at(ioas, iova)->page_size;

	if (pieces->page_size < page_size)
		return -EINVAL;
	for (size_t i = 0; i < pieces->nr; i++) {
		const struct piece *piece = &pieces->list[i];

		if (((piece->pages->place + piece->start) | piece->length) & (page_size - 1))
			return -EINVAL;
	}
	return 0;
}

static int pieces_check(const struct pieces *pieces, const struct rf_ioas *ioas, uint64_t iova,
			uint32_t prot)
{
	if (prot & ~pieces->prot)
		return -EPERM;
	for (size_t i = 0; i < pieces->nr; i++) {
		if (prot & RF_WRITE && !pieces->list[i].pages->writable)
			return -EPERM;
		if (pieces->list[i].start % PAGE & (ioas->alignment - 1))
			return -EINVAL;
	}
	return ioas_windowed(ioas) ? pieces_check_window(pieces, ioas, iova) : 0;
}

static int piece_map(struct rf_ioas *ioas, const struct piece *piece, uint64_t iova, uint32_t prot)
{
	struct slice *slice = alloc_small(sizeof(*slice));
	struct segment seg = {
		.addr = piece->pages->addr + piece->start,
		.first = iova,
		.last = iova + piece->length - 1,
		.owner = piece->pages->owner,
		.prot = prot,
	};
	int ret;

	if (!slice)
		return -ENOMEM;
	slice->pages = pages_get(piece->pages);
	slice->iova = iova;
	slice->start = piece->start;
	ret = area_insert(ioas, &seg, slice);
	if (ret) {
		pages_put(slice->pages);
		alloc_small_free(slice, sizeof(*slice));
	}
	return ret;
}

/* All of them side by side from @iova on, or none. */
static int pieces_map(const struct pieces *pieces, struct rf_ioas *ioas, uint64_t iova,
		      uint32_t prot)
{
	uint64_t at = iova;
	uint64_t bytes;

	for (size_t i = 0; i < pieces->nr; i++) {
		int ret = piece_map(ioas, &pieces->list[i], at, prot);

		if (ret) {
			if (i)
				areas_drop(ioas, part_at(ioas, iova), at - 1, &bytes);
			return ret;
		}
		at += pieces->list[i].length;
	}
	return 0;
}

int ioas_user_copy(struct rf_ioas *dst, struct rf_ioas *src, uint64_t src_iova, uint64_t length,
		   uint32_t prot, bool fixed, uint64_t *dst_iova)
{
	uint64_t place = *dst_iova;
	struct pieces pieces;
	int ret;

	if (!length)
		return -EINVAL;
	if (src_iova + (length - 1) < src_iova)
		return -EOVERFLOW;
	pieces_init(&pieces);
	pthread_mutex_lock(&src->lock);
	ret = pieces_collect(&pieces, src, src_iova, src_iova + (length - 1));
	pthread_mutex_unlock(&src->lock);
	if (ret)
		goto destroy;

	pthread_mutex_lock(&dst->lock);
	ret = place_choose(dst, pieces.list[0].pages->place + pieces.list[0].start, length, prot,
			   fixed, &place);
	if (!ret)
		ret = pieces_check(&pieces, dst, place, prot);
	if (!ret)
		ret = pieces_map(&pieces, dst, place, prot);
	pthread_mutex_unlock(&dst->lock);
	if (!ret) {
		stats_add(&stats()->maps, pieces.nr);
		stats_add(&stats()->mapped_bytes, length);
		*dst_iova = place;
	}
destroy:
	pieces_destroy(&pieces);
	return ret;
}
