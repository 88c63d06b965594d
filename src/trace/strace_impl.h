/* SPDX-License-Identifier: Apache-2.0 */
/* Inside --strace: strace.c (when lines begin and end) and strace_args.c (what stands between the brackets). */
#ifndef HUSK_TRACE_STRACE_IMPL_H
#define HUSK_TRACE_STRACE_IMPL_H

#include "abi/calls.h"
#include "base/list.h"
#include "core/call_table.h"
#include "trace/line.h"

/* What a call has written, oldest first. */
struct written {
	struct written *next;
	u64 addr;
	size_t size;
	u8 bytes[];
};

/* The call that a task is in. */
struct pending {
	struct list node;
	struct task *task;
	char *in[6]; /* what is known of an argument at entry; NULL: to be printed at the end */
	struct written *written, **last;
};

/* Kinds that only the call's end fills in. */
bool strace_known_at_end(int kind);
/* How many arguments mean something in this very call. */
int strace_arguments_used(const struct call_entry *e, const struct call *c);
/* Argument @i of @c. @result counts once the call has @ended. */
void strace_argument(struct line *l, struct pending *p, const struct call *c, const struct arg_spec *spec,
		     int i, long result, bool ended);

#endif
