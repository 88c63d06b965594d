/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ps, top, lsof, psutil and virtual machines parse in /proc: the lines and fields that each file has, in Linux's
 * order, and that files tell the same as each other.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <regex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "check.h"

static char text[1 << 20];

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;
	size_t size = 0;

	while (fd >= 0 && size < sizeof text - 1 && (n = read(fd, text + size, sizeof text - 1 - size)) > 0)
		size += (size_t)n;
	text[size] = 0;
	CHECK(fd >= 0);
	close(fd);
	return text;
}

/* All of @path's lines are as one of @patterns, basic ones; each pattern has a line. */
static void lines(const char *path, const char *const *patterns)
{
	int seen[8] = {0};
	char *line, *rest;

	slurp(path);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		int found = 0;

		for (int i = 0; patterns[i]; i++) {
			regex_t re;

			regcomp(&re, patterns[i], REG_EXTENDED | REG_NOSUB);
			if (!regexec(&re, line, 0, NULL, 0))
				found = seen[i] = 1;
			regfree(&re);
		}
		if (!found) {
			printf("%s: %s\n", path, line);
			CHECK(found);
			return;
		}
	}
	for (int i = 0; patterns[i]; i++)
		CHECK(seen[i]);
}

/* @path has these keys at the beginnings of lines, in this order, others in between. */
static void keys(const char *path, const char *const *key)
{
	const char *at = slurp(path);

	for (; *key; key++) {
		char want[64];
		const char *p;

		snprintf(want, sizeof want, "\n%s:", *key);
		p = strncmp(at, want + 1, strlen(want) - 1) ? strstr(at, want) : at;
		if (!p) {
			printf("%s: no %s (or not there)\n", path, *key);
			CHECK(p);
			return;
		}
		at = p;
	}
}

static long value(const char *path, const char *key)
{
	const char *p = strstr(slurp(path), key);

	return p ? atol(p + strlen(key)) : -1;
}

static void test_process(void)
{
	static const char *const stat[] = {
		"^[0-9]+ \\(.*\\) [RSDTtZ] ([0-9-]+ ){3}[0-9]+ -?[0-9]+ ([0-9]+ ){13}([0-9]+ ){2,}[0-9 -]*$",
		NULL};
	static const char *const statm[] = {"^([0-9]+ ){6}[0-9]+$", NULL};
	static const char *const maps[] = {
		"^[0-9a-f]{8,16}-[0-9a-f]{8,16} [r-][w-][x-][ps] [0-9a-f]{8,16} [0-9a-f]{2,}:[0-9a-f]{2,} "
		"[0-9]+ ( *[^ ].*)?$",
		"\\[stack\\]$",
		"\\[heap\\]$",
		"\\[vdso\\]$",
		"/.*io_proc_format",
		NULL};
	static const char *const limits[] = {
		"^Limit                     Soft Limit           Hard Limit           Units     $",
		"^Max [a-z -]+ +([0-9]+|unlimited) +([0-9]+|unlimited) "
		"+(seconds|bytes|processes|files|locks|signals|us)? *$",
		NULL};
	static const char *const mountinfo[] = {"^[0-9]+ [0-9]+ [0-9]+:[0-9]+ /[^ ]* /[^ ]* r[ow][^ ]*( "
						"[a-z]+:[0-9]+)* - [a-z0-9._-]+ [^ ]+ r[ow][^ ]*$",
						" / / r", " /proc ", NULL};
	static const char *const mounts[] = {"^[^ ]+ /[^ ]* [a-z0-9._-]+ r[ow][^ ]* 0 0$", NULL};
	static const char *const cgroup[] = {"^[0-9]+:[a-z0-9_,=]*:/.*$", NULL};
	static const char *const status[] = {"Name",
					     "Umask",
					     "State",
					     "Tgid",
					     "Pid",
					     "PPid",
					     "TracerPid",
					     "Uid",
					     "Gid",
					     "FDSize",
					     "Groups",
					     "VmPeak",
					     "VmSize",
					     "VmLck",
					     "VmPin",
					     "VmHWM",
					     "VmRSS",
					     "RssAnon",
					     "RssFile",
					     "RssShmem",
					     "VmData",
					     "VmStk",
					     "VmExe",
					     "VmLib",
					     "VmPTE",
					     "VmSwap",
					     "Threads",
					     "SigQ",
					     "SigPnd",
					     "ShdPnd",
					     "SigBlk",
					     "SigIgn",
					     "SigCgt",
					     "CapInh",
					     "CapPrm",
					     "CapEff",
					     "CapBnd",
					     "CapAmb",
					     "NoNewPrivs",
					     "Seccomp",
					     "Cpus_allowed",
					     "Cpus_allowed_list",
					     "voluntary_ctxt_switches",
					     "nonvoluntary_ctxt_switches",
					     NULL};
	static const char *const smaps[] = {
		"Size",          "KernelPageSize", "Rss",        "Pss",       "Shared_Clean",  "Shared_Dirty",
		"Private_Clean", "Private_Dirty",  "Referenced", "Anonymous", "AnonHugePages", "Swap",
		"SwapPss",       "Locked",         "VmFlags",    NULL};
	static const char *const io[] = {
		"rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes",
		NULL};
	char stat_name[64];
	void *heap = malloc(100);

	lines("/proc/self/stat", stat);
	lines("/proc/self/statm", statm);
	lines("/proc/self/maps", maps);
	lines("/proc/self/limits", limits);
	lines("/proc/self/mountinfo", mountinfo);
	lines("/proc/self/mounts", mounts);
	lines("/proc/self/cgroup", cgroup);
	keys("/proc/self/status", status);
	keys("/proc/self/smaps", smaps);
	keys("/proc/self/io", io);
	snprintf(stat_name, sizeof stat_name, "/proc/self/task/%d/stat", getpid());
	lines(stat_name, stat);
	free(heap);
}

/* The kernel's words about one process agree. */
static void test_agreement(void)
{
	long size = value("/proc/self/status", "\nVmSize:"), fields[7], pages = 0;
	int pid, ppid, pgrp, session;
	char state, comm[32], *line, *rest;
	unsigned long from, to;

	CHECK_EQ(sscanf(slurp("/proc/self/stat"), "%d (%31[^)]) %c %d %d %d", &pid, comm, &state, &ppid,
			&pgrp, &session),
		 6);
	CHECK_EQ(pid, getpid());
	CHECK_EQ(ppid, getppid());
	CHECK_EQ(pgrp, getpgrp());
	CHECK_EQ(session, getsid(0));
	CHECK_EQ(state, 'R');
	CHECK_EQ(sscanf(slurp("/proc/self/statm"), "%ld %ld %ld %ld %ld %ld %ld", fields, fields + 1,
			fields + 2, fields + 3, fields + 4, fields + 5, fields + 6),
		 7);
	CHECK_EQ(fields[0] * 4, size);
	CHECK(fields[1] > 0 && fields[1] < fields[0] && fields[2] <= fields[1]);
	slurp("/proc/self/maps");
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (!strstr(line, "[vsyscall]") && sscanf(line, "%lx-%lx", &from, &to) == 2)
			pages += (long)((to - from) / 4096);
	CHECK_EQ(pages, fields[0]);
	CHECK_STR(slurp("/proc/self/comm"), "io_proc_format\n");
	CHECK_EQ(strncmp(comm, "io_proc_format", 15), 0);
}

/* Each descriptor's link, its fdinfo and what stat() says. */
static void test_fd(void)
{
	char name[] = "/tmp/husk-fmtXXXXXX", path[64], link[256], want[256];
	int fd = mkstemp(name), p[2], n = 0;
	struct stat st;
	DIR *d;
	struct dirent *e;
	ssize_t len;

	CHECK_OK(pipe(p));
	CHECK_OK(fstat(p[0], &st));
	snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
	len = readlink(path, link, sizeof link - 1);
	link[len > 0 ? len : 0] = 0;
	snprintf(want, sizeof want, "pipe:[%lu]", (unsigned long)st.st_ino);
	CHECK_STR(link, want);
	unlink(name);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof link - 1);
	link[len > 0 ? len : 0] = 0;
	snprintf(want, sizeof want, "%s (deleted)", name);
	CHECK_STR(link, want);
	d = opendir("/proc/self/fd");
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	snprintf(path, sizeof path, "/proc/self/fdinfo");
	d = opendir(path);
	while ((e = readdir(d)))
		n -= e->d_name[0] != '.';
	closedir(d);
	CHECK_EQ(n, 0);
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void *wait_for_byte(void *arg)
{
	char c;

	CHECK_EQ(read(*(int *)arg, &c, 1), 1);
	return NULL;
}

/* What stat() tells: threads and processes are links of their directories, a link is as long as its text. */
static void test_stat_of(void)
{
	static const char *const links[] = {"/proc/mounts", "/proc/net", "/dev/fd", "/dev/stdin",
					    "/dev/stderr"};
	char link[256];
	pthread_t thread;
	struct stat st;
	pid_t pid;
	int p[2];

	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		CHECK_OK(lstat(links[i], &st));
		CHECK_EQ(st.st_size, readlink(links[i], link, sizeof link));
	}
	CHECK_OK(pipe(p));
	CHECK_OK(stat("/proc/self/task", &st));
	CHECK_EQ(st.st_nlink, 3);
	CHECK_EQ(pthread_create(&thread, NULL, wait_for_byte, p), 0);
	CHECK_OK(stat("/proc/self/task", &st));
	CHECK_EQ(st.st_nlink, 4);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_OK(stat("/proc", &st));
	CHECK(st.st_nlink > 3);
	/* Another's descriptors are not to be seen. */
	CHECK_OK(stat("/proc/self/fdinfo/0", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0444);
	if (getuid())
		return;
	pid = fork();
	if (!pid) {
		char path[40];

		CHECK_OK(setuid(65534));
		sprintf(path, "/proc/%d/fdinfo", getppid());
		CHECK_ERRNO(open(path, O_RDONLY), EACCES);
		strcat(path, "/0");
		CHECK_ERRNO(open(path, O_RDONLY), EACCES);
		_exit(check_done());
	}
	CHECK_EQ(waitpid(pid, &p[0], 0), pid);
	CHECK_EQ(p[0], 0);
}

static void test_system(void)
{
	static const char *const meminfo[] = {"^[A-Za-z0-9_()]+: +[0-9]+( kB)?$", NULL};
	static const char *const meminfo_keys[] = {
		"MemTotal",     "MemFree",     "MemAvailable", "Buffers",   "Cached",
		"SwapCached",   "Active",      "Inactive",     "SwapTotal", "SwapFree",
		"Dirty",        "AnonPages",   "Mapped",       "Shmem",     "Slab",
		"SReclaimable", "CommitLimit", "Committed_AS", NULL};
	static const char *const loadavg[] = {"^([0-9]+\\.[0-9]{2} ){3}[0-9]+/[0-9]+ [0-9]+$", NULL};
	static const char *const uptime[] = {"^[0-9]+\\.[0-9]{2} [0-9]+\\.[0-9]{2}$", NULL};
	static const char *const version[] = {"^Linux version [0-9]+\\.[0-9]+[^ ]* \\(.*\\) #", NULL};
	static const char *const filesystems[] = {"^(nodev)?\t[a-z0-9_.-]+$", NULL};
	static const char *const stat[] = {
		"^cpu +([0-9]+ ){9}[0-9]+$", "^cpu[0-9]+ ([0-9]+ ){9}[0-9]+$", "^(intr|softirq)( [0-9]+)+$",
		"^(ctxt|btime|processes|procs_running|procs_blocked) [0-9]+$", NULL};
	long cpus = 0, known = sysconf(_SC_NPROCESSORS_ONLN);
	char mounts[16384], filesystem[64], want[80], *line, *rest;

	lines("/proc/meminfo", meminfo);
	keys("/proc/meminfo", meminfo_keys);
	lines("/proc/loadavg", loadavg);
	lines("/proc/uptime", uptime);
	lines("/proc/version", version);
	lines("/proc/filesystems", filesystems);
	lines("/proc/stat", stat);
	slurp("/proc/cpuinfo");
	CHECK(strstr(text, "vendor_id\t: ") && strstr(text, "model name\t: ") && strstr(text, "flags\t\t: "));
	for (char *p = text; (p = strstr(p, "processor\t: ")); p++)
		cpus++;
	CHECK_EQ(cpus, known);
	cpus = 0;
	slurp("/proc/stat");
	for (char *p = text; (p = strstr(p, "\ncpu")); p++)
		cpus++;
	CHECK_EQ(cpus, known);
	/* Whatever is mounted is a file system that there is. */
	strncpy(mounts, slurp("/proc/mounts"), sizeof mounts - 1);
	mounts[sizeof mounts - 1] = 0;
	slurp("/proc/filesystems");
	for (line = strtok_r(mounts, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "%*s %*s %63s", filesystem) != 1 || strchr(filesystem, '.'))
			continue;
		snprintf(want, sizeof want, "\t%s\n", filesystem);
		if (!strstr(text, want))
			printf("mounted, not in /proc/filesystems: %s\n", filesystem);
		CHECK(strstr(text, want));
	}
}

/* st_dev, mountinfo and statfs speak of the same places. */
static void test_mounts(void)
{
	static const char *const places[] = {"/", "/proc", "/dev", "/tmp", "/usr/bin"};
	char mounts[16384], point[256];
	unsigned major, minor;
	char *line, *rest;

	strncpy(mounts, slurp("/proc/self/mountinfo"), sizeof mounts - 1);
	mounts[sizeof mounts - 1] = 0;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct statfs fs;
		struct stat st;
		size_t best = 0;
		dev_t dev = 0;
		char copy[16384];

		strcpy(copy, mounts);
		for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			size_t len;

			if (sscanf(line, "%*d %*d %u:%u %*s %255s", &major, &minor, point) != 3)
				continue;
			len = strcmp(point, "/") ? strlen(point) : 0;
			if (!strncmp(places[i], point, len) &&
			    (!places[i][len] || places[i][len] == '/' || !len) && len >= best) {
				best = len;
				dev = makedev(major, minor);
			}
		}
		CHECK_OK(stat(places[i], &st));
		CHECK_OK(statfs(places[i], &fs));
		if (fs.f_type != BTRFS_SUPER_MAGIC) /* which has devices that it mounts nowhere */
			CHECK_EQ(st.st_dev, dev);
	}
}

/* The first process looks like others, as far as everybody may look. */
static void test_init(void)
{
	static const char *const readable[] = {"stat",      "statm",     "status",   "comm", "cmdline",
					       "cgroup",    "oom_score", "wchan",    "maps", "mounts",
					       "mountinfo", "loginuid",  "schedstat"};
	static const char *const there[] = {"exe", "cwd", "root", "ns", "fd", "fdinfo", "environ", "auxv"};
	char path[64], comm[64];
	struct stat st;

	strcpy(comm, slurp("/proc/1/comm"));
	CHECK_STR(slurp("/proc/1/task/1/comm"), comm);
	for (size_t i = 0; i < sizeof readable / sizeof *readable; i++) {
		snprintf(path, sizeof path, "/proc/1/%s", readable[i]);
		if (strcmp(readable[i], "maps") && strncmp(readable[i], "mount", 5))
			slurp(path);
		CHECK_OK(stat(path, &st));
		snprintf(path, sizeof path, "/proc/1/task/1/%s", readable[i]);
		CHECK_OK(stat(path, &st));
	}
	for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
		snprintf(path, sizeof path, "/proc/1/%s", there[i]);
		CHECK_OK(lstat(path, &st));
		CHECK_EQ(st.st_uid, 0);
	}
	if (getuid()) {
		CHECK_ERRNO(readlink("/proc/1/exe", path, sizeof path), EACCES);
		CHECK_ERRNO(open("/proc/1/ns/uts", O_RDONLY), EACCES);
	}
}

/* What there is of memory on a node adds up, and terminals are counted. */
static void test_small(void)
{
	unsigned long total, left, used;
	const char *at;
	int fd;

	at = slurp("/sys/devices/system/node/node0/meminfo");
	CHECK_EQ(sscanf(at, "Node 0 MemTotal: %lu kB\nNode 0 MemFree: %lu kB\nNode 0 MemUsed: %lu kB\n",
			&total, &left, &used),
		 3);
	CHECK_EQ(total - left, used);
	CHECK(strstr(at, "\nNode 0 AnonPages: ") && strstr(at, "\nNode 0 HugePages_Free: "));
	fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	CHECK(atoi(slurp("/proc/sys/kernel/pty/nr")) >= 1);
	CHECK_EQ(atoi(slurp("/proc/sys/kernel/pty/max")), 4096);
	CHECK(strstr(slurp("/proc/devices"), "\n  5 /dev/tty\n") && strstr(text, "\n136 pts\n"));
	close(fd);
}

int main(void)
{
	CHECK(sbrk(4096) != (void *)-1);
	test_process();
	test_agreement();
	test_fd();
	test_stat_of();
	test_system();
	test_mounts();
	test_init();
	test_small();
	return check_done();
}
