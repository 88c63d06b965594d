/* SPDX-License-Identifier: Apache-2.0 */
/* Group numbers: setregid, setresgid, getresgid, setfsgid, by a privileged and by an ordinary process. */
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define BAD ((void *)8)

static void is(gid_t real, gid_t effective, gid_t saved)
{
	gid_t r, e, s;

	CHECK_OK(getresgid(&r, &e, &s));
	CHECK_EQ(r, real);
	CHECK_EQ(e, effective);
	CHECK_EQ(s, saved);
	CHECK_EQ(getgid(), real);
	CHECK_EQ(getegid(), effective);
}

/* What root may do, and no longer may when it has become somebody else. */
static void privileged(void)
{
	if (syscall(SYS_setresgid, 1001, 1002, 1003) < 0) {
		CHECK_EQ(errno, EPERM); /* root without the capability */
		return;
	}
	is(1001, 1002, 1003);
	CHECK_OK(syscall(SYS_setregid, 1004, -1));
	is(1004, 1002, 1002); /* a new real group makes the effective one the saved one */
	CHECK_OK(syscall(SYS_setregid, -1, 1005));
	is(1004, 1005, 1005);
	CHECK_OK(syscall(SYS_setregid, -1, 1004));
	is(1004, 1004, 1005); /* the effective one becomes the real one: the saved one stays */
	CHECK_OK(syscall(SYS_setresgid, 1001, 1002, 1003));
	CHECK_EQ(setfsgid(2000), 1002);
	CHECK_EQ(setfsgid(-1), 2000);
	CHECK_OK(syscall(SYS_setresgid, -1, 1002, -1));
	CHECK_EQ(setfsgid(-1), 1002); /* follows the effective one */

	CHECK_OK(syscall(SYS_setresuid, 500, 500, 500));
	CHECK_EQ(setfsgid(2000), 1002);
	CHECK_EQ(setfsgid(1001), 1002);
	CHECK_EQ(setfsgid(1003), 1001);
	CHECK_EQ(setfsgid(1002), 1003);
	CHECK_ERRNO(syscall(SYS_setregid, 1003, -1), EPERM); /* the saved one is not for the real one */
	CHECK_ERRNO(syscall(SYS_setregid, -1, 2000), EPERM);
	CHECK_OK(syscall(SYS_setregid, -1, 1003));
	is(1001, 1003, 1003);
	CHECK_OK(syscall(SYS_setregid, 1003, 1001));
	is(1003, 1001, 1001);
	CHECK_ERRNO(syscall(SYS_setresgid, 2000, -1, -1), EPERM);
	CHECK_ERRNO(syscall(SYS_setresgid, -1, -1, 2000), EPERM);
	CHECK_OK(syscall(SYS_setresgid, 1001, 1003, 1003));
	is(1001, 1003, 1003);
	CHECK_ERRNO(syscall(SYS_setgid, 2000), EPERM);
	CHECK_OK(syscall(SYS_setgid, 1001));
	is(1001, 1001, 1003);
}

static void ordinary(void)
{
	gid_t r, e, s;

	CHECK_OK(syscall(SYS_setregid, -1, -1));
	CHECK_OK(syscall(SYS_setresgid, -1, -1, -1));
	CHECK_OK(syscall(SYS_setregid, getgid(), getegid()));
	CHECK_EQ(setfsgid(-1), (int)getegid());
	CHECK_EQ(setfsgid(getegid()), (int)getegid());
	CHECK_OK(syscall(SYS_getresgid, &r, &e, &s));
	CHECK_ERRNO(syscall(SYS_getresgid, BAD, &e, &s), EFAULT);
	CHECK_ERRNO(syscall(SYS_getresgid, &r, &e, BAD), EFAULT);
	if (geteuid()) {
		CHECK_ERRNO(syscall(SYS_setregid, getgid() + 1, -1), EPERM);
		CHECK_ERRNO(syscall(SYS_setregid, -1, getgid() + 1), EPERM);
		CHECK_ERRNO(syscall(SYS_setresgid, -1, -1, getgid() + 1), EPERM);
		CHECK_EQ(setfsgid(getgid() + 1), (int)getegid());
		CHECK_EQ(setfsgid(-1), (int)getegid());
	}
}

int main(void)
{
	int status;

	ordinary();
	if (!fork()) {
		if (!geteuid())
			privileged();
		_exit(check_failed());
	}
	wait(&status);
	CHECK_EQ(status, 0);
	return check_done();
}
