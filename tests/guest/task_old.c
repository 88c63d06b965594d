/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on processes that the C library replaces by newer ones or has no function for: fork, getrlimit, setrlimit,
 * set_robust_list, get_robust_list, execveat; and sethostname, setdomainname.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "check.h"

#define BAD ((void *)8)

static void forking(void)
{
	int pid, status;

	pid = syscall(SYS_fork);
	if (!pid)
		_exit(syscall(SYS_getppid) == syscall(SYS_getpid) ? 1 : 42);
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 42);
}

static void limits(void)
{
	struct rlimit l, m;

	CHECK_OK(syscall(SYS_getrlimit, RLIMIT_CORE, &l));
	l.rlim_cur = 0;
	CHECK_OK(syscall(SYS_setrlimit, RLIMIT_CORE, &l));
	CHECK_OK(syscall(SYS_getrlimit, RLIMIT_CORE, &m));
	CHECK(m.rlim_cur == 0 && m.rlim_max == l.rlim_max);
	CHECK_ERRNO(syscall(SYS_getrlimit, 99, BAD), EINVAL);
	CHECK_ERRNO(syscall(SYS_getrlimit, RLIMIT_CORE, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_setrlimit, 99, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_setrlimit, 99, &l), EINVAL);
	l.rlim_cur = 2;
	l.rlim_max = 1;
	CHECK_ERRNO(syscall(SYS_setrlimit, RLIMIT_CORE, &l), EINVAL);
}

static void robust_lists(void)
{
	struct {
		void *next;
		long offset;
		void *pending;
	} head = {&head, 0, NULL}, *got = NULL, *mine;
	size_t size = 0;
	int pid, status;

	CHECK_OK(syscall(SYS_get_robust_list, 0, &mine, &size));
	CHECK_EQ(size, sizeof head);
	CHECK_OK(syscall(SYS_set_robust_list, &head, sizeof head));
	CHECK_OK(syscall(SYS_get_robust_list, 0, &got, &size));
	CHECK(got == (void *)&head);
	CHECK_OK(syscall(SYS_get_robust_list, syscall(SYS_gettid), &got, &size));
	CHECK(got == (void *)&head);
	pid = syscall(SYS_fork);
	if (!pid) {
		/* A child begins without one. */
		CHECK_OK(syscall(SYS_get_robust_list, 0, &got, &size));
		CHECK(got == NULL);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_OK(syscall(SYS_set_robust_list, mine, sizeof head));
	CHECK_ERRNO(syscall(SYS_set_robust_list, BAD, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 4999999, BAD, &size), ESRCH);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0, BAD, &size), EFAULT);
	CHECK_ERRNO(syscall(SYS_get_robust_list, 0, &got, BAD), EFAULT);
}

static int run_at(int dirfd, const char *path, char *const argv[], int flags)
{
	int pid = syscall(SYS_fork), status;

	if (!pid) {
		syscall(SYS_execveat, dirfd, path, argv, (char *const[]){"A=b", NULL}, flags);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void executing(void)
{
	char *const argv[] = {"sh", "-c", "test \"$A\" = b && exit 17", NULL};
	char *const *volatile const bad = BAD;
	int dir = open("/bin", O_PATH | O_DIRECTORY), fd = open("/bin/sh", O_PATH);

	CHECK_EQ(run_at(dir, "sh", argv, 0), 17);
	CHECK_EQ(run_at(99, "/bin/sh", argv, 0), 17);
	CHECK_EQ(run_at(fd, "", argv, AT_EMPTY_PATH), 17);
	CHECK_EQ(run_at(fd, "", argv, 0), ENOENT);
	CHECK_EQ(run_at(dir, "none-such", argv, 0), ENOENT);
	CHECK_EQ(run_at(99, "sh", argv, 0), EBADF);
	CHECK_EQ(run_at(fd, "sh", argv, 0), ENOTDIR);
	CHECK_EQ(run_at(dir, "sh", argv, 0x8000), EINVAL);
	CHECK_EQ(run_at(AT_FDCWD, "/", argv, 0), EACCES);
	CHECK_EQ(run_at(dir, BAD, argv, 0), EFAULT);
	CHECK_EQ(run_at(dir, "sh", bad, 0), EFAULT);
}

static bool has_cap(int cap)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];

	CHECK_OK(syscall(SYS_capget, &h, d));
	return d[cap / 32].effective >> cap % 32 & 1;
}

/* Only to what they are already: natively they are the machine's. */
static void names(void)
{
	struct utsname u, v;
	const char *domain;

	CHECK_OK(uname(&u));
	domain = !strcmp(u.domainname, "(none)") ? NULL : u.domainname;
	if (!has_cap(CAP_SYS_ADMIN)) {
		CHECK_ERRNO(sethostname(u.nodename, strlen(u.nodename)), EPERM);
		CHECK_ERRNO(syscall(SYS_sethostname, BAD, -1), EPERM);
		CHECK_ERRNO(syscall(SYS_setdomainname, BAD, -1), EPERM);
		return;
	}
	CHECK_ERRNO(syscall(SYS_sethostname, u.nodename, -1), EINVAL);
	CHECK_ERRNO(syscall(SYS_sethostname, u.nodename, 65), EINVAL);
	CHECK_ERRNO(syscall(SYS_sethostname, BAD, 1), EFAULT);
	CHECK_ERRNO(syscall(SYS_setdomainname, u.domainname, 65), EINVAL);
	CHECK_ERRNO(syscall(SYS_setdomainname, BAD, 1), EFAULT);
	CHECK_OK(sethostname(u.nodename, strlen(u.nodename)));
	CHECK_OK(domain ? setdomainname(domain, strlen(domain)) : setdomainname("(none)", 6));
	CHECK_OK(uname(&v));
	CHECK_STR(u.nodename, v.nodename);
	CHECK_STR(u.domainname, v.domainname);
}

int main(void)
{
	forking();
	limits();
	robust_lists();
	executing();
	names();
	return check_done();
}
