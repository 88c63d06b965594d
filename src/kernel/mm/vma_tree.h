/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree under the VMA store: a B+ tree over start addresses that also knows the gaps.
 *
 *	                 [ key gap | key gap | key gap ]               key: a lower bound of all starts below
 *	                /           |           \                      gap: the largest of all gaps below
 *	[ start gap vma | start gap vma ]   ...                        gap: free room between the VMA before and this one
 *	      |                |
 *	     vma <---------> vma <---------> ...                       a list in order of address
 *
 * A node holds 16 entries, keys, gaps and pointers each in two cache lines: a search among 1,000 VMAs looks at three
 * nodes, among 60,000 at four, and where @len bytes are free is found by going down where the largest gap says that
 * there is room. So every operation is logarithmic, the search for a place too. (Linux's maple tree, Documentation/
 * core-api/maple_tree.rst, has the same purpose; there nodes hold 10 ranges and free ranges are entries.)
 *
 * Nodes may be emptier than half: one that is nearly empty joins a neighbour when both fit well into one. Node memory is
 * set aside before a change begins, so that what has begun cannot fail.
 */
#ifndef HUSK_KERNEL_MM_VMA_TREE_H
#define HUSK_KERNEL_MM_VMA_TREE_H

#include "mm/vma.h"

#define VMA_NODE_ENTRIES 16

struct vma_node {
	u64 key[VMA_NODE_ENTRIES]; /* of entries that are not there ~0 */
	u64 gap[VMA_NODE_ENTRIES];
	union {
		struct vma_node *child[VMA_NODE_ENTRIES];
		struct vma *vma[VMA_NODE_ENTRIES];
	};
	int n;
};

/* The last VMA that starts at @addr or below; NULL: none. */
struct vma *vma_tree_floor(const struct vma_store *s, u64 addr);
/* Sets memory aside for one insertion: 0 or -ENOMEM. */
int vma_tree_reserve(struct vma_store *s);
/* Puts @v in, list and all. Only after vma_tree_reserve(). */
void vma_tree_insert(struct vma_store *s, struct vma *v);
/* Takes @v out. */
void vma_tree_erase(struct vma_store *s, struct vma *v);
/* @v has another start (not above the old one @was) or other flags: its gap is looked at again. */
void vma_tree_moved(struct vma_store *s, struct vma *v, u64 was);
/* What lies before @v ends elsewhere now. @v nullable. */
void vma_tree_gap_changed(struct vma_store *s, struct vma *v);
/* Frees all nodes; the VMAs are the caller's. */
void vma_tree_free(struct vma_store *s);

/* A search for @len free bytes in [low, high), at a multiple of @align; the place goes to @found. */
struct vma_search {
	u64 len, low, high, align, found;
};

/* Looks at the gaps before VMAs, from the highest (lowest) on: whether there is a place. What lies behind the last VMA
 * is the caller's to look at. */
bool vma_tree_search_down(const struct vma_store *s, struct vma_search *q);
bool vma_tree_search_up(const struct vma_store *s, struct vma_search *q);

#endif
