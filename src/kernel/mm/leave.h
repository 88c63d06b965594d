/* SPDX-License-Identifier: Apache-2.0 */
/* Memory calls that a process makes without the kernel: who may, where, and what has become of it. See leave.c. */
#ifndef HUSK_KERNEL_MM_LEAVE_H
#define HUSK_KERNEL_MM_LEAVE_H

#include "mm/mm.h"

/* What a call that came to the kernel was about: leave is given for others like it. */
enum mm_wish {
	MM_WISH_NONE,
	MM_WISH_CHANGE, /* memory at an address */
	MM_WISH_PLACE,  /* a mapping anywhere */
	MM_WISH_BRK,
};

void mm_leave_wish(struct mm *mm, enum mm_wish wish, u64 addr, u64 len);
/* The store has changed, or the break: what leave says of free room is looked at again. */
void mm_leave_changed(struct mm *mm);
/* Limits have changed, or what new mappings are: nothing that was allowed is any more. */
void mm_leave_revoke(struct mm *mm);
/* Before @t goes back to its program: fills in its thread's leave. False: it has none. */
bool mm_leave_give(struct task *t);
/* Takes over what the process has done meanwhile: before its store is looked at for somebody else, and
 * kernel_ops.memory_told. */
void mm_catch_up(struct mm *mm);

#endif
