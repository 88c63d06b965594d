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
 * A change is one descent: vma_tree_find() leaves the way that it went in a path, and what changes there or beside it is
 * done along that path, gaps too. Entries are compared all at once, without branches: which one it is cannot be foreseen.
 *
 * Nodes may be emptier than half: one that is nearly empty joins a neighbour when both fit well into one. Node memory is
 * set aside before a change begins, so that what has begun cannot fail.
 */
#ifndef HUSK_KERNEL_MM_VMA_TREE_H
#define HUSK_KERNEL_MM_VMA_TREE_H

#include <emmintrin.h>

#include "mm/vma.h"

#define VMA_NODE_ENTRIES 16
#define VMA_TREE_DEPTH   16
#define VMA_NO_KEY       (~0UL >> 1)

struct vma_node {
	u64 key[VMA_NODE_ENTRIES]; /* of entries that are not there VMA_NO_KEY */
	u64 gap[VMA_NODE_ENTRIES]; /* and 0 */
	union {
		struct vma_node *child[VMA_NODE_ENTRIES];
		struct vma *vma[VMA_NODE_ENTRIES];
	};
};

/* A place in the tree: the nodes from the leaf (0) up, and the entry in each; -1 in a leaf: before its first. */
struct vma_path {
	struct vma_node *node[VMA_TREE_DEPTH];
	int at[VMA_TREE_DEPTH];
};

/* The last VMA that starts at @addr or below, and its place (-1 in the leaf: it is the last of the leaf before); NULL:
 * none. */
struct vma *vma_tree_find(const struct vma_store *s, u64 addr, struct vma_path *p);
/* Goes on to the next VMA; NULL: there is none, and the path is void. */
struct vma *vma_tree_next(const struct vma_store *s, struct vma_path *p);
/* Sets memory aside for insertions at one or two @places, one or two beside each other at each: 0 or -ENOMEM. */
int vma_tree_reserve(struct vma_store *s, int places);
/* Puts @v in behind the path's place, list and all, which is the path's place then. Only after vma_tree_reserve(). */
void vma_tree_insert(struct vma_store *s, struct vma_path *p, struct vma *v);
/* Takes out the VMA at @p; its pages may be the one's before already. True: the next VMA stands at @p now; else @p is
 * void. */
bool vma_tree_erase(struct vma_store *s, struct vma_path *p);
/* The VMA at @p has another start or other flags, or what lies before it another end: its key and its gap. */
void vma_tree_update(struct vma_store *s, struct vma_path *p);
/* Frees all nodes; the VMAs are the caller's. */
void vma_tree_free(struct vma_store *s);

/*
 * Which of a node's 16 words are below @bound: a bit for each. All at once, since which it will be cannot be foreseen. The
 * sign of a difference is the comparison: all of them are below 2^63.
 */
static inline u32 vma_words_below(const u64 *words, u64 bound)
{
	const __m128i *pairs = (const __m128i *)words, all = _mm_set1_epi64x((s64)bound);
	u32 below = 0;

#pragma GCC unroll 8
	for (int i = 0; i < VMA_NODE_ENTRIES / 2; i++)
		below |= (u32)_mm_movemask_pd((__m128d)_mm_sub_epi64(pairs[i], all)) << 2 * i;
	return below;
}

#endif
