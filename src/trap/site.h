/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call sites: where a program makes system calls, and how one is rewritten to enter the stub without a signal.
 *
 *	head    ... mov $nr,%eax | syscall ...     the instruction before `syscall`, of five bytes or more, becomes a
 *	            ^^^^^^^^^^^^                   jump; `syscall` stays, so who comes there otherwise takes the signal
 *	tail    ... | syscall; cmp $-4096,%rax ... `syscall` and what follows become a jump: only while no other thread
 *	              ^^^^^^^^^^^^^^^^^^^^^^^^     can stand behind the `syscall`
 *
 * The jump leads to the site's trampoline, which does what was moved and enters the stub with the address to come
 * back to in r11. A `syscall` lies right before that address in both shapes: the stub goes there when it cannot
 * serve the thread, and a call is made again by stepping back over it.
 *
 *	head    moved instruction; lea back(%rip),%r11; jmp *entry(%rip)                  back: behind the site's syscall
 *	tail    lea back(%rip),%r11; jmp *entry(%rip); syscall; back: lea site(%rip),%rcx; moved; jmp rest
 *
 * `cpuid` has two bytes like `syscall`, and is rewritten in the same ways, to be answered from a table
 * (channel/cpuid.h). What differs: the address to come back to is in rbx, which `cpuid` writes and does not read, and rcx is
 * its result.
 *
 * All positions are on one scale of the caller's: only differences count, so that one trampoline serves every
 * address at which a file is mapped, if it is mapped at the same distance.
 */
#ifndef HUSK_TRAP_SITE_H
#define HUSK_TRAP_SITE_H

#include <stddef.h>

#include "base/types.h"

#define SITE_TRAMPOLINE 48 /* bytes that a trampoline may take */
#define SITE_JUMP       5  /* bytes that a patched site differs in, at most */
#define SITE_LENGTH     2  /* bytes of the instruction itself, whichever it is */

enum site_shape {
	SITE_NONE, /* cannot be patched */
	SITE_HEAD,
	SITE_TAIL,
};

/* What is there: second bytes of instructions that begin with 0x0f. */
enum site_insn {
	SITE_SYSCALL = 0x05,
	SITE_CPUID = 0xa2,
};

struct site {
	u8 shape;  /* enum site_shape */
	u8 insn;   /* enum site_insn */
	u8 length; /* bytes moved to the trampoline; of a tail, those behind `syscall` */
	u8 rip_at; /* as struct insn's, from the start of what is moved */
	u64 at;    /* position of the jump */
	u64 call;  /* position of `syscall`, or of `cpuid` */
	u8 moved[16];
};

/* Bytes of code, the first of which lies at position @start. */
struct site_text {
	const u8 *bytes;
	size_t size;
	u64 start;
	u64 *targets; /* nullable: a bit for each byte: something that may be a branch leads there */
};

/* Fills @text->targets, owned by the caller, where many sites are to be found in it; without it each looks for itself, and near
 * it alone. False: no memory. */
bool site_find_targets(struct site_text *text);
/* How the instruction at @offset of @text (which is known to be @insn) may be patched. @before: offset of the instruction
 * before it; SITE_FIRST: there is none; SITE_UNKNOWN: that is to be found out. *out is filled; its shape is SITE_NONE when
 * not. */
#define SITE_FIRST   (-1)
#define SITE_UNKNOWN (-2)
void site_find(const struct site_text *text, size_t offset, enum site_insn insn, s64 before,
	       struct site *out);
/* Writes the trampoline for @s that will lie at @to, with the address of the stub's entry for its instruction stored at
 * @entry, into @code[SITE_TRAMPOLINE]. False when something lies too far away. */
bool site_emit(const struct site *s, u64 to, u64 entry, u8 *code);
/* Writes the jump from @s to its trampoline at @to into @text, which lies at position @start. */
void site_write(const struct site *s, u64 to, u8 *text, u64 start);
/* Where a thread at @offset in the trampoline of @s would stand in the unpatched program. */
u64 site_original(const struct site *s, u64 offset);
/* Where a thread that stands at @ip among the patched bytes of @s goes on: offset in the trampoline, or -1 when it may
 * stay. */
s64 site_moved(const struct site *s, u64 ip);

#endif
