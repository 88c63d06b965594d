/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd and signalfd4. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "core/task.h"
#include "fs/signalfd.h"
#include "task/signal.h"

static long do_signalfd(struct task *t, int fd, u64 addr, u64 size, int flags)
{
	struct file *f;
	u64 mask;
	long err;

	if (size != sizeof mask)
		return -EINVAL;
	err = user_get(t, &mask, addr);
	if (err < 0)
		return err;
	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	mask &= ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
	if (fd == -1) {
		err = signalfd_open(t->k, mask, flags & SFD_NONBLOCK, &f);
		return err < 0 ? err : fd_install(t, f, flags & SFD_CLOEXEC);
	}
	err = fd_get(t, fd, &f);
	if (err < 0)
		return err;
	err = signalfd_set_mask(f, mask);
	file_put(f);
	return err < 0 ? err : fd;
}

long sys_signalfd(struct task *t, struct call *c)
{
	return do_signalfd(t, c->arg[0], c->arg[1], c->arg[2], 0);
}

long sys_signalfd4(struct task *t, struct call *c)
{
	return do_signalfd(t, c->arg[0], c->arg[1], c->arg[2], c->arg[3]);
}
