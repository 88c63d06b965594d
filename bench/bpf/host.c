/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own compiler: the machine code that it makes of a filter, read back and run here like every other engine.
 *
 * Linux shows the code of an eBPF program to root (BPF_OBJ_GET_INFO_BY_FD), not that of a classic one; but it converts
 * classic programs to eBPF before it compiles them, so the equivalent eBPF program is given to it:
 *
 *	seccomp   the converted program as it is, without what cannot be reached (the verifier wants that), as a program for
 *		  kprobes: the only kind whose context may be read at each multiple of 4, and is read where it stands
 *	packets   loads as direct accesses to the packet, behind a comparison with its end; a program for a traffic
 *		  class. It looks for data and its end in a sk_buff, of which a stand-in has the two fields: where they are
 *		  is read from the program as the verifier has rewritten it.
 *
 * The code ends with a jump to the kernel's return thunk, of which a return is made.
 */
#include "bench.h"

#include "bpf/bpf.h"

#include <linux/if_ether.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 8192 /* instructions */

struct translation {
	struct bpf_insn out[MOST];
	unsigned n;
	unsigned starts[MOST]; /* of each instruction of the source */
	unsigned jumps[MOST];  /* by instruction: one more than the source's that it jumps to; NONE, FAIL */
};

#define FAIL (~0u)

/* Registers of a translated packet program, besides those of converted ones. */
enum { PACKET_DATA = BPF_REG_8, PACKET_END = BPF_REG_9 };

static void emit(struct translation *t, u8 code, u8 dst, u8 src, s16 off, s32 imm)
{
	if (t->n == MOST) {
		fprintf(stderr, "bench-bpf: a program too long for the host's compiler\n");
		exit(1);
	}
	t->out[t->n++] =
		(struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

/* A jump to what stands at @target in the source, or to FAIL. */
static void emit_jump(struct translation *t, u8 code, u8 dst, u8 src, s32 imm, unsigned target)
{
	emit(t, code, dst, src, 0, imm);
	t->jumps[t->n - 1] = target == FAIL ? FAIL : target + 1;
}

static bool is_jump(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code) == BPF_JMP && BPF_OP(i->code) != BPF_EXIT;
}

/* What can be reached; jumps only lead forward. */
static void mark_reachable(const struct bpf_insn *in, unsigned n, bool *reached)
{
	reached[0] = true;
	for (unsigned i = 0; i < n; i++) {
		bool ends = in[i].code == (BPF_JMP | BPF_EXIT);

		if (!reached[i])
			continue;
		if (is_jump(&in[i]))
			reached[i + 1 + (unsigned)in[i].off] = true;
		if (!ends && in[i].code != (BPF_JMP | BPF_JA))
			reached[i + 1] = true;
	}
}

/* A load from the packet, or 0 as the result of all where it is too short. */
static void packet_load(struct translation *t, const struct bpf_insn *i)
{
	static const u8 bytes[] = {[BPF_W >> 3] = 4, [BPF_H >> 3] = 2, [BPF_B >> 3] = 1};
	u8 size = BPF_SIZE(i->code);
	bool indirect = BPF_MODE(i->code) == BPF_IND;
	u8 base = PACKET_DATA;

	if (indirect) {
		emit(t, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, PACKET_DATA, 0, 0);
		emit(t, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_3, BPF_INDEX, 0, 0);
		base = BPF_REG_3;
	}
	emit(t, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, base, 0, 0);
	emit(t, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, i->imm + bytes[size >> 3]);
	emit_jump(t, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_1, PACKET_END, 0, FAIL);
	emit(t, BPF_LDX | BPF_MEM | size, BPF_ACC, base, (s16)i->imm, 0);
	if (size != BPF_B)
		emit(t, BPF_ALU | BPF_END | BPF_TO_BE, BPF_ACC, 0, 0, bytes[size >> 3] * 8);
}

static void translate_one(struct translation *t, const struct bpf_insn *i, unsigned at, enum bpf_kind kind)
{
	/* A register's first value may not come from itself, for the verifier. */
	if (i->code == (BPF_ALU | BPF_XOR | BPF_X) && i->dst_reg == i->src_reg)
		emit(t, BPF_ALU | BPF_MOV | BPF_K, i->dst_reg, 0, 0, 0);
	else if (is_jump(i))
		emit_jump(t, i->code, i->dst_reg, i->src_reg, i->imm, at + 1 + (unsigned)i->off);
	else if (kind == BPF_KIND_PACKET && BPF_CLASS(i->code) == BPF_LD)
		packet_load(t, i);
	else
		emit(t, i->code, i->dst_reg, i->src_reg, i->off, i->imm);
}

static void resolve_jumps(struct translation *t, unsigned fail)
{
	for (unsigned i = 0; i < t->n; i++) {
		unsigned target = t->jumps[i] == FAIL ? fail : t->jumps[i] ? t->starts[t->jumps[i] - 1] : 0;

		if (t->jumps[i])
			t->out[i].off = (s16)(target - i - 1);
	}
}

static void translate(struct translation *t, const struct bpf_program *p)
{
	bool reached[MOST] = {false}, fails = false;
	unsigned fail;

	mark_reachable(p->insns, p->converted, reached);
	for (unsigned i = 0; i < p->converted; i++) {
		t->starts[i] = t->n;
		if (reached[i])
			translate_one(t, &p->insns[i], i, p->kind);
		/* Behind the third: context in its register, A and X are 0. */
		if (i == 2 && p->kind == BPF_KIND_PACKET) {
			emit(t, BPF_LDX | BPF_MEM | BPF_W, PACKET_DATA, BPF_CTX,
			     offsetof(struct __sk_buff, data), 0);
			emit(t, BPF_LDX | BPF_MEM | BPF_W, PACKET_END, BPF_CTX,
			     offsetof(struct __sk_buff, data_end), 0);
		}
	}
	fail = t->n;
	for (unsigned i = 0; i < t->n; i++)
		fails |= t->jumps[i] == FAIL;
	if (fails) {
		emit(t, BPF_ALU | BPF_MOV | BPF_K, BPF_ACC, 0, 0, 0);
		emit(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	resolve_jumps(t, fail);
}

/* Bounds of stand-in sk_buffs. */
static bool find_fields(struct host_image *image, const struct bpf_insn *insns, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n && found < 2; i++) {
		if (insns[i].code != (BPF_LDX | BPF_MEM | BPF_DW) || insns[i].off < 0 ||
		    insns[i].off > HOST_BUFFER - 8)
			continue;
		*(found++ ? &image->end_at : &image->data_at) = (unsigned)insns[i].off;
	}
	return found == 2;
}

/* `leave`, and a jump that leads out of the code: there is one such, in which the program ends. A kernel without return
 * thunks has a return there already. */
static bool make_return(u8 *code, unsigned size)
{
	unsigned jumps = 0, at = 0;

	for (unsigned i = 0; i + 6 <= size; i++) {
		s32 distance;
		s64 target;

		if (code[i] != 0xc9 || code[i + 1] != 0xe9)
			continue;
		memcpy(&distance, &code[i + 2], 4);
		target = (s64)i + 6 + distance;
		if (target < 0 || target >= size)
			jumps++, at = i + 1;
	}
	if (jumps == 1)
		code[at] = 0xc3;
	return jumps <= 1;
}

static bool read_back(struct host_image *image, int fd, enum bpf_kind kind)
{
	static u8 code[65536];
	static struct bpf_insn rewritten[2 * MOST];
	struct bpf_prog_info info = {.jited_prog_insns = (uintptr_t)code,
				     .jited_prog_len = sizeof code,
				     .xlated_prog_insns = (uintptr_t)rewritten,
				     .xlated_prog_len = sizeof rewritten};
	union bpf_attr attr = {
		.info.bpf_fd = (u32)fd, .info.info_len = sizeof info, .info.info = (uintptr_t)&info};
	void *at;

	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) || !info.jited_prog_insns ||
	    !info.jited_prog_len || info.jited_prog_len > sizeof code)
		return false;
	if (kind == BPF_KIND_PACKET &&
	    !find_fields(image, rewritten, info.xlated_prog_len / (u32)sizeof *rewritten))
		return false;
	if (!make_return(code, info.jited_prog_len))
		return false;
	at = mmap(NULL, sizeof code, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return false;
	memcpy(at, code, info.jited_prog_len);
	if (mprotect(at, sizeof code, PROT_READ | PROT_EXEC)) {
		munmap(at, sizeof code);
		return false;
	}
	*(void **)&image->run = at;
	return true;
}

bool host_compile(struct host_image *image, const struct bpf_program *p)
{
	static struct translation t;
	static char log[65536];
	union bpf_attr attr;
	int fd;
	bool good;

	memset(&t, 0, sizeof t);
	memset(&attr, 0, sizeof attr);
	memset(image, 0, sizeof *image);
	translate(&t, p);
	attr.prog_type = p->kind == BPF_KIND_PACKET ? BPF_PROG_TYPE_SCHED_CLS : BPF_PROG_TYPE_KPROBE;
	attr.insns = (uintptr_t)t.out;
	attr.insn_cnt = t.n;
	attr.license = (uintptr_t) "GPL";
	if (getenv("BENCH_BPF_LOG")) {
		attr.log_buf = (uintptr_t)log;
		attr.log_size = sizeof log;
		attr.log_level = 1;
	}
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
	if (fd < 0 && log[0])
		fprintf(stderr, "%s\n", log);
	if (fd < 0)
		return false;
	good = read_back(image, fd, p->kind);
	close(fd);
	return good;
}
