/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same address of the same owner is the same memory. So is the same place of
 * the same file in two shared mappings, of one process or of two: a program may have
 * several, children inherit them, and where it lets one go or takes a right away
 * devices have a view of their own. That is looked up in the processes' memory maps,
 * which a test may take the time for.
 */
#include "iommufd/same_page.h"

#include <errno.h>
#include <string.h>

#include "ioas/user_map.h"
#include "memory/owner.h"
#include "memory/vma.h"

#define PAGE 4096ull

int same_page_probe(struct rf_owner *owner, uintptr_t addr)
{
	addr &= ~(PAGE - 1);
	if (addr + PAGE < addr)
		return -EOVERFLOW;
	return owner_probe(owner, addr, PAGE, RF_READ);
}

static bool vma_take(const struct vma *vma, void *arg)
{
	*(struct vma *)arg = *vma;
	return false;
}

/* The mapping that holds @addr. */
static bool vma_at(struct rf_owner *owner, uintptr_t addr, struct vma *out)
{
	return !owner_each_vma(owner, addr, vma_take, out) && out->first <= addr;
}

static bool same_file(const struct vma *a, const struct vma *b)
{
	return a->shared && b->shared && a->inode == b->inode && a->device == b->device;
}

bool same_memory(struct rf_owner *a, uintptr_t addr_a, struct rf_owner *b, uintptr_t addr_b,
		 uint64_t length)
{
	if (a == b && addr_a == addr_b)
		return true;
	while (length) {
		uint64_t left_a, left_b, n;
		struct vma x, y;

		if (!vma_at(a, addr_a, &x) || !vma_at(b, addr_b, &y) || !same_file(&x, &y) ||
		    x.offset + (addr_a - x.first) != y.offset + (addr_b - y.first))
			return false;
		left_a = x.last - addr_a + 1;
		left_b = y.last - addr_b + 1;
		n = left_a < left_b ? left_a : left_b;
		if (n >= length)
			break;
		length -= n;
		addr_a += n;
		addr_b += n;
	}
	return true;
}

/**
 * struct tally - pages of a shared mapping, and who holds them pinned
 * @vma: the mapping
 * @offset: of the first page, in the file
 * @nr: how many
 * @owner: whose mappings are looked at now
 */
struct tally {
	struct vma vma;
	uint64_t offset;
	uint64_t nr;
	struct rf_owner *owner;
	unsigned *counts;
};

/* Any mapping of an owner: the pages asked for that are there, too. */
static bool tally_vma(const struct vma *vma, void *arg)
{
	struct tally *tally = arg;
	uint64_t end = vma->offset + (vma->last - vma->first) + 1;

	if (!same_file(vma, &tally->vma))
		return true;
	for (uint64_t i = 0; i < tally->nr; i++) {
		uint64_t offset = tally->offset + i * PAGE;

		if (vma->offset <= offset && offset < end)
			tally->counts[i] +=
				pages_pin_count(tally->owner, vma->first + (offset - vma->offset));
	}
	return true;
}

static bool tally_owner(struct rf_owner *owner, void *arg)
{
	struct tally *tally = arg;

	tally->owner = owner;
	return owner_each_vma(owner, 0, tally_vma, tally);
}

uint64_t same_page_pins(struct rf_owner *owner, uintptr_t addr, uint64_t nr, unsigned *counts)
{
	struct tally tally = { .counts = counts };
	uint64_t most;

	if (!vma_at(owner, addr, &tally.vma))
		return 0;
	most = (tally.vma.last - addr) / PAGE + 1;
	tally.nr = nr < most ? nr : most;
	tally.offset = tally.vma.offset + (addr - tally.vma.first);
	memset(counts, 0, tally.nr * sizeof(*counts));
	if (tally.vma.shared)
		owner_each(tally_owner, &tally);
	else
		for (uint64_t i = 0; i < tally.nr; i++)
			counts[i] = pages_pin_count(owner, addr + i * PAGE);
	return tally.nr;
}
