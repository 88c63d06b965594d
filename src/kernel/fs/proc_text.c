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
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "core/release.h"
#include "core/stats.h"
#include "fs/inotify.h"

#define NSEC 1000000000UL

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
	u64 idle = (kernel_now(k) - k->boot_ns) / (NSEC / 100);

	text_add(out, "cpu  0 0 0 %lu 0 0 0 0 0 0\n", idle * k->ncpus);
	for (int i = 0; i < k->ncpus; i++)
		text_add(out, "cpu%d 0 0 0 %lu 0 0 0 0 0 0\n", i, idle);
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

/* ---- /proc/sys ---- */

static int show_hostname(struct task *t, struct text *out)
{
	text_add(out, "%s\n", t->k->hostname);
	return 0;
}

static int show_domainname(struct task *t, struct text *out)
{
	text_add(out, "%s\n", t->k->domainname[0] ? t->k->domainname : "(none)");
	return 0;
}

static void uuid_text(const u8 id[16], struct text *out)
{
	for (int i = 0; i < 16; i++)
		text_add(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
	text_add(out, "\n");
}

static int show_uuid(struct task *t, struct text *out)
{
	u8 id[16];

	if (getrandom(id, sizeof id, 0) != sizeof id)
		return -EIO;
	id[6] = (id[6] & 0x0f) | 0x40;
	id[8] = (id[8] & 0x3f) | 0x80;
	uuid_text(id, out);
	return 0;
}

/* One number per sandbox: mixed from the time at which it began, so that nothing needs to be kept. */
static int show_boot_id(struct task *t, struct text *out)
{
	u64 seed[2] = {t->k->boot_realtime_ns * 0x9e3779b97f4a7c15UL, t->k->boot_ns * 0xd1342543de82ef95UL};
	u8 id[16];

	seed[0] ^= seed[1] >> 29;
	seed[1] ^= seed[0] >> 31;
	memcpy(id, seed, sizeof id);
	id[6] = (id[6] & 0x0f) | 0x40;
	id[8] = (id[8] & 0x3f) | 0x80;
	uuid_text(id, out);
	return 0;
}

static const char filesystems[] = "nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tpipefs\nnodev\tsockfs\n"
				  "nodev\toverlay\n";

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

static const struct synth_ops text_ops = {.show = text_show};

#define SHOW(node, fn)                                                             \
	{                                                                          \
		node, S_IFREG | 0444, &text_ops, .data = &(const struct proc_file) \
		{                                                                  \
			.show = fn                                                 \
		}                                                                  \
	}
#define CONSTANT(node, text)                                                       \
	{                                                                          \
		node, S_IFREG | 0444, &text_ops, .data = &(const struct proc_file) \
		{                                                                  \
			.constant = text                                           \
		}                                                                  \
	}
#define DIRECTORY(node, entries)                    \
	{                                           \
		node, S_IFDIR | 0555, NULL, entries \
	}

static const struct synth_entry random_dir[] = {
	SHOW("boot_id", show_boot_id),
	SHOW("uuid", show_uuid),
	CONSTANT("entropy_avail", "256\n"),
	CONSTANT("poolsize", "256\n"),
	{},
};

static const struct synth_entry yama_dir[] = {
	CONSTANT("ptrace_scope", "0\n"),
	{},
};

static const struct synth_entry seccomp_dir[] = {
	CONSTANT("actions_avail", "kill_process kill_thread trap errno user_notif trace log allow\n"),
	{},
};

static const struct synth_entry kernel_dir[] = {
	CONSTANT("ostype", "Linux\n"),
	CONSTANT("osrelease", HUSK_UTS_RELEASE "\n"),
	CONSTANT("version", HUSK_UTS_VERSION "\n"),
	SHOW("hostname", show_hostname),
	SHOW("domainname", show_domainname),
	CONSTANT("pid_max", "32768\n"),
	CONSTANT("threads-max", "32768\n"),
	CONSTANT("ngroups_max", "65536\n"),
	CONSTANT("cap_last_cap", "40\n"),
	CONSTANT("randomize_va_space", "2\n"),
	CONSTANT("core_pattern", "core\n"),
	CONSTANT("msgmax", "8192\n"),
	CONSTANT("shmmax", "18446744073692774399\n"),
	CONSTANT("sem", "32000\t1024000000\t500\t32000\n"),
	DIRECTORY("yama", yama_dir),
	DIRECTORY("seccomp", seccomp_dir),
	DIRECTORY("random", random_dir),
	{},
};

static const struct synth_entry vm_dir[] = {
	CONSTANT("overcommit_memory", "0\n"), CONSTANT("overcommit_ratio", "50\n"),
	CONSTANT("max_map_count", "65530\n"), CONSTANT("mmap_min_addr", "65536\n"),
	CONSTANT("swappiness", "60\n"),       {},
};

#define TEXT_OF(n)  TEXT_OF_(n)
#define TEXT_OF_(n) #n "\n"

static const struct synth_entry inotify_dir[] = {
	CONSTANT("max_queued_events", TEXT_OF(INOTIFY_MAX_QUEUED)),
	CONSTANT("max_user_instances", TEXT_OF(INOTIFY_MAX_INSTANCES)),
	CONSTANT("max_user_watches", TEXT_OF(INOTIFY_MAX_WATCHES)),
	{},
};

static const struct synth_entry fs_dir[] = {
	DIRECTORY("inotify", inotify_dir),
	CONSTANT("file-max", "9223372036854775807\n"),
	CONSTANT("nr_open", "1048576\n"),
	CONSTANT("file-nr", "1024\t0\t9223372036854775807\n"),
	CONSTANT("pipe-max-size", "1048576\n"),
	CONSTANT("pipe-user-pages-soft", "16384\n"),
	CONSTANT("protected_symlinks", "1\n"),
	CONSTANT("protected_hardlinks", "1\n"),
	{},
};

static const struct synth_entry core_dir[] = {
	CONSTANT("somaxconn", "4096\n"),
	{},
};

static const struct synth_entry unix_dir[] = {
	CONSTANT("max_dgram_qlen", "10\n"),
	{},
};

static const struct synth_entry net_dir[] = {
	DIRECTORY("core", core_dir),
	DIRECTORY("unix", unix_dir),
	{},
};

static const struct synth_entry sys_dir[] = {
	DIRECTORY("kernel", kernel_dir),
	DIRECTORY("vm", vm_dir),
	DIRECTORY("fs", fs_dir),
	DIRECTORY("net", net_dir),
	{},
};

const struct synth_entry proc_entries[] = {
	{"self", S_IFLNK | 0777, &proc_self_ops},
	{"thread-self", S_IFLNK | 0777, &proc_thread_self_ops},
	{"mounts", S_IFLNK | 0777, &proc_link_ops, .data = "self/mounts"},
	SHOW("cpuinfo", show_cpuinfo),
	SHOW("meminfo", show_meminfo),
	SHOW("uptime", show_uptime),
	SHOW("loadavg", show_loadavg),
	SHOW("stat", show_stat),
	SHOW("version", show_version),
	CONSTANT("cmdline", "\n"),
	CONSTANT("filesystems", filesystems),
	CONSTANT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
	CONSTANT("devices", "Character devices:\n  1 mem\n  5 /dev/tty\n\nBlock devices:\n"),
	CONSTANT("partitions", "major minor  #blocks  name\n\n"),
	DIRECTORY("sys", sys_dir),
	{},
};
