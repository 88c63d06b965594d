/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes the BPF compiler safe to have in the kernel process: where its code lies and what it is made of, and that it
 * goes on working when the process has locked itself down and nothing can be mapped executable any more.
 *
 * links: src/kernel/bpf/check.c src/kernel/bpf/convert.c src/kernel/bpf/interpret.c src/kernel/bpf/plan.c
 * links: src/kernel/bpf/walk.c src/kernel/bpf/sym.c src/kernel/bpf/pool.c src/kernel/bpf/layout.c
 * links: src/kernel/bpf/lower.c src/kernel/bpf/fuse.c src/kernel/bpf/run.c src/kernel/bpf/jit.c
 * links: src/kernel/bpf/emit.c src/kernel/bpf/x86.c src/kernel/bpf/verify.c src/kernel/bpf/arena.c
 * links: src/host/filter.c src/base/bug.c src/base/text.c
 */
#include "bpf/arena.h"
#include "bpf/code.h"
#include "bpf/jit.h"
#include "host/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VALUES 40
#define ARENAS 8

static int failed;

static void check(const char *what, bool holds)
{
	if (holds)
		return;
	failed = 1;
	printf("not ok %s\n", what);
}

/* Constants that are no other bytes of code by chance. */
static u32 value(unsigned i)
{
	return 0xc0de9100 + i;
}

/* A program whose author would like to see its constants in executable memory: as values, masks, offsets, results. */
static unsigned spray(struct sock_filter *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VALUES; i++) {
		f[n++] = (struct sock_filter){BPF_LD | BPF_W | BPF_ABS, 0, 0,
					      i % 2 ? 4 * i : 0x40000000 + value(i) % 4096};
		f[n++] = (struct sock_filter){BPF_ALU | BPF_ADD | BPF_K, 0, 0, value(i)};
		f[n++] = (struct sock_filter){BPF_ALU | BPF_XOR | BPF_X, 0, 0, 0};
		f[n++] = (struct sock_filter){BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value(i)};
		f[n++] = (struct sock_filter){BPF_RET | BPF_K, 0, 0, value(i)};
	}
	f[n++] = (struct sock_filter){BPF_RET | BPF_A, 0, 0, 0};
	return n;
}

static bool compile(struct bpf_compiled *c, const struct sock_filter *f, unsigned n, enum bpf_kind kind,
		    struct bpf_arena *arena)
{
	struct bpf_program *p;
	bool good;

	memset(c, 0, sizeof *c);
	if (bpf_program_create(f, n, kind, &p, NULL))
		return false;
	good = !bpf_compile(c, p, arena) && c->function;
	bpf_program_free(p);
	return good;
}

/* How often one of the values lies in @size bytes, at any place. */
static unsigned count_values(const u8 *code, size_t size)
{
	unsigned count = 0;

	for (size_t at = 0; at + 4 <= size; at++) {
		u32 word;

		memcpy(&word, code + at, sizeof word);
		count += word >= value(0) && word < value(VALUES);
	}
	return count;
}

/* The arena's mappings: readable and executable, or readable; and what the former hold of a program's own numbers. */
static void look_at_mappings(const struct bpf_arena *arena, const u8 *function)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned executable = 0, inside = 0;
	char line[512];

	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long start, end;
		char perms[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) != 3)
			continue;
		check("nothing is writable and executable", perms[1] != 'w' || perms[2] != 'x');
		if (!bpf_arena_contains(arena, (const void *)start))
			continue;
		inside++;
		check("nothing of the arena is writable", perms[1] == '-');
		executable += perms[2] == 'x' && (u8 *)start <= function && function < (u8 *)end;
	}
	if (maps)
		fclose(maps);
	check("code and constants lie apart", inside >= 2);
	check("the code is executable", executable == 1);
}

static void contents(struct bpf_arena *arena)
{
	static struct sock_filter f[5 * VALUES + 1];
	struct bpf_compiled c;
	const u8 *code;
	unsigned n = spray(f);

	if (!compile(&c, f, n, BPF_KIND_PACKET, arena)) {
		check("the program is compiled", false);
		return;
	}
	code = (const u8 *)c.function;
	look_at_mappings(arena, code);
	check("the program is of some length", bpf_image_size(c.code.image) > 10 * VALUES);
	check("no number of the program is executable", !count_values(code, bpf_image_size(c.code.image)));
	check("but the program has them", count_values((const u8 *)f, sizeof f) >= 3 * VALUES);
	bpf_compiled_free(&c);
	for (size_t i = 0; i < 256 && (u64)(code + i) >> 12 == (u64)code >> 12; i++)
		check("what was code is int3", code[i] == 0xcc);
}

/* Where code lies in an arena cannot be foreseen; where the arena does is the host's to choose. */
static void places(void)
{
	static const struct sock_filter f[] = {{BPF_RET | BPF_K, 0, 0, 7}, {BPF_RET | BPF_K, 0, 0, 7}};
	u64 first = 0, others = 0;

	for (unsigned i = 0; i < ARENAS; i++) {
		struct bpf_arena *arena;
		struct bpf_compiled c;

		if (bpf_arena_create(&arena) || !compile(&c, f, 2, BPF_KIND_PACKET, arena)) {
			check("an arena", false);
			return;
		}
		first = i ? first : (u64)c.function;
		others += (u64)c.function != first;
		bpf_compiled_free(&c);
		bpf_arena_destroy(arena);
	}
	check("programs lie anywhere", others);
}

/* As the kernel process is once guests run. */
static int locked_down(struct bpf_arena *arena)
{
	static const struct sock_filter f[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
					       {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x11223344},
					       {BPF_RET | BPF_K, 0, 0, 5},
					       {BPF_RET | BPF_K, 0, 0, 6}};
	static const u8 packet[] = {0x11, 0x22, 0x33, 0x44};
	struct bpf_compiled c;
	void *p;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || host_filter_install(false, 0))
		return 77;
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p != MAP_FAILED || errno != EPERM)
		return 1;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 2;
	if (!mprotect(p, 4096, PROT_READ | PROT_EXEC) || errno != EPERM)
		return 3;
	if (!compile(&c, f, 4, BPF_KIND_PACKET, arena))
		return 4;
	if (c.function(packet, sizeof packet) != 5 || c.function("ABCD", 4) != 6 || c.function(packet, 3))
		return 5;
	bpf_compiled_free(&c);
	return 0;
}

int main(void)
{
	struct bpf_arena *arena;
	int status = -1;
	pid_t pid;

	if (bpf_arena_create(&arena)) {
		printf("skip no executable memory\n");
		return 77;
	}
	contents(arena);
	places();
	fflush(stdout);
	pid = fork();
	if (!pid) /* not by _exit(), before which AddressSanitizer makes calls that are locked out */
		syscall(SYS_exit_group, locked_down(arena));
	check("a child", waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("# no filter here\n");
	else if (status)
		check("the locked process compiles, and maps nothing executable", false),
			printf("# %#x\n", status);
	bpf_arena_destroy(arena);
	if (!failed)
		printf("ok bpf_arena\n");
	return failed;
}
