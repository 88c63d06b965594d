/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random file operations from a seed, each with its result: what a tree must do is what the host's tmpfs does.
 *
 *	fs_model prepare DIR SEED	makes a tree of files, directories, links
 *	fs_model run DIR SEED COUNT	COUNT operations below DIR, a line each, then the whole tree
 *
 * The same seed gives the same operations wherever it runs, so two outputs are compared line by line. Everything that a
 * program can see is printed but what file systems are free to choose: inode numbers, sizes of directories, blocks,
 * the order of listings, times that are "now".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT 4
#endif

#define FDS  8
#define DEEP "1/2/3" /* where it all happens: ".." must not lead out of what is alike everywhere */

static uint64_t state;
static int step, fds[FDS];

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 11) % below);
}

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 0x100000001b3UL;
	return h;
}

/* The line of an operation: @r is its result, -1 for errno. */
__attribute__((format(printf, 2, 3))) static long say(long r, const char *format, ...)
{
	int err = errno;
	va_list args;

	printf("%d ", step);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	if (r < 0)
		printf(" = %s\n", strerrorname_np(err));
	else
		printf(" = %ld\n", r);
	return r;
}

/* A path of one to three names; not always one that is there, sometimes with a slash, a dot or two. */
static const char *path(void)
{
	static char text[4][256];
	static int turn;
	char *p = text[turn++ % 4];
	int depth = 1 + (int)rnd(3), n = 0;

	for (int i = 0; i < depth; i++) {
		uint32_t r = rnd(60);

		if (r == 0)
			n += sprintf(p + n, "%s..", i ? "/" : "");
		else if (r == 1)
			n += sprintf(p + n, "%s.", i ? "/" : "");
		else
			n += sprintf(p + n, "%s%c%s", i ? "/" : "", 'a' + (int)rnd(7), i ? "" : "d");
	}
	if (!rnd(40))
		sprintf(p + n, "/");
	/* Not above the tree. */
	if (!strncmp(p, "..", 2))
		strcpy(p, "ad");
	return p;
}

static void fill(char *buf, size_t size)
{
	uint32_t seed = rnd(256);

	for (size_t i = 0; i < size; i++)
		buf[i] = (char)(seed + i * 7);
}

static int slot(void)
{
	int s = (int)rnd(FDS);

	for (int i = 0; i < 3 && fds[s] < 0; i++)
		s = (int)rnd(FDS);
	return s;
}

static size_t some_size(void)
{
	return rnd(20) ? rnd(9000) : rnd(300000);
}

static char data[300000];

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

	say(fd < 0 ? -1 : 0, "open %s %#x", p, flags);
	if (fd < 0)
		return;
	if (fds[s] >= 0)
		close(fds[s]);
	fds[s] = fd;
}

static void op_tmpfile(void)
{
	const char *p = path(), *to = path();
	char link[64];
	int fd = open(p, O_TMPFILE | O_RDWR, 0644);

	say(fd < 0 ? -1 : 0, "tmpfile %s", p);
	if (fd < 0)
		return;
	fill(data, 100);
	say(write(fd, data, 100), "write");
	sprintf(link, "/proc/self/fd/%d", fd);
	say(linkat(AT_FDCWD, link, AT_FDCWD, to, AT_SYMLINK_FOLLOW), "linkat %s", to);
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

	say(truncate(p, n), "truncate %s %ld", p, (long)n);
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

	say(unlink(p), "unlink %s", p);
}

static void op_mkdir(void)
{
	const char *p = path();

	say(mkdir(p, rnd(8) ? 0755 : 02750), "mkdir %s", p);
}

static void op_rmdir(void)
{
	const char *p = path();

	say(rmdir(p), "rmdir %s", p);
}

static void op_rename(void)
{
	static const unsigned flags[] = {0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT,
					 7, 8};
	const char *from = path(), *to = path();
	unsigned f = flags[rnd(sizeof flags / sizeof *flags)];

	say(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, f), "rename %s %s %u", from, to, f);
}

static void op_link(void)
{
	const char *from = path(), *to = path();
	int flags = rnd(2) ? AT_SYMLINK_FOLLOW : 0;

	say(linkat(AT_FDCWD, from, AT_FDCWD, to, flags), "link %s %s %d", from, to, flags);
}

static void op_symlink(void)
{
	const char *target = path(), *p = path();

	say(symlink(target, p), "symlink %s %s", target, p);
}

static void op_readlink(void)
{
	const char *p = path();
	char text[256];
	ssize_t n = readlink(p, text, sizeof text);

	say(n, "readlink %s %.*s", p, n > 0 ? (int)n : 0, text);
}

static void op_mknod(void)
{
	static const mode_t types[] = {S_IFIFO, S_IFREG, S_IFSOCK};
	const char *p = path();
	mode_t type = types[rnd(3)];

	say(mknod(p, type | 0640, 0), "mknod %s %o", p, type);
}

static void op_chmod(void)
{
	const char *p = path();
	mode_t mode = 0600 | rnd(0200) | (rnd(10) ? 0 : 04000 << rnd(2)) | (rnd(3) ? 0100 : 0);

	say(chmod(p, mode), "chmod %s %o", p, mode);
}

static void op_chown(void)
{
	const char *p = path();

	say(fchownat(AT_FDCWD, p, getuid(), rnd(2) ? getgid() : (gid_t)-1, rnd(2) ? AT_SYMLINK_NOFOLLOW : 0),
	    "chown %s", p);
}

static void op_times(void)
{
	const char *p = path();
	struct timespec ts[2] = {{rnd(1000000), rnd(1000)}, {rnd(1000000), rnd(1000)}};
	int flags = rnd(2) ? AT_SYMLINK_NOFOLLOW : 0;
	struct stat st;

	if (say(utimensat(AT_FDCWD, p, ts, flags), "utimens %s", p) < 0)
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
		say(setxattr(p, name, data, rnd(60), (int)rnd(3)), "setxattr %s %s", p, name);
		break;
	case 1:
		n = getxattr(p, name, data, 100);
		say(n, "getxattr %s %s %lx", p, name, n > 0 ? hash(1, data, (size_t)n) : 0);
		break;
	case 2:
		say(removexattr(p, name), "removexattr %s %s", p, name);
		break;
	default:
		say(listxattr(p, names_of, sizeof names_of) >= 0 ? 0 : -1, "listxattr %s", p);
	}
}

static void op_access(void)
{
	const char *p = path();
	int mode = (int)rnd(8);

	say(access(p, mode), "access %s %d", p, mode);
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

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in @dir, sorted, each once. */
static int list(const char *dir, char **names, int max)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	if (!d)
		return -1;
	while (n < max && (e = readdir(d))) {
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		names[n++] = strdup(e->d_name);
		if (!fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    (st.st_ino != e->d_ino || (e->d_type != DT_UNKNOWN && e->d_type != IFTODT(st.st_mode))))
			printf("listed as another: %s/%s\n", dir, e->d_name);
	}
	qsort(names, (size_t)n, sizeof *names, by_name);
	for (int i = 0; i < n; i++) {
		struct stat st;

		if (fstatat(dirfd(d), names[i], &st, AT_SYMLINK_NOFOLLOW))
			printf("listed, but not there: %s/%s\n", dir, names[i]);
	}
	closedir(d);
	return n;
}

static void op_list(void)
{
	const char *p = path();
	char *names[256];
	int n = list(p, names, 256);
	uint64_t h = 1;

	for (int i = 0; i < n; i++) {
		h = hash(h, names[i], strlen(names[i]) + 1);
		free(names[i]);
	}
	say(n, "list %s %lx", p, h);
}

/* Names change while they are listed: those that stay come once. */
static void op_list_changing(void)
{
	const char *p = path();
	DIR *d = opendir(p);
	struct dirent *e;
	char *names[256];
	uint64_t h = 1;
	int n = 0, changed = 0;

	if (!d) {
		say(-1, "listchanging %s", p);
		return;
	}
	while (n < 256 && (e = readdir(d))) {
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISREG(st.st_mode) && !fchmodat(dirfd(d), e->d_name, (st.st_mode & 07777) ^ 0010, 0))
			changed++;
		names[n++] = strdup(e->d_name);
	}
	closedir(d);
	qsort(names, (size_t)n, sizeof *names, by_name);
	for (int i = 0; i < n; i++) {
		h = hash(h, names[i], strlen(names[i]) + 1);
		free(names[i]);
	}
	say(n, "listchanging %s %d %lx", p, changed, h);
}

static const struct {
	int weight;
	void (*run)(void);
} ops[] = {
	{14, op_open},    {10, op_write},    {10, op_read},   {4, op_seek},  {4, op_ftruncate},
	{4, op_truncate}, {4, op_fallocate}, {4, op_close},   {12, op_stat}, {8, op_unlink},
	{10, op_mkdir},   {6, op_rmdir},     {14, op_rename}, {6, op_link},  {4, op_symlink},
	{3, op_readlink}, {3, op_mknod},     {5, op_chmod},   {2, op_chown}, {4, op_times},
	{5, op_xattr},    {3, op_access},    {4, op_map},     {8, op_list},  {2, op_list_changing},
	{2, op_tmpfile},
};

static void operate(int count)
{
	uint32_t all = 0;

	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
		all += (uint32_t)ops[i].weight;
	for (step = 1; step <= count; step++) {
		uint32_t r = rnd(all);
		size_t i = 0;

		while (r >= (uint32_t)ops[i].weight)
			r -= (uint32_t)ops[i++].weight;
		ops[i].run();
	}
}

/* ---- the tree ---- */

static void show(const char *p)
{
	char *names[256], below[4096];
	struct stat st;
	uint64_t h = 0;
	int n, fd;

	if (lstat(p, &st)) {
		printf("%s: %s\n", p, strerrorname_np(errno));
		return;
	}
	if (S_ISREG(st.st_mode)) {
		fd = open(p, O_RDONLY);
		while ((n = (int)read(fd, data, sizeof data)) > 0)
			h = hash(h + 1, data, (size_t)n);
		close(fd);
	} else if (S_ISLNK(st.st_mode)) {
		n = (int)readlink(p, below, sizeof below);
		h = hash(1, below, n > 0 ? (size_t)n : 0);
	}
	for (int x = 0; x < 2; x++) {
		n = (int)lgetxattr(p, x ? "user.bb" : "user.a", below, 100);
		h = n > 0 ? hash(h + 7, below, (size_t)n) : h;
	}
	printf("%s %o %ld %u %u %ld %lx\n", p, st.st_mode, (long)st.st_nlink, st.st_uid, st.st_gid,
	       S_ISDIR(st.st_mode) ? 0L : (long)st.st_size, h);
	n = S_ISDIR(st.st_mode) ? list(p, names, 256) : 0;
	for (int i = 0; i < n; i++) {
		snprintf(below, sizeof below, "%s/%s", p, names[i]);
		show(below);
		free(names[i]);
	}
}

static void make_file(const char *p)
{
	int fd = open(p, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	size_t n = some_size();

	fill(data, n);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		exit(2);
	close(fd);
}

static void prepare(void)
{
	char p[64], other[128];

	if (mkdir("1", 0755) || mkdir("1/2", 0755) || mkdir(DEEP, 0755) || chdir(DEEP))
		exit(2);
	for (int i = 0; i < 6; i++) {
		sprintf(p, "%cd", 'a' + i);
		mkdir(p, 0755);
		for (int j = 0; j < 5; j++) {
			sprintf(p, "%cd/%c", 'a' + i, 'a' + j);
			if (j < 2) {
				make_file(p);
			} else if (j == 2) {
				sprintf(other, "../%cd/%c", 'a' + (int)rnd(6), 'a' + (int)rnd(5));
				if (symlink(other, p))
					exit(2);
			} else {
				mkdir(p, 0755);
				for (int k = 0; k < 3; k++) {
					sprintf(other, "%s/%c", p, 'a' + k);
					make_file(other);
				}
			}
		}
		sprintf(p, "%cd/a", 'a' + i);
		sprintf(other, "%cd/h", 'a' + i);
		if (link(p, other) || mkfifo("gd", 0600) < -1)
			exit(2);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4 || chdir(argv[2])) {
		perror("fs_model");
		return 2;
	}
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	state = strtoull(argv[3], NULL, 0) * 0x9e3779b97f4a7c15UL + 1;
	for (int i = 0; i < 64; i++)
		rnd(2);
	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	if (!strcmp(argv[1], "prepare")) {
		prepare();
	} else {
		if (chdir(DEEP))
			return 2;
		operate(argc > 4 ? atoi(argv[4]) : 1000);
		for (int i = 0; i < FDS; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		show(".");
	}
	return 0;
}
