/* SPDX-License-Identifier: Apache-2.0 */
/* Shows ETXTBSY: what is open for writing is not executed, what is executed is not opened for writing or truncated. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char program[] = "/tmp/husk-txtbsy-program", script[] = "/tmp/husk-txtbsy-script";

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_CREAT | O_TRUNC | O_WRONLY, 0755);
	char buf[65536];
	ssize_t n;

	while ((n = read(in, buf, sizeof buf)) > 0)
		CHECK_EQ(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

/* A child that sleeps in @path, which closes the descriptor that it inherits when it has been executed. */
static pid_t start(const char *path)
{
	int p[2];
	char c;
	pid_t pid;

	CHECK_OK(pipe2(p, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		execl(path, path, "100", NULL);
		_exit(errno);
	}
	close(p[1]);
	CHECK_EQ(read(p[0], &c, 1), 0);
	close(p[0]);
	return pid;
}

static int exec_errno(const char *path)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execl(path, path, "0", NULL);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
	int fd, status;
	pid_t pid;

	copy("/bin/sleep", program);
	fd = open(program, O_WRONLY);
	CHECK_EQ(exec_errno(program), ETXTBSY);
	close(fd);
	fd = open(program, O_RDONLY);
	CHECK_EQ(exec_errno(program), 0);
	close(fd);

	pid = start(program);
	CHECK_ERRNO(open(program, O_WRONLY), ETXTBSY);
	CHECK_ERRNO(open(program, O_RDWR), ETXTBSY);
	CHECK_ERRNO(open(program, O_RDONLY | O_TRUNC), ETXTBSY);
	CHECK_ERRNO(truncate(program, 0), ETXTBSY);
	CHECK_OK(chmod(program, 0700));
	CHECK_EQ(exec_errno(program), 0);
	fd = open(program, O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	/* Another file under its name is none of the running one's business. */
	CHECK_OK(unlink(program));
	copy("/bin/sleep", program);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	fd = open(program, O_RDWR);
	CHECK(fd >= 0);
	close(fd);

	/* A script is text: it runs while it is changed, but not from a descriptor that writes. */
	fd = open(script, O_CREAT | O_TRUNC | O_WRONLY, 0755);
	CHECK_EQ(write(fd, "#!/bin/sh\nexit 0\n", 17), 17);
	CHECK_EQ(exec_errno(script), ETXTBSY);
	close(fd);
	CHECK_EQ(exec_errno(script), 0);
	unlink(script);
	unlink(program);
	return check_done();
}
