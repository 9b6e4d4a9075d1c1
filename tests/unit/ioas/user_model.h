/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model that test_user_model.c judges by: plain arrays of areas and of the pages of
 * each object, and loops over them.
 */
#ifndef TEST_IOAS_USER_MODEL_H
#define TEST_IOAS_USER_MODEL_H

#include "fixture.h"
#include "ioas/access.h"
#include "ioas/domains.h"
#include "ioas/user_map.h"

#define SPACES	    3
#define AREAS	    12
#define OBJECTS	    64
#define PINS	    6
#define MEMORY	    16ul /* pages of the program's */
#define WINDOW	    (24 * PAGE) /* IOVA that is used */
#define BASE	    (16 * MIB)
#define MOCK_PAGE   2048ul
#define ACCOUNT_MAX 40

struct object {
	bool used;
	unsigned first; /* page of the memory */
	unsigned nr;
	bool writable;
	unsigned held[MEMORY];
	uint64_t seen[MEMORY]; /* what was there when it was first held */
};

struct area {
	bool used;
	uint64_t first, last;
	struct object *object;
	uint64_t start; /* byte of the object */
	uint32_t prot;
	unsigned pins;
};

struct space {
	struct rf_ioas *ioas;
	struct ioas_access *access;
	struct area areas[AREAS];
	struct domain *domains[2];
	struct {
		bool used;
		bool asked; /* the unmap to come will ask for it */
		uint64_t iova, length;
	} pins[PINS];
};

static struct space spaces[SPACES];
static struct object objects[OBJECTS];
static struct account *account;
static char *memory;
static uint64_t tags[MEMORY]; /* what is there now */
static uint64_t next_tag;

static inline void tag_pages(unsigned first, unsigned nr)
{
	for (unsigned i = first; i < first + nr; i++) {
		tags[i] = ++next_tag * 0x9e3779b97f4a7c15ull;
		for (unsigned w = 0; w < PAGE / 8; w++)
			((uint64_t *)(memory + i * PAGE))[w] = tags[i];
	}
}

static inline unsigned charged(void)
{
	unsigned pages = 0;

	for (unsigned i = 0; i < OBJECTS; i++)
		for (unsigned j = 0; objects[i].used && j < objects[i].nr; j++)
			pages += objects[i].held[j] > 0;
	return pages;
}

static inline void object_put(struct object *object)
{
	for (unsigned s = 0; s < SPACES; s++)
		for (unsigned a = 0; a < AREAS; a++)
			if (spaces[s].areas[a].used && spaces[s].areas[a].object == object)
				return;
	object->used = false;
}

static inline void hold(struct object *object, uint64_t start, uint64_t length, int by)
{
	for (uint64_t i = start / PAGE; i <= (start + length - 1) / PAGE; i++) {
		if (!object->held[i])
			object->seen[i] = tags[object->first + i];
		object->held[i] += (unsigned)by;
	}
}

/* Pages that holding would charge. */
static inline unsigned would_charge(const struct object *object, uint64_t start, uint64_t length)
{
	unsigned pages = 0;

	for (uint64_t i = start / PAGE; i <= (start + length - 1) / PAGE; i++)
		pages += !object->held[i];
	return pages;
}

static inline struct area *area_at(struct space *s, uint64_t iova)
{
	for (unsigned a = 0; a < AREAS; a++)
		if (s->areas[a].used && s->areas[a].first <= iova && iova <= s->areas[a].last)
			return &s->areas[a];
	return NULL;
}

static inline bool has_domain(const struct space *s)
{
	return s->domains[0] || s->domains[1];
}

/* In half of the rounds every space has an access that pins, in the others one that does not. */
static bool pinning;

static inline uint64_t alignment(const struct space *s)
{
	return pinning ? PAGE : has_domain(s) ? MOCK_PAGE : 1;
}

static inline int expect_place(struct space *s, uint64_t iova, uint64_t length)
{
	if (length % alignment(s) || iova % alignment(s))
		return -EINVAL;
	if (has_domain(s) && iova < BASE)
		return -EINVAL;
	for (uint64_t at = iova; at < iova + length; at++)
		if (area_at(s, at))
			return -EEXIST;
	return 0;
}

static inline struct area *area_new(struct space *s, uint64_t iova, uint64_t length,
				    struct object *object, uint64_t start, uint32_t prot)
{
	unsigned a = 0;

	while (s->areas[a].used)
		a++;
	s->areas[a] = (struct area){ true, iova, iova + length - 1, object, start, prot, 0 };
	if (has_domain(s))
		hold(object, start, length, 1);
	return &s->areas[a];
}

static inline unsigned free_areas(const struct space *s)
{
	unsigned nr = 0;

	for (unsigned a = 0; a < AREAS; a++)
		nr += !s->areas[a].used;
	return nr;
}

/* What of a range lies in one area: @length bytes at @start of its object. */
struct piece {
	struct area *area; /* NULL: nothing is mapped there */
	uint64_t start;
	uint64_t length;
};

static inline struct piece piece_at(struct space *s, uint64_t at, uint64_t last)
{
	struct area *area = area_at(s, at);

	if (!area)
		return (struct piece){ 0 };
	if (area->last < last)
		last = area->last;
	return (struct piece){ area, area->start + (at - area->first), last - at + 1 };
}

#endif
