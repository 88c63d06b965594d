/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/stat, statm and status: what ps, top and the like read. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/tty.h"
#include "mm/leave.h"
#include "task/ctty.h"
#include "task/proc_pid.h"
#include "task/signal.h"
#include "task/trace.h"
#include "vfs/inode.h"

#define TICK_NS (1000000000UL / 100) /* USER_HZ */

static char state_letter(const struct task *t)
{
	switch (t->state) {
	case TASK_PARKED:
		return 'S';
	case TASK_STOPPED:
		return 'T';
	case TASK_TRACED:
		return 't';
	case TASK_DEAD:
		return 'Z';
	case TASK_RUNNING:
		return t->thread && t->k->trap_ops->blocked(t->thread) ? 'S' : 'R';
	default:
		return 'R';
	}
}

static const char *state_name(const struct task *t)
{
	switch (state_letter(t)) {
	case 'S':
		return "S (sleeping)";
	case 'T':
		return "T (stopped)";
	case 't':
		return "t (tracing stop)";
	case 'Z':
		return "Z (zombie)";
	default:
		return "R (running)";
	}
}

/* What the host says of the process behind @mm: pages in memory, of them shared. */
static void host_rss(struct kernel *k, struct mm *mm, u64 *rss, u64 *shared)
{
	char path[40], buf[128];
	long n = 0;
	int fd;

	*rss = *shared = 0;
	if (!mm || !mm->space || mm->space->dead)
		return;
	mm_catch_up(mm);
	snprintf(path, sizeof path, "/proc/%d/statm", k->trap_ops->pid(mm->space).pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, buf, sizeof buf - 1);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
	if (sscanf(buf, "%*u %lu %lu", rss, shared) != 2)
		*rss = *shared = 0;
	*rss = min(*rss, mm->total_pages);
	*shared = min(*shared, *rss);
}

static u64 ignored_signals(const struct task *t, u64 *caught)
{
	u64 ignored = 0;

	*caught = 0;
	for (int i = 0; t->sighand && i < 64; i++) {
		u64 h = t->sighand->action[i].handler;

		if (h == (u64)SIG_IGN)
			ignored |= 1UL << i;
		else if (h != (u64)SIG_DFL)
			*caught |= 1UL << i;
	}
	return ignored;
}

static int parent_pid(const struct thread_group *g)
{
	return g->parent ? g->parent->tgid : 1;
}

int proc_show_stat(struct task *t, struct task *reader, struct text *out)
{
	struct thread_group *g = t->group;
	struct mm *mm = t->mm;
	struct tty *tty = task_ctty(t);
	u64 rss, shared, utime, stime, caught, ignored = ignored_signals(t, &caught);
	bool peek = mm && proc_may_read(reader, t);

	host_rss(t->k, mm, &rss, &shared);
	group_times(g, &utime, &stime);
	text_add(out, "%d (%s) %c %d %d %d %lu %d %u ", t->tid, t->comm, state_letter(t), parent_pid(g),
		 g->pgid, g->sid, tty ? tty->rdev & 0xfffff : 0, tty ? tty->pgid : -1, 0x400000);
	text_add(out, "%lu %lu %lu %lu %lu %lu %lu %lu ", t->min_flt + g->min_flt, g->cmin_flt,
		 t->maj_flt + g->maj_flt, g->cmaj_flt, utime / TICK_NS, stime / TICK_NS,
		 g->cutime_ns / TICK_NS, g->cstime_ns / TICK_NS);
	text_add(out, "%d %d %d 0 %lu %lu %lu %lu ", 20 + t->nice, t->nice, g->nthreads,
		 (t->start_ns > t->k->boot_ns ? t->start_ns - t->k->boot_ns : 0) / TICK_NS,
		 mm ? mm->total_pages * PAGE_SIZE : 0, rss, g->limits[RLIMIT_RSS].rlim_cur);
	text_add(out, "%lu %lu %lu 0 0 ", mm ? mm->start_code : 0, mm ? mm->end_code : 0,
		 peek ? mm->start_stack : 0);
	text_add(out, "%lu %lu %lu %lu 0 0 0 %d 0 %d %d 0 0 0 ", t->pending.set & 0x7fffffff,
		 task_blocked(t) & 0x7fffffff, ignored & 0x7fffffff, caught & 0x7fffffff, t->exit_signal,
		 t->sched_priority, t->sched_policy);
	text_add(out, "%lu %lu %lu %lu %lu %lu %lu %d\n", peek ? mm->start_data : 0, peek ? mm->end_data : 0,
		 peek ? mm->start_brk : 0, peek ? mm->arg_start : 0, peek ? mm->arg_end : 0,
		 peek ? mm->env_start : 0, peek ? mm->env_end : 0, peek ? t->exit_code : 0);
	return 0;
}

int proc_show_statm(struct task *t, struct task *reader, struct text *out)
{
	struct mm *mm = t->mm;
	u64 rss, shared;

	host_rss(t->k, mm, &rss, &shared);
	text_add(out, "%lu %lu %lu %lu 0 %lu 0\n", mm ? mm->total_pages : 0, rss, shared,
		 mm ? (mm->end_code - mm->start_code + PAGE_SIZE - 1) / PAGE_SIZE : 0,
		 mm ? mm->data_pages + mm->stack_pages : 0);
	return 0;
}

static void show_ids(struct task *t, struct text *out)
{
	const struct cred *c = t->cred;

	text_add(out, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid,
		 c->gid, c->egid, c->sgid, c->fsgid);
	text_add(out, "FDSize:\t%d\nGroups:\t", t->files ? fdtable_size(t->files) : 0);
	for (int i = 0; i < c->ngroups; i++)
		text_add(out, i ? " %u" : "%u", c->groups[i]);
	text_add(out, " \n");
}

static void show_memory(struct task *t, struct text *out)
{
	struct mm *mm = t->mm;
	u64 rss, shared;

	if (!mm)
		return;
	host_rss(t->k, mm, &rss, &shared);
	text_add(out, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmPin:\t       0 kB\n",
		 mm->peak_pages * 4, mm->total_pages * 4, mm->locked_pages * 4);
	text_add(out,
		 "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\nRssAnon:\t%8lu kB\nRssFile:\t%8lu kB\nRssShmem:\t       "
		 "0 kB\n",
		 rss * 4, rss * 4, (rss - shared) * 4, shared * 4);
	text_add(out,
		 "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\nVmLib:\t       0 kB\nVmPTE:\t       4 "
		 "kB\n",
		 mm->data_pages * 4, mm->stack_pages * 4, (mm->end_code - mm->start_code + 1023) / 1024);
	text_add(out, "VmSwap:\t       0 kB\nHugetlbPages:\t       0 kB\nCoreDumping:\t%d\nTHP_enabled:\t1\n",
		 t->group->dump != NULL);
}

static void show_signals(struct task *t, struct text *out)
{
	u64 caught, ignored = ignored_signals(t, &caught);

	text_add(out,
		 "SigQ:\t%ld/"
		 "%lu\nSigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
		 signal_queued(t), t->group->limits[RLIMIT_SIGPENDING].rlim_cur, t->pending.set,
		 t->group->shared_pending.set, task_blocked(t), ignored, caught);
}

/* "0-3" and "f" of the CPUs that the task may use. */
static void show_cpus(struct task *t, struct text *out)
{
	int n = t->k->ncpus, first = -1;
	bool any = false;

	text_add(out, "Cpus_allowed:\t");
	for (int i = (n - 1) / 32; i >= 0; i--)
		text_add(out, "%0*x%s", i == (n - 1) / 32 ? (n - i * 32 + 3) / 4 : 8,
			 (u32)(t->cpu_mask[i / 2] >> (i % 2 * 32)), i ? "," : "\n");
	text_add(out, "Cpus_allowed_list:\t");
	for (int i = 0; i <= n; i++) {
		bool on = i < n && (t->cpu_mask[i / 64] >> (i % 64) & 1);

		if (on && first < 0)
			first = i;
		if (!on && first >= 0) {
			text_add(out, i - 1 > first ? "%s%d-%d" : "%s%d", any ? "," : "", first, i - 1);
			any = true;
			first = -1;
		}
	}
	text_add(out, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
}

/* A name that would look like more lines of the file (fs/proc/array.c: proc_task_name()). */
static void show_name(const char *comm, struct text *out)
{
	text_add(out, "Name:\t");
	for (; *comm; comm++) {
		if (*comm == '\n' || *comm == '\\')
			text_add(out, "\\%c", *comm == '\n' ? 'n' : '\\');
		else
			text_add_bytes(out, comm, 1);
	}
}

int proc_show_status(struct task *t, struct task *reader, struct text *out)
{
	struct thread_group *g = t->group;
	const struct cred *c = t->cred;

	show_name(t->comm, out);
	text_add(out,
		 "\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
		 t->fs ? t->fs->umask : 022, state_name(t), g->tgid, t->tid, parent_pid(g),
		 t->trace ? t->trace->tracer->group->tgid : 0);
	show_ids(t, out);
	text_add(out, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\nKthread:\t0\n", g->tgid, t->tid,
		 g->pgid, g->sid);
	show_memory(t, out);
	text_add(out, "Threads:\t%d\n", g->nthreads);
	show_signals(t, out);
	text_add(out, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n",
		 c->cap_inheritable, c->cap_permitted, c->cap_effective, c->cap_bounding, c->cap_ambient);
	text_add(out, "NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%u\n", t->no_new_privs,
		 t->seccomp_mode, t->seccomp_filters);
	text_add(out, "Speculation_Store_Bypass:\tthread vulnerable\nSpeculationIndirectBranch:\tconditional "
		      "enabled\n");
	show_cpus(t, out);
	text_add(out, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n", t->nvcsw,
		 t->nivcsw);
	return 0;
}
