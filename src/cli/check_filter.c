/* SPDX-License-Identifier: Apache-2.0 */
/*
 * husk check --filter: the filter that guest processes run below, as a listing that can be read against
 * trap/seccomp/filter.c. Made from the program itself, as it is given to the host: what stands here is what is in
 * force.
 */
#include "cli/check_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/call_table.h"
#include "trap/registry.h"

/* What the accumulator holds, as far as the lines above tell. */
struct listing {
	const struct sock_filter *code;
	size_t size;
	u32 loaded; /* offset in struct seccomp_data; ~0: something computed */
};

#define COMPUTED (~0u)
#define IP_LOW   ((u32)offsetof(struct seccomp_data, instruction_pointer))

static const char *call_name(u32 nr)
{
	return nr < HUSK_NR_CALLS && call_table[nr].name ? call_table[nr].name : "?";
}

static void field_name(u32 offset, char *to, size_t size)
{
	const u32 args = offsetof(struct seccomp_data, args);

	if (offset == offsetof(struct seccomp_data, nr))
		snprintf(to, size, "nr");
	else if (offset == offsetof(struct seccomp_data, arch))
		snprintf(to, size, "arch");
	else if (offset == IP_LOW || offset == IP_LOW + 4)
		snprintf(to, size, "ip.%s", offset == IP_LOW ? "low" : "high");
	else if (offset >= args && offset < sizeof(struct seccomp_data))
		snprintf(to, size, "arg%u.%s", (offset - args) / 8, (offset - args) % 8 ? "high" : "low");
	else
		snprintf(to, size, "[%u]", offset);
}

/* A constant, with its meaning where the field that it is compared with gives it one. */
static void constant(const struct listing *l, u32 k, char *to, size_t size)
{
	if (l->loaded == offsetof(struct seccomp_data, nr))
		snprintf(to, size, "%u (%s)", k, call_name(k));
	else if (l->loaded == offsetof(struct seccomp_data, arch) && k == AUDIT_ARCH_X86_64)
		snprintf(to, size, "x86-64");
	else
		snprintf(to, size, k < 10 ? "%u" : "%#x", k);
}

static void put_return(u32 action)
{
	static const struct {
		u32 action;
		const char *name;
	} names[] = {
		{SECCOMP_RET_ALLOW, "allow"},
		{SECCOMP_RET_TRAP, "trap"},
		{SECCOMP_RET_KILL_PROCESS, "kill process"},
		{SECCOMP_RET_KILL_THREAD, "kill thread"},
		{SECCOMP_RET_USER_NOTIF, "ask the kernel process"},
		{SECCOMP_RET_ERRNO, "errno"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].action != (action & SECCOMP_RET_ACTION_FULL))
			continue;
		printf("ret   %s", names[i].name);
		if (action & SECCOMP_RET_DATA)
			printf(" %u", action & SECCOMP_RET_DATA);
		return;
	}
	printf("ret   %#x", action);
}

/* Lines are named as they are numbered: absolute, where the program has distances. */
static void put_jump(const struct listing *l, size_t at)
{
	static const struct {
		u16 op;
		const char *name;
	} names[] = {{BPF_JEQ, "jeq"}, {BPF_JGT, "jgt"}, {BPF_JGE, "jge"}, {BPF_JSET, "jset"}};
	const struct sock_filter *f = &l->code[at];
	const char *name = "j?";
	char value[64];

	if (BPF_OP(f->code) == BPF_JA) {
		printf("ja    %zu", at + 1 + f->k);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].op == BPF_OP(f->code))
			name = names[i].name;
	if (BPF_SRC(f->code) == BPF_X)
		snprintf(value, sizeof value, "x");
	else
		constant(l, f->k, value, sizeof value);
	printf("%-5s %s", name, value);
	if (f->jt)
		printf(" then %zu", at + 1 + f->jt);
	if (f->jf)
		printf(" else %zu", at + 1 + f->jf);
}

static void put_alu(const struct sock_filter *f)
{
	static const char *const names[] = {
		[BPF_ADD >> 4] = "add", [BPF_SUB >> 4] = "sub", [BPF_MUL >> 4] = "mul",
		[BPF_DIV >> 4] = "div", [BPF_OR >> 4] = "or",   [BPF_AND >> 4] = "and",
		[BPF_LSH >> 4] = "lsh", [BPF_RSH >> 4] = "rsh", [BPF_NEG >> 4] = "neg",
		[BPF_MOD >> 4] = "mod", [BPF_XOR >> 4] = "xor",
	};
	u32 op = BPF_OP(f->code) >> 4;

	printf("%-5s ", op < ARRAY_SIZE(names) && names[op] ? names[op] : "alu?");
	if (BPF_SRC(f->code) == BPF_X)
		printf("x");
	else
		printf("%#x", f->k);
}

static void put_instruction(struct listing *l, size_t at)
{
	const struct sock_filter *f = &l->code[at];
	char name[32];

	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
		l->loaded = f->code == (BPF_LD | BPF_W | BPF_ABS) ? f->k : COMPUTED;
		field_name(f->k, name, sizeof name);
		printf("ld    %s", name);
		break;
	case BPF_JMP:
		put_jump(l, at);
		break;
	case BPF_ALU:
		put_alu(f);
		l->loaded = COMPUTED;
		break;
	case BPF_RET:
		put_return(f->k);
		break;
	case BPF_MISC:
		printf(BPF_MISCOP(f->code) == BPF_TAX ? "tax" : "txa");
		break;
	default:
		printf("%#x %#x", f->code, f->k);
	}
}

/* The first line of a rule: an address compared, then the number of the one call that may be made there. */
static bool begins_rule(const struct listing *l, size_t at)
{
	const struct sock_filter *f = &l->code[at];

	return at + 2 < l->size && f->code == (BPF_JMP | BPF_JEQ | BPF_K) && !f->jt &&
	       f[1].code == (BPF_LD | BPF_W | BPF_ABS) && f[1].k == offsetof(struct seccomp_data, nr) &&
	       f[2].code == (BPF_JMP | BPF_JEQ | BPF_K);
}

int check_filter_show(bool gated)
{
	struct sock_filter code[1024];
	struct listing l = {.code = code, .loaded = COMPUTED};
	u64 base;

	l.size = trap_guest_filter(code, ARRAY_SIZE(code), gated, &base);
	printf("The filter of guest processes in the seccomp and dispatch traps: %zu instructions.\n"
	       "Each host call is let through from one instruction of the stub alone; all others trap to "
	       "husk.\n",
	       l.size);
	for (size_t at = 0; at < l.size; at++) {
		if (begins_rule(&l, at)) {
			printf("\n%s, from stub+%#llx\n", call_name(code[at + 2].k),
			       (unsigned long long)(code[at].k - (u32)base));
			l.loaded = IP_LOW;
		}
		printf("%5zu  ", at);
		put_instruction(&l, at);
		putchar('\n');
	}
	return ferror(stdout) || fflush(stdout) ? -1 : 0;
}
