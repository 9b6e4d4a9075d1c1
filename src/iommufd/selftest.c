/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU_TEST_CMD: mock devices, and looks behind the interface, as the kernel's
 * own self-tests of iommufd ask for them. Only where the machine wants it.
 *
 * A mock device is an object that holds a bound and attached device; destroying
 * it detaches and unbinds. The checks look at what devices would see: at the
 * domain's translation, at who holds a page pinned, at the IOTLB.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/gate.h"
#include "ioas/domains.h"
#include "iommufd/ctx.h"
#include "iommufd/same_page.h"
#include "memory/owner.h"

#define PAGE	  4096ull
#define MOCK_PAGE 2048ull
#define MOCK_FLAGS \
	(MOCK_FLAGS_DEVICE_NO_DIRTY | MOCK_FLAGS_DEVICE_HUGE_IOVA | MOCK_FLAGS_DEVICE_PASID)
#define DIRTY_BITS_MAX (8ull << 24) /* of a bitmap of 16 MiB */
#define BITMAP_CHUNK   256u
#define COUNTS	       256u /* of pages, at a time */

/* The least memory that Linux's batches can work with; there are none here. */
#define LIMIT_MIN 12u

/**
 * struct selftest_object - a mock device
 */
struct selftest_object {
	struct object obj;
	struct mock_device *mock;
	struct iommufd_device *idev;
};

static void selftest_destroy(struct iommufd_ctx *ctx, struct object *obj)
{
	struct selftest_object *s = (struct selftest_object *)obj;

	idev_detach_pt(s->idev);
	idev_unbind(s->idev);
	mock_device_free(s->mock);
}

static const struct object_ops selftest_object_ops = {
	.type = OBJECT_SELFTEST,
	.destroy = selftest_destroy,
};

static int selftest_add_reserved(struct ucmd *u)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	uint64_t start = cmd->add_reserved.start;
	uint64_t length = cmd->add_reserved.length;
	struct iommufd_ioas *ioas;
	int ret;

	if (!length)
		return -EINVAL;
	if (length - 1 > UINT64_MAX - start)
		return -EOVERFLOW;
	ioas = ioas_object_get(u->ctx, cmd->id);
	if (!ioas)
		return -ENOENT;
	ret = ioas_reserve(ioas->space, start, start + length - 1, NULL);
	object_put(u->ctx, &ioas->obj);
	return ret;
}

/* A mock device, bound, and attached to *pt_id, which becomes the page table's. */
static int mock_make(struct iommufd_ctx *ctx, uint32_t flags, uint32_t *pt_id,
		     struct selftest_object **out)
{
	struct selftest_object *s;
	int ret = -ENOMEM;

	s = object_new(ctx, sizeof(*s), &selftest_object_ops);
	if (!s)
		return -ENOMEM;
	if (flags & ~MOCK_FLAGS)
		ret = -EINVAL;
	else
		s->mock = mock_device_new(flags);
	if (!s->mock)
		goto abandon;
	ret = idev_bind(ctx, NULL, s->mock, &s->idev);
	if (ret)
		goto free_mock;
	ret = idev_attach_pt(s->idev, pt_id);
	if (ret)
		goto unbind;
	*out = s;
	return 0;
unbind:
	idev_unbind(s->idev);
free_mock:
	mock_device_free(s->mock);
abandon:
	object_abandon(ctx, &s->obj);
	return ret;
}

static int selftest_mock_domain(struct ucmd *u)
{
	struct iommu_test_cmd *cmd = &u->cmd.test;
	bool flags = cmd->op == IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS;
	struct selftest_object *s;
	uint32_t pt_id = cmd->id;
	int ret;

	ret = mock_make(u->ctx, flags ? cmd->mock_domain_flags.dev_flags : 0, &pt_id, &s);
	if (ret)
		return ret;
	cmd->mock_domain.out_hwpt_id = pt_id;
	cmd->mock_domain.out_stdev_id = s->obj.id;
	cmd->mock_domain.out_idev_id = s->idev->obj.id;
	ret = ucmd_respond(u, sizeof(*cmd));
	if (ret)
		object_discard(u->ctx, &s->obj);
	else
		object_publish(u->ctx, &s->obj);
	return ret;
}

static int selftest_mock_replace(struct ucmd *u)
{
	struct iommu_test_cmd *cmd = &u->cmd.test;
	uint32_t pt_id = cmd->mock_domain_replace.pt_id;
	struct selftest_object *s;
	int ret;

	s = object_get(u->ctx, cmd->id, OBJECT_SELFTEST);
	if (!s)
		return -ENOENT;
	ret = idev_replace_pt(s->idev, &pt_id);
	if (!ret) {
		cmd->mock_domain_replace.pt_id = pt_id;
		ret = ucmd_respond(u, sizeof(*cmd));
	}
	object_put(u->ctx, &s->obj);
	return ret;
}

/* A page table of the mock IOMMU: 0, -ENOENT, -EINVAL for another's. */
static int mock_hwpt_get(struct ucmd *u, enum object_type type, struct hwpt **out)
{
	struct hwpt *hwpt = object_get(u->ctx, u->cmd.test.id, type);

	if (!hwpt)
		return -ENOENT;
	if (!hwpt->kind->mock) {
		object_put(u->ctx, &hwpt->obj);
		return -EINVAL;
	}
	*out = hwpt;
	return 0;
}

/* Translations are looked at inside a gate, as a device does. */
static int look_begin(struct domain *domain, struct gate *gate, unsigned *token)
{
	int ret;

	memset(gate, 0, sizeof(*gate));
	ret = domain_add_gate(domain, gate);
	if (!ret)
		*token = gate_enter(gate);
	return ret;
}

static void look_end(struct domain *domain, struct gate *gate, unsigned token)
{
	gate_leave(gate, token);
	domain_del_gate(domain, gate);
}

/* Whether a device that reads at @iova on finds the memory at @uptr. */
static int check_map(const struct domain *domain, struct rf_owner *owner, uint64_t iova,
		     uint64_t length, uintptr_t uptr)
{
	while (length) {
		struct translation t;
		uint64_t n;
		int ret = same_page_probe(owner, uptr);

		if (ret)
			return ret;
		if (domain_translate(domain, iova, 0, &t))
			return -EINVAL;
		n = t.length < length ? t.length : length;
		if (n > PAGE - uptr % PAGE)
			n = PAGE - uptr % PAGE; /* what differs is said before what is not there */
		if (!same_memory(t.owner, t.addr, owner, uptr, n))
			return -EINVAL;
		iova += n;
		uptr += n;
		length -= n;
	}
	return 0;
}

static int selftest_check_map(struct ucmd *u)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	uint64_t iova = cmd->check_map.iova;
	uint64_t length = cmd->check_map.length;
	uint64_t uptr = cmd->check_map.uptr;
	struct hwpt *hwpt;
	struct gate gate;
	unsigned token;
	int ret;

	if ((iova | length | uptr) % MOCK_PAGE || length > UINT64_MAX - uptr)
		return -EINVAL;
	ret = mock_hwpt_get(u, OBJECT_HWPT_PAGING, &hwpt);
	if (ret)
		return ret;
	ret = look_begin(hwpt->domain, &gate, &token);
	if (!ret) {
		ret = check_map(hwpt->domain, u->caller->owner, iova, length, uptr);
		look_end(hwpt->domain, &gate, token);
	}
	object_put(u->ctx, &hwpt->obj);
	return ret;
}

static int selftest_check_refs(struct ucmd *u)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	uint64_t nr = cmd->check_refs.length / PAGE;
	uint64_t uptr = cmd->check_refs.uptr;
	unsigned counts[COUNTS];

	if ((cmd->check_refs.length | uptr) % PAGE || cmd->check_refs.length > UINT64_MAX - uptr)
		return -EINVAL;
	while (nr) {
		uint64_t n =
			same_page_pins(u->caller->owner, uptr, nr < COUNTS ? nr : COUNTS, counts);

		if (!n)
			return -EFAULT;
		for (uint64_t i = 0; i < n; i++, uptr += PAGE) {
			if (owner_probe(u->caller->owner, uptr, PAGE, RF_READ))
				return -EFAULT;
			if (counts[i] != cmd->check_refs.refs)
				return -EIO;
		}
		nr -= n;
	}
	return 0;
}

static int selftest_check_iotlb(struct ucmd *u)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	struct hwpt_nested *nested;
	struct hwpt *hwpt;
	int ret;

	ret = mock_hwpt_get(u, OBJECT_HWPT_NESTED, &hwpt);
	if (ret)
		return ret;
	nested = (struct hwpt_nested *)hwpt;
	pthread_mutex_lock(&nested->lock);
	if (cmd->check_iotlb.id > MOCK_NESTED_DOMAIN_IOTLB_ID_MAX ||
	    nested->iotlb[cmd->check_iotlb.id] != cmd->check_iotlb.iotlb)
		ret = -EINVAL;
	pthread_mutex_unlock(&nested->lock);
	object_put(u->ctx, &hwpt->obj);
	return ret;
}

/*
 * As if a device had written the pages whose bits are set. Linux keeps entries by
 * 2 KiB of IOVA but looks for them by the caller's page size; so does this.
 */
static int dirty_mark(struct ucmd *u, struct domain *domain, uint64_t *count)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	uint64_t size = cmd->dirty.page_size;
	uint64_t nr = cmd->dirty.length / size;
	unsigned char bits[BITMAP_CHUNK];

	for (uint64_t i = 0; i < nr; i++) {
		uint64_t entry = (cmd->dirty.iova / size + i) * MOCK_PAGE;
		struct translation t;

		if (i % (8 * sizeof(bits)) == 0) {
			uint64_t left = (nr - i + 7) / 8;

			if (owner_read(u->caller->owner, bits, cmd->dirty.uptr + i / 8,
				       left < sizeof(bits) ? left : sizeof(bits)))
				return -EFAULT;
		}
		if (!(bits[i / 8 % sizeof(bits)] & 1u << (i % 8)) ||
		    domain_translate(domain, entry, 0, &t))
			continue;
		domain_mark_dirty(domain, entry, entry + MOCK_PAGE - 1);
		++*count;
	}
	return 0;
}

/* The whole bitmap is there, or nothing is marked. */
static int dirty_check_bitmap(struct ucmd *u)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	uint64_t bytes = (cmd->dirty.length / cmd->dirty.page_size + 7) / 8;

	return owner_probe(u->caller->owner, cmd->dirty.uptr, bytes, RF_READ);
}

static int selftest_dirty_hwpt(struct ucmd *u, struct hwpt_paging *hwpt)
{
	struct iommu_test_cmd *cmd = &u->cmd.test;
	struct domain *domain = hwpt->common.domain;
	uint64_t count = 0;
	struct gate gate;
	unsigned token;
	bool tracking;
	int ret;

	pthread_mutex_lock(&hwpt->ioas->lock);
	tracking = hwpt->tracking;
	pthread_mutex_unlock(&hwpt->ioas->lock);
	if (!tracking)
		return -EINVAL;
	ret = dirty_check_bitmap(u);
	if (!ret)
		ret = look_begin(domain, &gate, &token);
	if (ret)
		return ret;
	ret = dirty_mark(u, domain, &count);
	look_end(domain, &gate, token);
	if (ret)
		return ret;
	cmd->dirty.out_nr_dirty = count;
	return ucmd_respond(u, sizeof(*cmd));
}

static int selftest_dirty(struct ucmd *u)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	uint64_t size = cmd->dirty.page_size;
	struct hwpt *hwpt;
	int ret;

	if (!size || !cmd->dirty.length || cmd->dirty.iova % size || cmd->dirty.length % size ||
	    !cmd->dirty.uptr)
		return -EINVAL;
	if (cmd->dirty.length / size > DIRTY_BITS_MAX)
		return -EOVERFLOW;
	ret = mock_hwpt_get(u, OBJECT_HWPT_PAGING, &hwpt);
	if (ret)
		return ret;
	ret = selftest_dirty_hwpt(u, (struct hwpt_paging *)hwpt);
	object_put(u->ctx, &hwpt->obj);
	return ret;
}

static int selftest_trigger_iopf(struct ucmd *u)
{
	const struct iommu_test_cmd *cmd = &u->cmd.test;
	struct iommu_hwpt_pgfault fault = {
		.flags = IOMMU_PGFAULT_FLAGS_LAST_PAGE,
		.pasid = cmd->trigger_iopf.pasid,
		.grpid = cmd->trigger_iopf.grpid,
		.perm = cmd->trigger_iopf.perm,
		.addr = cmd->trigger_iopf.addr,
	};
	struct iommufd_device *idev;
	int ret = -EINVAL;

	if (cmd->trigger_iopf.pasid)
		fault.flags |= IOMMU_PGFAULT_FLAGS_PASID_VALID;
	idev = idev_get(u->ctx, cmd->trigger_iopf.dev_id);
	if (!idev)
		return -ENOENT;
	if (idev->mock) {
		fault_report(idev, &fault);
		ret = 0;
	}
	object_put(u->ctx, &idev->obj);
	return ret;
}

uint64_t selftest_nth_area(struct rf_ioas *space, uint64_t coded)
{
	uint32_t nth = (uint32_t)coded;
	struct area_info area;
	uint64_t from = 0;

	while (ioas_find_first(space, from, UINT64_MAX, &area)) {
		if (!nth--)
			return area.first + (coded >> 32);
		if (area.last == UINT64_MAX)
			break;
		from = area.last + 1;
	}
	return 0;
}

int selftest_cmd(struct ucmd *u)
{
	switch (u->cmd.test.op) {
	case IOMMU_TEST_OP_ADD_RESERVED:
		return selftest_add_reserved(u);
	case IOMMU_TEST_OP_MOCK_DOMAIN:
	case IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS:
		return selftest_mock_domain(u);
	case IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE:
		return selftest_mock_replace(u);
	case IOMMU_TEST_OP_MD_CHECK_MAP:
		return selftest_check_map(u);
	case IOMMU_TEST_OP_MD_CHECK_REFS:
		return selftest_check_refs(u);
	case IOMMU_TEST_OP_MD_CHECK_IOTLB:
		return selftest_check_iotlb(u);
	case IOMMU_TEST_OP_CREATE_ACCESS:
		return selftest_create_access(u);
	case IOMMU_TEST_OP_ACCESS_REPLACE_IOAS:
		return selftest_access_replace(u);
	case IOMMU_TEST_OP_ACCESS_PAGES:
		return selftest_access_pages(u);
	case IOMMU_TEST_OP_DESTROY_ACCESS_PAGES:
		return selftest_access_pages_destroy(u);
	case IOMMU_TEST_OP_ACCESS_RW:
		return selftest_access_rw(u);
	case IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT:
		return u->cmd.test.memory_limit.limit < LIMIT_MIN ? -EINVAL : 0;
	case IOMMU_TEST_OP_DIRTY:
		return selftest_dirty(u);
	case IOMMU_TEST_OP_TRIGGER_IOPF:
		return selftest_trigger_iopf(u);
	default:
		return -EOPNOTSUPP;
	}
}
