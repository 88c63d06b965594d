/* SPDX-License-Identifier: Apache-2.0 */
/* /proc as programs read it: links, fd, formats of stat, status, maps, cmdline; threads; other processes;
 * system files. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "check.h"

static char text[65536];

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t size = 0;
	ssize_t n;

	text[0] = 0;
	if (fd < 0)
		return text;
	while ((n = read(fd, text + size, sizeof text - 1 - size)) > 0)
		size += n;
	text[size] = 0;
	close(fd);
	return text;
}

static char *link_of(const char *path)
{
	ssize_t n = readlink(path, text, sizeof text - 1);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;
	struct dirent *e;

	if (!d)
		return -1;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void test_links(const char *argv0)
{
	char pid[32], cwd[4096], exe[4096], path[64];
	int fd = open("/dev/null", O_WRONLY | O_APPEND), n;
	struct stat a, b;

	snprintf(pid, sizeof pid, "%d", getpid());
	CHECK_STR(link_of("/proc/self"), pid);
	snprintf(path, sizeof path, "%d/task/%ld", getpid(), syscall(SYS_gettid));
	CHECK_STR(link_of("/proc/thread-self"), path);
	CHECK(getcwd(cwd, sizeof cwd));
	CHECK_STR(link_of("/proc/self/cwd"), cwd);
	CHECK_STR(link_of("/proc/self/root"), "/");
	CHECK(realpath(argv0, exe));
	CHECK_STR(link_of("/proc/self/exe"), exe);
	CHECK_OK(stat("/proc/self/exe", &a));
	CHECK_OK(stat(exe, &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_OK(stat("/proc/self/cwd/.", &a));
	CHECK(S_ISDIR(a.st_mode));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	CHECK_STR(link_of(path), "/dev/null");
	CHECK_OK(lstat(path, &a));
	CHECK_EQ(a.st_mode, S_IFLNK | 0300);
	n = entries("/proc/self/fd");
	close(fd);
	CHECK_EQ(entries("/proc/self/fd"), n - 1);
	CHECK_ERRNO(readlink(path, text, 10), ENOENT);
	fd = open("/dev/null", O_WRONLY | O_APPEND);
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	CHECK(strstr(slurp(path), "pos:\t0\nflags:\t0102001\n") || strstr(text, "flags:\t02001\n"));
	close(fd);
}

static void test_stat(void)
{
	char comm[32], state, *p;
	int pid, ppid, pgrp, session;
	long threads = 0, start = 0;
	unsigned long vsize = 0;

	prctl(PR_SET_NAME, "a) (b");
	slurp("/proc/self/stat");
	CHECK_EQ(sscanf(text, "%d (%31[^)]", &pid, comm), 2);
	CHECK_EQ(pid, getpid());
	p = strrchr(text, ')');
	CHECK(p && !strncmp(p - 5, "a) (b)", 6));
	CHECK_EQ(sscanf(p + 2, "%c %d %d %d", &state, &ppid, &pgrp, &session), 4);
	CHECK_EQ(state, 'R');
	CHECK_EQ(ppid, getppid());
	CHECK_EQ(pgrp, getpgrp());
	CHECK_EQ(session, getsid(0));
	CHECK_EQ(sscanf(p + 2,
			"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %ld %lu",
			&threads, &start, &vsize),
		 3);
	CHECK_EQ(threads, 1);
	CHECK(vsize > 4096);
	pid = 0;
	for (p = text; *p; p++)
		pid += *p == ' ';
	CHECK_EQ(pid, 51 + 1); /* 52 fields and the space in the name */
	CHECK_STR(slurp("/proc/self/comm"), "a) (b\n");
	pid = open("/proc/self/comm", O_WRONLY);
	CHECK_EQ(write(pid, "renamed", 7), 7);
	close(pid);
	CHECK_STR(slurp("/proc/self/comm"), "renamed\n");
	CHECK_OK(prctl(PR_GET_NAME, comm));
	CHECK_STR(comm, "renamed");
}

static void test_status(void)
{
	char line[64];

	slurp("/proc/self/status");
	CHECK(strstr(text, "Name:\trenamed\n"));
	CHECK(strstr(text, "State:\tR (running)\n"));
	snprintf(line, sizeof line, "\nPid:\t%d\nPPid:\t%d\n", getpid(), getppid());
	CHECK(strstr(text, line));
	snprintf(line, sizeof line, "\nUid:\t%d\t%d\t", getuid(), geteuid());
	CHECK(strstr(text, line));
	CHECK(strstr(text, "\nVmSize:\t") && strstr(text, "\nThreads:\t1\n") &&
	      strstr(text, "\nSigBlk:\t0000000000000000\n"));
	CHECK(strstr(text, "\nCpus_allowed_list:\t"));
}

static void test_memory(int argc, char **argv)
{
	char line[64];
	size_t at = 0;

	slurp("/proc/self/maps");
	CHECK(strstr(text, "[stack]") && strstr(text, "[vdso]") && strstr(text, " r-xp "));
	snprintf(line, sizeof line, "%s", strrchr(argv[0], '/') ? strrchr(argv[0], '/') : argv[0]);
	CHECK(strstr(text, line));
	slurp("/proc/self/cmdline");
	for (int i = 0; i < argc; i++) {
		CHECK_STR(text + at, argv[i]);
		at += strlen(argv[i]) + 1;
	}
	setenv("HUSK_LATER", "1", 1); /* not in what the kernel shows */
	slurp("/proc/self/environ");
	CHECK(!strstr(text, "HUSK_LATER"));
	CHECK_EQ(sscanf(slurp("/proc/self/statm"), "%zu", &at), 1);
	CHECK(at > 0);
	CHECK(strstr(slurp("/proc/self/limits"), "Max open files"));
	CHECK(strstr(slurp("/proc/self/mounts"), " / "));
	CHECK(strstr(slurp("/proc/self/mountinfo"), " - "));
}

/* The environment is read where it lies, at any offset. */
static void test_environ(void)
{
	int fd = open("/proc/self/environ", O_RDONLY);
	char part[8];
	ssize_t size = read(fd, text, sizeof text);

	CHECK(size > 8);
	CHECK_EQ(read(fd, part, 1), 0);
	CHECK_EQ(pread(fd, part, 4, 3), 4);
	CHECK(!memcmp(part, text + 3, 4));
	CHECK_EQ(pread(fd, part, 8, size - 2), 2);
	CHECK_EQ(pread(fd, part, 8, size), 0);
	CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
	CHECK_EQ(lseek(fd, 1, SEEK_CUR), 3);
	CHECK_EQ(read(fd, part, 4), 4);
	CHECK(!memcmp(part, text + 3, 4));
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	close(fd);
}

static void *thread(void *arg)
{
	int *tid = arg;

	*tid = syscall(SYS_gettid);
	CHECK_EQ(entries("/proc/self/task"), 2);
	snprintf(text, 64, "/proc/self/task/%d/comm", *tid);
	CHECK(strlen(slurp(text)) > 0);
	return NULL;
}

static void test_others(void)
{
	char path[64], line[64];
	int p[2], status, tid;
	pthread_t th;
	pid_t pid;
	char c;

	CHECK_OK(pipe(p));
	pid = fork();
	if (!pid) {
		close(p[1]);
		read(p[0], &c, 1);
		_exit(0);
	}
	close(p[0]);
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	snprintf(line, sizeof line, "\nPPid:\t%d\n", getpid());
	CHECK(strstr(slurp(path), line));
	snprintf(path, sizeof path, "/proc/%d", pid);
	CHECK_EQ(access(path, F_OK), 0);
	close(p[1]);
	CHECK_OK(waitid(P_PID, pid, NULL, WEXITED | WNOWAIT));
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	CHECK(strstr(slurp(path), ") Z "));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_ERRNO(access(path, F_OK), ENOENT);
	CHECK_EQ(pthread_create(&th, NULL, thread, &tid), 0);
	pthread_join(th, NULL);
}

static void test_system(void)
{
	struct utsname u;
	char line[128];
	double up;

	CHECK_OK(uname(&u));
	snprintf(line, sizeof line, "%s\n", u.release);
	CHECK_STR(slurp("/proc/sys/kernel/osrelease"), line);
	snprintf(line, sizeof line, "%s\n", u.nodename);
	CHECK_STR(slurp("/proc/sys/kernel/hostname"), line);
	CHECK_STR(slurp("/proc/sys/kernel/ostype"), "Linux\n");
	CHECK(strstr(slurp("/proc/cpuinfo"), "processor\t: 0"));
	CHECK(strstr(slurp("/proc/meminfo"), "MemTotal:"));
	CHECK_EQ(sscanf(slurp("/proc/uptime"), "%lf", &up), 1);
	CHECK(strstr(slurp("/proc/stat"), "\nbtime "));
	CHECK(strstr(slurp("/proc/version"), "Linux version "));
	CHECK(strstr(slurp("/proc/filesystems"), "\tproc\n"));
	CHECK_EQ(strlen(slurp("/proc/sys/kernel/random/boot_id")), 37);
	snprintf(line, sizeof line, "%s", slurp("/proc/sys/kernel/random/uuid"));
	CHECK(strcmp(line, slurp("/proc/sys/kernel/random/uuid")));
	CHECK_STR(link_of("/proc/mounts"), "self/mounts");
	CHECK_ERRNO(open("/proc/nothing", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("/proc/0", O_RDONLY), ENOENT);
	CHECK(open("/proc/new", O_WRONLY | O_CREAT, 0600) < 0);
}

int main(int argc, char **argv)
{
	test_links(argv[0]);
	test_stat();
	test_status();
	test_memory(argc, argv);
	test_environ();
	test_others();
	test_system();
	return check_done();
}
