/* SPDX-License-Identifier: Apache-2.0 */
/* What all address families share. */
#include "net/socket.h"

struct ucred socket_cred(struct task *t)
{
	return (struct ucred){.pid = t->k->ops.tgid ? t->k->ops.tgid(t) : t->tid,
			      .uid = t->cred->euid,
			      .gid = t->cred->egid};
}

void socket_setup(struct socket *s, struct kernel *k, const struct socket_ops *ops, int family, int type)
{
	s->k = k;
	s->ops = ops;
	s->family = family;
	s->type = type;
	s->sndbuf = s->rcvbuf = SOCK_DEFAULT_BUF;
	s->peercred = (struct ucred){.pid = 0, .uid = ~0U, .gid = ~0U};
	wait_queue_init(&s->rd_wait);
	wait_queue_init(&s->wr_wait);
}
