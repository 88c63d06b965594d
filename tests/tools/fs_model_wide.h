/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random file operations that few programs make: paths below open directories, calls on descriptors alone, copies between
 * files, other users, limits, watches, directories that change while they are read (fs_model.c).
 */
#ifndef FS_MODEL_WIDE_H
#define FS_MODEL_WIDE_H

#include <linux/openat2.h>
#include <setjmp.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "fs_model.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* A path and where it starts: fds[@slot] or dirs[@slot - FDS], or in the current directory when it is -1. */
struct place {
	int fd, slot;
	const char *path;
};

static struct place place(void)
{
	struct place p = {.fd = AT_FDCWD, .slot = -1, .path = path()};
	uint32_t r = rnd(30);

	if (r < 10) {
		p.slot = FDS + (int)(r % DIRS);
		p.fd = dirs[r % DIRS];
	} else if (r == 10) {
		p.slot = (int)rnd(FDS);
		p.fd = fds[p.slot];
	}
	return p;
}

/* A place, or a descriptor itself (AT_EMPTY_PATH) in one of three cases; @flags get the flag, or AT_SYMLINK_NOFOLLOW. */
static struct place place_or_self(int *flags)
{
	struct place p = place();

	*flags = rnd(2) ? AT_SYMLINK_NOFOLLOW : 0;
	if (rnd(3))
		return p;
	p.path = "";
	if (rnd(10))
		*flags |= AT_EMPTY_PATH;
	if (rnd(2)) {
		p.slot = slot();
		p.fd = fds[p.slot];
	}
	return p;
}

#define AT      "%d:%.60s"
#define ARGS(p) (p).slot, (p).path

/* Where others may write, a sticky bit has hosts protect names in their own ways (sysctl fs.protected_*). */
static int some_mode(void)
{
	int mode = rnd(3) ? (int)rnd(01000) | 0600 : (int)rnd(010000);

	return mode & 022 ? mode & ~01000 : mode;
}

static int some_flags(void)
{
	static const int more[] = {O_CREAT,     O_CREAT,    O_EXCL,    O_TRUNC, O_APPEND,
				   O_DIRECTORY, O_NOFOLLOW, O_NOATIME, O_PATH,  O_CLOEXEC};
	int flags = (int)rnd(3) | O_NONBLOCK;

	for (uint32_t i = rnd(4); i; i--)
		flags |= more[rnd(sizeof more / sizeof *more)];
	return flags;
}

static void wide_openat(void)
{
	struct place p = place();
	int flags = some_flags(), s = slot(), mode = rnd(3) ? 0644 : some_mode();
	int fd = openat(p.fd, p.path, flags, mode);

	say(fd < 0 ? -1 : 0, "openat " AT " %#x %o", ARGS(p), flags, mode);
	if (fd >= 0)
		put(s, fd);
}

static void wide_openat2(void)
{
	static const unsigned resolve[] = {RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS,
					   RESOLVE_BENEATH, RESOLVE_BENEATH,       RESOLVE_IN_ROOT,
					   RESOLVE_IN_ROOT};
	struct place p = place();
	struct open_how how = {.flags = (unsigned)some_flags()};
	int s = slot(), fd;

	how.resolve = resolve[rnd(7)];
	if (!rnd(4))
		how.resolve |= resolve[rnd(7)];
	if (how.flags & O_CREAT || !rnd(20))
		how.mode = (unsigned)some_mode();
	fd = (int)syscall(SYS_openat2, p.fd, p.path, &how, sizeof how);
	say(fd < 0 ? -1 : 0, "openat2 " AT " %#llx %#llo %#llx", ARGS(p), how.flags, how.mode, how.resolve);
	if (fd >= 0)
		put(s, fd);
}

static void wide_opendir(void)
{
	struct place p = place();
	int at = (int)rnd(DIRS), flags = O_DIRECTORY | (rnd(2) ? O_PATH : O_RDONLY);
	int fd = openat(p.fd, p.path, flags);

	say(fd < 0 ? -1 : 0, "opendir %d " AT, at, ARGS(p));
	if (fd < 0)
		return;
	if (dirs[at] >= 0)
		close(dirs[at]);
	dirs[at] = fd;
}

static void wide_chdir(void)
{
	char text[4096] = "";
	int at = (int)rnd(DIRS);

	switch (rnd(4)) {
	case 0:
		say(chdir(path()), "chdir");
		break;
	case 1:
		say(fchdir(dirs[at]), "fchdir %d", at);
		break;
	default:
		say(fchdir(base), "fchdir back");
	}
	say(syscall(SYS_getcwd, text, sizeof text), "getcwd %s", text);
}

/* Where /proc says that a descriptor leads. */
static void wide_fdlink(void)
{
	int s = slot();
	char name[64], text[4096];
	ssize_t n;

	sprintf(name, "self/fd/%d", fds[s]);
	n = readlinkat(procfd, name, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	if (strchr(text, '#'))
		strcpy(text, "nameless");
	say(n > 0 ? 0 : -1, "fdlink %d %s", s, text);
}

static void wide_linkat(void)
{
	int flags, s = slot();
	struct place from = place_or_self(&flags), to = place();

	flags &= AT_EMPTY_PATH;
	flags |= rnd(2) ? AT_SYMLINK_FOLLOW : 0;
	say(linkat(from.fd, from.path, to.fd, to.path, flags), "linkat " AT " " AT " %#x", ARGS(from),
	    ARGS(to), flags);
	if (rnd(3) == 0) {
		to = place();
		say(linkat(fds[s], "", to.fd, to.path, AT_EMPTY_PATH), "linkat %d " AT, s, ARGS(to));
	}
}

/* A file without a name that stays open. */
static void wide_tmpfile(void)
{
	struct place p = place();
	int flags = O_TMPFILE | (rnd(4) ? O_RDWR : (int)rnd(4)) | (rnd(6) ? 0 : O_EXCL), s = slot();
	int fd = openat(p.fd, p.path, flags, some_mode());

	say(fd < 0 ? -1 : 0, "tmpfile " AT " %#x", ARGS(p), flags);
	if (fd >= 0)
		put(s, fd);
}

static void wide_unlinkat(void)
{
	struct place p = place();
	int flags = rnd(2) ? AT_REMOVEDIR : rnd(20) ? 0 : 0x1;

	say(unlinkat(p.fd, p.path, flags), "unlinkat " AT " %#x", ARGS(p), flags);
}

static void wide_renameat(void)
{
	struct place from = place(), to = place();
	unsigned flags = rnd(2) ? rnd(8) : 0;

	say(syscall(SYS_renameat2, from.fd, from.path, to.fd, to.path, flags), "renameat " AT " " AT " %u",
	    ARGS(from), ARGS(to), flags);
}

static void wide_makeat(void)
{
	struct place p = place();
	int mode = some_mode();

	switch (rnd(3)) {
	case 0:
		say(mkdirat(p.fd, p.path, (mode_t)mode), "mkdirat " AT " %o", ARGS(p), mode);
		break;
	case 1:
		say(symlinkat(path(), p.fd, p.path), "symlinkat " AT, ARGS(p));
		break;
	default:
		say(mknodat(p.fd, p.path, (rnd(2) ? S_IFREG : S_IFIFO) | (mode_t)mode, 0),
		    "mknodat " AT " %o", ARGS(p), mode);
	}
}

static void wide_readlinkat(void)
{
	struct place p = place();
	char text[256] = "";
	size_t size = rnd(3) ? sizeof text : rnd(4);
	ssize_t n;

	if (!rnd(4))
		p.path = "";
	n = readlinkat(p.fd, p.path, text, size);
	say(n, "readlinkat " AT " %zu %.*s", ARGS(p), size, n > 0 ? (int)n : 0, text);
}

static void wide_chmod(void)
{
	int flags, mode = some_mode(), s = slot();
	struct place p = place_or_self(&flags);

	if (rnd(3))
		say(syscall(SYS_fchmodat2, p.fd, p.path, mode, flags), "fchmodat2 " AT " %o %#x", ARGS(p),
		    mode, flags);
	else
		say(fchmod(fds[s], (mode_t)mode), "fchmod %d %o", s, mode);
}

static void wide_chown(void)
{
	static const uid_t ids[] = {(uid_t)-1, 0, 1000, 1001, 1002};
	int flags, s = slot();
	struct place p = place_or_self(&flags);
	uid_t uid = ids[rnd(5)], gid = ids[rnd(5)];

	if (rnd(3))
		say(fchownat(p.fd, p.path, uid, gid, flags), "fchownat " AT " %d %d %#x", ARGS(p), (int)uid,
		    (int)gid, flags);
	else
		say(fchown(fds[s], uid, gid), "fchown %d %d %d", s, (int)uid, (int)gid);
}

/* A time below a second more, or one of the two that are none. */
static struct timespec some_time(void)
{
	static const long special[] = {UTIME_NOW, UTIME_OMIT, 1000000000, -1};
	struct timespec t = {rnd(1000000), rnd(1000000000)};

	if (!rnd(4))
		t.tv_nsec = special[rnd(rnd(4) ? 2 : 4)];
	return t;
}

static void wide_times(void)
{
	int flags, s = slot();
	struct timespec ts[2];
	struct place p = place_or_self(&flags);
	struct stat st;
	long r;

	ts[0] = some_time();
	ts[1] = some_time();
	if (rnd(3)) {
		r = utimensat(p.fd, p.path, rnd(8) ? ts : NULL, flags);
		say(r, "utimensat " AT " %#x", ARGS(p), flags);
		r = r ? r : fstatat(p.fd, p.path, &st, flags);
	} else {
		r = say(futimens(fds[s], ts), "futimens %d", s);
		r = r ? r : fstat(fds[s], &st);
	}
	for (int i = 0; i < 2 && !r; i++) {
		struct timespec got = i ? st.st_mtim : st.st_atim;

		/* Of reads that processes make by themselves the time is not exact (src/kernel/fs/tmpfs/data.c). */
		if (got.tv_sec < 2000000 && (i || ts[0].tv_nsec == got.tv_nsec))
			say(got.tv_sec, "time %d %ld", i, got.tv_nsec);
	}
}

static void wide_statx(void)
{
	int flags;
	struct place p = place_or_self(&flags);
	struct statx x;
	unsigned mask = rnd(2) ? STATX_BASIC_STATS : rnd(0x1000);

	if (say(statx(p.fd, p.path, flags, mask, &x), "statx " AT " %#x", ARGS(p), flags) == 0)
		say(S_ISDIR(x.stx_mode) ? 0 : (long)x.stx_size, "is %o %u %u %u", x.stx_mode, x.stx_nlink,
		    x.stx_uid, x.stx_gid);
}

static void wide_access(void)
{
	static const int how[] = {
		0, AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EACCESS | AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 0x8000};
	struct place p = place();
	int mode = (int)rnd(rnd(10) ? 8 : 16), flags = how[rnd(6)];

	if (flags == AT_EMPTY_PATH)
		p.path = "";
	say(syscall(SYS_faccessat2, p.fd, p.path, mode, flags), "faccessat2 " AT " %d %#x", ARGS(p), mode,
	    flags);
}

static void wide_xattr(void)
{
	static const char *const names[] = {"user.a",  "user.bb", "user.",    "trusted.c", "user.a",
					    "user.bb", "user.d",  "nothing.", "",          "system.x"};
	const char *p = path(), *name = names[rnd(10)];
	int s = slot(), link = (int)rnd(2);
	size_t size = rnd(8) ? rnd(200) : rnd(70000);
	char *list[32], text[512], *at;
	ssize_t n;

	switch (rnd(8)) {
	case 0:
		n = link ? lsetxattr(p, name, data, size, (int)rnd(4))
			 : setxattr(p, name, data, size, (int)rnd(4));
		say(n, "setxattr %.60s %s %zu", p, name, size);
		break;
	case 1:
		say(fsetxattr(fds[s], name, data, size % 300, 0), "fsetxattr %d %s", s, name);
		break;
	case 2:
		n = link ? lgetxattr(p, name, data, size) : getxattr(p, name, data, size);
		say(n, "getxattr %.60s %s %lx", p, name, n > 0 && size ? hash(1, data, (size_t)n) : 0);
		break;
	case 3:
		n = fgetxattr(fds[s], name, data, size);
		say(n, "fgetxattr %d %s %lx", s, name, n > 0 && size ? hash(1, data, (size_t)n) : 0);
		break;
	case 4:
		say(link ? lremovexattr(p, name) : removexattr(p, name), "removexattr %.60s %s", p, name);
		break;
	case 5:
		say(fremovexattr(fds[s], name), "fremovexattr %d %s", s, name);
		break;
	case 6:
		say(flistxattr(fds[s], text, size % 60), "flistxattr %d", s);
		break;
	default:
		n = link ? llistxattr(p, text, sizeof text) : listxattr(p, text, sizeof text);
		size = 0;
		for (at = text; n > 0 && at < text + n; at += strlen(at) + 1)
			list[size++] = strdup(at);
		qsort(list, size, sizeof *list, by_name);
		say(n, "listxattr %.60s %lx", p, names_hash(list, (int)size));
	}
}

/* Whether nothing but zeroes is in [@from, @to) of @fd; without reading, of which watchers would hear. */
static int is_zero(int fd, off_t from, off_t to)
{
	char *m = mmap(NULL, (size_t)to, PROT_READ, MAP_PRIVATE, fd, 0);
	off_t at = from;

	if (m == MAP_FAILED)
		return to == 0;
	while (at < to && !m[at])
		at++;
	munmap(m, (size_t)to);
	return at >= to;
}

/* Where data and holes are: file systems need not tell of all holes, but what they say is one must be. */
static void wide_holes(void)
{
	int s = slot(), whence = rnd(2) ? SEEK_DATA : SEEK_HOLE;
	off_t at = rnd(20000), got, other, was = lseek(fds[s], 0, SEEK_CUR);
	struct stat st;

	if (fstat(fds[s], &st) || S_ISDIR(st.st_mode) ||
	    (fcntl(fds[s], F_GETFL) & (O_ACCMODE | O_PATH)) == O_WRONLY)
		return;
	/* It is read, however many holes there are. */
	if (pread(fds[s], data, 1, at) < 0)
		return;
	got = lseek(fds[s], at, whence);
	if (got < 0 && errno == ENXIO && at < st.st_size) {
		say(1, "holes %d %ld %d", s, (long)at,
		    whence == SEEK_DATA && is_zero(fds[s], at, st.st_size));
	} else if (got < 0) {
		say(got, "holes %d %ld", s, (long)at);
	} else {
		other = whence == SEEK_DATA ? at : lseek(fds[s], got, SEEK_DATA);
		say(got >= at && got <= st.st_size, "holes %d %ld %d", s, (long)at,
		    whence == SEEK_DATA ? is_zero(fds[s], at, got)
		    : other < 0         ? is_zero(fds[s], got, st.st_size)
					: is_zero(fds[s], got, other));
	}
	lseek(fds[s], was, SEEK_SET);
}

static void wide_seek(void)
{
	int s = slot(), whence = (int)rnd(rnd(10) ? 3 : 7);
	off_t at = rnd(20) ? (off_t)rnd(20000) : (off_t)-1;

	if (whence == SEEK_DATA || whence == SEEK_HOLE || (whence && is_directory(fds[s])))
		whence = SEEK_SET;
	say(lseek(fds[s], at, whence), "seek %d %ld %d", s, (long)at, whence);
}

/* As many bytes and as much of an offset as few programs ask for. */
static void wide_size(void)
{
	static const off_t sizes[] = {-1, INT64_MIN, 0, 4096, 8192, 1 << 20};
	int s = slot(), mode = rnd(2) ? (int)rnd(4) : (int)rnd(0x80);
	off_t at = rnd(2) ? sizes[rnd(6)] : (off_t)rnd(30000), n = rnd(4) ? (off_t)rnd(30000) : sizes[rnd(6)];

	switch (rnd(4)) {
	case 0:
		say(ftruncate(fds[s], at), "ftruncate %d %ld", s, (long)at);
		break;
	case 1:
		say(pwrite(fds[s], data, 5, at), "pwrite %d %ld", s, (long)at);
		break;
	default:
		say(fallocate(fds[s], mode, at, n), "fallocate %d %#x %ld %ld", s, mode, (long)at, (long)n);
	}
}

static void wide_vectors(void)
{
	static const int how[] = {0, 0, 2 /* DSYNC */, 4 /* SYNC */, 0x10 /* APPEND */, 0x10, 0x1000};
	int s = slot(), flags = how[rnd(7)], n = (int)rnd(4);
	struct iovec v[3];
	off_t at = rnd(3) ? (off_t)rnd(20000) : -1;
	ssize_t got;

	for (int i = 0; i < 3; i++)
		v[i] = (struct iovec){data + i * 5000, rnd(5000)};
	if (rnd(2)) {
		fill(data, 15000);
		say(pwritev2(fds[s], v, n, at, flags), "pwritev2 %d %d %ld %#x", s, n, (long)at, flags);
	} else {
		memset(data, 0, 15000);
		got = preadv2(fds[s], v, n, at, flags & ~0x10);
		say(got, "preadv2 %d %d %ld %lx", s, n, (long)at, hash(1, data, 15000));
	}
}

/* Whether both slots are of one file: Linux's pipes hold a file's pages, not what was in them, which shows there. */
static int is_same(int one, int other)
{
	struct stat a, b;

	return !fstat(fds[one], &a) && !fstat(fds[other], &b) && a.st_ino == b.st_ino;
}

static void wide_copy(void)
{
	int from = slot(), to = slot();
	off_t in = rnd(20000), out = rnd(20000);
	size_t n = some_size();
	int own = (int)rnd(2);

	if (rnd(2) || is_same(from, to)) {
		long r = copy_file_range(fds[from], own ? NULL : &in, fds[to], own ? NULL : &out, n,
					 rnd(20) == 0);

		say(r, "copy_file_range %d %d %zu %ld %ld", from, to, n, (long)in, (long)out);
	} else {
		long r = sendfile(fds[to], fds[from], own ? NULL : &in, n);

		say(r, "sendfile %d %d %zu %ld", to, from, n, (long)in);
	}
}

/* From a file into a pipe and on into another. */
static void wide_splice(void)
{
	int from = slot(), to = slot(), p[2];
	off_t in = rnd(20000), out = rnd(20000);
	size_t n = rnd(60000);
	int own = (int)rnd(2);
	long got, put;

	if (is_same(from, to))
		return;

	if (pipe2(p, O_NONBLOCK))
		exit(3);
	/* As often as there is something: how much goes at once hangs on what is in memory. */
	got = splice(fds[from], own ? NULL : &in, p[1], NULL, n, 0);
	while (got > 0 && (size_t)got < n) {
		put = splice(fds[from], own ? NULL : &in, p[1], NULL, n - (size_t)got, 0);
		if (put <= 0)
			break;
		got += put;
	}
	say(got, "splice %d %zu %ld", from, n, (long)in);
	if (got > 0) {
		put = splice(p[0], NULL, fds[to], own ? NULL : &out, n, 0);
		say(put, "splice to %d %ld", to, (long)out);
	}
	close(p[0]);
	close(p[1]);
}

static void wide_dup(void)
{
	int from = slot(), to = slot(), fd = dup(fds[from]);

	say(fd < 0 ? -1 : 0, "dup %d %d", from, to);
	if (fd >= 0)
		put(to, fd);
}

static void wide_fcntl(void)
{
	int s = slot(), flags = O_NONBLOCK | (rnd(2) ? O_APPEND : 0) | (rnd(5) ? 0 : O_NOATIME), ready = -1;

	switch (rnd(4)) {
	case 0:
		say(fcntl(fds[s], F_SETFL, flags), "setfl %d %#x", s, flags);
		break;
	case 1:
		say(fcntl(fds[s], F_GETFL), "getfl %d", s);
		break;
	case 2:
		say(ioctl(fds[s], FIONREAD, &ready), "fionread %d %d", s, ready);
		break;
	default:
		say(rnd(2) ? fsync(fds[s]) : fdatasync(fds[s]), "fsync %d", s);
	}
}

/* A child uses what it has in common with its parent. */
static void wide_fork(void)
{
	int s = slot(), what = (int)rnd(4), status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		long r = what == 0   ? read(fds[s], data, 100)
			 : what == 1 ? write(fds[s], "child", 5)
			 : what == 2 ? lseek(fds[s], 77, SEEK_SET)
				     : fcntl(fds[s], F_SETFL, O_NONBLOCK | O_APPEND);

		umask(0777);
		_exit(chdir("/") ? 9 : r < 0 ? errno : 0);
	}
	waitpid(child, &status, 0);
	say(status >> 8, "fork %d %d", s, what);
	say(lseek(fds[s], 0, SEEK_CUR), "offset %d", s);
}

/* Calls that grow a file, one of them below a limit; nothing is printed meanwhile, which might be limited too. */
static void wide_limit(void)
{
	struct rlimit l = {.rlim_cur = rnd(20000), .rlim_max = RLIM_INFINITY},
		      none = {RLIM_INFINITY, RLIM_INFINITY};
	int s = slot(), what = (int)rnd(5), mode = (int)rnd(2), err;
	off_t at = rnd(20000);
	size_t n = rnd(9000);
	const char *p = path();
	long r;

	if (setrlimit(RLIMIT_FSIZE, &l))
		exit(3);
	r = what == 0   ? truncate(p, at)
	    : what == 1 ? ftruncate(fds[s], at)
	    : what == 2 ? fallocate(fds[s], mode, at, (off_t)n)
	    : what == 3 ? write(fds[s], data, n)
			: pwrite(fds[s], data, n, at);
	err = errno;
	setrlimit(RLIMIT_FSIZE, &none);
	errno = err;
	say(r, "limited %ld %d %d %.60s %ld %zu", (long)l.rlim_cur, what, s, p, (long)at, n);
}

/* Somebody else, for the file systems, where it is root who operates. */
static void wide_user(void)
{
	uid_t uid = rnd(3) ? 0 : 1000 + rnd(2);

	if (getuid())
		return;
	setfsgid(uid);
	setfsuid(uid);
	say(setfsuid((uid_t)-1), "user");
}

static void wide_umask(void)
{
	say(umask(rnd(2) ? 022 : rnd(01000)), "umask");
}

static char *mapping = MAP_FAILED;
static int mapped = -1; /* the file below it */
static sigjmp_buf beyond;

static void on_bus(int sig)
{
	siglongjmp(beyond, sig);
}

/* A mapping that stays while its file changes. */
static void wide_map(void)
{
	int s = slot();

	if (mapping != MAP_FAILED)
		munmap(mapping, 65536);
	mapping = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fds[s], 0);
	say(mapping == MAP_FAILED ? -1 : 0, "map %d", s);
	if (mapped >= 0)
		close(mapped);
	mapped = mapping == MAP_FAILED ? -1 : dup(fds[s]);
}

/* Says what is in the mapping at @at, after writing @n bytes there if @write. */
static void use_mapped(volatile size_t at, volatile size_t n, int write)
{
	if (sigsetjmp(beyond, 1)) {
		say(0, "mapped %zu: SIGBUS", at);
		return;
	}
	if (write)
		memset(mapping + at, (int)at, n);
	say(0, "mapped %zu %zu %lx", at, n, hash(1, mapping + at, n));
}

static void wide_mapped(void)
{
	size_t at = rnd(65536 - 64), n = 64;
	int write = (int)rnd(2), sync = (int)rnd(3);
	struct stat st;

	if (mapping == MAP_FAILED || fstat(mapped, &st))
		return;
	/* What is written behind the end of a file shows as long as the page stays: see nothing of it. */
	if (at < (size_t)st.st_size && at + n > (size_t)st.st_size)
		n = (size_t)st.st_size - at;
	else if (at >= (size_t)st.st_size)
		write = 0;
	use_mapped(at, n, write);
	if (!sync)
		say(msync(mapping, 65536, MS_SYNC), "msync");
}

/* Whether an operation changes the time of a file. */
static void wide_touches(void)
{
	struct timespec old[2] = {{1000, 5}, {1000, 5}};
	struct stat st;
	int s = slot(), what = (int)rnd(8);
	const char *p = path();
	char name[32];
	long r;

	if (futimens(fds[s], old)) {
		say(-1, "touches %d", s);
		return;
	}
	switch (what) {
	case 0:
		r = read(fds[s], data, rnd(2) ? 0 : 10);
		break;
	case 1:
		r = write(fds[s], data, rnd(2) ? 0 : 10);
		break;
	case 2:
		r = fstat(fds[s], &st) ? -1 : ftruncate(fds[s], rnd(2) ? st.st_size : st.st_size + 1);
		break;
	case 3:
		r = fchmod(fds[s], 0644);
		break;
	case 4:
		r = fsetxattr(fds[s], "user.t", "t", 1, 0);
		fremovexattr(fds[s], "user.t");
		break;
	case 5:
		r = fallocate(fds[s], rnd(2) ? 3 : 0, 100, 1000);
		break;
	case 6:
		r = linkat(fds[s], "", AT_FDCWD, p, AT_EMPTY_PATH);
		if (!r)
			unlink(p);
		break;
	default:
		sprintf(name, "new%d", step);
		r = mkdirat(fds[s], name, 0755);
		unlinkat(fds[s], name, AT_REMOVEDIR);
	}
	say(r, "touches %d %d", s, what);
	if (!fstat(fds[s], &st))
		say(st.st_mtim.tv_sec != 1000, "touched");
}

static int watcher = -1;

static void wide_watch(void)
{
	const char *p = path();
	uint32_t mask = rnd(2) ? IN_ALL_EVENTS : rnd(0x1000) | (rnd(2) ? 0 : IN_ONESHOT);

	if (rnd(8) == 0)
		say(inotify_rm_watch(watcher, (int)rnd(20)), "unwatch");
	else if (rnd(8) == 0)
		mask |= rnd(2) ? IN_ONLYDIR : rnd(2) ? IN_EXCL_UNLINK : rnd(2) ? IN_MASK_ADD : IN_DONT_FOLLOW;
	say(inotify_add_watch(watcher, p, mask), "watch %.60s %#x", p, mask);
}

static void wide_events(void)
{
	static char buf[65536] __attribute__((aligned(8)));
	uint32_t cookie = 0;
	ssize_t n;

	while ((n = read(watcher, buf, sizeof buf)) > 0) {
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (struct inotify_event *)p;

			/* Nameless files are told of by their inode numbers. */
			say(e->wd, "event %#x %.60s%s", e->mask,
			    !e->len           ? ""
			    : *e->name == '#' ? "nameless"
					      : e->name,
			    e->cookie && e->cookie == cookie ? " same" : "");
			cookie = e->cookie;
			p += sizeof *e + e->len;
		}
	}
	say(n, "events");
}

/* ---- directories that change while they are read ---- */

#define FEW 24

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	unsigned short d_reclen;
	unsigned char d_type;
	char d_name[];
};

/* Reads the rest of @fd's listing; @seen counts the names x0..., and @changing may change others meanwhile. */
static int read_names(int fd, int *seen, int64_t *offs, int *touched, int changing)
{
	char buf[160] __attribute__((aligned(8))), name[16], other[16];
	int order = 0;
	long n;

	while ((n = syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0) {
		for (char *p = buf; p < buf + n;) {
			struct linux_dirent64 *d = (struct linux_dirent64 *)p;
			int i = d->d_name[0] == 'x' ? atoi(d->d_name + 1) : FEW;

			if (i < FEW) {
				seen[i]++;
				if (offs)
					offs[i] = d->d_off;
			}
			order++;
			p += d->d_reclen;
		}
		if (!changing)
			continue;
		/* Always as many numbers of chance, however the names are ordered. */
		for (int j = 0; j < 2; j++) {
			int i = order * 7 % FEW;

			sprintf(name, "x%d", i);
			sprintf(other, "y%d", i);
			touched[i] = 1;
			if (order % 3 == 0)
				unlinkat(fd, name, 0);
			else if (order % 3 == 1)
				renameat(fd, name, fd, other);
			else
				close(openat(fd, other, O_CREAT | O_WRONLY, 0600));
			order += 5;
		}
	}
	return n < 0 ? -1 : 0;
}

static void wide_dents(void)
{
	int seen[FEW + 1] = {}, again[FEW + 1] = {}, touched[FEW + 1] = {}, wrong = 0, middle;
	int64_t offs[FEW + 1] = {};
	const char *p = path();
	char name[16];
	int in = open(p, O_RDONLY | O_DIRECTORY), fd = -1;

	/* How many changes there are hangs on the order, so nobody else sees them. */
	if (in >= 0 && !mkdirat(in, "dents", 0700))
		fd = openat(in, "dents", O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		say(-1, "dents %.60s", p);
		if (in >= 0)
			close(in);
		return;
	}
	for (int i = 0; i < FEW; i++) {
		sprintf(name, "x%d", i);
		touched[i] = mknodat(fd, name, S_IFREG | 0600, 0) != 0;
		wrong += touched[i];
	}
	say(wrong, "dents %.60s", p);
	wrong = 0;
	read_names(fd, seen, offs, touched, 1);
	for (int i = 0; i < FEW; i++)
		wrong += !touched[i] && seen[i] != 1;
	middle = (int)rnd(FEW);
	if (seen[middle] == 1 && lseek(fd, offs[middle], SEEK_SET) == offs[middle]) {
		read_names(fd, again, NULL, touched, 0);
		for (int i = 0; i < FEW; i++)
			wrong += again[i] > 1;
	}
	lseek(fd, 0, SEEK_SET);
	memset(again, 0, sizeof again);
	read_names(fd, again, NULL, touched, 0);
	for (int i = 0; i < FEW; i++)
		wrong += !touched[i] && again[i] != 1;
	for (int i = 0; i < FEW; i++) {
		sprintf(name, "x%d", i);
		unlinkat(fd, name, 0);
		name[0] = 'y';
		unlinkat(fd, name, 0);
	}
	say(wrong, "dents wrong");
	say(unlinkat(in, "dents", AT_REMOVEDIR), "dents gone");
	close(fd);
	close(in);
}

#endif
