/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree against a sorted array: order, summaries and balance, through random
 * insertions and removals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "base/tree.h"

/* Keys, each with a weight; the summary is the largest weight below. */
struct item {
	struct tree_node node;
	uint64_t key;
	uint64_t weight;
	uint64_t max;
	bool in;
};

static struct item *item_of(const struct tree_node *node)
{
	return tree_entry(node, struct item, node);
}

static bool item_less(const struct tree_node *a, const struct tree_node *b)
{
	return item_of(a)->key < item_of(b)->key;
}

static bool item_update(struct tree_node *node)
{
	struct item *item = item_of(node);
	uint64_t max = item->weight;

	if (node->left && item_of(node->left)->max > max)
		max = item_of(node->left)->max;
	if (node->right && item_of(node->right)->max > max)
		max = item_of(node->right)->max;
	if (max == item->max)
		return false;
	item->max = max;
	return true;
}

/* What follows, and what comes before, as told; the weight the one that follows shall have. */
static const struct tree_node *told_before, *told_after;
static uint64_t new_weight;

static void item_inserted(struct tree_node *node, const struct tree_node *before,
			  struct tree_node *after)
{
	told_before = before;
	told_after = after;
	if (after)
		item_of(after)->weight = new_weight;
}

static void item_removed(const struct tree_node *node, struct tree_node *after)
{
	told_after = after;
	item_of(after)->weight = new_weight;
}

static const struct tree_ops ops = { item_less, item_update, item_inserted, item_removed };
static const struct tree_ops plain_ops = { .less = item_less, .update = item_update };

/* Checks order and summaries below @node; returns the number of nodes, *depth the height. */
static size_t check(const struct tree_node *node, uint64_t *last_key, bool *any, unsigned *depth)
{
	unsigned left = 0;
	unsigned right = 0;
	uint64_t max;
	size_t nr;

	*depth = 0;
	if (!node)
		return 0;
	nr = check(node->left, last_key, any, &left);
	if (*any)
		assert_true(item_of(node)->key > *last_key);
	*any = true;
	*last_key = item_of(node)->key;
	nr += 1 + check(node->right, last_key, any, &right);

	max = item_of(node)->weight;
	if (node->left && item_of(node->left)->max > max)
		max = item_of(node->left)->max;
	if (node->right && item_of(node->right)->max > max)
		max = item_of(node->right)->max;
	assert_int_equal(item_of(node)->max, max);
	*depth = 1 + (left > right ? left : right);
	return nr;
}

static size_t check_all(const struct tree *tree, unsigned *depth)
{
	uint64_t last = 0;
	bool any = false;

	return check(tree->root, &last, &any, depth);
}

static const struct tree_node *following(struct item *items, size_t nr, const struct item *item)
{
	for (const struct item *i = item + 1; i < items + nr; i++)
		if (i->in)
			return &i->node;
	return NULL;
}

static const struct tree_node *preceding(struct item *items, const struct item *item)
{
	for (const struct item *i = item; i-- > items;)
		if (i->in)
			return &i->node;
	return NULL;
}

static void keeps_order_and_summaries_through_random_changes(void **state)
{
	enum { N = 200 };
	struct item *items = calloc(N, sizeof(*items));
	struct tree tree = { NULL };
	uint64_t rnd = 1;
	size_t in = 0;
	unsigned depth;

	for (size_t i = 0; i < N; i++)
		items[i].key = i * 10;
	for (unsigned step = 0; step < 20000; step++) {
		struct item *item = &items[random_below(&rnd, N)];
		bool plain = !random_below(&rnd, 4);

		/* each change also changes the one that follows, as gaps do */
		new_weight = random_below(&rnd, 1000);
		told_before = NULL;
		told_after = NULL;
		if (item->in) {
			tree_remove(&tree, &item->node, plain ? &plain_ops : &ops);
			in--;
		} else {
			item->weight = random_below(&rnd, 1000);
			item->max = 12345;
			tree_insert(&tree, &item->node, plain ? &plain_ops : &ops);
			if (!plain)
				assert_ptr_equal(told_before, preceding(items, item));
			in++;
		}
		if (!plain)
			assert_ptr_equal(told_after, following(items, N, item));
		item->in = !item->in;
		assert_int_equal(check_all(&tree, &depth), in);
	}
	free(items);
}

static void stays_shallow_when_filled_in_order(void **state)
{
	enum { N = 100000 };
	struct item *items = calloc(N, sizeof(*items));
	struct tree tree = { NULL };
	unsigned depth;

	for (size_t i = 0; i < N; i++) {
		items[i].key = i;
		tree_insert(&tree, &items[i].node, &ops);
	}
	assert_int_equal(check_all(&tree, &depth), N);
	assert_in_range(depth, 17, 60);
	for (size_t i = 0; i < N; i++)
		tree_remove(&tree, &items[i].node, &ops);
	assert_null(tree.root);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_order_and_summaries_through_random_changes),
		cmocka_unit_test(stays_shallow_when_filled_in_order),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
