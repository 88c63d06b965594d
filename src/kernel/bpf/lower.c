// SPDX-License-Identifier: Apache-2.0
/* Plans become operations of the interpreter: one node, one operation; a search has its table. */
#include "bpf/arena.h"
#include "bpf/code.h"
#include "bpf/jit.h"
#include "bpf/layout.h"
#include "bpf/ops.h"

#include "base/bug.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_LEAST 4
#define SCAN_MOST  8    /* values that one operation tries */
#define INDEX_MOST 1024 /* values that a table by value may have */

struct lowering {
	struct bpf_code *code;
	const struct bpf_pool *pool;
	const struct bpf_layout *layout;
	u32 *place; /* by node: its operation */
	u32 at;     /* the operation in hand */
};

/* Which of the labels for 8 bits, 16, 32: @base stands for the first. */
static enum bpf_label sized(enum bpf_label base, u8 size)
{
	return base + (size == 1 ? 0 : size == 2 ? 1 : 2);
}

/* As sized(), with the byte order: 8, B16, B32, W32. */
static enum bpf_label ordered(const struct lowering *l, enum bpf_label base, u8 size)
{
	return base + (l->pool->kind == BPF_KIND_SECCOMP ? 3 : size == 1 ? 0 : size == 2 ? 1 : 2);
}

static bool whole(const struct bpf_field *f)
{
	return f->mask == (f->size == 4 ? ~0u : (1u << f->size * 8) - 1);
}

static enum bpf_label lower_field_test(const struct lowering *l, const struct bpf_node *n, struct bpf_op *op)
{
	op->off = n->field.off;
	switch (n->code) {
	case BPF_JEQ:
		op->k = bpf_raw(l->pool->kind, n->field.size, n->k);
		op->mask = bpf_raw(l->pool->kind, n->field.size, n->field.mask);
		return sized(whole(&n->field) ? L_EQ_8 : L_EQM_8, n->field.size);
	case BPF_JSET:
		op->k = bpf_raw(l->pool->kind, n->field.size, n->k);
		return sized(L_SET_8, n->field.size);
	default:
		op->mask = n->field.mask;
		return ordered(l, n->code == BPF_JGT ? L_GT_8 : L_GE_8, n->field.size);
	}
}

static enum bpf_label lower_test(const struct lowering *l, const struct bpf_node *n, struct bpf_op *op)
{
	static const u8 codes[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
	unsigned which = 0;

	if (n->field.size)
		return lower_field_test(l, n, op);
	while (codes[which] != n->code)
		which++;
	if (n->reg == REG_A)
		return (n->src == REG_NONE ? L_EQ_AK : L_EQ_AX) + which;
	BUG_ON(n->src != REG_NONE || (n->code != BPF_JEQ && n->code != BPF_JSET));
	return n->code == BPF_JEQ ? L_EQ_XK : L_SET_XK;
}

static enum bpf_label lower_test64(struct lowering *l, const struct bpf_node *n, struct bpf_op *op)
{
	op->off = n->field.off;
	op->k = (u32)n->wide_k;
	op->mask = (u32)(n->wide_k >> 32); /* run.c reads both as one */
	if (n->wide_mask == ~0ull)
		return L_EQ_64;
	op->extra = l->code->table_size;
	l->code->tables[l->code->table_size++] = (u32)n->wide_mask;
	l->code->tables[l->code->table_size++] = (u32)(n->wide_mask >> 32);
	return L_EQM_64;
}

static enum bpf_label lower_alu(const struct bpf_node *n)
{
	static const u8 codes[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD,
				   BPF_AND, BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH};
	unsigned which = 0;

	BUG_ON(n->reg != REG_A);
	if (n->code == BPF_NEG)
		return L_NEG;
	while (codes[which] != n->code)
		which++;
	return (n->src == REG_NONE ? L_ADD_K : L_ADD_X) + which;
}

static enum bpf_label lower_move(const struct bpf_node *n)
{
	if (n->reg == REG_A)
		return n->src == REG_X ? L_MOVE_AX : L_MOVE_AT;
	BUG_ON(n->src != REG_A);
	return n->reg == REG_X ? L_MOVE_XA : L_MOVE_TA;
}

static enum bpf_label lower_field(const struct lowering *l, const struct bpf_node *n, struct bpf_op *op)
{
	enum bpf_label base = n->reg == REG_A ? L_FIELD_8_A : n->reg == REG_X ? L_FIELD_8_X : L_FIELD_8_T;

	op->off = n->field.off;
	op->mask = n->field.mask;
	op->extra = n->field.shift >= 0 ? (u32)n->field.shift : (u32)-n->field.shift << 8;
	return ordered(l, base, n->field.size);
}

static enum bpf_label lower_node(struct lowering *l, const struct bpf_node *n, struct bpf_op *op)
{
	op->k = n->k;
	switch (n->op) {
	case NODE_RET_K:
		return L_RET_K;
	case NODE_RET_A:
		return L_RET_A;
	case NODE_TEST:
		return lower_test(l, n, op);
	case NODE_TEST64:
		return lower_test64(l, n, op);
	case NODE_IND_TEST:
		op->k = bpf_raw(l->pool->kind, n->field.size, (u32)n->wide_k);
		if (n->field.size < 4 && n->wide_k >> n->field.size * 8)
			op->k = ~0u; /* no such value is that large */
		op->off = n->k;
		return sized(L_IND_EQ_8, n->field.size);
	case NODE_LONG:
		return L_LONG;
	case NODE_NEED:
		return L_NEED;
	case NODE_SET:
		return L_CONST_A + n->reg;
	case NODE_FIELD:
		return lower_field(l, n, op);
	case NODE_MOVE:
		return lower_move(n);
	case NODE_ALU:
		return lower_alu(n);
	case NODE_IND:
		op->off = n->k;
		return sized(L_IND_8, n->field.size);
	case NODE_LEN:
		return n->reg == REG_A ? L_LEN_A : L_LEN_X;
	case NODE_STORE:
		return n->reg == REG_A ? L_STORE_A : L_STORE_X;
	default: /* NODE_FETCH */
		return n->reg == REG_A ? L_FETCH_A : L_FETCH_X;
	}
}

static s32 distance(const struct lowering *l, u32 node)
{
	return (s32)((l->place[node] - l->at) * sizeof(struct bpf_op));
}

/* A table by value if the last range begins early enough, else one to be searched. */
static enum bpf_label lower_switch(struct lowering *l, const struct bpf_switch *s, struct bpf_op *op)
{
	const struct bpf_node *n = &l->pool->nodes[s->node];
	const struct bpf_range *r = &l->layout->ranges[s->first];
	u32 *table = &l->code->tables[l->code->table_size], last = r[s->count - 1].low;

	op->off = n->field.off;
	op->mask = bpf_raw(l->pool->kind, n->field.size, n->field.mask);
	op->extra = l->code->table_size;
	if (n->field.size != 2 && last <= INDEX_MOST && last <= 8 * s->count + 64) {
		op->k = last;
		op->f = distance(l, r[s->count - 1].target);
		for (u32 i = 0; i + 1 < s->count; i++)
			for (u32 v = r[i].low; v < r[i + 1].low; v++)
				table[v] = (u32)distance(l, r[i].target);
		l->code->table_size += last;
		return n->field.size == 1 ? L_INDEX_8 : L_INDEX_32;
	}
	*table++ = s->count;
	for (u32 i = 0; i < s->count; i++) {
		table[i] = r[i].low;
		table[s->count + i] = (u32)distance(l, r[i].target);
	}
	l->code->table_size += 1 + 2 * s->count;
	return sized(L_FIND_8, n->field.size);
}

/* A test of a whole field for equality, behind which no register is needed (run.c). */
static bool is_scanned(const struct bpf_node *n)
{
	if (n->live)
		return false;
	return n->op == NODE_TEST64 ? n->wide_mask == ~0ull
				    : n->op == NODE_TEST && n->code == BPF_JEQ && n->field.size &&
					      n->src == REG_NONE && whole(&n->field);
}

/* The next node tests the same field. */
static bool scans_on(const struct lowering *l, const struct bpf_node *n)
{
	const struct bpf_node *next = &l->pool->nodes[n->f];

	return is_scanned(next) && n->field.off == next->field.off && n->field.size == next->field.size &&
	       l->layout->role[n->f] < ROLE_SWITCH;
}

/* How many values one operation can try from @n on. */
static u32 scan_length(const struct lowering *l, const struct bpf_node *n)
{
	u32 length = is_scanned(n);

	for (; length && length < SCAN_MOST && scans_on(l, n); length++)
		n = &l->pool->nodes[n->f];
	return length;
}

/* Tried one after another, in one operation. */
static enum bpf_label lower_scan(struct lowering *l, const struct bpf_node *n, u32 length, struct bpf_op *op)
{
	u32 *to = &l->code->tables[l->code->table_size];
	u8 size = n->field.size;

	op->off = n->field.off;
	op->extra = l->code->table_size;
	*to++ = length;
	for (u32 i = 0; i < length; i++, to += 3) {
		u64 k = size == 8 ? n->wide_k : bpf_raw(l->pool->kind, size, n->k);

		to[0] = (u32)k;
		to[1] = (u32)(k >> 32);
		to[2] = (u32)distance(l, n->t);
		if (i + 1 < length)
			n = &l->pool->nodes[n->f];
	}
	*to++ = (u32)distance(l, n->f);
	l->code->table_size = (u32)(to - l->code->tables);
	return size == 8 ? L_SCAN_64 : sized(L_SCAN_8, size);
}

static void lower_all(struct lowering *l)
{
	const void *const *labels = bpf_labels();

	for (l->at = 0; l->at < l->layout->count; l->at++) {
		u32 id = l->layout->order[l->at], role = l->layout->role[id];
		const struct bpf_node *n = &l->pool->nodes[id];
		struct bpf_op *op = &l->code->ops[l->at];
		u32 length;

		*op = (struct bpf_op){0};
		if (role >= ROLE_SWITCH) {
			op->label = labels[lower_switch(l, &l->layout->switches[role - ROLE_SWITCH], op)];
			continue;
		}
		length = scan_length(l, n);
		if (length >= SCAN_LEAST) {
			op->label = labels[lower_scan(l, n, length, op)];
			continue;
		}
		op->label = labels[lower_node(l, n, op)];
		op->t = n->t == NO_NODE ? 0 : distance(l, n->t);
		op->f = n->f == NO_NODE ? 0 : distance(l, n->f);
	}
}

/* More words than the tables can take. */
static size_t table_room(const struct bpf_layout *layout, const struct bpf_pool *pool)
{
	size_t room = 1 + (2 + 3 * SCAN_MOST) * (size_t)pool->n;

	for (u32 i = 0; i < layout->switch_count; i++)
		room += 1 + 64 + 10 * (size_t)layout->switches[i].count;
	return room;
}

static int lower(struct bpf_code *code, const struct bpf_pool *pool, const struct bpf_layout *layout,
		 const u32 *roots)
{
	struct lowering l = {code, pool, layout};

	l.place = malloc(pool->n * sizeof *l.place);
	code->ops = malloc(layout->count * sizeof *code->ops);
	code->tables = malloc(table_room(layout, pool) * sizeof *code->tables);
	if (!l.place || !code->ops || !code->tables) {
		free(l.place);
		return -ENOMEM;
	}
	for (u32 i = 0; i < layout->count; i++)
		l.place[layout->order[i]] = i;
	for (unsigned i = 0; i < code->root_count; i++)
		code->entries[i] = l.place[roots[i]];
	lower_all(&l);
	code->op_count = layout->count;
	free(l.place);
	return 0;
}

int bpf_code_make(struct bpf_code *code, const struct bpf_pool *pool, const u32 *roots, unsigned root_count,
		  struct bpf_arena *arena)
{
	struct bpf_layout layout;
	int error;

	*code = (struct bpf_code){.root_count = root_count};
	if (!root_count)
		return 0;
	error = bpf_layout_make(&layout, pool, roots, root_count);
	if (error)
		return error;
	code->entries = malloc(root_count * sizeof *code->entries);
	error = code->entries ? lower(code, pool, &layout, roots) : -ENOMEM;
	if (!error && arena)
		error = bpf_jit(&code->image, pool, &layout, roots, root_count, arena);
	if (error == -ENOSPC)
		error = 0; /* interpreted */
	bpf_layout_free(&layout);
	if (error)
		bpf_code_free(code);
	return error;
}

void bpf_code_free(struct bpf_code *code)
{
	bpf_image_free(code->image);
	free(code->ops);
	free(code->tables);
	free(code->entries);
	*code = (struct bpf_code){0};
}

bpf_function *bpf_code_function(const struct bpf_code *code, unsigned root)
{
	return code->image ? bpf_image_entry(code->image, root) : NULL;
}

int bpf_compile(struct bpf_compiled *c, const struct bpf_program *p, struct bpf_arena *arena)
{
	struct bpf_planner *planner;
	struct bpf_pool pool;
	u32 root;
	int error;

	bpf_pool_init(&pool, p->kind);
	planner = bpf_planner_new(p, &pool);
	error = planner ? bpf_plan_program(planner, &root) : -ENOMEM;
	if (!error)
		error = bpf_code_make(&c->code, &pool, &root, 1, arena);
	if (!error) {
		c->ops = bpf_code_ops(&c->code, 0);
		c->function = bpf_code_function(&c->code, 0);
	}
	bpf_planner_free(planner);
	bpf_pool_free(&pool);
	return error;
}

void bpf_compiled_free(struct bpf_compiled *c)
{
	bpf_code_free(&c->code);
	*c = (struct bpf_compiled){0};
}
