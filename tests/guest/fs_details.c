/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small print of files that random operations have found (tests/tools/fs_model.c): which events go to whom, what a write
 * takes from a mode, where offsets are after a write that failed, in which order openat2() and rename() refuse.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "check.h"

#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT 4
#endif

static char dir[] = "/dev/shm/husk-detailsXXXXXX";
static int in;
static void *volatile nowhere = (void *)8;

/* What has been heard: the watch, the event, the name. */
static const char *heard(void)
{
	static char text[1000];
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n;
	int len = 0;

	text[0] = 0;
	while ((n = read(in, buf, sizeof buf)) > 0)
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (struct inotify_event *)p;

			len += sprintf(text + len, "%s%d:%x%s%s", len ? " " : "", e->wd, e->mask,
				       e->len ? ":" : "", e->len ? e->name : "");
			p += sizeof *e + e->len;
		}
	return text;
}

static void listen_anew(void)
{
	close(in);
	in = inotify_init1(IN_NONBLOCK);
}

/* The traffic through a FIFO is its own watchers' alone; a change of its times is its directory's, too. */
static void test_fifo_events(void)
{
	const struct timespec when[2] = {{0, UTIME_OMIT}, {5, 5}};
	struct stat before, st;
	char c;
	int fd;

	listen_anew();
	CHECK_OK(mkfifo("d/p", 0644));
	inotify_add_watch(in, "d", IN_ALL_EVENTS);
	inotify_add_watch(in, "d/p", IN_ALL_EVENTS);
	fd = open("d/p", O_RDWR | O_NONBLOCK);
	CHECK_STR(heard(), "1:20:p 2:20");
	CHECK_OK(futimens(fd, when));
	CHECK_STR(heard(), "1:2:p 2:2");
	CHECK_OK(fstat(fd, &before));
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_STR(heard(), "2:2");
	CHECK_OK(fstat(fd, &st));
	CHECK(before.st_mtim.tv_sec == 5 && st.st_mtim.tv_sec > 5);
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_STR(heard(), "2:1");
	close(fd);
	CHECK_OK(unlink("d/p"));
}

/* An empty vector is read with a word, by whatever it was empty; an empty read without. */
static void test_vector_events(void)
{
	struct iovec one = {&(char){0}, 1}, none = {NULL, 0};
	int fd = open("d/f", O_RDWR | O_CREAT, 0644), d = open("d", O_RDONLY | O_DIRECTORY);
	char c;

	listen_anew();
	inotify_add_watch(in, "d/f", IN_ALL_EVENTS);
	CHECK_EQ(read(fd, &c, 1), 0);
	CHECK_STR(heard(), "");
	CHECK_EQ(readv(fd, &one, 1), 0);
	CHECK_STR(heard(), "1:1");
	CHECK_EQ(preadv(fd, &none, 1, 0), 0);
	CHECK_STR(heard(), "1:1");
	CHECK_EQ(writev(fd, &none, 1), 0);
	CHECK_STR(heard(), "");
	inotify_add_watch(in, "d", IN_ALL_EVENTS);
	CHECK_EQ(readv(d, &none, 1), 0);
	CHECK_STR(heard(), "2:40000001");
	close(fd);
	close(d);
	CHECK_OK(unlink("d/f"));
}

/* IN_EXCL_UNLINK keeps away what open files do that have no name any more, not what changes their attributes. */
static void test_unlinked_events(void)
{
	int fd = open("d/g", O_RDWR | O_CREAT, 0644);

	listen_anew();
	inotify_add_watch(in, "d", IN_ALL_EVENTS | IN_EXCL_UNLINK);
	inotify_add_watch(in, "d/g", IN_ALL_EVENTS | IN_EXCL_UNLINK);
	CHECK_OK(unlink("d/g"));
	CHECK_STR(heard(), "2:4 1:200:g");
	CHECK_EQ(write(fd, "abc", 3), 3);
	CHECK_STR(heard(), "");
	CHECK_OK(fchmod(fd, 0600));
	CHECK_STR(heard(), "1:4:g 2:4");
	CHECK_OK(ftruncate(fd, 1));
	CHECK_STR(heard(), "1:2:g 2:2");
	close(fd);
	heard();
}

/* What a change of the content takes from the mode, and what is heard of that. */
static void test_lost_privileges(void)
{
	static const int modes[][2] = {{07777, 01777}, {02765, 00765}, {06711, 00711}};
	int fd = open("s", O_RDWR | O_CREAT, 0644);
	struct stat st;
	loff_t from, to;

	if (geteuid()) {
		close(fd);
		return;
	}
	CHECK_OK(fchown(fd, 1000, 1001));
	listen_anew();
	inotify_add_watch(in, "s", IN_ALL_EVENTS);
	for (int i = 0; i < 24; i++) {
		const int *mode = modes[i / 8];

		setfsuid(0);
		CHECK_OK(ftruncate(fd, 100));
		CHECK_OK(fchmod(fd, (mode_t)mode[0]));
		heard();
		setfsuid(i == 7 || i == 15 || i == 23 ? 0 : 1000);
		from = 0;
		to = 50;
		switch (i % 8) {
		case 0:
			CHECK_EQ(write(fd, "x", 1), 1);
			CHECK_STR(heard(), "1:4 1:2");
			break;
		case 1:
			CHECK_ERRNO(pwrite(fd, nowhere, 1, 0), EFAULT);
			CHECK_STR(heard(), "1:4");
			break;
		case 2:
			CHECK_OK(ftruncate(fd, 10));
			CHECK_STR(heard(), "1:6");
			break;
		case 3:
			setfsuid(0);
			CHECK_OK(fchown(fd, 1000, 1001));
			CHECK_STR(heard(), "1:4");
			CHECK_OK(fchmod(fd, (mode_t)mode[1]));
			break;
		case 4:
			CHECK_OK(fallocate(fd, 0, 0, 10));
			CHECK_STR(heard(), "1:4 1:2");
			break;
		case 5:
			CHECK_EQ(copy_file_range(fd, &from, fd, &to, 5, 0), 5);
			CHECK_STR(heard(), "1:4 1:1 1:2");
			break;
		case 6:
			CHECK_EQ(sendfile(fd, fd, &from, 5), 5);
			CHECK_STR(heard(), "1:4 1:1 1:2");
			break;
		default:
			/* root keeps them, whatever writes. */
			CHECK_EQ(sendfile(fd, fd, &from, 5), 5);
			CHECK_STR(heard(), "1:1 1:2");
			CHECK_OK(fstat(fd, &st));
			CHECK_EQ(st.st_mode & 07777, mode[0]);
			CHECK_OK(fchmod(fd, (mode_t)mode[1]));
		}
		CHECK_OK(fstat(fd, &st));
		CHECK_EQ(st.st_mode & 07777, mode[1]);
	}
	setfsuid(0);
	/* Nothing to take away, nothing to be refused, nothing to tell. */
	CHECK_OK(fchown(fd, 0, 0));
	CHECK_OK(fchmod(fd, 02660));
	heard();
	setfsuid(1000);
	CHECK_OK(fchown(fd, (uid_t)-1, (gid_t)-1));
	CHECK_STR(heard(), "");
	setfsuid(0);
	close(fd);
}

/* A write that fails, or is of nothing, leaves the offset where it was, with O_APPEND too. */
static void test_append_offset(void)
{
	struct rlimit small = {10, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
	int fd = open("a", O_RDWR | O_CREAT | O_APPEND, 0644);

	signal(SIGXFSZ, SIG_IGN);
	CHECK_EQ(write(fd, "0123456789012345", 16), 16);
	CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
	CHECK_EQ(write(fd, "", 0), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &small));
	CHECK_ERRNO(write(fd, "x", 1), EFBIG);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
	/* What is kept beyond the end is limited as the rest. */
	CHECK_ERRNO(fallocate(fd, 1 /* FALLOC_FL_KEEP_SIZE */, 20, 10), EFBIG);
	CHECK_OK(fallocate(fd, 3 /* a hole */, 20, 10));
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &none));
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 17);
	close(fd);
}

static int open2(const char *path, unsigned flags, unsigned resolve)
{
	struct open_how how = {.flags = flags, .resolve = resolve};

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static void test_resolve(void)
{
	char text[100];

	snprintf(text, sizeof text, "%s/d", dir);
	CHECK_OK(symlink(text, "abs"));
	CHECK_OK(symlink("/proc", "proc"));
	CHECK_ERRNO(open2("..", O_RDWR | O_CREAT, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2("../", O_CREAT | O_EXCL, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2("d/..", O_CREAT | O_EXCL, RESOLVE_BENEATH), EEXIST);
	CHECK_ERRNO(open2("proc", O_RDWR | O_CREAT, RESOLVE_NO_XDEV), EXDEV);
	CHECK_ERRNO(open2("d/../proc", O_RDWR | O_CREAT, RESOLVE_NO_XDEV), EXDEV);
	CHECK_ERRNO(open2("abs", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
	/* With the tree as root: its own root is no other device, once the walk has met it. */
	if (!geteuid() && fork() == 0) {
		CHECK_OK(chroot("."));
		CHECK_OK(unlink("abs"));
		CHECK_OK(symlink("/d", "abs"));
		CHECK_ERRNO(open2("abs", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
		CHECK_OK(open2("d/../abs", O_RDONLY, RESOLVE_NO_XDEV));
		CHECK_OK(open2("/abs", O_RDONLY, RESOLVE_NO_XDEV));
		_exit(check_failed());
	}
	if (!geteuid()) {
		int status;

		wait(&status);
		CHECK_EQ(status, 0);
	}
	CHECK_OK(unlink("abs"));
	CHECK_OK(unlink("proc"));
}

/* A removed directory has no names, whatever is wrong with them besides. */
static void test_removed_directory(void)
{
	char longest[300];
	struct stat st;
	int fd;

	memset(longest, 'l', sizeof longest);
	longest[299] = 0;
	CHECK_OK(mkdir("r", 0555));
	fd = open("r", O_RDONLY | O_DIRECTORY);
	CHECK_OK(rmdir("r"));
	CHECK_ERRNO(fstatat(fd, longest, &st, 0), ENOENT);
	CHECK_ERRNO(openat(fd, longest, O_CREAT | O_RDWR, 0600), ENOENT);
	CHECK_ERRNO(renameat(AT_FDCWD, "d", fd, longest), ENOENT);
	CHECK_ERRNO(renameat(fd, longest, AT_FDCWD, "x"), ENOENT);
	CHECK_ERRNO(fstatat(AT_FDCWD, longest, &st, 0), ENAMETOOLONG);
	close(fd);
}

/* What takes a name's place at RENAME_WHITEOUT belongs to the directory's group as all that is made there. */
static void test_whiteout_group(void)
{
	struct stat st;

	if (geteuid())
		return;
	CHECK_OK(mkdir("w", 0755));
	CHECK_OK(chown("w", 0, 1001));
	CHECK_OK(chmod("w", 02755));
	close(open("w/a", O_CREAT | O_RDWR, 0600));
	CHECK_OK(syscall(SYS_renameat2, AT_FDCWD, "w/a", AT_FDCWD, "w/b", RENAME_WHITEOUT));
	CHECK_OK(lstat("w/a", &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_gid, 1001);
	CHECK_OK(unlink("w/a"));
	CHECK_OK(unlink("w/b"));
	CHECK_OK(rmdir("w"));
}

/* Of listings, too, the first after a change is noted, and none by who leaves no trace. */
static void test_listing_time(void)
{
	const struct timespec old[2] = {{1000, 0}, {1000, 0}};
	char buf[1000];
	struct stat st;
	int fd = open("d", O_RDONLY | O_DIRECTORY | O_NOATIME);

	CHECK_OK(futimens(fd, old));
	CHECK(syscall(SYS_getdents64, fd, buf, sizeof buf) > 0);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_atim.tv_sec, 1000);
	close(fd);
	fd = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(syscall(SYS_getdents64, fd, buf, sizeof buf) > 0);
	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_atim.tv_sec > 1000);
	close(fd);
}

int main(void)
{
	umask(022);
	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	CHECK_OK(mkdir("d", 0755));
	test_fifo_events();
	test_vector_events();
	test_unlinked_events();
	test_lost_privileges();
	test_append_offset();
	test_resolve();
	test_removed_directory();
	test_whiteout_group();
	test_listing_time();
	unlink("s");
	unlink("a");
	CHECK_OK(rmdir("d"));
	CHECK_OK(rmdir(dir));
	return check_done();
}
