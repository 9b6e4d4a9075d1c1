/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spots: where in a JSON text a value stands, so that an error names its line.
 *
 * The JSON library knows lines only while it parses. A spot is found by
 * walking the same text again, along the keys and indexes that led to the
 * value. The text must be one that the library has accepted.
 */
#ifndef RF_MACHINE_SPOT_H
#define RF_MACHINE_SPOT_H

/**
 * struct spot - a value of a JSON text
 * @text: the whole text
 * @name: the quote before its key; the value itself when it has no key
 * @value: its first character
 */
struct spot {
	const char *text;
	const char *name;
	const char *value;
};

struct spot spot_root(const char *text);
/* The member @key of an object; the object itself if there is none. */
struct spot spot_member(struct spot object, const char *key);
/* The first element of an array, and the one behind an element. */
struct spot spot_first(struct spot array);
struct spot spot_next(struct spot element);
/* Counted from 1. */
unsigned spot_line(struct spot spot);

#endif
