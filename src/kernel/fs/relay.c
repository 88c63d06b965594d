/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's terminal as the master of a guest's pty.
 *
 * The outer terminal is in raw mode meanwhile, so that lines, echo and signals are the guest's terminal's business. It
 * is only touched while husk is in its foreground: a shell that put husk into the background goes on undisturbed, and
 * the keyboard is looked at again when the next key or SIGCONT comes. Nothing here blocks: bytes that the other side
 * does not take yet stay in a buffer of one chunk, and what is behind them stays with the host.
 */
#include "fs/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "core/task.h"
#include "host/file.h"
#include "host/poller.h"

#define CHUNK      4096
#define LAST_WORDS 5000 /* ms without progress after which output is given up at the end */

struct chunk_buffer {
	u8 data[CHUNK];
	size_t at, size;
};

struct relay {
	struct kernel *k;
	struct pty *pty;       /* owned; NULL: hung up */
	struct hostfd in, out; /* owned */
	bool in_tty;           /* @in is a terminal */
	bool in_ended;
	bool raw;
	int pgrp; /* husk's own process group on the host */
	struct termios saved;
	struct watch in_watch, out_watch;
	struct chunk_buffer typed, shown;
};

/* ---- the outer terminal ---- */

static bool in_foreground(const struct relay *r)
{
	int pgrp = r->in_tty ? tcgetpgrp(r->in.fd) : -1;

	return pgrp < 0 || pgrp == r->pgrp; /* not husk's controlling terminal: nobody stops us */
}

static void make_raw(struct relay *r)
{
	struct termios t;

	if (!r->in_tty || r->raw || !in_foreground(r) || tcgetattr(r->in.fd, &r->saved))
		return;
	t = r->saved;
	cfmakeraw(&t);
	r->raw = !tcsetattr(r->in.fd, TCSADRAIN, &t);
}

void relay_suspend(struct relay *r)
{
	/* In the background it is somebody else's, who has set it as he likes. */
	if (r->raw && in_foreground(r))
		tcsetattr(r->in.fd, TCSADRAIN, &r->saved);
	r->raw = false;
}

void relay_resized(struct relay *r)
{
	struct winsize size;

	if (r->pty && r->in_tty && !ioctl(r->in.fd, TIOCGWINSZ, &size))
		pty_resize(r->pty, &size);
}

/* ---- carrying ---- */

static void hang_up(struct relay *r)
{
	struct pty *p = r->pty;

	r->pty = NULL;
	if (p)
		pty_close_master(p);
}

static void carry_out(struct relay *r)
{
	struct pollfd p = {.fd = r->out.fd, .events = POLLOUT};
	struct chunk_buffer *b = &r->shown;

	for (;;) {
		long n;

		if (b->at == b->size) {
			b->at = 0;
			b->size = r->pty ? pty_take_output(r->pty, b->data, sizeof b->data) : 0;
			if (!b->size)
				return;
		}
		if (poll(&p, 1, 0) != 1)
			return;
		n = write(r->out.fd, b->data + b->at, b->size - b->at);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) /* nobody looks any more */
			n = (long)(b->size - b->at);
		b->at += (size_t)n;
	}
}

static bool fill(struct relay *r)
{
	struct pollfd p = {.fd = r->in.fd, .events = POLLIN};
	struct chunk_buffer *b = &r->typed;
	long n;

	if (r->in_ended || !in_foreground(r) || poll(&p, 1, 0) != 1)
		return false;
	n = read(r->in.fd, b->data, sizeof b->data);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	b->at = 0;
	b->size = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return true;
	r->in_ended = true;
	watch_del(&r->in_watch);
	if (r->in_tty) {
		hang_up(r);
		return false;
	}
	/* The end of a file is typed: programs that read lines take it as such. */
	b->data[0] = r->pty->ldisc.t.cc[VEOF];
	b->size = 1;
	return r->pty->ldisc.t.lflag & ICANON;
}

static void carry_in(struct relay *r)
{
	struct chunk_buffer *b = &r->typed;

	make_raw(r);
	while (r->pty && (b->at < b->size || fill(r))) {
		size_t n = pty_type(r->pty, b->data + b->at, b->size - b->at);

		b->at += n;
		if (!n)
			break;
	}
	carry_out(r);
}

static void drain(struct pty *p)
{
	struct relay *r = p->drain_arg;

	carry_out(r);
	if (r->typed.at < r->typed.size || (!r->in_tty && !r->in_ended))
		carry_in(r);
}

static void in_ready(struct watch *w, u32 events)
{
	carry_in(container_of(w, struct relay, in_watch));
}

static void out_ready(struct watch *w, u32 events)
{
	carry_out(container_of(w, struct relay, out_watch));
}

void relay_resume(struct relay *r)
{
	relay_resized(r);
	carry_in(r);
}

int relay_start(struct relay *r)
{
	int err = watch_add(r->k->poller, &r->in_watch, r->in, EPOLLIN | EPOLLET, in_ready);

	if (!err || err == -EPERM) /* a regular file is always ready */
		err = watch_add(r->k->poller, &r->out_watch, r->out, EPOLLOUT | EPOLLET, out_ready);
	if (err && err != -EPERM)
		return err;
	r->pty->drain_arg = r;
	r->pty->drain = drain;
	carry_in(r);
	return 0;
}

/* ---- life ---- */

/* For terminals and pipes a description of our own that does not block; else the one we have. */
static struct hostfd open_again(struct hostfd fd, int flags)
{
	struct hostfd again = HOSTFD_NONE;
	struct stat st;
	char path[HOST_FD_PATH];

	host_fd_path(fd, path);
	if (!fstat(fd.fd, &st) && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
		again.fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (again.fd < 0)
		again.fd = fcntl(fd.fd, F_DUPFD_CLOEXEC, 3);
	return again;
}

/* The guest's terminal begins as the outer one is: the user's characters, UTF-8, size. */
static void take_settings(struct relay *r)
{
	struct ldisc_termios *t = &r->pty->ldisc.t;

	if (tcgetattr(r->in.fd, &r->saved))
		return;
	t->iflag = r->saved.c_iflag;
	t->oflag = r->saved.c_oflag;
	t->lflag = r->saved.c_lflag;
	memcpy(t->cc, r->saved.c_cc, sizeof t->cc);
	ioctl(r->in.fd, TIOCGWINSZ, &r->pty->size);
}

int relay_new(struct kernel *k, u32 uid, struct hostfd in, struct hostfd out, struct relay **out_relay)
{
	struct relay *r = calloc(1, sizeof *r);
	int err;

	if (!r)
		return -ENOMEM;
	r->k = k;
	r->pgrp = getpgrp();
	r->in = open_again(in, O_RDONLY);
	r->out = open_again(out, O_WRONLY);
	r->in_tty = isatty(in.fd);
	err = hostfd_valid(r->in) && hostfd_valid(r->out) ? pty_new(k, uid, &r->pty) : -EBADF;
	if (err) {
		relay_free(r);
		return err;
	}
	if (r->in_tty)
		take_settings(r);
	*out_relay = r;
	return 0;
}

struct pty *relay_pty(struct relay *r)
{
	return r->pty;
}

/* What programs wrote before they ended is shown, as a terminal's own buffer would. */
static void show_rest(struct relay *r)
{
	struct pollfd p = {.fd = r->out.fd, .events = POLLOUT};

	carry_out(r);
	while (r->shown.at < r->shown.size && poll(&p, 1, LAST_WORDS) == 1)
		carry_out(r);
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	show_rest(r);
	relay_suspend(r);
	watch_del(&r->in_watch);
	watch_del(&r->out_watch);
	hang_up(r);
	if (hostfd_valid(r->in))
		close(r->in.fd);
	if (hostfd_valid(r->out))
		close(r->out.fd);
	free(r);
}
