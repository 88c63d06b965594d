/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals on their own, with a guest that is plain memory here: queues and their limit, what sending drops
 * and cancels, the choice of a thread, stops; frames pushed and returned from, also after a guest has
 * scribbled on them.
 *
 * `signal_frames [seed]`.
 *
 * links: src/kernel/task/signal_queue.c src/kernel/task/signal_send.c src/kernel/task/signal_stop.c
 * links: src/kernel/task/signal_deliver.c src/kernel/task/signal_frame.c src/kernel/task/sighand.c
 * src/base/bug.c
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/signal.h"
#include "task/coredump.h"
#include "task/foresee.h"
#include "task/trace.h"

#define XSTATE_SIZE 832
#define STACK_SIZE  65536

static int failures, checks, kicks, exits, notices;
static char vectors[XSTATE_SIZE];
static char stack[STACK_SIZE] __attribute__((aligned(64)));
static struct kernel kernel;
static struct thread_group parent, group;
static struct task tasks[3], father;
static struct cred cred;
static struct trap_thread threads[3];

#define CHECK(expr)                                                \
	do {                                                       \
		checks++;                                          \
		if (!(expr)) {                                     \
			failures++;                                \
			printf("not ok %d %s\n", __LINE__, #expr); \
		}                                                  \
	} while (0)

/* ---- the rooms below and beside, as far as signals use them ---- */

void task_kick(struct task *t)
{
	kicks++;
	if (t->state == TASK_STOPPED)
		t->state = TASK_KERNEL;
}

void group_exit(struct thread_group *g, int code)
{
	g->exiting = true;
	g->exit_code = code;
}

void task_exit(struct task *t, int code)
{
	(void)code;
	t->state = TASK_DEAD;
	exits++;
}

struct thread_group *group_next(struct kernel *k, int after)
{
	(void)k;
	return after < group.tgid ? &group : NULL;
}

void group_times(struct thread_group *g, u64 *utime, u64 *stime)
{
	(void)g;
	*utime = *stime = 0;
}

bool capable(const struct task *t, int cap)
{
	(void)t;
	(void)cap;
	return false;
}

void task_load_regs(struct task *t)
{
	(void)t;
}

/* Nobody is traced. */
bool coredump_begin(struct task *t, const siginfo_t *info)
{
	return false;
}

bool coredump_holds(struct task *t)
{
	return false;
}

void coredump_interrupt(struct thread_group *g)
{
}

bool trace_signal(struct task *t, const siginfo_t *info)
{
	return false;
}

bool trace_answer(struct task *t, siginfo_t *info)
{
	return false;
}

bool trace_handler(struct task *t)
{
	return false;
}

bool trace_stop_due(struct task *t)
{
	return false;
}

void trace_notify(struct task *t)
{
}

void call_restart(struct task *t, bool handler, bool sa_restart)
{
	(void)t;
	(void)handler;
	(void)sa_restart;
}

void task_whole(struct task *t)
{
	(void)t;
}

void wake_all(struct wait_queue *q)
{
}

void wait_has_news(struct thread_group *g)
{
	if (g == &parent)
		notices++;
}

void timer_cancel(struct kernel *k, struct timer *timer)
{
	(void)k;
	(void)timer;
}

void posix_timers_free(struct thread_group *g)
{
	(void)g;
}

void posix_timer_dequeued(struct posix_timer *timer, siginfo_t *info)
{
	(void)timer;
	(void)info;
}

void object_count(struct kernel *k, const char *name, long by)
{
	(void)k;
	(void)name;
	(void)by;
}

struct futex_table *futex_table_new(struct kernel *k)
{
	(void)k;
	return malloc(1);
}

void futex_table_free(struct futex_table *t)
{
	free(t);
}

static bool inside(u64 addr, size_t size)
{
	return addr >= (u64)stack && size <= STACK_SIZE && addr - (u64)stack <= STACK_SIZE - size;
}

int user_read(struct task *t, void *to, u64 addr, size_t size)
{
	(void)t;
	if (!inside(addr, size))
		return -EFAULT;
	memcpy(to, (void *)addr, size);
	return 0;
}

int user_write(struct task *t, u64 addr, const void *from, size_t size)
{
	(void)t;
	if (!inside(addr, size))
		return -EFAULT;
	memcpy((void *)addr, from, size);
	return 0;
}

static int fake_access(struct task *t, u64 addr, u64 size, bool write, u64 *ok)
{
	(void)t;
	return inside(addr, size) ? 0 : -EFAULT;
}

static size_t fake_size(struct trap *trap)
{
	(void)trap;
	return XSTATE_SIZE;
}

static void fake_get(struct trap_thread *thread, void *to)
{
	(void)thread;
	memcpy(to, vectors, XSTATE_SIZE);
}

static int fake_set(struct trap_thread *thread, const void *from, size_t size)
{
	(void)thread;
	CHECK(size == XSTATE_SIZE);
	memcpy(vectors, from, size);
	return 0;
}

static const struct trap_ops fake_trap = {
	.xstate_size = fake_size,
	.xstate_get = fake_get,
	.xstate_set = fake_set,
};

/* ---- the world ---- */

static void task_make(struct task *t, struct thread_group *g, int tid, struct sighand *sighand)
{
	memset(t, 0, sizeof *t);
	t->k = &kernel;
	t->tid = tid;
	t->group = g;
	t->cred = &cred;
	t->state = TASK_KERNEL;
	t->sighand = sighand;
	t->exit_signal = SIGCHLD;
	t->altstack.flags = SS_DISABLE;
	sigpending_init(&t->pending);
	list_add_tail(&g->threads, &t->group_node);
	g->nthreads++;
}

static void group_make(struct thread_group *g, int tgid)
{
	memset(g, 0, sizeof *g);
	g->k = &kernel;
	g->tgid = g->pgid = g->sid = tgid;
	list_init(&g->threads);
	sigpending_init(&g->shared_pending);
	wait_queue_init(&g->child_wait);
	g->limits[RLIMIT_SIGPENDING] = (struct rlimit){100, 100};
}

static void world_make(void)
{
	struct sighand *s;

	memset(&kernel, 0, sizeof kernel);
	kernel.trap_ops = &fake_trap;
	kernel.ops.access = fake_access;
	CHECK(signal_init(&kernel) == 0);
	group_make(&parent, 2);
	group_make(&group, 5);
	group.parent = &parent;
	group.sid = parent.sid = 2;
	task_make(&father, &parent, 2, sighand_new(&kernel));
	parent.leader = &father;
	s = sighand_new(&kernel);
	for (int i = 0; i < 3; i++) {
		task_make(&tasks[i], &group, 5 + i, i ? sighand_get(s) : s);
		tasks[i].thread = &threads[i];
		memset(&threads[i], 0, sizeof threads[i]);
		threads[i].regs.orig_rax = ~0UL;
	}
	group.leader = &tasks[0];
	kicks = exits = notices = 0;
}

static void world_end(void)
{
	for (int i = 0; i < 3; i++) {
		sigpending_flush(&tasks[i].pending);
		sighand_put(tasks[i].sighand);
	}
	sigpending_flush(&group.shared_pending);
	sigpending_flush(&father.pending);
	sigpending_flush(&parent.shared_pending);
	sighand_put(father.sighand);
	CHECK(list_empty(&kernel.signals->users));
	signal_fini(&kernel);
}

static void handler_set(int signo, u64 handler, u64 flags, u64 mask)
{
	tasks[0].sighand->action[signo - 1] =
		(struct k_sigaction){handler, flags | HUSK_SA_RESTORER, 0x5555, mask};
}

static int send(int signo, int value)
{
	siginfo_t info = signal_info(signo, SI_QUEUE);

	info.si_value.sival_int = value;
	return signal_send_group(&group, &info);
}

/* ---- queues and sending ---- */

static void test_queue(void)
{
	struct task *t = &tasks[0];
	siginfo_t info;

	world_make();
	handler_set(SIGUSR1, 0x1000, 0, 0);
	handler_set(40, 0x1000, 0, 0);
	for (int i = 0; i < 3; i++)
		tasks[i].blocked = ~0UL;
	for (int i = 0; i < 4; i++) {
		CHECK(send(40, i) == 0);
		CHECK(send(SIGUSR1, i) == 0);
	}
	CHECK(kicks == 0);
	CHECK(signal_dequeue(t, ~0UL, &info) == SIGUSR1 && info.si_value.sival_int == 0);
	for (int i = 0; i < 4; i++)
		CHECK(signal_dequeue(t, ~0UL, &info) == 40 && info.si_value.sival_int == i);
	CHECK(signal_dequeue(t, ~0UL, &info) == 0);

	group.limits[RLIMIT_SIGPENDING].rlim_cur = 2;
	CHECK(send(40, 0) == 0);
	CHECK(send(40, 1) == 0);
	CHECK(send(40, 2) == -EAGAIN);
	CHECK(send(SIGUSR1, 9) == 0); /* its details are lost */
	CHECK(signal_dequeue(t, ~0UL, &info) == SIGUSR1 && info.si_code == SI_USER &&
	      !info.si_value.sival_int);
	sigpending_flush(&group.shared_pending);

	/* Ignored: dropped unless blocked. */
	handler_set(SIGUSR1, (u64)SIG_IGN, 0, 0);
	CHECK(send(SIGUSR1, 0) == 0);
	CHECK(group.shared_pending.set == SIG_BIT(SIGUSR1));
	sigpending_flush(&group.shared_pending);
	t->blocked = 0;
	send(SIGUSR1, 0);
	send(SIGCHLD, 0);
	CHECK(group.shared_pending.set == 0);
	world_end();
}

static void test_choice(void)
{
	world_make();
	handler_set(SIGUSR1, 0x1000, 0, 0);
	tasks[0].blocked = SIG_BIT(SIGUSR1);
	send(SIGUSR1, 0);
	CHECK(!(tasks[0].work & TASK_WORK_SIGNAL) && (tasks[1].work & TASK_WORK_SIGNAL) &&
	      !(tasks[2].work & TASK_WORK_SIGNAL));
	/* The one that was chosen ends: another takes it. */
	signal_task_exit(&tasks[1]);
	tasks[1].state = TASK_DEAD;
	CHECK(tasks[2].work & TASK_WORK_SIGNAL);
	CHECK(!group.exiting);
	send(SIGTERM, 0);
	CHECK(group.exiting && group.exit_code == SIGTERM);
	world_end();
}

static void test_stop(void)
{
	siginfo_t info;

	world_make();
	send(SIGSTOP, 0);
	CHECK(tasks[0].work & TASK_WORK_SIGNAL);
	CHECK(!signal_deliver(&tasks[0]));
	CHECK(tasks[0].state == TASK_STOPPED && !group.stopped && notices == 0);
	CHECK(tasks[1].work & TASK_WORK_STOP);
	CHECK(!signal_deliver(&tasks[1]));
	signal_task_exit(&tasks[2]); /* one that ends is not waited for */
	CHECK(group.stopped && group.stop_signal == SIGSTOP && notices == 1);
	CHECK(parent.shared_pending.set == 0); /* ignored by default */
	handler_set(SIGUSR1, 0x1000, 0, 0);
	kicks = 0;
	send(SIGUSR1, 0);
	CHECK(kicks == 0 && tasks[0].state == TASK_STOPPED);
	send(SIGCONT, 0);
	CHECK(!group.stopped && group.continued && notices == 2);
	CHECK(tasks[0].state == TASK_KERNEL && tasks[1].state == TASK_KERNEL);

	/* Each takes the other back. */
	tasks[0].blocked = tasks[1].blocked = ~0UL;
	send(SIGTSTP, 0);
	CHECK(group.shared_pending.set & SIG_BIT(SIGTSTP));
	send(SIGCONT, 0);
	CHECK(!(group.shared_pending.set & SIG_BIT(SIGTSTP)) &&
	      (group.shared_pending.set & SIG_BIT(SIGCONT)));
	send(SIGTSTP, 0);
	CHECK(!(group.shared_pending.set & SIG_BIT(SIGCONT)));
	sigpending_flush(&group.shared_pending);

	/* The parent hears by SIGCHLD when it wants to. */
	father.sighand->action[SIGCHLD - 1].handler = 0x1000;
	father.blocked = ~0UL;
	signal_notify_parent(&group, CLD_CONTINUED);
	CHECK(signal_dequeue(&father, ~0UL, &info) == SIGCHLD && info.si_code == CLD_CONTINUED &&
	      info.si_pid == 5 && info.si_status == SIGCONT);
	father.sighand->action[SIGCHLD - 1].flags = SA_NOCLDSTOP;
	signal_notify_parent(&group, CLD_CONTINUED);
	CHECK(parent.shared_pending.set == 0);
	world_end();
}

/* ---- frames ---- */

static void fill(void *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)p)[i] = (unsigned char)rand();
}

static void vectors_make(void)
{
	u32 sw[12] = {0x46505853, XSTATE_SIZE + 4, 7, 0, XSTATE_SIZE};

	fill(vectors, sizeof vectors);
	memcpy(vectors + 464, sw, sizeof sw);
}

static void test_frame(void)
{
	struct task *t = &tasks[0];
	struct guest_regs before, *r = &threads[0].regs;
	char kept[XSTATE_SIZE];
	u64 frame;

	world_make();
	handler_set(SIGUSR1, 0x1000, SA_SIGINFO, SIG_BIT(SIGHUP));
	handler_set(SIGUSR2, 0x2000, SA_SIGINFO | SA_NODEFER | SA_RESETHAND, 0);
	fill(r, sizeof *r);
	r->rsp = (u64)stack + STACK_SIZE - 100;
	r->orig_rax = ~0UL;
	r->eflags = 0x202 | 0x400;
	before = *r;
	vectors_make();
	memcpy(kept, vectors, sizeof kept);
	t->blocked = SIG_BIT(SIGQUIT);
	send(SIGUSR1, 1);
	send(SIGUSR2, 2);
	CHECK(signal_deliver(t));
	/* Both frames are there, the second's handler first. */
	CHECK(r->rip == 0x2000 && r->rdi == SIGUSR2 && !(r->eflags & 0x400));
	CHECK(r->rsp % 16 == 8 && *(u64 *)r->rsp == 0x5555);
	CHECK(r->rsi == r->rsp + 8 + 304 && r->rdx == r->rsp + 8);
	CHECK(((siginfo_t *)r->rsi)->si_value.sival_int == 2);
	CHECK(t->sighand->action[SIGUSR2 - 1].handler == (u64)SIG_DFL);
	CHECK(t->blocked == (SIG_BIT(SIGQUIT) | SIG_BIT(SIGUSR1) | SIG_BIT(SIGHUP)));
	fill(vectors, 464);
	r->rsp += 8; /* the handler's ret */
	CHECK(sys_rt_sigreturn(t, &t->call) == CALL_NORETURN);
	CHECK(r->rip == 0x1000 && r->rdi == SIGUSR1);
	frame = r->rsp;
	CHECK(*(u64 *)frame == 0x5555);
	r->rsp += 8;
	CHECK(sys_rt_sigreturn(t, &t->call) == CALL_NORETURN);
	CHECK(t->blocked == SIG_BIT(SIGQUIT));
	CHECK(!memcmp(kept, vectors, sizeof kept));
	CHECK(r->rip == before.rip && r->rsp == before.rsp && r->rax == before.rax &&
	      r->eflags == before.eflags);
	CHECK(r->cs == before.cs && r->fs_base == before.fs_base); /* not the frame's */
	CHECK(!t->pending.set);
	world_end();
}

/* Whatever a guest writes into its frame: a signal, or registers that it may have. */
static void test_hostile(void)
{
	struct task *t = &tasks[0];
	struct guest_regs *r = &threads[0].regs;

	for (int round = 0; round < 20000; round++) {
		int n = rand() % 40;
		u64 frame, flags;

		world_make();
		handler_set(SIGUSR1, 0x1000, SA_SIGINFO, 0);
		memset(r, 0, sizeof *r);
		r->rsp = (u64)stack + 4096 + (u64)(rand() % (STACK_SIZE - 4096));
		r->orig_rax = ~0UL;
		flags = r->eflags = 0x202;
		vectors_make();
		send(SIGUSR1, 1);
		CHECK(signal_deliver(t));
		frame = r->rsp;
		for (int i = 0; i < n; i++) {
			u64 at = frame + (u64)(rand() % 1500);

			if (inside(at, 1))
				*(char *)at = (char)rand();
		}
		if (rand() % 8 == 0)
			((u64 *)(frame + 8))[5 + 23] =
				(u64)rand() % 3 ? (u64)stack + (u64)rand() % STACK_SIZE : 0;
		r->rsp += 8;
		CHECK(sys_rt_sigreturn(t, &t->call) == CALL_NORETURN);
		CHECK((r->eflags & ~0x50dd5UL) == (flags & ~0x50dd5UL));
		CHECK(!(t->blocked & (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))));
		CHECK(!(t->pending.set & ~SIG_BIT(SIGSEGV)));
		world_end();
	}
}

static void test_altstack(void)
{
	struct task *t = &tasks[0];
	struct guest_regs *r = &threads[0].regs;
	u64 base = (u64)stack;

	world_make();
	CHECK(sigaltstack_set(t, base, 1000, 0, 0) == -ENOMEM);
	CHECK(sigaltstack_set(t, base, 8192, 9, 0) == -EINVAL);
	CHECK(sigaltstack_set(t, base, 8192, 0, 0) == 0);
	CHECK(sigaltstack_set(t, base, 8192, 0, base + 100) == -EPERM);
	handler_set(SIGUSR1, 0x1000, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, 0);
	memset(r, 0, sizeof *r);
	r->orig_rax = ~0UL;
	r->rsp = base + STACK_SIZE;
	vectors_make();
	send(SIGUSR1, 0);
	CHECK(signal_deliver(t));
	CHECK(r->rsp > base && r->rsp < base + 8192);
	/* Once more and more on it, until it would overflow: then SIGSEGV, which ends the task. */
	for (int i = 0; i < 10 && !exits; i++) {
		send(SIGUSR1, 0);
		signal_deliver(t);
		CHECK(exits || (r->rsp > base && r->rsp < base + 8192));
	}
	CHECK(exits == 1 && group.exit_code == SIGSEGV);
	world_end();
}

int main(int argc, char **argv)
{
	srand(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
	test_queue();
	test_choice();
	test_stop();
	test_frame();
	test_hostile();
	test_altstack();
	printf("%s %d checks\n", failures ? "failed" : "ok", checks);
	return failures != 0;
}
