/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the cost of file operations grows with what is there: names in a directory, levels of a path, open descriptors.
 *
 * `growth DIR` works below DIR (made, and removed) and prints a line for each operation: its name, `small` and `big` (how
 * many names, levels, descriptors), and the time of one operation at each, in ns: the best of some rounds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5
#define EACH   400 /* operations of a round */

static char path[4096];
static unsigned turn;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "growth: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The best time of one of EACH operations; they touch names all over the directory. */
static double best(void (*op)(int n), int n)
{
	double least = 1e18;

	for (int r = 0; r < ROUNDS; r++) {
		double start = now();

		for (int i = 0; i < EACH; i++)
			op(n);
		start = (now() - start) / EACH;
		if (start < least)
			least = start;
	}
	return least;
}

static const char *name_of(int i)
{
	static char name[32];

	snprintf(name, sizeof name, "name%07d", i);
	return name;
}

static int some(int n)
{
	turn = turn * 1103515245 + 12345;
	return (int)((turn >> 8) % (unsigned)n);
}

static void op_stat(int n)
{
	struct stat st;

	if (stat(name_of(some(n)), &st))
		die("stat");
}

static void op_absent(int n)
{
	struct stat st;

	if (!stat(name_of(n + some(n)), &st))
		die("a name that was never made");
}

static void op_open(int n)
{
	int fd = open(name_of(some(n)), O_RDONLY);

	if (fd < 0 || close(fd))
		die("open");
}

static void op_create(int n)
{
	int fd = open("extra", O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || close(fd) || unlink("extra"))
		die("create");
}

static void op_rename(int n)
{
	char to[32];

	snprintf(to, sizeof to, "%s", name_of(some(n)));
	if (rename(to, "moved") || rename("moved", to))
		die("rename");
}

/* Reads the directory; the time is that of one name. */
static double list(int n)
{
	double least = 1e18;

	for (int r = 0; r < ROUNDS; r++) {
		double start = now();
		DIR *d = opendir(".");
		int seen = 0;

		while (d && readdir(d))
			seen++;
		if (!d || closedir(d) || seen < n)
			die("list");
		start = (now() - start) / seen;
		if (start < least)
			least = start;
	}
	return least;
}

static void line(const char *what, int small, int big, double a, double b)
{
	printf("%s\t%d\t%d\t%.0f\t%.0f\n", what, small, big, a, b);
	fflush(stdout);
}

static void make_names(const char *dir, int n)
{
	if (mkdir(dir, 0700) || chdir(dir))
		die(dir);
	for (int i = 0; i < n; i++) {
		int fd = open(name_of(i), O_WRONLY | O_CREAT, 0600);

		if (fd < 0 || close(fd))
			die("create");
	}
}

static void remove_names(const char *dir, int n)
{
	for (int i = 0; i < n; i++)
		if (unlink(name_of(i)))
			die("unlink");
	if (chdir("..") || rmdir(dir))
		die(dir);
}

static void names(void)
{
	static const struct {
		const char *what;
		void (*op)(int n);
	} ops[] = {
		{"stat in a directory", op_stat},          {"stat of no such name", op_absent},
		{"open+close in a directory", op_open},    {"create+unlink in a directory", op_create},
		{"two renames in a directory", op_rename},
	};
	enum { SMALL = 100, BIG = 100000, OPS = sizeof ops / sizeof *ops };
	double small[OPS], small_list, start, made[2], gone[2];

	start = now();
	make_names("small", SMALL);
	made[0] = (now() - start) / SMALL;
	for (int i = 0; i < OPS; i++)
		small[i] = best(ops[i].op, SMALL);
	small_list = list(SMALL);
	start = now();
	remove_names("small", SMALL);
	gone[0] = (now() - start) / SMALL;
	start = now();
	make_names("big", BIG);
	made[1] = (now() - start) / BIG;
	for (int i = 0; i < OPS; i++)
		line(ops[i].what, SMALL, BIG, small[i], best(ops[i].op, BIG));
	line("one name of a listing", SMALL, BIG, small_list, list(BIG));
	start = now();
	remove_names("big", BIG);
	gone[1] = (now() - start) / BIG;
	line("making of one of them", SMALL, BIG, made[0], made[1]);
	line("removing of one of them", SMALL, BIG, gone[0], gone[1]);
}

static void op_path(int n)
{
	struct stat st;

	if (stat(path, &st))
		die("a deep path");
}

static void op_cwd(int n)
{
	char buf[4096];

	if (!getcwd(buf, sizeof buf))
		die("getcwd");
}

static void depth(void)
{
	enum { SMALL = 5, BIG = 40 };
	double a[2], c[2];
	int level = 0;

	path[0] = 0;
	for (int part = 0; part < 2; part++) {
		for (; level < (part ? BIG : SMALL); level++) {
			strcat(path, level ? "/directory" : "directory");
			if (mkdir(path, 0700))
				die("mkdir");
		}
		a[part] = best(op_path, 0);
		if (chdir(path))
			die("chdir");
		c[part] = best(op_cwd, 0);
		for (int i = 0; i < level; i++)
			if (chdir(".."))
				die("chdir");
	}
	line("stat of a path of levels", SMALL, BIG, a[0], a[1]);
	line("getcwd at levels", SMALL, BIG, c[0], c[1]);
	for (; level; level--) {
		char *slash = strrchr(path, '/');

		if (rmdir(path))
			die("rmdir");
		*(slash ? slash : path) = 0;
	}
}

static void op_dup(int n)
{
	int fd = dup(0);

	if (fd < 0 || close(fd))
		die("dup");
}

static void op_null(int n)
{
	int fd = open("/dev/null", O_RDONLY);

	if (fd < 0 || close(fd))
		die("/dev/null");
}

static void descriptors(void)
{
	enum { SMALL = 10, BIG = 10000 };
	struct rlimit limit;
	double a[2], b[2];
	int last = -1, first = -1;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < BIG + 100)
		return;
	for (int part = 0; part < 2; part++) {
		while (last < (part ? BIG : SMALL)) {
			last = open("/dev/null", O_RDONLY);
			if (last < 0)
				die("descriptors");
			if (first < 0)
				first = last;
		}
		a[part] = best(op_dup, 0);
		b[part] = best(op_null, 0);
	}
	for (; last >= first; last--)
		close(last);
	line("dup+close beside descriptors", SMALL, BIG, a[0], a[1]);
	line("open+close beside descriptors", SMALL, BIG, b[0], b[1]);
}

int main(int argc, char **argv)
{
	if (argc != 2 || mkdir(argv[1], 0700) || chdir(argv[1]))
		die("growth DIR");
	names();
	depth();
	descriptors();
	return chdir("..") || rmdir(argv[1]);
}
