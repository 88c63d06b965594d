/* SPDX-License-Identifier: Apache-2.0 */
/* posix_spawn, system, popen: vfork-like children that share memory until they exec; their errors come back. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "check.h"

static void spawn_actions(void)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	char buf[64];
	int p[2], status;
	sigset_t none;
	pid_t pid;
	ssize_t n;

	CHECK_OK(pipe2(p, O_CLOEXEC));
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, p[1], 1);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	CHECK_EQ(posix_spawn(&pid, "/bin/echo", &fa, &attr, (char *[]){"echo", "hello", NULL}, environ), 0);
	close(p[1]);
	n = read(p[0], buf, sizeof buf);
	CHECK(n == 6 && !memcmp(buf, "hello\n", 6));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(p[0]);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
}

static void spawn_errors(void)
{
	pid_t pid = -1;

	CHECK_EQ(posix_spawn(&pid, "/nonexistent", NULL, NULL, (char *[]){"x", NULL}, environ), ENOENT);
	CHECK_EQ(posix_spawn(&pid, "/", NULL, NULL, (char *[]){"x", NULL}, environ), EACCES);
	CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
}

static void shells(void)
{
	char line[32] = "";
	FILE *f;

	CHECK_EQ(system("exit 5"), 5 << 8);
	CHECK_EQ(system("kill -9 $$"), 9);
	f = popen("echo 1; echo 2 | cat", "r");
	CHECK(fgets(line, sizeof line, f) && !strcmp(line, "1\n"));
	CHECK(fgets(line, sizeof line, f) && !strcmp(line, "2\n"));
	CHECK_EQ(pclose(f), 0);
}

static void *spawns(void *arg)
{
	for (int i = 0; i < 10; i++) {
		int status = -1;
		pid_t pid;

		CHECK_EQ(posix_spawn(&pid, "/bin/true", NULL, NULL, (char *[]){"true", NULL}, environ), 0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	return arg;
}

/* Only the calling thread waits for the child; the others go on. */
static void spawn_in_threads(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, spawns, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* A vfork child that is killed lets its parent go on. */
static void killed_child(void)
{
	int status;
	pid_t pid = vfork();

	if (!pid) {
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, SIGKILL);
}

int main(void)
{
	spawn_actions();
	spawn_errors();
	shells();
	spawn_in_threads();
	killed_child();
	return check_done();
}
