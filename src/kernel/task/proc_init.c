/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/1: husk itself, the parent of orphans, as far as tools that draw trees of processes look.
 *
 * It is no task: nobody can signal, trace or wait for it, and it has neither memory nor descriptors to show.
 */
#include "task/proc_init.h"

#include <errno.h>
#include <linux/capability.h>

#include "fs/proc_text.h"
#include "task/proc_pid.h"

static int show_stat(struct task *t, struct text *out)
{
	text_add(out, "1 (husk) S 0 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 0 0 0 18446744073709551615 ");
	text_add(out, "0 0 0 0 0 0 0 4096 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

static int show_status(struct task *t, struct text *out)
{
	text_add(out,
		 "Name:\thusk\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t1\nNgid:\t0\nPid:\t1\nPPid:\t0\n"
		 "TracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t \nNStgid:\t1\n"
		 "NSpid:\t1\nNSpgid:\t1\nNSsid:\t1\nKthread:\t0\nThreads:\t1\n");
	text_add(out,
		 "SigQ:\t0/"
		 "0\nSigPnd:\t%016x\nShdPnd:\t%016x\nSigBlk:\t%016x\nSigIgn:\t%016x\nSigCgt:\t%016x\n",
		 0, 0, 0, 0, 0);
	text_add(out, "CapInh:\t%016x\nCapPrm:\t%016x\nCapEff:\t%016x\nCapBnd:\t%016x\nCapAmb:\t%016x\n", 0,
		 0, 0, 0, 0);
	text_add(out, "NoNewPrivs:\t1\nSeccomp:\t2\n");
	return 0;
}

/* As of Linux's own threads. */
static long no_program(struct synth_node *n, struct task *t, char *buf, size_t size)
{
	return t && !capable(t, CAP_SYS_PTRACE) ? -EACCES : -ENOENT;
}

static int no_program_follow(struct synth_node *n, struct task *t, struct path *out)
{
	return t && !capable(t, CAP_SYS_PTRACE) ? -EACCES : -ENOENT;
}

static const struct synth_ops exe_ops = {.readlink = no_program, .follow = no_program_follow};

static const struct synth_entry no_entries[] = {{}};

/* What it has of others' files is the same for all: who reads sees his own. */
static int show_mounts(struct task *t, struct text *out)
{
	return proc_show_mounts(t, t, out);
}

static int show_mountinfo(struct task *t, struct text *out)
{
	return proc_show_mountinfo(t, t, out);
}

static const struct synth_ops dir_ops = {.fixed = true};

#define SECRET(node)                                                                    \
	{                                                                               \
		node, S_IFREG | 0400, &proc_text_ops, .data = &(const struct proc_file) \
		{                                                                       \
			.constant = ""                                                  \
		}                                                                       \
	}
/* What a process and a thread have alike. */
#define COMMON_ENTRIES                                                                                      \
	{"exe", S_IFLNK | 0777, &exe_ops}, {"cwd", S_IFLNK | 0777, &proc_link_ops, .data = "/"},            \
		{"root", S_IFLNK | 0777, &proc_link_ops, .data = "/"},                                      \
		{"fd", S_IFDIR | 0500, NULL, no_entries}, {"fdinfo", S_IFDIR | 0555, NULL, no_entries},     \
		{"ns", S_IFDIR | 0511, NULL, proc_ns_entries}, PROC_CONSTANT("maps", ""),                   \
		PROC_CONSTANT("smaps", ""), PROC_SHOW("stat", show_stat), PROC_SHOW("status", show_status), \
		PROC_CONSTANT("statm", "0 0 0 0 0 0 0\n"), PROC_CONSTANT("cmdline", "husk"),                \
		PROC_CONSTANT("comm", "husk\n"), PROC_CONSTANT("cgroup", "0::/\n"),                         \
		PROC_CONSTANT("cpuset", "/\n"), PROC_CONSTANT("wchan", "0"),                                \
		PROC_CONSTANT("oom_score", "0\n"), PROC_CONSTANT("oom_score_adj", "0\n"),                   \
		PROC_CONSTANT("schedstat", "0 0 0\n"), PROC_CONSTANT("loginuid", "4294967295"),             \
		PROC_CONSTANT("sessionid", "4294967295"), PROC_SHOW("mounts", show_mounts),                 \
		PROC_SHOW("mountinfo", show_mountinfo), SECRET("environ"), SECRET("auxv"),                  \
	{                                                                                                   \
		"mem", S_IFREG | 0600, &proc_refused_ops                                                    \
	}

static const struct synth_entry thread_entries[] = {COMMON_ENTRIES, {}};
static const struct synth_entry threads[] = {{"1", S_IFDIR | 0555, &dir_ops, thread_entries}, {}};
static const struct synth_entry init_entries[] = {
	COMMON_ENTRIES,
	PROC_CONSTANT("autogroup", "/autogroup-1 nice 0\n"),
	{"task", S_IFDIR | 0555, NULL, threads},
	{},
};

const struct synth_entry proc_init_dir = {"", S_IFDIR | 0555, &dir_ops, init_entries};
