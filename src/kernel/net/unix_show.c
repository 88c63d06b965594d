/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/net/unix: a line for each unix socket (net/unix/af_unix.c, unix_seq_show()). */
#include <linux/net.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "net/unix_impl.h"
#include "vfs/inode.h"

static int state(const struct unix_sock *u)
{
	if (!u->sock.file)
		return SS_CONNECTING;
	return u->connected ? SS_CONNECTED : SS_UNCONNECTED;
}

/* A path up to its end; an abstract name with its zeroes as @. */
static void show_name(const struct unix_name *n, struct text *out)
{
	size_t len = n->len - offsetof(struct sockaddr_un, sun_path);
	bool abstract = !n->sa.sun_path[0];

	if (!abstract)
		len = strnlen(n->sa.sun_path, len);
	text_add(out, " ");
	for (size_t i = 0; i < len; i++)
		text_add_bytes(out, n->sa.sun_path[i] ? &n->sa.sun_path[i] : "@", 1);
}

/* Linux: shows where the socket lies in the kernel's memory to who may know. Here: nobody may. */
void unix_show(struct kernel *k, struct text *out)
{
	struct unix_sock *u;

	list_for_each (u, &k->unix_socks, node) {
		if (u->dead)
			continue;
		text_add(out, "0000000000000000: %08X 00000000 %08X %04X %02X %5lu", (u32)u->refs + 1,
			 u->sock.listening ? __SO_ACCEPTCON : 0, (u32)u->sock.type, (u32)state(u),
			 u->sock.file ? u->sock.file->inode->ino : 0);
		if (u->name)
			show_name(u->name, out);
		text_add(out, "\n");
	}
}
