/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from outside while guests run: signals of husk's caller, the time limit, and stopping as a job of his. */
#include "boot/sandbox.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fs/relay.h"
#include "task/ctty.h"
#include "task/signal.h"
#include "task/task_ops.h"

static void time_is_up(struct timer *timer)
{
	struct sandbox *s = container_of(timer, struct sandbox, time_limit);

	s->k.reason = "time_limit";
	s->k.ended = true;
}

static void to_first(struct sandbox *s, int signo)
{
	siginfo_t info = signal_info(signo, SI_KERNEL);

	if (s->k.first)
		signal_send_pgrp(&s->k, s->k.first->pgid, &info);
}

static void go_on(struct sandbox *s)
{
	s->went_on = true;
	if (s->relay)
		relay_resume(s->relay);
	to_first(s, SIGCONT);
}

static void forward_signal(struct watch *w, u32 events)
{
	struct sandbox *s = container_of(w, struct sandbox, signals);
	struct signalfd_siginfo host;

	while (read(w->fd.fd, &host, sizeof host) == sizeof host) {
		siginfo_t info = signal_info((int)host.ssi_signo, SI_KERNEL);

		if (host.ssi_signo == SIGCONT) {
			go_on(s);
			continue;
		}
		if (host.ssi_signo == SIGWINCH && s->relay) {
			relay_resized(s->relay);
			continue;
		}
		/* From the terminal: for whoever is in its foreground. By kill: for the program. */
		if (host.ssi_code == SI_KERNEL)
			tty_signal(&s->k, (int)host.ssi_signo);
		else if (s->k.first)
			signal_send_group(s->k.first, &info);
	}
}

/* The first program has stopped: its parent outside must see husk stop, with the terminal as it was. Where nobody would
 * let it go on (an orphaned group), the host drops SIGTSTP, and the program goes on at once. */
static void stop_too(struct timer *timer)
{
	struct sandbox *s = container_of(timer, struct sandbox, stop);
	sigset_t stop;

	if (!s->k.first || !s->k.first->stopped)
		return;
	s->went_on = false;
	if (s->relay)
		relay_suspend(s->relay);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	kill(0, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	/* Here husk stands still. */
	sigprocmask(SIG_BLOCK, &stop, NULL);
	forward_signal(&s->signals, EPOLLIN);
	if (!s->went_on)
		go_on(s);
}

/* Not at once: the task that stops is being served. */
static void first_stopped(struct kernel *k)
{
	struct sandbox *s = container_of(k, struct sandbox, k);

	if (k->job_control)
		timer_arm(k, &s->stop, kernel_now(k), stop_too);
}

void sandbox_outside_init(struct sandbox *s)
{
	s->k.job_control = s->config->job_control;
	s->k.ops.first_stopped = first_stopped;
}

int sandbox_watch_signals(struct sandbox *s)
{
	int err = 0;

	if (hostfd_valid(s->config->signals))
		err = watch_add(s->k.poller, &s->signals, s->config->signals, EPOLLIN, forward_signal);
	return err ? sandbox_fail(s, "cannot watch signals", err) : 0;
}

void sandbox_limit_time(struct sandbox *s)
{
	if (s->config->time_limit_ns)
		timer_arm(&s->k, &s->time_limit, kernel_now(&s->k) + s->config->time_limit_ns, time_is_up);
}

void sandbox_outside_exit(struct sandbox *s)
{
	timer_cancel(&s->k, &s->time_limit);
	timer_cancel(&s->k, &s->stop);
	watch_del(&s->signals);
}
