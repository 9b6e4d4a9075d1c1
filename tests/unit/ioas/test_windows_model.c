/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows against a model of plain loops over pages: map, unmap, copy, make and remove
 * windows, attach, detach and reserve in random order, while any allocation may fail.
 * After each step what devices see, the windows and the errno must be the model's.
 */
#include <stdio.h>

#include "../random.h"
#include "fixture.h"
#include "ioas/space.h"
#include "ioas/user_map.h"

#define SPACES	    2
#define KINDS	    3
#define MODEL_PAGES 512u /* of IOVA, that the model looks at */
#define USED_PAGES  130u /* of those, that are asked for */
#define MEMORY	    64u /* pages */
#define AREAS	    256u
#define WINDOWS	    10u
#define NONE	    UINT32_MAX
#define ROUNDS	    40u
#define STEPS	    3000u

static const struct iommu_kind kinds[KINDS] = {
	{ .name = "wide", .page_sizes = PAGE | 4 * PAGE, .aperture = { 0, 128 * PAGE - 1 } },
	{ .name = "narrow",
	  .page_sizes = PAGE | 4 * PAGE | 16 * PAGE,
	  .aperture = { 8 * PAGE, 100 * PAGE - 1 },
	  .resv = { { { 40 * PAGE, 44 * PAGE - 1 }, IOMMU_RESV_MSI } },
	  .nr_resv = 1 },
	{ .name = "two windows",
	  .page_sizes = PAGE | 8 * PAGE,
	  .aperture = { 0, 96 * PAGE - 1 },
	  .windows = { { 0, 32 * PAGE - 1 }, { 64 * PAGE, 96 * PAGE - 1 } },
	  .nr_windows = 2 },
};

/* In pages, all of it. */
struct area {
	bool used;
	uint32_t first, nr, memory, prot;
	bool writable; /* what it was copied from could be written */
};

struct win {
	uint32_t first, nr, page, prot;
};

struct space {
	struct rf_ioas *ioas;
	bool windowed;
	uint32_t area_of[MODEL_PAGES];
	struct area areas[AREAS];
	struct win wins[WINDOWS + 1];
	unsigned nr_wins;
	struct domain *domains[KINDS];
	unsigned order[KINDS], nr_domains; /* the oldest first */
	uint32_t reserved_first, reserved_nr; /* by a device; 0: none */
};

static struct space spaces[SPACES];
static char *memory;
static uint64_t rnd;
static unsigned outcomes[2][8]; /* successes and refusals, by step */

static unsigned below(unsigned n)
{
	return (unsigned)random_below(&rnd, n);
}

static bool kind_reaches(const struct iommu_kind *kind, uint32_t page)
{
	uint64_t iova = page * PAGE;
	bool in_window = !kind->nr_windows;

	for (unsigned i = 0; i < kind->nr_windows; i++)
		in_window |= iova >= kind->windows[i].first && iova <= kind->windows[i].last;
	return in_window && iova >= kind->aperture.first && iova <= kind->aperture.last;
}

static bool kind_reserves(const struct iommu_kind *kind, uint32_t page)
{
	uint64_t iova = page * PAGE;

	for (unsigned i = 0; i < kind->nr_resv; i++)
		if (iova >= kind->resv[i].range.first && iova <= kind->resv[i].range.last)
			return true;
	return !kind_reaches(kind, page);
}

static bool reserved(const struct space *s, uint32_t page)
{
	for (unsigned d = 0; d < s->nr_domains; d++)
		if (kind_reserves(&kinds[s->order[d]], page))
			return true;
	return page >= s->reserved_first && page < s->reserved_first + s->reserved_nr;
}

static unsigned win_at(const struct space *s, uint32_t page)
{
	for (unsigned w = 0; w < s->nr_wins; w++)
		if (page >= s->wins[w].first && page < s->wins[w].first + s->wins[w].nr)
			return w;
	return NONE;
}

static bool any_area(const struct space *s, uint32_t first, uint32_t nr)
{
	for (uint32_t p = first; p < first + nr; p++)
		if (s->area_of[p] != NONE)
			return true;
	return false;
}

/* The question of where, for memory at page @at. */
static int expect_place(const struct space *s, uint32_t at, uint32_t first, uint32_t nr,
			uint32_t prot)
{
	unsigned w = win_at(s, first);

	if (!s->windowed) {
		for (uint32_t p = first; p < first + nr; p++)
			if (reserved(s, p))
				return -EINVAL;
		return 0;
	}
	if (w == NONE || win_at(s, first + nr - 1) != w)
		return -EINVAL;
	if (first % s->wins[w].page || nr % s->wins[w].page ||
	    ((uintptr_t)memory / PAGE + at) % s->wins[w].page)
		return -EINVAL;
	return prot & ~s->wins[w].prot ? -EPERM : 0;
}

static void add_area(struct space *s, uint32_t at, uint32_t first, uint32_t nr, uint32_t prot,
		     bool writable)
{
	unsigned a = 0;

	while (s->areas[a].used)
		a++;
	assert_true(a < AREAS);
	s->areas[a] = (struct area){ true, first, nr, at, prot, writable };
	for (uint32_t p = first; p < first + nr; p++)
		s->area_of[p] = a;
}

static void drop_area(struct space *s, unsigned a)
{
	for (uint32_t p = s->areas[a].first; p < s->areas[a].first + s->areas[a].nr; p++)
		s->area_of[p] = NONE;
	s->areas[a].used = false;
}

static unsigned nr_areas(const struct space *s)
{
	unsigned nr = 0;

	for (unsigned a = 0; a < AREAS; a++)
		nr += s->areas[a].used;
	return nr;
}

static unsigned last_step;

/* An answer: the expected one; or there was no memory, and nothing is to change. */
static bool answered(int ret, int expected)
{
	bool failed = alloc_has_failed();

	alloc_fail_nth(0);
	if (ret == -ENOMEM && failed)
		return false;
	if (ret != expected)
		fprintf(stderr, "step %u: %d, expected %d\n", last_step, ret, expected);
	assert_int_equal(ret, expected);
	outcomes[expected != 0][last_step]++;
	return !ret;
}

static void perhaps_fail(void)
{
	if (!below(3))
		alloc_fail_nth(1 + below(8));
}

static uint32_t random_prot(void)
{
	return below(3) ? RW : 1 + below(2);
}

static void step_map(struct space *s)
{
	uint32_t first = below(USED_PAGES), nr = 1 + below(6), at = below(MEMORY - 6);
	uint32_t prot = random_prot();
	uint64_t iova;
	int expected;
	int ret;

	if (below(2)) { /* something that has a chance where pages are large */
		first &= ~3u;
		at &= ~3u;
		nr = 4;
	}
	iova = first * PAGE + (below(20) ? 0 : 512);
	expected = iova % PAGE		  ? -EINVAL :
		   any_area(s, first, nr) ? -EEXIST :
					    expect_place(s, at, first, nr, prot);
	perhaps_fail();
	ret = rf_ioas_map(s->ioas, owner, memory + at * PAGE, nr * PAGE, prot, RF_MAP_FIXED, &iova);
	if (answered(ret, expected))
		add_area(s, at, first, nr, prot, prot & RF_WRITE);
}

static void step_map_anywhere(struct space *s)
{
	uint32_t nr = 1 + below(6), at = below(MEMORY - 6), prot = random_prot();
	uint64_t iova = 0;
	uint32_t first;
	int ret;

	if (below(2)) {
		at &= ~3u;
		nr = 4;
	}
	for (first = 0; first < MODEL_PAGES - nr; first++)
		if (!any_area(s, first, nr) && !expect_place(s, at, first, nr, prot))
			break;
	perhaps_fail();
	ret = rf_ioas_map(s->ioas, owner, memory + at * PAGE, nr * PAGE, prot, 0, &iova);
	if (answered(ret, first < MODEL_PAGES - nr ? 0 : -ENOSPC)) {
		assert_true(iova == first * PAGE);
		add_area(s, at, first, nr, prot, prot & RF_WRITE);
	}
}

static int expect_unmap(const struct space *s, uint32_t first, uint32_t nr)
{
	unsigned w = win_at(s, first);

	if (s->windowed && (w == NONE || win_at(s, first + nr - 1) != w ||
			    first % s->wins[w].page || nr % s->wins[w].page))
		return -EINVAL;
	for (uint32_t p = first; p < first + nr; p++) {
		const struct area *a = s->area_of[p] == NONE ? NULL : &s->areas[s->area_of[p]];

		if (a && (a->first < first || a->first + a->nr > first + nr))
			return -ENOENT;
	}
	return any_area(s, first, nr) ? 0 : -ENOENT;
}

static void unmap_model(struct space *s, uint32_t first, uint32_t nr)
{
	for (uint32_t p = first; p < first + nr; p++)
		if (s->area_of[p] != NONE)
			drop_area(s, s->area_of[p]);
}

static void step_unmap(struct space *s)
{
	uint32_t first = below(USED_PAGES), nr = 1 + below(12);
	uint64_t unmapped;
	int ret;

	if (below(2) && s->area_of[first] != NONE) { /* just that one */
		const struct area *a = &s->areas[s->area_of[first]];

		first = a->first;
		nr = a->nr;
	}
	if (!below(60)) {
		ret = rf_ioas_unmap(s->ioas, 0, 0, RF_UNMAP_ALL, &unmapped);
		if (answered(ret, 0))
			unmap_model(s, 0, MODEL_PAGES);
		return;
	}
	alloc_fail_nth(1); /* nothing of it may fail */
	ret = rf_ioas_unmap(s->ioas, first * PAGE, nr * PAGE, 0, &unmapped);
	assert_true(ret != -ENOMEM);
	if (answered(ret, expect_unmap(s, first, nr)))
		unmap_model(s, first, nr);
}

/* What the copy of [from, +nr) to @first would answer, once both places are known. */
static int expect_copy(const struct space *dst, const struct space *src, uint32_t from,
		       uint32_t first, uint32_t nr, uint32_t prot)
{
	uint32_t smallest = UINT32_MAX, rights = RW, page;
	const struct area *a;
	int ret;

	for (uint32_t p = from; p < from + nr; p++)
		if (src->area_of[p] == NONE)
			return -ENOENT;
	a = &src->areas[src->area_of[from]];
	ret = expect_place(dst, a->memory + (from - a->first), first, nr, prot);
	if (ret)
		return ret;
	if (any_area(dst, first, nr))
		return -EEXIST;
	for (uint32_t p = from; src->windowed && p < from + nr; p++) {
		const struct win *w = &src->wins[win_at(src, p)];

		smallest = w->page < smallest ? w->page : smallest;
		rights &= w->prot;
	}
	if (prot & ~rights)
		return -EPERM;
	for (uint32_t p = from; p < from + nr; p++)
		if (prot & RF_WRITE && !src->areas[src->area_of[p]].writable)
			return -EPERM;
	if (!dst->windowed)
		return 0;
	page = dst->wins[win_at(dst, first)].page;
	if (smallest < page)
		return -EINVAL;
	for (uint32_t p = from; p < from + nr; p++) {
		bool begins, ends;

		a = &src->areas[src->area_of[p]];
		begins = p == from || p == a->first;
		ends = p == from + nr - 1 || p == a->first + a->nr - 1;
		if ((begins && ((uintptr_t)memory / PAGE + a->memory + (p - a->first)) % page) ||
		    (ends && ((uintptr_t)memory / PAGE + a->memory + (p - a->first) + 1) % page))
			return -EINVAL;
	}
	return 0;
}

static void step_copy(struct space *dst)
{
	struct space *src = &spaces[below(SPACES)];
	uint32_t from = below(USED_PAGES), first = below(USED_PAGES), nr = 1 + below(8);
	uint32_t prot = random_prot();
	uint64_t iova;
	int expected;
	int ret;

	if (below(4) && src->area_of[from] != NONE) { /* of an area, or from there on */
		const struct area *a = &src->areas[src->area_of[from]];

		from = a->first;
		nr = a->nr;
	}
	if (below(2))
		first &= ~3u;
	iova = first * PAGE;
	expected = expect_copy(dst, src, from, first, nr, prot);
	perhaps_fail();
	ret = rf_ioas_copy(dst->ioas, src->ioas, from * PAGE, nr * PAGE, prot, RF_MAP_FIXED, &iova);
	if (!answered(ret, expected))
		return;
	for (uint32_t p = from; p < from + nr;) {
		const struct area a = src->areas[src->area_of[p]];
		uint32_t end = a.first + a.nr < from + nr ? a.first + a.nr : from + nr;

		add_area(dst, a.memory + (p - a.first), first + (p - from), end - p, prot,
			 a.writable);
		p = end;
	}
}

static int expect_hardware(const struct space *s, const struct iommu_kind *kind, uint32_t first,
			   uint32_t nr, bool taken[IOMMU_MAX_WINDOWS])
{
	for (uint32_t p = first; p < first + nr; p++)
		if (!kind_reaches(kind, p))
			return -EOPNOTSUPP;
	for (unsigned i = 0; i < kind->nr_windows; i++) {
		bool here = first * PAGE >= kind->windows[i].first &&
			    (first + nr) * PAGE - 1 <= kind->windows[i].last;

		if (here && taken[i])
			return -ENOSPC;
		if (here)
			taken[i] = true;
	}
	return 0;
}

static int expect_window(const struct space *s, uint32_t first, uint32_t nr)
{
	for (uint32_t p = first; p < first + nr; p++)
		if (win_at(s, p) != NONE)
			return -EADDRINUSE;
	for (unsigned d = s->nr_domains; d--;) {
		bool taken[IOMMU_MAX_WINDOWS] = { false, false };
		int ret;

		for (unsigned w = 0; w < s->nr_wins; w++)
			assert_int_equal(expect_hardware(s, &kinds[s->order[d]], s->wins[w].first,
							 s->wins[w].nr, taken),
					 0);
		ret = expect_hardware(s, &kinds[s->order[d]], first, nr, taken);
		if (ret)
			return ret;
	}
	for (uint32_t p = first; p < first + nr; p++)
		if (reserved(s, p))
			return -EADDRINUSE;
	return 0;
}

static void add_win(struct space *s, uint32_t first, uint32_t nr, uint32_t page, uint32_t prot)
{
	unsigned w = s->nr_wins++;

	for (; w && s->wins[w - 1].first > first; w--)
		s->wins[w] = s->wins[w - 1];
	s->wins[w] = (struct win){ first, nr, page, prot };
	s->windowed = true;
}

/* Where the space has to choose: true and *first. */
static bool choose_window(const struct space *s, uint32_t nr, uint32_t page, uint32_t *first)
{
	uint64_t sizes = UINT64_MAX;
	uint32_t align = page;

	for (unsigned d = 0; d < s->nr_domains; d++) {
		const struct iommu_kind *kind = &kinds[s->order[d]];

		sizes &= kind->page_sizes;
		for (unsigned i = 0; i < kind->nr_windows; i++) {
			*first = (uint32_t)(kind->windows[i].first / PAGE);
			if (!(*first % page) && !expect_window(s, *first, nr))
				return true;
		}
		if (kind->nr_windows)
			return false;
	}
	for (uint32_t size = 1; s->nr_domains && size <= nr; size *= 2)
		if (sizes & size * PAGE && size > align)
			align = size;
	for (; align >= page; align = align > page ? page : 0) {
		for (*first = align; *first < MODEL_PAGES - nr; *first += align)
			if (!expect_window(s, *first, nr))
				return true;
		if (align == page)
			break;
	}
	return false;
}

static void step_create(struct space *s)
{
	uint32_t page = 1u << below(4), nr = 1 + below(30), first = below(USED_PAGES);
	uint32_t flags = below(3) ? RF_WINDOW_FIXED : 0;
	struct rf_window want = { .prot = below(3) ? 0 : 1 + below(3) }, got;
	int expected;
	int ret;

	if (s->nr_wins == WINDOWS)
		return;
	if (below(5)) {
		nr = (nr + page - 1) / page * page;
		first = first / page * page;
	}
	want.iova = first * PAGE;
	if (page > 1 || below(2))
		want.page_size = page * PAGE;
	if (nr % page || (flags && first % page))
		expected = -EINVAL;
	else if (!s->windowed && nr_areas(s))
		expected = -EBUSY;
	else if (flags)
		expected = expect_window(s, first, nr);
	else
		expected = choose_window(s, nr, page, &first) ? 0 : -ENOSPC;
	perhaps_fail();
	ret = rf_ioas_create_window(s->ioas, &want, nr * PAGE, flags, &got);
	if (!answered(ret, expected))
		return;
	add_win(s, first, nr, page, want.prot ? want.prot : RW);
	assert_true(got.iova == first * PAGE && got.last == (first + nr) * PAGE - 1);
	assert_true(got.page_size == page * PAGE && got.prot == (want.prot ? want.prot : RW));
}

static void step_remove(struct space *s)
{
	unsigned w = s->nr_wins && below(4) ? below(s->nr_wins) : NONE;
	uint32_t first = w != NONE ? s->wins[w].first : below(USED_PAGES);
	int ret;

	for (w = 0; w < s->nr_wins && s->wins[w].first != first; w++)
		;
	alloc_fail_nth(1);
	ret = rf_ioas_remove_window(s->ioas, first * PAGE);
	assert_true(ret != -ENOMEM);
	if (!answered(ret, w < s->nr_wins ? 0 : -ENOENT))
		return;
	unmap_model(s, first, s->wins[w].nr);
	s->nr_wins--;
	for (; w < s->nr_wins; w++)
		s->wins[w] = s->wins[w + 1];
}

static int expect_attach(const struct space *s, const struct iommu_kind *kind)
{
	bool taken[IOMMU_MAX_WINDOWS] = { false, false };

	for (unsigned w = 0; w < s->nr_wins; w++)
		if (expect_hardware(s, kind, s->wins[w].first, s->wins[w].nr, taken))
			return -EADDRINUSE;
	for (uint32_t p = 0; p < MODEL_PAGES; p++)
		if ((s->area_of[p] != NONE || win_at(s, p) != NONE) && kind_reserves(kind, p))
			return -EADDRINUSE;
	return 0;
}

static void step_attach(struct space *s)
{
	unsigned k = below(KINDS), at;
	int ret;

	if (s->domains[k]) {
		ioas_put_domain(s->ioas, s->domains[k]);
		s->domains[k] = NULL;
		for (at = 0; s->order[at] != k; at++)
			;
		for (s->nr_domains--; at < s->nr_domains; at++)
			s->order[at] = s->order[at + 1];
		return;
	}
	perhaps_fail();
	ret = ioas_get_domain(s->ioas, &kinds[k], &s->domains[k]);
	if (answered(ret, expect_attach(s, &kinds[k])))
		s->order[s->nr_domains++] = k;
	else
		s->domains[k] = NULL;
}

static void step_reserve(struct space *s)
{
	uint32_t first = below(USED_PAGES), nr = 1 + below(6);
	int expected = 0;
	int ret;

	if (s->reserved_nr) {
		ioas_unreserve(s->ioas, s);
		s->reserved_nr = 0;
		return;
	}
	for (uint32_t p = first; p < first + nr; p++)
		if (s->area_of[p] != NONE || win_at(s, p) != NONE)
			expected = -EADDRINUSE;
	perhaps_fail();
	ret = ioas_reserve(s->ioas, first * PAGE, (first + nr) * PAGE - 1, s);
	if (answered(ret, expected)) {
		s->reserved_first = first;
		s->reserved_nr = nr;
	}
}

static void check(struct space *s)
{
	struct rf_window wins[WINDOWS + 1];
	struct rf_window_limits limits;

	assert_int_equal(rf_ioas_get_windows(s->ioas, wins, WINDOWS + 1, &limits), s->nr_wins);
	assert_int_equal(limits.windowed, s->windowed);
	for (unsigned w = 0; w < s->nr_wins; w++) {
		assert_true(wins[w].iova == s->wins[w].first * PAGE);
		assert_true(wins[w].last == (s->wins[w].first + s->wins[w].nr) * PAGE - 1);
		assert_true(wins[w].page_size == s->wins[w].page * PAGE);
		assert_true(wins[w].prot == s->wins[w].prot);
	}
	assert_int_equal(ioas_nr_areas(s->ioas), nr_areas(s));
	for (unsigned k = 0; k < KINDS; k++) {
		for (uint32_t p = 0; s->domains[k] && p < USED_PAGES; p++) {
			struct translation t;
			int ret = domain_translate(s->domains[k], p * PAGE, 0, &t);
			const struct area *a;

			assert_int_equal(!ret, s->area_of[p] != NONE);
			if (ret)
				continue;
			a = &s->areas[s->area_of[p]];
			assert_true(t.addr ==
				    (uintptr_t)memory + (a->memory + (p - a->first)) * PAGE);
			assert_int_equal(domain_translate(s->domains[k], p * PAGE, RF_WRITE, &t),
					 a->prot & RF_WRITE ? 0 : -EFAULT);
		}
	}
}

static void space_open(struct space *s)
{
	memset(s, 0, sizeof(*s));
	s->windowed = below(2);
	assert_int_equal(rf_ioas_new(NULL, s->windowed ? RF_IOAS_WINDOWED : 0, &s->ioas), 0);
	for (uint32_t p = 0; p < MODEL_PAGES; p++)
		s->area_of[p] = NONE;
}

static void space_close(struct space *s)
{
	for (unsigned k = 0; k < KINDS; k++)
		if (s->domains[k])
			ioas_put_domain(s->ioas, s->domains[k]);
	rf_ioas_free(s->ioas);
}

static void random_order_agrees_with_the_model(void **state)
{
	static void (*const steps[])(
		struct space *) = { step_map,	 step_map_anywhere, step_unmap,	 step_copy,
				    step_create, step_remove,	    step_attach, step_reserve };
	static const unsigned char often[] = { 0, 0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 6, 7 };

	char *all;

	owner = owner_new_self();
	assert_non_null(owner);
	all = pages(2 * MEMORY);
	memory = (char *)(((uintptr_t)all + MEMORY * PAGE - 1) & ~(MEMORY * PAGE - 1));
	for (unsigned round = 0; round < ROUNDS; round++) {
		rnd = round;
		for (unsigned i = 0; i < SPACES; i++)
			space_open(&spaces[i]);
		for (unsigned step = 0; step < STEPS; step++) {
			struct space *s = &spaces[below(SPACES)];

			last_step = often[below(sizeof(often))];
			if (last_step < 4 && nr_areas(s) > AREAS - 16)
				continue;
			steps[last_step](s);
			check(s);
		}
		for (unsigned i = 0; i < SPACES; i++)
			space_close(&spaces[i]);
	}
	/* each step was both granted and refused, many times */
	for (unsigned i = 0; i < 8; i++)
		assert_true(outcomes[0][i] > 100 && (i == 6 || outcomes[1][i] > 100));
	munmap(all, 2 * MEMORY * PAGE);
	owner_free(owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_order_agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
