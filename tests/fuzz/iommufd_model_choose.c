/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How Linux chooses an IOVA: the lowest place in the allowed ranges where
 * nothing is reserved or mapped, aligned as the user's address is, up to the
 * length and to 2 MiB; with a rounding of its own at every edge.
 */
#include "iommufd_model_private.h"

#include <errno.h>

#define ALIGNED_MAX (2ull << 20) /* no IOVA is chosen with a larger alignment */

static bool fits(uint64_t first, uint64_t last, uint64_t length, uint64_t align, uint64_t offset,
		 uint64_t *at)
{
	uint64_t up = (first + align - 1) & ~(align - 1);

	if (up < first)
		return false;
	*at = up | offset;
	return *at < last && last - *at >= length - 1;
}

/*
 * The places where something changes, in order: holes and allowed spans begin
 * and end only there. Cells make it simple: everything lies at cell borders
 * within the windows; outside there are only ranges.
 */
static unsigned borders(const struct model_space *s, uint64_t *out)
{
	unsigned nr = 0;

	out[nr++] = MODEL_PAGE;
	for (unsigned c = 0; c < MODEL_CELLS; c++) {
		out[nr++] = model_iova(c);
		if (c + 1 == MODEL_WINDOW || c + 1 == MODEL_CELLS)
			out[nr++] = model_iova(c) + MODEL_CELL;
	}
	for (unsigned i = 0; i < s->nr_allowed + s->nr_reserved; i++) {
		const struct model_range *r =
			i < s->nr_allowed ? &s->allowed[i] : &s->reserved[i - s->nr_allowed];

		out[nr++] = r->first;
		if (r->last != UINT64_MAX)
			out[nr++] = r->last + 1;
	}
	for (unsigned i = 1; i < nr; i++) {
		uint64_t x = out[i];
		unsigned j = i;

		for (; j && out[j - 1] > x; j--)
			out[j] = out[j - 1];
		out[j] = x;
	}
	return nr;
}

#define MAX_BORDERS (MODEL_CELLS + 3 + 4 * MODEL_RANGES)
#define SPACE_LAST  (UINT64_MAX - MODEL_PAGE)

/* Whether an address is in a hole, or (with @holes false) allowed; with no list everything is. */
static bool usable(const struct model_space *s, uint64_t iova, bool holes)
{
	unsigned cell = model_cell(iova);

	if (!holes)
		return !s->nr_allowed || model_ranges_touch(s->allowed, s->nr_allowed, iova, iova);
	return !model_ranges_touch(s->reserved, s->nr_reserved, iova, iova) &&
	       (cell == MODEL_CELLS || !s->cells[cell].area);
}

/* Where the run that holds the border before @i ends, at most at @limit. */
static uint64_t run_last(const struct model_space *s, const uint64_t *b, unsigned nr, unsigned *i,
			 uint64_t limit, bool holes)
{
	while (*i < nr && b[*i] <= limit && usable(s, b[*i], holes))
		(*i)++;
	return *i < nr && b[*i] <= limit ? b[*i] - 1 : limit;
}

static int choose_in(const struct model_space *s, const uint64_t *b, unsigned nr, uint64_t first,
		     uint64_t last, uint64_t length, uint64_t align, uint64_t offset,
		     uint64_t *iova)
{
	uint64_t from = first;
	unsigned i = 0;

	while (from <= last) {
		uint64_t end;

		while (i < nr && b[i] <= from)
			i++;
		if (!usable(s, from, true)) {
			if (i == nr || b[i] > last)
				return -ENOSPC;
			from = b[i];
			continue;
		}
		end = run_last(s, b, nr, &i, last, true);
		if (fits(from, end, length, align, offset, iova))
			return 0;
		if (end >= last)
			return -ENOSPC;
		from = end + 1;
	}
	return -ENOSPC;
}

int model_choose(struct model *m, uint32_t ioas, uint64_t addr, uint64_t length, uint64_t *iova)
{
	const struct model_space *s = &m->spaces[m->objects[ioas].space];
	uint64_t align = 1, low = addr & -addr, from = MODEL_PAGE, b[MAX_BORDERS];
	unsigned nr, i = 0;

	while (align < length)
		align *= 2;
	if (align > low)
		align = low;
	if (align > ALIGNED_MAX)
		align = ALIGNED_MAX;
	if (align < model_alignment(m, ioas))
		return -EINVAL;
	nr = borders(s, b);
	while (from <= SPACE_LAST) {
		uint64_t end, start;

		while (i < nr && b[i] <= from)
			i++;
		if (!usable(s, from, false)) {
			if (i == nr)
				return -ENOSPC;
			from = b[i];
			continue;
		}
		end = run_last(s, b, nr, &i, SPACE_LAST, false);
		if (fits(from, end, length, align, addr % MODEL_PAGE, &start) &&
		    !choose_in(s, b, nr, start, end, length, align, addr % MODEL_PAGE, iova))
			return 0;
		if (end >= SPACE_LAST)
			return -ENOSPC;
		from = end + 1;
	}
	return -ENOSPC;
}
