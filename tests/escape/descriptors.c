/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub's descriptors: closed, replaced by one another, stolen from by a second thread, never received.
 * The process may die; husk must not wait for it.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

/* Calls that send descriptors to the stub and use its doorbell. */
static void use_all(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		int fd = open("/etc/passwd", O_RDONLY);
		void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		pid_t pid;

		if (p != MAP_FAILED)
			munmap(p, 4096);
		close(fd);
		usleep(1000);
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static int close_all(void *arg)
{
	uint64_t site = *(uint64_t *)arg;

	for (uint64_t fd = 0; fd < 40; fd++)
		STUB_CALL(site, SYS_close, fd);
	use_all(3);
	return NOTHING;
}

static int replace(void *arg)
{
	uint64_t site = *(uint64_t *)arg;

	for (uint64_t fd = 0; fd < 12; fd++) {
		STUB_CALL(site, SYS_dup2, fd, HUSK_SOCKET_FD);
		STUB_CALL(site, SYS_dup2, fd, HUSK_DOORBELL_FD);
	}
	use_all(3);
	return NOTHING;
}

/* The doorbell's counter at its limit: the next ring would block. */
static int deafen(void *arg)
{
	uint64_t site = *(uint64_t *)arg, most = -2UL;

	for (int i = 0; i < 3; i++)
		STUB_CALL(site, SYS_write, HUSK_DOORBELL_FD, (uint64_t)&most, 8);
	use_all(5);
	return NOTHING;
}

static void *thief(void *arg)
{
	uint64_t site = *(uint64_t *)arg;
	static char byte[64], control[4096];
	struct iovec iov = {byte, sizeof(byte)};

	for (;;) {
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control,
				     .msg_controllen = sizeof(control)};

		STUB_CALL(site, SYS_recvmsg, HUSK_SOCKET_FD, (uint64_t)&msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	}
	return NULL;
}

static int steal(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, thief, arg);
	use_all(30);
	return NOTHING;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	for (int s = 0; s < nsites; s++) {
		attempt("descriptors closed", close_all, &sites[s], 1500);
		attempt("descriptors replaced", replace, &sites[s], 1500);
		attempt("the doorbell full", deafen, &sites[s], 1500);
		attempt("descriptors stolen", steal, &sites[s], 1500);
	}
	return verdict("the stub's descriptors");
}
