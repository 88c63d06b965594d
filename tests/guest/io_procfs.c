/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More of /proc: memory as a file, counters, fdinfo of every kind of descriptor, namespaces, what is written, what is
 * refused, the network's tables, the settings of the kernel.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"

static char text[65536];

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = 0;
	size_t size = 0;

	text[0] = 0;
	if (fd < 0)
		return text;
	while (size < sizeof text - 1 && (n = read(fd, text + size, sizeof text - 1 - size)) > 0)
		size += n;
	text[size] = 0;
	close(fd);
	return text;
}

/* The number behind @key in @path, or -1. */
static long value(const char *path, const char *key)
{
	const char *p = strstr(slurp(path), key);

	return p ? atol(p + strlen(key)) : -1;
}

static void test_mem(void)
{
	static char data[] = "some bytes", out[16];
	int fd = open("/proc/self/mem", O_RDWR);
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), path[40];
	struct stat st;
	pid_t pid;

	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0600);
	CHECK_EQ(pread(fd, out, 10, (off_t)data), 10);
	CHECK_STR(out, "some bytes");
	CHECK_EQ(pwrite(fd, "SOME", 4, (off_t)data), 4);
	CHECK_STR(data, "SOME bytes");
	CHECK_EQ(lseek(fd, (off_t)data + 5, SEEK_SET), (off_t)data + 5);
	CHECK_EQ(read(fd, out, 5), 5);
	CHECK(!memcmp(out, "bytes", 5));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), (off_t)data + 10);
	CHECK_ERRNO(pread(fd, out, 10, 4096), EIO);
	CHECK_ERRNO(pwrite(fd, out, 10, 4096), EIO);
	munmap(page + 4096, 4096);
	memset(page, 'p', 4096);
	CHECK_EQ(pread(fd, out, 16, (off_t)page + 4090), 6); /* up to where it ends */
	CHECK_ERRNO(lseek(fd, 0, SEEK_END), EINVAL);
	close(fd);
	/* another's */
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	snprintf(path, sizeof path, "/proc/%d/environ", pid);
	if (*slurp(path)) { /* a kernel that may not read its processes shows none */
		CHECK_EQ(pread(fd, out, 4, (off_t)data), 4);
		CHECK(!memcmp(out, "SOME", 4));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK_EQ(pread(fd, out, 4, (off_t)data), 0); /* its memory is gone */
	close(fd);
	munmap(page, 4096);
	if (getuid()) {
		CHECK_ERRNO(open("/proc/1/mem", O_RDONLY), EACCES);
		CHECK_ERRNO(open("/proc/1/environ", O_RDONLY), EACCES);
	}
}

static void test_io(void)
{
	long rchar = value("/proc/self/io", "rchar: "), wchar = value("/proc/self/io", "wchar: "),
	     syscw = value("/proc/self/io", "syscw: ");
	int fd = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY);

	CHECK(rchar >= 0 && wchar >= 0 && syscw >= 0);
	CHECK_EQ(read(zero, text, 50000), 50000);
	CHECK_EQ(write(fd, text, 50000), 50000);
	CHECK_EQ(write(fd, text, 10000), 10000);
	CHECK(value("/proc/self/io", "rchar: ") >= rchar + 50000);
	CHECK_EQ(value("/proc/self/io", "wchar: "), wchar + 60000);
	CHECK_EQ(value("/proc/self/io", "syscw: "), syscw + 2);
	CHECK(strstr(text, "cancelled_write_bytes: 0\n"));
	close(fd);
	close(zero);
}

static const char *fdinfo(int fd)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	return slurp(path);
}

static void test_fdinfo(void)
{
	struct itimerspec its = {{5, 0}, {1000, 0}};
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0xabcdef};
	char name[] = "/dev/shm/husk-fdinfoXXXXXX", line[100];
	int fd = mkstemp(name), other;
	struct flock l = {.l_type = F_WRLCK, .l_start = 5, .l_len = 10};
	struct stat st;
	sigset_t mask;

	CHECK_EQ(lseek(fd, 77, SEEK_SET), 77);
	snprintf(line, sizeof line, "/proc/self/fd/%d", fd);
	CHECK_OK(lstat(line, &st));
	CHECK_EQ(st.st_size, 64);
	CHECK_EQ(st.st_mode, S_IFLNK | 0700);
	CHECK(strstr(fdinfo(fd), "pos:\t77\nflags:\t0100002\nmnt_id:\t"));
	CHECK_OK(fcntl(fd, F_SETLK, &l));
	CHECK(strstr(fdinfo(fd), "lock:\t1: POSIX  ADVISORY  WRITE ") && strstr(text, " 5 14\n"));
	CHECK_OK(flock(fd, LOCK_SH));
	CHECK(strstr(fdinfo(fd), ": FLOCK  ADVISORY  READ ") && strstr(text, " 0 EOF\n"));
	close(fd);
	unlink(name);
	fd = eventfd(29, EFD_SEMAPHORE);
	CHECK(strstr(fdinfo(fd), "eventfd-count:               1d\n"));
	other = epoll_create1(EPOLL_CLOEXEC);
	CHECK_OK(epoll_ctl(other, EPOLL_CTL_ADD, fd, &ev));
	CHECK(strstr(fdinfo(other), "flags:\t02000002\n"));
	snprintf(line, sizeof line, "tfd: %8d events:       19 data:           abcdef ", fd);
	CHECK(strstr(text, line));
	close(other);
	close(fd);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	fd = signalfd(-1, &mask, 0);
	CHECK(strstr(fdinfo(fd), "sigmask:\t0000000000000200\n"));
	close(fd);
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	CHECK_OK(timerfd_settime(fd, 0, &its, NULL));
	CHECK(strstr(fdinfo(fd), "clockid: 1\nticks: 0\nsettime flags: 00\nit_value: (999, ") &&
	      strstr(text, "it_interval: (5, 0)\n"));
	close(fd);
	fd = inotify_init();
	CHECK_EQ(inotify_add_watch(fd, "/dev/shm", IN_CREATE), 1);
	CHECK(strstr(fdinfo(fd), "inotify wd:1 ino:") && strstr(text, " mask:100 ignored_mask:0 "));
	close(fd);
	fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	snprintf(line, sizeof line, "Pid:\t%d\n", getpid());
	CHECK(strstr(fdinfo(fd), line));
	close(fd);
}

static void test_links(void)
{
	static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
	char path[64], link[64], want[64];
	struct stat a, b;
	pid_t pid = fork();
	ssize_t n;

	if (!pid) {
		pause();
		_exit(0);
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		n = readlink(path, link, sizeof link - 1);
		link[n > 0 ? n : 0] = 0;
		CHECK_OK(stat(path, &a));
		snprintf(want, sizeof want, "%s:[%lu]", names[i], (unsigned long)a.st_ino);
		CHECK_STR(link, want);
		snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, names[i]);
		CHECK_OK(stat(path, &b));
		CHECK_EQ(a.st_ino, b.st_ino);
	}
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", getpid(), getpid());
	snprintf(want, sizeof want, "%d ", pid);
	CHECK_STR(slurp(path), want);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	n = readlink("/proc/net", link, sizeof link - 1);
	link[n > 0 ? n : 0] = 0;
	CHECK_STR(link, "self/net");
}

/* Unix sockets: a pair, a listener with a path, an abstract one. */
static void test_unix(void)
{
	struct sockaddr_un path = {AF_UNIX, "/dev/shm/husk-proc-unix"},
			   abstract = {AF_UNIX, "\0husk-proc-unix"};
	int pair[2], listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), named = socket(AF_UNIX, SOCK_DGRAM, 0);
	char want[200];
	struct stat st;

	unlink(path.sun_path);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK_OK(bind(listener, (void *)&path, sizeof path));
	CHECK_OK(listen(listener, 1));
	CHECK_OK(bind(named, (void *)&abstract, sizeof(sa_family_t) + 15));
	slurp("/proc/net/unix");
	CHECK_OK(fstat(pair[1], &st));
	snprintf(want, sizeof want, " 00000000 00000000 0001 03 %5lu\n", (unsigned long)st.st_ino);
	CHECK(strstr(text, want));
	CHECK_OK(fstat(listener, &st));
	snprintf(want, sizeof want, " 00000000 00010000 0005 01 %5lu %s\n", (unsigned long)st.st_ino,
		 path.sun_path);
	CHECK(strstr(text, want));
	CHECK_OK(fstat(named, &st));
	snprintf(want, sizeof want, " 00000000 00000000 0002 01 %5lu @husk-proc-unix\n",
		 (unsigned long)st.st_ino);
	CHECK(strstr(text, want));
	close(named);
	close(listener);
	close(pair[0]);
	CHECK(!strstr(slurp("/proc/net/unix"), want));
	close(pair[1]);
	unlink(path.sun_path);
}

static int put(const char *path, const char *data)
{
	int fd = open(path, O_WRONLY), saved;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, data, strlen(data));
	saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

static void test_writing(void)
{
	CHECK_OK(put("/proc/self/comm", "a-name-that-is-too-long\n"));
	CHECK_STR(slurp("/proc/self/comm"), "a-name-that-is-\n");
	CHECK_OK(put("/proc/self/oom_score_adj", "500"));
	CHECK_STR(slurp("/proc/self/oom_score_adj"), "500\n");
	CHECK_STR(slurp("/proc/self/oom_adj"), "8\n");
	CHECK_ERRNO(put("/proc/self/oom_score_adj", "1001"), EINVAL);
	CHECK_ERRNO(put("/proc/self/oom_score_adj", "x"), EINVAL);
	if (getuid())
		CHECK_ERRNO(put("/proc/self/oom_score_adj", "-500"), EACCES);
	CHECK_OK(put("/proc/self/timerslack_ns", "123456"));
	CHECK_STR(slurp("/proc/self/timerslack_ns"), "123456\n");
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 123456);
	CHECK_ERRNO(put("/proc/self/timerslack_ns", "x"), EINVAL);
	CHECK_ERRNO(put("/proc/self/status", "x"), getuid() ? EACCES : EINVAL);
	if (getuid())
		CHECK_ERRNO(put("/proc/version", "x"), EACCES);
}

static void test_status(void)
{
	struct rlimit r;
	char line[100];
	long kb;

	CHECK(strstr(slurp("/proc/self/status"), "\nGroups:\t"));
	CHECK_EQ(strncmp(text, "Name:\t", 6), 0);
	CHECK(strstr(text, "\nUmask:\t0") && strstr(text, "\nTracerPid:\t0\n") &&
	      strstr(text, "\nFDSize:\t"));
	CHECK(strstr(text, "\nSigQ:\t") && strstr(text, "\nCapEff:\t") && strstr(text, "\nNoNewPrivs:\t"));
	kb = value("/proc/self/smaps_rollup", "\nRss:");
	CHECK(kb > 100);
	CHECK(strstr(text, "---p 00000000 00:00 0                          [rollup]\n"));
	CHECK(strstr(text, "\nPss_Anon: ") && strstr(text, "\nSwapPss: ") && strstr(text, "\nLocked: "));
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &r));
	snprintf(line, sizeof line, "Max open files            %-20lu %-20lu files     \n",
		 (unsigned long)r.rlim_cur, (unsigned long)r.rlim_max);
	CHECK(strstr(slurp("/proc/self/limits"), line));
	CHECK(strstr(slurp("/proc/self/mountstats"), " mounted on / with fstype "));
	CHECK_EQ(strlen(slurp("/proc/self/personality")), 9);
	CHECK_STR(slurp("/proc/self/cpuset"), "/\n");
	CHECK(strlen(slurp("/proc/self/loginuid")) > 0);
	CHECK_OK(prctl(PR_SET_NAME, "a\nUid:\\"));
	CHECK(strstr(slurp("/proc/self/status"), "Name:\ta\\nUid:\\\\\nUmask:") == text);
}

/* Of mounts it tells a process where they are below its root, and of no others. */
static void test_mounts(void)
{
	char dir[] = "/dev/shm/husk-procXXXXXX";
	int proc = open("/proc", O_RDONLY | O_DIRECTORY), fd, status;
	pid_t pid = fork();

	if (!pid) {
		if (chroot("/proc")) {
			CHECK_EQ(errno, EPERM);
			_exit(check_done());
		}
		CHECK(strstr(slurp("/self/mounts"), "proc / proc rw"));
		CHECK(!strstr(text, "/proc"));
		CHECK(strstr(slurp("/self/mountinfo"), " / / rw") && strstr(text, " - proc proc rw"));
		CHECK(strstr(slurp("/self/mountstats"), "device proc mounted on / with fstype proc\n"));
		_exit(check_done());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	pid = fork();
	if (!pid) {
		CHECK(mkdtemp(dir));
		if (!chroot(dir)) {
			fd = openat(proc, "self/mounts", O_RDONLY);
			CHECK_EQ(read(fd, text, 100), 0);
			fd = openat(proc, "self/mountinfo", O_RDONLY);
			CHECK_EQ(read(fd, text, 100), 0);
			CHECK_OK(fchdir(proc));
			CHECK_OK(chroot(".."));
		}
		CHECK_OK(rmdir(dir));
		_exit(check_done());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(proc);
}

/* Work shows in /proc/stat: the first line is the sum of the processors', and user time goes up. */
static void test_cpu(void)
{
	unsigned long before[4], after[4];
	volatile unsigned long n = 0;
	struct rusage begin, u;

	CHECK_EQ(sscanf(slurp("/proc/stat"), "cpu  %lu %lu %lu %lu", before, before + 1, before + 2,
			before + 3),
		 4);
	CHECK(strstr(text, "\ncpu0 ") && strstr(text, "\nctxt ") && strstr(text, "\nprocs_running "));
	getrusage(RUSAGE_SELF, &begin);
	do {
		for (int i = 0; i < 1000000; i++)
			n = n + 1;
		getrusage(RUSAGE_SELF, &u);
	} while ((u.ru_utime.tv_sec - begin.ru_utime.tv_sec) * 1000000 + u.ru_utime.tv_usec -
			 begin.ru_utime.tv_usec <
		 100000);
	CHECK_EQ(sscanf(slurp("/proc/stat"), "cpu  %lu %lu %lu %lu", after, after + 1, after + 2, after + 3),
		 4);
	/* The second is that of who is nice. */
	CHECK(after[0] + after[1] > before[0] + before[1] && after[2] >= before[2] && after[3] >= before[3]);
}

static void test_system(void)
{
	static const char *const present[] = {
		"/proc/sys/kernel/pid_max",
		"/proc/sys/kernel/ngroups_max",
		"/proc/sys/kernel/cap_last_cap",
		"/proc/sys/kernel/core_pattern",
		"/proc/sys/kernel/threads-max",
		"/proc/sys/kernel/random/boot_id",
		"/proc/sys/vm/overcommit_memory",
		"/proc/sys/vm/max_map_count",
		"/proc/sys/vm/mmap_min_addr",
		"/proc/sys/fs/file-max",
		"/proc/sys/fs/nr_open",
		"/proc/sys/fs/pipe-max-size",
		"/proc/sys/fs/inotify/max_user_watches",
		"/proc/sys/fs/inotify/max_user_instances",
		"/proc/sys/net/core/somaxconn",
		"/proc/sys/fs/epoll/max_user_watches",
		"/proc/filesystems",
		"/proc/swaps",
		"/proc/partitions",
		"/proc/devices",
		"/proc/stat",
		"/proc/loadavg",
		"/proc/meminfo",
		"/proc/cpuinfo",
		"/proc/vmstat",
	};
	static const char *const tables[][2] = {
		{"/proc/net/tcp", "  sl  local_address rem_address   st "},
		{"/proc/net/udp", "   sl  local_address rem_address   st "},
		{"/proc/net/unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"},
		{"/proc/net/dev",
		 "Inter-|   Receive                                                |  Transmit\n face |"},
	};
	struct stat st;
	char state;
	int pid;

	for (size_t i = 0; i < sizeof present / sizeof *present; i++)
		CHECK(*slurp(present[i]) || !present[i]);
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		CHECK_EQ(strncmp(slurp(tables[i][0]), tables[i][1], strlen(tables[i][1])), 0);
	CHECK(strstr(slurp("/proc/net/dev"), "\n    lo: "));
	CHECK_EQ(sscanf(slurp("/proc/1/stat"), "%d (%*[^)]) %c", &pid, &state), 2);
	CHECK_EQ(pid, 1);
	CHECK(strstr(slurp("/proc/1/status"), "\nPPid:\t0\n"));
	CHECK(strlen(slurp("/proc/1/comm")) > 1);
	CHECK_OK(stat("/proc/1", &st));
	CHECK_EQ(st.st_uid, 0);
	CHECK_ERRNO(access("/proc/sys/kernel/none", F_OK), ENOENT);
}

int main(void)
{
	test_mem();
	test_io();
	test_fdinfo();
	test_links();
	test_unix();
	test_writing();
	test_mounts();
	test_status();
	test_cpu();
	test_system();
	return check_done();
}
