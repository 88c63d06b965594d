/* SPDX-License-Identifier: Apache-2.0 */
/* The small files of /proc/PID: counters, ids, settings of one number. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mm.h"
#include "task/life.h"
#include "task/proc_pid.h"

static void add_io(struct task_io *sum, const struct task_io *io)
{
	sum->rchar += io->rchar;
	sum->wchar += io->wchar;
	sum->syscr += io->syscr;
	sum->syscw += io->syscw;
}

void proc_io_ended(struct task *t)
{
	add_io(&t->group->io, &t->io);
}

/* What went to disks is the host's to know. */
static void show_io(const struct task_io *io, struct text *out)
{
	text_add(out, "rchar: %lu\nwchar: %lu\nsyscr: %lu\nsyscw: %lu\n", io->rchar, io->wchar, io->syscr,
		 io->syscw);
	text_add(out, "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
}

int proc_show_io(struct task *t, struct task *reader, struct text *out)
{
	struct task_io sum = t->group->io;
	struct task *each;

	if (!proc_may_read(reader, t))
		return -EACCES;
	list_for_each (each, &t->group->threads, group_node)
		add_io(&sum, &each->io);
	show_io(&sum, out);
	return 0;
}

int proc_show_thread_io(struct task *t, struct task *reader, struct text *out)
{
	if (!proc_may_read(reader, t))
		return -EACCES;
	show_io(&t->io, out);
	return 0;
}

int proc_show_autogroup(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "/autogroup-1 nice 0\n");
	return 0;
}

int proc_show_cpuset(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "/\n");
	return 0;
}

/* The older scale, -17 to 15, of the same setting. */
int proc_show_oom_adj(struct task *t, struct task *reader, struct text *out)
{
	int adj = t->group->oom_score_adj;

	text_add(out, "%d\n", adj == 1000 ? 15 : adj * 17 / 1000);
	return 0;
}

int proc_show_timens(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "monotonic           0         0\nboottime            0         0\n");
	return 0;
}

int proc_show_nothing(struct task *t, struct task *reader, struct text *out)
{
	return 0;
}

int proc_store_timerslack(struct task *t, struct task *writer, const char *data, size_t size)
{
	char buf[24] = {0}, *end;
	unsigned long ns;

	if (t != writer && !capable(writer, CAP_SYS_NICE))
		return -EPERM;
	memcpy(buf, data, min(size, sizeof buf - 1));
	ns = strtoul(buf, &end, 10);
	if (end == buf || (*end && *end != '\n'))
		return -EINVAL;
	t->timer_slack_ns = ns ? ns : 50000;
	return 0;
}

int proc_show_timerslack(struct task *t, struct task *reader, struct text *out)
{
	if (t != reader && !capable(reader, CAP_SYS_NICE))
		return -EPERM;
	text_add(out, "%lu\n", t->timer_slack_ns);
	return 0;
}

/* ---- memory ---- */

static int open_mem(struct synth_node *n, struct task *t, u32 flags, struct file **out)
{
	struct task *owner = proc_node_task(n);

	return owner ? proc_open_mem(owner, t, flags, out) : -ESRCH;
}

static int open_environ(struct synth_node *n, struct task *t, u32 flags, struct file **out)
{
	struct task *owner = proc_node_task(n);

	return owner ? proc_open_environ(owner, t, flags, out) : -ESRCH;
}

/* Linux: where pages lie in memory, for the privileged. Here: nothing that a guest could know. */
static int refuse_open(struct synth_node *n, struct task *t, u32 flags, struct file **out)
{
	return -EPERM;
}

const struct synth_ops proc_mem_ops = {.open = open_mem, .owner = proc_node_owner};
const struct synth_ops proc_environ_ops = {.open = open_environ, .owner = proc_node_owner};
const struct synth_ops proc_refused_ops = {.open = refuse_open, .owner = proc_node_owner};
static bool task_gone(struct synth_node *n)
{
	return n->born && !proc_node_task(n);
}

const struct synth_ops proc_dir_ops = {.owner = proc_node_owner, .gone = task_gone};
