/* SPDX-License-Identifier: Apache-2.0 */
/* Where code has an instruction, for certain. */
#ifndef HUSK_TRAP_CODE_SITES_H
#define HUSK_TRAP_CODE_SITES_H

#include <stddef.h>

#include "base/types.h"
#include "trap/site.h"

/* Bytes of a program, and the address that its headers give them. */
struct loaded {
	const u8 *bytes;
	u64 addr;
	size_t size;
};

struct code_site {
	u64 addr, before; /* of the instruction before it; the same: it is the function's first */
};

/*
 * Finds @insn in @text: the places go to @found[@most]; returns how many. They are looked for in functions alone, of at most
 * @longest bytes, decoded from their beginnings as the program's tables for unwinding tell them: @header is the address of .eh_frame_hdr in @tables, where
 * .eh_frame lies, too (Linux Standard Base, Core, section 10.6). A program without such tables, or whose tables are of another
 * kind than ld and lld make, has none.
 */
u32 code_sites(const struct loaded *text, const struct loaded *tables, u64 header, enum site_insn insn,
	       size_t longest, struct code_site *found, u32 most);

#endif
