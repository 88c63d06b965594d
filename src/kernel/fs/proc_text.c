/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contents of /proc's system-wide files.
 *
 * CPUs and memory are the host's, since that is what programs size their pools by; what tells about the
 * host's other processes is not shown. The kernel calls itself Linux 6.1: it has that kernel's calls.
 */
#include "fs/proc_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "core/release.h"
#include "core/stats.h"
#include "vfs/lock.h"

#define NSEC 1000000000UL
#define TICK (NSEC / 100) /* USER_HZ */

/* A host file's contents. */
static int show_host(const char *path, struct text *out)
{
	char buf[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long n;

	if (fd < 0)
		return -EIO;
	while ((n = read(fd, buf, sizeof buf)) > 0)
		text_add_bytes(out, buf, n);
	close(fd);
	return n < 0 ? -EIO : 0;
}

static int show_cpuinfo(struct task *t, struct text *out)
{
	return show_host("/proc/cpuinfo", out);
}

static int show_meminfo(struct task *t, struct text *out)
{
	return show_host("/proc/meminfo", out);
}

static int show_uptime(struct task *t, struct text *out)
{
	u64 up = kernel_now(t->k) - t->k->boot_ns;
	u64 cs = up / (NSEC / 100);

	text_add(out, "%lu.%02lu %lu.%02lu\n", cs / 100, cs % 100, cs / 100, cs % 100);
	return 0;
}

static int show_loadavg(struct task *t, struct text *out)
{
	double load[3] = {0, 0, 0};
	struct sysinfo si;

	if (!sysinfo(&si))
		for (int i = 0; i < 3; i++)
			load[i] = si.loads[i] / 65536.0;
	text_add(out, "%.2f %.2f %.2f 1/%lu %d\n", load[0], load[1], load[2], t->k->stats.processes, t->tid);
	return 0;
}

static int show_stat(struct task *t, struct text *out)
{
	struct kernel *k = t->k;
	u64 up = (kernel_now(k) - k->boot_ns) / TICK * (u64)k->ncpus, user, system, idle;
	u64 n = (u64)k->ncpus;

	k->ops.cpu_times(k, &user, &system);
	user /= TICK;
	system /= TICK;
	idle = up > user + system ? up - user - system : 0;
	text_add(out, "cpu  %lu 0 %lu %lu 0 0 0 0 0 0\n", user, system, idle);
	/* Who ran where is the host's to know: all processors are shown alike. */
	for (u64 i = 0; i < n; i++)
		text_add(out, "cpu%lu %lu 0 %lu %lu 0 0 0 0 0 0\n", i, user / n, system / n, idle / n);
	text_add(out, "intr 0\nctxt %lu\nbtime %lu\nprocesses %lu\nprocs_running 1\nprocs_blocked 0\n",
		 k->stats.turns, k->boot_realtime_ns / NSEC, k->stats.processes);
	text_add(out, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

static int show_version(struct task *t, struct text *out)
{
	text_add(out, "Linux version %s (husk) (gcc) %s\n", HUSK_UTS_RELEASE, HUSK_UTS_VERSION);
	return 0;
}

/* What vmstat(8) will not run without. What the host pages in and out is not the guest's. */
static int show_vmstat(struct task *t, struct text *out)
{
	struct sysinfo si;

	if (sysinfo(&si))
		return -EIO;
	text_add(out,
		 "nr_free_pages %lu\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault %lu\npgmajfault "
		 "0\noom_kill 0\n",
		 si.freeram * si.mem_unit / PAGE_SIZE, t->k->stats.faults);
	return 0;
}

static int show_locks(struct task *t, struct text *out)
{
	locks_show(t->k->vfs, out);
	return 0;
}

static const char filesystems[] = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tsockfs\n"
				  "nodev\tpipefs\nnodev\tdevpts\nnodev\toverlay\n";

/* ---- the tree ---- */

static int text_show(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	const struct proc_file *file = n->data;
	struct text text = {0};
	int err = 0;

	if (file->show)
		err = file->show(t, &text);
	else
		text_add(&text, "%s", file->constant);
	return proc_text_done(&text, err, out, size);
}

const struct synth_ops proc_text_ops = {.show = text_show};

static const struct synth_entry tty_dir[] = {
	PROC_CONSTANT("drivers", "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
				 "/dev/ptmx            /dev/ptmx       5       2 system\n"
				 "pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
				 "pty_master           /dev/ptm      128 0-1048575 pty:master\n"),
	{},
};

static const struct synth_entry sysvipc_dir[] = {
	PROC_CONSTANT(
		"msg",
		"       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid "
		"     stime      rtime      ctime\n"),
	PROC_CONSTANT(
		"sem",
		"       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"),
	PROC_CONSTANT(
		"shm",
		"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  "
		"cgid      atime      dtime      ctime                   rss                  swap\n"),
	{},
};

const struct synth_entry proc_entries[] = {
	{"self", S_IFLNK | 0777, &proc_self_ops},
	{"thread-self", S_IFLNK | 0777, &proc_thread_self_ops},
	{"mounts", S_IFLNK | 0777, &proc_link_ops, .data = "self/mounts", .size = 11},
	{"net", S_IFLNK | 0777, &proc_link_ops, .data = "self/net", .size = 8},
	PROC_SHOW("cpuinfo", show_cpuinfo),
	PROC_SHOW("meminfo", show_meminfo),
	PROC_SHOW("uptime", show_uptime),
	PROC_SHOW("loadavg", show_loadavg),
	PROC_SHOW("stat", show_stat),
	PROC_SHOW("version", show_version),
	PROC_CONSTANT("cmdline", "\n"),
	PROC_CONSTANT("filesystems", filesystems),
	PROC_CONSTANT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
	PROC_CONSTANT("devices", "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n128 ptm\n136 "
				 "pts\n\nBlock devices:\n"),
	PROC_CONSTANT("partitions", "major minor  #blocks  name\n\n"),
	PROC_CONSTANT("diskstats", ""),
	PROC_CONSTANT("modules", ""),
	PROC_CONSTANT("misc", ""),
	PROC_CONSTANT("consoles", ""),
	PROC_CONSTANT("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"),
	PROC_CONSTANT("execdomains", "0-0\tLinux           \t[kernel]\n"),
	PROC_SHOW("locks", show_locks),
	PROC_SHOW("vmstat", show_vmstat),
	PROC_DIRECTORY("tty", tty_dir),
	PROC_DIRECTORY("sysvipc", sysvipc_dir),
	{"sys", S_IFDIR | 0555, &proc_sys_ops, proc_sys_entries},
	{},
};
