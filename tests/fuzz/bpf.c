/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For libFuzzer: bytes are a kind, a program and an input. Whatever the checker takes must be converted, planned and
 * compiled without a fault, and all ways to run it must agree.
 *
 *	clang -fsanitize=fuzzer,address (what `make fuzz` does), or with -DSTANDALONE a program that reads files.
 */
#include "bpf/arena.h"
#include "bpf/chain.h"

#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bpf_arena *arena;

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void try_packet(const struct bpf_program *p, const u8 *data, size_t size)
{
	struct bpf_packet packet = {data, size};
	struct bpf_compiled c = {0};
	u32 plain = bpf_program_run(p, &packet);

	if (bpf_compile(&c, p, arena))
		return;
	must(bpf_run(c.ops, data, size) == plain, "the threaded interpreter differs");
	must(!c.function || c.function(data, size) == plain, "the compiled program differs");
	bpf_compiled_free(&c);
}

static void try_call(struct bpf_program *p, const u8 *data, size_t size)
{
	static const u32 arch = AUDIT_ARCH_X86_64;
	struct seccomp_data d = {.arch = AUDIT_ARCH_X86_64};
	struct bpf_chain *c;
	u32 plain;

	memcpy(&d, data, size < sizeof d ? size : sizeof d);
	if (bpf_chain_add(NULL, p, &arch, 1, arena, &c)) {
		bpf_program_free(p);
		return;
	}
	for (int nr = d.nr, i = 0; i < 8; i++, nr = i * 64 + (d.nr & 63)) {
		d.nr = nr;
		plain = bpf_chain_run_plain(c, &d, NULL);
		must(bpf_chain_run(c, &d) == plain, "the table differs");
		must(bpf_chain_run_whole(c, &d) == plain, "the whole program differs");
	}
	bpf_chain_put(c);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct sock_filter f[256];
	struct bpf_program *p;
	enum bpf_kind kind;
	size_t n;

	if (size < 2)
		return 0;
	if (!arena)
		bpf_arena_create(&arena);
	kind = data[0] & 1 ? BPF_KIND_PACKET : BPF_KIND_SECCOMP;
	n = data[1];
	data += 2;
	size -= 2;
	if (n * sizeof *f > size)
		n = size / sizeof *f;
	memcpy(f, data, n * sizeof *f);
	data += n * sizeof *f;
	size -= n * sizeof *f;
	/* Opcodes are bytes: with random upper halves nothing would be a program. */
	for (size_t i = 0; i < n; i++)
		f[i].code &= 0xff;
	if (bpf_program_create(f, n, kind, &p, NULL))
		return 0;
	if (kind == BPF_KIND_SECCOMP) {
		try_call(p, data, size);
		return 0;
	}
	try_packet(p, data, size);
	bpf_program_free(p);
	return 0;
}
