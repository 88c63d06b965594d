/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of call sites, found by decoding, and the code that replaces them. */
#include "trap/site.h"

#include <stdlib.h>
#include <string.h>

#include "trap/insn.h"

#define JUMP_BACK    5
#define LEA_LENGTH   7
#define ENTER_LENGTH 6
/* In the trampoline of a tail: the `syscall`, and where the moved instructions begin. */
#define TAIL_CALL  (LEA_LENGTH + ENTER_LENGTH)
#define TAIL_BACK  (TAIL_CALL + SITE_LENGTH)
#define TAIL_MOVED (TAIL_BACK + LEA_LENGTH)

#define LOOK_BEHIND 256  /* bytes before a call from which decoding starts, each in turn */
#define LOOK_LEAST  96   /* and how near to it the last start is */
#define AGREED      24   /* starts that must come to the same end, */
#define OF_TEN      9    /* and so many of ten that come to the call at all */
#define BRANCH_SCAN 8192 /* bytes each way that are searched for branches into a tail */

/* The start of the instruction that ends at @text[@offset], or -1. Nobody says where instructions begin, but decoding
 * from a wrong place falls into step with the code within a few: so nearly all starts far enough before must come to
 * the same end. Where decoding from a place goes depends on the place alone, so each is decoded once, the last first. */
static s64 instruction_before(const u8 *text, size_t size, size_t offset)
{
	size_t end = min(offset + INSN_MAX, size), from = offset > LOOK_BEHIND ? offset - LOOK_BEHIND : 0;
	u32 votes[INSN_MAX + 1] = {0}, all = 0, best = 0;
	u8 last[LOOK_BEHIND]; /* by place: length of the instruction that ends at @offset; 0: it does not come there */

	if (offset < LOOK_LEAST + AGREED)
		return -1;
	for (size_t at = offset; at-- > from;) {
		struct insn insn;
		size_t next = insn_decode(text + at, end - at, &insn) ? at + insn.length : end;
		u8 length = next == offset ? insn.length : next < offset ? last[next - from] : 0;

		last[at - from] = length;
		if (at <= offset - LOOK_LEAST && length) {
			votes[length]++;
			all++;
		}
	}
	for (u32 i = 1; i <= INSN_MAX; i++)
		if (votes[i] > votes[best])
			best = i;
	return votes[best] >= AGREED && votes[best] * 10 >= all * OF_TEN ? (s64)(offset - best) : -1;
}

static bool find_head(const u8 *text, size_t offset, s64 at, struct site *out)
{
	struct insn insn;

	if (at < 0 || !insn_decode(text + at, offset - (size_t)at, &insn) || insn.transfer ||
	    insn.length < SITE_JUMP)
		return false;
	out->length = insn.length;
	out->rip_at = insn.rip_at;
	out->at = (u64)at;
	memcpy(out->moved, text + at, insn.length);
	return true;
}

static s32 read_s32(const u8 *at)
{
	s32 value;

	memcpy(&value, at, sizeof value);
	return value;
}

/* Where the branch leads that may begin at @at; -1: none. */
static s64 branch_target(const u8 *text, size_t at)
{
	u8 op = text[at];

	if (op >> 4 == 7 || op == 0xeb || (op & 0xfc) == 0xe0)
		return (s64)at + 2 + (s8)text[at + 1];
	if (op == 0xe8 || op == 0xe9)
		return (s64)at + 5 + read_s32(text + at + 1);
	if (op == 0x0f && text[at + 1] >> 4 == 8)
		return (s64)at + 6 + read_s32(text + at + 2);
	return -1;
}

bool site_find_targets(struct site_text *text)
{
	/* Nine of ten bytes begin none. */
	static const u8 may_branch[256] = {
		[0x0f] = 1, [0x70 ... 0x7f] = 1, [0xe0 ... 0xe3] = 1, [0xe8 ... 0xe9] = 1, [0xeb] = 1};

	text->targets = calloc(text->size / 64 + 1, sizeof *text->targets);
	for (size_t at = 0; text->targets && at + 6 <= text->size; at++) {
		s64 target = may_branch[text->bytes[at]] ? branch_target(text->bytes, at) : -1;

		if (target >= 0 && (u64)target < text->size)
			text->targets[target / 64] |= 1UL << (target % 64);
	}
	return text->targets;
}

/* Whether something that may be a branch leads between the first and the last of the patched bytes. */
static bool branched_into(const struct site_text *text, size_t offset)
{
	size_t from = offset > BRANCH_SCAN ? offset - BRANCH_SCAN : 0;
	size_t to = text->size - offset > BRANCH_SCAN ? offset + BRANCH_SCAN : text->size;

	if (text->targets) {
		for (size_t at = offset + 1; at < offset + SITE_JUMP && at < text->size; at++)
			if (text->targets[at / 64] >> (at % 64) & 1)
				return true;
		return false;
	}
	for (size_t at = from; at + 6 <= to; at++) {
		s64 target = branch_target(text->bytes, at);

		if (target > (s64)offset && target < (s64)offset + SITE_JUMP)
			return true;
	}
	return false;
}

static bool find_tail(const struct site_text *text, size_t offset, struct site *out)
{
	size_t at = offset + SITE_LENGTH;
	u32 length = 0;

	while (SITE_LENGTH + length < SITE_JUMP) {
		struct insn insn;

		if (at + length >= text->size ||
		    !insn_decode(text->bytes + at + length, text->size - at - length, &insn) ||
		    insn.transfer || insn.rip_at || length + insn.length > sizeof out->moved)
			return false;
		length += insn.length;
	}
	if (branched_into(text, offset))
		return false;
	out->length = (u8)length;
	out->rip_at = 0;
	out->at = offset;
	memcpy(out->moved, text->bytes + at, length);
	return true;
}

void site_find(const struct site_text *text, size_t offset, enum site_insn insn, s64 before, struct site *out)
{
	const u8 *bytes = text->bytes;

	memset(out, 0, sizeof *out);
	out->insn = insn;
	if (text->size < SITE_LENGTH || offset > text->size - SITE_LENGTH || bytes[offset] != 0x0f ||
	    bytes[offset + 1] != insn)
		return;
	out->call = text->start + offset;
	if (before == SITE_UNKNOWN)
		before = instruction_before(bytes, text->size, offset);
	if (find_head(bytes, offset, before, out))
		out->shape = SITE_HEAD;
	else if (find_tail(text, offset, out))
		out->shape = SITE_TAIL;
	else
		return;
	out->at += text->start;
	/* Both sides of a page boundary could not be replaced at once. */
	if (out->at >> PAGE_SHIFT != (out->at + SITE_JUMP - 1) >> PAGE_SHIFT)
		out->shape = SITE_NONE;
}

/* The displacement from the end of an instruction at @from to @to: false when it does not fit. */
static bool write_distance(u8 *at, u64 from, u64 to)
{
	s64 distance = (s64)(to - from);
	s32 narrow = (s32)distance;

	memcpy(at, &narrow, sizeof narrow);
	return narrow == distance;
}

static bool emit_enter(const struct site *s, u8 *code, u64 at, u64 back, u64 entry)
{
	static const u8 lea_r11[3] = {0x4c, 0x8d, 0x1d}, lea_rbx[3] = {0x48, 0x8d, 0x1d},
			jump[2] = {0xff, 0x25};

	memcpy(code, s->insn == SITE_CPUID ? lea_rbx : lea_r11, sizeof lea_r11);
	memcpy(code + LEA_LENGTH, jump, sizeof jump);
	return write_distance(code + sizeof lea_r11, at + LEA_LENGTH, back) &&
	       write_distance(code + LEA_LENGTH + sizeof jump, at + LEA_LENGTH + ENTER_LENGTH, entry);
}

static bool emit_head(const struct site *s, u64 to, u64 entry, u8 *code)
{
	memcpy(code, s->moved, s->length);
	if (s->rip_at) {
		u64 target = s->at + s->length + (u64)(s64)read_s32(s->moved + s->rip_at);

		if (!write_distance(code + s->rip_at, to + s->length, target))
			return false;
	}
	return emit_enter(s, code + s->length, to + s->length, s->call + SITE_LENGTH, entry);
}

static bool emit_tail(const struct site *s, u64 to, u64 entry, u8 *code)
{
	static const u8 lea[3] = {0x48, 0x8d, 0x0d}, nop[LEA_LENGTH] = {0x0f, 0x1f, 0x80};
	u64 back = s->call + SITE_LENGTH, end = to + TAIL_MOVED + s->length;

	code[TAIL_CALL] = 0x0f;
	code[TAIL_CALL + 1] = s->insn;
	memcpy(code + TAIL_MOVED, s->moved, s->length);
	code[TAIL_MOVED + s->length] = 0xe9;
	if (s->insn == SITE_SYSCALL) {
		memcpy(code + TAIL_BACK, lea, sizeof lea);
		if (!write_distance(code + TAIL_BACK + sizeof lea, to + TAIL_MOVED, back))
			return false;
	} else {
		memcpy(code + TAIL_BACK, nop, sizeof nop);
	}
	return emit_enter(s, code, to, to + TAIL_BACK, entry) &&
	       write_distance(code + TAIL_MOVED + s->length + 1, end + JUMP_BACK, back + s->length);
}

bool site_emit(const struct site *s, u64 to, u64 entry, u8 *code)
{
	memset(code, 0xcc, SITE_TRAMPOLINE);
	return s->shape == SITE_HEAD ? emit_head(s, to, entry, code) : emit_tail(s, to, entry, code);
}

void site_write(const struct site *s, u64 to, u8 *text, u64 start)
{
	u8 *at = text + (s->at - start);

	*at = 0xe9;
	write_distance(at + 1, s->at + SITE_JUMP, to);
}

u64 site_original(const struct site *s, u64 offset)
{
	if (s->shape == SITE_HEAD)
		return offset < s->length ? s->at : s->call;
	if (offset < TAIL_BACK)
		return s->call;
	return s->call + SITE_LENGTH + min(offset - min(offset, (u64)TAIL_MOVED), (u64)s->length);
}

s64 site_moved(const struct site *s, u64 ip)
{
	u64 behind = ip - s->call - SITE_LENGTH;

	if (s->shape != SITE_TAIL || behind >= s->length)
		return -1;
	/* Right behind the call rcx is still to be what it leaves there. */
	return (s64)(behind ? TAIL_MOVED + behind : TAIL_BACK);
}
