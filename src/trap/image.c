/* SPDX-License-Identifier: Apache-2.0 */
/* The stub's image as a file to execute, and the way into it. */
#include "trap/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel/channel.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10
#endif
#define MAX_FDS 4
#define HIGH_FD (HUSK_SOCKET_FD + MAX_FDS + 1) /* above all that the image gets */

extern const char stub_image[], stub_image_end[];

int image_open(char *why, size_t size)
{
	size_t length = (size_t)(stub_image_end - stub_image);
	int fd = memfd_create("husk-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("husk-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		int err = -errno;

		if (err == -EACCES)
			snprintf(why, size,
				 "the host forbids memfds that can be executed; see sysctl vm.memfd_noexec");
		else
			snprintf(why, size,
				 "cannot make the stub's memfd (%s); allow memfd_create(2) in the filter "
				 "around husk",
				 strerror(-err));
		return err;
	}
	if (write(fd, stub_image, length) != (ssize_t)length) {
		snprintf(why, size, "cannot write the stub's memfd: there is no memory left");
		close(fd);
		return -ENOSPC;
	}
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return fd;
}

int image_exec(int image, const int *fds, int n, int filler)
{
	static char *const none[] = {NULL};
	struct rlimit no_core = {0, 0};
	int high[MAX_FDS], at = HUSK_SOCKET_FD + n;

	filler = fcntl(filler, F_DUPFD, HIGH_FD);
	image = fcntl(image, F_DUPFD, HIGH_FD);
	for (int i = 0; i < n && i < MAX_FDS; i++)
		if ((high[i] = fcntl(fds[i], F_DUPFD, HIGH_FD)) < 0)
			return -EMFILE;
	if (filler < 0 || image < 0)
		return -EMFILE;
	for (int i = 0; i < n && i < MAX_FDS; i++)
		dup2(high[i], HUSK_SOCKET_FD + i);
	dup2(image, at);
	fcntl(at, F_SETFD, FD_CLOEXEC);
	/* Filled, so that received descriptors get numbers which the stub may close; the filler is anyone's to read. */
	for (int fd = 0; fd < HUSK_SOCKET_FD; fd++)
		dup2(filler, fd);
	syscall(SYS_close_range, at + 1, ~0U, 0);
	setrlimit(RLIMIT_CORE, &no_core);
	syscall(SYS_execveat, at, "", none, none, AT_EMPTY_PATH);
	return -errno;
}
