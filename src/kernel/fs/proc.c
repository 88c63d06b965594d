/* SPDX-License-Identifier: Apache-2.0 */
/* /proc: its root, with the links to the reader's own directories. */
#include "fs/proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/proc_text.h"

int proc_text_done(struct text *text, int err, char **out, size_t *size)
{
	if (!err && !text->data)
		text_add(text, "%s", "");
	if (!err && text->failed)
		err = -ENOMEM;
	if (err < 0) {
		text_free(text);
		return err;
	}
	*out = text->data;
	*size = text->size;
	return 0;
}

static long give(const char *text, char *buf, size_t size)
{
	size_t len = min(strlen(text), size);

	memcpy(buf, text, len);
	return len;
}

static long self_readlink(struct synth_node *n, struct task *t, char *buf, size_t size)
{
	char text[16];

	if (!t)
		return -ENOENT;
	snprintf(text, sizeof text, "%d", n->k->ops.tgid(t));
	return give(text, buf, size);
}

static long thread_self_readlink(struct synth_node *n, struct task *t, char *buf, size_t size)
{
	char text[40];

	if (!t)
		return -ENOENT;
	snprintf(text, sizeof text, "%d/task/%d", n->k->ops.tgid(t), t->tid);
	return give(text, buf, size);
}

static long link_readlink(struct synth_node *n, struct task *t, char *buf, size_t size)
{
	return give(n->data, buf, size);
}

const struct synth_ops proc_self_ops = {.readlink = self_readlink};
const struct synth_ops proc_thread_self_ops = {.readlink = thread_self_readlink};
const struct synth_ops proc_link_ops = {.readlink = link_readlink};

static int root_lookup(struct synth_node *n, struct task *t, const char *name, size_t len,
		       const struct synth_entry **entry, u64 *owner)
{
	const struct synth_ops *pids = n->k->proc_pids;

	return pids ? pids->lookup(n, t, name, len, entry, owner) : -ENOENT;
}

static bool root_next(struct synth_node *n, struct task *t, u64 *key, char *name, u8 *type)
{
	const struct synth_ops *pids = n->k->proc_pids;

	return pids && pids->next(n, t, key, name, type);
}

static void root_attr(struct synth_node *n, struct kstat *st)
{
	if (n->k->proc_pids)
		n->k->proc_pids->attr(n, st);
}

static const struct synth_ops root_ops = {.lookup = root_lookup, .next = root_next, .attr = root_attr};
static const struct synth_entry proc_root = {"", S_IFDIR | 0555, &root_ops, proc_entries};

int proc_super(struct kernel *k, struct super **out)
{
	return synth_super(k, "proc", &proc_root, out);
}
