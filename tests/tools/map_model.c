/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_model DIR SEED COUNT [shared]: random operations on two files and mappings of them by three processes, one operation at
 * a time: what each comes to, and a sum of what can be read, on standard output, a line each.
 *
 * The files DIR/a and DIR/b are used as they are, and made where they are not there. Sizes, offsets and lengths are chosen so that ends lie within pages as often as
 * between them. Left out is what file systems disagree about: bytes of a page behind a file's end. With `shared`, all
 * mappings are shared: what private ones show of later writes is not specified.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE      4096L
#define MOST      (12 * PAGE) /* of a file that operations ask for */
#define PROCESSES 3
#define FILES     4 /* open ones of a process */
#define MAPS      6 /* of a process */

/* One operation, as the first process tells it to another: which file, which mapping, and three numbers to choose by. */
struct order {
	int what, file, map;
	uint32_t a, b, c;
};

struct result {
	long value;
	int error;
	uint32_t sum;
};

struct map {
	char *at; /* NULL: none */
	long len, offset;
	int fd; /* another one of its file */
	bool shared;
};

static const char *names[] = {"a", "b"};
static bool all_shared;
static int files[FILES];
static struct map maps[MAPS];
static char data[8 * PAGE];

/* ---- touching memory that may not be there ---- */

static sigjmp_buf back;
static volatile int caught; /* the signal and its code */

static void on_fault(int signo, siginfo_t *info, void *context)
{
	caught = signo * 100 + info->si_code;
	siglongjmp(back, 1);
}

/* FNV-1a */
static uint32_t sum(uint32_t h, const void *from, size_t size)
{
	const unsigned char *p = from;

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/* Page by page: its bytes, or why it cannot be read. */
static uint32_t sum_of_map(const struct map *m)
{
	volatile uint32_t h = 1;

	for (volatile long at = 0; at < m->len; at += PAGE) {
		if (!sigsetjmp(back, 1)) {
			h = sum(h, m->at + at, PAGE);
		} else {
			int why = caught;

			h = sum(h, &why, sizeof why);
		}
	}
	return h;
}

/* How many of @n bytes at @at are to be written: those in front of the file's end, or all where it is in another page. */
static long up_to_end(const struct map *m, long at, long n)
{
	struct stat st;
	long end, page;

	n = at + n > m->len ? m->len - at : n;
	if (!m->shared || fstat(m->fd, &st))
		return n;
	end = st.st_size - m->offset;
	page = (end + PAGE - 1) / PAGE * PAGE;
	if (at >= page || at + n <= end)
		return n;
	return end > at ? end - at : 0;
}

static void __attribute__((noinline)) put(char *to, long n, uint32_t value)
{
	for (long i = 0; i < n; i += 1 + (i & 7))
		to[i] = (char)(value + (uint32_t)i);
}

static long scribble(const struct map *m, long at, long n, uint32_t value)
{
	caught = 0;
	if (!sigsetjmp(back, 1))
		put(m->at + at, up_to_end(m, at, n), value);
	return caught;
}

/* ---- operations ---- */

static void fill(uint32_t value, long n)
{
	for (long i = 0; i < n; i++)
		data[i] = (char)(value * 7 + (uint32_t)i);
}

static long do_open(struct order *o, struct result *r)
{
	int flags = o->b % 4 ? O_RDWR : O_RDONLY;

	if (o->b % 16 == 1)
		flags |= O_TRUNC;
	if (o->c % 4 == 0)
		flags |= O_CREAT;
	close(files[o->file]);
	files[o->file] = open(names[o->a % 2], flags, 0644);
	return files[o->file] < 0 ? -1 : 0;
}

static long do_close(struct order *o, struct result *r)
{
	int fd = files[o->file];

	files[o->file] = -1;
	return close(fd);
}

static long do_mmap(struct order *o, struct result *r)
{
	struct map *m = &maps[o->map];
	int prot = o->c % 3 ? PROT_READ | PROT_WRITE : PROT_READ;
	long len = (1 + o->a % 6) * PAGE, offset = o->b % 12 * PAGE;
	bool shared = o->c % 2 || all_shared;
	char *at;

	if (m->at) {
		munmap(m->at, m->len);
		close(m->fd);
		m->at = NULL;
	}
	at = mmap(NULL, len, prot, (shared ? MAP_SHARED : MAP_PRIVATE) | (o->c % 5 ? 0 : MAP_POPULATE),
		  files[o->file], offset);
	if (at == MAP_FAILED)
		return -1;
	*m = (struct map){at, len, offset, dup(files[o->file]), shared};
	return 0;
}

static long do_munmap(struct order *o, struct result *r)
{
	struct map *m = &maps[o->map];
	char *at = m->at;

	if (!at)
		return 0;
	m->at = NULL;
	close(m->fd);
	return munmap(at, m->len);
}

static long do_mprotect(struct order *o, struct result *r)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
	struct map *m = &maps[o->map];
	long from = m->at ? o->b % (m->len / PAGE) * PAGE : 0;

	return m->at ? mprotect(m->at + from, m->len - from, prots[o->a % 3]) : 0;
}

static long do_touch(struct order *o, struct result *r)
{
	struct map *m = &maps[o->map];

	return m->at ? scribble(m, o->a % m->len, o->b % 5000, o->c) : 0;
}

static long do_look(struct order *o, struct result *r)
{
	r->sum = maps[o->map].at ? sum_of_map(&maps[o->map]) : 0;
	return 0;
}

static long do_read(struct order *o, struct result *r)
{
	long n;

	memset(data, 0, sizeof data);
	n = pread(files[o->file], data, o->b % sizeof data, o->a % MOST);
	r->sum = sum(1, data, sizeof data);
	return n;
}

static long do_write(struct order *o, struct result *r)
{
	fill(o->c, o->b % 9000);
	return pwrite(files[o->file], data, o->b % 9000, o->a % MOST);
}

static long do_append(struct order *o, struct result *r)
{
	int fd = open(names[o->a % 2], O_WRONLY | O_APPEND), error;
	long n;

	if (fd < 0)
		return -1;
	fill(o->c, o->b % 3000);
	n = write(fd, data, o->b % 3000);
	error = errno;
	close(fd);
	errno = error;
	return n;
}

static long do_truncate(struct order *o, struct result *r)
{
	off_t size = o->a % MOST;

	return ftruncate(files[o->file], o->b % 3 ? size : size / PAGE * PAGE);
}

static long do_fallocate(struct order *o, struct result *r)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE};

	return fallocate(files[o->file], modes[o->c % 3], o->a % MOST, 1 + o->b % (5 * PAGE));
}

static long do_msync(struct order *o, struct result *r)
{
	static const int flags[] = {MS_SYNC, MS_ASYNC, MS_INVALIDATE};
	struct map *m = &maps[o->map];

	return m->at ? msync(m->at, m->len, flags[o->a % 3]) : 0;
}

static long do_stat(struct order *o, struct result *r)
{
	struct stat st = {0};
	long err = fstat(files[o->file], &st);

	r->sum = (uint32_t)st.st_size * 31 + (uint32_t)st.st_nlink;
	return err;
}

static long do_mremap(struct order *o, struct result *r)
{
	struct map *m = &maps[o->map];
	long len = (1 + o->a % 8) * PAGE;
	char *at = m->at ? mremap(m->at, m->len, len, MREMAP_MAYMOVE) : NULL;

	if (at == MAP_FAILED)
		return -1;
	if (at) {
		m->at = at;
		m->len = len;
	}
	return 0;
}

static long do_madvise(struct order *o, struct result *r)
{
	struct map *m = &maps[o->map];

	return m->at ? madvise(m->at, m->len, o->a % 3 ? MADV_DONTNEED : MADV_WILLNEED) : 0;
}

/* A child writes a byte to each mapping, and sums them all. */
static long do_fork(struct order *o, struct result *r)
{
	int pipes[2], status;
	pid_t child;

	if (pipe(pipes))
		return -1;
	child = fork();
	if (!child) {
		uint32_t h = 1, one;

		for (int i = 0; i < MAPS; i++) {
			if (!maps[i].at)
				continue;
			scribble(&maps[i], (o->a + (uint32_t)i * 77) % maps[i].len, 1, o->b);
			one = sum_of_map(&maps[i]);
			h = sum(h, &one, sizeof one);
		}
		_exit(write(pipes[1], &h, sizeof h) != sizeof h);
	}
	if (read(pipes[0], &r->sum, sizeof r->sum) < 0 || waitpid(child, &status, 0) != child)
		status = -1;
	close(pipes[0]);
	close(pipes[1]);
	return status;
}

static long do_unlink(struct order *o, struct result *r)
{
	return unlink(names[o->a % 2]);
}

static long do_rename(struct order *o, struct result *r)
{
	return rename(names[o->a % 2], names[1 - o->a % 2]);
}

static long do_copy(struct order *o, struct result *r)
{
	off_t in = o->a % MOST, out = o->b % MOST;

	return copy_file_range(files[o->file], &in, files[(o->file + 1) % FILES], &out, o->c % 20000, 0);
}

/* How often: of all together. */
static const struct {
	const char *name;
	long (*run)(struct order *o, struct result *r);
	uint32_t weight;
} operations[] = {
	{"open", do_open, 6},       {"close", do_close, 2},       {"mmap", do_mmap, 10},
	{"munmap", do_munmap, 3},   {"mprotect", do_mprotect, 3}, {"touch", do_touch, 14},
	{"look", do_look, 14},      {"read", do_read, 8},         {"write", do_write, 8},
	{"append", do_append, 3},   {"truncate", do_truncate, 6}, {"fallocate", do_fallocate, 4},
	{"msync", do_msync, 3},     {"stat", do_stat, 4},         {"mremap", do_mremap, 3},
	{"madvise", do_madvise, 3}, {"fork", do_fork, 3},         {"unlink", do_unlink, 1},
	{"rename", do_rename, 1},   {"copy", do_copy, 3},
};

#define NOPERATIONS (sizeof operations / sizeof *operations)

static void obey(int from)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
	struct order o;

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	while (read(from, &o, sizeof o) == sizeof o) {
		struct result r = {0};

		r.value = operations[o.what].run(&o, &r);
		r.error = r.value == -1 ? errno : 0;
		if (write(from, &r, sizeof r) != sizeof r)
			break;
	}
	_exit(0);
}

/* ---- the first process ---- */

static uint64_t state;

static uint32_t any(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33);
}

static int any_operation(void)
{
	uint32_t all = 0, at;
	int i = 0;

	for (size_t k = 0; k < NOPERATIONS; k++)
		all += operations[k].weight;
	for (at = any() % all; at >= operations[i].weight; i++)
		at -= operations[i].weight;
	return i;
}

static int begin(const char *dir)
{
	if (chdir(dir))
		return -1;
	for (int i = 0; i < 2; i++) {
		int fd = open(names[i], O_CREAT | O_WRONLY, 0644);

		if (fd < 0)
			return -1;
		close(fd);
	}
	memset(files, -1, sizeof files);
	return 0;
}

int main(int argc, char **argv)
{
	int ways[PROCESSES], pair[2];

	if (argc < 4 || begin(argv[1])) {
		fprintf(stderr, "usage: map_model DIR SEED COUNT [shared]\n");
		return 2;
	}
	state = strtoull(argv[2], NULL, 10);
	all_shared = argc > 4;
	for (int i = 0; i < PROCESSES; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			return 2;
		if (!fork()) {
			close(pair[0]);
			obey(pair[1]);
		}
		close(pair[1]);
		ways[i] = pair[0];
	}
	for (int n = 0, count = atoi(argv[3]); n < count; n++) {
		int who = (int)(any() % PROCESSES);
		struct order o = {
			.what = any_operation(), .file = (int)(any() % FILES), .map = (int)(any() % MAPS)};
		struct result r;

		o.a = any();
		o.b = any();
		o.c = any();
		if (write(ways[who], &o, sizeof o) != sizeof o || read(ways[who], &r, sizeof r) != sizeof r) {
			printf("%d process %d is gone\n", n, who);
			return 1;
		}
		printf("%d process %d %s file %d map %d: %ld %d %x\n", n, who, operations[o.what].name,
		       o.file, o.map, r.value, r.error, r.sum);
	}
	for (int i = 0; i < PROCESSES; i++)
		close(ways[i]);
	while (wait(NULL) > 0)
		;
	return 0;
}
