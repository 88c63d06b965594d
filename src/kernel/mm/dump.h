/* SPDX-License-Identifier: Apache-2.0 */
/* What of an address space belongs into a core file. */
#ifndef HUSK_KERNEL_MM_DUMP_H
#define HUSK_KERNEL_MM_DUMP_H

#include "mm/mm.h"

/* One mapping, as a program header shows it. */
struct mm_segment {
	u64 start, end;
	u64 size;    /* bytes of it, from its start, that the file holds */
	u32 flags;   /* PF_* */
	bool sparse; /* what was never touched is zero */
};

/* The segments of @mm, whose space lives, in order: how many; *out is the caller's to free. -ENOMEM. */
long mm_dump_segments(struct mm *mm, struct mm_segment **out);
/* Which files are mapped where, as the note NT_FILE has it: its bytes; *out is the caller's to free. -ENOMEM. */
long mm_dump_files(struct mm *mm, char **out);

#endif
