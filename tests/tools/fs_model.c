/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random file operations from a seed, each with its result: what a tree must do is what the host's tmpfs does.
 *
 *	fs_model prepare DIR SEED [UID]		makes a tree of files, directories, links
 *	fs_model run DIR SEED COUNT [UID]	COUNT operations below DIR, a line each, then the whole tree
 *
 * The same seed gives the same operations wherever it runs, so two outputs are compared line by line. Everything that a
 * program can see is printed but what file systems are free to choose: inode numbers, sizes of directories, blocks,
 * the order of listings, times that are "now". DIR is the root meanwhile; UID operates, if it is given.
 *
 *	MODEL_WITHOUT	operations to leave out, by name, each between commas
 *	MODEL_EACH	each line is written at once
 */
#include "fs_model.h"
#include "fs_model_wide.h"

/* ---- operations ---- */

static void op_open(void)
{
	static const int how[] = {O_RDONLY,
				  O_WRONLY,
				  O_RDWR,
				  O_RDWR | O_CREAT,
				  O_WRONLY | O_CREAT | O_EXCL,
				  O_RDWR | O_CREAT | O_TRUNC,
				  O_WRONLY | O_APPEND,
				  O_WRONLY | O_TRUNC,
				  O_PATH,
				  O_RDWR | O_NOFOLLOW,
				  O_RDONLY | O_DIRECTORY,
				  O_RDWR | O_CREAT | O_NOFOLLOW};
	const char *p = path();
	int flags = how[rnd(sizeof how / sizeof *how)], s = slot();
	int fd = open(p, flags | O_NONBLOCK, 0600 | rnd(0200));

	say(fd < 0 ? -1 : 0, "open %.60s %#x", p, flags);
	if (fd < 0)
		return;
	put(s, fd);
}

static void op_tmpfile(void)
{
	const char *p = path(), *to = path();
	char link[64];
	int fd = open(p, O_TMPFILE | O_RDWR, 0644);

	say(fd < 0 ? -1 : 0, "tmpfile %.60s", p);
	if (fd < 0)
		return;
	fill(data, 100);
	say(write(fd, data, 100), "write");
	sprintf(link, "self/fd/%d", fd);
	say(linkat(procfd, link, AT_FDCWD, to, AT_SYMLINK_FOLLOW), "linkat %.60s", to);
	close(fd);
}

static void op_write(void)
{
	int s = slot();
	size_t n = some_size();
	off_t at = rnd(30) ? rnd(10000) : rnd(2000000);

	fill(data, n);
	if (rnd(2))
		say(pwrite(fds[s], data, n, at), "pwrite %d %zu %ld", s, n, (long)at);
	else
		say(write(fds[s], data, n), "write %d %zu", s, n);
}

static void op_read(void)
{
	int s = slot();
	size_t n = some_size();
	off_t at = rnd(10000);
	ssize_t got = rnd(2) ? pread(fds[s], data, n, at) : read(fds[s], data, n);

	say(got, "read %d %zu %ld %lx", s, n, (long)at, got > 0 ? hash(1, data, (size_t)got) : 0);
}

static void op_seek(void)
{
	int s = slot(), whence = (int)rnd(3);
	off_t at = rnd(8000);

	if (whence == SEEK_END && is_directory(fds[s]))
		whence = SEEK_CUR;
	say(lseek(fds[s], whence ? at - 4000 : at, whence), "lseek %d %ld %d", s, (long)at, whence);
}

static void op_ftruncate(void)
{
	int s = slot();
	off_t n = rnd(12000);

	say(ftruncate(fds[s], n), "ftruncate %d %ld", s, (long)n);
}

static void op_truncate(void)
{
	const char *p = path();
	off_t n = rnd(3) ? rnd(12000) : 0;

	say(truncate(p, n), "truncate %.60s %ld", p, (long)n);
}

static void op_fallocate(void)
{
	static const int modes[] = {0, 1 /* KEEP_SIZE */, 3 /* KEEP_SIZE | PUNCH_HOLE */};
	int s = slot(), mode = modes[rnd(3)];
	off_t at = rnd(9000), n = rnd(9000);

	say(fallocate(fds[s], mode, at, n), "fallocate %d %d %ld %ld", s, mode, (long)at, (long)n);
}

static void op_close(void)
{
	int s = slot();

	say(close(fds[s]), "close %d", s);
	fds[s] = -1;
}

static void say_stat(int r, const char *what, const struct stat *st)
{
	if (r)
		say(r, "%s", what);
	else
		say(0, "%s %o %ld %u %u %ld", what, st->st_mode, (long)st->st_nlink, st->st_uid, st->st_gid,
		    S_ISDIR(st->st_mode) ? 0L : (long)st->st_size);
}

static void op_stat(void)
{
	const char *p = path();
	struct stat st, other;
	int r = rnd(2) ? stat(p, &st) : lstat(p, &st), s = slot();

	say_stat(r, p, &st);
	if (!r && !fstat(fds[s], &other))
		say(st.st_ino == other.st_ino && st.st_dev == other.st_dev, "same %d", s);
	else
		say_stat(fstat(fds[s], &st), "fstat", &st);
}

static void op_unlink(void)
{
	const char *p = path();

	say(unlink(p), "unlink %.60s", p);
}

static void op_mkdir(void)
{
	const char *p = path();

	say(mkdir(p, rnd(8) ? 0755 : 02750), "mkdir %.60s", p);
}

static void op_rmdir(void)
{
	const char *p = path();

	say(rmdir(p), "rmdir %.60s", p);
}

static void op_rename(void)
{
	static const unsigned flags[] = {0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT,
					 7, 8};
	const char *from = path(), *to = path();
	unsigned f = flags[rnd(sizeof flags / sizeof *flags)];

	say(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, f), "rename %.60s %s %u", from, to, f);
}

static void op_link(void)
{
	const char *from = path(), *to = path();
	int flags = rnd(2) ? AT_SYMLINK_FOLLOW : 0;

	say(linkat(AT_FDCWD, from, AT_FDCWD, to, flags), "link %.60s %s %d", from, to, flags);
}

static void op_symlink(void)
{
	const char *target = path(), *p = path();

	say(symlink(target, p), "symlink %.60s %s", target, p);
}

static void op_readlink(void)
{
	const char *p = path();
	char text[256];
	ssize_t n = readlink(p, text, sizeof text);

	say(n, "readlink %.60s %.*s", p, n > 0 ? (int)n : 0, text);
}

static void op_mknod(void)
{
	static const mode_t types[] = {S_IFIFO, S_IFREG, S_IFSOCK};
	const char *p = path();
	mode_t type = types[rnd(3)];

	say(mknod(p, type | 0640, 0), "mknod %.60s %o", p, type);
}

static void op_chmod(void)
{
	const char *p = path();
	mode_t mode = 0600 | rnd(0200) | (rnd(10) ? 0 : 04000 << rnd(2)) | (rnd(3) ? 0100 : 0);

	say(chmod(p, mode), "chmod %.60s %o", p, mode);
}

static void op_chown(void)
{
	const char *p = path();

	say(fchownat(AT_FDCWD, p, getuid(), rnd(2) ? getgid() : (gid_t)-1, rnd(2) ? AT_SYMLINK_NOFOLLOW : 0),
	    "chown %.60s", p);
}

static void op_times(void)
{
	const char *p = path();
	struct timespec ts[2] = {{rnd(1000000), rnd(1000)}, {rnd(1000000), rnd(1000)}};
	int flags = rnd(2) ? AT_SYMLINK_NOFOLLOW : 0;
	struct stat st;

	if (say(utimensat(AT_FDCWD, p, ts, flags), "utimens %.60s", p) < 0)
		return;
	if (!fstatat(AT_FDCWD, p, &st, flags))
		say(st.st_mtim.tv_sec, "mtime %ld", st.st_mtim.tv_nsec);
}

static void op_xattr(void)
{
	static const char *const names[] = {"user.a", "user.bb"};
	const char *p = path(), *name = names[rnd(2)];
	char names_of[100];
	ssize_t n;

	switch (rnd(4)) {
	case 0:
		say(setxattr(p, name, data, rnd(60), (int)rnd(3)), "setxattr %.60s %s", p, name);
		break;
	case 1:
		n = getxattr(p, name, data, 100);
		say(n, "getxattr %.60s %s %lx", p, name, n > 0 ? hash(1, data, (size_t)n) : 0);
		break;
	case 2:
		say(removexattr(p, name), "removexattr %.60s %s", p, name);
		break;
	default:
		say(listxattr(p, names_of, sizeof names_of) >= 0 ? 0 : -1, "listxattr %.60s", p);
	}
}

static void op_access(void)
{
	const char *p = path();
	int mode = (int)rnd(8);

	say(access(p, mode), "access %.60s %d", p, mode);
}

/* A shared mapping is one with the file. */
static void op_map(void)
{
	int s = slot();
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[s], 0);
	struct stat st;

	if (say(m == MAP_FAILED ? -1 : 0, "mmap %d", s) < 0)
		return;
	if (!fstat(fds[s], &st) && st.st_size > 100) {
		m[50] = (char)rnd(256);
		say(pread(fds[s], data, 60, 0), "mapped %lx", hash(1, data, 60));
	}
	munmap(m, 4096);
}

static void op_list(void)
{
	const char *p = path();
	char *names[256];
	int n = list(p, names, 256);
	say(n, "list %.60s %lx", p, names_hash(names, n));
}

/* Names change while they are listed: those that stay come once. */
static void op_list_changing(void)
{
	const char *p = path();
	DIR *d = opendir(p);
	struct dirent *e;
	char *names[256];
	int n = 0, changed = 0;

	if (!d) {
		say(-1, "listchanging %.60s", p);
		return;
	}
	while (n < 256 && (e = readdir(d))) {
		/* Not the one that comes, since the order is free. */
		char other[] = {(char)('a' + n % 8), 0};
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (!fstatat(dirfd(d), other, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
		    !fchmodat(dirfd(d), other, (st.st_mode & 07777) ^ 0010, 0))
			changed++;
		names[n++] = strdup(e->d_name);
	}
	closedir(d);
	qsort(names, (size_t)n, sizeof *names, by_name);
	say(n, "listchanging %.60s %d %lx", p, changed, names_hash(names, n));
}

#define OP(weight, name)            \
	{                           \
		weight, #name, name \
	}

static const struct {
	int weight;
	const char *name;
	void (*run)(void);
} ops[] = {
	OP(14, op_open),         OP(10, op_write),     OP(10, op_read),       OP(4, op_seek),
	OP(4, op_ftruncate),     OP(4, op_truncate),   OP(4, op_fallocate),   OP(4, op_close),
	OP(12, op_stat),         OP(8, op_unlink),     OP(10, op_mkdir),      OP(6, op_rmdir),
	OP(14, op_rename),       OP(6, op_link),       OP(4, op_symlink),     OP(3, op_readlink),
	OP(3, op_mknod),         OP(5, op_chmod),      OP(2, op_chown),       OP(4, op_times),
	OP(5, op_xattr),         OP(3, op_access),     OP(4, op_map),         OP(8, op_list),
	OP(2, op_list_changing), OP(2, op_tmpfile),    OP(12, wide_openat),   OP(8, wide_openat2),
	OP(6, wide_opendir),     OP(4, wide_chdir),    OP(3, wide_fdlink),    OP(4, wide_linkat),
	OP(3, wide_tmpfile),     OP(6, wide_unlinkat), OP(10, wide_renameat), OP(8, wide_makeat),
	OP(2, wide_readlinkat),  OP(6, wide_chmod),    OP(6, wide_chown),     OP(4, wide_times),
	OP(6, wide_statx),       OP(3, wide_access),   OP(10, wide_xattr),    OP(4, wide_seek),
	OP(4, wide_holes),       OP(4, wide_size),     OP(5, wide_vectors),   OP(4, wide_copy),
	OP(3, wide_splice),      OP(3, wide_dup),      OP(4, wide_fcntl),     OP(1, wide_fork),
	OP(4, wide_limit),       OP(4, wide_user),     OP(2, wide_umask),     OP(3, wide_map),
	OP(10, wide_mapped),     OP(4, wide_touches),  OP(4, wide_watch),     OP(4, wide_events),
	OP(1, wide_dents),
};

/* Whether the environment leaves operation @name out. */
static int is_left_out(const char *name)
{
	const char *without = getenv("MODEL_WITHOUT");
	char text[64];

	snprintf(text, sizeof text, ",%s,", name);
	return without && strstr(without, text);
}

static void operate(int count)
{
	size_t kinds = sizeof ops / sizeof *ops;
	int weights[sizeof ops / sizeof *ops];
	uint32_t all = 0;

	for (size_t i = 0; i < kinds; i++) {
		weights[i] = is_left_out(ops[i].name) ? 0 : ops[i].weight;
		all += (uint32_t)weights[i];
	}
	for (step = 1; step <= count; step++) {
		uint32_t r = rnd(all);
		size_t i = 0;

		while (r >= (uint32_t)weights[i])
			r -= (uint32_t)weights[i++];
		ops[i].run();
	}
}

/* Opens what operations start with, and makes them, then shows the tree to who may see it. */
static void run(int count)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGBUS, on_bus);
	if (chdir(DEEP))
		exit(2);
	base = open(".", O_PATH | O_DIRECTORY);
	watcher = inotify_init1(IN_NONBLOCK);
	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	for (int i = 0; i < DIRS; i++)
		dirs[i] = -1;
	operate(count);
	for (int i = 0; i < FDS; i++)
		put(i, -1);
	setfsuid(getuid());
	setfsgid(getgid());
	if (chdir("/"))
		exit(2);
	show(".");
}

int main(int argc, char **argv)
{
	int runs = argc > 1 && !strcmp(argv[1], "run");
	int uid = runs ? 5 : 4;

	if (argc < 4 + runs) {
		fprintf(stderr, "usage: fs_model prepare DIR SEED [UID] | run DIR SEED COUNT [UID]\n");
		return 2;
	}
	umask(022);
	if (getenv("MODEL_EACH"))
		setlinebuf(stdout);
	state = strtoull(argv[3], NULL, 0) * 0x9e3779b97f4a7c15UL + 1;
	for (int i = 0; i < 64; i++)
		rnd(2);
	confine(argv[2], argc > uid ? atol(argv[uid]) : -1);
	if (runs)
		run(atoi(argv[4]));
	else
		prepare();
	return 0;
}
