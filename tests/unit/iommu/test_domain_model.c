/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains against models that cannot be wrong: an array of pages for a few
 * gigabytes, a list of segments for everything up to terabytes. Random maps and
 * unmaps of every size and alignment; translations compared where it matters, at
 * and beside the ends, and at random.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "iommu/domain.h"

#define PAGE 4096ull

static struct rf_owner *const owner = (struct rf_owner *)0x1000;
static uint64_t rnd;

/* Sizes of all magnitudes, often a multiple of a leaf's. */
static uint64_t random_length(unsigned max_shift)
{
	unsigned shift = 12 + (unsigned)random_below(&rnd, max_shift - 12 + 1);
	uint64_t length = 1ull << shift;

	switch (random_below(&rnd, 4)) {
	case 0:
		return length;
	case 1:
		return length + PAGE;
	case 2:
		return length > PAGE ? length - PAGE : length;
	default:
		return (random_below(&rnd, length) & ~(PAGE - 1)) + PAGE;
	}
}

static uint64_t random_align(uint64_t iova)
{
	static const unsigned shifts[] = { 12, 12, 16, 21, 30, 39 };

	return iova & ~((1ull << shifts[random_below(&rnd, 6)]) - 1);
}

/* Of pages smaller than ours; 0: none. */
static uint64_t small_page;

static uint64_t random_small(uint64_t value)
{
	if (!small_page || random_below(&rnd, 2))
		return value;
	return value + random_below(&rnd, 4096 / small_page) * small_page;
}

/* The list of segments. */
#define MODEL_MAX 400
static struct segment model[MODEL_MAX];
static unsigned model_nr;

static struct segment *model_at(uint64_t iova)
{
	for (unsigned i = 0; i < model_nr; i++)
		if (model[i].first <= iova && iova <= model[i].last)
			return &model[i];
	return NULL;
}

static void compare(const struct domain *domain, uint64_t iova)
{
	const struct segment *s = model_at(iova);
	uint32_t prot = 1u << random_below(&rnd, 2);
	struct translation t;
	int ret = domain_translate(domain, iova, prot, &t);

	if (!s || prot & ~s->prot) {
		assert_int_equal(ret, -EFAULT);
		return;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(t.addr, s->addr + (iova - s->first));
	assert_ptr_equal(t.owner, owner);
	assert_true(t.length >= 1 && t.length <= s->last - iova + 1);
}

static void compare_around(const struct domain *domain, const struct segment *s)
{
	compare(domain, s->first);
	compare(domain, s->last);
	compare(domain, s->first - 1);
	compare(domain, s->last + 1);
	compare(domain, s->first + random_below(&rnd, s->last - s->first + 1));
}

/*
 * The model's segments move in its array, so the domain is given copies that
 * stay put.
 */
static struct segment *copies[MODEL_MAX];

static void model_step(struct domain *domain, unsigned width)
{
	uint64_t space = 1ull << width;
	struct segment s;

	if (model_nr == MODEL_MAX || (model_nr && !random_below(&rnd, 3))) {
		unsigned i = (unsigned)random_below(&rnd, model_nr);

		s = model[i];
		domain_unmap(domain, s.first, s.last);
		domain_sync(domain);
		free(copies[i]);
		model[i] = model[--model_nr];
		copies[i] = copies[model_nr];
	} else {
		uint64_t length = random_length(width - 2 < 40 ? width - 2 : 40);
		uint64_t last;

		if (small_page && random_below(&rnd, 2))
			length = (1 + random_below(&rnd, 9)) * small_page;
		s.first = random_small(random_align(random_below(&rnd, space)));
		last = s.first + length - 1;
		/* half the time next to somebody */
		if (model_nr && random_below(&rnd, 2))
			s.first = model[random_below(&rnd, model_nr)].last + 1;
		last = s.first + length - 1;
		if (last >= space || last < s.first)
			return;
		for (unsigned i = 0; i < model_nr; i++)
			if (model[i].first <= last && model[i].last >= s.first)
				return;
		s.last = last;
		s.addr = random_below(&rnd, 1ull << 46) & ~(PAGE - 1);
		if (!random_below(&rnd, 10))
			s.addr += 24;
		s.addr = random_small(s.addr);
		s.owner = owner;
		s.prot = 1 + (uint32_t)random_below(&rnd, 3);
		s.flags = 0;
		copies[model_nr] = malloc(sizeof(s));
		*copies[model_nr] = s;
		assert_int_equal(domain_map(domain, copies[model_nr]), 0);
		model[model_nr++] = s;
	}
	compare_around(domain, &s);
	for (unsigned i = 0; i < 3 && model_nr; i++)
		compare_around(domain, &model[random_below(&rnd, model_nr)]);
	compare(domain, random_below(&rnd, space));
}

static void agree_in_width(unsigned width)
{
	struct iommu_kind kind = *iommu_kind_find(NULL);
	struct domain *domain;

	rnd = width;
	model_nr = 0;
	kind.aperture.last = (1ull << width) - 1;
	if (small_page)
		kind.page_sizes |= small_page;
	assert_int_equal(domain_new(&kind, &domain), 0);
	for (unsigned step = 0; step < 4000; step++)
		model_step(domain, width);
	assert_true(model_nr > 20);
	domain_unmap(domain, 0, UINT64_MAX);
	domain_sync(domain);
	while (model_nr) {
		uint64_t first = model[--model_nr].first;

		free(copies[model_nr]);
		compare(domain, first);
	}
	domain_free(domain);
}

static void agree_with_a_list_of_segments(void **state)
{
	static const unsigned widths[] = { 32, 39, 48, 57, 63 };

	small_page = 0;
	for (unsigned w = 0; w < 5; w++)
		agree_in_width(widths[w]);
}

static void agree_with_pages_smaller_than_ours(void **state)
{
	static const uint64_t sizes[] = { 2048, 512, 8 };

	for (unsigned i = 0; i < 3; i++) {
		small_page = sizes[i];
		agree_in_width(24);
		agree_in_width(31);
	}
	small_page = 0;
}

/* The array of pages: 3 GiB across a 512 GiB boundary. */
#define NR_PAGES (3ull << 18)
static const uint64_t base = (512ull << 30) - (1ull << 30) - 5 * PAGE;
static uintptr_t *pages;

static void compare_page(const struct domain *domain, uint64_t page)
{
	struct translation t;
	uint64_t off = random_below(&rnd, PAGE);
	int ret = domain_translate(domain, base + page * PAGE + off, RF_READ, &t);

	assert_int_equal(ret, pages[page] ? 0 : -EFAULT);
	if (!ret) {
		assert_int_equal(t.addr, pages[page] + off);
		/* as far as it says the pages are contiguous */
		assert_int_equal(pages[page + (off + t.length - 1) / PAGE],
				 pages[page] + (off + t.length - 1) / PAGE * PAGE);
	}
}

static struct segment **owned; /* whose each page is */

static void unmap_segment(struct domain *domain, struct segment *s)
{
	uint64_t from = (s->first - base) / PAGE;
	uint64_t nr = (s->last - s->first + 1) / PAGE;

	domain_unmap(domain, s->first, s->last);
	domain_sync(domain);
	memset(&owned[from], 0, nr * sizeof(*owned));
	memset(&pages[from], 0, nr * sizeof(*pages));
	free(s);
	compare_page(domain, from);
	compare_page(domain, from + nr - 1);
}

/* As long as nothing else is in its way. */
static void map_segment(struct domain *domain, uint64_t page)
{
	uint64_t most = random_length(30) / PAGE;
	struct segment *s = malloc(sizeof(*s));
	uint64_t nr = 0;

	while (nr < most && page + nr < NR_PAGES && !owned[page + nr])
		nr++;
	*s = (struct segment){
		.first = base + page * PAGE,
		.last = base + (page + nr) * PAGE - 1,
		.addr = (1ull << 44) + random_below(&rnd, 1ull << 30) * PAGE,
		.owner = owner,
		.prot = RF_READ,
	};
	assert_int_equal(domain_map(domain, s), 0);
	for (uint64_t i = 0; i < nr; i++) {
		owned[page + i] = s;
		pages[page + i] = s->addr + i * PAGE;
	}
	compare_page(domain, page);
	compare_page(domain, page + nr - 1);
}

static void agree_with_an_array_of_pages(void **state)
{
	struct domain *domain;

	owned = calloc(NR_PAGES + 1, sizeof(*owned));
	pages = calloc(NR_PAGES + 1, sizeof(*pages));
	rnd = 99;
	assert_int_equal(domain_new(iommu_kind_find(NULL), &domain), 0);
	for (unsigned step = 0; step < 3000; step++) {
		uint64_t page = random_below(&rnd, NR_PAGES);

		if (!random_below(&rnd, 4))
			page = (((base >> 12) + page) | 511) + 1 - (base >> 12); /* aligned */
		if (page >= NR_PAGES)
			continue;
		if (owned[page])
			unmap_segment(domain, owned[page]);
		else
			map_segment(domain, page);
		for (unsigned i = 0; i < 50; i++)
			compare_page(domain, random_below(&rnd, NR_PAGES));
	}
	for (uint64_t i = 0; i < NR_PAGES; i++)
		compare_page(domain, i);
	domain_free(domain);
	for (uint64_t i = 0; i < NR_PAGES; i++)
		if (owned[i] && owned[i] != owned[i + 1])
			free(owned[i]);
	free(owned);
	free(pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agree_with_a_list_of_segments),
		cmocka_unit_test(agree_with_pages_smaller_than_ours),
		cmocka_unit_test(agree_with_an_array_of_pages),
	};

	return cmocka_run_group_tests_name("domain_model", tests, NULL, NULL);
}
