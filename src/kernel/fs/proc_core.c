/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/sys/kernel/core_pattern and core_uses_pid: which file a core goes to (core(5); task/coredump_name.c).
 *
 * Linux: a pattern that begins with | is a program for the core to be piped into, with @ a socket. Here: EINVAL, because it
 * would be run for guests outside of what they are allowed.
 */
#include <errno.h>
#include <string.h>

#include "core/task.h"
#include "fs/proc_text.h"

static int show_pattern(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	struct text text = {0};

	text_add(&text, "%s\n", n->k->core_pattern);
	return proc_text_done(&text, 0, out, size);
}

static int store_pattern(struct synth_node *n, struct task *t, const char *data, size_t size)
{
	const char *end = memchr(data, '\n', size);
	size_t len = min(end ? (size_t)(end - data) : size, sizeof n->k->core_pattern - 1);

	if (len && (*data == '|' || *data == '@'))
		return -EINVAL;
	memset(n->k->core_pattern, 0, sizeof n->k->core_pattern);
	memcpy(n->k->core_pattern, data, strnlen(data, len));
	return 0;
}

static int show_uses_pid(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	struct text text = {0};

	text_add(&text, "%d\n", n->k->core_uses_pid);
	return proc_text_done(&text, 0, out, size);
}

static int store_uses_pid(struct synth_node *n, struct task *t, const char *data, size_t size)
{
	if (!size || *data < '0' || *data > '9')
		return -EINVAL;
	n->k->core_uses_pid = *data != '0';
	return 0;
}

const struct synth_ops proc_core_pattern_ops = {.show = show_pattern, .store = store_pattern};
const struct synth_ops proc_core_uses_pid_ops = {.show = show_uses_pid, .store = store_uses_pid};
