/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forged signal frames: rt_sigreturn with wild registers, segments, flags and vector state, through the
 * guest's own call and through the stub's instructions; and a thread that blocks the interrupt signal and
 * spins.
 */
#include "tests/escape/escape.h"

#include <sched.h>
#include <ucontext.h>

struct forged {
	uint64_t seed;
	uint64_t site; /* 0: the guest's own call */
	int kind;
};

/* What rt_sigreturn finds at rsp: the kernel's ucontext, with a 64-bit mask. */
struct frame {
	uint64_t flags, link;
	stack_t stack;
	uint64_t gregs[23];
	uint64_t fpstate, reserved[8];
	uint64_t mask;
};

static struct frame frame __attribute__((aligned(64)));
static uint8_t state[8192] __attribute__((aligned(64)));
static uint64_t landing_stack[4096] __attribute__((aligned(64)));

static void landed(void)
{
	/* Whatever it changed, a call must still be served or refused in order. */
	syscall(SYS_getppid);
	_exit(NOTHING);
}

static void sane_frame(void)
{
	memset(&frame, 0, sizeof(frame));
	frame.gregs[REG_RIP] = (uint64_t)landed;
	frame.gregs[REG_RSP] = (uint64_t)&landing_stack[4000] - 8;
	frame.gregs[REG_EFL] = 0x202;
	frame.gregs[REG_CSGSFS] = 0x002b000000000033;
	frame.stack.ss_flags = SS_DISABLE;
}

static void forge(struct forged *f)
{
	static const uint64_t odd[] = {0,
				       8,
				       0x10,
				       0x18,
				       0x23,
				       0x2b,
				       0x33,
				       0x3b,
				       0xffff,
				       0x8000000000000000,
				       ~0ULL,
				       0xffff800000000000,
				       HUSK_STUB_BASE,
				       HUSK_CHAN_BASE,
				       0x202,
				       0x3f7fd7};
	uint64_t r = next_random(&f->seed), value;

	value = r & 1 ? odd[(r >> 8) % (sizeof(odd) / sizeof(odd[0]))] : next_random(&f->seed);
	switch (f->kind) {
	case 0: /* one register */
		frame.gregs[(r >> 16) % 23] = value;
		break;
	case 1: /* segments */
		frame.gregs[REG_CSGSFS] = next_random(&f->seed);
		if (r & 2)
			frame.gregs[REG_CSGSFS] = 0x002b000000000023;
		break;
	case 2: /* flags: TF, AC, DF, NT, IOPL, VM */
		frame.gregs[REG_EFL] = value;
		break;
	case 3: /* vector state with random contents and header */
		frame.fpstate = (uint64_t)state;
		for (size_t i = 0; i < sizeof(state) / 8; i++)
			((uint64_t *)state)[i] = next_random(&f->seed);
		if (r & 2) {
			uint32_t *sw = (uint32_t *)(state + 464);

			sw[0] = 0x46505853; /* FP_XSTATE_MAGIC1 */
			sw[1] = 2696;
			*(uint64_t *)(sw + 2) = r & 4 ? 7 : value;
			sw[4] = 2692;
		}
		frame.flags = r & 8 ? 1 : 0;
		break;
	case 4: /* a place that cannot be read */
		frame.fpstate = value;
		break;
	case 5: /* another signal stack: over the channel, nowhere, tiny */
		frame.stack = (stack_t){.ss_sp = (void *)(r & 2 ? HUSK_CHAN_BASE : value),
					.ss_size = r & 4 ? 4096 : value};
		break;
	case 6: /* every signal blocked, every signal free */
		frame.mask = r & 2 ? ~0ULL : value;
		break;
	case 7: /* all of it at random */
		for (size_t i = 0; i < sizeof(frame) / 8; i++)
			((uint64_t *)&frame)[i] = next_random(&f->seed);
		break;
	}
}

static int enter(void *arg)
{
	struct forged f = *(struct forged *)arg;

	for (int i = 0; i < 4; i++)
		signal((int[]){SIGSEGV, SIGBUS, SIGTRAP, SIGILL}[i], SIG_DFL);
	sane_frame();
	forge(&f);
	if (f.site)
		__asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tjmp *%1"
				 :
				 : "r"(&frame), "r"(f.site)
				 : "memory");
	else
		__asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall\n\thlt"
				 :
				 : "r"(&frame)
				 : "memory");
	return NOTHING;
}

/* Blocks everything on the host, then computes for ever: only husk's own watchdog can take this thread. */
static void spin(void)
{
	for (;;)
		__asm__ volatile("" ::: "memory");
}

static int mute(void *arg)
{
	sane_frame();
	frame.mask = ~0ULL;
	frame.gregs[REG_RIP] = (uint64_t)spin;
	__asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tjmp *%1"
			 :
			 : "r"(&frame), "r"(*(uint64_t *)arg)
			 : "memory");
	return NOTHING;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 12;

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	if (argc > 1 && !strcmp(argv[1], "mute")) {
		/* The runner's time limit ends this one; an instruction that refuses kills it earlier: hence
		 * the children. */
		for (int s = 0; s < nsites; s++)
			if (!fork())
				_exit(mute(&sites[s]));
		while (wait(NULL) > 0)
			;
		return 0;
	}
	for (int kind = 0; kind < 8; kind++) {
		for (int round = 0; round < rounds; round++) {
			struct forged f = {.seed = 1442695040888963407ULL +
						   (uint64_t)(kind * 1000 + round) * 104729,
					   .kind = kind};

			attempt("a forged frame by the guest's call", enter, &f, 1000);
			for (int s = 0; s < nsites && s < 64; s++) {
				f.site = sites[s];
				/* All instructions in the first rounds, later only what answered. */
				if (round > 1 && s % 7 != round % 7)
					continue;
				attempt("a forged frame at the stub's instruction", enter, &f, 1000);
			}
		}
	}
	hung = 0;
	for (int s = 0; s < nsites; s++)
		attempt("the interrupt signal blocked", mute, &sites[s], 300);
	/* attempt() ended them by SIGKILL: that it came back at all is the watchdog's work. */
	return verdict("forged signal frames");
}
