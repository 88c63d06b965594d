/* SPDX-License-Identifier: Apache-2.0 */
/* Getting files to disk and hints about them: sync, syncfs, fsync, fdatasync, sync_file_range, readahead, fadvise64. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "check.h"

int main(void)
{
	char name[] = "/tmp/fs_sync.XXXXXX";
	int fd = mkstemp(name), dir = open("/tmp", O_RDONLY), path = open("/tmp", O_PATH), p[2], s[2], writer;

	CHECK_OK(fd);
	CHECK_OK(pipe(p));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_EQ(write(fd, "some bytes", 10), 10);
	writer = open(name, O_WRONLY);
	unlink(name);

	CHECK_EQ(syscall(SYS_sync), 0);
	CHECK_OK(syncfs(fd));
	CHECK_OK(syncfs(dir));
	CHECK_OK(syncfs(p[0]));
	CHECK_ERRNO(syncfs(path), EBADF);
	CHECK_ERRNO(syncfs(-1), EBADF);

	CHECK_OK(fsync(fd));
	CHECK_OK(fdatasync(fd));
	CHECK_OK(fdatasync(writer));
	CHECK_OK(fsync(dir));
	CHECK_ERRNO(fdatasync(p[1]), EINVAL);
	CHECK_ERRNO(fsync(p[0]), EINVAL);
	CHECK_ERRNO(fdatasync(s[0]), EINVAL);
	CHECK_ERRNO(fdatasync(path), EBADF);
	CHECK_ERRNO(fdatasync(99), EBADF);

	CHECK_OK(sync_file_range(
		fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
	CHECK_OK(sync_file_range(fd, 4096, 100, 0));
	CHECK_ERRNO(sync_file_range(fd, 0, 0, 8), EINVAL);
	CHECK_ERRNO(sync_file_range(fd, -1, 0, 0), EINVAL);
	CHECK_ERRNO(sync_file_range(fd, 0, -1L, 0), EINVAL);
	CHECK_ERRNO(sync_file_range(fd, 0x7fffffffffffffff, 2, 0), EINVAL);
	CHECK_ERRNO(sync_file_range(p[0], 0, 0, 0), ESPIPE);
	CHECK_ERRNO(sync_file_range(99, 0, 0, 8), EBADF);

	CHECK_OK(readahead(fd, 0, 4096));
	CHECK_OK(readahead(fd, 1 << 20, 4096));
	CHECK_ERRNO(readahead(writer, 0, 4096), EBADF);
	CHECK_ERRNO(readahead(p[0], 0, 4096), EINVAL);
	CHECK_ERRNO(readahead(s[0], 0, 4096), EINVAL);
	CHECK_ERRNO(readahead(99, 0, 4096), EBADF);

	for (int advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE; advice++)
		CHECK_OK(syscall(SYS_fadvise64, fd, 0, 0, advice));
	CHECK_OK(syscall(SYS_fadvise64, writer, 100, 5, POSIX_FADV_DONTNEED));
	CHECK_ERRNO(syscall(SYS_fadvise64, fd, 0, 0, 6), EINVAL);
	CHECK_ERRNO(syscall(SYS_fadvise64, fd, 0, -1L, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_fadvise64, p[0], 0, 0, 6), ESPIPE);
	CHECK_ERRNO(syscall(SYS_fadvise64, path, 0, 0, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_fadvise64, 99, 0, 0, 6), EBADF);
	return check_done();
}
