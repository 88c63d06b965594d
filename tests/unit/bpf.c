/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF engine alone: what the checker takes, the odd semantics, and random programs by the plain
 * interpreter, the threaded one, machine code, tables and residues, which must all agree.
 *
 * links: src/kernel/bpf/check.c src/kernel/bpf/convert.c src/kernel/bpf/interpret.c src/kernel/bpf/plan.c
 * links: src/kernel/bpf/walk.c src/kernel/bpf/sym.c src/kernel/bpf/pool.c src/kernel/bpf/layout.c
 * links: src/kernel/bpf/lower.c src/kernel/bpf/fuse.c src/kernel/bpf/run.c src/kernel/bpf/jit.c
 * links: src/kernel/bpf/emit.c src/kernel/bpf/x86.c src/kernel/bpf/verify.c src/kernel/bpf/arena.c
 * links: src/kernel/bpf/chain.c src/kernel/bpf/ladder.c src/kernel/bpf/table.c src/base/bug.c
 * links: src/base/text.c
 */
#include "bpf/arena.h"
#include "bpf/chain.h"
#include "bpf/jit.h"
#include "tests/bpf/random.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int failed;
static struct bpf_arena *arena;

static void is(const char *what, u64 got, u64 want)
{
	if (got == want)
		return;
	failed = 1;
	printf("not ok %s: %#llx, not %#llx\n", what, (unsigned long long)got, (unsigned long long)want);
}

#define STMT(code, k)         ((struct sock_filter){code, 0, 0, k})
#define JUMP(code, k, jt, jf) ((struct sock_filter){code, jt, jf, k})
#define RET(k)                STMT(BPF_RET | BPF_K, k)

/* ---- the checker ---- */

static void takes(const char *what, enum bpf_kind kind, const struct sock_filter *f, size_t n, int at)
{
	struct bpf_refusal why = {-2};
	int error = bpf_check(f, n, kind, &why);

	is(what, (u64)-error, at == -3 ? 0 : EINVAL);
	if (error && (why.at != at || !why.why)) {
		failed = 1;
		printf("not ok %s: at %d (%s), not %d\n", what, why.at, why.why ? why.why : "", at);
	}
}

#define TAKES(what, kind, ...)                                       \
	takes(what, kind, (const struct sock_filter[]){__VA_ARGS__}, \
	      sizeof((const struct sock_filter[]){__VA_ARGS__}) / sizeof(struct sock_filter), -3)
#define REFUSES(what, kind, at, ...)                                 \
	takes(what, kind, (const struct sock_filter[]){__VA_ARGS__}, \
	      sizeof((const struct sock_filter[]){__VA_ARGS__}) / sizeof(struct sock_filter), at)
#define S BPF_KIND_SECCOMP
#define P BPF_KIND_PACKET

static void checker(void)
{
	static struct sock_filter many[BPF_MAXINSNS + 1];
	struct bpf_refusal why;

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = RET(0);
	takes("empty", S, many, 0, -1);
	takes("4096", S, many, BPF_MAXINSNS, -3);
	takes("4097", S, many, BPF_MAXINSNS + 1, -1);
	TAKES("unreachable code", S, RET(0), RET(1));
	REFUSES("no return", S, 0, STMT(BPF_LD | BPF_IMM, 0));
	REFUSES("jump to the end", S, 0, STMT(BPF_JMP | BPF_JA, 1), RET(0));
	REFUSES("jump back", S, 0, STMT(BPF_JMP | BPF_JA, ~0u), RET(0));
	REFUSES("branch out", S, 0, JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RET(0));
	REFUSES("opcode", S, 1, RET(0), STMT(0xff, 0), RET(0));
	REFUSES("long opcode", S, 1, RET(0), STMT(0x106, 0), RET(0));
	REFUSES("RET X", S, 0, STMT(BPF_RET | BPF_X, 0), RET(0));
	REFUSES("division by 0", S, 0, STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0));
	REFUSES("shift by 32", S, 0, STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0));
	TAKES("shift by 31", S, STMT(BPF_ALU | BPF_RSH | BPF_K, 31), RET(0));
	REFUSES("M[16]", S, 0, STMT(BPF_ST, 16), RET(0));
	REFUSES("unset M[]", S, 0, STMT(BPF_LD | BPF_MEM, 3), RET(0));
	REFUSES("M[] unset on one path", S, 3, STMT(BPF_LD | BPF_IMM, 1),
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), STMT(BPF_ST, 2), STMT(BPF_LD | BPF_MEM, 2), RET(0));
	/* Linux forgets nothing at a return: dead code behind it is read as if it were reached. */
	REFUSES("unset M[] in dead code", S, 1, RET(0), STMT(BPF_LD | BPF_MEM, 2), RET(0));
	REFUSES("MOD in seccomp", S, 0, STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0));
	TAKES("MOD in packets", P, STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0));
	REFUSES("half word in seccomp", S, 0, STMT(BPF_LD | BPF_H | BPF_ABS, 0), RET(0));
	REFUSES("indirect in seccomp", S, 0, STMT(BPF_LD | BPF_W | BPF_IND, 0), RET(0));
	REFUSES("MSH in seccomp", S, 0, STMT(BPF_LDX | BPF_B | BPF_MSH, 0), RET(0));
	REFUSES("data[64]", S, 0, STMT(BPF_LD | BPF_W | BPF_ABS, 64), RET(0));
	TAKES("data[60]", S, STMT(BPF_LD | BPF_W | BPF_ABS, 60), RET(0));
	REFUSES("data[62]", S, 0, STMT(BPF_LD | BPF_W | BPF_ABS, 62), RET(0));
	REFUSES("ancillary", P, 0, STMT(BPF_LD | BPF_W | BPF_ABS, (u32)(SKF_AD_OFF + SKF_AD_IFINDEX)),
		RET(0));
	bpf_check(
		(const struct sock_filter[]){
			STMT(BPF_LD | BPF_W | BPF_ABS, (u32)(SKF_AD_OFF + SKF_AD_IFINDEX)), RET(0)},
		2, P, &why);
	is("ancillary name", (u64)strcmp(why.what ? why.what : "", "interface index"), 0);
}

/* ---- semantics ---- */

/* All engines on one program and one input. */
static u32 all_engines(const char *what, const struct sock_filter *f, unsigned n, enum bpf_kind kind,
		       const void *data, u64 size)
{
	struct bpf_packet packet = {data, size};
	struct bpf_compiled c = {0};
	struct bpf_program *p;
	u32 plain;

	if (bpf_program_create(f, n, kind, &p, NULL) || bpf_compile(&c, p, arena)) {
		is(what, 1, 0);
		return 0;
	}
	plain = bpf_program_run(p, kind == S ? data : &packet);
	is(what, bpf_run(c.ops, data, size), plain);
	if (arena) {
		is("compiled", !c.function, 0);
		if (c.function)
			is(what, c.function(data, size), plain);
	}
	bpf_compiled_free(&c);
	bpf_program_free(p);
	return plain;
}

#define RUN(what, kind, data, size, ...)                                                                  \
	all_engines(what, (const struct sock_filter[]){__VA_ARGS__},                                      \
		    sizeof((const struct sock_filter[]){__VA_ARGS__}) / sizeof(struct sock_filter), kind, \
		    data, size)

static void semantics(void)
{
	const struct seccomp_data d = {.nr = 7, .arch = AUDIT_ARCH_X86_64, .args = {0x1122334455667788}};
	const u8 packet[8] = {0x45, 0x01, 0x02, 0x03, 0xff, 0xfe, 0xfd, 0xfc};

	is("division by X = 0 ends with 0",
	   RUN("div", S, &d, 64, STMT(BPF_LD | BPF_IMM, 9), STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET(5)), 0);
	is("remainder by X = 0 ends with 0",
	   RUN("mod", P, packet, 8, STMT(BPF_LD | BPF_IMM, 9), STMT(BPF_ALU | BPF_MOD | BPF_X, 0), RET(5)),
	   0);
	is("LEN is 64", RUN("len", S, &d, 64, STMT(BPF_LD | BPF_LEN, 0), STMT(BPF_RET | BPF_A, 0)), 64);
	is("shifts by X take five bits",
	   RUN("shift", S, &d, 64, STMT(BPF_LDX | BPF_IMM, 33), STMT(BPF_LD | BPF_IMM, 3),
	       STMT(BPF_ALU | BPF_LSH | BPF_X, 0), STMT(BPF_RET | BPF_A, 0)),
	   6);
	is("high word", RUN("high", S, &d, 64, STMT(BPF_LD | BPF_W | BPF_ABS, 20), STMT(BPF_RET | BPF_A, 0)),
	   0x11223344);
	is("big endian", RUN("be", P, packet, 8, STMT(BPF_LD | BPF_H | BPF_ABS, 4), STMT(BPF_RET | BPF_A, 0)),
	   0xfffe);
	is("MSH",
	   RUN("msh", P, packet, 8, STMT(BPF_LDX | BPF_B | BPF_MSH, 0), STMT(BPF_MISC | BPF_TXA, 0),
	       STMT(BPF_RET | BPF_A, 0)),
	   20);
	is("short packet", RUN("short", P, packet, 7, STMT(BPF_LD | BPF_W | BPF_ABS, 4), RET(9)), 0);
	is("indirect, wrapping at 32 bits",
	   RUN("wrap", P, packet, 8, STMT(BPF_LDX | BPF_IMM, 0xffffffff), STMT(BPF_LD | BPF_B | BPF_IND, 2),
	       STMT(BPF_RET | BPF_A, 0)),
	   1);
	is("indirect, beyond",
	   RUN("beyond", P, packet, 8, STMT(BPF_LD | BPF_LEN, 0), STMT(BPF_MISC | BPF_TAX, 0),
	       STMT(BPF_LD | BPF_B | BPF_IND, 0), RET(9)),
	   0);
}

/* The lengths that count against Linux's limit; probed ones first. */
static void lengths(void)
{
	static const struct {
		struct sock_filter f[3];
		unsigned n, length;
	} cases[] = {
		{{RET(0)}, 1, 5},
		{{STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET(0)}, 2, 10},
		{{JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 1, 0), RET(0), RET(0)}, 3, 8},
		{{JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), RET(0), RET(0)}, 3, 8},
		{{JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1), RET(0), RET(0)}, 3, 9},
		{{JUMP(BPF_JMP | BPF_JGT | BPF_K, 0x80000000, 0, 1), RET(0), RET(0)}, 3, 9},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is("converted length", bpf_convert(cases[i].f, cases[i].n, S, NULL), cases[i].length);
}

/* ---- chains ---- */

static struct bpf_program *program(const struct sock_filter *f, unsigned n)
{
	struct bpf_program *p = NULL;

	is("program", (u64)-bpf_program_create(f, n, S, &p, NULL), 0);
	return p;
}

static struct bpf_chain *put_on(struct bpf_chain *older, const struct sock_filter *f, unsigned n)
{
	static const u32 arches[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386};
	struct bpf_program *p = program(f, n);
	struct bpf_chain *c = NULL;
	int error = bpf_chain_add(older, p, arches, 2, arena, &c);

	is("chain", (u64)-error, 0);
	bpf_chain_put(older);
	return c;
}

static void precedence(void)
{
	struct seccomp_data d = {.nr = 7, .arch = AUDIT_ARCH_X86_64};
	const struct bpf_chain *match;
	struct bpf_chain *c;
	u32 verdict;

	c = put_on(NULL, &RET(SECCOMP_RET_ERRNO | 1), 1);
	c = put_on(c, &RET(SECCOMP_RET_ERRNO | 2), 1);
	is("the newest data wins", bpf_chain_run(c, &d), SECCOMP_RET_ERRNO | 2);
	is("match", bpf_chain_run_plain(c, &d, &match) == (SECCOMP_RET_ERRNO | 2) && match == c, 1);
	c = put_on(c, &RET(SECCOMP_RET_TRACE | 3), 1);
	is("the strongest wins", bpf_chain_run(c, &d), SECCOMP_RET_ERRNO | 2);
	is("constant", bpf_table_constant(bpf_chain_table(c, d.arch), 7, &verdict), 1);
	c = put_on(c, &RET(SECCOMP_RET_KILL_THREAD), 1);
	c = put_on(c, &RET(SECCOMP_RET_KILL_PROCESS), 1);
	is("KILL_PROCESS is the strongest", bpf_chain_run(c, &d), SECCOMP_RET_KILL_PROCESS);
	d.nr = 335;
	is("uretprobe passes", bpf_chain_run(c, &d), SECCOMP_RET_ALLOW);
	bpf_chain_put(c);
}

/* 3641 filters of one instruction, or three of 4096, is what Linux takes. */
static void path_limit(void)
{
	static const u32 arch = AUDIT_ARCH_X86_64;
	static struct sock_filter many[BPF_MAXINSNS];
	struct bpf_chain *c = NULL, *next;
	struct bpf_program *p;
	unsigned n;

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = RET(0);
	for (n = 0;; n++) {
		p = program(many, BPF_MAXINSNS);
		if (bpf_chain_add(c, p, &arch, 1, NULL, &next))
			break;
		bpf_chain_put(c);
		c = next;
	}
	is("filters of 4096", n, 3);
	bpf_program_free(p);
	bpf_chain_put(c);
	for (c = NULL, n = 0;; n++) {
		p = program(many, 1);
		if (bpf_chain_add(c, p, &arch, 1, NULL, &next))
			break;
		bpf_chain_put(c);
		c = next;
	}
	is("filters of 1", n, 3641);
	bpf_program_free(p);
	bpf_chain_put(c);
}

/* Runs of equalities on a 64-bit argument and on the number, as libseccomp writes them: values, neighbours, others. */
static void long_runs(void)
{
	static const u64 values[] = {0, 8, 0x20000, 0x20008, 0xffffffff, 0x100000000, 0x8000000000000001,
				     5, 6, 7,       9};
	struct sock_filter f[200];
	unsigned n = 0;
	struct bpf_chain *c;

	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		f[n++] = STMT(BPF_LD | BPF_W | BPF_ABS, 20);
		f[n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)(values[i] >> 32), 0, 3);
		f[n++] = STMT(BPF_LD | BPF_W | BPF_ABS, 16);
		f[n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)values[i], 0, 1);
		f[n++] = RET(SECCOMP_RET_ERRNO | (i + 1));
	}
	f[n++] = STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	for (unsigned i = 0; i < 40; i++) {
		f[n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, i * i, 0, 1);
		f[n++] = RET(SECCOMP_RET_TRACE | i);
	}
	f[n++] = RET(SECCOMP_RET_ALLOW);
	c = put_on(NULL, f, n);
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		for (int off = -1; off <= 1; off++) {
			struct seccomp_data d = {
				.nr = 3, .arch = AUDIT_ARCH_X86_64, .args = {values[i] + (u64)off}};

			all_engines("a run of 64-bit values", f, n, S, &d, sizeof d);
			is("the same by table", bpf_chain_run(c, &d), bpf_chain_run_plain(c, &d, NULL));
		}
	}
	for (u32 nr = 0; nr < 2000; nr++) {
		struct seccomp_data d = {.nr = (int)nr, .arch = AUDIT_ARCH_X86_64, .args = {77}};

		is("a run of numbers", all_engines("a run of numbers", f, n, S, &d, sizeof d),
		   bpf_chain_run_plain(c, &d, NULL));
		is("numbers by table", bpf_chain_run(c, &d), bpf_chain_run_plain(c, &d, NULL));
	}
	bpf_chain_put(c);
}

/* Verdicts that look like a table's marks, behind one comparison and behind several; ladders that turn both ways. */
static void odd_verdicts(void)
{
	static const u32 odd[] = {0xffff0000, 0xffff0001,      0xffffffff,
				  0xfffeffff, SECCOMP_RET_LOG, 0x7fff1234};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		const struct sock_filter f[] = {
			STMT(BPF_LD | BPF_W | BPF_ABS, 0),
			JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 9),
			STMT(BPF_LD | BPF_W | BPF_ABS, 20),
			JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 6),
			STMT(BPF_LD | BPF_W | BPF_ABS, 16),
			JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 3, 0),
			JUMP(BPF_JMP | BPF_JSET | BPF_K, 8, 3, 0),
			STMT(BPF_LD | BPF_W | BPF_ABS, 24),
			JUMP(BPF_JMP | BPF_JEQ | BPF_K, 9, 1, 0),
			RET(odd[i]),
			RET(SECCOMP_RET_ERRNO | 1),
			STMT(BPF_LD | BPF_W | BPF_ABS, 16),
			JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 1),
			RET(odd[i]),
			RET(SECCOMP_RET_ALLOW),
		};
		struct bpf_chain *c = put_on(NULL, f, ARRAY_SIZE(f));

		for (int n = 0; n < 4 * 16 * 3 * 2; n++) {
			struct seccomp_data d = {
				.nr = n % 4 + 1,
				.arch = AUDIT_ARCH_X86_64,
				.args = {(u64)(n / 4 % 16) | (u64)(n / 192) << 32, (u64)(8 + n / 64 % 3)}};

			is("an odd verdict", bpf_chain_run(c, &d), bpf_chain_run_plain(c, &d, NULL));
		}
		bpf_chain_put(c);
	}
}

/* What `tcp port 22` and arithmetic on headers compile to: rows of operations that are done as one. */
static void header_programs(struct random *r)
{
	static const struct sock_filter ports[] = {
		STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x86dd, 23, 0),
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x800, 0, 22),
		STMT(BPF_LD | BPF_B | BPF_ABS, 23),
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 132, 2, 0),
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 1, 0),
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 18),
		STMT(BPF_LD | BPF_H | BPF_ABS, 20),
		JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 16, 0),
		STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
		STMT(BPF_LD | BPF_H | BPF_IND, 14),
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 22, 2, 0),
		STMT(BPF_LD | BPF_H | BPF_IND, 16),
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 22, 0, 11),
		STMT(BPF_LD | BPF_H | BPF_ABS, 16),
		STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		STMT(BPF_ST, 1),
		STMT(BPF_LD | BPF_B | BPF_IND, 26),
		STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
		STMT(BPF_ALU | BPF_RSH | BPF_K, 2),
		STMT(BPF_MISC | BPF_TAX, 0),
		STMT(BPF_LD | BPF_MEM, 1),
		STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		RET(262144),
		RET(0),
	};
	unsigned hits = 0;
	u8 packet[64];

	for (unsigned n = 0; n < 4000 && !failed; n++) {
		static const u8 good[] = {
			[12] = 8, [14] = 0x45, [17] = 60, [23] = 6, [36] = 0, [37] = 22, [46] = 0x50};
		u32 length = random_below(r, 4) ? 60 : random_below(r, 60);
		u8 *exact = malloc(length + 1);

		memset(packet, 0, sizeof packet);
		memcpy(packet, good, sizeof good);
		for (unsigned i = random_below(r, 3); i; i--)
			packet[12 + random_below(r, 36)] ^= (u8)(1u << random_below(r, 8));
		memcpy(exact, packet, length);
		hits += all_engines("headers", ports, ARRAY_SIZE(ports), P, exact, length) != 0;
		free(exact);
	}
	is("most headers are let through", hits > 1000 && hits < 3900, true);
}

/* ---- random programs ---- */

static void show(const struct sock_filter *f, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		printf("# {%#x, %u, %u, %#x},\n", f[i].code, f[i].jt, f[i].jf, f[i].k);
}

static void random_chains(struct random *r, unsigned count)
{
	struct sock_filter f[120];
	struct seccomp_data d;

	for (unsigned n = 0; n < count && !failed; n++) {
		struct bpf_chain *c = NULL;
		unsigned links = 1 + random_below(r, 4), size = 0;

		for (unsigned i = 0; i < links; i++) {
			do
				size = random_program(r, S, f, 100);
			while (bpf_check(f, size, S, NULL));
			c = put_on(c, f, size);
		}
		for (unsigned i = 0; i < 200 && !failed; i++) {
			u32 plain;

			random_data(r, f, size, &d);
			plain = bpf_chain_run_plain(c, &d, NULL);
			is("chain by table", bpf_chain_run(c, &d), plain);
			is("chain without table", bpf_chain_run_whole(c, &d), plain);
		}
		bpf_chain_put(c);
	}
}

static void random_programs(struct random *r, unsigned count)
{
	struct sock_filter f[300];

	for (unsigned n = 0; n < count && !failed; n++) {
		enum bpf_kind kind = random_below(r, 2) ? S : P;
		unsigned size = random_program(r, kind, f, 200);

		if (!random_below(r, 8))
			random_damage(r, f, size);
		if (bpf_check(f, size, kind, NULL))
			continue;
		for (unsigned i = 0; i < 10 && !failed; i++) {
			struct seccomp_data d;
			u8 packet[150], *exact;
			u32 length;

			if (kind == S) {
				random_data(r, f, size, &d);
				all_engines("random program", f, size, kind, &d, sizeof d);
				continue;
			}
			length = random_packet(r, f, size, packet, sizeof packet);
			exact = malloc(length + 1); /* so that a sanitizer sees a byte too much */
			memcpy(exact, packet, length);
			all_engines("random packet program", f, size, kind, exact, length);
			free(exact);
		}
		if (failed)
			show(f, size);
	}
}

/* Divisions that cannot fault, and such as might. */
static void divisions(void)
{
	static const struct {
		bool good;
		u8 size, code[20];
		const char *what;
	} samples[] = {
		/* test ecx, ecx; je +4; xor edx, edx; div ecx; ret */
		{true, 9, {0x85, 0xc9, 0x74, 4, 0x33, 0xd2, 0xf7, 0xf1, 0xc3}, "tested"},
		{false, 9, {0x85, 0xc0, 0x74, 4, 0x33, 0xd2, 0xf7, 0xf1, 0xc3}, "another is tested"},
		{false, 9, {0x85, 0xc9, 0x75, 4, 0x33, 0xd2, 0xf7, 0xf1, 0xc3}, "the other way"},
		{false, 9, {0x3b, 0xc9, 0x74, 4, 0x33, 0xd2, 0xf7, 0xf1, 0xc3}, "compared with itself"},
		{false, 5, {0x33, 0xd2, 0xf7, 0xf1, 0xc3}, "not tested"},
		{false, 7, {0x85, 0xc9, 0x74, 2, 0xf7, 0xf1, 0xc3}, "edx is not 0"},
		{false, 9, {0x85, 0xc9, 0x74, 4, 0x33, 0xd0, 0xf7, 0xf1, 0xc3}, "edx is not 0 for sure"},
		{false, 10, {0x85, 0xc9, 0x74, 5, 0x33, 0xd2, 0x48, 0xf7, 0xf1, 0xc3}, "64 bits"},
		{false,
		 12,
		 {0x85, 0xc9, 0x74, 7, 0x33, 0xd2, 0x8b, 0x4f, 0, 0xf7, 0xf1, 0xc3},
		 "changed since"},
		{false,
		 12,
		 {0x85, 0xc9, 0x8b, 0x4f, 0, 0x74, 4, 0x33, 0xd2, 0xf7, 0xf1, 0xc3},
		 "changed between"},
		{false, 11, {0x85, 0xc9, 0x74, 6, 0x33, 0xd2, 0xf7, 0xf1, 0xf7, 0xf1, 0xc3}, "edx is a rest"},
		/* mov r9d, [constant]; xor edx, edx; div r9d; ret */
		{true, 13, {0x44, 0x8b, 0x0d, 0xf9, 0x0f, 0, 0, 0x33, 0xd2, 0x41, 0xf7, 0xf1, 0xc3}, "7"},
		{false, 13, {0x44, 0x8b, 0x0d, 0xfd, 0x0f, 0, 0, 0x33, 0xd2, 0x41, 0xf7, 0xf1, 0xc3}, "0"},
		/* jumped over: je +2; test ecx, ecx; je ... */
		{false,
		 11,
		 {0x74, 4, 0x85, 0xc9, 0x74, 4, 0x33, 0xd2, 0xf7, 0xf1, 0xc3},
		 "tested on one way"},
	};
	static const u32 table[] = {7, 0};
	u32 entry = 0, at;

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct bpf_emitted e = {samples[i].code,
					samples[i].size,
					4096,
					(const u8 *)table,
					sizeof table,
					64,
					&entry,
					1};

		is(samples[i].what, !bpf_verify(&e, &at), samples[i].good);
	}
}

/* Machine code that the checker must refuse, and noise, which it must survive. */
static void broken_code(struct random *r)
{
	static const u8 samples[][12] = {
		{0xc3},                         /* ret */
		{0x8b, 0x47, 0x3d, 0xc3},       /* mov eax, [rdi+61]: beyond the data */
		{0x8b, 0x06, 0xc3},             /* mov eax, [rsi] */
		{0xeb, 0xfe},                   /* jmp to itself */
		{0x89, 0x44, 0x24, 0x08, 0xc3}, /* mov [rsp+8], eax */
		{0x48, 0x8b, 0x47, 0x39, 0xc3}, /* mov rax, [rdi+57] */
		{0xff, 0xe0},                   /* jmp rax */
		{0x0f, 0x05, 0xc3},             /* syscall */
		{0x8b, 0x04, 0x17, 0xc3},       /* mov eax, [rdi+rdx] */
		{0x33, 0xff, 0xc3},             /* xor edi, edi */
		{0x33, 0xc0},                   /* runs off the end */
		{0x8b, 0x05, 0, 0, 0, 0, 0xc3}, /* a constant beyond the table */
		{0xeb, 0x01, 0x33, 0xc3, 0xc3}, /* jumps into an instruction */
	};
	static const u8 lengths[] = {1, 4, 3, 2, 5, 5, 2, 3, 4, 3, 2, 7, 5};
	u32 entry = 0, at;

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct bpf_emitted e = {samples[i], lengths[i], 4096, NULL, 0, 64, &entry, 1};

		is("code accepted", !bpf_verify(&e, &at), i == 0);
	}
	for (unsigned i = 0; i < 20000; i++) {
		u8 code[64];
		struct bpf_emitted e = {code, sizeof code, 4096, NULL, 0, 64, &entry, 1};

		for (size_t j = 0; j < sizeof code; j++)
			code[j] = (u8)random_u32(r);
		bpf_verify(&e, &at);
	}
}

/* ---- damaged machine code ---- */

/* A copy of an image's code and constants with the distance between them kept, code and data each before a guard page. */
struct copy {
	u8 *base, *code, *data;
	size_t size;
	s64 constants;
};

static sigjmp_buf faulted;

static void on_fault(int signo)
{
	siglongjmp(faulted, signo);
}

static bool copy_make(struct copy *c, const struct bpf_emitted *e)
{
	u64 apart = (u64)-e->constants; /* the table lies below the code */

	c->size = (apart + e->size + 4 * PAGE_SIZE) & ~(PAGE_SIZE - 1);
	c->base = mmap(NULL, c->size + 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->base == MAP_FAILED)
		return false;
	c->code = c->base + c->size - PAGE_SIZE - ((e->size + 15) & ~15u);
	memcpy(c->code - apart, e->constant_data, e->constant_size);
	c->data = c->base + c->size + PAGE_SIZE - 64;
	mprotect(c->base + c->size - PAGE_SIZE, PAGE_SIZE, PROT_NONE);
	mprotect(c->base + c->size + PAGE_SIZE, PAGE_SIZE, PROT_NONE);
	return true;
}

/* Runs what the checker has taken: it may answer anything, but must not fault. */
static int run_copy(const struct copy *c, u32 entry, u64 size)
{
	u8 *page = (u8 *)((u64)c->code & ~(PAGE_SIZE - 1));
	size_t length = (size_t)(c->base + c->size - PAGE_SIZE - page);
	bpf_function *fn = (bpf_function *)(c->code + entry);
	int signo;

	mprotect(page, length, PROT_READ | PROT_EXEC);
	signo = sigsetjmp(faulted, 1);
	if (!signo)
		fn(c->data, size);
	mprotect(page, length, PROT_READ | PROT_WRITE);
	return signo;
}

/* One image, its bytes changed here and there: refused, or harmless. */
static void damage_image(struct random *r, const struct bpf_image *image, enum bpf_kind kind, unsigned times,
			 unsigned *taken)
{
	struct bpf_emitted e;
	struct copy c;
	u32 at;

	bpf_image_emitted(image, kind, &e);
	if (e.constants >= 0 || !copy_make(&c, &e))
		return;
	for (unsigned i = 0; i < times && !failed; i++) {
		memcpy(c.code, e.code, e.size);
		for (u32 n = 1 + random_below(r, 2); n; n--)
			c.code[random_below(r, e.size)] ^= (u8)(1 + random_below(r, 255));
		for (u32 n = 0; n < 64; n++)
			c.data[n] = (u8)random_u32(r);
		if (bpf_verify(&(struct bpf_emitted){c.code, e.size, e.constants, e.constant_data,
						     e.constant_size, e.data_size, e.entries, e.entry_count},
			       &at))
			continue;
		++*taken;
		is("a fault in code that was taken", (u64)run_copy(&c, e.entries[0], 64), 0);
	}
	munmap(c.base, c.size + 2 * PAGE_SIZE);
}

static void damaged_images(struct random *r, unsigned programs)
{
	struct sigaction a = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
	struct sock_filter f[60];
	unsigned taken = 0;

	for (int i = 0; i < 4; i++)
		sigaction((const int[]){SIGSEGV, SIGFPE, SIGILL, SIGTRAP}[i], &a, NULL);
	for (unsigned n = 0; n < programs && !failed && arena; n++) {
		enum bpf_kind kind = random_below(r, 2) ? S : P;
		unsigned size = random_program(r, kind, f, ARRAY_SIZE(f));
		struct bpf_compiled c = {0};
		struct bpf_program *p;

		if (bpf_program_create(f, size, kind, &p, NULL))
			continue;
		if (!bpf_compile(&c, p, arena) && c.code.image)
			damage_image(r, c.code.image, kind, 100, &taken);
		bpf_compiled_free(&c);
		bpf_program_free(p);
	}
	for (int i = 0; i < 4; i++)
		signal((const int[]){SIGSEGV, SIGFPE, SIGILL, SIGTRAP}[i], SIG_DFL);
	is("some damaged code is harmless", arena && !taken, 0);
}

/* ---- hostile chains ---- */

/* As many copies of a filter as a chain takes: how many. What they take stays small, and all engines still agree. */
static unsigned longest_chain(const char *what, const struct sock_filter *f, unsigned n,
			      struct bpf_arena *where)
{
	static const u32 arch = AUDIT_ARCH_X86_64;
	struct bpf_chain *c = NULL, *next;
	struct seccomp_data d = {.arch = AUDIT_ARCH_X86_64};
	struct bpf_program *p;
	unsigned count = 0;

	for (;; count++) {
		p = program(f, n);
		if (bpf_chain_add(c, p, &arch, 1, where, &next))
			break;
		bpf_chain_put(c);
		c = next;
	}
	bpf_program_free(p);
	is(what, c->bytes > 6u << 20, false);
	for (unsigned i = 0; i < 600; i += 7) {
		d.nr = (int)i;
		d.args[0] = i % 3 ? 7 : i;
		is(what, bpf_chain_run(c, &d), bpf_chain_run_plain(c, &d, NULL));
	}
	bpf_chain_put(c);
	return count;
}

static void hostile_chains(struct bpf_arena *where)
{
	static struct sock_filter big[BPF_MAXINSNS];
	const struct sock_filter one = RET(SECCOMP_RET_ALLOW);
	/* Something else is left for each number: what the first argument is compared with. */
	const struct sock_filter each[] = {
		STMT(BPF_LD | BPF_W | BPF_ABS, 0),  STMT(BPF_MISC | BPF_TAX, 0),
		STMT(BPF_LD | BPF_W | BPF_ABS, 16), JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
		RET(SECCOMP_RET_ERRNO | 5),         RET(SECCOMP_RET_ALLOW)};
	unsigned n = 0;

	is("chain of the shortest", longest_chain("shortest", &one, 1, where), 3641);
	is("chain of many residues", longest_chain("residues", each, 6, where), 2184);
	/* As much to look at for each number as there can be. */
	while (n < BPF_MAXINSNS - 4) {
		big[n++] = STMT(BPF_LD | BPF_W | BPF_ABS, 0);
		big[n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, n % 512, 0, 2);
		big[n++] = STMT(BPF_LD | BPF_W | BPF_ABS, 16 + n % 6 * 8);
		big[n++] = JUMP(BPF_JMP | BPF_JGT | BPF_K, n * 3, 0, 0);
	}
	while (n < BPF_MAXINSNS)
		big[n++] = RET(SECCOMP_RET_ALLOW);
	is("chain of the longest", longest_chain("longest", big, n, where) > 5, true);
}

int main(int argc, char **argv)
{
	struct random r = {argc > 1 ? strtoull(argv[1], NULL, 0) * 2 + 1 : 0x1234567};
	unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 3000;

	if (bpf_arena_create(&arena))
		printf("# no executable memory: the compiler is not tested\n");
	checker();
	semantics();
	lengths();
	precedence();
	path_limit();
	long_runs();
	odd_verdicts();
	header_programs(&r);
	hostile_chains(NULL);
	hostile_chains(arena);
	divisions();
	broken_code(&r);
	damaged_images(&r, count / 5);
	random_programs(&r, count);
	random_chains(&r, count / 10);
	bpf_arena_destroy(arena);
	if (!failed)
		printf("ok bpf\n");
	return failed;
}
