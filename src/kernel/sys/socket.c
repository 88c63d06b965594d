/* SPDX-License-Identifier: Apache-2.0 */
/* Making, naming and connecting sockets; their options. Messages are in sys/socket_msg.c. */
#include "sys/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>

#define SOCK_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

int socket_fd(struct task *t, struct call *c, int fd, struct socket **out)
{
	int err;

	if (!c->file) {
		err = fd_get(t, fd, &c->file);
		if (err < 0)
			return err;
	}
	*out = file_socket(c->file);
	return *out ? 0 : -ENOTSOCK;
}

int socket_addr_read(struct task *t, u64 addr, int len, struct socket_addr *out)
{
	memset(out, 0, sizeof *out);
	if (len < 0 || (size_t)len > sizeof out->sa)
		return -EINVAL;
	out->len = len;
	return len ? user_read(t, &out->sa, addr, len) : 0;
}

int socket_addr_write(struct task *t, const struct socket_addr *from, u64 addr, u64 lenp)
{
	int room, len = from->len, err = user_get(t, &room, lenp);

	if (err < 0)
		return err;
	if (room < 0)
		return -EINVAL;
	room = min(room, len);
	if (room) {
		err = user_write(t, addr, &from->sa, room);
		if (err < 0)
			return err;
	}
	return user_put(t, lenp, &len);
}

long socket_wait(struct task *t, struct call *c, struct wait_queue *q, u64 timeout)
{
	long r;

	if (c->file->flags & O_NONBLOCK)
		return -EAGAIN;
	if (timeout && !c->deadline)
		c->deadline = kernel_now(t->k) + timeout;
	if (wait_add(q, t) < 0)
		return -ENOMEM;
	c->hand_off = c->file->ops->between;
	r = call_wait(t);
	if (r == -ETIMEDOUT)
		return -EAGAIN;
	/* A call with a timeout is not restarted: it would wait for the whole time again. */
	return r == -ERESTARTSYS && timeout ? -EINTR : r;
}

/* ---- making ---- */

long sys_socket(struct task *t, struct call *c)
{
	int family = c->arg[0], type = c->arg[1], protocol = c->arg[2], flags = type & ~0xf, err;
	struct file *f;

	if (flags & ~SOCK_FLAGS)
		return -EINVAL;
	type &= 0xf;
	if ((unsigned)type >= 11)
		return -EINVAL;
	/* Here: no other family yet; programs take it for a kernel without networking. */
	if (family != AF_UNIX)
		return -EAFNOSUPPORT;
	err = unix_socket_open(t, type, protocol, flags & SOCK_NONBLOCK, &f);
	if (err < 0)
		return err;
	return fd_install(t, f, flags & SOCK_CLOEXEC);
}

long sys_socketpair(struct task *t, struct call *c)
{
	int family = c->arg[0], type = c->arg[1], protocol = c->arg[2], flags = type & ~0xf, err;
	struct file *f[2];

	if (flags & ~SOCK_FLAGS)
		return -EINVAL;
	type &= 0xf;
	if (family != AF_UNIX)
		return family == AF_INET || family == AF_INET6 ? -EOPNOTSUPP : -EAFNOSUPPORT;
	err = unix_socketpair(t, type, protocol, flags & SOCK_NONBLOCK, f);
	return err < 0 ? err : fd_install_pair(t, f, flags & SOCK_CLOEXEC, c->arg[3]);
}

/* ---- names and connections ---- */

long sys_bind(struct task *t, struct call *c)
{
	struct socket_addr addr;
	struct socket *s;
	int err = socket_fd(t, c, c->arg[0], &s);

	if (err < 0)
		return err;
	err = socket_addr_read(t, c->arg[1], c->arg[2], &addr);
	return err < 0 ? err : s->ops->bind(s, t, &addr);
}

long sys_listen(struct task *t, struct call *c)
{
	struct socket *s;
	int err = socket_fd(t, c, c->arg[0], &s);

	return err < 0 ? err : s->ops->listen(s, t, (u32)min((u32)c->arg[1], 4096u));
}

long sys_connect(struct task *t, struct call *c)
{
	struct socket_addr addr;
	struct socket *s;
	long err = socket_fd(t, c, c->arg[0], &s);

	if (err < 0)
		return err;
	wait_remove_all(t);
	err = socket_addr_read(t, c->arg[1], c->arg[2], &addr);
	if (err < 0)
		return err;
	err = s->ops->connect(s, t, &addr);
	if (err != -EAGAIN)
		return err;
	return socket_wait(t, c, s->ops->send_queue(s, t, &addr), s->sndtimeo);
}

static long do_accept(struct task *t, struct call *c, int flags)
{
	struct socket_addr addr;
	struct socket *s;
	struct file *f;
	long err;

	if (flags & ~SOCK_FLAGS)
		return -EINVAL;
	err = socket_fd(t, c, c->arg[0], &s);
	if (err < 0)
		return err;
	wait_remove_all(t);
	if (c->arg[1]) { /* what may have to be fetched, before the connection is taken */
		int len;

		err = user_get(t, &len, c->arg[2]);
		if (err == CALL_FETCH)
			return err;
	}
	err = s->ops->accept(s, t, flags & SOCK_NONBLOCK, &f);
	if (err == -EAGAIN)
		return socket_wait(t, c, &s->rd_wait, s->rcvtimeo);
	if (err < 0)
		return err;
	if (c->arg[1]) {
		err = file_socket(f)->ops->name(file_socket(f), true, &addr);
		if (err >= 0)
			err = socket_addr_write(t, &addr, c->arg[1], c->arg[2]);
		if (err < 0) {
			file_put(f);
			return err;
		}
	}
	return fd_install(t, f, flags & SOCK_CLOEXEC);
}

long sys_accept(struct task *t, struct call *c)
{
	return do_accept(t, c, 0);
}

long sys_accept4(struct task *t, struct call *c)
{
	return do_accept(t, c, c->arg[3]);
}

static long get_name(struct task *t, struct call *c, bool peer)
{
	struct socket_addr addr;
	struct socket *s;
	int err = socket_fd(t, c, c->arg[0], &s);

	if (err < 0)
		return err;
	err = s->ops->name(s, peer, &addr);
	return err < 0 ? err : socket_addr_write(t, &addr, c->arg[1], c->arg[2]);
}

long sys_getsockname(struct task *t, struct call *c)
{
	return get_name(t, c, false);
}

long sys_getpeername(struct task *t, struct call *c)
{
	return get_name(t, c, true);
}

long sys_shutdown(struct task *t, struct call *c)
{
	int how = c->arg[1], err;
	struct socket *s;

	err = socket_fd(t, c, c->arg[0], &s);
	if (err < 0)
		return err;
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	return s->ops->shutdown(s, how);
}

/* ---- options ---- */

static int take_error(struct socket *s)
{
	int err = s->error;

	s->error = 0;
	return err;
}

/* Options whose value is an int: 0 when @name is none of them. */
static int option_int(struct socket *s, int name, int *value)
{
	switch (name) {
	case SO_TYPE:
		*value = s->type;
		break;
	case SO_DOMAIN:
		*value = s->family;
		break;
	case SO_PROTOCOL:
		*value = s->protocol;
		break;
	case SO_ERROR:
		*value = take_error(s);
		break;
	case SO_ACCEPTCONN:
		*value = s->listening;
		break;
	case SO_PASSCRED:
		*value = s->passcred;
		break;
	case SO_SNDBUF:
		*value = s->sndbuf;
		break;
	case SO_RCVBUF:
		*value = s->rcvbuf;
		break;
	case SO_REUSEADDR:
		*value = s->reuseaddr;
		break;
	case SO_KEEPALIVE:
		*value = s->keepalive;
		break;
	case SO_RCVLOWAT:
		*value = 1;
		break;
	case SO_BROADCAST:
	case SO_OOBINLINE:
	case SO_PRIORITY:
	case SO_DONTROUTE:
	case SO_TIMESTAMP:
		*value = 0;
		break;
	default:
		return 0;
	}
	return 1;
}

static int option_get(struct socket *s, int name, void *value, u32 *size)
{
	int number;
	u64 ns;

	if (option_int(s, name, &number)) {
		*size = sizeof number;
		memcpy(value, &number, sizeof number);
		return 0;
	}
	switch (name) {
	case SO_PEERCRED:
		*size = sizeof s->peercred;
		memcpy(value, &s->peercred, sizeof s->peercred);
		return 0;
	case SO_LINGER:
		*size = sizeof(struct linger);
		memset(value, 0, *size);
		return 0;
	case SO_RCVTIMEO:
	case SO_SNDTIMEO:
		ns = name == SO_RCVTIMEO ? s->rcvtimeo : s->sndtimeo;
		*size = sizeof(struct timeval);
		memcpy(value, &(struct timeval){ns / 1000000000, ns % 1000000000 / 1000},
		       sizeof(struct timeval));
		return 0;
	}
	return -ENOPROTOOPT;
}

long sys_getsockopt(struct task *t, struct call *c)
{
	char value[64];
	u32 size;
	int room, err;
	struct socket *s;

	err = socket_fd(t, c, c->arg[0], &s);
	if (err < 0)
		return err;
	if ((int)c->arg[1] != SOL_SOCKET)
		return -EOPNOTSUPP;
	err = user_get(t, &room, c->arg[4]);
	if (err < 0)
		return err;
	if (room < 0)
		return -EINVAL;
	err = option_get(s, c->arg[2], value, &size);
	if (err < 0)
		return err;
	room = min((u32)room, size);
	err = user_write(t, c->arg[3], value, room);
	return err < 0 ? err : user_put(t, c->arg[4], &room);
}

static int set_timeout(struct task *t, struct call *c, u64 *ns)
{
	struct timeval tv;
	int err;

	if ((int)c->arg[4] < (int)sizeof tv)
		return -EINVAL;
	err = user_get(t, &tv, c->arg[3]);
	if (err < 0)
		return err;
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	*ns = tv.tv_sec < 0 ? 1 : min((u64)tv.tv_sec, 1UL << 32) * 1000000000 + tv.tv_usec * 1000;
	return 0;
}

static int set_number(struct task *t, struct socket *s, int name, int value)
{
	switch (name) {
	case SO_PASSCRED:
		s->passcred = value;
		return 0;
	case SO_REUSEADDR:
		s->reuseaddr = value;
		return 0;
	case SO_KEEPALIVE:
		s->keepalive = value;
		return 0;
	case SO_SNDBUF: /* doubled for overhead, as Linux does; /proc/sys/net/core/wmem_max */
		s->sndbuf = max(min((u32)value, (u32)SOCK_DEFAULT_BUF) * 2, 4608u);
		wake_all(&s->wr_wait);
		return 0;
	case SO_RCVBUF:
		s->rcvbuf = max(min((u32)value, (u32)SOCK_DEFAULT_BUF) * 2, 2304u);
		return 0;
	case SO_TYPE:
	case SO_DOMAIN:
	case SO_PROTOCOL:
	case SO_ERROR:
	case SO_ACCEPTCONN:
	case SO_PEERCRED:
		return -ENOPROTOOPT;
	case SO_BROADCAST:
	case SO_OOBINLINE:
	case SO_PRIORITY:
	case SO_DONTROUTE:
	case SO_LINGER: /* without a meaning for unix sockets */
		return 0;
	}
	return -ENOPROTOOPT;
}

long sys_setsockopt(struct task *t, struct call *c)
{
	int name = c->arg[2], value, err;
	struct socket *s;

	if ((int)c->arg[4] < 0)
		return -EINVAL;
	err = socket_fd(t, c, c->arg[0], &s);
	if (err < 0)
		return err;
	if ((int)c->arg[1] != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (name == SO_RCVTIMEO || name == SO_SNDTIMEO)
		return set_timeout(t, c, name == SO_RCVTIMEO ? &s->rcvtimeo : &s->sndtimeo);
	if ((int)c->arg[4] < (int)sizeof value)
		return -EINVAL;
	err = user_get(t, &value, c->arg[3]);
	return err < 0 ? err : set_number(t, s, name, value);
}
