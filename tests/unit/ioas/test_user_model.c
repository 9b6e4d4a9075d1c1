/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mapping, copying, holding and letting go against a model of plain arrays: which
 * area each byte of IOVA belongs to, how often each page of each pages object is
 * held, and what was in the page when it was first. The program lets go of its
 * memory now and then; devices must go on seeing what they saw.
 */
#include "../random.h"
#include "memory/pin.h"
#include "user_model.h"

static uint64_t rnd;
static uint64_t counts[8];

static uint64_t random_iova(void)
{
	uint64_t iova = BASE - 4 * PAGE + random_below(&rnd, WINDOW / PAGE) * PAGE;

	if (!pinning && !random_below(&rnd, 3))
		iova += MOCK_PAGE;
	return random_below(&rnd, 20) ? iova : iova + 512;
}

static uint64_t random_length(void)
{
	uint64_t length = (1 + random_below(&rnd, 5)) * PAGE;

	if (!pinning && !random_below(&rnd, 3))
		length -= MOCK_PAGE;
	return random_below(&rnd, 20) ? length : length - 100;
}

static void try_map(struct space *s)
{
	uint64_t length = random_length();
	uint64_t off =
		random_below(&rnd, (MEMORY - 6) * PAGE) & ~((pinning ? PAGE : MOCK_PAGE) - 1);
	struct user_map map = {
		.owner = owner,
		.memfd = -1,
		.length = length,
		.prot = 1 + (uint32_t)random_below(&rnd, 3),
		.fixed = true,
		.iova = random_iova(),
	};
	int expected = expect_place(s, map.iova, length);
	struct object *object = objects;
	uint64_t iova;
	uint64_t nr;

	if (!free_areas(s))
		return;
	while (object < objects + OBJECTS && object->used)
		object++;
	if (object == objects + OBJECTS)
		return;
	if (!random_below(&rnd, 20))
		off += 512;
	map.addr = (uintptr_t)memory + off;
	if (!expected && off % alignment(s))
		expected = -EINVAL;
	nr = (off % PAGE + length + PAGE - 1) / PAGE;
	if (!expected && has_domain(s) && charged() + nr > ACCOUNT_MAX)
		expected = -ENOMEM;
	assert_int_equal(ioas_user_map(s->ioas, &map, &iova), expected);
	if (expected)
		return;
	counts[0]++;
	assert_int_equal(iova, map.iova);
	*object = (struct object){
		.used = true,
		.first = (unsigned)(off / PAGE),
		.nr = (unsigned)nr,
		.writable = map.prot & RF_WRITE,
	};
	area_new(s, iova, length, object, off % PAGE, map.prot);
}

static int expect_copy(struct space *dst, uint64_t iova, struct space *src, uint64_t from,
		       uint64_t last, uint32_t prot, unsigned *nr)
{
	int expected = 0;

	for (uint64_t at = from; at <= last; at++)
		if (!area_at(src, at))
			expected = -ENOENT;
	if (!expected)
		expected = expect_place(dst, iova, last - from + 1);
	for (uint64_t at = from; !expected && at <= last;) {
		struct piece piece = piece_at(src, at, last);

		++*nr;
		if (prot & RF_WRITE && !piece.area->object->writable)
			expected = -EPERM;
		else if (piece.start % alignment(dst))
			expected = -EINVAL;
		at += piece.length;
	}
	return expected;
}

/* One object may be there twice, so hold for real, and undo it again. */
static unsigned copy_charge(struct space *src, uint64_t from, uint64_t last)
{
	unsigned charge = 0;

	for (int by = 1; by >= -1; by -= 2)
		for (uint64_t at = from; at <= last;) {
			struct piece piece = piece_at(src, at, last);

			if (by > 0)
				charge +=
					would_charge(piece.area->object, piece.start, piece.length);
			hold(piece.area->object, piece.start, piece.length, by);
			at += piece.length;
		}
	return charge;
}

static void try_copy(struct space *dst, struct space *src)
{
	uint64_t from = random_iova();
	uint64_t length = random_length();
	uint64_t last = from + length - 1;
	uint64_t iova = random_iova();
	uint32_t prot = 1 + (uint32_t)random_below(&rnd, 3);
	uint64_t place = iova;
	unsigned nr = 0;
	int expected = expect_copy(dst, iova, src, from, last, prot, &nr);

	if (nr > free_areas(dst))
		return;
	if (!expected && has_domain(dst) && charged() + copy_charge(src, from, last) > ACCOUNT_MAX)
		expected = -ENOMEM;
	assert_int_equal(ioas_user_copy(dst->ioas, src->ioas, from, length, prot, true, &place),
			 expected);
	if (expected)
		return;
	counts[1]++;
	for (uint64_t at = from; at <= last;) {
		struct piece piece = piece_at(src, at, last);

		area_new(dst, iova + (at - from), piece.length, piece.area->object, piece.start,
			 prot);
		at += piece.length;
	}
}

static void unpin_area(struct space *s, const struct area *area)
{
	for (unsigned p = 0; p < PINS; p++) {
		uint64_t first = s->pins[p].iova;
		uint64_t last = first + s->pins[p].length - 1;

		if (!s->pins[p].used || first > area->last || last < area->first)
			continue;
		for (uint64_t at = first; at <= last;) {
			struct area *in = area_at(s, at);
			uint64_t end = in->last < last ? in->last : last;

			hold(in->object, in->start + (at - in->first), end - at + 1, -1);
			in->pins--;
			at = end + 1;
		}
		s->pins[p].used = false;
		s->pins[p].asked = true;
	}
}

/* The holder of the access: lets go of what meets the range. */
static void let_go(void *arg, uint64_t first, uint64_t last)
{
	struct space *s = arg;

	for (unsigned p = 0; p < PINS; p++) {
		uint64_t iova = s->pins[p].iova;

		if ((!s->pins[p].asked && !s->pins[p].used) || iova > last ||
		    iova + s->pins[p].length - 1 < first)
			continue;
		ioas_access_unpin(s->access, iova, s->pins[p].length);
		s->pins[p].asked = false;
		s->pins[p].used = false;
	}
}

static void try_unmap(struct space *s)
{
	uint64_t first = random_iova();
	uint64_t last = first + random_length() * (1 + random_below(&rnd, 3)) - 1;
	uint64_t expected_bytes = 0;
	uint64_t unmapped;
	int expected = 0;
	bool any = false;

	if (random_below(&rnd, 2)) {
		struct area *area = &s->areas[random_below(&rnd, AREAS)];

		if (area->used) {
			first = area->first;
			last = area->last;
		}
	}
	/* as far as areas are wholly inside, in order */
	for (uint64_t at = first; at <= last && !expected; at++) {
		struct area *area = area_at(s, at);

		if (!area)
			continue;
		any = true;
		if (area->first < first || area->last > last) {
			expected = -ENOENT;
			break;
		}
		unpin_area(s, area);
		assert_int_equal(area->pins, 0);
		if (has_domain(s))
			hold(area->object, area->start, area->last - area->first + 1, -1);
		expected_bytes += area->last - area->first + 1;
		at = area->last;
		area->used = false;
		object_put(area->object);
	}
	if (!any)
		expected = -ENOENT;
	assert_int_equal(ioas_user_unmap(s->ioas, first, last - first + 1, &unmapped), expected);
	for (unsigned p = 0; p < PINS; p++)
		assert_false(s->pins[p].asked);
	assert_int_equal(unmapped, expected_bytes);
	counts[2] += unmapped > 0;
}

static void try_domain(struct space *s)
{
	unsigned d = (unsigned)random_below(&rnd, 2);
	bool had = has_domain(s);
	int expected = 0;

	if (s->domains[d]) {
		ioas_del_domain(s->ioas, s->domains[d]);
		s->domains[d] = NULL;
		for (unsigned a = 0; a < AREAS && !has_domain(s); a++)
			if (s->areas[a].used)
				hold(s->areas[a].object, s->areas[a].start,
				     s->areas[a].last - s->areas[a].first + 1, -1);
		return;
	}
	for (unsigned a = 0; a < AREAS; a++)
		if (s->areas[a].used &&
		    (s->areas[a].first < BASE ||
		     (s->areas[a].first | s->areas[a].start | (s->areas[a].last + 1)) % MOCK_PAGE))
			expected = -EADDRINUSE;
	for (unsigned a = 0; a < AREAS && !expected && !had; a++)
		if (s->areas[a].used)
			hold(s->areas[a].object, s->areas[a].start,
			     s->areas[a].last - s->areas[a].first + 1, 1);
	if (!expected && !had && charged() > ACCOUNT_MAX) {
		expected = -ENOMEM;
		for (unsigned a = 0; a < AREAS; a++)
			if (s->areas[a].used)
				hold(s->areas[a].object, s->areas[a].start,
				     s->areas[a].last - s->areas[a].first + 1, -1);
	}
	assert_int_equal(ioas_add_domain(s->ioas, iommu_kind_mock(0), 0, &s->domains[d]), expected);
	if (expected)
		s->domains[d] = NULL;
	else
		counts[3]++;
}

static void unpin_one(struct space *s, unsigned p)
{
	uint64_t last = s->pins[p].iova + s->pins[p].length - 1;

	for (uint64_t at = s->pins[p].iova; at <= last;) {
		struct piece piece = piece_at(s, at, last);

		hold(piece.area->object, piece.start, piece.length, -1);
		piece.area->pins--;
		at += piece.length;
	}
	ioas_access_unpin(s->access, s->pins[p].iova, s->pins[p].length);
	s->pins[p].used = false;
}

/* Holds what comes before *at, where it stops. */
static int expect_pin(struct space *s, uint64_t *at, uint64_t last, uint32_t flags)
{
	unsigned charge = charged();

	while (*at <= last) {
		struct piece piece = piece_at(s, *at, last);
		unsigned more;

		if (!piece.area)
			return -ENOENT;
		if (piece.start % PAGE)
			return -EINVAL;
		if (!(piece.area->prot & (flags ? RF_WRITE : RF_READ)))
			return -EPERM;
		more = would_charge(piece.area->object, piece.start, piece.length);
		if (charge + more > ACCOUNT_MAX)
			return -ENOMEM;
		charge += more;
		hold(piece.area->object, piece.start, piece.length, 1);
		*at += piece.length;
	}
	return 0;
}

/* The pages of one piece are those that the model knows; how many. */
static unsigned check_pinned(struct piece piece, const struct ioas_pinned *pages)
{
	unsigned n = 0;

	piece.area->pins++;
	for (uint64_t i = piece.start / PAGE; i <= (piece.start + piece.length - 1) / PAGE; i++)
		assert_int_equal(*(uint64_t *)pages[n++].addr, piece.area->object->seen[i]);
	return n;
}

static void try_pin(struct space *s)
{
	uint64_t iova = random_iova();
	uint64_t length = random_length();
	uint64_t last = iova + length - 1;
	uint32_t flags = (uint32_t)random_below(&rnd, 2);
	struct ioas_pinned pages[16];
	uint64_t end = iova;
	unsigned n = 0;
	unsigned p = 0;
	int expected;

	if (!pinning) {
		assert_int_equal(ioas_access_pin(s->access, iova, length, pages, flags), -EINVAL);
		return;
	}
	while (p < PINS && s->pins[p].used)
		p++;
	if (p == PINS) {
		unpin_one(s, (unsigned)random_below(&rnd, PINS));
		return;
	}
	expected = expect_pin(s, &end, last, flags);
	assert_int_equal(ioas_access_pin(s->access, iova, length, pages, flags), expected);
	for (uint64_t at = iova; at < end;) {
		struct piece piece = piece_at(s, at, last);

		if (expected)
			hold(piece.area->object, piece.start, piece.length, -1);
		else
			n += check_pinned(piece, pages + n);
		at += piece.length;
	}
	if (expected)
		return;
	counts[4]++;
	s->pins[p].used = true;
	s->pins[p].iova = iova;
	s->pins[p].length = length;
}

/* The program lets go of memory, and has other memory there. */
static void replace_memory(void)
{
	unsigned first = (unsigned)random_below(&rnd, MEMORY);
	unsigned nr = 1 + (unsigned)random_below(&rnd, MEMORY - first);
	char *at = memory + first * PAGE;

	if (nr > 5)
		nr = 5;
	pin_keep(owner, (uintptr_t)at, nr * PAGE, PIN_UNMAP);
	assert_ptr_equal(mmap(at, nr * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 at);
	tag_pages(first, nr);
	counts[5]++;
}

static uint8_t byte_of(uint64_t tag, uint64_t byte)
{
	return (uint8_t)(tag >> (byte % 8 * 8));
}

/* What holders of the object see there. */
static uint8_t byte_seen(const struct object *object, uint64_t byte)
{
	uint64_t page = byte / PAGE;

	return byte_of(object->held[page] ? object->seen[page] : tags[object->first + page], byte);
}

/* The last byte of a page and the first of the next, as those who hold them see them. */
static void check_border(struct space *s, const struct area *area, uint64_t iova)
{
	uint64_t byte = area->start + (iova - area->first);
	uint64_t border = byte | (PAGE - 1);
	uint8_t got[2];

	iova += border - byte;
	if (iova >= area->last || !(area->prot & RF_READ))
		return;
	assert_int_equal(ioas_access_rw(s->access, iova, got, 2, IOAS_ACCESS_SLOW), 0);
	assert_int_equal(got[0], byte_seen(area->object, border));
	assert_int_equal(got[1], byte_seen(area->object, border + 1));
}

static void check_byte(struct space *s, uint64_t iova)
{
	struct area *area = area_at(s, iova);
	struct object *object = area ? area->object : NULL;
	uint64_t byte = area ? area->start + (iova - area->first) : 0;
	uint64_t now = area ? tags[object->first + byte / PAGE] : 0;
	uint64_t seen = area && object->held[byte / PAGE] ? object->seen[byte / PAGE] : now;
	uint8_t got;
	int ret;

	ret = ioas_access_rw(s->access, iova, &got, 1, 0);
	assert_int_equal(ret, !area ? -ENOENT : area->prot & RF_READ ? 0 : -EPERM);
	if (!ret)
		assert_int_equal(got, byte_of(now, byte));
	ret = ioas_access_rw(s->access, iova, &got, 1, IOAS_ACCESS_SLOW);
	assert_int_equal(ret, !area ? -ENOENT : area->prot & RF_READ ? 0 : -EPERM);
	if (!ret)
		assert_int_equal(got, byte_of(seen, byte));
	if (area)
		check_border(s, area, iova);
	for (unsigned d = 0; d < 2; d++) {
		struct translation t;

		if (!s->domains[d])
			continue;
		ret = domain_translate(s->domains[d], iova, 0, &t);
		assert_int_equal(ret, area ? 0 : -EFAULT);
		if (area) {
			assert_int_equal(owner_dma_read(t.owner, &got, t.addr, 1), 0);
			assert_int_equal(got, (uint8_t)(seen >> (byte % 8 * 8)));
			assert_true(t.length <= area->last - iova + 1);
		}
	}
}

static void check(void)
{
	unsigned page = (unsigned)random_below(&rnd, MEMORY);
	unsigned pins = 0;

	assert_int_equal(account_pages(account, ACCOUNT_USER), charged());
	assert_int_equal(account_pages(account, ACCOUNT_PROCESS), 0);
	for (unsigned i = 0; i < OBJECTS; i++) {
		unsigned n = page - objects[i].first;

		if (objects[i].used && page >= objects[i].first && n < objects[i].nr)
			pins += objects[i].held[n] && objects[i].seen[n] == tags[page];
	}
	assert_int_equal(pages_pin_count(owner, (uintptr_t)memory + page * PAGE), pins);
	for (unsigned s = 0; s < SPACES; s++) {
		unsigned areas = AREAS - free_areas(&spaces[s]);

		assert_int_equal(ioas_nr_areas(spaces[s].ioas), areas);
		for (unsigned i = 0; i < 3; i++)
			check_byte(&spaces[s], BASE - 4 * PAGE + random_below(&rnd, WINDOW));
	}
}

static const struct ioas_access_ops access_ops = { let_go };
static const struct ioas_access_ops plain_ops = { NULL };

static void setup(void)
{
	owner = owner_new_self();
	account = account_new(ACCOUNT_MAX * PAGE);
	memory = mmap(NULL, MEMORY * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_true(owner && account && memory != MAP_FAILED);
	tag_pages(0, MEMORY);
	memset(spaces, 0, sizeof(spaces));
	memset(objects, 0, sizeof(objects));
	for (unsigned s = 0; s < SPACES; s++) {
		assert_int_equal(ioas_new(&spaces[s].ioas), 0);
		ioas_set_account(spaces[s].ioas, account, ACCOUNT_USER);
		assert_int_equal(ioas_access_new(pinning ? &access_ops : &plain_ops, &spaces[s],
						 &spaces[s].access),
				 0);
		assert_int_equal(ioas_access_replace(spaces[s].access, spaces[s].ioas), 0);
	}
}

static void teardown(void)
{
	uint64_t unmapped;

	for (unsigned s = 0; s < SPACES; s++) {
		for (unsigned d = 0; d < 2; d++)
			if (spaces[s].domains[d])
				ioas_del_domain(spaces[s].ioas, spaces[s].domains[d]);
		ioas_access_free(spaces[s].access);
		assert_int_equal(ioas_user_unmap(spaces[s].ioas, 0, UINT64_MAX, &unmapped), 0);
		ioas_put(spaces[s].ioas);
	}
	assert_int_equal(account_pages(account, ACCOUNT_USER), 0);
	assert_false(pin_any(owner));
	munmap(memory, MEMORY * PAGE);
	account_free(account);
	owner_free(owner);
}

static void agree_with_arrays_of_pages(void **state)
{
	memset(counts, 0, sizeof(counts));
	for (unsigned round = 0; round < 12; round++) {
		rnd = 1000 + round;
		pinning = round % 2;
		setup();
		for (unsigned step = 0; step < 1500; step++) {
			struct space *s = &spaces[random_below(&rnd, SPACES)];
			struct space *t = &spaces[random_below(&rnd, SPACES)];

			switch (random_below(&rnd, 16)) {
			case 0 ... 3:
				try_map(s);
				break;
			case 4 ... 6:
				try_copy(s, t);
				break;
			case 7 ... 8:
				try_unmap(s);
				break;
			case 9 ... 10:
				try_domain(s);
				break;
			case 11 ... 13:
				try_pin(s);
				break;
			default:
				replace_memory();
				break;
			}
			check();
		}
		teardown();
	}
	/* every kind of step came to something */
	for (unsigned i = 0; i < 6; i++)
		assert_true(counts[i] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agree_with_arrays_of_pages),
	};

	return cmocka_run_group_tests_name("user_model", tests, NULL, NULL);
}
