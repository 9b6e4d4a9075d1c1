/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pins of an owner: a tree by address. Pins may overlap, as the same memory
 * may be mapped at several IOVAs, so each node knows the highest end below it.
 * Look-ups go by whole pages. Moving pages is in pin_move.c.
 */
#include "memory/pin.h"

#include "base/pause.h"
#include "base/sys.h"
#include "memory/owner_private.h"
#include "memory/pin_tree.h"

static struct pin *pin_of(const struct tree_node *node)
{
	return tree_entry(node, struct pin, node);
}

#define PAGE_MASK 4095ul

static uintptr_t pin_page_first(const struct pin *pin)
{
	return pin->addr & ~PAGE_MASK;
}

static uintptr_t pin_page_last(const struct pin *pin)
{
	return pin->last | PAGE_MASK;
}

static bool pin_less(const struct tree_node *a, const struct tree_node *b)
{
	uintptr_t x = pin_of(a)->addr;
	uintptr_t y = pin_of(b)->addr;

	return x < y || (x == y && a < b);
}

static bool pin_update(struct tree_node *node)
{
	struct pin *pin = pin_of(node);
	uintptr_t max = pin_page_last(pin);

	if (node->left && pin_of(node->left)->max_last > max)
		max = pin_of(node->left)->max_last;
	if (node->right && pin_of(node->right)->max_last > max)
		max = pin_of(node->right)->max_last;
	if (pin->max_last == max)
		return false;
	pin->max_last = max;
	return true;
}

static const struct tree_ops pin_tree_ops = { .less = pin_less, .update = pin_update };

void pin_count(struct rf_owner *owner, uint64_t change)
{
	uint64_t nr = atomic_load_explicit(&owner->nr_pins, memory_order_relaxed);

	atomic_store(&owner->nr_pins, nr + change); /* in that order: leaving.c */
}

void pin_tree_add(struct rf_owner *owner, struct pin *pin)
{
	tree_insert(&owner->pins, &pin->node, &pin_tree_ops);
	pin_count(owner, 1);
}

void pin_tree_del(struct rf_owner *owner, struct pin *pin)
{
	tree_remove(&owner->pins, &pin->node, &pin_tree_ops);
	pin_count(owner, -1ull);
}

struct pin *pin_tree_first(const struct rf_owner *owner, uintptr_t first, uintptr_t last)
{
	struct tree_node *node = owner->pins.root;

	while (node) {
		struct pin *pin = pin_of(node);

		/*
		 * If the left subtree reaches up to @first, the lowest pin that
		 * meets the range is there, or there is none at all.
		 */
		if (node->left && pin_of(node->left)->max_last >= first)
			node = node->left;
		else if (pin_page_first(pin) > last)
			return NULL;
		else if (pin_page_last(pin) >= first)
			return pin;
		else
			node = node->right;
	}
	return NULL;
}

static bool visit(struct tree_node *node, uintptr_t first, uintptr_t last,
		  bool (*each)(struct pin *pin, void *arg), void *arg)
{
	for (; node; node = node->right) {
		struct pin *pin = pin_of(node);

		if (pin->max_last < first)
			return true;
		if (!visit(node->left, first, last, each, arg))
			return false;
		if (pin_page_first(pin) > last)
			return true;
		if (pin_page_last(pin) >= first && !each(pin, arg))
			return false;
	}
	return true;
}

bool pin_tree_visit(const struct rf_owner *owner, uintptr_t first, uintptr_t last,
		    bool (*each)(struct pin *pin, void *arg), void *arg)
{
	return visit(owner->pins.root, first, last, each, arg);
}

void pin_add(struct rf_owner *owner, struct pin *pin)
{
	pthread_mutex_lock(&owner->lock);
	pin_tree_add(owner, pin);
	pthread_mutex_unlock(&owner->lock);
}

void pin_del(struct rf_owner *owner, struct pin *pin)
{
	pthread_mutex_lock(&owner->lock);
	pin_tree_del(owner, pin);
	pthread_mutex_unlock(&owner->lock);
	if (__builtin_expect(owner->remote != NULL, 0))
		owner_remote_unpinned(owner);
}

void pin_visit(struct rf_owner *owner, uintptr_t addr, bool (*each)(struct pin *pin, void *arg),
	       void *arg)
{
	pthread_mutex_lock(&owner->lock);
	pin_tree_visit(owner, addr, addr, each, arg);
	pthread_mutex_unlock(&owner->lock);
}

void pin_hide(struct rf_owner *owner, struct pin *pin)
{
	pthread_mutex_lock(&owner->lock);
	pin->node.left = NULL;
	pin->node.right = owner->hidden_pins;
	if (owner->hidden_pins)
		owner->hidden_pins->left = &pin->node;
	owner->hidden_pins = &pin->node;
	pthread_mutex_unlock(&owner->lock);
}

void pin_unhide(struct rf_owner *owner, struct pin *pin)
{
	pthread_mutex_lock(&owner->lock);
	if (pin->node.left)
		pin->node.left->right = pin->node.right;
	else
		owner->hidden_pins = pin->node.right;
	if (pin->node.right)
		pin->node.right->left = pin->node.left;
	pthread_mutex_unlock(&owner->lock);
}

void pin_visit_hidden(struct rf_owner *owner, bool (*each)(struct pin *pin, void *arg), void *arg)
{
	pthread_mutex_lock(&owner->lock);
	for (struct tree_node *node = owner->hidden_pins; node; node = node->right)
		if (!each(pin_of(node), arg))
			break;
	pthread_mutex_unlock(&owner->lock);
}

void pin_hold_dma(struct rf_owner *owner)
{
	pthread_mutex_lock(&owner->moving);
	atomic_fetch_add(&owner->move_seq, 1);
}

void pin_release_dma(struct rf_owner *owner)
{
	atomic_fetch_add(&owner->move_seq, 1);
	pthread_mutex_unlock(&owner->moving);
}

bool pin_any(const struct rf_owner *owner)
{
	return atomic_load_explicit(&owner->nr_pins, memory_order_relaxed);
}

void pin_hidden_get(struct rf_owner *owner, struct pin_hidden *hidden)
{
	pthread_mutex_lock(&owner->lock);
	hidden->refs++;
	pthread_mutex_unlock(&owner->lock);
}

void pin_hidden_put(struct rf_owner *owner, struct pin_hidden *hidden)
{
	uintptr_t first = hidden->first;
	size_t len = hidden->last - hidden->first + 1;
	bool gone;

	pthread_mutex_lock(&owner->lock);
	gone = !--hidden->refs;
	if (gone)
		slab_free(&owner->hidden, hidden);
	pthread_mutex_unlock(&owner->lock);
	if (gone)
		sys_munmap((void *)first, len);
}

unsigned pin_move_seq(const struct rf_owner *owner)
{
	return atomic_load_explicit(&owner->move_seq, memory_order_acquire);
}

bool pin_moved_since(const struct rf_owner *owner, unsigned seq)
{
	unsigned round = 0;
	unsigned now;

	for (;;) {
		now = pin_move_seq(owner);
		if (!(now & 1))
			return now != seq;
		pause_round(&round);
	}
}
