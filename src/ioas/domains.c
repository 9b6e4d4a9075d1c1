/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The domains of an address space. Each holds every mapping; a mapping is
 * entered in all or none.
 *
 * VFIO and the library have one domain for each kind of IOMMU that devices are
 * behind, shared and counted; iommufd makes one for each HWPT. With domains,
 * only what all of them can address may be mapped: what is outside is reserved
 * in the domain's name. So is what lies between the windows of an IOMMU that has a
 * fixed number of them; without windows of the space's own, each is as long as it can be.
 *
 * The first domain makes the space hold its lazy areas; with the last one they
 * are let go.
 */
#include "ioas/domains.h"

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

int area_enter(struct rf_ioas *ioas, struct part *part, uint64_t last)
{
	uint64_t first = part->seg.first;
	int ret;

	for (;;) {
		ret = ioas_enter(ioas, &part->seg);
		if (ret || part->seg.last == last)
			break;
		part = part_next(ioas, part);
	}
	if (ret && part->seg.first > first) {
		ioas_leave(ioas, first, part->seg.first - 1);
		ioas_settle(ioas);
	}
	return ret;
}

/* Every mapping into a new domain. If it is the first, they must be held from now on. */
static int domain_fill(struct rf_ioas *ioas, struct domain *domain)
{
	struct part *part;
	int ret = 0;

	for (part = part_from(ioas, 0); part && !ret; part = part_next(ioas, part)) {
		if (!ioas->domains && (part->seg.flags & (PART_LAZY | PART_JOINED)) == PART_LAZY)
			ret = area_hold(ioas, part, area_last(ioas, part)->seg.last);
		if (!ret)
			ret = domain_map(domain, &part->seg);
		/* a part that failed to be held may be one with those behind it again */
		if (ret)
			break;
	}
	if (ret && !ioas->domains) {
		domain_unmap(domain, 0, UINT64_MAX);
		areas_release(ioas);
	}
	return ret;
}

/* What the kind cannot address, and @resv: what it reserves as well. */
static int domain_reserve_ranges(struct rf_ioas *ioas, const struct domain *domain, bool resv)
{
	const struct iommu_kind *kind = domain_kind(domain);
	int ret = 0;

	if (kind->aperture.first)
		ret = ranges_reserve(ioas, 0, kind->aperture.first - 1, domain);
	if (!ret && kind->aperture.last < UINT64_MAX)
		ret = ranges_reserve(ioas, kind->aperture.last + 1, UINT64_MAX, domain);
	for (unsigned i = 1; i < kind->nr_windows && !ret; i++)
		ret = ranges_reserve(ioas, kind->windows[i - 1].last + 1,
				     kind->windows[i].first - 1, domain);
	for (unsigned i = 0; resv && !ret && i < kind->nr_resv; i++)
		ret = ranges_reserve(ioas, kind->resv[i].range.first, kind->resv[i].range.last,
				     domain);
	return ret;
}

static struct ioas_domain *node_domain(const struct tree_node *node)
{
	return tree_entry(node, struct ioas_domain, node);
}

static bool domain_less(const struct tree_node *a, const struct tree_node *b)
{
	return (uintptr_t)node_domain(a)->domain < (uintptr_t)node_domain(b)->domain;
}

static bool domain_update(struct tree_node *node)
{
	return false;
}

static const struct tree_ops domain_tree_ops = { .less = domain_less, .update = domain_update };

static unsigned *space_pages(struct rf_ioas *ioas, const struct ioas_domain *d)
{
	return &ioas->domain_pages[__builtin_ctzll(iommu_kind_page(domain_kind(d->domain)))];
}

/* A shared one comes first, so that looking for it ends with the first that is not. */
static void space_link(struct rf_ioas *ioas, struct ioas_domain *d)
{
	struct ioas_domain **link = &ioas->domains;

	while (!d->shared && *link && (*link)->shared)
		link = &(*link)->next;
	d->link = link;
	d->next = *link;
	if (d->next)
		d->next->link = &d->next;
	*link = d;
	tree_insert(&ioas->by_domain, &d->node, &domain_tree_ops);
	++*space_pages(ioas, d);
}

static void space_unlink(struct rf_ioas *ioas, struct ioas_domain *d)
{
	--*space_pages(ioas, d);
	tree_remove(&ioas->by_domain, &d->node, &domain_tree_ops);
	*d->link = d->next;
	if (d->next)
		d->next->link = d->link;
}

static int space_add_domain(struct rf_ioas *ioas, const struct iommu_kind *kind, uint32_t flags,
			    bool shared, struct ioas_domain **out)
{
	uint64_t alignment = iommu_kind_page(kind);
	struct ioas_domain *d;
	int ret;

	if (alignment > PAGE_MASK + 1)
		return -EINVAL;
	if (alignment > ioas->alignment && !areas_aligned(ioas, alignment))
		return -EADDRINUSE;
	d = alloc_small(sizeof(*d));
	if (!d)
		return -ENOMEM;
	ret = domain_new(kind, &d->domain);
	if (ret)
		goto free_d;
	if (flags & DOMAIN_DIRTY_TRACKING) {
		ret = domain_enable_dirty_tracking(d->domain);
		if (ret)
			goto free_domain;
	}
	domain_set_small(d->domain, ioas->no_large_pages);
	d->hardware.kind = kind;
	ret = windows_enter(ioas, &d->hardware);
	if (ret)
		goto free_domain;
	ret = domain_reserve_ranges(ioas, d->domain, shared);
	if (ret)
		goto unreserve;
	ret = domain_fill(ioas, d->domain);
	if (ret)
		goto unreserve;

	d->shared = shared;
	space_link(ioas, d);
	if (alignment > ioas->alignment)
		ioas->alignment = alignment;
	*out = d;
	return 0;

unreserve:
	ranges_unreserve(ioas, d->domain);
free_domain:
	domain_free(d->domain);
free_d:
	alloc_small_free(d, sizeof(*d));
	return ret;
}

/* One of those that have been added. */
static struct ioas_domain *space_find_domain(struct rf_ioas *ioas, const struct domain *domain)
{
	struct tree_node *node = ioas->by_domain.root;

	while (node_domain(node)->domain != domain) {
		node = (uintptr_t)domain < (uintptr_t)node_domain(node)->domain ? node->left :
										  node->right;
		assert(node);
	}
	return node_domain(node);
}

static void space_del_domain(struct rf_ioas *ioas, struct ioas_domain *d)
{
	int ret;

	space_unlink(ioas, d);
	ranges_unreserve(ioas, d->domain);
	domain_free(d->domain);
	alloc_small_free(d, sizeof(*d));
	if (!ioas->domains)
		areas_release(ioas);
	ret = ioas_realign(ioas);
	assert(!ret); /* it only ever gets less */
	(void)ret;
}

int ioas_get_domain(struct rf_ioas *ioas, const struct iommu_kind *kind, struct domain **out)
{
	struct ioas_domain *d;
	int ret = 0;

	pthread_mutex_lock(&ioas->lock);
	for (d = ioas->domains; d && d->shared; d = d->next)
		if (domain_kind(d->domain) == kind)
			break;
	if (!d || !d->shared)
		ret = space_add_domain(ioas, kind, 0, true, &d);
	if (!ret) {
		d->users++;
		*out = d->domain;
	}
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

void ioas_put_domain(struct rf_ioas *ioas, struct domain *domain)
{
	struct ioas_domain *d;

	pthread_mutex_lock(&ioas->lock);
	d = space_find_domain(ioas, domain);
	if (!--d->users)
		space_del_domain(ioas, d);
	pthread_mutex_unlock(&ioas->lock);
}

bool ioas_coherent(struct rf_ioas *ioas)
{
	struct ioas_domain *d;

	pthread_mutex_lock(&ioas->lock);
	for (d = ioas->domains; d && domain_kind(d->domain)->cache_coherency; d = d->next)
		;
	pthread_mutex_unlock(&ioas->lock);
	return !d;
}

int ioas_add_domain(struct rf_ioas *ioas, const struct iommu_kind *kind, uint32_t flags,
		    struct domain **out)
{
	struct ioas_domain *d;
	int ret;

	if (flags & ~DOMAIN_DIRTY_TRACKING)
		return -EOPNOTSUPP;
	if (flags & DOMAIN_DIRTY_TRACKING && !kind->dirty_tracking)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&ioas->lock);
	ret = space_add_domain(ioas, kind, flags, false, &d);
	if (!ret)
		*out = d->domain;
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

void ioas_del_domain(struct rf_ioas *ioas, struct domain *domain)
{
	pthread_mutex_lock(&ioas->lock);
	space_del_domain(ioas, space_find_domain(ioas, domain));
	pthread_mutex_unlock(&ioas->lock);
}
