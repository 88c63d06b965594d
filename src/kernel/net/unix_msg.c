/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of unix(7) sockets: sending, receiving, descriptors that travel, readiness. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "net/unix_impl.h"

static bool is_stream(const struct unix_sock *u)
{
	return u->sock.type == SOCK_STREAM;
}

static bool is_dgram(const struct unix_sock *u)
{
	return u->sock.type == SOCK_DGRAM;
}

/* ---- queue ---- */

static void msg_free_now(struct kernel *k, struct unix_msg *m)
{
	for (int i = 0; i < m->nfiles; i++) {
		unix_file_arrived(m->files[i]);
		file_put(m->files[i]);
	}
	free(m->files);
	if (m->from)
		unix_name_put(m->from);
	object_count(k, "unix_msg", -1);
	free(m);
}

/* Frees @m. Its files may be sockets with messages that hold sockets...: those wait for their turn on a list,
 * so that no guest decides how deep husk's stack gets. */
static void msg_free(struct kernel *k, struct unix_msg *m)
{
	list_add_tail(&k->unix_doomed, &m->node);
	if (k->unix_purging)
		return;
	k->unix_purging = true;
	while (!list_empty(&k->unix_doomed)) {
		m = list_first(&k->unix_doomed, struct unix_msg, node);
		list_del(&m->node);
		msg_free_now(k, m);
	}
	k->unix_purging = false;
}

static void drained(struct unix_sock *u)
{
	struct unix_sock *f;

	list_for_each (f, &u->followers, follow_node)
		wake_all(&f->sock.wr_wait);
	wake_all(&u->backlog_wait);
}

static void msg_drop(struct unix_sock *u, struct unix_msg *m)
{
	list_del(&m->node);
	u->queued -= m->charge;
	u->messages--;
	msg_free(u->sock.k, m);
}

void unix_purge(struct unix_sock *u)
{
	struct unix_msg *m, *next;

	list_for_each_safe (m, next, &u->queue, node)
		msg_drop(u, m);
	drained(u);
}

static bool queue_full(const struct unix_sock *from, const struct unix_sock *to, bool whole)
{
	if (!is_stream(to) && to->messages >= UNIX_MAX_DGRAMS && is_dgram(to))
		return true;
	return to->queued >= from->sock.sndbuf || (whole && to->queued > from->sock.sndbuf / 2);
}

/* ---- sending ---- */

static int unix_level(struct file *f)
{
	struct socket *s = file_socket(f);
	struct unix_sock *c;
	int level;

	if (!s || s->family != AF_UNIX)
		return 0;
	level = unix_of(s)->level;
	list_for_each (c, &unix_of(s)->pending, pending_node)
		level = max(level, c->level);
	return level + 1;
}

static int take_files(struct unix_msg *m, struct socket_msg *from)
{
	if (!from->nfiles)
		return 0;
	for (int i = 0; i < from->nfiles; i++)
		m->level = max(m->level, unix_level(from->files[i]));
	if (m->level > UNIX_MAX_LEVEL)
		return -ETOOMANYREFS;
	m->files = malloc(from->nfiles * sizeof *m->files);
	if (!m->files)
		return -ENOMEM;
	memcpy(m->files, from->files, from->nfiles * sizeof *m->files);
	m->nfiles = from->nfiles;
	for (int i = 0; i < m->nfiles; i++)
		unix_file_sent(m->files[i]);
	from->nfiles = 0; /* they are the queued message's now */
	return 0;
}

/* Queues @size bytes of @from as one message for @to. Bytes, or negative with nothing done. */
static long send_one(struct unix_sock *u, struct unix_sock *to, struct socket_msg *from, size_t size)
{
	struct unix_msg *m = calloc(1, sizeof *m + size);
	long n = 0;
	size_t got = 0;

	if (!m)
		return -ENOMEM;
	object_count(u->sock.k, "unix_msg", 1);
	while (got < size) {
		n = uio_from_user(from->data, m->data + got, size - got);
		if (n <= 0)
			break;
		got += n;
	}
	if (n < 0)
		goto drop;
	n = take_files(m, from);
	if (n < 0)
		goto drop;
	m->len = got;
	m->charge = got + UNIX_OVERHEAD;
	m->cred = from->cred;
	m->from = u->name ? unix_name_get(u->name) : NULL;
	to->level = max(to->level, m->level);
	to->queued += m->charge;
	to->messages++;
	list_add_tail(&to->queue, &m->node);
	wake_all(&to->sock.rd_wait);
	return got;
drop:
	msg_free(u->sock.k, m);
	return n;
}

static long send_pipe(struct unix_sock *u, struct task *t, struct socket_msg *m)
{
	if (!(m->flags & MSG_NOSIGNAL) && t)
		u->sock.k->ops.send_signal(t, SIGPIPE, SI_USER, false);
	return -EPIPE;
}

static long send_stream(struct unix_sock *u, struct task *t, struct socket_msg *m)
{
	long done = 0;

	if (m->name.len)
		return u->connected ? -EISCONN : -EOPNOTSUPP;
	if (!u->connected)
		return -ENOTCONN;
	do {
		long n;

		if ((u->sock.shut & 2) || u->peer->dead || (u->peer->sock.shut & 1))
			return done ? done : send_pipe(u, t, m);
		if (!m->data->left)
			break;
		if (queue_full(u, u->peer, false))
			return done ? done : -EAGAIN;
		n = send_one(u, u->peer, m, min(m->data->left, (size_t)UNIX_PIECE));
		if (n < 0)
			return done ? done : n;
		done += n;
	} while (m->data->left);
	return done;
}

static long send_seqpacket(struct unix_sock *u, struct task *t, struct socket_msg *m)
{
	size_t size = m->data->left;

	if (!u->connected)
		return -ENOTCONN;
	if (size + UNIX_OVERHEAD > u->sock.sndbuf)
		return -EMSGSIZE;
	if ((u->sock.shut & 2) || u->peer->dead || (u->peer->sock.shut & 1))
		return send_pipe(u, t, m);
	if (queue_full(u, u->peer, false))
		return -EAGAIN;
	return send_one(u, u->peer, m, size);
}

static long send_dgram(struct unix_sock *u, struct task *t, struct socket_msg *m)
{
	struct unix_sock *to = u->peer;
	size_t size = m->data->left;
	int err;

	if (m->name.len) {
		err = unix_find(u, t, &m->name, &to);
		if (err < 0)
			return err;
	} else if (!to) {
		return -ENOTCONN;
	}
	if (size + UNIX_OVERHEAD > u->sock.sndbuf)
		return -EMSGSIZE;
	if (to->dead) {
		unix_set_peer(u, NULL);
		return -ECONNREFUSED;
	}
	/* A connected receiver hears its peer only. */
	if (to->peer && to->peer != u)
		return -EPERM;
	if ((u->sock.shut & 2) || (to->sock.shut & 1))
		return send_pipe(u, t, m);
	if (to != u && queue_full(u, to, false))
		return -EAGAIN;
	return send_one(u, to, m, size);
}

long unix_sendmsg(struct socket *s, struct task *t, struct socket_msg *m)
{
	struct unix_sock *u = unix_of(s);

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (is_stream(u))
		return send_stream(u, t, m);
	return is_dgram(u) ? send_dgram(u, t, m) : send_seqpacket(u, t, m);
}

struct wait_queue *unix_send_queue(struct socket *s, struct task *t, const struct socket_addr *addr)
{
	struct unix_sock *u = unix_of(s), *to;

	if (addr->len && !u->connected && unix_find(u, t, addr, &to) >= 0 && to != u->peer)
		return &to->backlog_wait;
	return &s->wr_wait;
}

/* ---- receiving ---- */

/* Hands the message's descriptors over, or duplicates them for MSG_PEEK. */
static int give_files(struct unix_msg *m, struct socket_msg *to, bool peek)
{
	if (!m->nfiles)
		return 0;
	if (!peek) {
		to->files = m->files;
		to->nfiles = m->nfiles;
		for (int i = 0; i < to->nfiles; i++)
			unix_file_arrived(to->files[i]);
		m->files = NULL;
		m->nfiles = 0;
		return 0;
	}
	to->files = malloc(m->nfiles * sizeof *to->files);
	if (!to->files)
		return -ENOMEM;
	for (int i = 0; i < m->nfiles; i++)
		to->files[i] = file_get(m->files[i]);
	to->nfiles = m->nfiles;
	return 0;
}

static void give_sender(struct unix_sock *u, struct unix_msg *m, struct socket_msg *to)
{
	to->cred = m->cred;
	to->has_cred = u->sock.passcred;
	to->name.len = 0;
	if (!m->from)
		return;
	memcpy(&to->name.sa, &m->from->sa, m->from->len);
	to->name.len = m->from->len;
}

static long nothing_there(struct unix_sock *u)
{
	int err = u->sock.error;

	if (err) {
		u->sock.error = 0;
		return -err;
	}
	if (u->sock.shut & 1)
		return 0;
	return -EAGAIN;
}

static long recv_packet(struct unix_sock *u, struct socket_msg *to)
{
	bool peek = to->flags & MSG_PEEK;
	struct unix_msg *m;
	long n;

	if (u->sock.type == SOCK_SEQPACKET && !u->connected)
		return -ENOTCONN;
	if (list_empty(&u->queue))
		return nothing_there(u);
	m = list_first(&u->queue, struct unix_msg, node);
	n = m->len ? uio_to_user_whole(to->data, m->data, min(to->data->left, (size_t)m->len)) : 0;
	if (n >= 0) {
		int err = give_files(m, to, peek);

		if (err < 0)
			return err;
		give_sender(u, m, to);
		if (n < m->len)
			to->out_flags |= MSG_TRUNC;
		if (to->flags & MSG_TRUNC)
			n = m->len;
	}
	if (peek)
		return n;
	msg_drop(u, m);
	drained(u);
	return n;
}

static bool same_sender(const struct unix_msg *a, const struct ucred *b)
{
	return a->cred.pid == b->pid && a->cred.uid == b->uid && a->cred.gid == b->gid;
}

static long recv_stream(struct unix_sock *u, struct socket_msg *to)
{
	bool peek = to->flags & MSG_PEEK;
	struct unix_msg *m, *next;
	long done = 0;

	if (!u->connected)
		return -EINVAL;
	list_for_each_safe (m, next, &u->queue, node) {
		long n;

		if (!to->data->left)
			break;
		/* Bytes of different senders, or with descriptors between them, are not joined. */
		if (done && (to->nfiles || (u->sock.passcred && !same_sender(m, &to->cred))))
			break;
		n = uio_to_user_whole(to->data, m->data + m->at,
				      min(to->data->left, (size_t)(m->len - m->at)));
		if (n < 0) {
			done = done ? done : n;
			break;
		}
		if (!done)
			give_sender(u, m, to);
		if (give_files(m, to, peek) < 0)
			return done ? done : -ENOMEM;
		done += n;
		if (peek)
			continue;
		m->at += n;
		if (m->at < m->len)
			break;
		msg_drop(u, m);
	}
	if (done > 0 && !peek)
		drained(u);
	if (done || !to->data->left)
		return done;
	return nothing_there(u);
}

long unix_recvmsg(struct socket *s, struct task *t, struct socket_msg *m)
{
	struct unix_sock *u = unix_of(s);

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	return is_stream(u) ? recv_stream(u, m) : recv_packet(u, m);
}

/* ---- as a file ---- */

static void drop_files(struct socket_msg *m)
{
	for (int i = 0; i < m->nfiles; i++)
		file_put(m->files[i]);
	free(m->files);
}

long unix_read(struct file *f, struct uio *to, u64 *pos)
{
	struct socket_msg m = {.data = to};
	long n;

	if (!to->left) /* net/socket.c: sock_read_iter() */
		return 0;
	n = unix_recvmsg(f->priv, to->task, &m);
	drop_files(&m);
	return n;
}

long unix_write(struct file *f, struct uio *from, u64 *pos)
{
	struct socket_msg m = {.data = from, .flags = from->quiet ? MSG_NOSIGNAL : 0};

	if (from->task)
		m.cred = socket_cred(from->task);
	return unix_sendmsg(f->priv, from->task, &m);
}

u32 unix_poll(struct file *f, struct poll_table *pt)
{
	struct unix_sock *u = unix_of(f->priv);
	u32 events = 0;

	poll_wait_for(pt, &u->sock.rd_wait, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLPRI);
	poll_wait_for(pt, &u->sock.wr_wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	if (u->sock.error)
		events |= EPOLLERR;
	if (u->sock.shut == 3)
		events |= EPOLLHUP;
	if (u->sock.shut & 1)
		events |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (!list_empty(&u->queue) || u->npending)
		events |= EPOLLIN | EPOLLRDNORM;
	if (!is_dgram(u) && !u->connected && !u->sock.listening)
		events |= EPOLLHUP;
	if (u->sock.listening)
		return events;
	if (!u->peer || u->peer->dead || !queue_full(u, u->peer, is_stream(u)))
		events |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	return events;
}

long unix_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	struct unix_sock *u = unix_of(f->priv);
	struct unix_msg *m;
	int n = 0;

	switch (cmd) {
	case FIONREAD:
		if (u->sock.listening)
			return -EINVAL;
		list_for_each (m, &u->queue, node) {
			n += m->len - m->at;
			if (is_dgram(u))
				break;
		}
		break;
	case TIOCOUTQ:
		n = u->peer ? u->peer->queued : 0;
		break;
	case SIOCATMARK: /* nothing is sent out of band */
		if (u->sock.type != SOCK_STREAM)
			return -EOPNOTSUPP;
		break;
	default:
		return -ENOTTY;
	}
	return user_put(t, arg, &n);
}
