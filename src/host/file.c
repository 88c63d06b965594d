/* SPDX-License-Identifier: Apache-2.0 */
/* Host calls on files. */
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x8U
#endif

/* What open() and its like have returned, as this room returns it. */
static int opened(int fd, struct hostfd *out)
{
	if (fd < 0)
		return -errno;
	out->fd = fd;
	return 0;
}

int host_open_name(struct hostfd dir, const char *name, struct hostfd *out)
{
	return opened(openat(dir.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), out);
}

int host_open_reading(struct hostfd dir, const char *name, struct hostfd *out)
{
	return opened(openat(dir.fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), out);
}

int host_open_listing(struct hostfd dir, const char *name, struct hostfd *out)
{
	return opened(openat(dir.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), out);
}

void host_fd_path(struct hostfd fd, char path[HOST_FD_PATH])
{
	snprintf(path, HOST_FD_PATH, "/proc/self/fd/%d", fd.fd);
}

static int reopen(struct hostfd fd, int flags, struct hostfd *out)
{
	char path[HOST_FD_PATH];

	host_fd_path(fd, path);
	return opened(open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), out);
}

int host_reopen(struct hostfd fd, int flags, struct hostfd *out)
{
	return reopen(fd, (flags & ~O_ACCMODE) | O_RDONLY, out);
}

int host_open_dir(struct hostfd fd, struct hostfd *out)
{
	int n = openat(fd.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* One that may be read, not searched. */
	if (n < 0 && errno == EACCES)
		return host_reopen(fd, O_DIRECTORY, out);
	return opened(n, out);
}

int host_reopen_writable(struct hostfd fd, int access, struct hostfd *out)
{
	return reopen(fd, access, out);
}

void host_close(struct hostfd *fd)
{
	if (fd->fd >= 0)
		close(fd->fd);
	fd->fd = -1;
}

int host_memfd(const char *name, struct hostfd *out)
{
	/* No host executes one, and some forbid others than such (sysctl vm.memfd_noexec). Older hosts know none. */
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return opened(fd, out);
}

int host_cachestat(struct hostfd fd, u64 offset, u64 size, struct host_cache *out)
{
	u64 range[2] = {offset, size};

	return syscall(SYS_cachestat, fd.fd, range, out, 0) ? -errno : 0;
}
