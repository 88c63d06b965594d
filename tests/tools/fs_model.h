/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the random file operations (fs_model.c, fs_model_wide.h) are made of: numbers from a seed, paths, descriptors, a
 * line for each result, and the tree before and after.
 */
#ifndef FS_MODEL_H
#define FS_MODEL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT 4
#endif

#define FDS  8
#define DIRS 4
#define DEEP "1/2/3" /* where it all happens */

static uint64_t state;
static int step;
static int fds[FDS];
static int dirs[DIRS]; /* directories to start paths at */
static int base;       /* DEEP */
static int procfd;     /* the processes' files, of before chroot() */

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
	static char text[8][4200];
	static int turn;
	char *p = text[turn++ % 8];
	int depth = 1 + (int)rnd(3), n = 0;

	if (!rnd(60))
		n = sprintf(p, "/" DEEP "/");
	for (int i = 0; i < depth; i++) {
		uint32_t r = rnd(60);

		if (i)
			n += sprintf(p + n, "%s", rnd(60) ? "/" : "//");
		if (r == 0)
			n += sprintf(p + n, "..");
		else if (r == 1)
			n += sprintf(p + n, ".");
		else
			n += sprintf(p + n, "%c%s", 'a' + (int)rnd(7), i ? "" : "d");
	}
	if (!rnd(30))
		n += sprintf(p + n, "/");
	if (!rnd(300)) {
		/* The longest name there is, or one that is too long; an empty path, the longest, a longer one. */
		switch (rnd(3)) {
		case 0:
			sprintf(p + n, "%0*d", (int)(255 + rnd(2)), 0);
			break;
		case 1:
			*p = 0;
			break;
		default:
			memset(p, '/', 4200);
			p[rnd(2) ? 4095 : 4096] = 0;
			memcpy(p, DEEP, strlen(DEEP));
		}
	}
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

/* Slot @s is @fd from now on. */
static void put(int s, int fd)
{
	if (fds[s] >= 0)
		close(fds[s]);
	fds[s] = fd;
}

/* Offsets in directories mean what each file system likes. */
static int is_directory(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISDIR(st.st_mode);
}

static size_t some_size(void)
{
	return rnd(20) ? rnd(9000) : rnd(300000);
}

static char data[300000];

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

/* The first names' hash of @n sorted @names, which are freed. */
static uint64_t names_hash(char **names, int n)
{
	uint64_t h = 1;

	for (int i = 0; i < n; i++) {
		h = hash(h, names[i], strlen(names[i]) + 1);
		free(names[i]);
	}
	return h;
}

/* ---- the tree ---- */

static void show(const char *p)
{
	char *names[256], below[8192];
	static const char *const attributes[] = {"user.a", "user.bb", "user.d", "trusted.c"};
	struct stat st;
	uint64_t h = 0;
	int n, fd;

	if (lstat(p, &st)) {
		printf("%s: %s\n", p, strerrorname_np(errno));
		return;
	}
	if (S_ISREG(st.st_mode)) {
		fd = open(p, O_RDONLY | O_NONBLOCK);
		while ((n = (int)read(fd, data, sizeof data)) > 0)
			h = hash(h + 1, data, (size_t)n);
		close(fd);
	} else if (S_ISLNK(st.st_mode)) {
		n = (int)readlink(p, below, sizeof below);
		h = hash(1, below, n > 0 ? (size_t)n : 0);
	}
	for (int x = 0; x < 4; x++) {
		n = (int)lgetxattr(p, attributes[x], below, sizeof below);
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

static void put_text(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		exit(3);
	close(fd);
}

/*
 * @dir is the root from now on, so that no path of chance leads out of it, and @uid who operates (-1: who did). Where
 * root does not run this, a user namespace gives the right to do so, which goes at once.
 */
static void confine(const char *dir, long uid)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {};
	uid_t me = getuid(), group = getgid();
	char text[64];

	procfd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (procfd < 0 || chdir(dir))
		exit(3);
	if (me) {
		if (unshare(CLONE_NEWUSER))
			exit(3);
		sprintf(text, "%u %u 1", me, me);
		put_text("/proc/self/uid_map", text);
		put_text("/proc/self/setgroups", "deny");
		sprintf(text, "%u %u 1", group, group);
		put_text("/proc/self/gid_map", text);
	}
	if (chroot(".") || (me && syscall(SYS_capset, &head, none)))
		exit(3);
	if (!me && setgroups(1, &(gid_t){1002}))
		exit(3);
	if (!me && uid > 0 &&
	    (setgroups(0, NULL) || setresgid((gid_t)uid, (gid_t)uid, (gid_t)uid) ||
	     setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid)))
		exit(3);
}

#endif
