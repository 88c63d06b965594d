/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets: what the handlers in sys/socket*.c see of an address family.
 *
 * As with files, no operation parks: one that cannot go on answers -EAGAIN, and the handler waits on
 * socket_poll()'s queues. A socket is one with its file: f->priv is the struct socket.
 */
#ifndef HUSK_KERNEL_NET_SOCKET_H
#define HUSK_KERNEL_NET_SOCKET_H

#include <sys/socket.h>

#include "core/task.h"
#include "vfs/file.h"

#define SCM_MAX_FILES    253
#define SOCK_DEFAULT_BUF 212992

struct socket;

/* An address as the guest gave it; @len 0: none. */
struct socket_addr {
	struct sockaddr_storage sa;
	u32 len;
};

struct socket_msg {
	struct uio *data;
	struct socket_addr name; /* in: the destination; out: the sender */
	/* Descriptors that travel: references, owned by the message until taken. */
	struct file **files;
	int nfiles;
	bool has_cred; /* out: the receiver asked for them */
	struct ucred cred;
	int flags;     /* in: MSG_* of the call */
	int out_flags; /* out: MSG_TRUNC ... */
	size_t want;   /* recvmsg, MSG_WAITALL: bytes already taken before a wait */
};

struct socket_ops {
	int (*bind)(struct socket *s, struct task *t, const struct socket_addr *addr);
	int (*listen)(struct socket *s, struct task *t, int backlog);
	/* -EAGAIN: the backlog is full; -EINPROGRESS is not used by unix sockets. */
	int (*connect)(struct socket *s, struct task *t, const struct socket_addr *addr);
	/* The next connection as a new file, the caller's. */
	int (*accept)(struct socket *s, struct task *t, u32 flags, struct file **out);
	int (*name)(struct socket *s, bool peer, struct socket_addr *addr);
	int (*shutdown)(struct socket *s, int how);
	long (*sendmsg)(struct socket *s, struct task *t, struct socket_msg *m);
	long (*recvmsg)(struct socket *s, struct task *t, struct socket_msg *m);
	/* Where a task waits whose sendmsg() or connect() to @addr answered -EAGAIN. */
	struct wait_queue *(*send_queue)(struct socket *s, struct task *t, const struct socket_addr *addr);
};

struct socket {
	struct kernel *k;
	const struct socket_ops *ops;
	struct file *file; /* borrowed; NULL while it waits to be accepted */
	int family, type, protocol;
	int error; /* SO_ERROR: positive, taken by whoever asks first */
	bool listening, passcred, reuseaddr, keepalive;
	u8 shut; /* 1: no more receiving, 2: no more sending */
	u32 sndbuf, rcvbuf;
	u64 rcvtimeo, sndtimeo; /* ns; 0: none */
	struct ucred peercred;
	struct wait_queue rd_wait, wr_wait;
};

/* The socket behind @f, or NULL when it is none. */
struct socket *file_socket(struct file *f);
/* Frees unix sockets that only each other's messages hold. */
void unix_collect(struct kernel *k);
/* Sets up what all families share. */
void socket_setup(struct socket *s, struct kernel *k, const struct socket_ops *ops, int family, int type);
/* The credentials of @t as SCM_CREDENTIALS shows them. */
struct ucred socket_cred(struct task *t);

/* A new socket's file, the caller's: -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -ENOMEM, -ENFILE. */
int unix_socket_open(struct task *t, int type, int protocol, u32 flags, struct file **out);
int unix_socketpair(struct task *t, int type, int protocol, u32 flags, struct file *out[2]);

#endif
