/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The domains of an address space: one for each kind of IOMMU that its devices
 * are behind. Each holds every mapping; a mapping is entered in all or none.
 *
 * With domains, only what all their kinds can address may be mapped.
 */
#include <assert.h>
#include <errno.h>

#include "ioas/space.h"

int ioas_enter(struct rf_ioas *ioas, const struct segment *seg)
{
	struct ioas_domain *failed;
	int ret;

	for (failed = ioas->domains; failed; failed = failed->next) {
		ret = domain_map(failed->domain, seg);
		if (ret)
			break;
	}
	if (!failed)
		return 0;
	for (struct ioas_domain *d = ioas->domains; d != failed; d = d->next) {
		domain_unmap(d->domain, seg->first, seg->last);
		domain_sync(d->domain);
	}
	return ret;
}

void ioas_leave(struct rf_ioas *ioas, uint64_t first, uint64_t last)
{
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		domain_unmap(d->domain, first, last);
}

void ioas_settle(struct rf_ioas *ioas)
{
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		domain_sync(d->domain);
}

bool ioas_usable(const struct rf_ioas *ioas, uint64_t first, uint64_t last)
{
	if (!ioas->domains)
		return true;
	for (unsigned i = 0; i < ioas->nr_ranges; i++)
		if (ioas->ranges[i].first <= first && last <= ioas->ranges[i].last)
			return true;
	return false;
}

/* What two sorted lists of ranges have in common; @out has room for all of both. */
static unsigned ranges_intersect(const struct iommu_range *a, unsigned nr_a,
				 const struct iommu_range *b, unsigned nr_b,
				 struct iommu_range *out)
{
	unsigned i = 0;
	unsigned j = 0;
	unsigned nr = 0;

	while (i < nr_a && j < nr_b) {
		uint64_t first = a[i].first > b[j].first ? a[i].first : b[j].first;
		uint64_t last = a[i].last < b[j].last ? a[i].last : b[j].last;

		if (first <= last)
			out[nr++] = (struct iommu_range){ first, last };
		if (a[i].last < b[j].last)
			i++;
		else
			j++;
	}
	return nr;
}

/*
 * The ranges common to all domains and, unless it is NULL, @more. 0 with *out
 * (NULL for no domain at all) and *nr; -ENOMEM.
 */
static int ranges_common(const struct rf_ioas *ioas, const struct iommu_kind *more,
			 struct iommu_range **out, unsigned *nr)
{
	struct iommu_range one[IOMMU_MAX_RESV + 1];
	struct iommu_range *ranges = NULL;

	*nr = 0;
	for (struct ioas_domain *d = ioas->domains; d || more; d = d ? d->next : NULL) {
		const struct iommu_kind *kind = d ? domain_kind(d->domain) : more;
		unsigned nr_one = iommu_kind_ranges(kind, one);
		struct iommu_range *next = alloc_direct((*nr + nr_one) * sizeof(*next));

		if (!next) {
			alloc_direct_free(ranges);
			return -ENOMEM;
		}
		if (ranges) {
			*nr = ranges_intersect(ranges, *nr, one, nr_one, next);
		} else {
			for (*nr = 0; *nr < nr_one; (*nr)++)
				next[*nr] = one[*nr];
		}
		alloc_direct_free(ranges);
		ranges = next;
		if (!d)
			more = NULL;
	}
	*out = ranges;
	return 0;
}

/* Every mapping into a new domain. */
static int domain_fill(struct rf_ioas *ioas, struct domain *domain)
{
	struct part *part;
	int ret = 0;

	for (part = part_from(ioas, 0); part && !ret; part = part_next(ioas, part))
		ret = domain_map(domain, &part->seg);
	return ret;
}

static bool areas_usable(const struct rf_ioas *ioas, const struct iommu_range *ranges, unsigned nr)
{
	unsigned i = 0;

	for (struct part *part = part_from(ioas, 0); part; part = part_next(ioas, part)) {
		while (i < nr && ranges[i].last < part->seg.last)
			i++;
		if (i == nr || part->seg.first < ranges[i].first)
			return false;
	}
	return true;
}

static struct ioas_domain *ioas_domain_of_kind(struct rf_ioas *ioas, const struct iommu_kind *kind)
{
	struct ioas_domain *d;

	for (d = ioas->domains; d; d = d->next)
		if (domain_kind(d->domain) == kind)
			break;
	return d;
}

static int space_add_domain(struct rf_ioas *ioas, const struct iommu_kind *kind,
			    struct ioas_domain **out)
{
	struct iommu_range *ranges;
	struct ioas_domain *d;
	unsigned nr_ranges;
	int ret;

	ret = ranges_common(ioas, kind, &ranges, &nr_ranges);
	if (ret)
		return ret;
	ret = -EADDRINUSE;
	if (!areas_usable(ioas, ranges, nr_ranges))
		goto free_ranges;
	ret = -ENOMEM;
	d = alloc_direct(sizeof(*d));
	if (!d)
		goto free_ranges;
	ret = domain_new(kind, &d->domain);
	if (ret)
		goto free_d;
	ret = domain_fill(ioas, d->domain);
	if (ret)
		goto free_domain;

	d->next = ioas->domains;
	ioas->domains = d;
	alloc_direct_free(ioas->ranges);
	ioas->ranges = ranges;
	ioas->nr_ranges = nr_ranges;
	*out = d;
	return 0;

free_domain:
	domain_free(d->domain);
free_d:
	alloc_direct_free(d);
free_ranges:
	alloc_direct_free(ranges);
	return ret;
}

int ioas_get_domain(struct rf_ioas *ioas, const struct iommu_kind *kind, struct domain **out)
{
	struct ioas_domain *d;
	int ret = 0;

	pthread_mutex_lock(&ioas->lock);
	d = ioas_domain_of_kind(ioas, kind);
	if (!d)
		ret = space_add_domain(ioas, kind, &d);
	if (!ret) {
		d->users++;
		*out = d->domain;
	}
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

void ioas_put_domain(struct rf_ioas *ioas, struct domain *domain)
{
	struct ioas_domain **link;
	struct ioas_domain *d;
	struct iommu_range *ranges;
	unsigned nr_ranges;

	pthread_mutex_lock(&ioas->lock);
	for (link = &ioas->domains; (*link)->domain != domain; link = &(*link)->next)
		assert((*link)->next);
	d = *link;
	if (!--d->users) {
		*link = d->next;
		domain_free(d->domain);
		alloc_direct_free(d);
		/* without memory the old, narrower ranges stay until the next change */
		if (!ranges_common(ioas, NULL, &ranges, &nr_ranges)) {
			alloc_direct_free(ioas->ranges);
			ioas->ranges = ranges;
			ioas->nr_ranges = nr_ranges;
		}
	}
	pthread_mutex_unlock(&ioas->lock);
}

unsigned ioas_ranges(struct rf_ioas *ioas, struct iommu_range *out, unsigned max)
{
	static const struct iommu_range all = { 0, UINT64_MAX };
	const struct iommu_range *ranges;
	unsigned nr;

	pthread_mutex_lock(&ioas->lock);
	ranges = ioas->domains ? ioas->ranges : &all;
	nr = ioas->domains ? ioas->nr_ranges : 1;
	for (unsigned i = 0; i < nr && i < max; i++)
		out[i] = ranges[i];
	pthread_mutex_unlock(&ioas->lock);
	return nr;
}
