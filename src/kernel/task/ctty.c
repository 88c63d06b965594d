/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controlling terminals and job control.
 *
 * The terminal that husk was started on becomes the first session's, as natively: it is adopted when it is
 * first asked for, if it is husk's own controlling terminal.
 */
#include "task/ctty.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "fs/tty.h"
#include "task/signal.h"

/* Whether the host lets husk ask for @tty's foreground group: it does so for the controlling terminal alone. */
static bool is_husks(const struct tty *tty)
{
	return tcgetpgrp(tty->fd.fd) >= 0;
}

void ctty_set(struct thread_group *g, struct tty *tty)
{
	struct thread_group *other;

	tty->sid = g->sid;
	tty->pgid = g->pgid;
	for (other = group_next(g->k, 0); other; other = group_next(g->k, other->tgid))
		if (other->sid == g->sid)
			other->ctty = tty;
}

void ctty_clear(struct kernel *k, struct tty *tty)
{
	struct thread_group *g;

	for (g = group_next(k, 0); g; g = group_next(k, g->tgid))
		if (g->ctty == tty)
			g->ctty = NULL;
	tty->sid = tty->pgid = 0;
}

/* Gives husk's own terminal to the first session, once. */
static void adopt(struct kernel *k)
{
	struct tty *tty;

	if (!k->ttys.next || !k->first)
		return;
	list_for_each (tty, &k->ttys, node) {
		if (tty->adopted)
			continue;
		tty->adopted = true;
		if (!tty->sid && is_husks(tty))
			ctty_set(k->first, tty);
	}
}

struct tty *task_ctty(struct task *t)
{
	adopt(t->k);
	return t->group->ctty;
}

static bool deaf(struct task *t, int signo)
{
	return (t->blocked & SIG_BIT(signo)) || t->sighand->action[signo - 1].handler == (u64)SIG_IGN;
}

static bool in_background(struct task *t, struct tty *tty)
{
	return task_ctty(t) == tty && tty->pgid && t->group->pgid != tty->pgid;
}

static int tty_check(struct task *t, struct tty *tty, bool write)
{
	siginfo_t info;

	/* Writing from the background comes here with TOSTOP, which on the host's terminals is the host's. */
	if (write)
		return ctty_check_change(t, tty);
	if (!in_background(t, tty))
		return 0;
	if (deaf(t, SIGTTIN) || pgrp_orphaned(t->k, t->group->pgid, NULL))
		return -EIO;
	info = signal_info(SIGTTIN, SI_KERNEL);
	signal_send_pgrp(t->k, t->group->pgid, &info);
	return -ERESTARTSYS;
}

int ctty_check_change(struct task *t, struct tty *tty)
{
	siginfo_t info;

	if (!in_background(t, tty) || deaf(t, SIGTTOU))
		return 0;
	if (pgrp_orphaned(t->k, t->group->pgid, NULL))
		return -EIO;
	info = signal_info(SIGTTOU, SI_KERNEL);
	signal_send_pgrp(t->k, t->group->pgid, &info);
	return -ERESTARTSYS;
}

void tty_signal(struct kernel *k, int signo)
{
	siginfo_t info = signal_info(signo, SI_KERNEL);
	struct tty *tty;

	adopt(k);
	if (k->ttys.next) {
		list_for_each (tty, &k->ttys, node)
			if (tty->pgid && !signal_send_pgrp(k, tty->pgid, &info))
				return;
	}
	if (k->first)
		signal_send_pgrp(k, k->first->pgid, &info);
}

/* From husk's own terminals. */
static void foreground_signal(struct tty *tty, int signo)
{
	siginfo_t info = signal_info(signo, SI_KERNEL);

	if (tty->pgid > 0)
		signal_send_pgrp(tty->k, tty->pgid, &info);
}

/* drivers/tty/tty_jobctrl.c: tty_open_proc_set_tty. */
static void tty_opened(struct task *t, struct tty *tty)
{
	if (t->group->session_leader && !task_ctty(t) && !tty->sid)
		ctty_set(t->group, tty);
}

/* drivers/tty/tty_jobctrl.c: tty_signal_session_leader. */
static void tty_hangup(struct tty *tty)
{
	struct thread_group *leader = tty->sid ? group_find(tty->k, tty->sid) : NULL;
	siginfo_t hup = signal_info(SIGHUP, SI_KERNEL), cont = signal_info(SIGCONT, SI_KERNEL);

	if (leader && !leader->zombie && leader->session_leader && leader->ctty == tty) {
		leader->tty_old_pgid = tty->pgid;
		signal_send_group(leader, &hup);
		signal_send_group(leader, &cont);
	}
	ctty_clear(tty->k, tty);
}

static int task_tgid(const struct task *t)
{
	return t->group->tgid;
}

void ctty_init(struct kernel *k)
{
	k->ops.ctty = task_ctty;
	k->ops.tty_check = tty_check;
	k->ops.tty_signal = foreground_signal;
	k->ops.tty_opened = tty_opened;
	k->ops.tty_hangup = tty_hangup;
	k->ops.tgid = task_tgid;
}
