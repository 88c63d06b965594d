/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random system calls: calls SEED SECONDS. Workers, one seed each, make calls with numbers and arguments from
 * pools of interesting values, while a second thread interrupts them; the parent starts a new worker when one
 * ends, kills what blocks, and ends by itself with 0. Husk must not crash, hang or leak. Runs inside husk
 * only: natively it would do real damage.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define NR_CALLS   470
#define WORKERS    2
#define CALLS_EACH 400

static uint64_t seed;
static char *pages; /* 8 readable pages; then one read-only, then one without permissions */
static int trace;

static uint64_t draw(uint64_t below)
{
	return next_random(&seed) % below;
}

static const char *const paths[] = {"/tmp/fuzz-a",
				    "/tmp/fuzz-b/c",
				    "/tmp",
				    "/",
				    "",
				    ".",
				    "..",
				    "/proc/self/maps",
				    "/proc/self/fd/3",
				    "/proc/self/exe",
				    "/etc/passwd",
				    "/dev/null",
				    "/dev/zero",
				    "/dev/full",
				    "/proc/self/mem",
				    "/bin/true",
				    "/nonexistent/x",
				    "/tmp/fuzz-link",
				    "/tmp/fuzz-fifo",
				    "/proc/self/status",
				    "/dev/tty",
				    "/proc/self/task",
				    "/usr/include",
				    "/tmp/fuzz-socket",
				    "/dev/shm/fuzz",
				    "/proc/1/stat"};

static uint64_t pointer(void)
{
	uint64_t *p;
	size_t i;

	switch (draw(12)) {
	case 0:
		return 0;
	case 1: /* across the end into a page without permissions */
		return (uint64_t)pages + 9 * 4096 - draw(64);
	case 2: /* read-only */
		return (uint64_t)pages + 8 * 4096 + draw(64) * 8;
	case 3:
		return (uint64_t[]){1,
				    0xfff,
				    0x7ffdfffff000,
				    HUSK_STUB_BASE,
				    HUSK_KPAGE_BASE,
				    HUSK_CHAN_BASE,
				    0x7ffffffff000,
				    1ULL << 47,
				    0xffff800000000000,
				    0xffffffffff600000,
				    ~0ULL,
				    ~7ULL}[draw(12)];
	case 4:
	case 5:
	case 6: /* a path */
		return (uint64_t)strcpy(pages + draw(6) * 4096 + 2048,
					paths[draw(sizeof(paths) / sizeof(paths[0]))]);
	default: /* a structure of small and odd numbers, with pointers among them */
		p = (uint64_t *)(pages + draw(6) * 4096 + draw(128) * 8);
		for (i = 0; i < 24; i++) {
			switch (draw(5)) {
			case 0:
				p[i] = draw(16);
				break;
			case 1:
				p[i] = (uint64_t)(pages + draw(7 * 4096));
				break;
			case 2:
				p[i] = next_random(&seed);
				break;
			case 3:
				((uint32_t *)&p[i])[0] = (uint32_t)draw(8);
				((uint32_t *)&p[i])[1] = (uint32_t)draw(300);
				break;
			default:
				p[i] = 0;
			}
		}
		return (uint64_t)p;
	}
}

static uint64_t value(void)
{
	static const uint64_t odd[] = {
		0,          1,          2,          3,          4,          5,          7,       8,
		16,         64,         100,        255,        1024,       4095,       4096,    8192,
		65536,      1 << 20,    0x7fffffff, 0x80000000, ~0ULL,      -2ULL,      -100ULL, -4095ULL,
		1ULL << 31, 1ULL << 32, 1ULL << 40, 1ULL << 62, 1ULL << 63, 0xffffffff, 0x80000, 0x800};

	switch (draw(6)) {
	case 0:
	case 1:
		return pointer();
	case 2:
		return draw(12); /* descriptors, small numbers, signals */
	case 3:
		return 1ULL << draw(34);
	case 4:
		return odd[draw(sizeof(odd) / sizeof(odd[0]))];
	default:
		return next_random(&seed) >> draw(64);
	}
}

/* Calls that would end the test instead of testing. */
static int skipped(long nr)
{
	return nr == SYS_exit_group || nr == SYS_exit || nr == SYS_setrlimit || nr == SYS_prlimit64 ||
	       nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3 ||
	       nr == SYS_rt_sigreturn || nr == SYS_pause;
}

static void one_call(void)
{
	long nr = (long)draw(NR_CALLS);
	uint64_t a[6];

	if (skipped(nr) && draw(50))
		return;
	for (int i = 0; i < 6; i++)
		a[i] = value();
	switch (nr) {
	case SYS_kill: /* itself and its children only */
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
		a[0] = (uint64_t)getpid();
		if (nr == SYS_tgkill || nr == SYS_rt_tgsigqueueinfo)
			a[1] = (uint64_t)syscall(SYS_gettid);
		if (!draw(4))
			a[nr == SYS_kill || nr == SYS_tkill || nr == SYS_rt_sigqueueinfo ? 1 : 2] = SIGUSR1;
		break;
	case SYS_clone: /* a forked child with the stack as it is */
		a[0] &= 0xff | 0x00300000;
		a[1] = 0;
		break;
	case SYS_munmap: /* mostly among its own pages, or nothing would be left */
	case SYS_mprotect:
	case SYS_mremap:
	case SYS_madvise:
		if (draw(8))
			a[0] = (uint64_t)pages + 5 * 4096 + draw(8) * 4096;
		a[1] &= 0xffff;
		if (a[0] < (uint64_t)pages || a[0] > (uint64_t)pages + 16 * 4096)
			a[1] &= 0xfff;
		break;
	case SYS_fallocate: /* takes memory at once, which no limit of the test's bounds */
		a[2] &= (4 << 20) - 1, a[3] &= (4 << 20) - 1;
		break;
	case SYS_mmap:
		if (a[3] & MAP_FIXED)
			a[0] = (uint64_t)pages + 5 * 4096 + draw(8) * 4096, a[1] &= 0x7fff;
		break;
	}
	if (trace)
		fprintf(stderr, "%ld(%lx, %lx, %lx, %lx, %lx, %lx)\n", nr, a[0], a[1], a[2], a[3], a[4],
			a[5]);
	syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void on_signal(int signo)
{
	(void)signo;
}

static pid_t main_thread;

/* Blocked calls come back, now and then. */
static void *interrupter(void *arg)
{
	for (;;) {
		nanosleep(&(struct timespec){0, 3000000}, NULL);
		syscall(SYS_tgkill, getpid(), main_thread, SIGUSR1);
	}
	return arg;
}

static void worker(uint64_t number)
{
	struct rlimit as = {512 << 20, 512 << 20}, fsize = {8 << 20, 8 << 20}, nproc = {24, 24},
		      nofile = {64, 64};
	struct sigaction sa = {.sa_handler = on_signal};
	pthread_t t;
	int pair[2];

	seed = number * 0x9e3779b97f4a7c15ULL + 1;
	setsid();
	(void)!chdir("/tmp");
	for (int fd = 3; fd < 8; fd++)
		close(fd);
	open("/tmp/fuzz-a", O_RDWR | O_CREAT, 0666);
	(void)!pipe(pair);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	open("/usr/include", O_RDONLY | O_DIRECTORY);
	syscall(SYS_memfd_create, "fuzz", 0);
	if (number % 2) {
		(void)!setgid(65534);
		(void)!setuid(65534);
	}
	setrlimit(RLIMIT_AS, &as);
	setrlimit(RLIMIT_FSIZE, &fsize);
	setrlimit(RLIMIT_NPROC, &nproc);
	setrlimit(RLIMIT_NOFILE, &nofile);
	for (int signo = 1; signo < 32; signo++)
		if (signo != SIGSEGV && signo != SIGBUS && signo != SIGILL && signo != SIGABRT)
			sigaction(signo, &sa, NULL);
	main_thread = (pid_t)syscall(SYS_gettid);
	pthread_create(&t, NULL, interrupter, NULL);
	for (int i = 0; i < CALLS_EACH; i++)
		one_call();
	_exit(0);
}

int main(int argc, char **argv)
{
	uint64_t number = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	long end = now_ms() + 1000 * (argc > 2 ? atol(argv[2]) : 5);
	pid_t pid[WORKERS] = {0};
	long started[WORKERS] = {0};
	int ended = 0, killed = 0;

	trace = getenv("FUZZ_TRACE") != NULL;
	find_sites();
	pages = mmap(NULL, 10 * 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(pages + 8 * 4096, 4096, PROT_READ);
	mprotect(pages + 9 * 4096, 4096, PROT_NONE);
	number *= 1000000;
	for (;;) {
		int running = 0;

		for (int i = 0; i < WORKERS; i++) {
			if (pid[i] && waitpid(pid[i], NULL, WNOHANG) == pid[i]) {
				pid[i] = 0;
				ended++;
			}
			if (pid[i] && now_ms() > started[i] + 700) {
				kill(pid[i], SIGKILL);
				waitpid(pid[i], NULL, 0);
				pid[i] = 0;
				killed++;
			}
			if (!pid[i] && now_ms() < end) {
				started[i] = now_ms();
				number++;
				pid[i] = fork();
				if (!pid[i])
					worker(number);
				if (pid[i] < 0)
					pid[i] = 0;
			}
			running += pid[i] != 0;
		}
		if (!running && now_ms() >= end)
			break;
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	dprintf(2, "fuzz: %d workers ended, %d killed\n", ended, killed);
	return 0;
}
