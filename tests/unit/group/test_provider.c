/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

static const char *const foo_bus[] = { "foo", NULL };
static const char *const foo_and_bar[] = { "foo", "bar", NULL };

/* What a provider of these tests does, and what it has seen. */
struct plan {
	const char *claims; /* names that begin so */
	int answer; /* for the others */
	bool one_each; /* a group each, not one for all */
	bool leave; /* unregister after the next */
	struct rf_group *group;
	char seen[256];
};

static int plan_added(struct rf_provider *p, struct rf_device *dev)
{
	struct plan *plan = rf_provider_data(p);
	struct rf_group *group;
	int ret;

	strcat(strcat(plan->seen, dev->name), " ");
	if (plan->leave)
		rf_provider_unregister(p);
	if (!plan->claims || strncmp(dev->name, plan->claims, strlen(plan->claims)) != 0)
		return plan->answer;
	if (!plan->one_each && plan->group)
		return rf_group_add_device(plan->group, dev);
	ret = rf_group_new(p, plan->claims, &group);
	if (ret)
		return ret;
	ret = rf_group_add_device(group, dev);
	if (!ret)
		plan->group = group;
	return ret;
}

static void plan_removed(struct rf_provider *p, struct rf_device *dev)
{
	struct plan *plan = rf_provider_data(p);

	assert_non_null(dev->group);
	strcat(strcat(strcat(plan->seen, "-"), dev->name), " ");
}

static struct rf_provider *provide(struct plan *plan, const char *const *buses)
{
	const struct rf_provider_ops ops = {
		.name = "test", .buses = buses, .added = plan_added, .removed = plan_removed
	};
	struct rf_provider *provider;

	assert_int_equal(provider_register(set, &ops, plan, &provider), 0);
	return provider;
}

static void the_first_that_claims_ends_the_chain(void **state)
{
	struct plan first = { .claims = "a", .answer = RF_NOT_MINE };
	struct plan second = { .claims = "", .answer = RF_NOT_MINE };
	struct rf_device *a, *b;

	provide(&first, foo_bus);
	provide(&second, foo_bus);
	a = add("foo", "a");
	b = add("foo", "b");
	assert_string_equal(first.seen, "a b ");
	assert_string_equal(second.seen, "b ");
	assert_ptr_equal(a->group, first.group);
	assert_ptr_equal(b->group, second.group);
	assert_string_equal(rf_group_name(a->group), "a");
	bus_remove_device(a);
	assert_string_equal(first.seen, "a b -a ");
	assert_string_equal(second.seen, "b ");
}

static void one_provider_serves_several_buses(void **state)
{
	struct plan plan = { .claims = "", .answer = RF_NOT_MINE };
	struct plan other = { .claims = "", .answer = RF_NOT_MINE };
	struct rf_device *devs[3];

	provide(&plan, foo_and_bar);
	provide(&other, foo_and_bar + 1);
	devs[0] = add("foo", "x");
	devs[1] = add("bar", "y");
	devs[2] = add("pci", "z");
	assert_string_equal(plan.seen, "x y ");
	assert_string_equal(other.seen, "");
	assert_ptr_equal(devs[0]->group, devs[1]->group);
	assert_null(devs[2]->group);
}

static void present_devices_are_played_back(void **state)
{
	struct plan first = { .claims = "a", .answer = RF_NOT_MINE };
	struct plan second = { .claims = "", .answer = RF_NOT_MINE };
	struct rf_device *a = add("foo", "a"), *b = add("foo", "b");

	assert_null(a->group);
	provide(&first, foo_bus);
	provide(&second, foo_bus);
	assert_string_equal(first.seen, "a b ");
	assert_string_equal(second.seen, "b ");
	assert_ptr_equal(a->group, first.group);
	assert_ptr_equal(b->group, second.group);
}

static void playback_that_fails_is_undone(void **state)
{
	struct plan plan = { .claims = "a", .answer = -EIO };
	const struct rf_provider_ops ops = {
		.name = "test", .buses = foo_and_bar, .added = plan_added, .removed = plan_removed
	};
	struct rf_device *a = add("foo", "a"), *a2 = add("bar", "a2"), *b = add("bar", "b");
	struct rf_provider *provider;

	assert_int_equal(provider_register(set, &ops, &plan, &provider), -EIO);
	assert_null(provider);
	assert_string_equal(plan.seen, "a a2 b -a2 -a ");
	assert_null(a->group);
	assert_null(a2->group);
	assert_null(b->group);
	assert_null(groups);
	plan.answer = RF_NOT_MINE;
	plan.group = NULL;
	provide(&plan, foo_and_bar);
	assert_ptr_equal(a->group, a2->group);
}

static void a_notifier_that_fails_keeps_the_device_out(void **state)
{
	struct plan first = { .claims = "a", .answer = RF_NOT_MINE };
	struct plan second = { .answer = -EIO };
	struct rf_device *dev;

	provide(&first, foo_bus);
	provide(&second, foo_bus);
	add("foo", "a");
	dev = plain("b");
	assert_int_equal(group_set_add_device(set, "foo", dev), -EIO);
	assert_null(dev->bus);
	assert_null(dev->group);
	assert_string_equal(first.seen, "a b ");
	second.answer = RF_NOT_MINE;
	assert_int_equal(group_set_add_device(set, "foo", dev), 0);
	assert_int_equal(group_set_add_device(set, "foo", dev), -EBUSY);
}

static void a_provider_may_leave_from_inside_its_callback(void **state)
{
	struct plan first = { .answer = RF_NOT_MINE, .leave = true };
	struct plan second = { .claims = "", .answer = RF_NOT_MINE };
	struct rf_device *a;

	provide(&first, foo_bus);
	provide(&second, foo_bus);
	a = add("foo", "a");
	add("foo", "b");
	assert_string_equal(first.seen, "a ");
	assert_string_equal(second.seen, "a b ");
	assert_ptr_equal(a->group, second.group);
}

static void a_provider_may_leave_during_its_playback(void **state)
{
	struct plan plan = { .answer = RF_NOT_MINE, .leave = true };
	const struct rf_provider_ops ops = { .name = "test",
					     .buses = foo_and_bar,
					     .added = plan_added };
	struct rf_provider *provider;

	add("foo", "a");
	add("foo", "b");
	add("bar", "c");
	assert_int_equal(provider_register(set, &ops, &plan, &provider), 0);
	assert_null(provider);
	assert_string_equal(plan.seen, "a ");
	add("foo", "d");
	assert_string_equal(plan.seen, "a ");
}

static void groups_outlive_their_provider(void **state)
{
	struct plan plan = { .claims = "", .answer = RF_NOT_MINE };
	struct rf_provider *provider = provide(&plan, foo_bus);
	struct rf_device *a = add("foo", "a");
	struct rf_group *empty;

	assert_int_equal(rf_group_new(provider, NULL, &empty), 0);
	assert_int_equal(rf_group_id(empty), 1);
	rf_provider_unregister(provider);
	assert_ptr_equal(a->group, plan.group);
	assert_ptr_equal(groups, plan.group);
	assert_null(groups->next);
	add("foo", "b");
	assert_string_equal(plan.seen, "a ");
	bus_remove_device(a);
	assert_string_equal(plan.seen, "a ");
	assert_null(groups);
}

static void a_device_cannot_be_claimed_twice(void **state)
{
	struct plan plan = { .claims = "", .answer = RF_NOT_MINE };
	struct rf_provider *provider = provide(&plan, foo_bus);
	struct rf_device *a = add("foo", "a");
	struct rf_group *other;

	assert_int_equal(rf_group_new(provider, NULL, &other), 0);
	assert_int_equal(rf_group_add_device(other, a), -EBUSY);
	assert_ptr_equal(a->group, plan.group);
	assert_int_equal(rf_group_nr_devices(other), 0);
	assert_int_equal(rf_group_nr_devices(plan.group), 1);
	assert_true(logged("provider \"test\" is wrong about a: it is in group 0 and cannot be put "
			   "into group 1 too"));
}

static struct rf_group *liars_group;
static int liars_answer;

static int liar_added(struct rf_provider *p, struct rf_device *dev)
{
	assert_int_equal(rf_group_add_device(liars_group, dev), 0);
	return liars_answer;
}

static void a_provider_that_errs_is_set_right(void **state)
{
	static const struct rf_provider_ops ops = { .name = "liar",
						    .buses = foo_bus,
						    .added = liar_added };
	struct rf_provider *provider;
	struct rf_device *dev;

	assert_int_equal(provider_register(set, &ops, NULL, &provider), 0);
	assert_int_equal(rf_group_new(provider, NULL, &liars_group), 0);
	group_get(liars_group);
	liars_answer = RF_NOT_MINE;
	dev = add("foo", "a");
	assert_null(dev->group);
	assert_true(logged("provider \"liar\" is wrong about a: not its own"));
	liars_answer = 17;
	dev = plain("b");
	assert_int_equal(group_set_add_device(set, "foo", dev), -EINVAL);
	assert_null(dev->group);
	device_free(dev);
	group_put(liars_group);
	assert_null(groups);
}

static void unclaimed_devices_follow_the_nearest_above(void **state)
{
	struct plan plan = { .claims = "card", .answer = RF_NOT_MINE, .one_each = true };
	struct rf_device *card, *other, *bridge, *foo, *inner;

	provide(&plan, foo_bus);
	card = add("foo", "card");
	other = add("foo", "card2");
	bridge = add_below("bar", "bridge", card);
	foo = plain("foo");
	foo->parent = bridge;
	foo->iommu = NULL;
	assert_int_equal(group_set_add_device(set, "baz", foo), 0);
	inner = add_below("baz", "inner", foo);
	assert_ptr_not_equal(card->group, other->group);
	assert_ptr_equal(bridge->group, card->group);
	assert_ptr_equal(foo->group, card->group);
	assert_ptr_equal(inner->group, card->group);
	assert_ptr_equal(foo->iommu, card->iommu);
	assert_int_equal(rf_group_nr_devices(card->group), 4);
}

/* What is above may change its group later: nobody looks again. */
static void following_is_decided_once(void **state)
{
	struct plan plan = { .claims = "card", .answer = RF_NOT_MINE };
	struct rf_device *card = add("foo", "card"), *early, *late;

	early = add_below("bar", "early", card);
	provide(&plan, foo_bus);
	late = add_below("bar", "late", card);
	assert_non_null(card->group);
	assert_null(early->group);
	assert_ptr_equal(late->group, card->group);
	rf_group_remove_device(card);
	assert_ptr_equal(late->group, plan.group);
}

static void no_group_says_why(void **state)
{
	struct plan plan = { .answer = 0 };
	struct rf_device *dev = add("bar", "a"), *mine;
	struct rf_group *group;

	assert_null(rf_device_group(dev));
	assert_string_equal(rf_device_no_group(dev), "no IOMMU above it");
	assert_int_equal(rf_group_attach(rf_device_group(dev), NULL), -EPERM);
	assert_int_equal(rf_group_claim(rf_device_group(dev), NULL, NULL), -EPERM);
	provide(&plan, foo_bus);
	mine = add("foo", "b");
	assert_string_equal(rf_device_no_group(mine), "its provider gives it no group");
	assert_int_equal(group_set_make(set, GROUP_ANY_ID, &group), 0);
	assert_int_equal(rf_group_add_device(group, dev), 0);
	assert_null(rf_device_no_group(dev));
	dev = plain("c");
	dev->iommu = NULL;
	assert_int_equal(rf_group_add_device(group, dev), -EINVAL);
	device_free(dev);
}

static void links_of_one_name_get_suffixes(void **state)
{
	struct plan plan = { .claims = "", .answer = RF_NOT_MINE };
	struct rf_device *devs[4];
	char name[GROUP_LINK_SIZE];

	provide(&plan, (const char *const[]){ "b0", "b1", "b2", "b3", NULL });
	devs[0] = add("b0", "dev");
	devs[1] = add("b1", "dev");
	devs[2] = add("b2", "dev.1");
	devs[3] = add("b2", "dev");
	group_link_name(devs[0], name);
	assert_string_equal(name, "dev");
	group_link_name(devs[1], name);
	assert_string_equal(name, "dev.1");
	group_link_name(devs[2], name);
	assert_string_equal(name, "dev.1.1");
	group_link_name(devs[3], name);
	assert_string_equal(name, "dev.2");
	bus_remove_device(devs[1]);
	devs[1] = add("b3", "dev");
	group_link_name(devs[1], name);
	assert_string_equal(name, "dev.1");
}

static void names_are_unique_on_a_bus(void **state)
{
	struct rf_device *dev;

	add("foo", "a");
	add("bar", "a");
	dev = plain("a");
	assert_int_equal(group_set_add_device(set, "foo", dev), -EEXIST);
	assert_null(dev->bus);
	device_free(dev);
	assert_int_equal(device_new_plain("", &dev), -EINVAL);
	assert_int_equal(device_new_plain("a-name-that-is-far-too-long-for-it", &dev), -EINVAL);
}

static void numbers_are_the_lowest_that_are_free(void **state)
{
	struct rf_group *made[6], *named;
	struct rf_device *dev;

	assert_int_equal(group_set_make(set, 3, &named), 0);
	assert_int_equal(group_set_make(set, 3, &made[0]), -EEXIST);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(group_set_make(set, GROUP_ANY_ID, &made[i]), 0);
	assert_int_equal(made[2]->id, 2);
	assert_int_equal(made[3]->id, 4);
	assert_int_equal(made[4]->id, 5);
	assert_ptr_equal(group_set_find(set, 3), named);
	assert_null(group_set_find(set, 6));
	dev = plain("a");
	assert_int_equal(group_set_add_device(set, "foo", dev), 0);
	assert_int_equal(rf_group_add_device(made[1], dev), 0);
	bus_remove_device(dev);
	assert_null(group_set_find(set, 1));
	assert_int_equal(group_set_make(set, GROUP_ANY_ID, &made[1]), 0);
	assert_int_equal(made[1]->id, 1);
	for (unsigned id = 0; id <= 5; id++) {
		assert_int_equal(groups->id, id);
		groups = groups->next;
	}
	assert_null(groups);
}

static void a_described_group_comes_first(void **state)
{
	struct plan plan = { .claims = "", .answer = RF_NOT_MINE };
	struct rf_device *devs[3];

	provide(&plan, (const char *const[]){ "pci", NULL });
	for (unsigned i = 0; i < 3; i++) {
		devs[i] = plain((const char *const[]){ "x", "y", "z" }[i]);
		devs[i]->group_wish = i < 2 ? 7 : DEVICE_NO_WISH;
		assert_int_equal(group_set_add_device(set, "pci", devs[i]), 0);
	}
	assert_int_equal(devs[0]->group->id, 7);
	assert_ptr_equal(devs[0]->group, devs[1]->group);
	assert_int_equal(devs[2]->group->id, 0);
	assert_string_equal(plan.seen, "z ");
}

static void bad_providers_are_refused(void **state)
{
	static const char *const none[] = { NULL };
	struct rf_provider *p;

	assert_int_equal(provider_register(
				 set, &(struct rf_provider_ops){ .name = "x", .added = plan_added },
				 NULL, &p),
			 -EINVAL);
	assert_int_equal(provider_register(set,
					   &(struct rf_provider_ops){ .name = "x",
								      .buses = none,
								      .added = plan_added },
					   NULL, &p),
			 -EINVAL);
	assert_int_equal(
		provider_register(set, &(struct rf_provider_ops){ .name = "x", .buses = foo_bus },
				  NULL, &p),
		-EINVAL);
}

/* Every step that fails is undone, and its errno returned. */
static void every_allocation_may_fail(void **state)
{
	struct plan plan = { .claims = "", .answer = RF_NOT_MINE };
	const struct rf_provider_ops ops = {
		.name = "test", .buses = foo_and_bar, .added = plan_added, .removed = plan_removed
	};
	struct rf_device *a = plain("a"), *b = plain("b");
	struct rf_provider *provider;
	unsigned nth;
	int ret;

	assert_int_equal(group_set_add_device(set, "foo", a), 0);
	for (nth = 1; nth < 50; nth++) {
		alloc_fail_nth(nth);
		ret = provider_register(set, &ops, &plan, &provider);
		if (!ret)
			ret = group_set_add_device(set, "bar", b);
		if (!alloc_has_failed())
			break;
		alloc_fail_nth(0);
		assert_int_equal(ret, -ENOMEM);
		assert_null(b->group);
		assert_null(b->bus);
		if (a->group)
			rf_provider_unregister(provider);
		else
			assert_null(groups);
		rf_group_remove_device(a);
		plan.group = NULL;
		plan.seen[0] = '\0';
	}
	alloc_fail_nth(0);
	assert_int_equal(ret, 0);
	assert_true(nth > 4 && nth < 50);
	assert_ptr_equal(a->group, b->group);
}

static void a_set_may_fail_to_be_made(void **state)
{
	struct rf_group *list = NULL;
	struct group_set *made;
	unsigned nth;
	int ret;

	for (nth = 1; nth < 20; nth++) {
		alloc_fail_nth(nth);
		ret = group_set_new(&list, &made);
		if (!alloc_has_failed())
			break;
		assert_int_equal(ret, -ENOMEM);
	}
	alloc_fail_nth(0);
	assert_true(nth > 2);
	group_set_free(made);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_first_that_claims_ends_the_chain),
		CASE(one_provider_serves_several_buses),
		CASE(present_devices_are_played_back),
		CASE(playback_that_fails_is_undone),
		CASE(a_notifier_that_fails_keeps_the_device_out),
		CASE(a_provider_may_leave_from_inside_its_callback),
		CASE(a_provider_may_leave_during_its_playback),
		CASE(groups_outlive_their_provider),
		CASE(a_device_cannot_be_claimed_twice),
		CASE(a_provider_that_errs_is_set_right),
		CASE(unclaimed_devices_follow_the_nearest_above),
		CASE(following_is_decided_once),
		CASE(no_group_says_why),
		CASE(links_of_one_name_get_suffixes),
		CASE(names_are_unique_on_a_bus),
		CASE(numbers_are_the_lowest_that_are_free),
		CASE(a_described_group_comes_first),
		CASE(bad_providers_are_refused),
		CASE(every_allocation_may_fail),
		CASE(a_set_may_fail_to_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
