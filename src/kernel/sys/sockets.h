/* SPDX-License-Identifier: Apache-2.0 */
/* What the socket handlers share. */
#ifndef HUSK_KERNEL_SYS_SOCKETS_H
#define HUSK_KERNEL_SYS_SOCKETS_H

#include "net/socket.h"

/* The guest's struct msghdr. */
struct user_msghdr {
	u64 name;
	u32 namelen, pad1;
	u64 iov, iovlen, control, controllen;
	u32 flags, pad2;
};

/* The socket behind @fd and its file, kept in c->file: 0, -EBADF, -ENOTSOCK. */
int socket_fd(struct task *t, struct call *c, int fd, struct socket **out);
/* Reads an address: 0, -EINVAL, -EFAULT, CALL_FETCH. */
int socket_addr_read(struct task *t, u64 addr, int len, struct socket_addr *out);
/* Writes as much of @from as the guest has room for, and its true length into *@lenp (move_addr_to_user). */
int socket_addr_write(struct task *t, const struct socket_addr *from, u64 addr, u64 lenp);

/* Waits on @q for another try: CALL_PARK, or what the call ends with. @timeout: SO_RCVTIMEO or SO_SNDTIMEO. */
long socket_wait(struct task *t, struct call *c, struct wait_queue *q, u64 timeout);

#endif
