/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever changes a file's content or owner takes its set-id bits away, unless a privileged user changes content. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

static int fd;

/* A file of @mode with some bytes, open in fd. */
static void fresh(mode_t mode)
{
	close(fd);
	unlink("f");
	fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0700);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	CHECK_OK(fchmod(fd, mode));
}

static mode_t mode(void)
{
	struct stat st;

	CHECK_OK(fstat(fd, &st));
	return st.st_mode & 07777;
}

/* @kept: the user may keep them. */
static void contents(int kept)
{
	mode_t suid = kept ? 04744 : 0744, both = kept ? 06715 : 0715;
	char *map;

	fresh(04744);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(mode(), suid);
	fresh(04744);
	CHECK_OK(ftruncate(fd, 5));
	CHECK_EQ(mode(), suid);
	fresh(04744);
	CHECK_OK(truncate("f", 5));
	CHECK_EQ(mode(), suid);
	fresh(04744);
	CHECK_OK(fallocate(fd, 0, 0, 9000));
	CHECK_EQ(mode(), suid);
	fresh(04744);
	CHECK_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 5));
	CHECK_EQ(mode(), suid);
	fresh(04744);
	close(open("f", O_WRONLY | O_TRUNC));
	CHECK_EQ(mode(), suid);
	fresh(06715);
	CHECK_OK(ftruncate(fd, 1));
	CHECK_EQ(mode(), both);
	fresh(04744);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	map[0] = 'y';
	munmap(map, 4096);
	/* A change of owner, for everybody; one that changes nothing too. */
	fresh(06755);
	CHECK_OK(fchown(fd, -1, -1));
	CHECK_EQ(mode(), 0755);
	fresh(06755);
	CHECK_OK(chown("f", getuid(), getgid()));
	CHECK_EQ(mode(), 0755);
}

int main(void)
{
	char dir[] = "/tmp/fs_privileges.XXXXXX";
	int status;

	CHECK(mkdtemp(dir) && !chdir(dir) && !chmod(dir, 0777));
	umask(0);
	fd = -1;
	if (!getuid()) {
		contents(1);
		unlink("f");
		if (!fork()) {
			if (setgid(65534) || setuid(65534))
				_exit(1);
			contents(0);
			_exit(check_failed());
		}
		CHECK(wait(&status) > 0 && status == 0);
	} else {
		contents(0);
	}
	unlink("f");
	CHECK_OK(chdir("/"));
	CHECK_OK(rmdir(dir));
	return check_done();
}
