/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules, in Linux's order. See iommufd_model.h.
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

static bool touch(uint64_t a, uint64_t a_last, uint64_t b, uint64_t b_last)
{
	return a <= b_last && b <= a_last;
}

static bool overflows(uint64_t first, uint64_t length)
{
	return first + (length - 1) < first;
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

static bool object_is(const struct model *m, uint32_t id, enum model_kind kind)
{
	return id && id < MODEL_OBJECTS && m->objects[id].kind == kind;
}

static struct model_space *space_of(struct model *m, uint32_t ioas)
{
	return &m->spaces[m->objects[ioas].space];
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

static bool has_domain(const struct model *m, uint32_t ioas)
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
	return has_domain(m, ioas) ? MODEL_IO_PAGE : 1;
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

/* Memory. */

static bool mem_works(unsigned mem, bool write)
{
	return mem < MODEL_MEM_RW || (!write && mem < MODEL_MEM_RW + MODEL_MEM_RO);
}

static uint64_t mem_addr(const struct model *m, unsigned mem)
{
	return m->memory + mem * MODEL_CELL;
}

/* Cells that the windows do not hold are never mapped. */
static bool anything_mapped(const struct model_space *s, uint64_t first, uint64_t last)
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

/* Mapping: a list of pieces, each of one pages object. */

struct piece {
	uint32_t pages;
	unsigned mem;
	uint64_t length;
	bool writable;
};

static int check_iova(struct model *m, uint32_t ioas, uint64_t iova, uint64_t length)
{
	const struct model_space *s = space_of(m, ioas);

	if (iova & (model_alignment(m, ioas) - 1))
		return -EINVAL;
	if (overflows(iova, length))
		return -EOVERFLOW;
	if (model_ranges_touch(s->reserved, s->nr_reserved, iova, iova + length - 1))
		return -EINVAL;
	if (anything_mapped(s, iova, iova + length - 1))
		return -EEXIST;
	return 0;
}

static bool piece_works(const struct piece *p)
{
	for (unsigned i = 0; i < p->length / MODEL_CELL; i++)
		if (!mem_works(p->mem + i, p->writable))
			return false;
	return true;
}

static void enter(struct model *m, struct model_space *s, const struct piece *p, uint64_t iova,
		  uint32_t flags)
{
	unsigned cell = model_cell(iova);

	for (unsigned i = 0; i < p->length / MODEL_CELL; i++)
		s->cells[cell + i] = (struct model_cell){
			.area = m->next_area,
			.pages = p->pages,
			.mem = (uint16_t)(p->mem + i),
			.prot = flags & (MODEL_READ | MODEL_WRITE),
			.writable = p->writable,
		};
	m->next_area++;
}

static int enter_pieces(struct model *m, uint32_t ioas, uint32_t flags, const struct piece *pieces,
			unsigned nr, uint64_t length, uint64_t *iova)
{
	uint64_t mask, at;
	int ret;

	mask = model_alignment(m, ioas) - 1;
	if (length & mask)
		return -EINVAL;
	if (flags & MODEL_FIXED)
		ret = check_iova(m, ioas, *iova, length);
	else
		ret = model_choose(m, ioas, mem_addr(m, pieces[0].mem), length, iova);
	if (ret)
		return ret;
	for (unsigned i = 0; i < nr; i++) {
		if ((flags & MODEL_WRITE) && !pieces[i].writable)
			return -EPERM;
		if (mem_addr(m, pieces[i].mem) % MODEL_PAGE & mask)
			return -EINVAL;
		/* Linux lets them in where no page table is; nobody needs that. */
		if (pieces[i].length & mask)
			return MODEL_UNSURE;
	}
	if (*iova % MODEL_CELL || model_cell(*iova) == MODEL_CELLS ||
	    model_cell(*iova + length - 1) != model_cell(*iova) + length / MODEL_CELL - 1)
		return MODEL_UNSURE;
	if (has_domain(m, ioas))
		for (unsigned i = 0; i < nr; i++)
			if (!piece_works(&pieces[i]))
				return -EFAULT;
	at = *iova;
	for (unsigned i = 0; i < nr; i++) {
		enter(m, space_of(m, ioas), &pieces[i], at, flags);
		at += pieces[i].length;
	}
	return 0;
}

int model_map(struct model *m, uint32_t ioas, uint32_t flags, unsigned mem, uint64_t length,
	      uint64_t *iova)
{
	struct piece piece = {
		.pages = m->next_pages,
		.mem = mem,
		.length = length,
		.writable = flags & MODEL_WRITE,
	};
	int ret;

	if (flags & ~(MODEL_FIXED | MODEL_READ | MODEL_WRITE))
		return -EOPNOTSUPP;
	if (*iova == UINT64_MAX || length == UINT64_MAX)
		return -EOVERFLOW;
	if (!(flags & (MODEL_READ | MODEL_WRITE)))
		return -EINVAL;
	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	if (length > UINT64_MAX - MODEL_PAGE || !length)
		return -EINVAL;
	if (mem_addr(m, mem) + length < length)
		return -EOVERFLOW;
	if (length % MODEL_CELL && !(length & (model_alignment(m, ioas) - 1)))
		return MODEL_UNSURE;
	if (mem + length / MODEL_CELL > MODEL_MEM)
		return MODEL_UNSURE;
	ret = enter_pieces(m, ioas, flags, &piece, 1, length, iova);
	if (!ret)
		m->next_pages++;
	return ret;
}

/* The pieces behind [iova, last]: how many, or a negative errno. */
static int gather(const struct model_space *s, uint64_t iova, uint64_t length, struct piece *pieces)
{
	unsigned cell = model_cell(iova), nr = 0;
	uint32_t area = 0;

	for (uint64_t done = 0; done < length; done += MODEL_CELL, cell++) {
		const struct model_cell *c = &s->cells[cell];

		if (cell >= MODEL_CELLS || cell != model_cell(iova + done) || !c->area)
			return -ENOENT;
		if (c->area != area) {
			pieces[nr++] = (struct piece){
				.pages = c->pages,
				.mem = c->mem,
				.writable = c->writable,
			};
			area = c->area;
		}
		pieces[nr - 1].length += MODEL_CELL;
	}
	return (int)nr;
}

int model_copy(struct model *m, uint32_t flags, uint32_t dst, uint32_t src, uint64_t src_iova,
	       uint64_t length, uint64_t *dst_iova)
{
	struct piece pieces[MODEL_CELLS];
	int nr;

	if (flags & ~(MODEL_FIXED | MODEL_READ | MODEL_WRITE))
		return -EOPNOTSUPP;
	if (length == UINT64_MAX || src_iova == UINT64_MAX || *dst_iova == UINT64_MAX)
		return -EOVERFLOW;
	if (!(flags & (MODEL_READ | MODEL_WRITE)))
		return -EINVAL;
	if (!object_is(m, src, MODEL_IOAS))
		return -ENOENT;
	if (!length)
		return -EINVAL;
	if (overflows(src_iova, length))
		return -EOVERFLOW;
	if (src_iova % MODEL_CELL || length % MODEL_CELL)
		return MODEL_UNSURE;
	nr = gather(space_of(m, src), src_iova, length, pieces);
	if (nr < 0)
		return nr;
	if (!object_is(m, dst, MODEL_IOAS))
		return -ENOENT;
	return enter_pieces(m, dst, flags, pieces, (unsigned)nr, length, dst_iova);
}

/* Linux takes areas one by one: what it took before it met one that reaches out stays taken. */
static int unmap_range(struct model_space *s, uint64_t first, uint64_t last, uint64_t *unmapped)
{
	*unmapped = 0;
	for (unsigned c = 0; c < MODEL_CELLS;) {
		uint32_t area = s->cells[c].area;
		unsigned end = c + 1;

		if (!area) {
			c++;
			continue;
		}
		while (end < MODEL_CELLS && s->cells[end].area == area)
			end++;
		if (touch(model_iova(c), model_iova(end - 1) + MODEL_CELL - 1, first, last)) {
			if (model_iova(c) < first || model_iova(end - 1) + MODEL_CELL - 1 > last)
				return -ENOENT;
			*unmapped += (end - c) * MODEL_CELL;
			memset(&s->cells[c], 0, (end - c) * sizeof(s->cells[c]));
		}
		c = end;
	}
	return 0;
}

int model_unmap(struct model *m, uint32_t ioas, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	int ret;

	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	if (!iova && length == UINT64_MAX)
		return unmap_range(space_of(m, ioas), 0, UINT64_MAX, unmapped);
	if (iova == UINT64_MAX || length == UINT64_MAX)
		return -EOVERFLOW;
	if (!length)
		return -EINVAL;
	if (overflows(iova, length))
		return -EOVERFLOW;
	ret = unmap_range(space_of(m, ioas), iova, iova + length - 1, unmapped);
	return ret || *unmapped ? ret : -ENOENT;
}

/* Ranges. */

int model_iova_ranges(const struct model *m, uint32_t ioas, struct model_range *out, unsigned *nr,
		      uint64_t *align)
{
	const struct model_space *s;
	uint64_t at = 0;

	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	s = &m->spaces[m->objects[ioas].space];
	*align = model_alignment(m, ioas);
	*nr = 0;
	for (;;) {
		uint64_t hole_last = UINT64_MAX;
		bool moved = true;

		/* step over whatever is reserved here */
		while (moved) {
			moved = false;
			for (unsigned i = 0; i < s->nr_reserved; i++) {
				if (s->reserved[i].first > at || s->reserved[i].last < at)
					continue;
				if (s->reserved[i].last == UINT64_MAX)
					return 0;
				at = s->reserved[i].last + 1;
				moved = true;
			}
		}
		for (unsigned i = 0; i < s->nr_reserved; i++)
			if (s->reserved[i].first > at && s->reserved[i].first - 1 < hole_last)
				hole_last = s->reserved[i].first - 1;
		out[(*nr)++] = (struct model_range){ .first = at, .last = hole_last };
		if (hole_last == UINT64_MAX)
			return 0;
		at = hole_last + 1;
	}
}

int model_allow(struct model *m, uint32_t ioas, const struct model_range *ranges, unsigned nr)
{
	struct model_space *s;

	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	s = space_of(m, ioas);
	for (unsigned i = 0; i < nr; i++)
		if (ranges[i].first >= ranges[i].last ||
		    model_ranges_touch(ranges, i, ranges[i].first, ranges[i].last))
			return -EINVAL;
	for (unsigned i = 0; i < nr; i++)
		if (model_ranges_touch(s->reserved, s->nr_reserved, ranges[i].first,
				       ranges[i].last))
			return -EADDRINUSE;
	memcpy(s->allowed, ranges, nr * sizeof(*ranges));
	s->nr_allowed = nr;
	return 0;
}

static int reserve(struct model_space *s, uint64_t first, uint64_t last, uint32_t who)
{
	if (anything_mapped(s, first, last) ||
	    model_ranges_touch(s->allowed, s->nr_allowed, first, last))
		return -EADDRINUSE;
	if (s->nr_reserved == MODEL_RANGES)
		return MODEL_UNSURE;
	s->reserved[s->nr_reserved++] =
		(struct model_range){ .first = first, .last = last, .who = who };
	return 0;
}

int model_reserve(struct model *m, uint32_t ioas, uint64_t first, uint64_t length)
{
	if (!length)
		return -EINVAL;
	if (overflows(first, length))
		return -EOVERFLOW;
	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	/* leave room for what page tables reserve */
	if (space_of(m, ioas)->nr_reserved > MODEL_RANGES / 4)
		return MODEL_UNSURE;
	return reserve(space_of(m, ioas), first, first + length - 1, 0);
}

/* Whether every mapping would bear an alignment. */
static bool areas_aligned(const struct model *m, const struct model_space *s, uint64_t align)
{
	for (unsigned c = 0; c < MODEL_CELLS; c++) {
		const struct model_cell *cell = &s->cells[c];
		bool begins = cell->area && (!c || s->cells[c - 1].area != cell->area);
		bool ends =
			cell->area && (c + 1 == MODEL_CELLS || s->cells[c + 1].area != cell->area);

		if (begins &&
		    (model_iova(c) % align || mem_addr(m, cell->mem) % MODEL_PAGE % align))
			return false;
		if (ends && (model_iova(c) + MODEL_CELL) % align)
			return false;
	}
	return true;
}

int model_huge_pages(struct model *m, uint32_t ioas, uint64_t value)
{
	struct model_space *s;

	if (!object_is(m, ioas, MODEL_IOAS))
		return -ENOENT;
	s = space_of(m, ioas);
	if (value > 1)
		return -EINVAL;
	if (value) {
		s->small_pages = false;
		return 0;
	}
	if (s->small_pages)
		return 0;
	if (has_domain(m, ioas) && anything_mapped(s, 0, UINT64_MAX))
		return -EINVAL;
	if (!areas_aligned(m, s, MODEL_PAGE))
		return -EADDRINUSE;
	s->small_pages = true;
	return 0;
}

/* Page tables and devices. */

static int hwpt_new(struct model *m, uint32_t ioas, bool by_itself, bool dirty, uint32_t *out)
{
	struct model_space *s = space_of(m, ioas);
	uint64_t align = s->small_pages ? MODEL_PAGE : MODEL_IO_PAGE;
	uint32_t id;
	int ret;

	if (align != model_alignment(m, ioas) && !areas_aligned(m, s, align))
		return -EADDRINUSE;
	if (!object_room(m, 0) || s->nr_reserved + 2 > MODEL_RANGES)
		return MODEL_UNSURE;
	id = object_new(m, MODEL_HWPT);
	m->objects[id].ioas = ioas;
	m->objects[id].by_itself = by_itself;
	m->objects[id].dirty = dirty;
	ret = reserve(s, 0, MODEL_HIGH - 1, id);
	if (!ret)
		ret = reserve(s, MODEL_HIGH_LAST + 1, UINT64_MAX, id);
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

		if (!object_is(m, id, MODEL_IOAS) || !has_domain(m, id))
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
