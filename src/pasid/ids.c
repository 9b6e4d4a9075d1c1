/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looking for a free number goes up until a level has a word that is not full, and
 * down again by the lowest bit that is not set.
 */
#include "pasid/ids.h"

#define WORD_BITS 64u
#define FULL	  UINT64_MAX

static uint64_t *ids_level(const struct ids *ids, unsigned level)
{
	const uint64_t *const levels[IDS_LEVELS] = { ids->taken, ids->full1, ids->full2,
						     ids->full3 };

	return (uint64_t *)levels[level];
}

void ids_init(struct ids *ids)
{
	ids_take(ids, 0);
}

bool ids_test(const struct ids *ids, uint32_t id)
{
	return ids->taken[id / WORD_BITS] >> (id % WORD_BITS) & 1;
}

void ids_take(struct ids *ids, uint32_t id)
{
	for (unsigned level = 0; level < IDS_LEVELS; level++) {
		uint64_t *word = &ids_level(ids, level)[id / WORD_BITS];

		*word |= 1ull << (id % WORD_BITS);
		if (*word != FULL)
			return;
		id /= WORD_BITS;
	}
}

void ids_give(struct ids *ids, uint32_t id)
{
	for (unsigned level = 0; level < IDS_LEVELS; level++) {
		uint64_t *word = &ids_level(ids, level)[id / WORD_BITS];
		bool was_full = *word == FULL;

		*word &= ~(1ull << (id % WORD_BITS));
		if (!was_full)
			return;
		id /= WORD_BITS;
	}
}

/* Bits of a level are counted from 0; the topmost has four. */
static bool level_has(unsigned level, uint32_t at)
{
	return at >> (IDS_BITS - 6 * level) == 0;
}

uint32_t ids_find(const struct ids *ids, uint32_t min, uint32_t max)
{
	unsigned level = 0;
	uint32_t at = min;
	uint64_t free;

	for (;; at = at / WORD_BITS + 1, level++) {
		if (level == IDS_LEVELS || !level_has(level, at))
			return IDS_NONE;
		free = ~ids_level(ids, level)[at / WORD_BITS] & FULL << (at % WORD_BITS);
		if (free)
			break;
	}
	at = at / WORD_BITS * WORD_BITS + (uint32_t)__builtin_ctzll(free);
	if (!level_has(level, at))
		return IDS_NONE;
	while (level--)
		at = at * WORD_BITS + (uint32_t)__builtin_ctzll(~ids_level(ids, level)[at]);
	return at <= max ? at : IDS_NONE;
}
