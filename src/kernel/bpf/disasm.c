// SPDX-License-Identifier: Apache-2.0
/* Programs as text: classic instructions in words, internal ones in Linux's notation, plans as conditions. */
#include "bpf/disasm.h"

#include <linux/audit.h>
#include <string.h>

static const char *alu_sign(u8 op)
{
	static const char *const signs[] = {"+",  "-", "*", "/", "|", "&",  "<<",
					    ">>", "-", "%", "^", "=", "s>>"};

	return op >> 4 < ARRAY_SIZE(signs) ? signs[op >> 4] : "?";
}

const char *bpf_arch_name(u32 arch)
{
	static const struct {
		u32 arch;
		const char *name;
	} names[] = {
		{AUDIT_ARCH_X86_64, "x86-64"},   {AUDIT_ARCH_I386, "i386"},
		{AUDIT_ARCH_AARCH64, "aarch64"}, {AUDIT_ARCH_ARM, "arm"},
		{AUDIT_ARCH_RISCV64, "riscv64"}, {AUDIT_ARCH_S390X, "s390x"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].arch == arch)
			return names[i].name;
	return NULL;
}

void bpf_print_verdict(u32 verdict, struct text *out)
{
	static const struct {
		u32 action;
		const char *name;
		bool data;
	} names[] = {
		{SECCOMP_RET_KILL_PROCESS, "KILL_PROCESS", false},
		{SECCOMP_RET_KILL_THREAD, "KILL_THREAD", false},
		{SECCOMP_RET_TRAP, "TRAP", true},
		{SECCOMP_RET_ERRNO, "ERRNO", true},
		{SECCOMP_RET_USER_NOTIF, "USER_NOTIF", false},
		{SECCOMP_RET_TRACE, "TRACE", true},
		{SECCOMP_RET_LOG, "LOG", false},
		{SECCOMP_RET_ALLOW, "ALLOW", false},
	};
	u32 data = verdict & SECCOMP_RET_DATA;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].action != (verdict & SECCOMP_RET_ACTION_FULL))
			continue;
		text_add(out, names[i].data || data ? "%s(%u)" : "%s", names[i].name, data);
		return;
	}
	text_add(out, "%#x (no action: KILL_PROCESS)", verdict);
}

void bpf_print_errno(u32 verdict, struct text *out)
{
	bool has = (verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO && verdict & SECCOMP_RET_DATA;
	const char *name = has ? strerrorname_np((int)(verdict & SECCOMP_RET_DATA)) : NULL;

	if (name)
		text_add(out, " (%s)", name);
}

void bpf_print_field(enum bpf_kind kind, u32 offset, u8 size, struct text *out)
{
	if (kind == BPF_KIND_PACKET)
		text_add(out, "packet[%u:%u]", offset, size);
	else if (offset == offsetof(struct seccomp_data, nr))
		text_add(out, "nr");
	else if (offset == offsetof(struct seccomp_data, arch))
		text_add(out, "arch");
	else if (offset < 16)
		text_add(out, size == 8 ? "ip" : offset & 4 ? "ip.high" : "ip.low");
	else
		text_add(out,
			 size == 8    ? "arg%u"
			 : offset & 4 ? "arg%u.high"
				      : "arg%u.low",
			 (offset - 16) / 8);
}

static void print_source(const struct sock_filter *f, struct text *out)
{
	if (BPF_SRC(f->code) == BPF_X)
		text_add(out, "X");
	else
		text_add(out, "%#x", f->k);
}

static void print_load(const struct sock_filter *f, enum bpf_kind kind, struct text *out)
{
	const char *to = BPF_CLASS(f->code) == BPF_LD ? "A" : "X";
	u8 size = BPF_SIZE(f->code) == BPF_W ? 4 : BPF_SIZE(f->code) == BPF_H ? 2 : 1;

	text_add(out, "%s = ", to);
	switch (BPF_MODE(f->code)) {
	case BPF_IMM:
		text_add(out, "%#x", f->k);
		break;
	case BPF_MEM:
		text_add(out, "M[%u]", f->k);
		break;
	case BPF_LEN:
		text_add(out, "length");
		break;
	case BPF_MSH:
		text_add(out, "4 * (packet[%u] & 0xf)", f->k);
		break;
	case BPF_IND:
		text_add(out, "packet[X+%u:%u]", f->k, size);
		break;
	default:
		if (kind == BPF_KIND_PACKET && bpf_ancillary_name(f->k))
			text_add(out, "%s", bpf_ancillary_name(f->k));
		else
			bpf_print_field(kind, f->k, size, out);
	}
}

#define X32_BIT 0x40000000u /* of the numbers of x86-64's other ABI */

/* "39 (getpid)", "0x40000027 (getpid, x32)", "-1" */
static void print_number(u32 nr, bool x86_64, bpf_call_name *call_name, struct text *out)
{
	bool x32 = x86_64 && nr & X32_BIT && nr >> 31 == 0;
	const char *name = x86_64 && call_name && nr != X32_BIT ? call_name(x32 ? nr & ~X32_BIT : nr) : NULL;

	if (nr == ~0u)
		text_add(out, "-1");
	else
		text_add(out, x32 ? "%#x" : "%u", nr);
	if (name)
		text_add(out, x32 ? " (%s, x32)" : " (%s)", name);
	else if (x32)
		text_add(out, " (x32)");
}

/* "if nr == 39 (getpid) goto 7 else 8" */
static void print_jump(const struct sock_filter *f, unsigned index, const struct bpf_held *held,
		       bpf_call_name *call_name, struct text *out)
{
	int loaded = held ? held->field : -1;
	bool named = held && (!held->arch || held->arch == AUDIT_ARCH_X86_64);
	u8 op = BPF_OP(f->code);
	const char *sign = op == BPF_JEQ   ? "=="
			   : op == BPF_JGT ? ">"
			   : op == BPF_JGE ? ">="
					   : "&",
		   *name = NULL;

	if (op == BPF_JA) {
		text_add(out, "goto %u", index + 1 + f->k);
		return;
	}
	text_add(out, "if ");
	if (loaded >= 0)
		bpf_print_field(BPF_KIND_SECCOMP, (u32)loaded, 4, out);
	else
		text_add(out, "A");
	text_add(out, " %s ", sign);
	if (BPF_SRC(f->code) == BPF_K && loaded == 0) {
		print_number(f->k, named, call_name, out);
	} else {
		print_source(f, out);
		name = BPF_SRC(f->code) == BPF_K && loaded == 4 ? bpf_arch_name(f->k) : NULL;
	}
	if (name)
		text_add(out, " (%s)", name);
	text_add(out, " goto %u", index + 1 + f->jt);
	if (f->jf)
		text_add(out, " else %u", index + 1 + f->jf);
}

void bpf_print_classic(const struct sock_filter *f, unsigned index, enum bpf_kind kind,
		       const struct bpf_held *held, bpf_call_name *call_name, struct text *out)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
	case BPF_LDX:
		print_load(f, kind, out);
		break;
	case BPF_ST:
	case BPF_STX:
		text_add(out, "M[%u] = %s", f->k, BPF_CLASS(f->code) == BPF_ST ? "A" : "X");
		break;
	case BPF_ALU:
		if (BPF_OP(f->code) == BPF_NEG) {
			text_add(out, "A = -A");
			break;
		}
		text_add(out, "A %s= ", alu_sign(BPF_OP(f->code)));
		print_source(f, out);
		break;
	case BPF_JMP:
		print_jump(f, index, held, call_name, out);
		break;
	case BPF_RET:
		text_add(out, "return ");
		if (BPF_RVAL(f->code) == BPF_A)
			text_add(out, "A");
		else if (kind == BPF_KIND_PACKET)
			text_add(out, "%u", f->k);
		else {
			bpf_print_verdict(f->k, out);
			bpf_print_errno(f->k, out);
		}
		break;
	default:
		text_add(out, f->code == (BPF_MISC | BPF_TAX) ? "X = A" : "A = X");
	}
}

enum { UNREACHED = -2, OTHER = -1 };

static void held_meet(struct bpf_held *to, const struct bpf_held *from)
{
	if (to->field == UNREACHED) {
		*to = *from;
		return;
	}
	if (to->field != from->field)
		to->field = OTHER;
	if (to->arch != from->arch)
		to->arch = 0;
}

void bpf_held_fields(const struct sock_filter *f, unsigned size, struct bpf_held *held)
{
	for (unsigned i = 0; i < size; i++)
		held[i] = (struct bpf_held){i ? UNREACHED : OTHER, 0};
	for (unsigned i = 0; i < size; i++) {
		struct bpf_held now = held[i], yes;
		u16 code = f[i].code;
		unsigned t = i + 1, e = i + 1;

		if (BPF_CLASS(code) == BPF_LD)
			now.field = code == (BPF_LD | BPF_W | BPF_ABS) && f[i].k < BPF_DATA_SIZE ? (s16)f[i].k
												 : OTHER;
		else if (BPF_CLASS(code) == BPF_ALU || code == (BPF_MISC | BPF_TXA))
			now.field = OTHER;
		if (BPF_CLASS(code) == BPF_RET || held[i].field == UNREACHED)
			continue;
		if (BPF_CLASS(code) == BPF_JMP) {
			t += BPF_OP(code) == BPF_JA ? f[i].k : f[i].jt;
			e += BPF_OP(code) == BPF_JA ? f[i].k : f[i].jf;
		}
		yes = now;
		if (code == (BPF_JMP | BPF_JEQ | BPF_K) && now.field == offsetof(struct seccomp_data, arch))
			yes.arch = f[i].k;
		if (t < size)
			held_meet(&held[t], &yes);
		if (e < size)
			held_meet(&held[e], &now);
	}
}

/* ---- internal ---- */

static void print_internal_jump(const struct bpf_insn *i, unsigned index, struct text *out)
{
	static const char *const signs[16] = {
		[1] = "==",  [2] = ">",  [3] = ">=",  [4] = "&",   [5] = "!=",  [6] = "s>",
		[7] = "s>=", [10] = "<", [11] = "<=", [12] = "s<", [13] = "s<="};
	const char *sign = signs[BPF_OP(i->code) >> 4];

	if (BPF_OP(i->code) == BPF_EXIT) {
		text_add(out, "exit");
		return;
	}
	if (BPF_OP(i->code) != BPF_JA) {
		text_add(out, "if r%u %s ", i->dst_reg, sign ? sign : "?");
		if (BPF_SRC(i->code) == BPF_X)
			text_add(out, "r%u ", i->src_reg);
		else
			text_add(out, "%#x ", (u32)i->imm);
	}
	text_add(out, "goto %u", index + 1 + (unsigned)i->off);
}

void bpf_print_insn(const struct bpf_insn *i, unsigned index, struct text *out)
{
	u8 class = BPF_CLASS(i->code), op = BPF_OP(i->code);
	const char *size = BPF_SIZE(i->code) == BPF_W   ? "u32"
			   : BPF_SIZE(i->code) == BPF_H ? "u16"
			   : BPF_SIZE(i->code) == BPF_B ? "u8"
							: "u64";
	char kind = class == BPF_ALU64 ? 'r' : 'w';

	if (class == BPF_JMP || class == BPF_JMP32) {
		print_internal_jump(i, index, out);
	} else if (class == BPF_LDX) {
		text_add(out, "r%u = *(%s *)(r%u %+d)", i->dst_reg, size, i->src_reg, i->off);
	} else if (class == BPF_STX) {
		text_add(out, "*(%s *)(r%u %+d) = r%u", size, i->dst_reg, i->off, i->src_reg);
	} else if (class == BPF_LD) {
		text_add(out, "r0 = packet %s [", size);
		if (BPF_MODE(i->code) == BPF_IND)
			text_add(out, "r%u + ", i->src_reg);
		text_add(out, "%u]", (u32)i->imm);
	} else if (op == BPF_NEG) {
		text_add(out, "%c%u = -%c%u", kind, i->dst_reg, kind, i->dst_reg);
	} else {
		text_add(out, "%c%u %s%s ", kind, i->dst_reg, alu_sign(op), op == BPF_MOV ? "" : "=");
		if (BPF_SRC(i->code) == BPF_X)
			text_add(out, "%c%u", kind, i->src_reg);
		else
			text_add(out, "%#x", (u32)i->imm);
	}
}

/* ---- plans ---- */

static u32 whole_mask(u8 size)
{
	return size == 4 ? ~0u : (1u << size * 8) - 1;
}

static void print_test(const struct bpf_pool *pool, const struct bpf_node *n, struct text *out)
{
	const char *sign = n->code == BPF_JEQ   ? "=="
			   : n->code == BPF_JGT ? ">"
			   : n->code == BPF_JGE ? ">="
						: "&";
	u64 mask = n->op == NODE_TEST64 ? n->wide_mask : n->field.mask;
	u64 all = n->op == NODE_TEST64 ? ~0ull : whole_mask(n->field.size);
	bool masked = n->field.size && n->op != NODE_IND_TEST && mask != all;

	if (n->op == NODE_LONG) {
		text_add(out, "length >= %u", n->k);
		return;
	}
	if (masked)
		text_add(out, "(");
	if (n->op == NODE_IND_TEST)
		text_add(out, "packet[X+%u:%u]", n->k, n->field.size);
	else if (n->field.size)
		bpf_print_field(pool->kind, n->field.off, n->field.size, out);
	else
		text_add(out, "%c", "AXT"[n->reg]);
	if (masked)
		text_add(out, " & %#llx)", (unsigned long long)mask);
	text_add(out, " %s ", sign);
	if (n->op == NODE_TEST && n->src != REG_NONE)
		text_add(out, "%c", "AXT"[n->src]);
	else
		text_add(out, "%#llx", (unsigned long long)(n->op == NODE_TEST ? n->k : n->wide_k));
}

static void print_straight(const struct bpf_pool *pool, const struct bpf_node *n, struct text *out)
{
	bool masked = n->op == NODE_FIELD && n->field.mask != whole_mask(n->field.size);
	char reg = "AXT?"[n->reg & 3];

	switch (n->op) {
	case NODE_NEED:
		text_add(out, "length < %u: return 0", n->k);
		break;
	case NODE_SET:
		text_add(out, "%c = %#x", reg, n->k);
		break;
	case NODE_FIELD:
		text_add(out, masked ? "%c = (" : "%c = ", reg);
		bpf_print_field(pool->kind, n->field.off, n->field.size, out);
		if (masked)
			text_add(out, " & %#x)", n->field.mask);
		if (n->field.shift)
			text_add(out, n->field.shift > 0 ? " << %d" : " >> %d",
				 n->field.shift > 0 ? n->field.shift : -n->field.shift);
		break;
	case NODE_MOVE:
		text_add(out, "%c = %c", reg, "AXT?"[n->src & 3]);
		break;
	case NODE_ALU:
		text_add(out, "%c %s= ", reg, alu_sign(n->code));
		if (n->src == REG_NONE)
			text_add(out, "%#x", n->k);
		else
			text_add(out, "%c", "AXT"[n->src]);
		break;
	case NODE_IND:
		text_add(out, "A = packet[X+%u:%u]", n->k, n->field.size);
		break;
	case NODE_LEN:
		text_add(out, "%c = length", reg);
		break;
	case NODE_STORE:
		text_add(out, "M[%u] = %c", n->k, reg);
		break;
	default:
		text_add(out, "%c = M[%u]", reg, n->k);
	}
}

static bool is_test(const struct bpf_node *n)
{
	return n->op == NODE_TEST || n->op == NODE_TEST64 || n->op == NODE_IND_TEST || n->op == NODE_LONG;
}

/* Another line is allowed, and begun. */
static bool begin_line(unsigned indent, unsigned *lines, struct text *out)
{
	if (!*lines)
		return false;
	--*lines;
	text_add(out, *lines ? "%*s" : "%*s...\n", (int)indent, "");
	return *lines;
}

/* if, else if, ..., else. */
static void print_tests(const struct bpf_pool *pool, u32 at, unsigned indent, unsigned *lines,
			struct text *out)
{
	const char *word = "if";

	for (; is_test(&pool->nodes[at]); at = pool->nodes[at].f) {
		if (!begin_line(indent, lines, out))
			return;
		text_add(out, "%s ", word);
		print_test(pool, &pool->nodes[at], out);
		text_add(out, ":\n");
		bpf_print_plan(pool, pool->nodes[at].t, indent + 4, lines, out);
		word = "else if";
	}
	if (!begin_line(indent, lines, out))
		return;
	text_add(out, "else:\n");
	bpf_print_plan(pool, at, indent + 4, lines, out);
}

void bpf_print_plan(const struct bpf_pool *pool, u32 root, unsigned indent, unsigned *lines, struct text *out)
{
	for (u32 at = root;; at = pool->nodes[at].t) {
		const struct bpf_node *n = &pool->nodes[at];

		if (is_test(n)) {
			print_tests(pool, at, indent, lines, out);
			return;
		}
		if (!begin_line(indent, lines, out))
			return;
		if (n->op == NODE_RET_K && pool->kind == BPF_KIND_PACKET) {
			text_add(out, "return %u\n", n->k);
			return;
		}
		if (n->op == NODE_RET_K) {
			bpf_print_verdict(n->k, out);
			bpf_print_errno(n->k, out);
			text_add(out, "\n");
			return;
		}
		if (n->op == NODE_RET_A) {
			text_add(out, "return A\n");
			return;
		}
		print_straight(pool, n, out);
		text_add(out, "\n");
	}
}
