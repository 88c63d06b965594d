/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs with set-user-ID and set-group-ID bits: whose they are, what they may, and when the bits count for nothing.
 *
 * Called with arguments it is such a program: `task_setid UID EUID GID EGID SECURE` checks that it is so, and that what its
 * caller has prepared for it has been taken back where it must be.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "check.h"

#define ME    65534
#define OTHER 1234
#define STACK (16UL << 20) /* a larger one than programs of other ids may have */

static char dir[] = "/tmp/task_setid.XXXXXX";

static void check_prepared(int secure)
{
	struct rlimit stack;
	struct stat st;
	int set_id;

	CHECK_OK(stat("/proc/self/exe", &st));
	set_id = st.st_mode & S_ISUID || (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
	set_id &= !prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	CHECK_EQ(personality(0xffffffff) & ADDR_NO_RANDOMIZE, set_id ? 0 : ADDR_NO_RANDOMIZE);
	CHECK_OK(getrlimit(RLIMIT_STACK, &stack));
	CHECK_EQ(stack.rlim_cur, secure ? STACK / 2 : STACK);
}

static int be_program(char **argv)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	getresuid(&r, &e, &s);
	getresgid(&rg, &eg, &sg);
	CHECK_EQ(r, atoi(argv[1]));
	CHECK_EQ(e, atoi(argv[2]));
	CHECK_EQ(s, e);
	CHECK_EQ(setfsuid(-1), (int)e);
	CHECK_EQ(rg, atoi(argv[3]));
	CHECK_EQ(eg, atoi(argv[4]));
	CHECK_EQ(sg, eg);
	CHECK_EQ(setfsgid(-1), (int)eg);
	CHECK_EQ(getauxval(AT_SECURE), atoi(argv[5]));
	CHECK_EQ(getauxval(AT_EUID), e);
	if ((r == ME && e != r) || strstr(argv[0], "hidden"))
		CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	check_prepared(atoi(argv[5]));
	/* The file is OTHER's and root's alone; access() asks for the real ids. */
	if (r == ME) {
		CHECK_EQ(open("secret", O_RDONLY) >= 0, e == OTHER || e == 0);
		CHECK_EQ(access("secret", R_OK), -1);
		CHECK_EQ(faccessat(AT_FDCWD, "secret", R_OK, AT_EACCESS), e == OTHER || e == 0 ? 0 : -1);
	}
	return check_failed();
}

static void copy_self(const char *name, uid_t owner, gid_t group, mode_t mode)
{
	int in = open("/proc/self/exe", O_RDONLY), out = open(name, O_CREAT | O_WRONLY, 0755);
	struct stat st;

	CHECK_OK(fstat(in, &st));
	CHECK_EQ(sendfile(out, in, NULL, (size_t)st.st_size), st.st_size);
	CHECK_OK(fchown(out, owner, group));
	CHECK_OK(fchmod(out, mode));
	close(in);
	close(out);
}

enum { PLAIN, NO_NEW, TRACED };

static uid_t first = -1; /* who the child is before it executes, where that is another than its parent */

static void run(const char *name, int how, char *r, char *e, char *rg, char *eg, char *secure)
{
	char *argv[] = {(char *)name, r, e, rg, eg, secure, NULL}, *env[] = {NULL};
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (how == NO_NEW)
			CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		if (how == TRACED)
			CHECK_OK(ptrace(PTRACE_TRACEME, 0, 0, 0));
		if (first != (uid_t)-1)
			CHECK_OK(setresuid(first, first, first));
		execve(name, argv, env);
		_exit(99);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (how == TRACED) {
		CHECK(WIFSTOPPED(status));
		CHECK_OK(ptrace(PTRACE_CONT, pid, 0, 0));
		CHECK_EQ(waitpid(pid, &status, 0), pid);
	}
	CHECK_EQ(status, 0);
}

static void as_me(void)
{
	CHECK_OK(setgroups(0, NULL));
	CHECK_OK(setresgid(ME, ME, ME));
	CHECK_OK(setresuid(ME, ME, ME));
	run("./plain", PLAIN, "65534", "65534", "65534", "65534", "0");
	run("./hidden", PLAIN, "65534", "65534", "65534", "65534", "0");
	run("./user", PLAIN, "65534", "1234", "65534", "65534", "1");
	run("./group", PLAIN, "65534", "65534", "65534", "1234", "1");
	run("./both", PLAIN, "65534", "1234", "65534", "1234", "1");
	run("./root", PLAIN, "65534", "0", "65534", "65534", "1");
	run("./locking", PLAIN, "65534", "65534", "65534", "65534", "0"); /* not executable by its group */
	run("./mine", PLAIN, "65534", "65534", "65534", "65534", "0");
	run("./script", PLAIN, "65534", "65534", "65534", "65534", "0");
	run("./both", NO_NEW, "65534", "65534", "65534", "65534", "0");
	run("./both", TRACED, "65534", "65534", "65534", "65534", "1");
}

/* Whose real and effective ids differ already. */
static void between(void)
{
	CHECK_OK(setgroups(0, NULL));
	CHECK_OK(setresuid(ME, OTHER, OTHER));
	run("./plain", PLAIN, "65534", "1234", "0", "0", "1");
	run("./mine", PLAIN, "65534", "65534", "0", "0", "1");
	run("./group", PLAIN, "65534", "1234", "0", "1234", "1");
}

int main(int argc, char **argv)
{
	struct rlimit stack;
	struct statvfs st;
	char text[200];
	int fd;

	if (argc > 7 && !strcmp(argv[1], "program"))
		return be_program(argv + 2);
	if (argc > 5)
		return be_program(argv);
	if (geteuid())
		check_skip("only root makes programs of several owners");
	CHECK(mkdtemp(dir));
	CHECK_OK(statvfs(dir, &st));
	if (st.f_flag & ST_NOSUID || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)) {
		rmdir(dir);
		check_skip("set-id bits count for nothing here");
	}
	CHECK_OK(chmod(dir, 0755));
	CHECK_OK(chdir(dir));
	copy_self("plain", 0, 0, 0755);
	copy_self("hidden", 0, 0, 0711);
	copy_self("user", OTHER, 0, 04755);
	copy_self("group", 0, OTHER, 02755);
	copy_self("both", OTHER, OTHER, 06755);
	copy_self("root", 0, OTHER, 04755);
	copy_self("locking", 0, OTHER, 02745);
	copy_self("mine", ME, ME, 04755);
	fd = open("script", O_CREAT | O_WRONLY, 0755);
	snprintf(text, sizeof text, "#!%s/plain program\n", dir);
	CHECK(write(fd, text, strlen(text)) > 0);
	close(fd);
	fd = open("secret", O_CREAT | O_WRONLY, 0600);
	CHECK_OK(fchown(fd, OTHER, OTHER));
	close(fd);
	CHECK(personality(ADDR_NO_RANDOMIZE) >= 0);
	CHECK_OK(getrlimit(RLIMIT_STACK, &stack));
	stack.rlim_cur = STACK;
	CHECK_OK(setrlimit(RLIMIT_STACK, &stack));
	CHECK_EQ(check_in_child(as_me), 0);
	CHECK_EQ(check_in_child(between), 0);
	run("./both", PLAIN, "0", "1234", "0", "1234", "1");
	/* Who may see all when it is asked to be traced: later ids make no difference. */
	first = ME;
	run("./user", TRACED, "65534", "1234", "0", "0", "1");
	run("./user", PLAIN, "65534", "1234", "0", "0", "1");
	CHECK_OK(chdir("/"));
	snprintf(text, sizeof text, "rm -rf %s", dir);
	return system(text) || check_done();
}
