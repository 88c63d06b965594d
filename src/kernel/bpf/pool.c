// SPDX-License-Identifier: Apache-2.0
/*
 * The pool of nodes: equal ones are kept once. Before a node is added it is looked at together with its
 * successor, and two that one step can do become one (the halves of a 64-bit comparison, an indirect load and
 * its test).
 */
#include "bpf/plan.h"

#include <stdlib.h>
#include <string.h>

void bpf_pool_init(struct bpf_pool *pool, enum bpf_kind kind)
{
	*pool = (struct bpf_pool){.kind = kind};
}

void bpf_pool_free(struct bpf_pool *pool)
{
	free(pool->nodes);
	free(pool->next);
	free(pool->buckets);
	*pool = (struct bpf_pool){.kind = pool->kind};
}

static u32 node_hash(const struct bpf_node *n)
{
	u64 h = n->op | (u64)n->reg << 8 | (u64)n->src << 16 | (u64)n->code << 24 | (u64)n->k << 32;

	h = (h ^ (n->field.off | (u64)n->field.mask << 32)) * 0x9e3779b97f4a7c15;
	h = ((h ^ h >> 29) ^ (n->t | (u64)n->f << 32)) * 0xbf58476d1ce4e5b9;
	h = ((h ^ h >> 32) ^ n->wide_k ^ n->wide_mask) * 0x94d049bb133111eb;
	return (u32)(h >> 32);
}

static bool pool_grow(struct bpf_pool *pool)
{
	u32 room = pool->room ? pool->room * 2 : 256;
	struct bpf_node *nodes = realloc(pool->nodes, room * sizeof *nodes);
	u32 *next, *buckets;

	if (!nodes)
		return false;
	pool->nodes = nodes;
	next = realloc(pool->next, room * sizeof *next);
	if (!next)
		return false;
	pool->next = next;
	buckets = malloc(room * sizeof *buckets);
	if (!buckets)
		return false;
	free(pool->buckets);
	pool->buckets = buckets;
	pool->room = pool->bucket_count = room;
	memset(buckets, 0xff, room * sizeof *buckets);
	for (u32 i = 0; i < pool->n; i++) {
		u32 *bucket = &buckets[node_hash(&nodes[i]) & (room - 1)];

		next[i] = *bucket;
		*bucket = i;
	}
	return true;
}

/* Both halves of one 64-bit word compared for equality, with the same way out: one comparison. */
static void join_halves(const struct bpf_pool *pool, struct bpf_node *n)
{
	const struct bpf_node *second = &pool->nodes[n->t];
	bool high = n->field.off & 4;

	if (n->op != NODE_TEST || n->code != BPF_JEQ || pool->kind != BPF_KIND_SECCOMP || !n->field.size ||
	    second->op != NODE_TEST || second->code != BPF_JEQ || !second->field.size || second->f != n->f ||
	    second->field.off != (n->field.off ^ 4) || n->src != REG_NONE || second->src != REG_NONE)
		return;
	n->wide_k = high ? (u64)n->k << 32 | second->k : (u64)second->k << 32 | n->k;
	n->wide_mask = high ? (u64)n->field.mask << 32 | second->field.mask
			    : (u64)second->field.mask << 32 | n->field.mask;
	n->op = NODE_TEST64;
	n->t = second->t;
	n->field = (struct bpf_field){.off = n->field.off & ~4u, .size = 8};
	n->k = 0;
}

/* An indirect load whose value is only compared with a constant. */
static void join_load(const struct bpf_pool *pool, struct bpf_node *n)
{
	const struct bpf_node *test = &pool->nodes[n->t];

	if (n->op != NODE_IND || test->op != NODE_TEST || test->field.size || test->reg != REG_A ||
	    test->src != REG_NONE || test->code != BPF_JEQ ||
	    ((pool->nodes[test->t].live | pool->nodes[test->f].live) & LIVE_REG(REG_A)))
		return;
	n->op = NODE_IND_TEST;
	n->code = test->code;
	n->wide_k = test->k;
	n->f = test->f;
	n->t = test->t;
}

static bool node_equal(const struct bpf_node *a, const struct bpf_node *b)
{
	return a->op == b->op && a->reg == b->reg && a->src == b->src && a->code == b->code && a->k == b->k &&
	       a->t == b->t && a->f == b->f && a->wide_k == b->wide_k && a->wide_mask == b->wide_mask &&
	       a->field.off == b->field.off && a->field.mask == b->field.mask &&
	       a->field.size == b->field.size && a->field.shift == b->field.shift;
}

u32 bpf_pool_add(struct bpf_pool *pool, const struct bpf_node *node)
{
	struct bpf_node n = *node;
	u32 *bucket;

	if (pool->failed || (pool->n == pool->room && !pool_grow(pool))) {
		pool->failed = true;
		return NO_NODE;
	}
	if (n.t != NO_NODE) {
		join_halves(pool, &n);
		join_load(pool, &n);
	}
	bucket = &pool->buckets[node_hash(&n) & (pool->bucket_count - 1)];
	for (u32 i = *bucket; i != NO_NODE; i = pool->next[i])
		if (node_equal(&pool->nodes[i], &n))
			return i;
	pool->nodes[pool->n] = n;
	pool->next[pool->n] = *bucket;
	*bucket = pool->n;
	return pool->n++;
}
