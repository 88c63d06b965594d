// SPDX-License-Identifier: Apache-2.0
/* Compiles plans to x86-64, each node to the instructions in front of its successors'. See jit.h. */
#include "bpf/jit.h"
#include "bpf/arena.h"
#include "bpf/emit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bpf_image {
	struct bpf_arena *arena; /* borrowed */
	struct bpf_span span;
	unsigned root_count;
	u32 entries[]; /* bytes into the code */
};

/* Where a node begins, as distances from the end of code; loaded: behind the load of its field, if that can be left out. */
struct place {
	u32 start, loaded;
};

struct compiler {
	struct emitter e;
	const struct bpf_pool *pool;
	const struct bpf_layout *layout;
	struct place *places;
	u32 fail; /* the end that returns 0 */
};

static const u8 registers[] = {X86_AX, X86_CX, X86_R8};

static bool whole_mask(const struct bpf_field *f)
{
	return f->mask == (f->size == 4 ? ~0u : (1u << f->size * 8) - 1);
}

/* ---- where to go ---- */

/* The target's start; behind its load when edx holds @held, its field as memory has it (nullable). */
static u32 target_of(const struct compiler *c, u32 node, const struct bpf_field *held)
{
	const struct bpf_node *n = &c->pool->nodes[node];
	const struct place *p = &c->places[node];

	if (held && p->loaded && n->field.off == held->off && n->field.size == held->size)
		return p->loaded;
	return p->start;
}

static void go(struct compiler *c, u32 target)
{
	if (target != emit_here(&c->e))
		emit_jmp(&c->e, target);
}

static void branch(struct compiler *c, enum x86_cc cc, u32 t, u32 f)
{
	if (t == emit_here(&c->e)) {
		emit_jcc(&c->e, cc ^ 1, f);
		return;
	}
	go(c, f);
	emit_jcc(&c->e, cc, t);
}

static enum x86_cc condition(u8 code)
{
	return code == BPF_JEQ ? CC_E : code == BPF_JGT ? CC_A : code == BPF_JGE ? CC_AE : CC_NE;
}

/* ---- fields ---- */

/* reg := the field's bytes as memory has them, zero-extended. Far offsets of packets come from the table. */
static void load_raw(struct compiler *c, u8 reg, const struct bpf_field *f)
{
	enum x86_op op = f->size == 1 ? X86_MOVZX8 : f->size == 2 ? X86_MOVZX16 : X86_MOV;

	if (f->off < 128) {
		emit_data(&c->e, op, reg, (u8)f->off, false);
		return;
	}
	emit_index(&c->e, op, reg);
	emit_constant(&c->e, X86_MOV, X86_DX, f->off);
}

static void swap_bytes(struct compiler *c, u8 reg, u8 size)
{
	if (c->pool->kind == BPF_KIND_PACKET && size > 1)
		emit_unary(&c->e, size == 2 ? X86_ROL16 : X86_BSWAP, reg, 0);
}

static void emit_field(struct compiler *c, const struct bpf_node *n)
{
	u8 reg = registers[n->reg];

	if (n->field.shift)
		emit_unary(&c->e, n->field.shift > 0 ? X86_SHL : X86_SHR, reg, (u8)abs(n->field.shift));
	if (!whole_mask(&n->field))
		emit_constant(&c->e, X86_AND, reg, n->field.mask);
	swap_bytes(c, reg, n->field.size);
	load_raw(c, reg, &n->field);
}

/* ---- tests ---- */

static void emit_field_test(struct compiler *c, u32 id, const struct bpf_node *n)
{
	bool raw = n->code == BPF_JEQ || n->code == BPF_JSET, whole = whole_mask(&n->field);
	bool kept = whole && (raw || c->pool->kind == BPF_KIND_SECCOMP);
	u32 k = raw ? bpf_raw(c->pool->kind, n->field.size, n->k) : n->k;
	const struct bpf_field *held = kept ? &n->field : NULL;

	branch(c, condition(n->code), target_of(c, n->t, held), target_of(c, n->f, held));
	emit_constant(&c->e, n->code == BPF_JSET ? X86_TEST : X86_CMP, X86_DX, k);
	if (!whole)
		emit_constant(&c->e, X86_AND, X86_DX,
			      raw ? bpf_raw(c->pool->kind, n->field.size, n->field.mask) : n->field.mask);
	if (!raw)
		swap_bytes(c, X86_DX, n->field.size);
	c->places[id].loaded = emit_here(&c->e);
	load_raw(c, X86_DX, &n->field);
}

static void emit_reg_test(struct compiler *c, const struct bpf_node *n)
{
	enum x86_op op = n->code == BPF_JSET ? X86_TEST : X86_CMP;

	branch(c, condition(n->code), c->places[n->t].start, c->places[n->f].start);
	if (n->src == REG_NONE)
		emit_constant(&c->e, op, registers[n->reg], n->k);
	else
		emit_reg(&c->e, op, registers[n->reg], registers[n->src]);
}

static void emit_test64(struct compiler *c, const struct bpf_node *n)
{
	branch(c, CC_E, c->places[n->t].start, c->places[n->f].start);
	emit_constant64(&c->e, X86_CMP, X86_DX, n->wide_k);
	if (n->wide_mask != ~0ull)
		emit_constant64(&c->e, X86_AND, X86_DX, n->wide_mask);
	emit_data(&c->e, X86_MOV, X86_DX, (u8)n->field.off, true);
}

/* rdx := X + k, from which on @size bytes are there. */
static void emit_index_check(struct compiler *c, u32 k, u8 size)
{
	emit_jcc(&c->e, CC_A, c->fail);
	emit_compare_end(&c->e);
	emit_lea(&c->e, X86_R9, X86_DX, size, true);
	if (k < 128) {
		emit_lea(&c->e, X86_DX, X86_CX, (u8)k, false);
		return;
	}
	emit_reg(&c->e, X86_ADD, X86_DX, X86_CX);
	emit_constant(&c->e, X86_MOV, X86_DX, k);
}

static void emit_ind(struct compiler *c, const struct bpf_node *n)
{
	u8 size = n->field.size;
	enum x86_op op = size == 1 ? X86_MOVZX8 : size == 2 ? X86_MOVZX16 : X86_MOV;

	if (n->op == NODE_IND_TEST) {
		u32 k = bpf_raw(c->pool->kind, size, (u32)n->wide_k);

		if (size < 4 && n->wide_k >> size * 8)
			k = ~0u; /* no such value is that large */
		branch(c, CC_E, c->places[n->t].start, c->places[n->f].start);
		emit_constant(&c->e, X86_CMP, X86_DX, k);
		emit_index(&c->e, op, X86_DX);
	} else {
		go(c, c->places[n->t].start);
		swap_bytes(c, X86_AX, size);
		emit_index(&c->e, op, X86_AX);
	}
	emit_index_check(c, n->k, size);
}

/* A search by halves for the range that edx lies in. */
static void emit_search(struct compiler *c, const struct bpf_range *r, u32 count)
{
	u32 half = count / 2, above;

	if (count == 1) {
		go(c, c->places[r->target].start);
		return;
	}
	if (count - half > 1) {
		emit_search(c, r + half, count - half);
		above = emit_here(&c->e);
	} else {
		above = c->places[r[half].target].start;
	}
	emit_search(c, r, half);
	emit_jcc(&c->e, CC_AE, above);
	emit_constant(&c->e, X86_CMP, X86_DX, r[half].low);
}

static void emit_switch(struct compiler *c, u32 id, const struct bpf_switch *s)
{
	const struct bpf_node *n = &c->pool->nodes[id];

	emit_search(c, &c->layout->ranges[s->first], s->count);
	if (!whole_mask(&n->field))
		emit_constant(&c->e, X86_AND, X86_DX, bpf_raw(c->pool->kind, n->field.size, n->field.mask));
	c->places[id].loaded = emit_here(&c->e);
	load_raw(c, X86_DX, &n->field);
}

/* ---- arithmetic ---- */

static void emit_division(struct compiler *c, const struct bpf_node *n)
{
	u8 divisor = n->src == REG_NONE ? X86_R9 : registers[n->src];

	if (n->code == BPF_MOD)
		emit_reg(&c->e, X86_MOV, X86_AX, X86_DX);
	emit_unary(&c->e, X86_DIV, divisor, 0);
	emit_reg(&c->e, X86_XOR, X86_DX, X86_DX);
	if (n->src == REG_NONE) {
		emit_constant(&c->e, X86_MOV, X86_R9, n->k);
		return;
	}
	/* The program has made sure of it already, but maybe not in a way that verify.c could follow. */
	emit_jcc(&c->e, CC_E, c->fail);
	emit_reg(&c->e, X86_TEST, divisor, divisor);
}

static void emit_alu(struct compiler *c, const struct bpf_node *n)
{
	u8 reg = registers[n->reg];
	enum x86_op op;

	switch (n->code) {
	case BPF_NEG:
		emit_unary(&c->e, X86_NEG, reg, 0);
		return;
	case BPF_DIV:
	case BPF_MOD:
		emit_division(c, n);
		return;
	case BPF_LSH:
	case BPF_RSH:
		if (n->src == REG_NONE)
			emit_unary(&c->e, n->code == BPF_LSH ? X86_SHL : X86_SHR, reg, n->k & 31);
		else
			emit_unary(&c->e, n->code == BPF_LSH ? X86_SHL_CL : X86_SHR_CL, reg, 0);
		return;
	case BPF_ADD:
		op = X86_ADD;
		break;
	case BPF_SUB:
		op = X86_SUB;
		break;
	case BPF_MUL:
		op = X86_IMUL;
		break;
	case BPF_AND:
		op = X86_AND;
		break;
	case BPF_OR:
		op = X86_OR;
		break;
	default:
		op = X86_XOR;
	}
	if (n->src == REG_NONE)
		emit_constant(&c->e, op, reg, n->k);
	else
		emit_reg(&c->e, op, reg, registers[n->src]);
}

/* reg := k */
static void emit_set(struct compiler *c, u8 reg, u32 k)
{
	if (k)
		emit_constant(&c->e, X86_MOV, reg, k);
	else
		emit_reg(&c->e, X86_XOR, reg, reg);
}

/* What has one successor and computes. */
static void emit_straight(struct compiler *c, const struct bpf_node *n)
{
	s8 cell = (s8)(-4 - 4 * (s32)(n->k & 15));

	go(c, c->places[n->t].start);
	switch (n->op) {
	case NODE_NEED:
		emit_jcc(&c->e, CC_B, c->fail);
		emit_compare_size(&c->e, n->k);
		break;
	case NODE_SET:
		emit_set(c, registers[n->reg], n->k);
		break;
	case NODE_FIELD:
		emit_field(c, n);
		break;
	case NODE_MOVE:
		emit_reg(&c->e, X86_MOV, registers[n->reg], registers[n->src]);
		break;
	case NODE_ALU:
		emit_alu(c, n);
		break;
	case NODE_LEN:
		emit_reg(&c->e, X86_MOV, registers[n->reg], X86_SI);
		break;
	case NODE_STORE:
		emit_stack(&c->e, X86_STORE, registers[n->reg], cell);
		break;
	default: /* NODE_FETCH */
		emit_stack(&c->e, X86_MOV, registers[n->reg], cell);
	}
}

static void emit_node(struct compiler *c, u32 id)
{
	const struct bpf_node *n = &c->pool->nodes[id];
	u32 role = c->layout->role[id];

	if (role >= ROLE_SWITCH) {
		emit_switch(c, id, &c->layout->switches[role - ROLE_SWITCH]);
	} else if (n->op == NODE_RET_K) {
		emit_ret(&c->e);
		emit_set(c, X86_AX, n->k);
	} else if (n->op == NODE_RET_A) {
		emit_ret(&c->e);
	} else if (n->op == NODE_TEST && n->field.size) {
		emit_field_test(c, id, n);
	} else if (n->op == NODE_TEST) {
		emit_reg_test(c, n);
	} else if (n->op == NODE_TEST64) {
		emit_test64(c, n);
	} else if (n->op == NODE_LONG) {
		branch(c, CC_AE, c->places[n->t].start, c->places[n->f].start);
		emit_compare_size(&c->e, n->k);
	} else if (n->op == NODE_IND || n->op == NODE_IND_TEST) {
		emit_ind(c, n);
	} else {
		emit_straight(c, n);
	}
	c->places[id].start = emit_here(&c->e);
}

/* ---- images ---- */

/* Writes the distances to the constants, now that both have their places. */
static void resolve(struct compiler *c, const struct bpf_span *span)
{
	for (u32 i = 0; i < c->e.fixup_count; i++) {
		const struct emit_fixup *f = &c->e.fixups[i];
		s64 end = (s64)(span->code + span->code_size - f->end);
		s32 distance = (s32)((s64)(span->constants + f->constant) - end);

		memcpy(c->e.buffer + c->e.room - f->end - 4, &distance, sizeof distance);
	}
}

void bpf_image_emitted(const struct bpf_image *image, enum bpf_kind kind, struct bpf_emitted *out)
{
	*out = (struct bpf_emitted){image->span.code,
				    image->span.code_size,
				    image->span.constants - image->span.code,
				    image->span.constants,
				    image->span.constant_size,
				    kind == BPF_KIND_SECCOMP ? BPF_DATA_SIZE : 0,
				    image->entries,
				    image->root_count};
}

static int seal(struct compiler *c, const u32 *roots, struct bpf_image *image)
{
	struct bpf_emitted emitted;
	int error;
	u32 at;

	error = bpf_arena_take(image->arena, emit_here(&c->e), c->e.constant_count * 4, &image->span);
	if (error)
		return error;
	resolve(c, &image->span);
	for (unsigned i = 0; i < image->root_count; i++)
		image->entries[i] = image->span.code_size - c->places[roots[i]].start;
	bpf_image_emitted(image, c->pool->kind, &emitted);
	emitted.code = c->e.buffer + c->e.at;
	emitted.constant_data = (const u8 *)c->e.constants;
	/* Code that is not understood is not run; the interpreter does its work. */
	error = bpf_verify(&emitted, &at) ? -ENOSPC : 0;
	if (!error)
		error = bpf_arena_fill(image->arena, &image->span, emitted.code,
				       c->e.constant_count ? c->e.constants : NULL);
	if (error)
		bpf_arena_drop(image->arena, &image->span);
	return error;
}

static int compile(struct compiler *c, const u32 *roots, struct bpf_image *image)
{
	emit_ret(&c->e);
	emit_set(c, X86_AX, 0);
	c->fail = emit_here(&c->e);
	for (u32 i = c->layout->count; i-- > 0;)
		emit_node(c, c->layout->order[i]);
	return c->e.failed ? -ENOSPC : seal(c, roots, image);
}

int bpf_jit(struct bpf_image **out, const struct bpf_pool *pool, const struct bpf_layout *layout,
	    const u32 *roots, unsigned root_count, struct bpf_arena *arena)
{
	struct compiler c = {.pool = pool, .layout = layout};
	struct bpf_image *image = malloc(sizeof *image + root_count * sizeof *image->entries);
	int error = -ENOMEM;

	c.places = calloc(pool->n, sizeof *c.places);
	if (image && c.places && !emitter_init(&c.e, layout->count + layout->range_count)) {
		image->arena = arena;
		image->root_count = root_count;
		error = compile(&c, roots, image);
		emitter_free(&c.e);
	}
	free(c.places);
	if (error)
		free(image);
	else
		*out = image;
	return error;
}

void bpf_image_free(struct bpf_image *image)
{
	if (!image)
		return;
	bpf_arena_drop(image->arena, &image->span);
	free(image);
}

bpf_function *bpf_image_entry(const struct bpf_image *image, unsigned root)
{
	return (bpf_function *)(image->span.code + image->entries[root]);
}

u32 bpf_image_size(const struct bpf_image *image)
{
	return image->span.code_size;
}

void bpf_image_print(const struct bpf_image *image, struct text *out)
{
	const u8 *code = image->span.code, *end = code + image->span.code_size;
	struct x86_insn i;
	u32 value;

	for (const u8 *p = code; p < end; p += i.size) {
		if (!x86_decode(p, (u32)(end - p), &i))
			return;
		text_add(out, "%5u:  ", (u32)(p - code));
		x86_print(&i, out);
		if (i.op == X86_JCC || i.op == X86_JMP)
			text_add(out, " %u", (u32)(p - code) + i.size + (u32)i.disp);
		if (i.form == FORM_RIP) {
			memcpy(&value, p + i.size + i.disp, sizeof value);
			text_add(out, "  ; %#x", value);
		}
		text_add(out, "\n");
	}
}
