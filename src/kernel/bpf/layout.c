// SPDX-License-Identifier: Apache-2.0
/* The order of nodes, and runs of equalities made into searches. */
#include "bpf/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

u32 bpf_raw(enum bpf_kind kind, u8 size, u32 value)
{
	if (kind == BPF_KIND_SECCOMP || size == 1)
		return value;
	return size == 2 ? __builtin_bswap16((u16)value) : __builtin_bswap32(value);
}

static bool is_equality(const struct bpf_node *n)
{
	return n->op == NODE_TEST && n->code == BPF_JEQ && n->field.size && n->src == REG_NONE;
}

static bool continues(const struct bpf_node *a, const struct bpf_node *b)
{
	return is_equality(a) && is_equality(b) && a->field.off == b->field.off &&
	       a->field.mask == b->field.mask && a->field.size == b->field.size;
}

struct one_case {
	u32 key, place, target;
};

static int compare_cases(const void *a, const void *b)
{
	const struct one_case *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

/* Ranges come in ascending order; one that begins where the last did takes its place. */
static void add_range(struct bpf_layout *l, struct bpf_switch *s, u32 low, u32 target)
{
	struct bpf_range *ranges = &l->ranges[s->first];

	if (s->count && ranges[s->count - 1].low == low)
		s->count--;
	if (!s->count || ranges[s->count - 1].target != target)
		ranges[s->count++] = (struct bpf_range){low, target};
}

/* The run that begins at @head, @length nodes: its ranges. @cases has room for them. */
static void make_switch(struct bpf_layout *l, const struct bpf_pool *pool, u32 head, u32 length,
			struct one_case *cases)
{
	struct bpf_switch *s = &l->switches[l->switch_count];
	u32 at = head, otherwise;

	for (u32 i = 0; i < length; i++) {
		const struct bpf_node *n = &pool->nodes[at];

		cases[i] = (struct one_case){bpf_raw(pool->kind, n->field.size, n->k), i, n->t};
		if (i)
			l->role[at] = ROLE_INNER;
		at = n->f;
	}
	otherwise = at;
	qsort(cases, length, sizeof *cases, compare_cases);
	*s = (struct bpf_switch){head, l->range_count, 0};
	add_range(l, s, 0, otherwise);
	for (u32 i = 0; i < length; i++) {
		if (i && cases[i].key == cases[i - 1].key)
			continue; /* the first of two equal tests decides */
		add_range(l, s, cases[i].key, cases[i].target);
		if (cases[i].key != ~0u)
			add_range(l, s, cases[i].key + 1, otherwise);
	}
	l->range_count += s->count;
	l->role[head] = ROLE_SWITCH + l->switch_count++;
}

/* References to each node, and those by which a run goes on, in two arrays of pool->n. */
static void count_references(const struct bpf_layout *l, const struct bpf_pool *pool, u32 *all, u32 *runs)
{
	for (u32 i = pool->n; i-- > 0;) {
		const struct bpf_node *n = &pool->nodes[i];

		if (l->role[i] == ROLE_DEAD)
			continue;
		if (n->t != NO_NODE) {
			l->role[n->t] = ROLE_PLAIN;
			all[n->t]++;
		}
		if (n->f != NO_NODE) {
			l->role[n->f] = ROLE_PLAIN;
			all[n->f]++;
			runs[n->f] += continues(n, &pool->nodes[n->f]);
		}
	}
}

static void find_switches(struct bpf_layout *l, const struct bpf_pool *pool, const u32 *all, const u32 *runs,
			  struct one_case *cases)
{
	for (u32 i = pool->n; i-- > 0;) {
		u32 length = 1, at = i;

		/* Behind a search nothing is left in registers: see run.c. */
		if (l->role[i] != ROLE_PLAIN || !is_equality(&pool->nodes[i]) || pool->nodes[i].live)
			continue;
		while (runs[pool->nodes[at].f] == 1 && all[pool->nodes[at].f] == 1) {
			at = pool->nodes[at].f;
			length++;
		}
		if (length >= SWITCH_LEAST)
			make_switch(l, pool, i, length, cases);
	}
}

int bpf_layout_make(struct bpf_layout *l, const struct bpf_pool *pool, const u32 *roots, unsigned root_count)
{
	u32 *all = calloc(pool->n, sizeof *all), *runs = calloc(pool->n, sizeof *runs);
	struct one_case *cases = malloc(pool->n * sizeof *cases);

	*l = (struct bpf_layout){0};
	l->order = malloc(pool->n * sizeof *l->order);
	l->role = calloc(pool->n, sizeof *l->role);
	l->switches = malloc((pool->n / SWITCH_LEAST + 1) * sizeof *l->switches);
	l->ranges = malloc((2 * (size_t)pool->n + pool->n / SWITCH_LEAST + 2) * sizeof *l->ranges);
	if (!all || !runs || !cases || !l->order || !l->role || !l->switches || !l->ranges) {
		bpf_layout_free(l);
		free(all);
		free(runs);
		free(cases);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < root_count; i++) {
		l->role[roots[i]] = ROLE_PLAIN;
		all[roots[i]]++;
	}
	count_references(l, pool, all, runs);
	find_switches(l, pool, all, runs, cases);
	for (u32 i = pool->n; i-- > 0;)
		if (l->role[i] != ROLE_DEAD && l->role[i] != ROLE_INNER)
			l->order[l->count++] = i;
	free(all);
	free(runs);
	free(cases);
	return 0;
}

void bpf_layout_free(struct bpf_layout *l)
{
	free(l->order);
	free(l->role);
	free(l->switches);
	free(l->ranges);
	*l = (struct bpf_layout){0};
}
