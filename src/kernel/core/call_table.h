/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call table as the kernel sees it: one entry per number, built from abi/syscalls.tbl.
 *
 * Numbers that the table does not name, and lines with support NONE, have no handler: the entry code answers
 * ENOSYS. A refused line has no handler either, and the errno to answer with in @refuse.
 */
#ifndef HUSK_KERNEL_CORE_CALL_TABLE_H
#define HUSK_KERNEL_CORE_CALL_TABLE_H

#include "abi/calls.h"
#include "core/call.h"
#include "core/stats.h"

struct call_entry {
	const char *name; /* NULL: no such call */
	call_fn *fn;      /* NULL: answer -refuse when that is set, else -ENOSYS */
	u8 nargs;
	u8 support; /* enum call_support */
	u8 shape;   /* enum call_shape */
	u8 refuse;  /* errno of a refused call, else 0 */
	struct arg_spec args[6];
	const char *note; /* what is missing or why it is refused; "" when there is nothing to say */
};

/* By number; HUSK_NR_CALLS entries. Never changed. */
extern const struct call_entry call_table[HUSK_NR_CALLS];

#endif
