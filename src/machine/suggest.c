/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nearness is the edit distance: letters to insert, drop or replace. A word is
 * near enough when at most a third of it differs; further away a suggestion
 * would mislead. Long words are not compared at all: nobody mistypes them.
 */
#include "machine/suggest.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#define WORD_MAX 64u

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

static unsigned distance(const char *a, size_t la, const char *b, size_t lb)
{
	unsigned row[WORD_MAX + 1];

	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
			corner = above;
		}
	}
	return row[lb];
}

const char *suggest_word(const char *typed, const char *const *words)
{
	const char *best = NULL;
	unsigned best_distance = UINT_MAX;
	size_t len = strlen(typed);

	if (!len || len > WORD_MAX)
		return NULL;
	for (; *words; words++) {
		size_t word_len = strlen(*words);
		size_t longer = len > word_len ? len : word_len;
		unsigned d;

		if (word_len > WORD_MAX)
			continue;
		d = distance(typed, len, *words, word_len);
		if (d < best_distance && d <= (longer + 2) / 3) {
			best = *words;
			best_distance = d;
		}
	}
	return best;
}
