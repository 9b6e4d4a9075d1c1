/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public face of I/O address spaces; include/ringfence/ioas.h.
 */
#include <ringfence/ioas.h>

#include <errno.h>

#include "ioas/access.h"
#include "ioas/ioas.h"
#include "ioas/space.h"

_Static_assert(RF_ACCESS_WRITE == IOAS_ACCESS_WRITE && RF_ACCESS_SLOW == IOAS_ACCESS_SLOW &&
		       sizeof(struct rf_pinned_page) == sizeof(struct ioas_pinned) &&
		       sizeof(struct rf_access_ops) == sizeof(struct ioas_access_ops),
	       "the public names of the same things");

int rf_ioas_new(struct rf_machine *machine, uint32_t flags, struct rf_ioas **ioas)
{
	int ret;

	if (flags & ~RF_IOAS_WINDOWED)
		return -EINVAL;
	ret = ioas_new(ioas);
	if (!ret && flags & RF_IOAS_WINDOWED)
		atomic_init(&(*ioas)->windowed, true);
	return ret;
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

int rf_ioas_copy(struct rf_ioas *to, struct rf_ioas *from, uint64_t from_iova, uint64_t length,
		 uint32_t prot, uint32_t flags, uint64_t *iova)
{
	uint64_t fixed = flags & RF_MAP_FIXED ? *iova : 0;

	if (flags & ~RF_MAP_FIXED || !prot || prot & ~(RF_READ | RF_WRITE))
		return -EINVAL;
	if ((from_iova | length | fixed) & PAGE_MASK)
		return -EINVAL;
	return ioas_user_copy(to, from, from_iova, length, prot, flags & RF_MAP_FIXED, iova);
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
	ret = ioas_unmap_range(ioas, iova, last, IOAS_CUT_ABSENT, false, &done);
	if (!ret && !done && !(flags & RF_UNMAP_ALL))
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

/* A struct rf_access is a struct ioas_access. */
static struct ioas_access *access_of(struct rf_access *access)
{
	return (struct ioas_access *)access;
}

int rf_access_new(const struct rf_access_ops *ops, void *arg, struct rf_access **access)
{
	return ioas_access_new((const struct ioas_access_ops *)ops, arg,
			       (struct ioas_access **)access);
}

void rf_access_free(struct rf_access *access)
{
	ioas_access_free(access_of(access));
}

int rf_access_attach(struct rf_access *access, struct rf_ioas *ioas)
{
	return ioas_access_replace(access_of(access), ioas);
}

int rf_access_pin(struct rf_access *access, uint64_t iova, uint64_t length,
		  struct rf_pinned_page *pages, uint32_t flags)
{
	return ioas_access_pin(access_of(access), iova, length, (struct ioas_pinned *)pages, flags);
}

void rf_access_unpin(struct rf_access *access, uint64_t iova, uint64_t length)
{
	ioas_access_unpin(access_of(access), iova, length);
}

int rf_access_rw(struct rf_access *access, uint64_t iova, void *data, uint64_t length,
		 uint32_t flags)
{
	return ioas_access_rw(access_of(access), iova, data, length, flags);
}
