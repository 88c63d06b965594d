/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tracer asks next: the answers, which its stub has beforehand. Behind the memory calls of its slot.
 *
 * Who has been told of a stop by wait4() asks whether there is another, what call it is, and then lets the task go on until
 * its next stop. Each would be a turn; told together with the stop, they are none. That the task is to go on is written
 * down, for the kernel to see with the next turn, which comes at once as a rule, or after a millisecond.
 */
#ifndef HUSK_CHANNEL_FORESEEN_H
#define HUSK_CHANNEL_FORESEEN_H

#include "base/types.h"

#define HUSK_FORESEEN_OFFSET 0x2e00
#define HUSK_FORESEEN_INFO   88 /* struct ptrace_syscall_info */

enum foreseen_resume {
	FORESEEN_NONE,  /* ask the kernel */
	FORESEEN_LEAVE, /* the kernel: PTRACE_SYSCALL of pid succeeds */
	FORESEEN_ASKED, /* the stub: it has */
};

struct foreseen {
	u32 resume; /* enum foreseen_resume, changed by exchanging */
	u32 quiet;  /* wait4() has nothing else to tell: the kernel takes that back when it has */
	u32 pid;    /* the task that has stopped */
	u32 size;   /* of info: what PTRACE_GET_SYSCALL_INFO gives */
	u8 info[HUSK_FORESEEN_INFO];
};

#endif
