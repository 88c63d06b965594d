/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that plays the stub: it orders a thread, makes none, and says that it made one, with a number of its own
 * invention. What the kernel process then takes for a thread never answers; the process must still be killed.
 */
#include "tests/escape/escape.h"

#include <sched.h>

static struct region_header *const region = (struct region_header *)HUSK_CHAN_BASE;

static struct slot *slot_of(unsigned i)
{
	return (struct slot *)(HUSK_CHAN_BASE + (uint64_t)i * HUSK_SLOT_SIZE);
}

/* Hands slot @i over without the stub. */
static void hand_over(unsigned i, uint32_t event)
{
	struct slot *s = slot_of(i);

	s->event = event;
	__atomic_store_n(&s->state, TURN_KERNEL, __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&region->ready[i / 64], 1UL << (i % 64), __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&region->summary, 1UL << (i / 64), __ATOMIC_SEQ_CST);
}

/* The parent's calls wake the kernel process. */
static int answered(unsigned i)
{
	long end = now_ms() + 2000;

	while (__atomic_load_n(&slot_of(i)->state, __ATOMIC_ACQUIRE) != TURN_GUEST)
		if (now_ms() > end)
			return 0;
	return 1;
}

static int order(void *arg)
{
	const uint64_t flags =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	static char stack[4096] __attribute__((aligned(16)));
	struct slot *s = slot_of(1);
	unsigned child;

	now_ms();
	syscall(SYS_getppid); /* leaves a frame that is valid */
	s->nin = 0;
	s->regs[SREG_ORIG_RAX] = SYS_clone;
	s->regs[SREG_RDI] = flags;
	s->regs[SREG_RSI] = (uint64_t)(stack + sizeof stack);
	hand_over(1, EVENT_CALL);
	if (!answered(1) || s->answer != ANSWER_THREAD)
		return UNSURE;
	child = s->clone_slot;
	if (child < 2 || child >= HUSK_NR_SLOTS)
		return UNSURE;
	hand_over(child, EVENT_READY);
	s->result = *(long *)arg;
	hand_over(1, EVENT_DONE);
	answered(1);
	for (;;)
		;
}

int main(void)
{
	/* Nobody; nothing; the first process of all. */
	static long tids[] = {4194303, 0, 1, -1, 0x100000001};
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	for (size_t i = 0; i < sizeof tids / sizeof tids[0]; i++) {
		status = attempt("a thread that is none", order, &tids[i], 500);
		if (status >= 0 && WIFEXITED(status)) {
			printf("not ok - the order was not played through: status %x\n", status);
			escaped++;
		}
	}
	return verdict("a thread that is none");
}
