/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any order of operations on a few sets, with allocations that fail, against a plain
 * array: after each step every PASID is found where the model has it, and nowhere else.
 */
#include "../random.h"
#include "fixture.h"

#define SETS   4u
#define PASIDS 70u /* more than a word of bits */
#define STEPS  60000u

struct model_pasid {
	int set; /* -1: free */
	bool freed;
	unsigned refs, pins;
	struct object *data;
};

struct model_set {
	struct rf_pasid_set *set; /* NULL: there is none */
	unsigned quota;
};

static struct model_pasid pasids[PASIDS + 1];
static struct model_set sets[SETS];
static struct object objects[PASIDS];
static unsigned promised; /* also to sets that linger */
static uint64_t rnd;

/* Of sets that were freed: model number SETS and up, one each. */
#define GHOSTS 64u
static struct {
	struct rf_pasid_set *set;
	unsigned used, quota;
} ghosts[GHOSTS];

static unsigned used(int set)
{
	unsigned n = 0;

	for (unsigned p = 1; p <= PASIDS; p++)
		n += pasids[p].set == set;
	return n;
}

static const struct rf_pasid_type *type_of(unsigned set)
{
	return set & 1 ? &aux : &sva;
}

static const void *owner_of(unsigned set)
{
	return set & 2 ? &mallory : &alice;
}

static int model_check(unsigned set, unsigned p, bool freed)
{
	if (!p)
		return -EINVAL;
	if (pasids[p].set < 0)
		return -ENOENT;
	if (pasids[p].set != (int)set)
		return -EACCES;
	return pasids[p].freed && !freed ? -ENOENT : 0;
}

static void model_settle(unsigned p)
{
	struct model_pasid *m = &pasids[p];

	if (!m->freed || m->refs || m->pins)
		return;
	if (m->set >= (int)SETS && !--ghosts[m->set - (int)SETS].used) {
		promised -= ghosts[m->set - (int)SETS].quota;
		ghosts[m->set - (int)SETS].set = NULL;
	}
	*m = (struct model_pasid){ .set = -1 };
}

static void step_new(unsigned s)
{
	unsigned quota = 1 + (unsigned)random_below(&rnd, PASIDS);
	struct rf_pasid_set *set = NULL;
	int ret;

	if (sets[s].set)
		return;
	/* most of the space is promised away, see below */
	ret = pasid_set_new(space, type_of(s), owner_of(s), quota, &set);
	if (promised + quota > RF_PASID_MAX && ret != -ENOMEM) {
		assert_int_equal(ret, -ENOSPC);
	} else if (alloc_has_failed()) {
		assert_int_equal(ret, -ENOMEM);
	} else {
		assert_int_equal(ret, 0);
		promised += quota;
		sets[s].set = set;
		sets[s].quota = quota;
	}
}

static void step_set_free(unsigned s)
{
	unsigned g = 0;

	if (!sets[s].set || random_below(&rnd, 8))
		return;
	while (g < GHOSTS && ghosts[g].set)
		g++;
	if (g == GHOSTS)
		return;
	ghosts[g].set = sets[s].set;
	ghosts[g].quota = sets[s].quota;
	ghosts[g].used = used((int)s) + 1;
	rf_pasid_set_free(sets[s].set);
	sets[s].set = NULL;
	for (unsigned p = 1; p <= PASIDS; p++) {
		if (pasids[p].set != (int)s)
			continue;
		pasids[p].set = (int)(SETS + g);
		pasids[p].freed = true;
		model_settle(p);
	}
	if (!--ghosts[g].used) {
		promised -= ghosts[g].quota;
		ghosts[g].set = NULL;
	}
}

static void step_alloc(unsigned s)
{
	unsigned min = (unsigned)random_below(&rnd, PASIDS + 1);
	unsigned max = (unsigned)random_below(&rnd, PASIDS + 1);
	struct object *data = random_below(&rnd, 4) ? &objects[random_below(&rnd, PASIDS)] : NULL;
	uint32_t got = 0;
	unsigned p = min;
	int ret = rf_pasid_alloc(sets[s].set, min, max, data, &got);

	while (p <= max && pasids[p].set >= 0)
		p++;
	if (!min || min > max) {
		assert_int_equal(ret, -EINVAL);
	} else if (used((int)s) == sets[s].quota) {
		assert_int_equal(ret, -EDQUOT);
	} else if (p > max) {
		assert_int_equal(ret, -ENOSPC);
	} else {
		assert_int_equal(ret, 0);
		assert_int_equal(got, p);
		pasids[p] = (struct model_pasid){ .set = (int)s, .data = data };
	}
	if (ret)
		assert_int_equal(got, 0);
}

static void step_reference(unsigned s, unsigned p)
{
	int ret = model_check(s, p, false);

	switch (random_below(&rnd, 4)) {
	case 0:
		assert_int_equal(rf_pasid_get(sets[s].set, p), ret);
		if (!ret)
			pasids[p].refs++;
		break;
	case 1:
		ret = model_check(s, p, true);
		if (!ret && !pasids[p].refs)
			ret = -EINVAL;
		assert_int_equal(rf_pasid_put(sets[s].set, p), ret);
		if (!ret) {
			pasids[p].refs--;
			model_settle(p);
		}
		break;
	case 2:
		if (p)
			assert_int_equal(pasid_pin(sets[s].set, p), ret);
		if (!ret)
			pasids[p].pins++;
		break;
	default:
		if (pasids[p].pins && pasids[p].set >= 0) {
			int of = pasids[p].set;

			pasid_unpin(of < (int)SETS ? sets[of].set : ghosts[of - (int)SETS].set, p);
			pasids[p].pins--;
			model_settle(p);
		}
	}
	/* what an owner left referenced stays until it puts it, though its set is gone */
	if (pasids[p].set >= (int)SETS && pasids[p].refs) {
		assert_int_equal(rf_pasid_put(ghosts[pasids[p].set - (int)SETS].set, p), 0);
		pasids[p].refs--;
		model_settle(p);
	}
}

static void step_change(unsigned s, unsigned p)
{
	struct object *data = &objects[random_below(&rnd, PASIDS)];
	unsigned quota = (unsigned)random_below(&rnd, PASIDS);
	void *old = NULL;
	int ret = model_check(s, p, false);

	switch (random_below(&rnd, 3)) {
	case 0:
		assert_int_equal(rf_pasid_set_data(sets[s].set, p, data, &old), ret);
		if (!ret) {
			assert_ptr_equal(old, pasids[p].data);
			pasids[p].data = data;
		}
		break;
	case 1:
		assert_int_equal(rf_pasid_free(sets[s].set, p), ret);
		if (!ret) {
			pasids[p].freed = true;
			model_settle(p);
		}
		break;
	default:
		if (!quota)
			ret = -EINVAL;
		else if (quota < used((int)s))
			ret = -EBUSY;
		else if (promised - sets[s].quota + quota > RF_PASID_MAX)
			ret = -ENOSPC;
		else
			ret = 0;
		assert_int_equal(rf_pasid_set_quota(sets[s].set, quota), ret);
		if (!ret) {
			promised = promised - sets[s].quota + quota;
			sets[s].quota = quota;
		}
	}
}

static int count(void *arg, uint32_t pasid)
{
	assert_true(pasid <= PASIDS);
	((unsigned *)arg)[pasid]++;
	return 0;
}

static void compare_set(unsigned s)
{
	unsigned seen[PASIDS + 1] = { 0 };

	assert_int_equal(rf_pasid_set_used(sets[s].set), used((int)s));
	assert_int_equal(rf_pasid_for_each(sets[s].set, count, seen), 0);
	for (unsigned p = 1; p <= PASIDS; p++) {
		bool there = pasids[p].set == (int)s && !pasids[p].freed;

		assert_int_equal(seen[p], there);
		assert_ptr_equal(rf_pasid_find(sets[s].set, p, NULL),
				 there ? pasids[p].data : NULL);
	}
}

static void compare(void)
{
	for (unsigned s = 0; s < SETS; s++)
		if (sets[s].set)
			compare_set(s);
	for (unsigned p = 1; p <= PASIDS; p++) {
		const struct model_pasid *m = &pasids[p];
		bool there = m->set >= 0 && !m->freed;

		assert_ptr_equal(pasid_find_typed(space, &sva, p, NULL),
				 there && !(m->set & 1) ? m->data : NULL);
		assert_ptr_equal(pasid_find_typed(space, &aux, p, NULL),
				 there && m->set & 1 ? m->data : NULL);
		assert_int_equal(pasid_check_owner(space, p, &mallory), !there	   ? -ENOENT :
									m->set & 2 ? 0 :
										     -EACCES);
	}
}

static void any_order_agrees_with_a_plain_array(void **state)
{
	struct rf_pasid_set *rest;

	for (unsigned p = 0; p <= PASIDS; p++)
		pasids[p].set = -1;
	/* leave room for about two sets */
	rest = new_set(&aux, &alice, RF_PASID_MAX - 2 * PASIDS);
	promised = RF_PASID_MAX - 2 * PASIDS;
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned s = (unsigned)random_below(&rnd, SETS);
		unsigned p = (unsigned)random_below(&rnd, PASIDS + 1);

		alloc_fail_nth((long)random_below(&rnd, 3));
		switch (sets[s].set ? random_below(&rnd, 8) : 0) {
		case 0:
			step_new(s);
			step_set_free(s);
			break;
		case 1 ... 3:
			step_alloc(s);
			break;
		case 4 ... 5:
			step_reference(s, p);
			break;
		default:
			step_change(s, p);
		}
		alloc_fail_nth(0);
		if (step % 16 == 0)
			compare();
	}
	for (unsigned s = 0; s < SETS; s++)
		rf_pasid_set_free(sets[s].set);
	rf_pasid_set_free(rest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_order_agrees_with_a_plain_array, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
