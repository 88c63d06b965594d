/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Red-black tree, embedded in the objects that it orders (Cormen et al., Introduction to Algorithms, chapter 13).
 *
 * The caller searches and finds the insertion point itself, so that no comparison callback is needed:
 *
 *	struct rb_node **link = &root->node, *parent = NULL;
 *	while (*link) {
 *		parent = *link;
 *		link = key < entry(parent)->key ? &parent->left : &parent->right;
 *	}
 *	rb_insert(root, &new->node, parent, link);
 */
#ifndef HUSK_BASE_RBTREE_H
#define HUSK_BASE_RBTREE_H

#include "base/types.h"

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};

struct rb_root {
	struct rb_node *node;
};

void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent, struct rb_node **link);
void rb_erase(struct rb_root *root, struct rb_node *node);
/* In-order walk; NULL at the ends. */
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);

#define rb_entry(ptr, type, member) container_of(ptr, type, member)
/* The object around a node pointer that may be NULL. */
#define rb_entry_or_null(ptr, type, member)                       \
	({                                                        \
		struct rb_node *rb_ptr_ = (ptr);                  \
		rb_ptr_ ? rb_entry(rb_ptr_, type, member) : NULL; \
	})

#endif
