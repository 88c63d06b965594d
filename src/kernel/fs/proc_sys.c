/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/sys: the settings of a kernel as programs read them (sysctl(8)); husk's own where it has such limits. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/release.h"
#include "fs/inotify.h"
#include "fs/proc_text.h"
#include "fs/pty.h"

/*
 * Linux: root may change most of these. Here: only what has an effect (the two names, what is in proc_core.c,
 * proc_seccomp.c and proc_yama.c); the others are like Linux's files of mode 0444, which refuse root too (EACCES), since a
 * setting that is taken and not followed would be a lie.
 */

/* The line that is written, cut to what a name may have (kernel/utsname_sysctl.c). */
static int store_name(char name[65], const char *text, size_t size)
{
	const char *end = memchr(text, '\n', size);
	size_t len = min(end ? (size_t)(end - text) : size, 64UL);

	memset(name, 0, 65);
	memcpy(name, text, strnlen(text, len));
	return 0;
}

static int show_name(const char *name, char **out, size_t *size)
{
	struct text text = {0};

	text_add(&text, "%s\n", name);
	return proc_text_done(&text, 0, out, size);
}

static int show_hostname(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	return show_name(n->k->hostname, out, size);
}

static int store_hostname(struct synth_node *n, struct task *t, const char *text, size_t size)
{
	return store_name(n->k->hostname, text, size);
}

static int show_domainname(struct synth_node *n, struct task *t, char **out, size_t *size)
{
	return show_name(n->k->domainname, out, size);
}

static int store_domainname(struct synth_node *n, struct task *t, const char *text, size_t size)
{
	return store_name(n->k->domainname, text, size);
}

static const struct synth_ops hostname_ops = {.show = show_hostname, .store = store_hostname};
static const struct synth_ops domainname_ops = {.show = show_domainname, .store = store_domainname};

#define TEXT_OF(n)  TEXT_OF_(n)
#define TEXT_OF_(n) #n "\n"

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

static const struct synth_entry random_dir[] = {
	PROC_SHOW("boot_id", show_boot_id),
	PROC_SHOW("uuid", show_uuid),
	PROC_CONSTANT("entropy_avail", "256\n"),
	PROC_CONSTANT("poolsize", "256\n"),
	{},
};

static int show_ptys(struct task *t, struct text *out)
{
	text_add(out, "%u\n", t->k->ptys ? t->k->ptys->used : 0);
	return 0;
}

static const struct synth_entry pty_dir[] = {
	PROC_CONSTANT("max", TEXT_OF(PTY_MAX)),
	PROC_SHOW("nr", show_ptys),
	PROC_CONSTANT("reserve", "0\n"),
	{},
};

static const struct synth_entry kernel_dir[] = {
	PROC_CONSTANT("ostype", "Linux\n"),
	PROC_CONSTANT("osrelease", HUSK_UTS_RELEASE "\n"),
	PROC_CONSTANT("version", HUSK_UTS_VERSION "\n"),
	{"hostname", S_IFREG | 0644, &hostname_ops},
	{"domainname", S_IFREG | 0644, &domainname_ops},
	PROC_CONSTANT("pid_max", "32768\n"),
	PROC_CONSTANT("threads-max", "8192\n"),
	PROC_CONSTANT("ngroups_max", "65536\n"),
	PROC_CONSTANT("cap_last_cap", "40\n"),
	PROC_CONSTANT("randomize_va_space", "2\n"),
	{"core_pattern", S_IFREG | 0644, &proc_core_pattern_ops},
	{"core_uses_pid", S_IFREG | 0644, &proc_core_uses_pid_ops},
	PROC_CONSTANT("msgmax", "8192\n"),
	PROC_CONSTANT("msgmnb", "16384\n"),
	PROC_CONSTANT("msgmni", "32000\n"),
	PROC_CONSTANT("shmall", "18446744073692774399\n"),
	PROC_CONSTANT("shmmni", "4096\n"),
	PROC_CONSTANT("overflowuid", "65534\n"),
	PROC_CONSTANT("overflowgid", "65534\n"),
	PROC_CONSTANT("dmesg_restrict", "1\n"),
	PROC_CONSTANT("kptr_restrict", "1\n"),
	PROC_CONSTANT("perf_event_paranoid", "3\n"),
	PROC_CONSTANT("unprivileged_bpf_disabled", "2\n"),
	PROC_CONSTANT("modules_disabled", "1\n"),
	PROC_CONSTANT("printk", "7\t4\t1\t7\n"),
	PROC_CONSTANT("panic", "0\n"),
	PROC_CONSTANT("tainted", "0\n"),
	PROC_CONSTANT("sysrq", "0\n"),
	PROC_CONSTANT("panic_on_oops", "0\n"),
	PROC_CONSTANT("print-fatal-signals", "0\n"),
	PROC_CONSTANT("shm_rmid_forced", "0\n"),
	PROC_CONSTANT("io_uring_disabled", "2\n"),
	PROC_CONSTANT("kexec_load_disabled", "1\n"),
	PROC_CONSTANT("perf_event_max_sample_rate", "100000\n"),
	PROC_CONSTANT("perf_event_max_stack", "127\n"),
	PROC_CONSTANT("perf_event_mlock_kb", "516\n"),
	PROC_CONSTANT("sched_rr_timeslice_ms", "100\n"),
	PROC_CONSTANT("sched_rt_period_us", "1000000\n"),
	PROC_CONSTANT("sched_rt_runtime_us", "950000\n"),
	PROC_CONSTANT("shmmax", "18446744073692774399\n"),
	PROC_CONSTANT("sem", "32000\t1024000000\t500\t32000\n"),
	PROC_DIRECTORY("seccomp", proc_seccomp_entries),
	PROC_DIRECTORY("yama", proc_yama_entries),
	PROC_DIRECTORY("random", random_dir),
	PROC_DIRECTORY("pty", pty_dir),
	{},
};

static const struct synth_entry vm_dir[] = {
	PROC_CONSTANT("overcommit_memory", "0\n"),
	PROC_CONSTANT("overcommit_ratio", "50\n"),
	PROC_CONSTANT("overcommit_kbytes", "0\n"),
	PROC_CONSTANT("max_map_count", "65530\n"),
	PROC_CONSTANT("mmap_min_addr", "65536\n"),
	PROC_CONSTANT("nr_hugepages", "0\n"),
	PROC_CONSTANT("nr_overcommit_hugepages", "0\n"),
	PROC_CONSTANT("page-cluster", "3\n"),
	PROC_CONSTANT("panic_on_oom", "0\n"),
	PROC_CONSTANT("oom_kill_allocating_task", "0\n"),
	PROC_CONSTANT("legacy_va_layout", "0\n"),
	PROC_CONSTANT("dirty_ratio", "20\n"),
	PROC_CONSTANT("dirty_background_ratio", "10\n"),
	PROC_CONSTANT("vfs_cache_pressure", "100\n"),
	PROC_CONSTANT("swappiness", "60\n"),
	PROC_CONSTANT("zone_reclaim_mode", "0\n"),
	PROC_CONSTANT("dirty_bytes", "0\n"),
	PROC_CONSTANT("dirty_background_bytes", "0\n"),
	PROC_CONSTANT("dirty_expire_centisecs", "3000\n"),
	PROC_CONSTANT("dirty_writeback_centisecs", "500\n"),
	PROC_CONSTANT("hugetlb_shm_group", "0\n"),
	PROC_CONSTANT("mmap_rnd_bits", "28\n"),
	PROC_CONSTANT("unprivileged_userfaultfd", "0\n"),
	{},
};

static const struct synth_entry inotify_dir[] = {
	PROC_CONSTANT("max_queued_events", TEXT_OF(INOTIFY_MAX_QUEUED)),
	PROC_CONSTANT("max_user_instances", TEXT_OF(INOTIFY_MAX_INSTANCES)),
	PROC_CONSTANT("max_user_watches", TEXT_OF(INOTIFY_MAX_WATCHES)),
	{},
};

static const struct synth_entry epoll_dir[] = {
	PROC_CONSTANT("max_user_watches", "1048576\n"),
	{},
};

static const struct synth_entry mqueue_dir[] = {
	PROC_CONSTANT("msg_default", "10\n"),       PROC_CONSTANT("msg_max", "10\n"),
	PROC_CONSTANT("msgsize_default", "8192\n"), PROC_CONSTANT("msgsize_max", "8192\n"),
	PROC_CONSTANT("queues_max", "256\n"),       {},
};

static const struct synth_entry fs_dir[] = {
	PROC_DIRECTORY("inotify", inotify_dir),
	PROC_DIRECTORY("epoll", epoll_dir),
	PROC_DIRECTORY("mqueue", mqueue_dir),
	PROC_CONSTANT("file-max", "9223372036854775807\n"),
	PROC_CONSTANT("nr_open", "1048576\n"),
	PROC_CONSTANT("file-nr", "1024\t0\t9223372036854775807\n"),
	PROC_CONSTANT("pipe-max-size", "1048576\n"),
	PROC_CONSTANT("pipe-user-pages-soft", "16384\n"),
	PROC_CONSTANT("pipe-user-pages-hard", "0\n"),
	PROC_CONSTANT("aio-max-nr", "65536\n"),
	PROC_CONSTANT("aio-nr", "0\n"),
	PROC_CONSTANT("dentry-state", "0\t0\t45\t0\t0\t0\n"),
	PROC_CONSTANT("inode-nr", "0\t0\n"),
	PROC_CONSTANT("inode-state", "0\t0\t0\t0\t0\t0\t0\n"),
	PROC_CONSTANT("leases-enable", "0\n"),
	PROC_CONSTANT("lease-break-time", "45\n"),
	PROC_CONSTANT("mount-max", "100000\n"),
	PROC_CONSTANT("overflowuid", "65534\n"),
	PROC_CONSTANT("overflowgid", "65534\n"),
	PROC_CONSTANT("suid_dumpable", "0\n"),
	PROC_CONSTANT("protected_fifos", "0\n"),
	PROC_CONSTANT("protected_regular", "0\n"),
	PROC_CONSTANT("protected_symlinks", "1\n"),
	PROC_CONSTANT("protected_hardlinks", "1\n"),
	{},
};

static const struct synth_entry core_dir[] = {
	PROC_CONSTANT("somaxconn", "4096\n"),          PROC_CONSTANT("rmem_default", "212992\n"),
	PROC_CONSTANT("rmem_max", "212992\n"),         PROC_CONSTANT("wmem_default", "212992\n"),
	PROC_CONSTANT("wmem_max", "212992\n"),         PROC_CONSTANT("optmem_max", "131072\n"),
	PROC_CONSTANT("netdev_max_backlog", "1000\n"), {},
};

static const struct synth_entry unix_dir[] = {
	PROC_CONSTANT("max_dgram_qlen", "10\n"),
	{},
};

static const struct synth_entry ipv4_dir[] = {
	PROC_CONSTANT("ip_forward", "0\n"),
	PROC_CONSTANT("ip_local_port_range", "32768\t60999\n"),
	PROC_CONSTANT("ip_unprivileged_port_start", "1024\n"),
	PROC_CONSTANT("tcp_fin_timeout", "60\n"),
	PROC_CONSTANT("tcp_keepalive_intvl", "75\n"),
	PROC_CONSTANT("tcp_keepalive_probes", "9\n"),
	PROC_CONSTANT("tcp_keepalive_time", "7200\n"),
	PROC_CONSTANT("tcp_max_syn_backlog", "1024\n"),
	PROC_CONSTANT("tcp_rmem", "4096\t131072\t6291456\n"),
	PROC_CONSTANT("tcp_wmem", "4096\t16384\t4194304\n"),
	PROC_CONSTANT("tcp_syncookies", "1\n"),
	{},
};

static const struct synth_entry net_dir[] = {
	PROC_DIRECTORY("ipv4", ipv4_dir),
	PROC_DIRECTORY("core", core_dir),
	PROC_DIRECTORY("unix", unix_dir),
	{},
};

const struct synth_ops proc_sys_ops = {.settings = true};

const struct synth_entry proc_sys_entries[] = {
	PROC_DIRECTORY("kernel", kernel_dir),
	PROC_DIRECTORY("vm", vm_dir),
	PROC_DIRECTORY("fs", fs_dir),
	PROC_DIRECTORY("net", net_dir),
	{},
};
