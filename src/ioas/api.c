/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public face of I/O address spaces; include/ringfence/ioas.h.
 */
#include <ringfence/ioas.h>

#include <errno.h>

#include "ioas/ioas.h"
#include "ioas/space.h"

int rf_ioas_new(struct rf_machine *machine, uint32_t flags, struct rf_ioas **ioas)
{
	return flags ? -EINVAL : ioas_new(ioas);
}

void rf_ioas_free(struct rf_ioas *ioas)
{
	uint64_t unmapped;

	if (!ioas)
		return;
	ioas_unmap_range(ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, true, &unmapped);
	ioas_put(ioas);
}

int rf_ioas_map(struct rf_ioas *ioas, struct rf_owner *owner, void *addr, uint64_t length,
		uint32_t prot, uint32_t flags, uint64_t *iova)
{
	if (flags & ~RF_MAP_FIXED)
		return -EINVAL;
	if (flags & RF_MAP_FIXED)
		return ioas_map_fixed(ioas, owner, (uintptr_t)addr, *iova, length, prot, false);
	return ioas_map_anywhere(ioas, owner, (uintptr_t)addr, length, prot, PAGE_MASK + 1, iova);
}

int rf_ioas_unmap(struct rf_ioas *ioas, uint64_t iova, uint64_t length, uint32_t flags,
		  uint64_t *unmapped)
{
	uint64_t last = iova + length - 1;
	uint64_t done = 0;
	int ret;

	if (flags & ~RF_UNMAP_ALL)
		return -EINVAL;
	if (flags & RF_UNMAP_ALL) {
		if (iova || length)
			return -EINVAL;
		last = UINT64_MAX;
	} else if (!length || last < iova) {
		return -EINVAL;
	}
	ret = ioas_unmap_range(ioas, iova, last, IOAS_CUT_REFUSE, false, &done);
	if (ret == -EINVAL || (!ret && !done && !(flags & RF_UNMAP_ALL)))
		ret = -ENOENT;
	if (unmapped)
		*unmapped = done;
	return ret;
}

int rf_ioas_translate(struct rf_ioas *ioas, uint64_t iova, uint32_t prot, uintptr_t *addr,
		      uint64_t *length)
{
	struct translation translation;
	int ret = -ENODEV;

	pthread_mutex_lock(&ioas->lock);
	if (ioas->domains)
		ret = domain_translate(ioas->domains->domain, iova, prot, &translation);
	pthread_mutex_unlock(&ioas->lock);
	if (ret)
		return ret;
	*addr = translation.addr;
	if (length)
		*length = translation.length;
	return 0;
}
