/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under the ptrace trap: a guest that scribbles over the memory in which the kernel process prepares its own calls
 * (messages, results, the stack of the robust lists' walk) while other threads of it have such calls made, and one that
 * runs the traced call's instruction itself. Whatever comes of it, it is husk that answers, or the guest that dies.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <pthread.h>

#define SCRATCH ((volatile uint64_t *)HUSK_CHAN_BASE)

/* What is written to: all, or a part, so that the others live long enough. */
static const struct {
	uint64_t start, end;
} areas[] = {
	{0, HUSK_SCRATCH_SIZE},
	{HUSK_SCRATCH_MSG, HUSK_SCRATCH_VEC},
	{HUSK_SCRATCH_VEC, HUSK_SCRATCH_WAKE},
	{HUSK_SCRATCH_WAKE, HUSK_SCRATCH_CODE},
	{HUSK_SCRATCH_CODE, HUSK_SCRATCH_SIZE},
};

static void *scribbler(void *arg)
{
	uint64_t seed = *(uint64_t *)arg, area = seed % 5;
	uint64_t start = areas[area].start / 8, words = areas[area].end / 8 - start;

	for (;;) {
		uint64_t r = next_random(&seed);

		/* Pointers into the stub, into the scratch itself, and noise. */
		SCRATCH[start + r % words] = r & 1   ? HUSK_STUB_BASE + (r >> 20) % 0x2000
					     : r & 2 ? HUSK_CHAN_BASE + (r >> 20) % HUSK_SCRATCH_SIZE
						     : r;
	}
	return NULL;
}

static pthread_mutex_t robust[8];

static void *locks_and_ends(void *arg)
{
	for (int i = 0; i < 8; i++)
		pthread_mutex_lock(&robust[i]);
	return arg;
}

/* Maps files, changes and forks, ends threads that hold robust mutexes. */
static void make_calls(void)
{
	pthread_mutexattr_t a;
	int fd = open("/bin/true", O_RDONLY);
	long end = now_ms() + 400;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	while (now_ms() < end) {
		unsigned char vec[4];
		pthread_t t;
		void *p = mmap(NULL, 16384, PROT_READ, MAP_PRIVATE, fd, 0);

		mincore(p, 16384, vec);
		munmap(p, 16384);
		for (int i = 0; i < 8; i++)
			pthread_mutex_init(&robust[i], &a);
		if (!pthread_create(&t, NULL, locks_and_ends, NULL))
			pthread_join(t, NULL);
	}
}

static int scribble(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, scribbler, arg);
	make_calls();
	return NOTHING;
}

/* The instruction by which the kernel process makes its calls, run by the guest: an ordinary call of it. */
static int call_it(void *arg)
{
	uint64_t site = *(uint64_t *)arg;
	int fd;

	if (STUB_CALL(site, SYS_getpid, 0, 0, 0, 0, 0, 0) != getpid())
		return ESCAPED;
	fd = (int)STUB_CALL(site, SYS_open, (uint64_t)marker, O_CREAT | O_WRONLY, 0600, 0, 0, 0);
	if (fd >= 0)
		close(fd);
	return NOTHING;
}

int main(void)
{
	uint64_t site = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!readable(HUSK_STUB_BASE)) {
		printf("# no stub here\n");
		return 77;
	}
	/* A syscall instruction with an int3 behind it. */
	for (uint64_t at = HUSK_STUB_BASE; at < HUSK_STUB_BASE + STUB_CODE_SIZE - 3 && !site; at++)
		if (!(at % 4096 == 0 && !readable(at)) && !memcmp((void *)at, "\x0f\x05\xcc", 3))
			site = at;
	attempt("the traced call made by the guest", call_it, &site, 2000);
	for (uint64_t seed = 1; seed <= 10; seed++)
		attempt("scribbling", scribble, &seed, 4000);
	return verdict("the tracer's scratch memory");
}
