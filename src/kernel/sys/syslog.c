/* SPDX-License-Identifier: Apache-2.0 */
/* syslog(2): the kernel's log, for who has CAP_SYSLOG; with kernel.dmesg_restrict, as here, nobody else. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>

#include "core/klog.h"
#include "core/task.h"

/* SYSLOG_ACTION_* of Linux's include/linux/syslog.h. */
enum {
	ACTION_CLOSE,
	ACTION_OPEN,
	ACTION_READ,
	ACTION_READ_ALL,
	ACTION_READ_CLEAR,
	ACTION_CLEAR,
	ACTION_CONSOLE_OFF,
	ACTION_CONSOLE_ON,
	ACTION_CONSOLE_LEVEL,
	ACTION_SIZE_UNREAD,
	ACTION_SIZE_BUFFER,
};

/* Copies at most @size bytes of the log from @from on to the guest: how many. */
static long copy_log(struct task *t, u64 from, u64 addr, size_t size)
{
	struct klog *l = &t->k->log;
	char *text = malloc(min(size, (size_t)KLOG_SIZE) + 1);
	long err;

	if (!text)
		return -ENOMEM;
	size = klog_copy(l, text, from, min(size, (size_t)KLOG_SIZE));
	err = user_write(t, addr, text, size);
	free(text);
	return err ? err : (long)size;
}

/* Takes what has not been read yet; waits for the first byte. */
static long read_new(struct task *t, u64 addr, int size)
{
	struct klog *l = &t->k->log;
	long n;

	if (l->read == l->next) {
		n = wait_add(&l->wait, t);
		return n ? n : call_wait(t);
	}
	n = copy_log(t, l->read, addr, (size_t)size);
	if (n > 0)
		l->read += (u64)n;
	return n;
}

/* The last whole lines that fit into @size bytes. */
static long read_last(struct task *t, u64 addr, size_t size)
{
	struct klog *l = &t->k->log;
	u64 from = l->cleared;

	while (l->next - from > size) {
		while (l->data[from % KLOG_SIZE] != '\n')
			from++;
		from++;
	}
	return copy_log(t, from, addr, size);
}

/* True: there is nothing to read into, and *@result says how wrong that is. */
static bool no_buffer(u64 addr, int size, long *result)
{
	*result = !addr || size < 0 ? -EINVAL : 0;
	return *result || !size;
}

long sys_syslog(struct task *t, struct call *c)
{
	struct klog *l = &t->k->log;
	int action = (int)c->arg[0], size = (int)c->arg[2];
	long r;

	if (!capable(t, CAP_SYSLOG))
		return -EPERM;
	switch (action) {
	case ACTION_CLOSE:
	case ACTION_OPEN:
	case ACTION_CONSOLE_OFF: /* there is no console */
	case ACTION_CONSOLE_ON:
		return 0;
	case ACTION_CONSOLE_LEVEL:
		return size < 1 || size > 8 ? -EINVAL : 0;
	case ACTION_READ:
		return no_buffer(c->arg[1], size, &r) ? r : read_new(t, c->arg[1], size);
	case ACTION_READ_ALL:
	case ACTION_READ_CLEAR:
		if (no_buffer(c->arg[1], size, &r))
			return r;
		r = read_last(t, c->arg[1], (size_t)size);
		if (r >= 0 && action == ACTION_READ_CLEAR)
			l->cleared = l->next;
		return r;
	case ACTION_CLEAR:
		l->cleared = l->next;
		return 0;
	case ACTION_SIZE_UNREAD:
		return (long)(l->next - l->read);
	case ACTION_SIZE_BUFFER:
		return KLOG_SIZE;
	default:
		return -EINVAL;
	}
}
