/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc/PID, but for stat, statm and status (proc_status.c) and the tree itself (proc_tree.c). */
#include "task/proc_pid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/capability.h>

#include "fs/proc_net.h"
#include "mm/mm.h"
#include "task/trace.h"

bool proc_may_read(struct task *reader, struct task *t)
{
	return !task_may_access(reader, t, HUSK_ACCESS_FS);
}

/* Bytes [from, to) of the target's memory. */
static int show_memory(struct task *t, u64 from, u64 to, struct text *out)
{
	char buf[4096];

	while (from < to) {
		long n = mm_peek(t->mm, buf, from, min(to - from, sizeof buf));

		if (n <= 0)
			break;
		text_add_bytes(out, buf, n);
		from += n;
	}
	return 0;
}

/* What setproctitle() leaves: when the last argument's NUL is gone, the title goes on over the environment. */
static int show_cmdline(struct task *t, struct task *reader, struct text *out)
{
	struct mm *mm = t->mm;
	char *end;
	int err;

	if (!mm || !mm->arg_end)
		return 0;
	if (mm->args) {
		text_add_bytes(out, mm->args->bytes, mm->args->size);
		return 0;
	}
	err = show_memory(t, mm->arg_start, mm->arg_end, out);
	if (err < 0 || !out->size || !out->data[out->size - 1] || mm->env_start != mm->arg_end)
		return err;
	err = show_memory(t, mm->env_start, mm->env_end, out);
	end = out->data ? memchr(out->data, 0, out->size) : NULL;
	if (end)
		out->size = end - out->data;
	return err;
}

static int show_auxv(struct task *t, struct task *reader, struct text *out)
{
	if (!t->mm)
		return -ESRCH;
	text_add_bytes(out, t->mm->auxv, t->mm->auxv_size);
	return 0;
}

static int show_mappings(struct task *t, bool smaps, struct text *out)
{
	char *data;
	size_t size;
	int err;

	if (!t->mm)
		return 0;
	err = mm_show_maps(t->mm, smaps, &data, &size);
	if (err < 0)
		return err;
	text_add_bytes(out, data, size);
	free(data);
	return 0;
}

static int show_maps(struct task *t, struct task *reader, struct text *out)
{
	return show_mappings(t, false, out);
}

static int show_smaps(struct task *t, struct task *reader, struct text *out)
{
	return show_mappings(t, true, out);
}

static int show_smaps_rollup(struct task *t, struct task *reader, struct text *out)
{
	char *data;
	size_t size;
	int err;

	if (!t->mm)
		return -ESRCH;
	err = mm_show_rollup(t->mm, &data, &size);
	if (err < 0)
		return err;
	text_add_bytes(out, data, size);
	free(data);
	return 0;
}

/* The processes that this thread made: the group's are its main thread's. */
static int show_children(struct task *t, struct task *reader, struct text *out)
{
	struct thread_group *g;

	if (t != t->group->leader)
		return 0;
	list_for_each (g, &t->group->children, sibling)
		text_add(out, "%d ", g->tgid);
	return 0;
}

static int show_comm(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "%s\n", t->comm);
	return 0;
}

static int store_comm(struct task *t, struct task *reader, const char *data, size_t size)
{
	/* Threads may name each other, strangers may not. */
	if (t->group != reader->group)
		return -EINVAL;
	size = min(size, sizeof t->comm - 1);
	memset(t->comm, 0, sizeof t->comm);
	memcpy(t->comm, data, size);
	t->comm[strcspn(t->comm, "\n")] = 0;
	return 0;
}

static int show_limits(struct task *t, struct task *reader, struct text *out)
{
	static const struct {
		const char *name, *unit;
	} names[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = {"Max cpu time", "seconds"},
		[RLIMIT_FSIZE] = {"Max file size", "bytes"},
		[RLIMIT_DATA] = {"Max data size", "bytes"},
		[RLIMIT_STACK] = {"Max stack size", "bytes"},
		[RLIMIT_CORE] = {"Max core file size", "bytes"},
		[RLIMIT_RSS] = {"Max resident set", "bytes"},
		[RLIMIT_NPROC] = {"Max processes", "processes"},
		[RLIMIT_NOFILE] = {"Max open files", "files"},
		[RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
		[RLIMIT_AS] = {"Max address space", "bytes"},
		[RLIMIT_LOCKS] = {"Max file locks", "locks"},
		[RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
		[RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
		[RLIMIT_NICE] = {"Max nice priority", ""},
		[RLIMIT_RTPRIO] = {"Max realtime priority", ""},
		[RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
	};

	text_add(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units     ");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		const struct rlimit *l = &t->group->limits[i];

		text_add(out, "%-25s ", names[i].name);
		if (l->rlim_cur == RLIM_INFINITY)
			text_add(out, "%-20s ", "unlimited");
		else
			text_add(out, "%-20lu ", l->rlim_cur);
		if (l->rlim_max == RLIM_INFINITY)
			text_add(out, "%-20s ", "unlimited");
		else
			text_add(out, "%-20lu ", l->rlim_max);
		text_add(out, names[i].unit[0] ? "%-10s\n" : "\n", names[i].unit);
	}
	return 0;
}

static int show_cgroup(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "0::/\n");
	return 0;
}

static int show_oom_score_adj(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "%d\n", t->group->oom_score_adj);
	return 0;
}

static int store_oom_score_adj(struct task *t, struct task *reader, const char *data, size_t size)
{
	char buf[16] = {0}, *end;
	long value;

	memcpy(buf, data, min(size, sizeof buf - 1));
	value = strtol(buf, &end, 10);
	if (end == buf || value < -1000 || value > 1000)
		return -EINVAL;
	if (value < t->group->oom_score_adj && !capable(reader, CAP_SYS_RESOURCE))
		return -EACCES;
	t->group->oom_score_adj = value;
	return 0;
}

static int show_oom_score(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "%d\n", max(0, 666 + t->group->oom_score_adj * 2 / 3));
	return 0;
}

static int show_wchan(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "0");
	return 0;
}

static int show_unset_id(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "%u", ~0U);
	return 0;
}

static int show_personality(struct task *t, struct task *reader, struct text *out)
{
	if (task_may_access(reader, t, HUSK_ACCESS_ATTACH | HUSK_ACCESS_FS))
		return -EPERM;
	text_add(out, "%08x\n", t->personality);
	return 0;
}

/* The guest sees one user namespace: all ids are themselves. */
static int show_id_map(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "%10u %10u %10u\n", 0, 0, ~0U);
	return 0;
}

static int show_setgroups(struct task *t, struct task *reader, struct text *out)
{
	text_add(out, "allow\n");
	return 0;
}

static int show_schedstat(struct task *t, struct task *reader, struct text *out)
{
	u64 utime, stime;

	task_times(t, &utime, &stime);
	text_add(out, "%lu 0 %lu\n", utime + stime, t->nvcsw + t->nivcsw);
	return 0;
}

#define DUMP_FILTER_MASK 0x1ffu /* core(5) */

static int show_coredump_filter(struct task *t, struct task *reader, struct text *out)
{
	if (t->mm)
		text_add(out, "%08x\n", t->mm->dump_filter);
	return 0;
}

static int store_coredump_filter(struct task *t, struct task *writer, const char *data, size_t size)
{
	char buf[24] = "", *end;
	unsigned long filter;

	memcpy(buf, data, min(size, sizeof buf - 1));
	errno = 0;
	filter = strtoul(buf, &end, 0);
	if (end == buf || (*end && *end != '\n') || errno || filter > ~0U)
		return -EINVAL;
	if (!t->mm)
		return -ESRCH;
	t->mm->dump_filter = (u32)filter & DUMP_FILTER_MASK;
	return 0;
}

/* ---- the tables ---- */

#define FILE_BY(ops, node, perm, ...)                                            \
	{                                                                        \
		node, S_IFREG | (perm), &(ops), .data = &(const struct pid_file) \
		{                                                                \
			__VA_ARGS__                                              \
		}                                                                \
	}
#define FILE_OF(...) FILE_BY(proc_pid_file_ops, __VA_ARGS__)
#define LINK_OF(node, ops)                   \
	{                                    \
		node, S_IFLNK | 0777, &(ops) \
	}

/* What a process and a thread have alike. */
#define COMMON_ENTRIES                                                                                     \
	FILE_OF("stat", 0444, proc_show_stat), FILE_OF("statm", 0444, proc_show_statm),                    \
		FILE_OF("status", 0444, proc_show_status),                                                 \
		FILE_BY(proc_pid_memory_ops, "maps", 0444, show_maps, .guarded = true),                    \
		FILE_BY(proc_pid_memory_ops, "smaps", 0444, show_smaps, .guarded = true),                  \
		FILE_BY(proc_pid_value_ops, "cmdline", 0444, show_cmdline),                                \
		{"environ", S_IFREG | 0400, &proc_environ_ops},                                            \
		FILE_BY(proc_pid_early_ops, "auxv", 0400, show_auxv, .guarded = true),                     \
		FILE_OF("comm", 0644, show_comm, store_comm), FILE_OF("limits", 0444, show_limits),        \
		FILE_OF("cgroup", 0444, show_cgroup), FILE_OF("oom_score", 0444, show_oom_score),          \
		FILE_BY(proc_pid_setting_ops, "oom_score_adj", 0644, show_oom_score_adj,                   \
			store_oom_score_adj),                                                              \
		FILE_OF("wchan", 0444, show_wchan),                                                        \
		FILE_BY(proc_pid_value_ops, "oom_adj", 0644, proc_show_oom_adj),                           \
		FILE_BY(proc_pid_value_ops, "loginuid", 0644, show_unset_id),                              \
		FILE_BY(proc_pid_value_ops, "sessionid", 0444, show_unset_id),                             \
		FILE_OF("personality", 0400, show_personality), FILE_OF("uid_map", 0644, show_id_map),     \
		FILE_OF("gid_map", 0644, show_id_map), FILE_OF("setgroups", 0644, show_setgroups),         \
		FILE_OF("schedstat", 0444, show_schedstat),                                                \
		FILE_BY(proc_pid_mounts_ops, "mounts", 0444, proc_show_mounts),                            \
		FILE_BY(proc_pid_mounts_ops, "mountinfo", 0444, proc_show_mountinfo),                      \
		FILE_OF("syscall", 0400, proc_show_syscall), FILE_OF("stack", 0400, proc_show_stack),      \
		FILE_OF("mountstats", 0400, proc_show_mountstats, .guarded = true),                        \
		FILE_BY(proc_pid_summed_ops, "smaps_rollup", 0444, show_smaps_rollup, .guarded = true),    \
		FILE_OF("projid_map", 0644, show_id_map), FILE_OF("cpuset", 0444, proc_show_cpuset),       \
		FILE_OF("timens_offsets", 0644, proc_show_timens), {"mem", S_IFREG | 0600, &proc_mem_ops}, \
		{"pagemap", S_IFREG | 0400, &proc_refused_ops},                                            \
		{"ns", S_IFDIR | 0511, &proc_dir_ops, proc_ns_entries},                                    \
		{"net", S_IFDIR | 0555, &proc_dir_ops, proc_net_entries}, LINK_OF("exe", proc_exe_ops),    \
		LINK_OF("cwd", proc_cwd_ops), LINK_OF("root", proc_root_ops),                              \
		{"fd", S_IFDIR | 0500, &proc_fd_ops},                                                      \
	{                                                                                                  \
		"fdinfo", S_IFDIR | 0555, &proc_fdinfo_ops                                                 \
	}

const struct synth_entry proc_thread_entries[] = {
	COMMON_ENTRIES,
	FILE_OF("io", 0400, proc_show_thread_io),
	FILE_OF("children", 0444, show_children),
	{},
};

const struct synth_entry proc_process_entries[] = {
	COMMON_ENTRIES,
	FILE_OF("io", 0400, proc_show_io),
	FILE_OF("autogroup", 0644, proc_show_autogroup),
	FILE_OF("timers", 0444, proc_show_nothing, .guarded = true),
	FILE_BY(proc_pid_value_ops, "coredump_filter", 0644, show_coredump_filter, store_coredump_filter),
	FILE_OF("timerslack_ns", 0666, proc_show_timerslack, proc_store_timerslack),
	{"task", S_IFDIR | 0555, &proc_task_ops},
	{},
};
