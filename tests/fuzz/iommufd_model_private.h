/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the two files of the model share.
 */
#ifndef FUZZ_IOMMUFD_MODEL_PRIVATE_H
#define FUZZ_IOMMUFD_MODEL_PRIVATE_H

#include "iommufd_model.h"

/* What IOVAs and lengths of an IOAS must be multiples of. */
uint64_t model_alignment(const struct model *m, uint32_t ioas);
bool model_ranges_touch(const struct model_range *ranges, unsigned nr, uint64_t first,
			uint64_t last);
/* An IOVA for @length bytes of memory at @addr: 0 with *iova, -EINVAL, -ENOSPC. */
int model_choose(struct model *m, uint32_t ioas, uint64_t addr, uint64_t length, uint64_t *iova);

#endif
