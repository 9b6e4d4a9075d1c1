/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "Did you mean": the known word nearest to one that was mistyped.
 */
#ifndef RF_MACHINE_SUGGEST_H
#define RF_MACHINE_SUGGEST_H

/* The nearest of @words (ended by NULL), or NULL where nothing is near enough to be meant. */
const char *suggest_word(const char *typed, const char *const *words);

#endif
