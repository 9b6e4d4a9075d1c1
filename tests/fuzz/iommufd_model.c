/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects, page tables, devices and accesses: the rules, in Linux's order. See
 * iommufd_model.h.
 */
#include "iommufd_model_private.h"

#include <errno.h>
#include <string.h>

void model_init(struct model *m, uint64_t memory)
{
	memset(m, 0, sizeof(*m));
	m->memory = memory;
	m->next_area = 1;
	m->next_pages = 1;
}

uint64_t model_iova(unsigned cell)
{
	if (cell < MODEL_WINDOW)
		return cell * MODEL_CELL;
	return MODEL_HIGH + (cell - MODEL_WINDOW) * MODEL_CELL;
}

unsigned model_cell(uint64_t iova)
{
	if (iova < MODEL_WINDOW * MODEL_CELL)
		return (unsigned)(iova / MODEL_CELL);
	if (iova >= MODEL_HIGH && iova - MODEL_HIGH < MODEL_WINDOW * MODEL_CELL)
		return (unsigned)(MODEL_WINDOW + (iova - MODEL_HIGH) / MODEL_CELL);
	return MODEL_CELLS;
}

/* Objects. */

static uint32_t object_new(struct model *m, enum model_kind kind)
{
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++) {
		if (m->objects[id].kind == MODEL_NONE) {
			memset(&m->objects[id], 0, sizeof(m->objects[id]));
			m->objects[id].kind = kind;
			return id;
		}
	}
	return 0;
}

/* Ids are given out one after the other: room for so many more? */
static bool object_room(const struct model *m, unsigned nr)
{
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		if (m->objects[id].kind == MODEL_NONE && !nr--)
			return true;
	return false;
}

static bool hwpt_used(const struct model *m, uint32_t hwpt)
{
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		if (object_is(m, id, MODEL_DEVICE) && m->objects[id].hwpt == hwpt)
			return true;
	return false;
}

static bool ioas_used(const struct model *m, uint32_t ioas)
{
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		if ((object_is(m, id, MODEL_HWPT) || object_is(m, id, MODEL_ACCESS)) &&
		    m->objects[id].ioas == ioas)
			return true;
	return false;
}

bool model_has_domain(const struct model *m, uint32_t ioas)
{
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++)
		if (object_is(m, id, MODEL_HWPT) && m->objects[id].ioas == ioas)
			return true;
	return false;
}

uint64_t model_alignment(const struct model *m, uint32_t ioas)
{
	if (m->spaces[m->objects[ioas].space].small_pages)
		return MODEL_PAGE;
	return model_has_domain(m, ioas) ? MODEL_IO_PAGE : 1;
}

int model_ioas_alloc(struct model *m, uint32_t *id)
{
	unsigned space;

	for (space = 0; space < MODEL_SPACES; space++) {
		bool taken = false;

		for (uint32_t i = 1; i < MODEL_OBJECTS; i++)
			taken |= object_is(m, i, MODEL_IOAS) && m->objects[i].space == space;
		if (!taken)
			break;
	}
	if (space == MODEL_SPACES || !object_room(m, 0))
		return MODEL_UNSURE;
	*id = object_new(m, MODEL_IOAS);
	m->objects[*id].space = space;
	memset(&m->spaces[space], 0, sizeof(m->spaces[space]));
	return 0;
}

static void remove_reserved(struct model_space *s, uint32_t who)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->nr_reserved; i++)
		if (s->reserved[i].who != who)
			s->reserved[kept++] = s->reserved[i];
	s->nr_reserved = kept;
}

static void hwpt_destroy(struct model *m, uint32_t hwpt)
{
	remove_reserved(space_of(m, m->objects[hwpt].ioas), hwpt);
	m->objects[hwpt].kind = MODEL_NONE;
}

/* A device has left it. */
static void hwpt_put(struct model *m, uint32_t hwpt)
{
	if (m->objects[hwpt].by_itself && !hwpt_used(m, hwpt))
		hwpt_destroy(m, hwpt);
}

int model_destroy(struct model *m, uint32_t id)
{
	struct model_object *o;
	uint32_t hwpt;

	if (!id || id >= MODEL_OBJECTS || m->objects[id].kind == MODEL_NONE)
		return -ENOENT;
	o = &m->objects[id];
	switch (o->kind) {
	case MODEL_IOAS:
		if (ioas_used(m, id))
			return -EBUSY;
		o->kind = MODEL_NONE;
		return 0;
	case MODEL_HWPT:
		if (hwpt_used(m, id))
			return -EBUSY;
		hwpt_destroy(m, id);
		return 0;
	case MODEL_MOCK:
		hwpt = m->objects[o->other].hwpt;
		m->objects[o->other].kind = MODEL_NONE;
		o->kind = MODEL_NONE;
		hwpt_put(m, hwpt);
		return 0;
	default:
		return -EBUSY;
	}
}

/* Cells that the windows do not hold are never mapped. */
bool model_anything_mapped(const struct model_space *s, uint64_t first, uint64_t last)
{
	for (unsigned c = 0; c < MODEL_CELLS; c++)
		if (s->cells[c].area &&
		    touch(model_iova(c), model_iova(c) + MODEL_CELL - 1, first, last))
			return true;
	return false;
}

bool model_ranges_touch(const struct model_range *ranges, unsigned nr, uint64_t first,
			uint64_t last)
{
	for (unsigned i = 0; i < nr; i++)
		if (touch(ranges[i].first, ranges[i].last, first, last))
			return true;
	return false;
}

/* Page tables and devices. */

static int hwpt_new(struct model *m, uint32_t ioas, bool by_itself, bool dirty, uint32_t *out)
{
	struct model_space *s = space_of(m, ioas);
	uint64_t align = s->small_pages ? MODEL_PAGE : MODEL_IO_PAGE;
	uint32_t id;
	int ret;

	if (align != model_alignment(m, ioas) && !model_areas_aligned(m, s, align))
		return -EADDRINUSE;
	if (!object_room(m, 0) || s->nr_reserved + 2 > MODEL_RANGES)
		return MODEL_UNSURE;
	id = object_new(m, MODEL_HWPT);
	m->objects[id].ioas = ioas;
	m->objects[id].by_itself = by_itself;
	m->objects[id].dirty = dirty;
	ret = model_reserve_for(s, 0, MODEL_HIGH - 1, id);
	if (!ret)
		ret = model_reserve_for(s, MODEL_HIGH_LAST + 1, UINT64_MAX, id);
	for (unsigned c = 0; c < MODEL_CELLS && !ret; c++)
		if (s->cells[c].area && !mem_works(s->cells[c].mem, s->cells[c].writable))
			ret = -EFAULT;
	if (ret) {
		hwpt_destroy(m, id);
		return ret;
	}
	*out = id;
	return 0;
}

/* What a device that is told @pt gets: a page table that is there, or a new one. */
static int pt_resolve(struct model *m, uint32_t pt, bool no_dirty, uint32_t *hwpt)
{
	if (!pt || pt >= MODEL_OBJECTS || m->objects[pt].kind == MODEL_NONE)
		return -ENOENT;
	if (m->objects[pt].kind == MODEL_HWPT) {
		if (m->objects[pt].dirty && no_dirty)
			return -EINVAL;
		*hwpt = pt;
		return 0;
	}
	if (m->objects[pt].kind != MODEL_IOAS)
		return -EINVAL;
	for (uint32_t id = 1; id < MODEL_OBJECTS; id++) {
		if (object_is(m, id, MODEL_HWPT) && m->objects[id].ioas == pt &&
		    m->objects[id].by_itself) {
			*hwpt = id;
			return 0;
		}
	}
	return hwpt_new(m, pt, true, false, hwpt);
}

int model_mock(struct model *m, uint32_t pt, bool no_dirty, uint32_t *mock, uint32_t *device,
	       uint32_t *hwpt)
{
	int ret;

	if (!object_room(m, 2))
		return MODEL_UNSURE;
	*mock = object_new(m, MODEL_MOCK);
	*device = object_new(m, MODEL_DEVICE);
	/* the mock has an id, but cannot be looked up yet */
	ret = pt == *mock ? -ENOENT : pt_resolve(m, pt, no_dirty, hwpt);
	if (ret) {
		m->objects[*mock].kind = MODEL_NONE;
		m->objects[*device].kind = MODEL_NONE;
		return ret;
	}
	m->objects[*mock].other = *device;
	m->objects[*device].other = *mock;
	m->objects[*device].hwpt = *hwpt;
	m->objects[*device].no_dirty = no_dirty;
	return 0;
}

int model_replace(struct model *m, uint32_t mock, uint32_t pt, uint32_t *hwpt)
{
	struct model_object *device;
	uint32_t old;
	int ret;

	if (!object_is(m, mock, MODEL_MOCK))
		return -ENOENT;
	device = &m->objects[m->objects[mock].other];
	ret = pt_resolve(m, pt, device->no_dirty, hwpt);
	if (ret)
		return ret;
	old = device->hwpt;
	device->hwpt = *hwpt;
	if (old != *hwpt)
		hwpt_put(m, old);
	return 0;
}

int model_hwpt_alloc(struct model *m, uint32_t device, uint32_t pt, bool dirty, uint32_t *hwpt)
{
	if (!object_is(m, device, MODEL_DEVICE))
		return -ENOENT;
	if (!pt || pt >= MODEL_OBJECTS || m->objects[pt].kind == MODEL_NONE)
		return -EINVAL;
	if (object_is(m, pt, MODEL_HWPT))
		return -EOPNOTSUPP; /* a nested one, without data */
	if (!object_is(m, pt, MODEL_IOAS))
		return -EINVAL;
	if (dirty && m->objects[device].no_dirty)
		return -EOPNOTSUPP;
	return hwpt_new(m, pt, false, dirty, hwpt);
}

/* Accesses. */

int model_access(struct model *m, uint32_t ioas, uint32_t *id)
{
	if (!object_room(m, 0))
		return MODEL_UNSURE;
	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	*id = object_new(m, MODEL_ACCESS);
	m->objects[*id].ioas = ioas;
	return 0;
}

void model_access_gone(struct model *m, uint32_t id)
{
	m->objects[id].kind = MODEL_NONE;
}

int model_access_replace(struct model *m, uint32_t id, uint32_t ioas)
{
	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	m->objects[id].ioas = ioas;
	return 0;
}

int model_access_rw(const struct model *m, uint32_t id, uint64_t iova, uint64_t length, bool write)
{
	const struct model_space *s = &m->spaces[m->objects[m->objects[id].ioas].space];
	uint64_t last = iova + length - 1;

	if (!length)
		return -EINVAL;
	if (overflows(iova, length))
		return -EOVERFLOW;
	for (uint64_t at = iova;;) {
		unsigned first = model_cell(at), c = first;

		if (first == MODEL_CELLS || !s->cells[first].area)
			return -ENOENT;
		if (!(s->cells[first].prot & (write ? MODEL_WRITE : MODEL_READ)))
			return -EPERM;
		/* one area at a time */
		for (; c < MODEL_CELLS && s->cells[c].area == s->cells[first].area &&
		       model_iova(c) <= last;
		     c++)
			if (!mem_works(s->cells[c].mem, write))
				return -EFAULT;
		at = model_iova(c - 1) + MODEL_CELL;
		if (at > last)
			return 0;
	}
}

/* Looking. */

int model_check_map(const struct model *m, uint32_t hwpt, uint64_t iova, uint64_t length,
		    unsigned mem)
{
	const struct model_space *s;

	if (iova % MODEL_IO_PAGE || length % MODEL_IO_PAGE || mem_addr(m, mem) % MODEL_IO_PAGE)
		return -EINVAL;
	if (!object_is(m, hwpt, MODEL_HWPT))
		return -ENOENT;
	s = &m->spaces[m->objects[m->objects[hwpt].ioas].space];
	for (uint64_t done = 0; done < length; done += MODEL_CELL, mem++) {
		unsigned c = model_cell(iova + done);

		if (mem >= MODEL_MEM || !mem_works(mem, false))
			return -EFAULT;
		if (c == MODEL_CELLS || !s->cells[c].area || s->cells[c].mem != mem)
			return -EINVAL;
	}
	return 0;
}

unsigned model_pins(const struct model *m, unsigned mem)
{
	uint32_t seen[MODEL_CELLS];
	unsigned nr = 0;

	for (uint32_t id = 1; id < MODEL_OBJECTS; id++) {
		const struct model_space *s;

		if (!object_is(m, id, MODEL_IOAS) || !model_has_domain(m, id))
			continue;
		s = &m->spaces[m->objects[id].space];
		for (unsigned c = 0; c < MODEL_CELLS; c++) {
			bool known =
				!s->cells[c].area || s->cells[c].mem / (MODEL_PAGE / MODEL_CELL) !=
							     mem / (MODEL_PAGE / MODEL_CELL);

			for (unsigned i = 0; i < nr && !known; i++)
				known = seen[i] == s->cells[c].pages;
			if (!known && nr < MODEL_CELLS)
				seen[nr++] = s->cells[c].pages;
		}
	}
	return nr;
}
