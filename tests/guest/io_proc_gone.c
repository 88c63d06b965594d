/* SPDX-License-Identifier: Apache-2.0 */
/* What is held open in /proc/PID of a process that is a zombie, and then gone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static const char *const dirs[] = {".", "fd", "fdinfo", "task", "ns"};
static const char *const texts[] = {"stat", "status", "maps", "cmdline", "comm", "limits", "coredump_filter"};
enum { DIRS = sizeof dirs / sizeof *dirs, TEXTS = sizeof texts / sizeof *texts };
static int dir[DIRS], text[TEXTS], link_fd;
static char base[32], buf[65536];

static int try_openat(int fd, const char *name)
{
	int got = openat(fd, name, O_RDONLY);

	if (got >= 0)
		close(got);
	return got < 0 ? -1 : 0;
}

static void hold(pid_t pid)
{
	char path[64];

	snprintf(base, sizeof base, "/proc/%d", pid);
	for (int i = 0; i < DIRS; i++) {
		snprintf(path, sizeof path, "%s/%s", base, dirs[i]);
		dir[i] = open(path, O_RDONLY | O_DIRECTORY);
		CHECK(dir[i] >= 0);
	}
	for (int i = 0; i < TEXTS; i++) {
		text[i] = openat(dir[0], texts[i], O_RDONLY);
		CHECK(text[i] >= 0);
	}
	link_fd = openat(dir[0], "exe", O_PATH | O_NOFOLLOW);
}

static void zombie(void)
{
	struct stat st;

	CHECK(pread(text[0], buf, sizeof buf, 0) > 0);
	CHECK(strstr(buf, ") Z "));
	CHECK_EQ(pread(text[2], buf, sizeof buf, 0), 0); /* maps */
	CHECK_EQ(pread(text[3], buf, sizeof buf, 0), 0); /* cmdline */
	CHECK_OK(try_openat(dir[0], "stat"));
	CHECK_ERRNO(try_openat(dir[0], "mounts"), EINVAL);
	CHECK_ERRNO(try_openat(dir[0], "mountinfo"), EINVAL);
	CHECK_ERRNO(try_openat(dir[0], "smaps_rollup"), ESRCH);
	CHECK_ERRNO(readlinkat(dir[0], "exe", buf, sizeof buf), ENOENT);
	CHECK_ERRNO(readlinkat(dir[0], "cwd", buf, sizeof buf), ENOENT);
	CHECK_ERRNO(fstatat(dir[1], "0", &st, AT_SYMLINK_NOFOLLOW), ENOENT);
	CHECK_OK(fchdir(dir[3]));
	CHECK_OK(chdir("/"));
}

/* Only what tells nothing of the process is still there. */
static void gone(void)
{
	char path[64];
	struct stat st;

	CHECK_ERRNO(stat(base, &st), ENOENT);
	CHECK_OK(fstat(dir[0], &st));
	CHECK_ERRNO(try_openat(dir[0], "stat"), ESRCH);
	CHECK_ERRNO(try_openat(dir[0], "nothing"), ESRCH);
	CHECK_ERRNO(try_openat(dir[0], "."), ESRCH);
	CHECK_ERRNO(try_openat(dir[0], ".."), ESRCH);
	CHECK_ERRNO(faccessat(dir[0], "comm", R_OK, 0), ESRCH);
	CHECK_ERRNO(readlinkat(dir[0], "exe", buf, sizeof buf), ESRCH);
	CHECK_ERRNO(readlinkat(link_fd, "", buf, sizeof buf), ENOENT);
	CHECK_ERRNO(fchdir(dir[0]), ESRCH);
	CHECK_ERRNO(fchdir(dir[2]), ESRCH);
	CHECK_ERRNO(fchdir(dir[3]), ESRCH);
	CHECK_ERRNO(try_openat(dir[1], "0"), ENOENT);
	CHECK_ERRNO(try_openat(dir[4], "uts"), ENOENT);
	for (int i = 0; i < DIRS; i++) {
		CHECK_OK(lseek(dir[i], 0, SEEK_SET));
		CHECK_ERRNO(syscall(SYS_getdents64, dir[i], buf, sizeof buf), ENOENT);
	}
	for (int i = 0; i < TEXTS; i++)
		CHECK_ERRNO(pread(text[i], buf, sizeof buf, 0), ESRCH);
	snprintf(path, sizeof path, "/proc/self/fd/%d", dir[0]);
	memset(buf, 0, sizeof path);
	CHECK(readlink(path, buf, sizeof path - 1) > 0);
	snprintf(path, sizeof path, "%s (deleted)", base);
	CHECK_STR(buf, path);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, dir[0], 0, NULL, 0), ESRCH);
}

int main(void)
{
	siginfo_t info;
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	hold(pid);
	kill(pid, SIGKILL);
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	zombie();
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	gone();
	return check_done();
}
