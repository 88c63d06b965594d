/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of unix(7) sockets: unix.c (life, connections), unix_name.c (names), unix_msg.c (messages, readiness) and
 * unix_gc.c (circles of sockets in messages).
 *
 * References: the file holds one, a peer's pointer one, a listener's queue one for each connection that waits
 * there. A closed socket stays as `dead` as long as its peer points to it.
 */
#ifndef HUSK_KERNEL_NET_UNIX_IMPL_H
#define HUSK_KERNEL_NET_UNIX_IMPL_H

#include <sys/un.h>

#include "net/socket.h"

#define UNIX_MAX_DGRAMS 11 /* /proc/sys/net/unix/max_dgram_qlen and one */
#define UNIX_MAX_LEVEL  4  /* how deep sockets may travel inside sockets */
#define UNIX_PIECE      32768
#define UNIX_OVERHEAD   512 /* what a message is charged besides its bytes */

/* A bound address, shared with the messages that came from it. */
struct unix_name {
	int refs;
	u32 len; /* of sa */
	struct sockaddr_un sa;
};

struct unix_sock {
	struct socket sock;
	struct list node; /* in kernel->unix_socks */
	int refs;
	bool connected, dead;
	int level;               /* 1 + the level of sockets that wait in our queue */
	struct unix_sock *peer;  /* a reference; nullable */
	struct list follow_node; /* in peer->followers */
	struct list followers;   /* sockets whose peer we are: told when our queue drains */
	struct list queue;       /* struct unix_msg */
	u32 queued, messages;
	struct list pending; /* listener: struct unix_sock by pending_node */
	struct list pending_node;
	int npending, backlog;
	struct wait_queue backlog_wait; /* connect() to a full listener, sendto() to a full queue */
	struct unix_name *name;         /* nullable, counted */
	struct inode *inode;            /* of a path name, counted */
	struct list bound_node;         /* in kernel->unix_bound */
	/* unix_gc.c */
	struct list travel_node, work_node; /* in kernel->unix_travellers while messages hold it */
	int travels;                        /* references by messages */
	int elsewhere;
	bool held, kept;
};

struct unix_msg {
	struct list node;
	u32 len, at, charge;
	struct ucred cred;
	struct unix_name *from; /* nullable, counted */
	struct file **files;    /* nullable, owned */
	int nfiles, level;
	char data[];
};

static inline struct unix_sock *unix_of(struct socket *s)
{
	return container_of(s, struct unix_sock, sock);
}

struct unix_name *unix_name_get(struct unix_name *n);
void unix_name_put(struct unix_name *n);
/* 0, or -EINVAL for an address that is no name of a unix socket. */
int unix_addr_check(const struct socket_addr *addr);
/* The live socket that @addr names for @t, borrowed. -ECONNREFUSED, -ENOENT, -EACCES, -EINVAL, -EPROTOTYPE... */
int unix_find(struct unix_sock *u, struct task *t, const struct socket_addr *addr, struct unix_sock **out);

int unix_bind(struct socket *s, struct task *t, const struct socket_addr *addr);
int unix_get_name(struct socket *s, bool peer, struct socket_addr *addr);

/* unix_gc.c: @f is in a message from now on; it is no more. */
void unix_file_sent(struct file *f);
void unix_file_arrived(struct file *f);
/* A socket has closed. */
void unix_closed(struct kernel *k);

/* unix_show.c: a line for each socket. */
void unix_show(struct kernel *k, struct text *out);

void unix_set_peer(struct unix_sock *u, struct unix_sock *peer);
/* Drops all messages. */
void unix_purge(struct unix_sock *u);

long unix_sendmsg(struct socket *s, struct task *t, struct socket_msg *m);
long unix_recvmsg(struct socket *s, struct task *t, struct socket_msg *m);
struct wait_queue *unix_send_queue(struct socket *s, struct task *t, const struct socket_addr *addr);
long unix_read(struct file *f, struct uio *to, u64 *pos);
long unix_write(struct file *f, struct uio *from, u64 *pos);
u32 unix_poll(struct file *f, struct poll_table *pt);
long unix_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg);

#endif
