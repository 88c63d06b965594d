/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trials of what catches calls: filters, their signals, their listeners, user dispatch.
 *
 * The calls that are to be caught stand in a few lines of assembly, so that their exact addresses are known; the
 * signal handler answers in the registers of the interrupted code and keeps nothing anywhere else. Under user
 * dispatch libc can make no call at all: what the trial needs (to return from a signal, to end) stands in the range
 * that is let through, and nothing of libc is used.
 */
#include "trap/probe_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#define NOTIF_SET_FLAGS     _IOW('!', 4, u64)
#define NOTIF_SYNC_WAKE_UP  1UL
#define NOTIF_FLAG_CONTINUE 1
#define SET_USER_DISPATCH   59
#define DISPATCH_OFF        0
#define DISPATCH_ON         1 /* all but the range */
#define DISPATCH_INCLUSIVE  2 /* the range alone */
#define FROM_SECCOMP        1 /* si_code */
#define FROM_DISPATCH       2
#define RESTORER            0x04000000

/* Returns what the call returned; *seen is what the handler put into rdx. */
long probe_caught_call(long nr, u64 *seen);
extern const char probe_caught_end[];
/* The range that dispatch lets through. */
void probe_restorer(void);
void probe_end(int status); /* not noreturn: a sanitizer makes calls of its own before those */
extern const char probe_range_end[];

__asm__(".pushsection .text\n"
	".globl probe_caught_call, probe_caught_end, probe_restorer, probe_end, probe_range_end\n"
	".type probe_caught_call, @function\n"
	"probe_caught_call:\n"
	"	mov %rdi, %rax\n"
	"	xor %edx, %edx\n"
	"	mov %rsi, %r8\n"
	"	syscall\n"
	"probe_caught_end:\n"
	"	mov %rdx, (%r8)\n"
	"	ret\n"
	".type probe_restorer, @function\n"
	"probe_restorer:\n"
	"	mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	".type probe_end, @function\n"
	"probe_end:\n"
	"	mov $231, %eax\n" /* exit_group */
	"	syscall\n"
	"	ud2\n"
	"probe_range_end:\n"
	".popsection\n");

/* Bits of rdx that say what did not fit. */
enum { WRONG_IP = 1, WRONG_NUMBER = 2, WRONG_CODE = 4, WRONG_ADDRESS = 8, CAUGHT = 16, ANSWERED = 32 };

static void answer_call(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *regs = uc->uc_mcontext.gregs;
	u64 seen = CAUGHT;

	if (regs[REG_RIP] != (greg_t)probe_caught_end)
		seen |= WRONG_IP;
	if (info->si_call_addr != (void *)probe_caught_end)
		seen |= WRONG_ADDRESS;
	if (info->si_syscall != PROBE_CALL)
		seen |= WRONG_NUMBER;
	if (info->si_code != FROM_SECCOMP && info->si_code != FROM_DISPATCH)
		seen |= WRONG_CODE;
	regs[REG_RAX] = PROBE_ANSWER;
	regs[REG_RDX] = (greg_t)seen;
}

/* By the call itself: the frame must return through our restorer, not libc's. */
static int catch_signal(void)
{
	struct {
		void (*handler)(int, siginfo_t *, void *);
		u64 flags;
		void (*restorer)(void);
		u64 mask;
	} action = {answer_call, SA_SIGINFO | RESTORER, probe_restorer, 0};

	return (int)syscall(SYS_rt_sigaction, SIGSYS, &action, NULL, 8);
}

/* Makes the call that must come as a signal, and nothing else: what came of it, in bits. */
static int make_call(void)
{
	u64 seen = 0;
	long result = probe_caught_call(PROBE_CALL, &seen);

	return (int)seen | (result == PROBE_ANSWER ? ANSWERED : 0);
}

static void judge_call(struct probe_result *r, int seen, const char *good)
{
	if (!(seen & CAUGHT))
		probe_say(r, PROBE_WRONG, "the call was not caught");
	else if (seen & WRONG_IP || seen & WRONG_ADDRESS)
		probe_say(r, PROBE_WRONG, "the signal names another instruction");
	else if (seen & WRONG_NUMBER || seen & WRONG_CODE)
		probe_say(r, PROBE_WRONG, "the signal names another call or reason");
	else if (!(seen & ANSWERED))
		probe_say(r, PROBE_WRONG, "the handler's answer did not arrive");
	else
		probe_say(r, PROBE_YES, "%s", good);
}

void probe_filter_mode(struct probe_result *r)
{
	if (probe_filter(PROBE_CALL, SECCOMP_RET_ERRNO | ENOTTY, 0))
		probe_refused(r, "seccomp(SECCOMP_SET_MODE_FILTER)", errno);
	else if (syscall(PROBE_CALL) != -1 || errno != ENOTTY)
		probe_say(r, PROBE_WRONG, "a filter was taken and does nothing");
	else
		probe_say(r, PROBE_YES, "a filter was taken, and obeyed");
}

void probe_delivery(struct probe_result *r)
{
	if (catch_signal())
		probe_refused(r, "a handler for SIGSYS", errno);
	else if (probe_filter(PROBE_CALL, SECCOMP_RET_TRAP, 0))
		probe_refused(r, "a filter that traps", errno);
	else
		judge_call(r, make_call(), "SIGSYS came at the right instruction");
}

/* Answers one notification of @child: 0 or -1 with errno. */
static int answer_notification(int listener, int child)
{
	struct seccomp_notif asked = {0};
	struct seccomp_notif_resp answer = {.flags = NOTIF_FLAG_CONTINUE};
	struct pollfd p = {listener, POLLIN, 0};

	if (poll(&p, 1, 1000) != 1 || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked))
		return -1;
	if (asked.data.nr != PROBE_CALL || asked.pid != (u32)child) {
		errno = EPROTO;
		return -1;
	}
	answer.id = asked.id;
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void probe_notification(struct probe_result *r)
{
	int listener = probe_filter(PROBE_CALL, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER),
	    child;
	bool sync;

	if (listener < 0 && errno == EBUSY) {
		probe_say(r, PROBE_NO, "a supervisor around husk has the only one");
		return;
	}
	if (listener < 0) {
		probe_refused(r, "a filter with a listener", errno);
		return;
	}
	sync = !ioctl(listener, NOTIF_SET_FLAGS, NOTIF_SYNC_WAKE_UP);
	child = probe_fork();
	if (!child) {
		syscall(PROBE_CALL);
		_exit(0);
	}
	if (child < 0)
		probe_refused(r, "a process", errno);
	else if (answer_notification(listener, child))
		probe_refused(r, "answering a notification", errno);
	else if (probe_wait(child))
		probe_say(r, PROBE_WRONG, "the call did not go on");
	else
		probe_say(r, PROBE_YES, "a call waited for its answer and went on%s",
			  sync ? "; with SYNC_WAKE_UP" : "");
}

void probe_second_listener(struct probe_result *r)
{
	if (probe_filter(PROBE_CALL, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER) < 0)
		probe_refused(r, "the first", errno);
	else if (probe_filter(PROBE_CALL, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER) < 0)
		probe_refused(r, "the second", errno);
	else
		probe_say(r, PROBE_YES, "two filters of one process have one each");
}

/* Nothing but the range [restorer, range end) may make calls: there is no way back, so a child goes, which says by its
 * status what it saw. */
void probe_dispatch(struct probe_result *r)
{
	long size = probe_range_end - (const char *)probe_restorer;
	int child, seen;

	/* The switch is tried here, for its error; what it catches is switched off again. */
	if (prctl(SET_USER_DISPATCH, DISPATCH_OFF, 0, 0, 0)) {
		probe_refused(r, "prctl(PR_SET_SYSCALL_USER_DISPATCH)", errno);
		return;
	}
	if (catch_signal()) {
		probe_refused(r, "a handler for SIGSYS", errno);
		return;
	}
	child = probe_fork();
	if (!child) {
		if (prctl(SET_USER_DISPATCH, DISPATCH_ON, probe_restorer, size, NULL))
			_exit(0);
		probe_end(make_call());
	}
	if (child < 0) {
		probe_refused(r, "a process", errno);
		return;
	}
	seen = probe_wait(child);
	judge_call(r, max(seen, 0), "SIGSYS came at the right instruction");
}

void probe_dispatch_inclusive(struct probe_result *r)
{
	const char *start = (const char *)probe_caught_call;

	if (catch_signal()) {
		probe_refused(r, "a handler for SIGSYS", errno);
		return;
	}
	if (prctl(SET_USER_DISPATCH, DISPATCH_INCLUSIVE, start, probe_caught_end + 1 - start, NULL)) {
		probe_refused(r, "PR_SYS_DISPATCH_INCLUSIVE_ON", errno);
		return;
	}
	judge_call(r, make_call(), "calls of a range alone were caught");
}
