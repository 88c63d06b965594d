/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/locks: each lock, and below it who waits for it (fs/locks.c: lock_get_status). */
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "vfs/lock.h"

static void show_line(struct text *out, u64 number, bool waits, enum lock_kind kind, bool write, int pid,
		      struct inode *i, u64 start, u64 end)
{
	static const char *const names[] = {[LOCK_POSIX] = "POSIX  ADVISORY ",
					    [LOCK_OFD] = "OFDLCK ADVISORY ",
					    [LOCK_FLOCK] = "FLOCK  ADVISORY "};
	struct kstat st;

	if (i->ops->getattr(i, &st))
		st.dev = st.ino = 0;
	text_add(out, "%lu: %s%s %s %d %02x:%02x:%lu ", number, waits ? "-> " : "", names[kind],
		 write ? "WRITE" : "READ", kind == LOCK_OFD ? -1 : pid, major(st.dev), minor(st.dev), st.ino);
	if (end == INT64_MAX)
		text_add(out, "%lu EOF\n", start);
	else
		text_add(out, "%lu %lu\n", start, end);
}

void locks_show(struct vfs *v, struct text *out)
{
	struct lock_waiter *w;
	struct file_lock *l;
	u64 number = 0;

	for (int n = 0; n < LOCK_WAITER_LISTS; n++)
		list_for_each (w, &v->lock_waiters[n], node)
			w->shown_below = lock_conflict(w->inode, &w->request);
	list_for_each (l, &v->locks, on_vfs) {
		show_line(out, ++number, false, l->kind, l->write, l->pid, l->inode, l->start, l->end);
		for (int n = 0; n < LOCK_WAITER_LISTS; n++)
			list_for_each (w, &v->lock_waiters[n], node)
				if (w->shown_below == l)
					show_line(out, number, true, w->request.kind,
						  w->request.type == F_WRLCK, w->request.pid, w->inode,
						  w->request.start, w->request.end);
	}
}
