/* SPDX-License-Identifier: Apache-2.0 */
/* Queued memory operations and what they own. */
#include "trap/oplog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void oplog_init(struct oplog *log)
{
	list_init(&log->entries);
	log->number = 0;
}

int oplog_queue(struct oplog *log, const struct trap_op *op)
{
	struct log_entry *e = calloc(1, sizeof *e);

	if (!e)
		return -ENOMEM;
	e->op = *op;
	if (op->kind != TRAP_OP_MAP && op->kind != TRAP_OP_DONATE)
		e->op.fd = HOSTFD_NONE;
	if (hostfd_valid(e->op.fd)) {
		e->op.fd.fd = fcntl(op->fd.fd, F_DUPFD_CLOEXEC, 3);
		if (e->op.fd.fd < 0) {
			free(e);
			return -ENFILE;
		}
	}
	e->number = ++log->number;
	list_add_tail(&log->entries, &e->node);
	return 0;
}

struct log_entry *oplog_first(const struct oplog *log)
{
	return list_first(&log->entries, struct log_entry, node);
}

bool oplog_has(const struct oplog *log, u64 mark)
{
	return !list_empty(&log->entries) && oplog_first(log)->number <= mark;
}

void log_entry_close(struct log_entry *e)
{
	if (hostfd_valid(e->op.fd))
		close(e->op.fd.fd);
	e->op.fd = HOSTFD_NONE;
}

void log_entry_end(struct log_entry *e, long result)
{
	list_del(&e->node);
	log_entry_close(e);
	if (e->op.undo)
		e->op.undo(e->op.arg, result);
	free(e);
}

void oplog_drop(struct oplog *log)
{
	while (!list_empty(&log->entries))
		log_entry_end(oplog_first(log), 0);
}
