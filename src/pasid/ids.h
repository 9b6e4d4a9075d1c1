/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which numbers of 20 bits are taken: four levels of bits, so that the lowest free
 * one from anywhere on is a few words away however many are taken.
 *
 * A bit of the lowest level is a number; a bit above is a word that is all ones.
 * Locks: the user's.
 */
#ifndef RF_PASID_IDS_H
#define RF_PASID_IDS_H

#include <stdbool.h>
#include <stdint.h>

#define IDS_BITS   20u
#define IDS_NONE   UINT32_MAX
#define IDS_LEVELS 4u

struct ids {
	uint64_t taken[1u << 14];
	uint64_t full1[1u << 8];
	uint64_t full2[1u << 2];
	uint64_t full3[1];
};

/* All zeroes is all free; but 0 is to be taken from the start. */
void ids_init(struct ids *ids);
bool ids_test(const struct ids *ids, uint32_t id);
void ids_take(struct ids *ids, uint32_t id);
void ids_give(struct ids *ids, uint32_t id);
/* The lowest free one in [min, max], or IDS_NONE. */
uint32_t ids_find(const struct ids *ids, uint32_t min, uint32_t max);

#endif
