/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ordered, augmented, intrusive tree.
 *
 * A treap: ordered by what the user's less() says, and a heap by a hash of
 * each node's address, which makes its shape that of a random binary tree
 * whatever the order of insertion; look-ups cost O(log n). It stores nothing
 * but two pointers a node: no colour, no parent, no allocation.
 *
 * Augmented: each node may carry a summary of its subtree (the largest gap,
 * the highest end). update() computes one node's from its own data and its
 * children's and says whether it changed; insertion and removal call it for
 * every node whose subtree they touched, lowest first. What a node's own data
 * depends on its neighbours (the gap before it) changes in insert() and remove(),
 * which are told them: they lie on the way down.
 *
 * Insertion and removal remember the way down (links, below). A random tree of
 * 2^32 nodes is about 90 deep at its worst; TREE_DEPTH leaves that far behind.
 *
 * Everything is inline so that a constant struct tree_ops costs no indirect
 * call. Locks: the user's.
 */
#ifndef RF_BASE_TREE_H
#define RF_BASE_TREE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_DEPTH 256

struct tree_node {
	struct tree_node *left;
	struct tree_node *right;
};

struct tree {
	struct tree_node *root;
};

/**
 * struct tree_ops - how a tree is ordered and summarised
 * @less: a strict total order
 * @update: recompute @node's summary of its subtree; true if it changed
 * @insert: @node comes between two others, either may be NULL; may change own data
 *	of @node and @after. NULL: nothing to do
 * @remove: @node goes, @after, which is not NULL, follows it; may change own data of
 *	@after. NULL: nothing to do
 */
struct tree_ops {
	bool (*less)(const struct tree_node *a, const struct tree_node *b);
	bool (*update)(struct tree_node *node);
	void (*insert)(struct tree_node *node, const struct tree_node *before,
		       struct tree_node *after);
	void (*remove)(const struct tree_node *node, struct tree_node *after);
};

#define tree_entry(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Neighbouring addresses must give unrelated priorities: mix well. */
static inline uint64_t tree_priority(const struct tree_node *node)
{
	uint64_t x = (uint64_t)(uintptr_t)node >> 3;

	x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 32)) * 0x94d049bb133111ebull;
	return x ^ (x >> 29);
}

/*
 * Update the nodes that links[0..depth - 1] lead to, lowest first. From
 * links[keep] down other nodes stand there than before; above, the walk ends
 * with the first summary that stays the same, once @touched, whose own data
 * changed, has been met.
 */
static inline __attribute__((always_inline)) void tree_update_path(const struct tree_ops *ops,
								   struct tree_node **const *links,
								   unsigned depth, unsigned keep,
								   const struct tree_node *touched)
{
	while (depth-- > 0) {
		struct tree_node *node = *links[depth];
		bool changed = ops->update(node);

		if (node == touched)
			touched = NULL;
		if (!changed && !touched && depth < keep)
			return;
	}
}

/* Put @node in. */
static inline __attribute__((always_inline)) void tree_insert(struct tree *tree,
							      struct tree_node *node,
							      const struct tree_ops *ops)
{
	struct tree_node **links[TREE_DEPTH];
	struct tree_node **link = &tree->root;
	uint64_t priority = tree_priority(node);
	struct tree_node *before = NULL;
	struct tree_node *after = NULL;
	unsigned depth = 0;
	unsigned bottom;

	while (*link) {
		assert(depth < TREE_DEPTH);
		links[depth++] = link;
		if (ops->less(node, *link)) {
			after = *link;
			link = &after->left;
		} else {
			before = *link;
			link = &before->right;
		}
	}
	*link = node;
	node->left = NULL;
	node->right = NULL;
	if (ops->insert)
		ops->insert(node, before, after);
	else
		after = NULL;
	ops->update(node);

	/* rotate it up to its priority */
	for (bottom = depth; depth > 0; depth--) {
		struct tree_node *up = *links[depth - 1];

		if (tree_priority(up) >= priority)
			break;
		if (up->left == node) {
			up->left = node->right;
			node->right = up;
		} else {
			up->right = node->left;
			node->left = up;
		}
		ops->update(up);
		if (up == after)
			after = NULL;
		*links[depth - 1] = node;
	}
	if (depth < bottom)
		ops->update(node);
	tree_update_path(ops, links, depth, depth, after);
}

/* Rotate @node down until one side is empty, and the other takes its place: its link. */
static inline __attribute__((always_inline)) struct tree_node **tree_sink(struct tree_node *node,
									  struct tree_node **link,
									  struct tree_node ***links,
									  unsigned *depth)
{
	while (node->left && node->right) {
		struct tree_node *up;

		assert(*depth < TREE_DEPTH);
		links[(*depth)++] = link;
		if (tree_priority(node->left) > tree_priority(node->right)) {
			up = node->left;
			*link = up;
			node->left = up->right;
			up->right = node;
			link = &up->right;
		} else {
			up = node->right;
			*link = up;
			node->right = up->left;
			up->left = node;
			link = &up->left;
		}
	}
	*link = node->left ? node->left : node->right;
	return link;
}

/* Take @node out. */
static inline __attribute__((always_inline)) void tree_remove(struct tree *tree,
							      struct tree_node *node,
							      const struct tree_ops *ops)
{
	struct tree_node **links[TREE_DEPTH];
	struct tree_node **link = &tree->root;
	struct tree_node *after = NULL;
	unsigned depth = 0;
	unsigned keep;
	bool below;

	while (*link != node) {
		assert(*link && depth < TREE_DEPTH);
		links[depth++] = link;
		if (ops->less(node, *link)) {
			after = *link;
			link = &after->left;
		} else {
			link = &(*link)->right;
		}
	}
	keep = depth;
	below = ops->remove && node->right;
	if (below)
		for (after = node->right; after->left;)
			after = after->left;
	if (ops->remove && after)
		ops->remove(node, after);
	else
		after = NULL;

	link = tree_sink(node, link, links, &depth);

	/*
	 * What follows may lie below: it is then the lowest of the subtree that
	 * took the place, or on the path. Walk to it so that it is on the path.
	 */
	if (below && node->right) {
		while (*link) {
			assert(depth < TREE_DEPTH);
			links[depth++] = link;
			link = &(*link)->left;
		}
	}
	tree_update_path(ops, links, depth, keep, after);
}

#endif
