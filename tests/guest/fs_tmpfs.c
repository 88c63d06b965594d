/* SPDX-License-Identifier: Apache-2.0 */
/* Files and trees in memory against models of them: random writes, truncations, holes and mappings; random
 * names; a directory read while it changes; deep trees; unlinked, nameless and many files. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "check.h"

#define SPAN  (640 * 1024)
#define STEPS 900
#define NAMES 12

static unsigned long seed = 88172645463325252UL;

static unsigned long rnd(unsigned long below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* ---- one file against an array ---- */

static char model[SPAN], got[SPAN], fill[SPAN];
static long model_size;

static void model_grow(long size)
{
	if (size > model_size)
		model_size = size;
}

static void step_write(int fd, long span)
{
	long at = (long)rnd((unsigned long)span), len = (long)rnd((unsigned long)(span - at)) / 4 + 1;

	memset(fill, 'a' + (int)rnd(26), (size_t)len);
	CHECK_EQ(pwrite(fd, fill, (size_t)len, at), len);
	memcpy(model + at, fill, (size_t)len);
	model_grow(at + len);
}

static void step_truncate(int fd, long span)
{
	long size = (long)rnd((unsigned long)span);

	CHECK_OK(ftruncate(fd, size));
	if (size < model_size)
		memset(model + size, 0, (size_t)(model_size - size));
	model_size = size;
}

static void step_punch(int fd, long span)
{
	long at = (long)rnd((unsigned long)span), len = (long)rnd((unsigned long)span) + 1;
	long end = at + len < model_size ? at + len : model_size;

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len))
		return;
	if (at < end)
		memset(model + at, 0, (size_t)(end - at));
}

static void step_allocate(int fd, long span)
{
	long at = (long)rnd((unsigned long)span), len = (long)rnd((unsigned long)(span - at)) + 1;
	int keep = (int)rnd(2);

	if (fallocate(fd, keep ? FALLOC_FL_KEEP_SIZE : 0, at, len))
		return;
	if (!keep)
		model_grow(at + len);
}

static void step_map(int fd, long span)
{
	long at, len;
	char *p;

	if (!model_size)
		return;
	p = mmap(NULL, (size_t)model_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	at = (long)rnd((unsigned long)model_size);
	len = (long)rnd((unsigned long)(model_size - at)) + 1;
	CHECK(!memcmp(p, model, (size_t)model_size));
	memset(p + at, '0' + (int)rnd(10), (size_t)len);
	memcpy(model + at, p + at, (size_t)len);
	CHECK_OK(munmap(p, (size_t)model_size));
}

static void compare(int fd)
{
	struct stat st;

	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, model_size);
	CHECK_EQ(pread(fd, got, SPAN, 0), model_size);
	CHECK(!memcmp(got, model, (size_t)model_size));
}

/* @span bounds the offsets: a small file stays in the kernel's memory unless it is mapped. */
static void one_file(int fd, long span, int maps)
{
	static void (*const steps[])(int, long) = {step_write, step_write,    step_truncate,
						   step_punch, step_allocate, step_map};

	memset(model, 0, sizeof model);
	model_size = 0;
	for (int i = 0; i < STEPS; i++) {
		steps[rnd((unsigned long)(maps ? 6 : 5))](fd, span);
		if (i % 16 == 0 || span < 10000)
			compare(fd);
		if (check_failed())
			break;
	}
	compare(fd);
	close(fd);
}

static void files(void)
{
	one_file(open("a", O_RDWR | O_CREAT | O_TRUNC, 0600), 9000, 0);
	one_file(open("a", O_RDWR | O_CREAT | O_TRUNC, 0600), 9000, 1);
	one_file(open("b", O_RDWR | O_CREAT | O_TRUNC, 0600), SPAN, 0);
	one_file(open("b", O_RDWR | O_CREAT | O_TRUNC, 0600), SPAN, 1);
	one_file(memfd_create("c", 0), SPAN, 1);
	CHECK_OK(unlink("a"));
	CHECK_OK(unlink("b"));
}

/* ---- names against a table: name -> file number, and how many names a file has ---- */

static int held[NAMES], next_file = 1;

static const char *name_of(unsigned long i)
{
	static char text[2][16];
	static int turn;

	turn ^= 1;
	snprintf(text[turn], sizeof text[turn], i % 2 ? "d/n%lu" : "n%lu", i);
	return text[turn];
}

static int links_of(int file)
{
	int n = 0;

	for (int i = 0; i < NAMES; i++)
		n += held[i] == file;
	return n;
}

static void check_name(unsigned long i)
{
	struct stat st;
	int number = 0, fd;

	if (!held[i]) {
		CHECK_ERRNO(stat(name_of(i), &st), ENOENT);
		return;
	}
	fd = open(name_of(i), O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, &number, sizeof number), (long)sizeof number);
	CHECK_EQ(number, held[i]);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, links_of(held[i]));
	close(fd);
}

static void step_create(unsigned long i)
{
	int fd = open(name_of(i), O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (held[i]) {
		CHECK(fd < 0 && errno == EEXIST);
		return;
	}
	held[i] = next_file++;
	CHECK_EQ(write(fd, &held[i], sizeof held[i]), (long)sizeof held[i]);
	close(fd);
}

static void step_link(unsigned long i, unsigned long j)
{
	int r = link(name_of(i), name_of(j));

	if (!held[i])
		CHECK(r < 0 && errno == ENOENT);
	else if (held[j])
		CHECK(r < 0 && errno == EEXIST);
	else {
		CHECK_EQ(r, 0);
		held[j] = held[i];
	}
}

static void step_rename(unsigned long i, unsigned long j)
{
	int r = rename(name_of(i), name_of(j));

	if (!held[i]) {
		CHECK(r < 0 && errno == ENOENT);
		return;
	}
	CHECK_EQ(r, 0);
	if (held[i] == held[j]) /* two names of one file, or one: both stay */
		return;
	held[j] = held[i];
	held[i] = 0;
}

static void step_exchange(unsigned long i, unsigned long j)
{
	long r = syscall(SYS_renameat2, AT_FDCWD, name_of(i), AT_FDCWD, name_of(j), RENAME_EXCHANGE);
	int was = held[i];

	if (r < 0) {
		CHECK(errno == EINVAL || (errno == ENOENT && (!held[i] || !held[j])));
		return;
	}
	held[i] = held[j];
	held[j] = was;
}

static void names(void)
{
	int listed = 0, expected = 0;
	struct dirent *e;
	DIR *d;

	CHECK_OK(mkdir("d", 0700));
	for (int n = 0; n < 3000 && !check_failed(); n++) {
		unsigned long i = rnd(NAMES), j = rnd(NAMES);

		switch (rnd(5)) {
		case 0:
			step_create(i);
			break;
		case 1:
			step_link(i, j);
			break;
		case 2:
			step_rename(i, j);
			break;
		case 3:
			step_exchange(i, j);
			break;
		default:
			CHECK_EQ(unlink(name_of(i)), held[i] ? 0 : -1);
			held[i] = 0;
		}
		check_name(i);
		check_name(j);
	}
	for (unsigned long i = 1; i < NAMES; i += 2)
		expected += held[i] != 0;
	d = opendir("d");
	while ((e = readdir(d)))
		listed += e->d_name[0] == 'n';
	closedir(d);
	CHECK_EQ(listed, expected);
	for (unsigned long i = 0; i < NAMES; i++)
		unlink(name_of(i));
	CHECK_OK(rmdir("d"));
}

/* ---- directories ---- */

/* Names that are there all along are seen once each, whatever else comes and goes, and rm -r works. */
static void changing(void)
{
	char name[32];
	int seen[500] = {0}, n, other = 0;
	struct dirent *e;
	struct stat st;
	DIR *d;

	CHECK_OK(mkdir("c", 0700));
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "c/k%d", i);
		CHECK_OK(mknod(name, S_IFREG | 0600, 0));
	}
	d = opendir("c");
	while ((e = readdir(d))) {
		if (sscanf(e->d_name, "k%d", &n) == 1 && n < 500)
			seen[n]++;
		if (other < 300) {
			snprintf(name, sizeof name, "c/x%d", other++);
			CHECK_OK(mknod(name, S_IFREG | 0600, 0));
			if (other > 3) {
				snprintf(name, sizeof name, "c/x%d", other - 3);
				CHECK_OK(unlink(name));
			}
		}
	}
	for (int i = 0; i < 500; i++)
		CHECK_EQ(seen[i], 1);
	CHECK_ERRNO(rmdir("c"), ENOTEMPTY);
	rewinddir(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			CHECK_OK(unlinkat(dirfd(d), e->d_name, 0));
	CHECK_OK(rmdir("c"));
	CHECK_OK(fstat(dirfd(d), &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_ERRNO(mkdirat(dirfd(d), "x", 0700), ENOENT);
	CHECK_ERRNO(openat(dirfd(d), "x", O_CREAT | O_WRONLY, 0600), ENOENT);
	closedir(d);
}

static void deep(void)
{
	int here = open(".", O_RDONLY | O_DIRECTORY), depth = 1500;
	struct stat st;

	CHECK_OK(mkdir("deep", 0700));
	CHECK_OK(chdir("deep"));
	for (int i = 0; i < depth; i++) {
		CHECK_OK(mkdir("d", 0700));
		CHECK_OK(chdir("d"));
	}
	CHECK_OK(fstatat(AT_FDCWD, "../../..", &st, 0));
	CHECK_EQ(st.st_nlink, 3);
	for (int i = 0; i < depth; i++) {
		CHECK_OK(chdir(".."));
		CHECK_OK(rmdir("d"));
	}
	CHECK_OK(fchdir(here));
	CHECK_OK(rmdir("deep"));
	close(here);
}

/* A directory counts its subdirectories, also when one is replaced or moved. */
static void counts(void)
{
	struct stat st;

	CHECK_OK(mkdir("p", 0700));
	CHECK_OK(mkdir("p/a", 0700));
	CHECK_OK(mkdir("p/b", 0700));
	CHECK_OK(mkdir("q", 0700));
	CHECK_OK(stat("p", &st));
	CHECK(st.st_nlink == 4 || st.st_nlink == 1);
	if (st.st_nlink == 4) {
		CHECK_OK(rename("p/a", "p/b"));
		CHECK_OK(stat("p", &st));
		CHECK_EQ(st.st_nlink, 3);
		CHECK_OK(mkdir("q/b", 0700));
		CHECK_OK(rename("p/b", "q/b"));
		CHECK_OK(stat("p", &st));
		CHECK_EQ(st.st_nlink, 2);
		CHECK_OK(stat("q", &st));
		CHECK_EQ(st.st_nlink, 3);
	}
	CHECK_ERRNO(rename("q", "q/b/c"), EINVAL);
	rmdir("q/b");
	rmdir("p/b");
	rmdir("p/a");
	CHECK_OK(rmdir("p"));
	CHECK_OK(rmdir("q"));
}

/* ---- files without a name ---- */

static void nameless(void)
{
	char link_from[64], buf[8];
	struct stat st;
	int fd = open("u", O_RDWR | O_CREAT, 0600), ro;

	CHECK_EQ(write(fd, "kept", 4), 4);
	ro = open("u", O_RDONLY);
	CHECK_OK(unlink("u"));
	CHECK_EQ(read(ro, buf, 8), 4);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_OK(mknod("u", S_IFREG | 0600, 0));
	CHECK_EQ(pread(ro, buf, 8, 0), 4);
	CHECK_OK(unlink("u"));
	close(ro);
	close(fd);

	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0) /* overlayfs before 6.x */
		return;
	CHECK_EQ(write(fd, "tmp", 3), 3);
	snprintf(link_from, sizeof link_from, "/proc/self/fd/%d", fd);
	CHECK_OK(linkat(AT_FDCWD, link_from, AT_FDCWD, "t", AT_SYMLINK_FOLLOW));
	CHECK_OK(stat("t", &st));
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(st.st_size, 3);
	CHECK_OK(unlink("t"));
	CHECK_ERRNO(linkat(AT_FDCWD, link_from, AT_FDCWD, "t", AT_SYMLINK_FOLLOW), ENOENT);
	close(fd);
	fd = open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600);
	snprintf(link_from, sizeof link_from, "/proc/self/fd/%d", fd);
	CHECK_ERRNO(linkat(AT_FDCWD, link_from, AT_FDCWD, "t", AT_SYMLINK_FOLLOW), ENOENT);
	close(fd);
	CHECK_ERRNO(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
}

/* Many small files at once, each mapped: no descriptor is to be missed. */
static void many(void)
{
	char name[32];
	int n = 700;

	CHECK_OK(mkdir("m", 0700));
	for (int i = 0; i < n; i++) {
		int fd;
		char *p;

		snprintf(name, sizeof name, "m/%d", i);
		fd = open(name, O_RDWR | O_CREAT, 0600);
		CHECK_EQ(write(fd, name, sizeof name), (long)sizeof name);
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, i % 2 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
		close(fd);
		CHECK(p != MAP_FAILED);
		if (p == MAP_FAILED)
			break;
		CHECK(!strcmp(p, name));
		munmap(p, 4096);
	}
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof name, "m/%d", i);
		unlink(name);
	}
	CHECK_OK(rmdir("m"));
}

/* ---- seeking ---- */

static void seeks(void)
{
	int fd = open("s", O_RDWR | O_CREAT, 0600);
	struct iovec bad[2] = {{NULL, 10}, {"b", 1}};
	struct stat st;

	memset(model, 0, sizeof model);
	CHECK_EQ(lseek(fd, 10, SEEK_SET), 10);
	CHECK_ERRNO((int)lseek(fd, 0x7fffffffffffffffL, SEEK_CUR), EINVAL);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_ERRNO((int)lseek(fd, 0x7fffffffffffffffL, SEEK_END), EINVAL);
	CHECK_ERRNO((int)lseek(fd, 11, SEEK_DATA), ENXIO);
	CHECK_ERRNO((int)lseek(fd, -1, SEEK_HOLE), ENXIO);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 11);
	CHECK_OK(ftruncate(fd, 8 << 20));
	CHECK_EQ(pwrite(fd, "y", 1, 4 << 20), 1);
	CHECK_EQ(lseek(fd, 1 << 20, SEEK_DATA), 4 << 20);
	CHECK(lseek(fd, 4 << 20, SEEK_HOLE) < 8 << 20);
	CHECK_ERRNO((int)lseek(fd, 5 << 20, SEEK_DATA), ENXIO);
	close(fd);
	fd = open("s", O_RDWR | O_TRUNC);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_OK(ftruncate(fd, 500000)); /* a hole in a file that is small yet */
	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_blocks <= 8);
	CHECK_EQ(lseek(fd, 4096, SEEK_HOLE), 4096);
	CHECK_ERRNO((int)lseek(fd, 4096, SEEK_DATA), ENXIO);
	CHECK_EQ(pread(fd, got, SPAN, 0), 500000);
	CHECK_EQ(got[0], 'x');
	CHECK(!memcmp(got + 1, model, 499999));
	CHECK_OK(ftruncate(fd, 0));
	CHECK_OK(ftruncate(fd, 10));
	/* What came of a write that failed is not in the file. */
	CHECK_ERRNO((int)pwritev(fd, bad, 2, 20), EFAULT);
	CHECK_OK(ftruncate(fd, 100));
	CHECK_EQ(pread(fd, got, SPAN, 0), 100);
	CHECK(!memcmp(got, model, 100));
	close(fd);
	CHECK_OK(unlink("s"));
}

int main(void)
{
	char base[] = "/tmp/fs_tmpfs.XXXXXX";

	if (!mkdtemp(base) || chdir(base))
		check_skip("no directory in /tmp");
	files();
	names();
	changing();
	deep();
	counts();
	nameless();
	many();
	seeks();
	CHECK_OK(chdir("/"));
	CHECK_OK(rmdir(base));
	return check_done();
}
