/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs.protected_symlinks and fs.protected_hardlinks, whatever they are set to: in directories like /tmp nobody follows
 * another's link, and nobody links what he could not write.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <stdint.h>
#include <sys/wait.h>

#include "check.h"

#define ME    65534
#define OTHER 1234

static char dir[] = "/tmp/fs_protected.XXXXXX";

static int setting(const char *name)
{
	char file[100], text[16] = "";
	int fd;

	snprintf(file, sizeof file, "/proc/sys/fs/%s", name);
	fd = open(file, O_RDONLY);
	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof text - 1) > 0);
	close(fd);
	return atoi(text);
}

/* @call fails with @err when the setting is on, else not at all. */
#define CHECK_SET(on, call, err)                \
	do {                                    \
		if (on)                         \
			CHECK_ERRNO(call, err); \
		else                            \
			CHECK_OK(call);         \
	} while (0)

static void link_of(const char *text, const char *name, uid_t owner)
{
	CHECK_OK(symlink(text, name));
	CHECK_OK(lchown(name, owner, owner));
}

static void file_of(const char *name, uid_t owner, mode_t mode)
{
	CHECK_OK(mknod(name, S_IFREG | 0600, 0));
	CHECK_OK(chown(name, owner, owner));
	CHECK_OK(chmod(name, mode));
}

static int open_without_links(const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags, .mode = flags & O_CREAT ? 0600 : 0, .resolve = RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof how);
}

/* In "t", which everybody may write and is sticky, a directory of root's. */
static void follow(int on)
{
	struct stat st;
	char text[10];

	CHECK_OK(open("t/mine", O_RDONLY));
	CHECK_OK(open("t/roots", O_RDONLY)); /* the directory's owner's */
	CHECK_SET(on, open("t/others", O_RDONLY), EACCES);
	CHECK_SET(on, open("t/others", O_RDWR | O_CREAT, 0600), EACCES);
	CHECK_SET(on, stat("t/others", &st), EACCES);
	CHECK_ERRNO(open_without_links("t/others", O_RDONLY), on ? EACCES : ELOOP);
	CHECK_ERRNO(open_without_links("t/others", O_RDWR | O_CREAT), on ? EACCES : ELOOP);
	CHECK_ERRNO(open_without_links("t/mine", O_RDWR | O_CREAT), ELOOP);
	CHECK_SET(on, truncate("t/others", 0), EACCES);
	CHECK_SET(on, stat("to-others", &st), EACCES); /* ends in another's */
	CHECK_SET(on, open("t/others-dir/", O_RDONLY), EACCES);
	CHECK_OK(stat("t/others-dir/file", &st)); /* on the way */
	CHECK_OK(open("t/others-dir/file", O_RDONLY | O_CREAT, 0600));
	CHECK_OK(lstat("t/others", &st));
	CHECK_OK(readlink("t/others", text, sizeof text));
	CHECK_OK(open("t/others", O_PATH | O_NOFOLLOW));
	CHECK_OK(stat("plain/others", &st));  /* not sticky */
	CHECK_OK(stat("closed/others", &st)); /* sticky, not everybody's */
	CHECK_OK(open("closed/others", O_RDONLY | O_CREAT, 0600));
}

static void hard(int on)
{
	CHECK_OK(link("mine", "t/h1"));
	CHECK_OK(link("open", "t/h2")); /* may be read and written */
	CHECK_SET(on, link("readable", "t/h3"), EPERM);
	CHECK_SET(on, link("hidden", "t/h4"), EPERM);
	CHECK_SET(on, link("setuid", "t/h5"), EPERM);
	CHECK_SET(on, link("setgid", "t/h6"), EPERM);
	CHECK_SET(on, link("fifo", "t/h7"), EPERM);
	CHECK_SET(on, link("t/others", "t/h8"), EPERM);
	CHECK_OK(link("t/mine", "t/h9"));
	CHECK_ERRNO(link("hidden", "t/mine"), EEXIST);
	CHECK_ERRNO(link("plain", "t/h10"), EPERM); /* a directory */
}

static void make_tree(void)
{
	CHECK_OK(mkdir("t", 0755));
	CHECK_OK(chmod("t", 01777));
	CHECK_OK(mkdir("plain", 0755));
	CHECK_OK(chmod("plain", 0777));
	CHECK_OK(mkdir("closed", 01755));
	file_of("file", ME, 0666);
	CHECK_OK(link("file", "plain/file"));
	link_of("../file", "t/mine", ME);
	link_of("../file", "t/roots", 0);
	link_of("../file", "t/others", OTHER);
	link_of("../plain", "t/others-dir", OTHER);
	link_of("../file", "plain/others", OTHER);
	link_of("../file", "closed/others", OTHER);
	CHECK_OK(symlink("t/others", "to-others"));
	file_of("mine", ME, 0600);
	file_of("open", OTHER, 0666);
	file_of("readable", OTHER, 0644);
	file_of("hidden", OTHER, 0600);
	file_of("setuid", OTHER, 04666);
	file_of("setgid", OTHER, 02676);
	CHECK_OK(mkfifo("fifo", 0600));
	CHECK_OK(chown("fifo", OTHER, OTHER));
	CHECK_OK(chmod("fifo", 0666));
}

int main(void)
{
	int symlinks = setting("protected_symlinks"), hardlinks = setting("protected_hardlinks"), status;
	char command[100];

	if (geteuid())
		check_skip("only root has files of several owners");
	umask(0);
	CHECK(mkdtemp(dir));
	CHECK_OK(chmod(dir, 0777));
	CHECK_OK(chdir(dir));
	make_tree();
	if (!fork()) {
		CHECK_OK(setresgid(ME, ME, ME));
		CHECK_OK(setresuid(ME, ME, ME));
		follow(symlinks);
		hard(hardlinks);
		_exit(check_failed());
	}
	CHECK(wait(&status) > 0);
	CHECK_EQ(status, 0);
	/* root is nobody's exception: EACCES for symlinks; hard links he may make */
	CHECK_SET(symlinks, open("t/others", O_RDONLY), EACCES);
	CHECK_OK(open("t/roots", O_RDONLY));
	CHECK_OK(link("hidden", "t/h11"));
	CHECK_OK(chdir("/"));
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) || check_done();
}
