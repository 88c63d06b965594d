/* SPDX-License-Identifier: Apache-2.0 */
/* send, recv and kin: messages, their addresses and control data (cmsg(3)). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "sys/sockets.h"

#define CONTROL_MAX    16384 /* bytes of control data that one message may carry */
#define CAP_SYS_ADMIN_ 21
#define CAP_SETUID_    7
#define CAP_SETGID_    6

/* ---- control data ---- */

static void scm_drop(struct socket_msg *m)
{
	for (int i = 0; i < m->nfiles; i++)
		file_put(m->files[i]);
	free(m->files);
	m->files = NULL;
	m->nfiles = 0;
}

static int rights_read(struct task *t, const int *fds, int n, struct socket_msg *m)
{
	struct file **files;
	int err;

	if (n + m->nfiles > SCM_MAX_FILES)
		return -EINVAL;
	files = realloc(m->files, (m->nfiles + n + 1) * sizeof *files);
	if (!files)
		return -ENOMEM;
	m->files = files;
	for (int i = 0; i < n; i++) {
		err = fd_get_path(t, fds[i], &files[m->nfiles]);
		if (err < 0)
			return err;
		m->nfiles++;
	}
	return 0;
}

static int cred_read(struct task *t, const struct ucred *u, struct socket_msg *m)
{
	const struct cred *c = t->cred;

	if (u->pid != socket_cred(t).pid && !capable(t, CAP_SYS_ADMIN_))
		return -EPERM;
	if (u->uid != c->uid && u->uid != c->euid && u->uid != c->suid && !capable(t, CAP_SETUID_))
		return -EPERM;
	if (u->gid != c->gid && u->gid != c->egid && u->gid != c->sgid && !capable(t, CAP_SETGID_))
		return -EPERM;
	m->cred = *u;
	return 0;
}

static int scm_parse(struct task *t, const char *buf, u64 size, struct socket_msg *m)
{
	u64 at = 0;

	while (at + sizeof(struct cmsghdr) <= size) {
		struct cmsghdr h;
		u64 len;
		int err = 0;

		memcpy(&h, buf + at, sizeof h);
		if (h.cmsg_len < sizeof h || h.cmsg_len > size - at)
			return -EINVAL;
		len = h.cmsg_len - sizeof h;
		if (h.cmsg_level == SOL_SOCKET) {
			if (h.cmsg_type == SCM_RIGHTS)
				err = rights_read(t, (const int *)(buf + at + sizeof h), len / sizeof(int),
						  m);
			else if (h.cmsg_type == SCM_CREDENTIALS && len == sizeof(struct ucred))
				err = cred_read(t, (const struct ucred *)(buf + at + sizeof h), m);
			else
				err = -EINVAL;
		}
		if (err < 0)
			return err;
		at += align_up(h.cmsg_len, sizeof(long));
	}
	return 0;
}

static int scm_read(struct task *t, u64 addr, u64 size, struct socket_msg *m)
{
	char *buf;
	int err;

	if (size > CONTROL_MAX)
		return -ENOBUFS;
	if (!size)
		return 0;
	buf = malloc(size);
	if (!buf)
		return -ENOMEM;
	err = user_read(t, buf, addr, size);
	if (err >= 0)
		err = scm_parse(t, buf, size, m);
	free(buf);
	return err;
}

/* One control message at @addr + *used: what does not fit is cut and flagged. */
static int put_cmsg(struct task *t, u64 addr, u64 size, int type, const void *data, size_t len,
		    struct socket_msg *m, u64 *used)
{
	struct cmsghdr h = {.cmsg_len = CMSG_LEN(len), .cmsg_level = SOL_SOCKET, .cmsg_type = type};
	u64 room = size - *used;
	int err;

	if (room < sizeof h) {
		m->out_flags |= MSG_CTRUNC;
		return 0;
	}
	if (h.cmsg_len > room) {
		m->out_flags |= MSG_CTRUNC;
		h.cmsg_len = room;
	}
	err = user_write(t, addr + *used, &h, sizeof h);
	if (err >= 0 && h.cmsg_len > sizeof h)
		err = user_write(t, addr + *used + sizeof h, data, h.cmsg_len - sizeof h);
	if (err >= 0)
		*used += min(CMSG_SPACE(h.cmsg_len - sizeof h), room);
	return err;
}

static int rights_write(struct task *t, u64 addr, u64 size, struct socket_msg *m, bool cloexec, u64 *used)
{
	u64 room = size - *used;
	int fds[SCM_MAX_FILES], n = 0, want = m->nfiles;

	if (room >= sizeof(struct cmsghdr))
		want = min((u64)want, (room - sizeof(struct cmsghdr)) / sizeof(int));
	else
		want = 0;
	while (n < want) {
		int fd = fd_install(t, file_get(m->files[n]), cloexec);

		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	if (n < m->nfiles)
		m->out_flags |= MSG_CTRUNC;
	return n ? put_cmsg(t, addr, size, SCM_RIGHTS, fds, n * sizeof(int), m, used) : 0;
}

static int scm_write(struct task *t, u64 addr, u64 size, struct socket_msg *m, bool cloexec, u64 *used)
{
	int err = 0;

	*used = 0;
	if (m->has_cred)
		err = put_cmsg(t, addr, size, SCM_CREDENTIALS, &m->cred, sizeof m->cred, m, used);
	if (m->nfiles && err >= 0)
		err = rights_write(t, addr, size, m, cloexec, used);
	return err;
}

/* ---- sending ---- */

struct send_request {
	struct socket_msg m;
	struct uio *data;
	u64 name, control, controllen;
	int namelen;
};

/* Sends what is left of the call's data; goes on behind c->done after a wait. @r->data covers all of it. */
static long do_send(struct task *t, struct call *c, struct socket *s, struct send_request *r)
{
	struct socket_msg *m = &r->m;
	size_t before = c->done;
	long n, err;

	err = r->name ? socket_addr_read(t, r->name, r->namelen, &m->name) : 0;
	if (err < 0)
		return err;
	m->cred = socket_cred(t);
	if (!before)
		err = scm_read(t, r->control, r->controllen, m);
	m->data = r->data;
	while (err >= 0) {
		n = s->ops->sendmsg(s, t, m);
		err = n;
		/* What has gone is kept in c->done: a wait (or a fetch) runs the handler again. */
		if (n > 0)
			c->done += n;
		if (n <= 0 || s->type != SOCK_STREAM || !r->data->left)
			break;
	}
	scm_drop(m);
	if (err == CALL_FETCH)
		return err;
	if (err < 0 && err != -EAGAIN)
		return c->done ? (long)c->done : err;
	if (err >= 0 && (s->type != SOCK_STREAM || !r->data->left))
		return c->done;
	if (m->flags & MSG_DONTWAIT)
		return c->done ? (long)c->done : -EAGAIN;
	err = socket_wait(t, c, s->ops->send_queue(s, t, &m->name), s->sndtimeo);
	if (err == CALL_PARK)
		return err;
	return c->done ? (long)c->done : err;
}

/* Moves @u behind what was sent before a wait. */
static void uio_skip(struct uio *u, size_t n)
{
	while (n) {
		size_t here = min(u->iov->len - u->at, n);

		u->at += here;
		u->left -= here;
		n -= here;
		if (u->at == u->iov->len && n) {
			u->iov++;
			u->count--;
			u->at = 0;
		}
	}
}

/* What sendto and recvfrom begin with: the socket, and the bytes that are still to be moved. 0 or socket_fd()'s errors. */
static int begin_plain(struct task *t, struct call *c, struct socket **s, struct uio *u)
{
	int err = socket_fd(t, c, c->arg[0], s);

	if (err < 0)
		return err;
	wait_remove_all(t);
	uio_init(u, t, c->arg[1] + c->done, min(c->arg[2], MAX_RW_COUNT) - c->done);
	return 0;
}

long sys_sendto(struct task *t, struct call *c)
{
	struct send_request r = {.name = c->arg[4], .namelen = c->arg[5]};
	struct socket *s;
	struct uio u;
	int err = begin_plain(t, c, &s, &u);

	if (err < 0)
		return err;
	r.data = &u;
	r.m.flags = c->arg[3];
	return do_send(t, c, s, &r);
}

static int msghdr_read(struct task *t, u64 addr, struct user_msghdr *h)
{
	int err = user_get(t, h, addr);

	if (err < 0)
		return err;
	if ((int)h->namelen < 0)
		return -EINVAL;
	h->namelen = min(h->namelen, (u32)sizeof(struct sockaddr_storage));
	if (!h->name)
		h->namelen = 0;
	return h->iovlen > IOV_MAX ? -EMSGSIZE : 0;
}

/* One message: the bytes sent, or negative. */
static long send_msg(struct task *t, struct call *c, struct socket *s, u64 addr, int flags)
{
	struct send_request r = {0};
	struct user_msghdr h;
	struct user_iovec *iov;
	struct uio u;
	long n = msghdr_read(t, addr, &h);

	if (n < 0)
		return n;
	n = uio_read_iovec(t, h.iov, h.iovlen, &iov);
	if (n < 0)
		return n;
	uio_init_iov(&u, t, iov, h.iovlen);
	uio_skip(&u, c->done);
	r.data = &u;
	r.name = h.namelen ? h.name : 0;
	r.namelen = h.namelen;
	r.control = h.control;
	r.controllen = h.controllen;
	r.m.flags = flags;
	n = do_send(t, c, s, &r);
	free(iov);
	return n;
}

long sys_sendmsg(struct task *t, struct call *c)
{
	struct socket *s;
	int err = socket_fd(t, c, c->arg[0], &s);

	if (err < 0)
		return err;
	wait_remove_all(t);
	return send_msg(t, c, s, c->arg[1], c->arg[2]);
}

#define MMSGHDR 64 /* sizeof struct mmsghdr: a msghdr and its length */

/* One of several messages has gone, or come: @len bytes, which its struct mmsghdr at @addr is told. c->scratch[0] counts
 * those that are done. */
static long message_done(struct task *t, struct call *c, u64 addr, u32 len)
{
	long err = user_put(t, addr + sizeof(struct user_msghdr), &len);

	c->done = 0;
	if (err >= 0)
		c->scratch[0]++;
	return err;
}

long sys_sendmmsg(struct task *t, struct call *c)
{
	u32 n = min((u32)c->arg[2], 1024u);
	struct socket *s;
	long err = socket_fd(t, c, c->arg[0], &s);

	if (err < 0)
		return err;
	wait_remove_all(t);
	while (c->scratch[0] < n) {
		u64 addr = c->arg[1] + c->scratch[0] * MMSGHDR;

		err = send_msg(t, c, s, addr, c->arg[3]);
		if (err == CALL_PARK || err == CALL_FETCH)
			return err;
		if (err >= 0)
			err = message_done(t, c, addr, (u32)err);
		if (err < 0)
			break;
	}
	return c->scratch[0] ? (long)c->scratch[0] : err;
}

/* ---- receiving ---- */

struct recv_request {
	struct socket_msg m;
	u64 name, namelen; /* addresses */
	u64 control, controllen;
	u64 control_used;
};

/* Receives into @u (which covers what is left): bytes in all, or negative; descriptors and name are
 * delivered. */
static long do_recv(struct task *t, struct call *c, struct socket *s, struct recv_request *r, struct uio *u)
{
	struct socket_msg *m = &r->m;
	bool all = (m->flags & MSG_WAITALL) && s->type == SOCK_STREAM && !(m->flags & MSG_PEEK);
	long n, err;

	if (r->name) { /* what may have to be fetched, before anything is taken */
		int len;

		if (user_get(t, &len, r->namelen) == CALL_FETCH)
			return CALL_FETCH;
	}
	if (u->left && !user_writable(t, u->iov->base + u->at, 1) && u->iov->len > u->at)
		return -EFAULT;
	m->data = u;
	n = s->ops->recvmsg(s, t, m);
	if (n > 0)
		c->done += n;
	if (n == -EAGAIN || (n > 0 && all && u->left && !m->nfiles)) {
		if (!(m->flags & MSG_DONTWAIT)) {
			err = socket_wait(t, c, &s->rd_wait, s->rcvtimeo);
			if (err == CALL_PARK)
				return err;
			n = n > 0 ? n : err;
		}
	}
	if (n < 0 && !c->done)
		return n;
	err = scm_write(t, r->control, r->controllen, m, m->flags & MSG_CMSG_CLOEXEC, &r->control_used);
	if (err >= 0 && r->name)
		err = socket_addr_write(t, &m->name, r->name, r->namelen);
	scm_drop(m);
	if (err < 0)
		return err;
	/* A datagram's true length (MSG_TRUNC) is no count of ours. */
	return s->type == SOCK_STREAM ? (long)c->done : n;
}

long sys_recvfrom(struct task *t, struct call *c)
{
	struct recv_request r = {.name = c->arg[4], .namelen = c->arg[5]};
	struct socket *s;
	struct uio u;
	int err = begin_plain(t, c, &s, &u);

	if (err < 0)
		return err;
	r.m.flags = c->arg[3];
	return do_recv(t, c, s, &r, &u);
}

static long recv_msg(struct task *t, struct call *c, struct socket *s, u64 addr, int flags)
{
	struct recv_request r = {0};
	struct user_msghdr h;
	struct user_iovec *iov;
	struct uio u;
	long n = msghdr_read(t, addr, &h), err = 0;

	if (n < 0)
		return n;
	n = uio_read_iovec(t, h.iov, h.iovlen, &iov);
	if (n < 0)
		return n;
	uio_init_iov(&u, t, iov, h.iovlen);
	uio_skip(&u, c->done);
	r.name = h.name;
	r.namelen = addr + offsetof(struct user_msghdr, namelen);
	r.control = h.control;
	r.controllen = h.controllen;
	r.m.flags = flags;
	n = do_recv(t, c, s, &r, &u);
	free(iov);
	if (n < 0)
		return n;
	h.flags = r.m.out_flags | (flags & MSG_CMSG_CLOEXEC);
	h.controllen = r.control_used;
	err = user_write(t, addr + offsetof(struct user_msghdr, flags), &h.flags, sizeof h.flags);
	if (err >= 0)
		err = user_write(t, addr + offsetof(struct user_msghdr, controllen), &h.controllen,
				 sizeof h.controllen);
	return err < 0 ? err : n;
}

long sys_recvmsg(struct task *t, struct call *c)
{
	struct socket *s;
	int err = socket_fd(t, c, c->arg[0], &s);

	if (err < 0)
		return err;
	wait_remove_all(t);
	return recv_msg(t, c, s, c->arg[1], c->arg[2]);
}

long sys_recvmmsg(struct task *t, struct call *c)
{
	u32 n = min((u32)c->arg[2], 1024u);
	int flags = c->arg[3];
	struct timespec ts;
	struct socket *s;
	long err;

	if (c->arg[4] && !c->deadline && !c->scratch[1]) {
		err = user_get(t, &ts, c->arg[4]);
		if (err < 0)
			return err;
		if (ts.tv_sec < 0 || (u64)ts.tv_nsec >= 1000000000)
			return -EINVAL;
		c->deadline = kernel_now(t->k) + min((u64)ts.tv_sec, 1UL << 32) * 1000000000 + ts.tv_nsec;
		c->scratch[1] = 1;
	}
	err = socket_fd(t, c, c->arg[0], &s);
	if (err < 0)
		return err;
	wait_remove_all(t);
	while (c->scratch[0] < n) {
		u64 addr = c->arg[1] + c->scratch[0] * MMSGHDR;
		/* MSG_WAITFORONE: only the first is waited for. */
		int now = flags & MSG_WAITFORONE && c->scratch[0] ? MSG_DONTWAIT : 0;

		err = recv_msg(t, c, s, addr, (flags & ~MSG_WAITFORONE) | now);
		if (err == CALL_PARK || err == CALL_FETCH)
			return err;
		if (err >= 0)
			err = message_done(t, c, addr, (u32)err);
		if (err < 0)
			break;
	}
	return c->scratch[0] ? (long)c->scratch[0] : err;
}
