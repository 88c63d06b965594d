/* SPDX-License-Identifier: Apache-2.0 */
/* Red-black tree: insertion and deletion with rebalancing. */
#include "base/rbtree.h"

static void rotate(struct rb_root *root, struct rb_node *x, bool left)
{
	struct rb_node *y = left ? x->right : x->left;
	struct rb_node *inner = left ? y->left : y->right;

	if (left)
		x->right = inner;
	else
		x->left = inner;
	if (inner)
		inner->parent = x;
	y->parent = x->parent;
	if (!x->parent)
		root->node = y;
	else if (x == x->parent->left)
		x->parent->left = y;
	else
		x->parent->right = y;
	if (left)
		y->left = x;
	else
		y->right = x;
	x->parent = y;
}

void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	node->parent = parent;
	node->left = node->right = NULL;
	node->red = true;
	*link = node;

	while ((parent = node->parent) && parent->red) {
		struct rb_node *grand = parent->parent;
		bool left = parent == grand->left;
		struct rb_node *uncle = left ? grand->right : grand->left;

		if (uncle && uncle->red) {
			parent->red = uncle->red = false;
			grand->red = true;
			node = grand;
			continue;
		}
		if (node == (left ? parent->right : parent->left)) {
			rotate(root, parent, left);
			node = parent;
			parent = node->parent;
		}
		parent->red = false;
		grand->red = true;
		rotate(root, grand, !left);
	}
	root->node->red = false;
}

static void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *old,
			  struct rb_node *new)
{
	if (!parent)
		root->node = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
	if (new)
		new->parent = parent;
}

/* @node (may be NULL) below @parent lacks one black node on its paths. */
static void erase_fixup(struct rb_root *root, struct rb_node *node, struct rb_node *parent)
{
	while (parent && (!node || !node->red)) {
		bool left = node == parent->left;
		struct rb_node *sibling = left ? parent->right : parent->left;

		if (sibling->red) {
			sibling->red = false;
			parent->red = true;
			rotate(root, parent, left);
			sibling = left ? parent->right : parent->left;
		}

		struct rb_node *near = left ? sibling->left : sibling->right;
		struct rb_node *far = left ? sibling->right : sibling->left;

		if ((!near || !near->red) && (!far || !far->red)) {
			sibling->red = true;
			node = parent;
			parent = node->parent;
			continue;
		}
		if (!far || !far->red) {
			near->red = false;
			sibling->red = true;
			rotate(root, sibling, !left);
			sibling = left ? parent->right : parent->left;
			far = left ? sibling->right : sibling->left;
		}
		sibling->red = parent->red;
		parent->red = false;
		far->red = false;
		rotate(root, parent, left);
		return;
	}
	if (node)
		node->red = false;
}

void rb_erase(struct rb_root *root, struct rb_node *node)
{
	struct rb_node *child, *parent;
	bool red;

	if (node->left && node->right) {
		struct rb_node *next = node->right;

		while (next->left)
			next = next->left;
		child = next->right;
		parent = next->parent;
		red = next->red;
		if (parent == node) {
			parent = next;
		} else {
			replace_child(root, parent, next, child);
			next->right = node->right;
			next->right->parent = next;
		}
		replace_child(root, node->parent, node, next);
		next->left = node->left;
		next->left->parent = next;
		next->red = node->red;
	} else {
		child = node->left ? node->left : node->right;
		parent = node->parent;
		red = node->red;
		replace_child(root, parent, node, child);
	}
	if (!red)
		erase_fixup(root, child, parent);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *node)
{
	if (node->right) {
		node = node->right;
		while (node->left)
			node = node->left;
		return (struct rb_node *)node;
	}
	while (node->parent && node == node->parent->right)
		node = node->parent;
	return node->parent;
}
