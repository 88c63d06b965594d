/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that lies in its channel: a second thread writes garbage into slot headers, operations, ready words
 * and signal frames, and a single one into what it says of its memory calls, while the first makes calls, forks and
 * maps memory. The process may die; the others and husk go on.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <pthread.h>

#define KINDS 10
#define ALONE 8 /* this kind is told by the only thread */

struct plan {
	uint64_t seed;
	int kind;
};

static struct slot *slot_of(unsigned i)
{
	return (struct slot *)(HUSK_CHAN_BASE + (uint64_t)i * HUSK_SLOT_SIZE);
}

static const uint64_t odd[] = {0,
			       1,
			       2,
			       3,
			       4,
			       5,
			       6,
			       7,
			       64,
			       1023,
			       1024,
			       4096,
			       0x1ffff,
			       0x20000,
			       0x7fffffff,
			       0x80000000,
			       0xffffffff,
			       0xfffff000,
			       0xffffff00,
			       0x100000000,
			       ~0ULL,
			       HUSK_STUB_BASE,
			       HUSK_KPAGE_BASE,
			       HUSK_CHAN_BASE,
			       0x8000000000000000};

static uint64_t pick(uint64_t *seed)
{
	uint64_t r = next_random(seed);

	return r & 1 ? odd[(r >> 8) % (sizeof(odd) / sizeof(odd[0]))] : next_random(seed);
}

static void lie(struct plan *plan)
{
	unsigned which = 1 + next_random(&plan->seed) % 4;
	struct slot *s = slot_of(which);
	struct region_header *region = (struct region_header *)HUSK_CHAN_BASE;
	uint64_t value = pick(&plan->seed);

	switch (plan->kind) {
	case 0: /* any word of the header */
		((volatile uint32_t *)s)[next_random(&plan->seed) % (sizeof(*s) / 4)] = (uint32_t)value;
		break;
	case 1: /* events that never were */
		s->event = (uint32_t)value % 12;
		s->nr = (uint16_t)pick(&plan->seed);
		s->arg[next_random(&plan->seed) % 6] = pick(&plan->seed);
		__atomic_store_n(&s->state, TURN_KERNEL, __ATOMIC_SEQ_CST);
		__atomic_or_fetch(&region->ready[which / 64], 1UL << (which % 64), __ATOMIC_SEQ_CST);
		__atomic_or_fetch(&region->summary, 1, __ATOMIC_SEQ_CST);
		break;
	case 2: /* ready words */
		region->summary = value;
		region->ready[next_random(&plan->seed) % (HUSK_NR_SLOTS / 64)] = pick(&plan->seed);
		break;
	case 3: /* acknowledgements and results */
		s->acked = (uint32_t)value;
		s->op_index = (uint32_t)pick(&plan->seed);
		s->result = (s64)pick(&plan->seed);
		break;
	case 4: /* where the frame and what was copied lie */
		s->uc_offset = (uint32_t)value;
		s->fpstate_offset = (uint32_t)pick(&plan->seed);
		s->nin = (uint32_t)pick(&plan->seed);
		s->in[next_random(&plan->seed) % HUSK_MAX_IN].len = (uint32_t)pick(&plan->seed);
		s->in[next_random(&plan->seed) % HUSK_MAX_IN].offset = (uint32_t)pick(&plan->seed);
		break;
	case 5: /* operations and answers */
		((volatile uint64_t *)((char *)s + HUSK_OPS_OFFSET))[next_random(&plan->seed) % 512] = value;
		s->nops = (uint32_t)pick(&plan->seed);
		s->answer = (uint32_t)pick(&plan->seed) % 8;
		break;
	case 6: /* registers and the signal frame */
		s->regs[next_random(&plan->seed) % NR_SLOT_REGS] = value;
		((volatile uint64_t *)((char *)s + HUSK_SIGSTACK_OFFSET))[next_random(&plan->seed) %
									  (HUSK_SIGSTACK_SIZE / 8)] = value;
		break;
	case 7: /* states, fast */
		__atomic_store_n(&s->state, (uint32_t)value % 4, __ATOMIC_SEQ_CST);
		__atomic_store_n(&s->sleeping, (uint32_t)pick(&plan->seed) & 1, __ATOMIC_SEQ_CST);
		break;
	case 8: /* memory calls that never were, or others; by a process that is alone */
		((volatile uint64_t *)((char *)s + HUSK_MEMORY_OFFSET))[next_random(&plan->seed) %
									(sizeof(struct slot_memory) / 8)] =
			value;
		((struct slot_memory *)((char *)s + HUSK_MEMORY_OFFSET))->said += (uint32_t)value % 4;
		break;
	case 9: /* what is copied while a write goes on */
		((volatile uint64_t *)&s->next)[next_random(&plan->seed) % (sizeof(s->next) / 8)] = value;
		__atomic_store_n(&s->state, (uint32_t)value << TURN_ORDER | TURN_AHEAD, __ATOMIC_SEQ_CST);
		break;
	}
}

static void *liar(void *arg)
{
	struct plan *plan = arg;

	for (;;) {
		lie(plan);
		for (volatile int i = (int)(next_random(&plan->seed) % 2000); i; i--)
			;
	}
	return NULL;
}

/* From memory that the kernel has copied ahead, if it does. */
static void write_long(void)
{
	static char bytes[1 << 20];
	int fd = open("/tmp/long", O_CREAT | O_RDWR, 0600);

	(void)!pwrite(fd, bytes, sizeof(bytes), 1 << 20);
	close(fd);
}

/* What any program does; its results are worth nothing here. */
static int victim(void *arg)
{
	struct plan plan = *(struct plan *)arg;
	pthread_t t;
	char path[64];
	long end = now_ms() + 60;

	if (plan.kind != ALONE && pthread_create(&t, NULL, liar, &plan))
		return UNSURE;
	for (int i = 0; now_ms() < end; i++) {
		for (int n = 0; plan.kind == ALONE && n < i % 16; n++)
			lie(&plan);

		void *p = mmap(NULL, 65536, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int fd = open("/etc/passwd", O_RDONLY);
		pid_t pid;

		mprotect(p, 4096, PROT_READ);
		(void)!sbrk(i % 5 * 4096);
		if (p != MAP_FAILED)
			munmap(p, 65536);
		if (fd >= 0) {
			p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
			(void)!read(fd, path, sizeof(path));
			if (p != MAP_FAILED)
				munmap(p, 4096);
			close(fd);
		}
		if (plan.kind == 9 && i % 4 == 0)
			write_long();
		(void)!readlink("/proc/self/exe", path, sizeof(path));
		if (i % 8 == 7) {
			pid = fork();
			if (!pid)
				_exit(0);
			if (pid > 0)
				waitpid(pid, NULL, 0);
		}
	}
	return NOTHING;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 6;

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	for (int round = 0; round < rounds; round++) {
		for (int kind = 0; kind < KINDS; kind++) {
			struct plan plan = {.seed = 88172645463325252ULL +
						    (uint64_t)(round * 8 + kind) * 7919,
					    .kind = kind};

			attempt("a lying channel", victim, &plan, 1500);
		}
	}
	return verdict("a lying channel");
}
