/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/sys/kernel/yama: who may trace whom (Documentation/admin-guide/LSM/Yama.rst; task/trace_access.c). */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "core/cred.h"
#include "core/task.h"
#include "fs/proc_text.h"

#define SCOPE_MAX 3

static int show_scope(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	struct text text = {0};

	text_add(&text, "%d\n", n->k->ptrace_scope);
	return proc_text_done(&text, 0, out, size);
}

static int store_scope(struct synth_node *n, struct task *t, const char *data, size_t size)
{
	char buf[16] = "", *end;
	long scope;

	if (!capable(t, CAP_SYS_PTRACE))
		return -EPERM;
	memcpy(buf, data, min(size, sizeof buf - 1));
	scope = strtol(buf, &end, 10);
	/* From the highest there is no way back. */
	if (end == buf || scope < 0 || scope > SCOPE_MAX ||
	    (n->k->ptrace_scope == SCOPE_MAX && scope < SCOPE_MAX))
		return -EINVAL;
	n->k->ptrace_scope = (int)scope;
	return 0;
}

static const struct synth_ops scope_ops = {.show = show_scope, .store = store_scope};

const struct synth_entry proc_yama_entries[] = {
	{"ptrace_scope", S_IFREG | 0644, &scope_ops},
	{},
};
