/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contents of /proc's system-wide files.
 *
 * CPUs and memory are the host's, since that is what programs size their pools by; what tells about the host's other
 * processes is not shown. The kernel calls itself Linux 6.1: it has that kernel's calls.
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
	text_add(out, "intr 0\nctxt %lu\nbtime %lu\nprocesses %lu\nprocs_running 1\nprocs_blocked 0\n", k->stats.turns,
		 k->boot_realtime_ns / NSEC, k->stats.processes);
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

const struct proc_file proc_system_files[] = {
	{"cpuinfo", 0444, show_cpuinfo},
	{"meminfo", 0444, show_meminfo},
	{"uptime", 0444, show_uptime},
	{"loadavg", 0444, show_loadavg},
	{"stat", 0444, show_stat},
	{"version", 0444, show_version},
	{"cmdline", 0444, .constant = "\n"},
	{"filesystems", 0444, .constant = filesystems},
	{"swaps", 0444, .constant = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"},
	{"devices", 0444, .constant = "Character devices:\n  1 mem\n  5 /dev/tty\n\nBlock devices:\n"},
	{"partitions", 0444, .constant = "major minor  #blocks  name\n\n"},
	{"sys/kernel/ostype", 0444, .constant = "Linux\n"},
	{"sys/kernel/osrelease", 0444, .constant = HUSK_UTS_RELEASE "\n"},
	{"sys/kernel/version", 0444, .constant = HUSK_UTS_VERSION "\n"},
	{"sys/kernel/hostname", 0444, show_hostname},
	{"sys/kernel/domainname", 0444, show_domainname},
	{"sys/kernel/pid_max", 0444, .constant = "32768\n"},
	{"sys/kernel/threads-max", 0444, .constant = "32768\n"},
	{"sys/kernel/ngroups_max", 0444, .constant = "65536\n"},
	{"sys/kernel/cap_last_cap", 0444, .constant = "40\n"},
	{"sys/kernel/randomize_va_space", 0444, .constant = "2\n"},
	{"sys/kernel/core_pattern", 0444, .constant = "core\n"},
	{"sys/kernel/msgmax", 0444, .constant = "8192\n"},
	{"sys/kernel/shmmax", 0444, .constant = "18446744073692774399\n"},
	{"sys/kernel/sem", 0444, .constant = "32000\t1024000000\t500\t32000\n"},
	{"sys/kernel/yama/ptrace_scope", 0444, .constant = "0\n"},
	{"sys/kernel/seccomp/actions_avail", 0444,
	 .constant = "kill_process kill_thread trap errno user_notif trace log allow\n"},
	{"sys/kernel/random/boot_id", 0444, show_boot_id},
	{"sys/kernel/random/uuid", 0444, show_uuid},
	{"sys/kernel/random/entropy_avail", 0444, .constant = "256\n"},
	{"sys/kernel/random/poolsize", 0444, .constant = "256\n"},
	{"sys/vm/overcommit_memory", 0444, .constant = "0\n"},
	{"sys/vm/overcommit_ratio", 0444, .constant = "50\n"},
	{"sys/vm/max_map_count", 0444, .constant = "65530\n"},
	{"sys/vm/mmap_min_addr", 0444, .constant = "65536\n"},
	{"sys/vm/swappiness", 0444, .constant = "60\n"},
	{"sys/fs/file-max", 0444, .constant = "9223372036854775807\n"},
	{"sys/fs/nr_open", 0444, .constant = "1048576\n"},
	{"sys/fs/file-nr", 0444, .constant = "1024\t0\t9223372036854775807\n"},
	{"sys/fs/pipe-max-size", 0444, .constant = "1048576\n"},
	{"sys/fs/pipe-user-pages-soft", 0444, .constant = "16384\n"},
	{"sys/fs/protected_symlinks", 0444, .constant = "1\n"},
	{"sys/fs/protected_hardlinks", 0444, .constant = "1\n"},
	{"sys/net/core/somaxconn", 0444, .constant = "4096\n"},
	{"sys/net/unix/max_dgram_qlen", 0444, .constant = "10\n"},
	{},
};
