// SPDX-License-Identifier: Apache-2.0
/* Plans become operations of the interpreter: one node, one operation; a search has its table. fuse.c puts them in order. */
#include "bpf/arena.h"
#include "bpf/code.h"
#include "bpf/fuse.h"
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
	struct bpf_op *ops;
	const struct bpf_pool *pool;
	const struct bpf_layout *layout;
	u32 *place;  /* by node: its operation */
	u8 *labels;  /* by operation */
	u32 at;      /* the operation in hand */
	u32 *tables; /* where the next one begins */
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

/*
 * Equality of a field, or of some of its bits with 0. Four bytes that end where the field does are compared: what is
 * there in front of it surely is, what is behind it perhaps not.
 */
static enum bpf_label lower_equality(const struct lowering *l, const struct bpf_node *n, struct bpf_op *op)
{
	u8 size = n->field.size, front = n->field.off + size < 4 ? 0 : 4 - size;
	u32 mask = bpf_raw(l->pool->kind, size, n->code == BPF_JSET ? n->k : n->field.mask);
	u32 k = n->code == BPF_JSET ? 0 : bpf_raw(l->pool->kind, size, n->k);

	op->off = n->field.off - front;
	op->mask = mask << 8 * front;
	op->k = k << 8 * front;
	if (front || size == 4)
		return L_IS;
	return size == 1 ? L_IS_8 : L_IS_16;
}

static enum bpf_label lower_field_test(const struct lowering *l, const struct bpf_node *n, struct bpf_op *op)
{
	if (n->code == BPF_JEQ || n->code == BPF_JSET)
		return lower_equality(l, n, op);
	op->off = n->field.off;
	op->mask = n->field.mask;
	return ordered(l, n->code == BPF_JGT ? L_GT_8 : L_GE_8, n->field.size);
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

/* The distance from the operation in hand to the next table. */
static u32 table_distance(const struct lowering *l)
{
	return (u32)((char *)l->tables - (char *)&l->ops[l->at]);
}

static enum bpf_label lower_test64(struct lowering *l, const struct bpf_node *n, struct bpf_op *op)
{
	op->off = n->field.off;
	op->wide = n->wide_k;
	if (n->wide_mask == ~0ull)
		return L_IS_64;
	op->mask = table_distance(l);
	*l->tables++ = (u32)n->wide_mask;
	*l->tables++ = (u32)(n->wide_mask >> 32);
	return L_ISM_64;
}

/* What shifted() of run.c multiplies with. */
static u64 shift_factor(int shift)
{
	return 1ull << (32 + shift);
}

static enum bpf_label lower_alu(const struct bpf_node *n, struct bpf_op *op)
{
	static const u8 codes[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD,
				   BPF_AND, BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH};
	unsigned which = 0;

	BUG_ON(n->reg != REG_A);
	if (n->code == BPF_NEG)
		return L_NEG;
	if (n->src == REG_NONE && (n->code == BPF_LSH || n->code == BPF_RSH)) {
		op->wide = shift_factor(n->code == BPF_LSH ? (int)(n->k & 31) : -(int)(n->k & 31));
		return L_SHIFT_K;
	}
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
	op->wide = shift_factor(n->field.shift);
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
		return sized(L_IND_IS_8, n->field.size);
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
		return lower_alu(n, op);
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
	return node == NO_NODE ? 0 : (s32)((l->place[node] - l->at) * sizeof(struct bpf_op));
}

/* A table by value if the last range begins early enough, else one to be searched. */
static enum bpf_label lower_switch(struct lowering *l, const struct bpf_switch *s, struct bpf_op *op)
{
	const struct bpf_node *n = &l->pool->nodes[s->node];
	const struct bpf_range *r = &l->layout->ranges[s->first];
	u32 last = r[s->count - 1].low;

	op->off = n->field.off;
	op->mask = bpf_raw(l->pool->kind, n->field.size, n->field.mask);
	op->extra = table_distance(l);
	if (n->field.size != 2 && last <= INDEX_MOST && last <= 8 * s->count + 64) {
		op->k = last;
		op->f = distance(l, r[s->count - 1].target);
		for (u32 i = 0; i + 1 < s->count; i++)
			for (u32 v = r[i].low; v < r[i + 1].low; v++)
				*l->tables++ = (u32)distance(l, r[i].target);
		return n->field.size == 1 ? L_INDEX_8 : L_INDEX_32;
	}
	*l->tables++ = s->count;
	for (u32 i = 0; i < s->count; i++)
		*l->tables++ = r[i].low;
	for (u32 i = 0; i < s->count; i++)
		*l->tables++ = (u32)distance(l, r[i].target);
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
	u8 size = n->field.size;

	op->off = n->field.off;
	op->extra = table_distance(l);
	*l->tables++ = length;
	for (u32 i = 0; i < length; i++) {
		u64 k = size == 8 ? n->wide_k : bpf_raw(l->pool->kind, size, n->k);

		*l->tables++ = (u32)k;
		*l->tables++ = (u32)(k >> 32);
		*l->tables++ = (u32)distance(l, n->t);
		if (i + 1 < length)
			n = &l->pool->nodes[n->f];
	}
	*l->tables++ = (u32)distance(l, n->f);
	return size == 8 ? L_SCAN_64 : sized(L_SCAN_8, size);
}

static enum bpf_label lower_one(struct lowering *l, u32 id, struct bpf_op *op)
{
	const struct bpf_node *n = &l->pool->nodes[id];
	u32 role = l->layout->role[id], length;
	bool swapped = n->op == NODE_TEST && n->field.size && n->code == BPF_JSET;

	*op = (struct bpf_op){0};
	if (role >= ROLE_SWITCH)
		return lower_switch(l, &l->layout->switches[role - ROLE_SWITCH], op);
	length = scan_length(l, n);
	if (length >= SCAN_LEAST)
		return lower_scan(l, n, length, op);
	op->t = distance(l, swapped ? n->f : n->t);
	op->f = distance(l, swapped ? n->t : n->f);
	return lower_node(l, n, op);
}

/* More words than the tables can take. */
static size_t table_room(const struct bpf_layout *layout, const struct bpf_pool *pool)
{
	size_t room = 1 + (2 + 3 * SCAN_MOST) * (size_t)pool->n;

	for (u32 i = 0; i < layout->switch_count; i++)
		room += 1 + 64 + 10 * (size_t)layout->switches[i].count;
	return room;
}

/* Scratch words are needed, T's or M's. */
static bool needs_frame(const struct bpf_pool *pool, const struct bpf_layout *layout)
{
	for (u32 i = 0; i < layout->count; i++) {
		const struct bpf_node *n = &pool->nodes[layout->order[i]];

		if (n->op == NODE_STORE || n->op == NODE_FETCH ||
		    (n->reg == REG_T && (n->op == NODE_SET || n->op == NODE_FIELD || n->op == NODE_MOVE)))
			return true;
	}
	return false;
}

/* Where each root begins: at its operation, or at a frame in front of it. How many operations there are then. */
static u32 enter(struct lowering *l, struct bpf_code *code, const u32 *roots, u32 count, bool frame)
{
	for (unsigned i = 0; i < code->root_count; i++) {
		code->entries[i] = l->place[roots[i]];
		if (!frame)
			continue;
		l->at = code->entries[i] = count++;
		l->ops[l->at] = (struct bpf_op){.run = bpf_steps[L_FRAME], .t = distance(l, roots[i])};
	}
	return count;
}

static int lower(struct bpf_code *code, const struct bpf_pool *pool, const struct bpf_layout *layout,
		 const u32 *roots)
{
	bool frame = needs_frame(pool, layout);
	u32 all = layout->count + (frame ? code->root_count : 0);
	struct lowering l = {.pool = pool, .layout = layout};
	struct bpf_op *trimmed;
	u32 *order = malloc(layout->count * sizeof *order);

	l.place = malloc(pool->n * sizeof *l.place);
	l.labels = malloc(layout->count);
	l.ops = code->ops = malloc(all * sizeof *l.ops + table_room(layout, pool) * sizeof *l.tables);
	if (order && l.place && l.labels && l.ops) {
		bpf_rows_order(pool, layout, order, l.place);
		l.tables = (u32 *)(void *)(l.ops + all);
		for (l.at = 0; l.at < layout->count; l.at++)
			l.labels[l.at] = (u8)lower_one(&l, order[l.at], &l.ops[l.at]);
		bpf_rows_fuse(l.ops, l.labels, layout->count);
		for (u32 i = 0; i < layout->count; i++)
			l.ops[i].run = bpf_steps[l.labels[i]];
		enter(&l, code, roots, layout->count, frame);
		code->bytes = (size_t)((char *)l.tables - (char *)l.ops);
		trimmed = realloc(l.ops, code->bytes);
		code->ops = trimmed ? trimmed : l.ops;
	}
	free(order);
	free(l.place);
	free(l.labels);
	return code->bytes ? 0 : -ENOMEM;
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
