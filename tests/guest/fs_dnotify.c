/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl(F_NOTIFY): signals for what happens in a directory, once or for good. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "check.h"

static volatile sig_atomic_t count;
static siginfo_t last;

static void note(int sig, siginfo_t *info, void *context)
{
	count++;
	last = *info;
}

/* Signals since the last call. */
static int signals(void)
{
	int n = count;

	count = 0;
	return n;
}

static void put(const char *name)
{
	int fd = open(name, O_CREAT | O_WRONLY, 0644);

	CHECK(fd >= 0);
	close(fd);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	char dir[] = "/dev/shm/husk-dnotifyXXXXXX", text[64];
	int d, file, other;

	CHECK_OK(sigaction(SIGIO, &sa, NULL));
	CHECK_OK(sigaction(SIGRTMIN, &sa, NULL));
	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	d = open(".", O_RDONLY);
	put("f");
	file = open("f", O_RDWR);
	if (fcntl(d, F_NOTIFY, 0) && errno == EINVAL) {
		unlink("f");
		rmdir(dir);
		check_skip("no directory notification by signals");
	}
	CHECK_ERRNO(fcntl(file, F_NOTIFY, DN_CREATE), ENOTDIR);
	CHECK_OK(fcntl(file, F_NOTIFY, 0));
	/* once */
	CHECK_OK(fcntl(d, F_NOTIFY, DN_CREATE));
	CHECK_EQ(fcntl(d, F_GETOWN), getpid());
	put("f");
	CHECK_EQ(signals(), 0);
	put("a");
	CHECK_EQ(signals(), 1);
	CHECK_EQ(last.si_signo, SIGIO);
	put("b");
	CHECK_EQ(signals(), 0);
	/* for good, with details */
	CHECK_OK(fcntl(d, F_SETSIG, SIGRTMIN));
	CHECK_OK(fcntl(d, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MODIFY | DN_MULTISHOT));
	put("c");
	CHECK_EQ(signals(), 1);
	CHECK_EQ(last.si_signo, SIGRTMIN);
	CHECK_EQ(last.si_code, POLL_MSG);
	CHECK_EQ(last.si_fd, d);
	CHECK_EQ(last.si_band, POLLIN | POLLRDNORM | POLLMSG);
	CHECK_OK(unlink("c"));
	CHECK_EQ(signals(), 1);
	CHECK_EQ(write(file, "x", 1), 1);
	CHECK_EQ(signals(), 1);
	CHECK_OK(fchmod(file, 0600));
	CHECK_EQ(signals(), 0);
	CHECK_OK(fcntl(d, F_NOTIFY, DN_ATTRIB | DN_MULTISHOT)); /* added */
	CHECK_OK(fchmod(file, 0644));
	CHECK_EQ(signals(), 1);
	CHECK_EQ(write(file, "x", 1), 1);
	CHECK_EQ(signals(), 1);
	CHECK_OK(fcntl(d, F_NOTIFY, 0));
	CHECK_EQ(write(file, "x", 1), 1);
	CHECK_EQ(signals(), 0);
	/* closing a descriptor of it ends it */
	CHECK_OK(fcntl(d, F_NOTIFY, DN_MODIFY | DN_MULTISHOT));
	other = dup(d);
	CHECK_EQ(write(file, "x", 1), 1);
	CHECK_EQ(signals(), 1);
	close(other);
	CHECK_EQ(write(file, "x", 1), 1);
	CHECK_EQ(signals(), 0);
	close(d);
	close(file);
	CHECK_OK(chdir("/"));
	snprintf(text, sizeof text, "rm -rf %s", dir);
	return system(text) || check_done();
}
