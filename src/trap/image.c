/* SPDX-License-Identifier: Apache-2.0 */
/* The stub's image as a file to execute, and the way into it. */
#include "trap/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel/channel.h"
#include "host/file.h"
#include "trap/advice.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10
#endif
#define MAX_FDS 4
#define HIGH_FD (HUSK_SOCKET_FD + MAX_FDS + 1) /* above all that the image gets */

extern const char stub_image[], stub_image_end[];

/* Writes the image to @fd: 0 or -errno. */
static int write_image(int fd)
{
	size_t length = (size_t)(stub_image_end - stub_image);

	ssize_t n = write(fd, stub_image, length);

	if (n == (ssize_t)length)
		return 0;
	return n < 0 ? -errno : -ENOSPC;
}

/* A file without a name in @dir: the descriptor, for reading alone, or -errno. Who may open it for writing may do
 * worse to husk itself. */
static int open_in(const char *dir)
{
	struct statvfs st;
	char path[HOST_FD_PATH];
	int fd, again, err;

	if (statvfs(dir, &st) || st.f_flag & ST_NOEXEC)
		return -EACCES;
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0500);
	if (fd < 0)
		return -errno;
	err = write_image(fd);
	host_fd_path((struct hostfd){fd}, path);
	again = err ? err : open(path, O_RDONLY | O_CLOEXEC);
	if (!err && again < 0)
		again = -errno;
	/* A file that is open for writing cannot be executed. */
	close(fd);
	return again;
}

/* For hosts that forbid executing memfds (sysctl vm.memfd_noexec 2). -EACCES where there is no place for it. */
static int open_on_disk(void)
{
	static const char *const dirs[] = {"/var/tmp", "/tmp", "/dev/shm", "."};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		int fd = open_in(dirs[i]);

		if (fd >= 0)
			return fd;
	}
	return -EACCES;
}

int image_open(void)
{
	int fd = memfd_create("husk-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC), err;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("husk-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		err = -errno;
		fd = open_on_disk();
		return fd < 0 ? err : fd;
	}
	err = write_image(fd);
	if (err) {
		close(fd);
		return err;
	}
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return fd;
}

int image_take(const struct trap_config *config, char *why, size_t size)
{
	int fd = config->image.fd >= 0 ? fcntl(config->image.fd, F_DUPFD_CLOEXEC, 3) : image_open();

	if (fd >= 0)
		return fd;
	if (fd == -1)
		fd = -errno;
	if (fd == -EACCES)
		snprintf(why, size,
			 "the host forbids memfds that can be executed, and there is no other place for the "
			 "stub; see sysctl vm.memfd_noexec");
	else
		snprintf(why, size, "cannot make the stub's memfd (%s); %s", strerror(-fd), advice_for(fd));
	return fd;
}

/* A host call without libc, whose errno is the parent's too while the child shares its memory: the result or -errno. */
static long raw(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return r;
}

int image_exec(int image, const int *fds, int n, int filler)
{
	static char *const none[] = {NULL};
	struct rlimit no_core = {0, 0};
	int high[MAX_FDS], at = HUSK_SOCKET_FD + n;
	long err;
	char path[HOST_FD_PATH];

	filler = (int)raw(SYS_fcntl, filler, F_DUPFD, HIGH_FD, 0, 0);
	image = (int)raw(SYS_fcntl, image, F_DUPFD, HIGH_FD, 0, 0);
	for (int i = 0; i < n && i < MAX_FDS; i++)
		if ((high[i] = (int)raw(SYS_fcntl, fds[i], F_DUPFD, HIGH_FD, 0, 0)) < 0)
			return -EMFILE;
	if (filler < 0 || image < 0)
		return -EMFILE;
	for (int i = 0; i < n && i < MAX_FDS; i++)
		raw(SYS_dup2, high[i], HUSK_SOCKET_FD + i, 0, 0, 0);
	raw(SYS_dup2, image, at, 0, 0, 0);
	raw(SYS_fcntl, at, F_SETFD, FD_CLOEXEC, 0, 0);
	/* Filled, so that received descriptors get numbers which the stub may close; the filler is anyone's to read. */
	for (int fd = 0; fd < HUSK_SOCKET_FD; fd++)
		raw(SYS_dup2, filler, fd, 0, 0, 0);
	raw(SYS_close_range, at + 1, ~0U, 0, 0, 0);
	raw(SYS_prlimit64, 0, RLIMIT_CORE, (long)&no_core, 0, 0);
	err = raw(SYS_execveat, at, (long)"", (long)none, (long)none, AT_EMPTY_PATH);
	/* Where that call is refused, the name that /proc gives the descriptor will do. */
	host_fd_path((struct hostfd){at}, path);
	raw(SYS_execve, (long)path, (long)none, (long)none, 0, 0);
	return (int)err;
}
