/* SPDX-License-Identifier: Apache-2.0 */
/* unix(7) sockets: their life and connections. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "net/unix_impl.h"
#include "vfs/anon.h"

static const struct file_ops unix_file_ops;
static const struct socket_ops unix_ops;

struct socket *file_socket(struct file *f)
{
	return f->ops == &unix_file_ops ? f->priv : NULL;
}

/* ---- references ---- */

static struct unix_sock *unix_get(struct unix_sock *u)
{
	u->refs++;
	return u;
}

static void unix_put(struct unix_sock *u)
{
	if (--u->refs)
		return;
	object_count(u->sock.k, "unix_sock", -1);
	list_del(&u->node);
	/* Tasks that were woken from it have not run yet: connect() and sendto() wait on sockets they don't
	 * hold. */
	while (!list_empty(&u->backlog_wait.entries))
		list_del(u->backlog_wait.entries.next);
	free(u);
}

static struct unix_sock *unix_new(struct kernel *k, int type)
{
	struct unix_sock *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	if (!k->unix_bound.next) {
		list_init(&k->unix_bound);
		list_init(&k->unix_socks);
		k->unix_show = unix_show;
		list_init(&k->unix_doomed);
		list_init(&k->unix_travellers.list);
	}
	socket_setup(&u->sock, k, &unix_ops, AF_UNIX, type);
	u->refs = 1;
	list_init(&u->follow_node);
	list_init(&u->followers);
	list_init(&u->queue);
	list_init(&u->pending);
	list_init(&u->pending_node);
	list_init(&u->bound_node);
	list_init(&u->travel_node);
	list_init(&u->work_node);
	wait_queue_init(&u->backlog_wait);
	list_add_tail(&k->unix_socks, &u->node);
	object_count(k, "unix_sock", 1);
	return u;
}

void unix_set_peer(struct unix_sock *u, struct unix_sock *peer)
{
	struct unix_sock *old = u->peer;

	list_del(&u->follow_node);
	u->peer = peer ? unix_get(peer) : NULL;
	if (peer)
		list_add_tail(&peer->followers, &u->follow_node);
	u->connected = peer;
	if (old)
		unix_put(old);
}

static void unix_wake(struct unix_sock *u)
{
	wake_all(&u->sock.rd_wait);
	wake_all(&u->sock.wr_wait);
	wake_all(&u->backlog_wait);
}

/* Ends @u: its peer reads what is queued and then the end; connections that nobody accepted are reset. */
static void unix_close(struct unix_sock *u, bool unaccepted)
{
	struct unix_sock *peer = u->peer, *c, *next;
	bool unread = !list_empty(&u->queue) || unaccepted;

	u->dead = true;
	list_del(&u->bound_node);
	list_for_each_safe (c, next, &u->pending, pending_node) {
		list_del(&c->pending_node);
		u->npending--;
		unix_close(c, true);
		unix_put(c);
	}
	if (u->sock.type != SOCK_DGRAM && peer) {
		peer->sock.shut = 3;
		if (unread && !peer->dead)
			peer->sock.error = ECONNRESET;
		unix_wake(peer);
	}
	unix_purge(u);
	unix_wake(u);
	/* Those that send to us stay on the list until they notice, but the list goes with us. */
	list_for_each_safe (c, next, &u->followers, follow_node)
		list_del(&c->follow_node);
	if (peer) {
		wake_all(&peer->backlog_wait);
		unix_set_peer(u, NULL);
	}
	if (u->name)
		unix_name_put(u->name);
	u->name = NULL;
	if (u->inode) {
		u->inode->sock = NULL;
		inode_put(u->inode);
	}
	u->inode = NULL;
}

static void unix_release(struct file *f)
{
	struct unix_sock *u = unix_of(f->priv);
	struct kernel *k = u->sock.k;

	u->sock.file = NULL;
	unix_close(u, false);
	unix_put(u);
	unix_closed(k);
}

static void unix_link_name(struct file *f, char *buf, size_t size)
{
	snprintf(buf, size, "socket:[%lu]", f->inode ? (unsigned long)f->inode->ino : 0UL);
}

/* Files that wait in the socket's messages (af_unix.c: unix_show_fdinfo()). */
static void unix_show_fds(struct file *f, struct text *out)
{
	struct unix_sock *u = unix_of(f->priv);
	const struct unix_msg *m;
	int n = 0;

	list_for_each (m, &u->queue, node)
		n += m->nfiles;
	text_add(out, "scm_fds: %d\n", n);
}

static const struct file_ops unix_file_ops = {
	.show = unix_show_fds,
	.read = unix_read,
	.write = unix_write,
	.poll = unix_poll,
	.ioctl = unix_ioctl,
	.release = unix_release,
	.link_name = unix_link_name,
	.rw = RW_NOWAIT,
	.stream = true,
	.between = true,
};

/* A file for @u, whose reference it takes over on success. */
static int unix_file(struct unix_sock *u, const struct cred *cred, u32 flags, struct file **out)
{
	struct inode *inode =
		anon_socket_new(u->sock.k, cred, u->sock.type == SOCK_STREAM ? "UNIX-STREAM" : "UNIX");
	int err;

	if (!inode)
		return -ENOMEM;
	err = file_new(u->sock.k, &unix_file_ops, O_RDWR | (flags & O_NONBLOCK), inode, &u->sock, out);
	if (err < 0) {
		inode_put(inode);
		return err;
	}
	u->sock.file = *out;
	return 0;
}

/* ---- connections ---- */

static int unix_listen(struct socket *s, struct task *t, int backlog)
{
	struct unix_sock *u = unix_of(s);

	if (s->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (!u->name || u->connected)
		return -EINVAL;
	if (backlog > u->backlog)
		wake_all(&u->backlog_wait);
	u->backlog = backlog;
	s->listening = true;
	s->peercred = socket_cred(t);
	return 0;
}

static int connect_dgram(struct unix_sock *u, struct task *t, const struct socket_addr *addr)
{
	struct unix_sock *to;
	int err;

	if (addr->len >= sizeof(sa_family_t) && addr->sa.ss_family == AF_UNSPEC) {
		unix_set_peer(u, NULL);
		return 0;
	}
	err = unix_find(u, t, addr, &to);
	if (err < 0)
		return err;
	if (to->peer && to->peer != u)
		return -EPERM;
	unix_set_peer(u, to);
	return 0;
}

static int unix_connect(struct socket *s, struct task *t, const struct socket_addr *addr)
{
	struct unix_sock *u = unix_of(s), *to, *other;
	int err;

	if (s->type == SOCK_DGRAM)
		return connect_dgram(u, t, addr);
	err = unix_addr_check(addr);
	if (err < 0)
		return err;
	if (s->listening)
		return -EINVAL;
	if (u->connected)
		return -EISCONN;
	err = unix_find(u, t, addr, &to);
	if (err < 0)
		return err;
	if (!to->sock.listening || (to->sock.shut & 1))
		return -ECONNREFUSED;
	if (to->npending > to->backlog)
		return -EAGAIN;
	other = unix_new(s->k, s->type);
	if (!other)
		return -ENOMEM;
	other->name = unix_name_get(to->name);
	other->sock.passcred = to->sock.passcred;
	other->sock.peercred = socket_cred(t);
	s->peercred = to->sock.peercred;
	unix_set_peer(u, other);
	unix_set_peer(other, u);
	list_add_tail(&to->pending, &other->pending_node); /* takes our reference over */
	to->npending++;
	wake_all(&to->sock.rd_wait);
	return 0;
}

static int unix_accept(struct socket *s, struct task *t, u32 flags, struct file **out)
{
	struct unix_sock *u = unix_of(s), *c;
	int err;

	if (s->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (!s->listening || (s->shut & 1))
		return -EINVAL;
	if (list_empty(&u->pending))
		return -EAGAIN;
	c = list_first(&u->pending, struct unix_sock, pending_node);
	err = unix_file(c, t->cred, flags, out);
	if (err < 0)
		return err;
	list_del(&c->pending_node);
	u->npending--;
	wake_all(&u->backlog_wait);
	return 0;
}

static int unix_shutdown(struct socket *s, int how)
{
	struct unix_sock *u = unix_of(s), *peer = u->peer;
	u8 bits = how + 1; /* SHUT_RD, SHUT_WR, SHUT_RDWR */

	s->shut |= bits;
	if (peer && s->type != SOCK_DGRAM) {
		peer->sock.shut |= (bits & 1 ? 2 : 0) | (bits & 2 ? 1 : 0);
		unix_wake(peer);
	}
	unix_wake(u);
	return 0;
}

static const struct socket_ops unix_ops = {
	.bind = unix_bind,
	.listen = unix_listen,
	.connect = unix_connect,
	.accept = unix_accept,
	.name = unix_get_name,
	.shutdown = unix_shutdown,
	.sendmsg = unix_sendmsg,
	.recvmsg = unix_recvmsg,
	.send_queue = unix_send_queue,
};

/* ---- making ---- */

static int type_check(int *type, int protocol)
{
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (*type == SOCK_RAW) /* Linux takes it for a datagram socket */
		*type = SOCK_DGRAM;
	if (*type != SOCK_STREAM && *type != SOCK_DGRAM && *type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	return 0;
}

int unix_socket_open(struct task *t, int type, int protocol, u32 flags, struct file **out)
{
	struct unix_sock *u;
	int err = type_check(&type, protocol);

	if (err < 0)
		return err;
	u = unix_new(t->k, type);
	if (!u)
		return -ENOMEM;
	err = unix_file(u, t->cred, flags, out);
	if (err < 0)
		unix_put(u);
	return err;
}

int unix_socketpair(struct task *t, int type, int protocol, u32 flags, struct file *out[2])
{
	struct file *a, *b;
	struct unix_sock *ua, *ub;
	int err = unix_socket_open(t, type, protocol, flags, &a);

	if (err < 0)
		return err;
	err = unix_socket_open(t, type, protocol, flags, &b);
	if (err < 0) {
		file_put(a);
		return err;
	}
	ua = unix_of(a->priv);
	ub = unix_of(b->priv);
	ua->sock.peercred = ub->sock.peercred = socket_cred(t);
	unix_set_peer(ua, ub);
	unix_set_peer(ub, ua);
	out[0] = a;
	out[1] = b;
	return 0;
}
