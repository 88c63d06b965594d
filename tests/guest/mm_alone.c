/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory calls of a process that is alone in its address space, which may be made without asking anybody: what they leave
 * is what Linux leaves, as the process, its maps and others see it, and whatever was forbidden meanwhile is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE  4096UL
#define PAGES 64
#define RW    (PROT_READ | PROT_WRITE)
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)

static unsigned long long seed = 7;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static int run(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(60);
		fn();
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* The protection that a process's maps show of @addr, in PROT_*; -1: nothing is mapped. Without malloc(). */
static int shown(pid_t pid, const void *addr)
{
	static char text[65536], path[64];
	unsigned long start, end, at = (unsigned long)addr;
	ssize_t n, used = 0;
	int fd;
	char r, w, x;

	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY);
	while ((n = read(fd, text + used, sizeof text - 1 - used)) > 0)
		used += n;
	close(fd);
	text[used] = 0;
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (sscanf(line, "%lx-%lx %c%c%c", &start, &end, &r, &w, &x) == 5 && at >= start && at < end)
			return (r == 'r' ? PROT_READ : 0) | (w == 'w' ? PROT_WRITE : 0) |
			       (x == 'x' ? PROT_EXEC : 0);
	return -1;
}

static sigjmp_buf fault;

static void on_fault(int signo)
{
	siglongjmp(fault, 1);
}

/* Whether the byte can be read (written) by the processor. */
static int touches(volatile char *p, int write)
{
	if (sigsetjmp(fault, 1))
		return 0;
	if (write)
		*p = *p;
	else
		(void)*p;
	return 1;
}

/* ---- random calls, and a list of pages that says what must be ---- */

static struct {
	int prot; /* -1: not mapped */
	char byte;
	char order,
		huge; /* advice, as smaps has it: ' ', 's'equential, 'r'andom; ' ', 'h'uge pages, 'n'one */
} model[PAGES];
static int has_huge;
static char *area;
static int out;

static void look(void)
{
	for (int i = 0; i < PAGES; i++) {
		char *p = area + i * PAGE;
		int prot = model[i].prot;

		/* x86 reads what it may write or execute. */
		CHECK_EQ(touches(p, 0), prot > 0);
		CHECK_EQ(touches(p, 1), prot > 0 && (prot & PROT_WRITE));
		CHECK_EQ(write(out, p, 1), prot > 0 ? 1 : -1);
		if (prot > 0)
			CHECK_EQ(*p, model[i].byte);
		if (i % 8 == 0)
			CHECK_EQ(shown(getpid(), p), prot);
	}
}

/* What smaps shows of each page's advice is what was given. */
static void look_at_advice(void)
{
	static char text[1 << 20];
	unsigned long start = 0, end = 0, from = (unsigned long)area;
	ssize_t n, used = 0;
	int fd = open("/proc/self/smaps", O_RDONLY), wrong = 0;

	while ((n = read(fd, text + used, sizeof text - 1 - used)) > 0)
		used += n;
	close(fd);
	text[used] = 0;
	for (char *next, *line = text; line && *line; line = next) {
		unsigned long a, b;
		char order, huge;

		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			start = a;
			end = b;
		}
		if (strncmp(line, "VmFlags:", 8))
			continue;
		order = strstr(line, " sr") ? 's' : strstr(line, " rr") ? 'r' : ' ';
		huge = strstr(line, " hg") ? 'h' : strstr(line, " nh") ? 'n' : ' ';
		for (int i = 0; i < PAGES; i++)
			if (from + i * PAGE >= start && from + i * PAGE < end)
				wrong +=
					model[i].prot < 0 || model[i].order != order || model[i].huge != huge;
	}
	CHECK_EQ(wrong, 0);
}

static void advise(int a, int n, int hole)
{
	static const int advices[] = {MADV_NORMAL,   MADV_RANDOM,   MADV_SEQUENTIAL,
				      MADV_WILLNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE};
	int which = (int)rnd(has_huge ? 6 : 4);

	CHECK_EQ(madvise(area + a * PAGE, n * PAGE, advices[which]), hole ? -1 : 0);
	if (hole)
		CHECK_EQ(errno, ENOMEM);
	for (int i = a; i < a + n; i++) {
		if (which < 3)
			model[i].order = " rs"[which];
		else if (which > 3)
			model[i].huge = " hn"[which - 3];
	}
}

static void step(void)
{
	int a = (int)rnd(PAGES), n = 1 + (int)rnd(a + 12 > PAGES ? PAGES - a : 12), i, hole = 0;
	int prots[] = {PROT_NONE, PROT_READ, RW, RW, RW | PROT_EXEC}, prot = prots[rnd(5)];
	char *p = area + a * PAGE;

	for (i = a; i < a + n; i++)
		hole |= model[i].prot < 0;
	switch (rnd(7)) {
	case 0:
		CHECK_EQ(munmap(p, n * PAGE), 0);
		for (i = a; i < a + n; i++)
			model[i].prot = -1;
		break;
	case 1:
		CHECK(mmap(p, n * PAGE, prot, ANON | MAP_FIXED, -1, 0) == p);
		for (i = a; i < a + n; i++) {
			model[i].prot = prot;
			model[i].byte = 0;
			model[i].order = model[i].huge = ' ';
		}
		break;
	case 2:
	case 3:
		CHECK_EQ(mprotect(p, n * PAGE, prot), hole ? -1 : 0);
		for (i = a; i < a + n && model[i].prot >= 0; i++)
			model[i].prot = prot;
		break;
	case 4:
		CHECK_EQ(madvise(p, n * PAGE, MADV_DONTNEED), hole ? -1 : 0);
		for (i = a; i < a + n; i++)
			model[i].byte = 0;
		break;
	case 5:
		advise(a, n, hole);
		break;
	default:
		for (i = a; i < a + n; i++)
			if (model[i].prot > 0 && (model[i].prot & PROT_WRITE))
				area[i * PAGE] = model[i].byte = (char)rnd(100);
	}
}

static void random_calls(void)
{
	int fds[2];

	CHECK_OK(pipe2(fds, O_NONBLOCK));
	out = open("/dev/null", O_WRONLY);
	close(out);
	out = fds[1];
	signal(SIGSEGV, on_fault);
	area = mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0);
	has_huge =
		!madvise(area, PAGES * PAGE, MADV_NOHUGEPAGE) && !madvise(area, PAGES * PAGE, MADV_HUGEPAGE);
	for (int i = 0; i < PAGES; i++) {
		model[i].prot = RW;
		model[i].order = ' ';
		model[i].huge = has_huge ? 'h' : ' ';
	}
	for (int i = 0; i < 4000 && !check_failed(); i++) {
		step();
		if (i % 100 == 0) {
			char drain[4096];

			look();
			look_at_advice();
			while (read(fds[0], drain, sizeof drain) > 0)
				;
		}
	}
	/* A child begins with the same, and changes its own alone. */
	if (!fork()) {
		look();
		for (int i = 0; i < 50; i++)
			step();
		look();
		_exit(check_failed());
	}
	int status = -1;

	CHECK(wait(&status) > 0 && status == 0);
	look();
}

/* ---- errors ---- */

static void errors(void)
{
	char *p = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);

	for (int round = 0; round < 4; round++) {
		CHECK_ERRNO(munmap(p + 1, PAGE), EINVAL);
		CHECK_ERRNO(munmap(p, 0), EINVAL);
		CHECK_ERRNO(munmap(p, ~0UL), EINVAL);
		CHECK_ERRNO(munmap(p, 1UL << 48), EINVAL);
		CHECK_ERRNO(mprotect(p + 1, PAGE, RW), EINVAL);
		CHECK_ERRNO(mprotect(p, PAGE, 0x100), EINVAL);
		CHECK_ERRNO(mprotect(p, PAGE, RW | PROT_GROWSDOWN), EINVAL);
		CHECK_ERRNO(mprotect(p, ~PAGE, RW), ENOMEM);
		CHECK_EQ(mprotect(p, 0, RW), 0);
		CHECK_EQ(mprotect(p, 1, RW), 0);
		CHECK_EQ(madvise(p, 0, MADV_DONTNEED), 0);
		CHECK_ERRNO(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
		CHECK_ERRNO(madvise(p, PAGE, 12345), EINVAL);
		CHECK_ERRNO(mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
		CHECK_ERRNO(mmap(NULL, ~0UL, RW, ANON, -1, 0), ENOMEM);
		CHECK_ERRNO(mmap(NULL, 1UL << 47, RW, ANON, -1, 0), ENOMEM);
		CHECK_ERRNO(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
		CHECK_ERRNO(mmap(NULL, PAGE, RW, ANON, -1, 1), EINVAL);
		/* What lies before the hole has changed. */
		CHECK_OK(munmap(p + 4 * PAGE, PAGE));
		CHECK_ERRNO(mprotect(p, 8 * PAGE, PROT_READ), ENOMEM);
		CHECK_EQ(shown(getpid(), p), PROT_READ);
		CHECK_EQ(shown(getpid(), p + 5 * PAGE), RW);
		p[5 * PAGE] = 1;
		CHECK_ERRNO(madvise(p, 8 * PAGE, MADV_DONTNEED), ENOMEM);
		CHECK_EQ(p[5 * PAGE], 0);
		CHECK(mmap(p, 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
	}
}

/* ---- the break ---- */

static char *brk_to(const void *to)
{
	return (char *)syscall(SYS_brk, to);
}

static void breaks(void)
{
	char *start = brk_to(NULL), *now = start;
	struct rlimit limit = {0, 0};

	signal(SIGSEGV, on_fault);
	for (int i = 0; i < 200; i++) {
		char *to = start + rnd(64 * PAGE), *end;

		CHECK(brk_to(to) == to);
		now = to;
		CHECK(brk_to(NULL) == now);
		end = (char *)(((uintptr_t)now + PAGE - 1) & ~(PAGE - 1));
		CHECK(!touches(end, 0));
		if (end > start) {
			CHECK(touches(end - 1, 1));
			end[-1] = 5;
		}
		if (i % 20 == 0 && end > start) {
			CHECK_EQ(shown(getpid(), end - 1), RW);
			CHECK_EQ(shown(getpid(), end), -1);
		}
	}
	/* What was given back comes back empty. */
	CHECK(brk_to(start + 4 * PAGE) == start + 4 * PAGE);
	start[3 * PAGE] = 7;
	CHECK(brk_to(start + PAGE) == start + PAGE);
	CHECK(brk_to(start + 4 * PAGE) == start + 4 * PAGE);
	CHECK_EQ(start[3 * PAGE], 0);
	CHECK(brk_to((void *)PAGE) == start + 4 * PAGE);
	CHECK(brk_to((void *)(1UL << 47)) == start + 4 * PAGE);
	/* Not over what is in its way. */
	CHECK(mmap(start + 16 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) != MAP_FAILED);
	CHECK(brk_to(start + 32 * PAGE) == start + 4 * PAGE);
	CHECK(brk_to(start + 8 * PAGE) == start + 8 * PAGE);
	/* Nor over the limit. */
	limit.rlim_max = limit.rlim_cur = 64 * PAGE;
	CHECK_OK(setrlimit(RLIMIT_DATA, &limit));
	CHECK(brk_to(start + 15 * PAGE) == start + 8 * PAGE);
	CHECK_ERRNO(mmap(NULL, 128 * PAGE, RW, ANON, -1, 0), ENOMEM);
}

/* ---- others look ---- */

static volatile int *turn;

static void pass(int next)
{
	__atomic_store_n(turn, next, __ATOMIC_RELEASE);
}

static void await(int mine)
{
	while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != mine)
		__builtin_ia32_pause();
}

static char *volatile *where;

static void watcher(pid_t pid)
{
	char *p;
	struct rlimit limit = {1, 1};

	await(1);
	p = *where;
	CHECK_EQ(shown(pid, p), RW);
	CHECK_EQ(shown(pid, p + PAGE), PROT_READ);
	CHECK_EQ(shown(pid, p + 2 * PAGE), -1);
	CHECK_EQ(shown(pid, p + 3 * PAGE), RW);
	pass(2);
	await(3);
	CHECK_EQ(shown(pid, p), -1);
	CHECK_OK(prlimit(pid, RLIMIT_AS, &limit, NULL));
	pass(4);
	_exit(check_failed());
}

static void others_look(void)
{
	pid_t self = getpid(), pid;
	char *p;
	int status;

	turn = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	where = (char *volatile *)(turn + 16);
	pid = fork();
	if (!pid)
		watcher(self);
	/* The first calls may go another way than later ones. */
	for (int i = 0; i < 20; i++) {
		p = mmap(NULL, 64 * PAGE, RW, ANON, -1, 0);
		CHECK_OK(mprotect(p, PAGE, PROT_READ));
		CHECK_OK(mprotect(p, PAGE, RW));
		if (i < 19)
			CHECK_OK(munmap(p, 64 * PAGE));
	}
	CHECK_OK(mprotect(p + PAGE, PAGE, PROT_READ));
	CHECK_OK(munmap(p + 2 * PAGE, PAGE));
	*where = p;
	pass(1);
	await(2);
	CHECK_OK(munmap(p, 64 * PAGE));
	pass(3);
	await(4);
	CHECK_ERRNO(mmap(NULL, 64 * PAGE, RW, ANON, -1, 0), ENOMEM);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* ---- what is not plain ---- */

static void not_plain(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char *p, *q;

	for (int i = 0; i < 20; i++) {
		p = mmap(NULL, 64 * PAGE, RW, ANON, -1, 0);
		CHECK_OK(madvise(p, PAGE, MADV_DONTNEED));
		if (i < 19)
			CHECK_OK(munmap(p, 64 * PAGE));
	}
	q = p + 8 * PAGE;
	CHECK_OK(munmap(q, PAGE));
	CHECK(mmap(q, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == q);
	CHECK_ERRNO(mprotect(q, PAGE, RW), EACCES);
	CHECK_ERRNO(mprotect(p, 16 * PAGE, RW), EACCES);
	CHECK_OK(munmap(q, PAGE));
	p[0] = 3;
	if (!mlock(p, PAGE)) {
		CHECK_ERRNO(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
		CHECK_EQ(p[0], 3);
		CHECK_OK(munlock(p, PAGE));
		CHECK_OK(madvise(p, PAGE, MADV_DONTNEED));
		CHECK_EQ(p[0], 0);
	}
	if (syscall(462 /* mseal */, p, PAGE, 0) == 0) {
		CHECK_ERRNO(munmap(p, 4 * PAGE), EPERM);
		CHECK_ERRNO(mprotect(p, PAGE, PROT_READ), EPERM);
		CHECK_OK(mprotect(p + PAGE, PAGE, PROT_READ));
		CHECK_OK(munmap(p + PAGE, PAGE));
		CHECK_EQ(shown(getpid(), p), RW);
	}
	if (personality(READ_IMPLIES_EXEC) >= 0) {
		p = mmap(NULL, 64 * PAGE, PROT_READ, ANON, -1, 0);
		CHECK_EQ(shown(getpid(), p), PROT_READ | PROT_EXEC);
		CHECK_OK(mprotect(p, PAGE, RW));
		CHECK_EQ(shown(getpid(), p), RW | PROT_EXEC);
	}
}

/* ---- not alone ---- */

static void map_some(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		char *p = mmap(NULL, 16 * PAGE, RW, ANON, -1, 0), *q = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);

		CHECK(p != MAP_FAILED && q != MAP_FAILED);
		p[0] = q[0] = 1;
		CHECK_OK(mprotect(p, 4 * PAGE, PROT_READ));
		CHECK_OK(munmap(q, 8 * PAGE));
		CHECK_EQ(p[0], 1);
		CHECK_OK(munmap(p, 16 * PAGE));
	}
}

static void *thread(void *arg)
{
	map_some(200);
	return NULL;
}

static char *shared_page;

static int borrower(void *arg)
{
	map_some(5);
	munmap(shared_page, PAGE);
	return 0;
}

static void not_alone(void)
{
	static char stack[65536];
	pthread_t t;
	int status;
	pid_t pid;

	signal(SIGSEGV, on_fault);
	for (int i = 0; i < 3; i++) {
		map_some(20);
		CHECK_EQ(pthread_create(&t, NULL, thread, NULL), 0);
		map_some(200);
		pthread_join(t, NULL);
		shared_page = mmap(NULL, PAGE, RW, ANON, -1, 0);
		shared_page[0] = 1;
		pid = clone(borrower, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		CHECK(!touches(shared_page, 0));
		CHECK_EQ(shown(getpid(), shared_page), -1);
	}
}

/* ---- interrupted ---- */

static volatile int rung;

static void on_alarm(int signo)
{
	rung++;
}

static void interrupted(void)
{
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
	while (rung < 50 && !check_failed())
		map_some(1);
	setitimer(ITIMER_REAL, &never, NULL);
}

int main(void)
{
	CHECK_EQ(run(random_calls), 0);
	CHECK_EQ(run(errors), 0);
	CHECK_EQ(run(breaks), 0);
	CHECK_EQ(run(others_look), 0);
	CHECK_EQ(run(not_plain), 0);
	CHECK_EQ(run(not_alone), 0);
	CHECK_EQ(run(interrupted), 0);
	return check_done();
}
