/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of one address space: mapping, copying, unmapping, ranges. Page
 * tables and devices are in iommufd_model.c.
 */
#include "iommufd_model_private.h"

#include <errno.h>
#include <string.h>

/* Mapping: a list of pieces, each of one pages object. */

struct piece {
	uint32_t pages;
	unsigned mem;
	uint64_t length;
	bool writable;
};

static int check_iova(struct model *m, uint32_t ioas, uint64_t iova, uint64_t length)
{
	const struct model_space *s = space_of(m, ioas);

	if (iova & (model_alignment(m, ioas) - 1))
		return -EINVAL;
	if (overflows(iova, length))
		return -EOVERFLOW;
	if (model_ranges_touch(s->reserved, s->nr_reserved, iova, iova + length - 1))
		return -EINVAL;
	if (model_anything_mapped(s, iova, iova + length - 1))
		return -EEXIST;
	return 0;
}

static bool piece_works(const struct piece *p)
{
	for (unsigned i = 0; i < p->length / MODEL_CELL; i++)
		if (!mem_works(p->mem + i, p->writable))
			return false;
	return true;
}

static void enter(struct model *m, struct model_space *s, const struct piece *p, uint64_t iova,
		  uint32_t flags)
{
	unsigned cell = model_cell(iova);

	for (unsigned i = 0; i < p->length / MODEL_CELL; i++)
		s->cells[cell + i] = (struct model_cell){
			.area = m->next_area,
			.pages = p->pages,
			.mem = (uint16_t)(p->mem + i),
			.prot = flags & (MODEL_READ | MODEL_WRITE),
			.writable = p->writable,
		};
	m->next_area++;
}

/* Whether there are cells for all of it. */
static bool in_window(uint64_t iova, uint64_t length)
{
	unsigned first = model_cell(iova), last = model_cell(iova + length - 1);

	return !(iova % MODEL_CELL) && last < MODEL_CELLS &&
	       last == first + length / MODEL_CELL - 1;
}

static int enter_pieces(struct model *m, uint32_t ioas, uint32_t flags, const struct piece *pieces,
			unsigned nr, uint64_t length, uint64_t *iova)
{
	uint64_t mask, at;
	int ret;

	mask = model_alignment(m, ioas) - 1;
	if (length & mask)
		return -EINVAL;
	if (flags & MODEL_FIXED)
		ret = check_iova(m, ioas, *iova, length);
	else
		ret = model_choose(m, ioas, mem_addr(m, pieces[0].mem), length, iova);
	if (ret)
		return ret;
	for (unsigned i = 0; i < nr; i++) {
		if ((flags & MODEL_WRITE) && !pieces[i].writable)
			return -EPERM;
		if (mem_addr(m, pieces[i].mem) % MODEL_PAGE & mask)
			return -EINVAL;
		/* Linux lets them in where no page table is; nobody needs that. */
		if (pieces[i].length & mask)
			return MODEL_UNSURE;
	}
	if (!in_window(*iova, length))
		return MODEL_UNSURE;
	if (model_has_domain(m, ioas))
		for (unsigned i = 0; i < nr; i++)
			if (!piece_works(&pieces[i]))
				return -EFAULT;
	at = *iova;
	for (unsigned i = 0; i < nr; i++) {
		enter(m, space_of(m, ioas), &pieces[i], at, flags);
		at += pieces[i].length;
	}
	return 0;
}

int model_map(struct model *m, uint32_t ioas, uint32_t flags, unsigned mem, uint64_t length,
	      uint64_t *iova)
{
	struct piece piece = {
		.pages = m->next_pages,
		.mem = mem,
		.length = length,
		.writable = flags & MODEL_WRITE,
	};
	int ret;

	if (flags & ~(MODEL_FIXED | MODEL_READ | MODEL_WRITE))
		return -EOPNOTSUPP;
	if (*iova == UINT64_MAX || length == UINT64_MAX)
		return -EOVERFLOW;
	if (!(flags & (MODEL_READ | MODEL_WRITE)))
		return -EINVAL;
	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	if (length > UINT64_MAX - MODEL_PAGE || !length)
		return -EINVAL;
	if (mem_addr(m, mem) + length < length)
		return -EOVERFLOW;
	if (length % MODEL_CELL && !(length & (model_alignment(m, ioas) - 1)))
		return MODEL_UNSURE;
	if (mem + length / MODEL_CELL > MODEL_MEM)
		return MODEL_UNSURE;
	ret = enter_pieces(m, ioas, flags, &piece, 1, length, iova);
	if (!ret)
		m->next_pages++;
	return ret;
}

/* The pieces behind [iova, last]: how many, or a negative errno. */
static int gather(const struct model_space *s, uint64_t iova, uint64_t length, struct piece *pieces)
{
	unsigned cell = model_cell(iova), nr = 0;
	uint32_t area = 0;

	for (uint64_t done = 0; done < length; done += MODEL_CELL, cell++) {
		const struct model_cell *c = &s->cells[cell];

		if (cell >= MODEL_CELLS || cell != model_cell(iova + done) || !c->area)
			return -ENOENT;
		if (c->area != area) {
			pieces[nr++] = (struct piece){
				.pages = c->pages,
				.mem = c->mem,
				.writable = c->writable,
			};
			area = c->area;
		}
		pieces[nr - 1].length += MODEL_CELL;
	}
	return (int)nr;
}

int model_copy(struct model *m, uint32_t flags, uint32_t dst, uint32_t src, uint64_t src_iova,
	       uint64_t length, uint64_t *dst_iova)
{
	struct piece pieces[MODEL_CELLS];
	int nr;

	if (flags & ~(MODEL_FIXED | MODEL_READ | MODEL_WRITE))
		return -EOPNOTSUPP;
	if (length == UINT64_MAX || src_iova == UINT64_MAX || *dst_iova == UINT64_MAX)
		return -EOVERFLOW;
	if (!(flags & (MODEL_READ | MODEL_WRITE)))
		return -EINVAL;
	if (!object_is(m, src, MODEL_IOAS))
		return -ENOENT;
	if (!length)
		return -EINVAL;
	if (overflows(src_iova, length))
		return -EOVERFLOW;
	if (src_iova % MODEL_CELL || length % MODEL_CELL)
		return MODEL_UNSURE;
	nr = gather(space_of(m, src), src_iova, length, pieces);
	if (nr < 0)
		return nr;
	if (!object_is(m, dst, MODEL_IOAS))
		return -ENOENT;
	return enter_pieces(m, dst, flags, pieces, (unsigned)nr, length, dst_iova);
}

/* Linux takes areas one by one: what it took before it met one that reaches out stays taken. */
static int unmap_range(struct model_space *s, uint64_t first, uint64_t last, uint64_t *unmapped)
{
	*unmapped = 0;
	for (unsigned c = 0; c < MODEL_CELLS;) {
		uint32_t area = s->cells[c].area;
		unsigned end = c + 1;

		if (!area) {
			c++;
			continue;
		}
		while (end < MODEL_CELLS && s->cells[end].area == area)
			end++;
		if (touch(model_iova(c), model_iova(end - 1) + MODEL_CELL - 1, first, last)) {
			if (model_iova(c) < first || model_iova(end - 1) + MODEL_CELL - 1 > last)
				return -ENOENT;
			*unmapped += (end - c) * MODEL_CELL;
			memset(&s->cells[c], 0, (end - c) * sizeof(s->cells[c]));
		}
		c = end;
	}
	return 0;
}

int model_unmap(struct model *m, uint32_t ioas, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	int ret;

	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	if (!iova && length == UINT64_MAX)
		return unmap_range(space_of(m, ioas), 0, UINT64_MAX, unmapped);
	if (iova == UINT64_MAX || length == UINT64_MAX)
		return -EOVERFLOW;
	if (!length)
		return -EINVAL;
	if (overflows(iova, length))
		return -EOVERFLOW;
	ret = unmap_range(space_of(m, ioas), iova, iova + length - 1, unmapped);
	return ret || *unmapped ? ret : -ENOENT;
}

/* Ranges. */

int model_iova_ranges(const struct model *m, uint32_t ioas, struct model_range *out, unsigned *nr,
		      uint64_t *align)
{
	const struct model_space *s;
	uint64_t at = 0;

	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	s = &m->spaces[m->objects[ioas].space];
	*align = model_alignment(m, ioas);
	*nr = 0;
	for (;;) {
		uint64_t hole_last = UINT64_MAX;
		bool moved = true;

		/* step over whatever is reserved here */
		while (moved) {
			moved = false;
			for (unsigned i = 0; i < s->nr_reserved; i++) {
				if (s->reserved[i].first > at || s->reserved[i].last < at)
					continue;
				if (s->reserved[i].last == UINT64_MAX)
					return 0;
				at = s->reserved[i].last + 1;
				moved = true;
			}
		}
		for (unsigned i = 0; i < s->nr_reserved; i++)
			if (s->reserved[i].first > at && s->reserved[i].first - 1 < hole_last)
				hole_last = s->reserved[i].first - 1;
		out[(*nr)++] = (struct model_range){ .first = at, .last = hole_last };
		if (hole_last == UINT64_MAX)
			return 0;
		at = hole_last + 1;
	}
}

int model_allow(struct model *m, uint32_t ioas, const struct model_range *ranges, unsigned nr)
{
	struct model_space *s;

	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	s = space_of(m, ioas);
	for (unsigned i = 0; i < nr; i++)
		if (ranges[i].first >= ranges[i].last ||
		    model_ranges_touch(ranges, i, ranges[i].first, ranges[i].last))
			return -EINVAL;
	for (unsigned i = 0; i < nr; i++)
		if (model_ranges_touch(s->reserved, s->nr_reserved, ranges[i].first,
				       ranges[i].last))
			return -EADDRINUSE;
	memcpy(s->allowed, ranges, nr * sizeof(*ranges));
	s->nr_allowed = nr;
	return 0;
}

int model_reserve_for(struct model_space *s, uint64_t first, uint64_t last, uint32_t who)
{
	if (model_anything_mapped(s, first, last) ||
	    model_ranges_touch(s->allowed, s->nr_allowed, first, last))
		return -EADDRINUSE;
	if (s->nr_reserved == MODEL_RANGES)
		return MODEL_UNSURE;
	s->reserved[s->nr_reserved++] =
		(struct model_range){ .first = first, .last = last, .who = who };
	return 0;
}

int model_reserve(struct model *m, uint32_t ioas, uint64_t first, uint64_t length)
{
	if (!length)
		return -EINVAL;
	if (overflows(first, length))
		return -EOVERFLOW;
	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	/* leave room for what page tables reserve */
	if (space_of(m, ioas)->nr_reserved > MODEL_RANGES / 4)
		return MODEL_UNSURE;
	return model_reserve_for(space_of(m, ioas), first, first + length - 1, 0);
}

/* Whether every mapping would bear an alignment. */
bool model_areas_aligned(const struct model *m, const struct model_space *s, uint64_t align)
{
	for (unsigned c = 0; c < MODEL_CELLS; c++) {
		const struct model_cell *cell = &s->cells[c];
		bool begins = cell->area && (!c || s->cells[c - 1].area != cell->area);
		bool ends =
			cell->area && (c + 1 == MODEL_CELLS || s->cells[c + 1].area != cell->area);

		if (begins &&
		    (model_iova(c) % align || mem_addr(m, cell->mem) % MODEL_PAGE % align))
			return false;
		if (ends && (model_iova(c) + MODEL_CELL) % align)
			return false;
	}
	return true;
}

int model_huge_pages(struct model *m, uint32_t ioas, uint64_t value)
{
	struct model_space *s;

	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	s = space_of(m, ioas);
	if (value > 1)
		return -EINVAL;
	if (value) {
		s->small_pages = false;
		return 0;
	}
	if (s->small_pages)
		return 0;
	if (model_has_domain(m, ioas) && model_anything_mapped(s, 0, UINT64_MAX))
		return -EINVAL;
	if (!model_areas_aligned(m, s, MODEL_PAGE))
		return -EADDRINUSE;
	s->small_pages = true;
	return 0;
}
