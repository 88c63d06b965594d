/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a space's memory operations, queued by the kernel and not yet given to the host. Each driver carries it
 * out in its own way, always in the order of queueing.
 */
#ifndef HUSK_TRAP_OPLOG_H
#define HUSK_TRAP_OPLOG_H

#include "base/list.h"
#include "trap/trap.h"

struct log_entry {
	struct list node;
	u64 number;        /* in the order of queueing, from 1 */
	struct trap_op op; /* fd is owned */
};

struct oplog {
	struct list entries;
	u64 number; /* of the entry queued last */
};

void oplog_init(struct oplog *log);
/* Queues a copy of @op with a descriptor of its own: 0, -ENOMEM or -ENFILE. */
int oplog_queue(struct oplog *log, const struct trap_op *op);
/* Whether there are entries up to and with @mark. */
bool oplog_has(const struct oplog *log, u64 mark);
struct log_entry *oplog_first(const struct oplog *log);
/* Forgets all that is left: the space is gone. */
void oplog_drop(struct oplog *log);
/* Takes @e out of the list it is in, tells its undo() @result, and frees it. */
void log_entry_end(struct log_entry *e, long result);
/* Closes the entry's descriptor: the host process has its own. */
void log_entry_close(struct log_entry *e);

#endif
