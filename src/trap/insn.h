/* SPDX-License-Identifier: Apache-2.0 */
/* How long an x86-64 instruction is, and whether it could stand elsewhere (Intel SDM volume 2, chapter 2 and the
 * opcode maps of appendix A). */
#ifndef HUSK_TRAP_INSN_H
#define HUSK_TRAP_INSN_H

#include "base/types.h"

#define INSN_MAX 15 /* bytes; longer ones fault */

struct insn {
	u8 length;
	u8 rip_at; /* where its 32-bit displacement from the next instruction's address lies; 0: it has none */
	bool transfer; /* may go elsewhere than to the next instruction, or enters a kernel */
};

/* Decodes the instruction at @code, of which @size bytes are there: its length, or 0 when it is none, one that this
 * table does not know, or cut off. */
u32 insn_decode(const u8 *code, size_t size, struct insn *out);

#endif
