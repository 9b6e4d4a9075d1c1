/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the model share.
 */
#ifndef FUZZ_IOMMUFD_MODEL_PRIVATE_H
#define FUZZ_IOMMUFD_MODEL_PRIVATE_H

#include "iommufd_model.h"

static inline bool touch(uint64_t a, uint64_t a_last, uint64_t b, uint64_t b_last)
{
	return a <= b_last && b <= a_last;
}

static inline bool overflows(uint64_t first, uint64_t length)
{
	return first + (length - 1) < first;
}

static inline bool object_is(const struct model *m, uint32_t id, enum model_kind kind)
{
	return id && id < MODEL_OBJECTS && m->objects[id].kind == kind;
}

static inline struct model_space *space_of(struct model *m, uint32_t ioas)
{
	return &m->spaces[m->objects[ioas].space];
}

static inline bool mem_works(unsigned mem, bool write)
{
	return mem < MODEL_MEM_RW || (!write && mem < MODEL_MEM_RW + MODEL_MEM_RO);
}

static inline uint64_t mem_addr(const struct model *m, unsigned mem)
{
	return m->memory + mem * MODEL_CELL;
}

/* What IOVAs and lengths of an IOAS must be multiples of. */
uint64_t model_alignment(const struct model *m, uint32_t ioas);
bool model_has_domain(const struct model *m, uint32_t ioas);
bool model_anything_mapped(const struct model_space *s, uint64_t first, uint64_t last);
bool model_ranges_touch(const struct model_range *ranges, unsigned nr, uint64_t first,
			uint64_t last);
/* Whether every mapping would bear an alignment. */
bool model_areas_aligned(const struct model *m, const struct model_space *s, uint64_t align);
int model_reserve_for(struct model_space *s, uint64_t first, uint64_t last, uint32_t who);
/* An IOVA for @length bytes of memory at @addr: 0 with *iova, -EINVAL, -ENOSPC. */
int model_choose(struct model *m, uint32_t ioas, uint64_t addr, uint64_t length, uint64_t *iova);

#endif
