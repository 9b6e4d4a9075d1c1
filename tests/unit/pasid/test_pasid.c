/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PASID sets, rule by rule.
 */
#include <pthread.h>
#include <unistd.h>

#include "pasid/space.h" /* to put a count near its end */

#include "fixture.h"

static void a_set_has_a_type_and_an_owner(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 4);
	struct object object = { .refs = 1 };
	uint32_t pasid = alloc(set, &object);

	assert_ptr_equal(rf_pasid_find(set, pasid, NULL), &object);
	assert_ptr_equal(pasid_find_typed(space, &sva, pasid, NULL), &object);
	assert_null(pasid_find_typed(space, &aux, pasid, NULL));
	assert_int_equal(pasid_check_owner(space, pasid, &alice), 0);
	assert_int_equal(pasid_check_owner(space, pasid, &mallory), -EACCES);
	rf_pasid_set_free(set);
}

static void numbers_are_the_lowest_of_the_range(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 10);
	uint32_t pasid;

	assert_int_equal(alloc(set, NULL), 1);
	assert_int_equal(alloc(set, NULL), 2);
	assert_int_equal(rf_pasid_alloc(set, 100, 101, NULL, &pasid), 0);
	assert_int_equal(pasid, 100);
	assert_int_equal(rf_pasid_alloc(set, 100, 101, NULL, &pasid), 0);
	assert_int_equal(pasid, 101);
	pasid = 7;
	assert_int_equal(rf_pasid_alloc(set, 100, 101, NULL, &pasid), -ENOSPC);
	assert_int_equal(pasid, 7);
	assert_int_equal(rf_pasid_set_used(set), 4);
	assert_int_equal(rf_pasid_free(set, 1), 0);
	assert_int_equal(alloc(set, NULL), 1);
	assert_int_equal(rf_pasid_alloc(set, RF_PASID_MAX, RF_PASID_MAX, NULL, &pasid), 0);
	assert_int_equal(pasid, RF_PASID_MAX);
	rf_pasid_set_free(set);
}

static void find_demands_the_set(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 4), *other = new_set(&sva, &mallory, 4);
	struct object object = { .refs = 1 };
	uint32_t pasid = alloc(set, &object);

	assert_ptr_equal(rf_pasid_find(set, pasid, object_tryget), &object);
	assert_int_equal(atomic_load(&object.refs), 2);
	assert_null(rf_pasid_find(other, pasid, object_tryget));
	assert_null(rf_pasid_find(NULL, pasid, object_tryget));
	assert_null(rf_pasid_find(set, pasid + 1, object_tryget));
	assert_null(rf_pasid_find(set, 0, object_tryget));
	assert_null(rf_pasid_find(set, RF_PASID_MAX + 1, object_tryget));
	assert_null(rf_pasid_find(set, UINT32_MAX, object_tryget));
	assert_int_equal(atomic_load(&object.refs), 2);
	rf_pasid_set_free(set);
	rf_pasid_set_free(other);
}

static void typed_find_gives_no_pointer_of_another_kind(void **state)
{
	struct rf_pasid_set *a = new_set(&sva, &alice, 4), *b = new_set(&sva, &mallory, 4);
	struct rf_pasid_set *c = new_set(&aux, &alice, 4);
	struct object object[3] = { { .refs = 1 }, { .refs = 1 }, { .refs = 1 } };
	struct rf_pasid_set *const sets[] = { a, b, c };
	uint32_t pasids[3];

	for (unsigned i = 0; i < 3; i++)
		pasids[i] = alloc(sets[i], &object[i]);
	assert_ptr_equal(pasid_find_typed(space, &sva, pasids[0], object_tryget), &object[0]);
	assert_ptr_equal(pasid_find_typed(space, &sva, pasids[1], object_tryget), &object[1]);
	assert_null(pasid_find_typed(space, &sva, pasids[2], object_tryget));
	assert_ptr_equal(pasid_find_typed(space, &aux, pasids[2], object_tryget), &object[2]);
	assert_null(pasid_find_typed(space, NULL, pasids[2], object_tryget));
	assert_null(pasid_find_typed(space, &sva, 0, NULL));
	assert_null(pasid_find_typed(space, &sva, UINT32_MAX, NULL));
	assert_int_equal(atomic_load(&object[2].refs), 2);
	for (unsigned i = 0; i < 3; i++)
		rf_pasid_set_free(sets[i]);
	assert_null(pasid_find_typed(space, &sva, pasids[0], object_tryget));
}

static int sync_in_getter;

static bool getter_that_syncs(void *data)
{
	sync_in_getter = rf_pasid_sync();
	return true;
}

static void the_getter_runs_inside_and_may_refuse(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 4);
	struct object object = { .refs = 0 }; /* being torn down */
	uint32_t pasid = alloc(set, &object);

	assert_null(rf_pasid_find(set, pasid, object_tryget));
	assert_null(pasid_find_typed(space, &sva, pasid, object_tryget));
	assert_int_equal(atomic_load(&object.refs), 0);
	assert_ptr_equal(rf_pasid_find(set, pasid, getter_that_syncs), &object);
	assert_int_equal(sync_in_getter, -EDEADLK);
	assert_int_equal(rf_pasid_sync(), 0);
	/* no pointer, nothing to get */
	assert_int_equal(rf_pasid_set_data(set, pasid, NULL, NULL), 0);
	assert_null(rf_pasid_find(set, pasid, object_tryget));
	rf_pasid_set_free(set);
}

static void freed_while_referenced_stays_reserved(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 2);
	struct object object = { .refs = 1 };
	uint32_t pasid = alloc(set, &object), other;

	assert_int_equal(rf_pasid_get(set, pasid), 0);
	assert_int_equal(rf_pasid_get(set, pasid), 0);
	assert_int_equal(rf_pasid_free(set, pasid), 0);
	assert_null(rf_pasid_find(set, pasid, object_tryget));
	assert_null(pasid_find_typed(space, &sva, pasid, object_tryget));
	assert_int_equal(pasid_check_owner(space, pasid, &alice), -ENOENT);
	assert_int_equal(rf_pasid_free(set, pasid), -ENOENT);
	assert_int_equal(rf_pasid_get(set, pasid), -ENOENT);
	assert_int_equal(rf_pasid_set_data(set, pasid, NULL, NULL), -ENOENT);
	assert_int_equal(rf_pasid_set_used(set), 2 - 1);
	assert_int_equal(rf_pasid_alloc(set, pasid, pasid, NULL, &other), -ENOSPC);

	assert_int_equal(rf_pasid_put(set, pasid), 0);
	assert_int_equal(rf_pasid_alloc(set, pasid, pasid, NULL, &other), -ENOSPC);
	assert_int_equal(rf_pasid_put(set, pasid), 0);
	assert_int_equal(rf_pasid_put(set, pasid), -ENOENT);
	assert_int_equal(rf_pasid_set_used(set), 0);
	assert_int_equal(rf_pasid_alloc(set, pasid, pasid, NULL, &other), 0);
	rf_pasid_set_free(set);
}

static void quotas_hold_and_are_promises(void **state)
{
	struct rf_pasid_set *guest = new_set(&sva, &mallory, 3), *other;
	uint32_t pasids[3], pasid;

	for (unsigned i = 0; i < 3; i++)
		pasids[i] = alloc(guest, NULL);
	assert_int_equal(rf_pasid_alloc(guest, 1, RF_PASID_MAX, NULL, &pasid), -EDQUOT);
	/* what is freed but referenced counts, or a guest could hold the whole space */
	assert_int_equal(rf_pasid_get(guest, pasids[0]), 0);
	assert_int_equal(rf_pasid_free(guest, pasids[0]), 0);
	assert_int_equal(rf_pasid_alloc(guest, 1, RF_PASID_MAX, NULL, &pasid), -EDQUOT);
	assert_int_equal(rf_pasid_put(guest, pasids[0]), 0);
	assert_int_equal(rf_pasid_alloc(guest, 1, RF_PASID_MAX, NULL, &pasid), 0);

	assert_int_equal(pasid_set_new(space, &sva, &alice, RF_PASID_MAX - 2, &other), -ENOSPC);
	other = new_set(&sva, &alice, RF_PASID_MAX - 3);
	for (uint32_t i = 0; i < RF_PASID_MAX - 3; i++)
		alloc(other, NULL);
	assert_int_equal(rf_pasid_alloc(other, 1, RF_PASID_MAX, NULL, &pasid), -EDQUOT);
	assert_int_equal(rf_pasid_set_quota(other, RF_PASID_MAX - 2), -ENOSPC);
	assert_int_equal(rf_pasid_set_quota(guest, 2), -EBUSY);
	assert_int_equal(rf_pasid_free(guest, pasids[1]), 0);
	assert_int_equal(rf_pasid_set_quota(guest, 2), 0);
	assert_int_equal(rf_pasid_set_quota(other, RF_PASID_MAX - 2), 0);
	alloc(other, NULL);
	rf_pasid_set_free(other);
	assert_int_equal(rf_pasid_set_quota(guest, RF_PASID_MAX), 0);
	rf_pasid_set_free(guest);
}

/* Owner Mallory does whatever she can to numbers that are Alice's. */
static void a_hostile_owner_changes_nothing(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 4), *hers = new_set(&sva, &mallory, 4);
	struct object object = { .refs = 1 };
	uint32_t pasid = alloc(set, &object), freed = alloc(set, &object), got;

	assert_int_equal(rf_pasid_get(set, freed), 0);
	assert_int_equal(rf_pasid_free(set, freed), 0);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t id = i ? freed : pasid;

		assert_null(rf_pasid_find(hers, id, object_tryget));
		assert_int_equal(rf_pasid_free(hers, id), -EACCES);
		assert_int_equal(rf_pasid_get(hers, id), -EACCES);
		assert_int_equal(rf_pasid_put(hers, id), -EACCES);
		assert_int_equal(rf_pasid_set_data(hers, id, NULL, NULL), -EACCES);
		assert_int_equal(rf_pasid_alloc(hers, id, id, NULL, &got), -ENOSPC);
	}
	assert_int_equal(pasid_check_owner(space, pasid, &mallory), -EACCES);
	for (uint64_t id = 0; id <= UINT32_MAX; id += id < 4096 ? 1 : 99991) {
		if (id == pasid || id == freed)
			continue;
		assert_true(rf_pasid_free(hers, (uint32_t)id) < 0);
		assert_true(rf_pasid_get(hers, (uint32_t)id) < 0);
		assert_true(rf_pasid_put(hers, (uint32_t)id) < 0);
		assert_true(rf_pasid_set_data(hers, (uint32_t)id, &object, NULL) < 0);
		assert_null(rf_pasid_find(hers, (uint32_t)id, NULL));
	}
	assert_ptr_equal(rf_pasid_find(set, pasid, object_tryget), &object);
	assert_int_equal(rf_pasid_set_used(set), 2);
	assert_int_equal(rf_pasid_set_used(hers), 0);
	rf_pasid_set_free(hers);
	assert_int_equal(rf_pasid_put(set, freed), 0);
	assert_ptr_equal(rf_pasid_find(set, pasid, NULL), &object);
	rf_pasid_set_free(set);
}

/* A device's hold is none that an owner could put. */
static void put_takes_only_what_get_gave(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 2);
	uint32_t pasid = alloc(set, NULL), other;

	assert_int_equal(rf_pasid_put(set, pasid), -EINVAL);
	assert_int_equal(pasid_pin(set, pasid), 0);
	assert_int_equal(rf_pasid_get(set, pasid), 0);
	assert_int_equal(rf_pasid_put(set, pasid), 0);
	assert_int_equal(rf_pasid_put(set, pasid), -EINVAL);
	assert_int_equal(rf_pasid_free(set, pasid), 0);
	assert_int_equal(rf_pasid_put(set, pasid), -EINVAL);
	assert_int_equal(rf_pasid_alloc(set, pasid, pasid, NULL, &other), -ENOSPC);
	pasid_unpin(set, pasid);
	assert_int_equal(rf_pasid_alloc(set, pasid, pasid, NULL, &other), 0);
	rf_pasid_set_free(set);
}

static void references_do_not_overflow(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 2);
	uint32_t pasid = alloc(set, NULL);

	set->entries[pasid].refs = UINT32_MAX - 1;
	assert_int_equal(rf_pasid_get(set, pasid), 0);
	assert_int_equal(rf_pasid_get(set, pasid), -EOVERFLOW);
	assert_int_equal(rf_pasid_put(set, pasid), 0);
	assert_int_equal(rf_pasid_get(set, pasid), 0);
	set->entries[pasid].refs = 1;
	assert_int_equal(rf_pasid_free(set, pasid), 0);
	assert_int_equal(rf_pasid_put(set, pasid), 0);
	assert_int_equal(rf_pasid_set_used(set), 0);
	rf_pasid_set_free(set);
}

static void bad_arguments_change_nothing(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 4), *none = (void *)1;
	uint32_t pasid = 77;

	assert_int_equal(pasid_set_new(space, NULL, &alice, 4, &none), -EINVAL);
	assert_int_equal(pasid_set_new(space, &sva, NULL, 4, &none), -EINVAL);
	assert_int_equal(pasid_set_new(space, &sva, &alice, 0, &none), -EINVAL);
	assert_int_equal(pasid_set_new(space, &sva, &alice, RF_PASID_MAX + 1, &none), -EINVAL);
	assert_int_equal(pasid_set_new(space, &sva, &alice, 4, NULL), -EINVAL);
	assert_ptr_equal(none, (void *)1);
	assert_int_equal(rf_pasid_set_quota(set, 0), -EINVAL);
	assert_int_equal(rf_pasid_set_quota(set, RF_PASID_MAX + 1), -EINVAL);
	assert_int_equal(rf_pasid_set_quota(NULL, 1), -EINVAL);
	assert_int_equal(rf_pasid_alloc(NULL, 1, 2, NULL, &pasid), -EINVAL);
	assert_int_equal(rf_pasid_alloc(set, 0, 2, NULL, &pasid), -EINVAL);
	assert_int_equal(rf_pasid_alloc(set, 3, 2, NULL, &pasid), -EINVAL);
	assert_int_equal(rf_pasid_alloc(set, 1, RF_PASID_MAX + 1, NULL, &pasid), -EINVAL);
	assert_int_equal(rf_pasid_alloc(set, 1, 2, NULL, NULL), -EINVAL);
	assert_int_equal(pasid, 77);
	assert_int_equal(rf_pasid_free(NULL, 1), -EINVAL);
	assert_int_equal(rf_pasid_free(set, 0), -EINVAL);
	assert_int_equal(rf_pasid_free(set, RF_PASID_MAX + 1), -EINVAL);
	assert_int_equal(rf_pasid_free(set, 5), -ENOENT);
	assert_int_equal(rf_pasid_get(NULL, 1), -EINVAL);
	assert_int_equal(rf_pasid_get(set, 0), -EINVAL);
	assert_int_equal(rf_pasid_get(set, 5), -ENOENT);
	assert_int_equal(rf_pasid_put(NULL, 1), -EINVAL);
	assert_int_equal(rf_pasid_put(set, UINT32_MAX), -EINVAL);
	assert_int_equal(rf_pasid_put(set, 5), -ENOENT);
	assert_int_equal(rf_pasid_set_data(NULL, 1, NULL, NULL), -EINVAL);
	assert_int_equal(rf_pasid_set_data(set, 0, NULL, NULL), -EINVAL);
	assert_int_equal(rf_pasid_set_data(set, 5, NULL, (void **)&none), -ENOENT);
	assert_ptr_equal(none, (void *)1);
	assert_int_equal(rf_pasid_for_each(NULL, NULL, NULL), -EINVAL);
	assert_int_equal(rf_pasid_for_each(set, NULL, NULL), -EINVAL);
	assert_int_equal(pasid_check_owner(space, 5, NULL), -EINVAL);
	assert_int_equal(pasid_check_owner(space, 0, &alice), -EINVAL);
	assert_int_equal(pasid_check_owner(space, RF_PASID_MAX + 1, &alice), -EINVAL);
	assert_int_equal(pasid_check_owner(space, 5, &alice), -ENOENT);
	assert_int_equal(rf_pasid_set_used(set), 0);
	assert_int_equal(rf_pasid_set_used(NULL), 0);
	assert_int_equal(alloc(set, NULL), 1);
	rf_pasid_set_free(set);
	rf_pasid_set_free(NULL);
}

static void a_space_without_sets_finds_nothing(void **state)
{
	assert_null(pasid_find_typed(space, &sva, 1, NULL));
	assert_int_equal(pasid_check_owner(space, 1, &alice), -ENOENT);
}

static void data_is_replaced_and_handed_back(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 4);
	struct object one = { .refs = 1 }, two = { .refs = 1 };
	uint32_t pasid = alloc(set, &one);
	void *old;

	assert_int_equal(rf_pasid_set_data(set, pasid, &two, &old), 0);
	assert_ptr_equal(old, &one);
	assert_ptr_equal(rf_pasid_find(set, pasid, NULL), &two);
	assert_int_equal(rf_pasid_set_data(set, pasid, NULL, &old), 0);
	assert_ptr_equal(old, &two);
	assert_null(rf_pasid_find(set, pasid, NULL));
	assert_int_equal(rf_pasid_set_data(set, pasid, &one, NULL), 0);
	assert_ptr_equal(rf_pasid_find(set, pasid, NULL), &one);
	rf_pasid_set_free(set);
}

static void a_freed_set_leaves_what_is_referenced(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, RF_PASID_MAX - 5), *other;
	uint32_t pasids[3], got;

	for (unsigned i = 0; i < 3; i++)
		pasids[i] = alloc(set, NULL);
	assert_int_equal(pasid_pin(set, pasids[1]), 0);
	rf_pasid_set_free(set);
	assert_int_equal(pasid_check_owner(space, pasids[1], &alice), -ENOENT);
	assert_int_equal(pasid_set_new(space, &sva, &alice, 6, &other), -ENOSPC);
	other = new_set(&sva, &mallory, 5);
	assert_int_equal(rf_pasid_alloc(other, pasids[0], pasids[0], NULL, &got), 0);
	assert_int_equal(rf_pasid_alloc(other, pasids[1], pasids[1], NULL, &got), -ENOSPC);
	assert_int_equal(rf_pasid_free(other, pasids[1]), -EACCES);
	pasid_unpin(set, pasids[1]); /* and the set is no more */
	assert_int_equal(rf_pasid_alloc(other, pasids[1], pasids[1], NULL, &got), 0);
	assert_int_equal(rf_pasid_set_quota(other, RF_PASID_MAX), 0);
	rf_pasid_set_free(other);
}

/* What finds look at to know a set by its number. */
static struct rf_pasid_set *set_at(uint64_t index)
{
	return atomic_load(&space_tables(space)->sets[index]);
}

static bool getter_that_frees_a_set(void *data)
{
	struct rf_pasid_set *victim = *(struct rf_pasid_set **)data;
	uint64_t index = victim->index;

	rf_pasid_set_free(victim);
	assert_ptr_equal(set_at(index), victim); /* others may be looking at it */
	return true;
}

static void a_getter_may_free_a_set(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 4), *victim = new_set(&aux, &alice, 4);
	uint32_t pasid = alloc(set, &victim);
	uint64_t index = victim->index;

	alloc(victim, NULL);
	assert_ptr_equal(rf_pasid_find(set, pasid, getter_that_frees_a_set), &victim);
	assert_int_equal(alloc(set, NULL), 2); /* its number is free; its memory goes now */
	assert_null(set_at(index));
	rf_pasid_set_free(set);
}

/* A find that is inside may be looking at a set that another thread frees. */
static struct rf_pasid_set *going;
static atomic_bool gone;

static void *free_going(void *arg)
{
	rf_pasid_set_free(going);
	atomic_store(&gone, true);
	return NULL;
}

static bool getter_that_dawdles(void *data)
{
	assert_int_equal(pthread_create(data, NULL, free_going, NULL), 0);
	for (unsigned i = 0; i < 20 && !atomic_load(&gone); i++)
		usleep(1000);
	assert_false(atomic_load(&gone));
	return true;
}

static void a_set_outlives_the_finds_that_look_at_it(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 4);
	pthread_t thread;
	uint32_t pasid = alloc(set, &thread);

	going = new_set(&aux, &alice, 4);
	assert_ptr_equal(rf_pasid_find(set, pasid, getter_that_dawdles), &thread);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&gone));
	rf_pasid_set_free(set);
}

/* A find that was held up between two looks must not take the second life for the first. */
static void each_life_of_a_number_has_a_tag_of_its_own(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 4);
	struct object first, second;
	uint32_t pasid = alloc(set, &first);
	uint64_t tag = atomic_load(&set->entries[pasid].tag);

	assert_int_equal(rf_pasid_free(set, pasid), 0);
	assert_int_equal(alloc(set, &second), pasid);
	assert_int_not_equal(atomic_load(&set->entries[pasid].tag), tag);
	/* and the generation never becomes part of whose it is */
	atomic_store(&set->entries[pasid].tag, tag | ((1ull << TAG_INDEX_SHIFT) - 1 - TAG_FREED));
	assert_ptr_equal(rf_pasid_find(set, pasid, NULL), &second);
	assert_int_equal(rf_pasid_free(set, pasid), 0);
	assert_int_equal(alloc(set, &second), pasid);
	assert_ptr_equal(rf_pasid_find(set, pasid, NULL), &second);
	rf_pasid_set_free(set);
}

#define VISITED 8
struct visit {
	struct rf_pasid_set *set;
	uint32_t seen[VISITED];
	unsigned nr;
	uint32_t stop_at;
};

static int visit(void *arg, uint32_t pasid)
{
	struct visit *v = arg;

	assert_true(v->nr < VISITED);
	v->seen[v->nr++] = pasid;
	return pasid == v->stop_at ? 42 : 0;
}

static int visit_and_change(void *arg, uint32_t pasid)
{
	struct visit *v = arg;

	visit(arg, pasid);
	assert_int_equal(rf_pasid_free(v->set, pasid), 0);
	if (v->nr == 1) { /* the next goes, and one comes */
		assert_int_equal(rf_pasid_free(v->set, 2), 0);
		assert_int_equal(alloc(v->set, NULL), 2);
	}
	return 0;
}

static int visit_and_free_set(void *arg, uint32_t pasid)
{
	struct visit *v = arg;
	uint32_t got;

	visit(arg, pasid);
	rf_pasid_set_free(v->set);
	assert_int_equal(rf_pasid_alloc(v->set, 1, 9, NULL, &got), -EINVAL);
	return 0;
}

static void iteration_is_in_order_and_stands_changes(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, VISITED), *other;
	struct visit all = { .set = set }, some = { .set = set, .stop_at = 2 };
	struct visit changing = { .set = set }, last = { .set = set };

	assert_int_equal(rf_pasid_for_each(set, visit, &all), 0);
	assert_int_equal(all.nr, 0);
	other = new_set(&sva, &mallory, 1);
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(alloc(set, NULL), i);
	assert_int_equal(alloc(other, NULL), 4);
	assert_int_equal(alloc(set, NULL), 5);
	assert_int_equal(rf_pasid_get(set, 3), 0);
	assert_int_equal(rf_pasid_free(set, 3), 0); /* reserved, but not there */
	assert_int_equal(rf_pasid_for_each(set, visit, &all), 0);
	assert_int_equal(all.nr, 3);
	assert_memory_equal(all.seen, ((uint32_t[]){ 1, 2, 5 }), 12);
	assert_int_equal(rf_pasid_for_each(set, visit, &some), 42);
	assert_int_equal(some.nr, 2);

	assert_int_equal(rf_pasid_for_each(set, visit_and_change, &changing), 0);
	assert_int_equal(changing.nr, 3);
	assert_memory_equal(changing.seen, ((uint32_t[]){ 1, 5, 2 }), 12);
	assert_int_equal(rf_pasid_set_used(set), 1); /* number 3 */
	assert_int_equal(rf_pasid_put(set, 3), 0);

	alloc(set, NULL);
	alloc(set, NULL);
	assert_int_equal(rf_pasid_for_each(set, visit_and_free_set, &last), 0);
	assert_int_equal(last.nr, 1);
	assert_int_equal(rf_pasid_set_quota(other, RF_PASID_MAX), 0); /* nothing is left of it */
	rf_pasid_set_free(other);
}

static void every_set_has_a_place(void **state)
{
	static struct rf_pasid_set *sets[65535];
	struct rf_pasid_set *more;
	struct object object = { .refs = 1 };
	uint32_t pasid;

	for (unsigned i = 0; i < 65535; i++)
		sets[i] = new_set(&sva, &alice, 1);
	assert_int_equal(pasid_set_new(space, &sva, &alice, 1, &more), -ENOSPC);
	pasid = alloc(sets[65534], &object);
	assert_ptr_equal(pasid_find_typed(space, &sva, pasid, NULL), &object);
	rf_pasid_set_free(sets[30000]);
	sets[30000] = new_set(&aux, &alice, 1);
	for (unsigned i = 0; i < 65535; i++)
		rf_pasid_set_free(sets[i]);
}

/* An allocator of a guest: gives what the host said, or lies. */
struct host {
	struct rf_pasid_set *set;
	uint32_t next;
	int ret;
	unsigned given;
	unsigned returned;
	uint32_t last_returned;
};

static const struct rf_pasid_allocator host_ops;

static int host_alloc(void *data, uint32_t min, uint32_t max, uint32_t *pasid)
{
	struct host *host = data;

	assert_int_equal(pasid_check_owner(space, 1, &mallory), -ENOENT); /* no lock is held */
	if (host->ret)
		return host->ret;
	*pasid = host->next;
	host->given++;
	return 0;
}

static void host_free(void *data, uint32_t pasid)
{
	struct host *host = data;

	host->returned++;
	host->last_returned = pasid;
	/* not while it runs, though nothing is allocated any more */
	assert_int_equal(pasid_allocator_unregister(space, &host_ops), -EAGAIN);
	if (host->set)
		assert_true(rf_pasid_set_used(host->set) < 100); /* it may call us */
}

static const struct rf_pasid_allocator host_ops = { "host", host_alloc, host_free };

static void a_registered_allocator_gives_the_numbers(void **state)
{
	struct rf_pasid_allocator other = host_ops, broken = { "broken", host_alloc, NULL };
	struct rf_pasid_set *set = new_set(&sva, &alice, 2);
	struct host host = { .next = 500, .set = set };
	uint32_t pasid = alloc(set, NULL);

	assert_int_equal(pasid_allocator_register(space, &host_ops, &host), -EAGAIN);
	assert_int_equal(rf_pasid_free(set, pasid), 0);
	assert_int_equal(pasid_allocator_register(space, NULL, NULL), -EINVAL);
	assert_int_equal(pasid_allocator_register(space, &broken, NULL), -EINVAL);
	assert_int_equal(pasid_allocator_register(space, &host_ops, &host), 0);
	assert_int_equal(pasid_allocator_register(space, &other, NULL), -EEXIST);
	assert_int_equal(pasid_allocator_unregister(space, &other), -ENOENT);
	assert_int_equal(pasid_allocator_unregister(space, NULL), -EINVAL);

	assert_int_equal(alloc(set, &host), 500);
	assert_ptr_equal(rf_pasid_find(set, 500, NULL), &host);
	assert_int_equal(pasid_allocator_unregister(space, &host_ops), -EAGAIN);
	assert_int_equal(rf_pasid_get(set, 500), 0);
	assert_int_equal(rf_pasid_free(set, 500), 0);
	assert_int_equal(host.returned, 0); /* reserved until the last reference goes */
	assert_int_equal(rf_pasid_put(set, 500), 0);
	assert_int_equal(host.returned, 1);
	assert_int_equal(host.last_returned, 500);

	/* two at once is the quota: the allocator is not even asked */
	host.next = 7;
	alloc(set, NULL);
	host.next = 8;
	alloc(set, NULL);
	assert_int_equal(rf_pasid_alloc(set, 1, 9, NULL, &pasid), -EDQUOT);
	assert_int_equal(host.given, 3);
	host.set = NULL; /* it will be gone */
	rf_pasid_set_free(set);
	assert_int_equal(host.returned, 3);
	assert_int_equal(pasid_allocator_unregister(space, &host_ops), 0);
	assert_int_equal(pasid_allocator_unregister(space, &host_ops), -ENOENT);
}

static void an_allocator_that_lies_is_not_believed(void **state)
{
	struct rf_pasid_set *set = new_set(&sva, &alice, 9);
	struct host host = { .next = 20 };
	uint32_t pasid = 77;

	assert_int_equal(pasid_allocator_register(space, &host_ops, &host), 0);
	assert_int_equal(rf_pasid_alloc(set, 1, 19, NULL, &pasid), -EIO);
	assert_int_equal(host.last_returned, 20); /* not asked for, but ours to return */
	assert_int_equal(alloc(set, &host), 20);
	assert_int_equal(rf_pasid_alloc(set, 1, 99, NULL, &pasid), -EIO); /* given twice */
	assert_int_equal(host.returned, 1);
	assert_ptr_equal(rf_pasid_find(set, 20, NULL), &host);
	host.next = 0;
	assert_int_equal(rf_pasid_alloc(set, 1, 99, NULL, &pasid), -EIO);
	host.next = RF_PASID_MAX + 1;
	assert_int_equal(rf_pasid_alloc(set, 1, 99, NULL, &pasid), -EIO);
	host.ret = 5;
	assert_int_equal(rf_pasid_alloc(set, 1, 99, NULL, &pasid), -EIO);
	host.ret = -EBUSY;
	assert_int_equal(rf_pasid_alloc(set, 1, 99, NULL, &pasid), -EBUSY);
	assert_int_equal(pasid, 77);
	assert_int_equal(rf_pasid_set_used(set), 1);
	rf_pasid_set_free(set);
	assert_int_equal(pasid_allocator_unregister(space, &host_ops), 0);
}

static void a_failed_allocation_changes_nothing(void **state)
{
	struct rf_pasid_set *set = (void *)1;

	for (long nth = 1;; nth++) {
		int ret;

		alloc_fail_nth(nth);
		ret = pasid_set_new(space, &sva, &alice, RF_PASID_MAX, &set);
		if (!alloc_has_failed()) {
			assert_int_equal(nth, 3); /* the set, and the tables */
			assert_int_equal(ret, 0);
			break;
		}
		assert_int_equal(ret, -ENOMEM);
		assert_ptr_equal(set, (void *)1);
	}
	alloc_fail_nth(0);
	rf_pasid_set_free(set);
	alloc_fail_nth(1);
	pasid_space_free(space);
	assert_int_equal(pasid_space_new(&space), -ENOMEM);
	assert_int_equal(pasid_space_new(&space), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_set_has_a_type_and_an_owner),
		TEST(numbers_are_the_lowest_of_the_range),
		TEST(find_demands_the_set),
		TEST(typed_find_gives_no_pointer_of_another_kind),
		TEST(the_getter_runs_inside_and_may_refuse),
		TEST(freed_while_referenced_stays_reserved),
		TEST(quotas_hold_and_are_promises),
		TEST(a_hostile_owner_changes_nothing),
		TEST(put_takes_only_what_get_gave),
		TEST(references_do_not_overflow),
		TEST(bad_arguments_change_nothing),
		TEST(a_space_without_sets_finds_nothing),
		TEST(data_is_replaced_and_handed_back),
		TEST(a_freed_set_leaves_what_is_referenced),
		TEST(a_getter_may_free_a_set),
		TEST(a_set_outlives_the_finds_that_look_at_it),
		TEST(each_life_of_a_number_has_a_tag_of_its_own),
		TEST(iteration_is_in_order_and_stands_changes),
		TEST(every_set_has_a_place),
		TEST(a_registered_allocator_gives_the_numbers),
		TEST(an_allocator_that_lies_is_not_believed),
		TEST(a_failed_allocation_changes_nothing),
	};

	return cmocka_run_group_tests_name("pasid", tests, NULL, NULL);
}
