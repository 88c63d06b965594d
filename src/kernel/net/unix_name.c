/* SPDX-License-Identifier: Apache-2.0 */
/* Names of unix(7) sockets: paths, abstract names, and names that bind() makes up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "net/unix_impl.h"
#include "net/unix_path.h"
#include "vfs/inode.h"

struct unix_name *unix_name_get(struct unix_name *n)
{
	n->refs++;
	return n;
}

void unix_name_put(struct unix_name *n)
{
	if (!--n->refs)
		free(n);
}

int unix_addr_check(const struct socket_addr *addr)
{
	if (addr->len <= offsetof(struct sockaddr_un, sun_path) || addr->len > sizeof(struct sockaddr_un))
		return -EINVAL;
	return addr->sa.ss_family == AF_UNIX ? 0 : -EINVAL;
}

static struct unix_name *name_new(const void *sa, u32 len)
{
	struct unix_name *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->refs = 1;
	n->len = len;
	memcpy(&n->sa, sa, len);
	return n;
}

static struct unix_sock *find_abstract(struct kernel *k, const void *sa, u32 len)
{
	struct unix_sock *u;

	list_for_each (u, &k->unix_bound, bound_node)
		if (!u->inode && u->name->len == len && !memcmp(&u->name->sa, sa, len))
			return u;
	return NULL;
}

/* The path of @addr with a NUL behind it. */
static void addr_path(const struct socket_addr *addr,
		      char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1])
{
	size_t size = addr->len - offsetof(struct sockaddr_un, sun_path);

	memcpy(path, ((const struct sockaddr_un *)&addr->sa)->sun_path, size);
	path[size] = 0;
}

int unix_find(struct unix_sock *from, struct task *t, const struct socket_addr *addr, struct unix_sock **out)
{
	struct kernel *k = from->sock.k;
	struct unix_sock *found = NULL;
	struct inode *inode;
	char path[110];
	int err = unix_addr_check(addr);

	if (err < 0)
		return err;
	if (!((const struct sockaddr_un *)&addr->sa)->sun_path[0]) {
		found = find_abstract(k, &addr->sa, addr->len);
	} else {
		addr_path(addr, path);
		err = unix_path_find(t, path, &inode);
		if (err < 0)
			return err;
		found = inode->sock;
		inode_put(inode);
	}
	if (!found)
		return -ECONNREFUSED;
	if (found->sock.type != from->sock.type)
		return -EPROTOTYPE;
	*out = found;
	return 0;
}

static int bind_auto(struct unix_sock *u)
{
	struct kernel *k = u->sock.k;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	u32 len = offsetof(struct sockaddr_un, sun_path) + 6;

	if (u->name)
		return 0;
	for (u32 i = 0; i < 1U << 20; i++) {
		char text[8];

		snprintf(text, sizeof text, "%05x", i);
		memcpy(sa.sun_path + 1, text, 5);
		if (find_abstract(k, &sa, len))
			continue;
		u->name = name_new(&sa, len);
		if (!u->name)
			return -ENOMEM;
		list_add_tail(&k->unix_bound, &u->bound_node);
		return 0;
	}
	return -ENOSPC;
}

static bool addr_path_exists(struct task *t, const struct socket_addr *addr)
{
	struct inode *inode;
	char path[110];
	int err;

	if (!((const struct sockaddr_un *)&addr->sa)->sun_path[0])
		return false;
	addr_path(addr, path);
	err = unix_path_find(t, path, &inode);
	if (!err)
		inode_put(inode);
	return !err || err == -ECONNREFUSED;
}

int unix_bind(struct socket *s, struct task *t, const struct socket_addr *addr)
{
	struct unix_sock *u = unix_of(s);
	struct unix_name *name;
	char path[110];
	u32 len = addr->len;
	int err;

	if (len == offsetof(struct sockaddr_un, sun_path) && addr->sa.ss_family == AF_UNIX)
		return bind_auto(u);
	err = unix_addr_check(addr);
	if (err < 0)
		return err;
	if (u->name) {
		/* Linux makes the name first: one that exists is the first error. */
		return addr_path_exists(t, addr) ? -EADDRINUSE : -EINVAL;
	}
	if (((const struct sockaddr_un *)&addr->sa)->sun_path[0]) {
		addr_path(addr, path);
		/* Linux keeps the path up to its NUL, counted. */
		len = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
		name = name_new(&addr->sa, min(len, (u32)sizeof(struct sockaddr_un)));
		if (!name)
			return -ENOMEM;
		err = unix_path_make(t, path, &u->inode);
		if (err < 0) {
			unix_name_put(name);
			return err == -EEXIST ? -EADDRINUSE : err;
		}
		u->inode->sock = u;
	} else {
		if (find_abstract(s->k, &addr->sa, len))
			return -EADDRINUSE;
		name = name_new(&addr->sa, len);
		if (!name)
			return -ENOMEM;
	}
	u->name = name;
	list_add_tail(&s->k->unix_bound, &u->bound_node);
	return 0;
}

int unix_get_name(struct socket *s, bool peer, struct socket_addr *addr)
{
	struct unix_sock *u = unix_of(s);

	if (peer) {
		u = u->peer;
		if (!u)
			return -ENOTCONN;
	}
	memset(addr, 0, sizeof *addr);
	addr->sa.ss_family = AF_UNIX;
	addr->len = sizeof(sa_family_t);
	if (u->name) {
		addr->len = u->name->len;
		memcpy(&addr->sa, &u->name->sa, addr->len);
	}
	return 0;
}
