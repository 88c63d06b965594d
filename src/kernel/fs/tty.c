/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host terminals.
 *
 * Attributes, size and flow control are the host terminal's own, so that an editor or a shell inside works on
 * the caller's terminal as it would natively. Whatever names processes (foreground group, session) is the
 * guest's: those ioctls are answered by sys/ioctl.c, which knows process groups.
 */
#include "fs/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/task.h"
#include "fs/hostio.h"
#include "fs/pty.h"
#include "host/file.h"

#define KERNEL_TERMIOS  36 /* sizeof struct termios as the kernel has it */
#define KERNEL_TERMIOS2 44

struct tty *tty_find_or_new(struct kernel *k, struct hostfd fd, u64 rdev)
{
	struct tty *tty;

	if (!k->ttys.next)
		list_init(&k->ttys);
	list_for_each (tty, &k->ttys, node) {
		if (tty->rdev == rdev) {
			tty->refs++;
			return tty;
		}
	}
	tty = calloc(1, sizeof *tty);
	if (!tty)
		return NULL;
	tty->k = k;
	tty->refs = 1;
	tty->rdev = rdev;
	tty->fd.fd = fcntl(fd.fd, F_DUPFD_CLOEXEC, 3);
	list_add_tail(&k->ttys, &tty->node);
	object_count(k, "tty", 1);
	return tty;
}

void tty_put(struct tty *tty)
{
	if (--tty->refs)
		return;
	object_count(tty->k, "tty", -1);
	list_del(&tty->node);
	if (hostfd_valid(tty->fd))
		close(tty->fd.fd);
	free(tty);
}

int tty_open(struct tty *tty, u32 flags, struct file **out)
{
	char path[HOST_FD_PATH];
	struct hostfd fd;
	int err;

	if (tty->pty)
		return pty_open_slave(tty->pty, flags & ~(u32)O_NOCTTY, out);
	if (!hostfd_valid(tty->fd))
		return -EIO;
	host_fd_path(tty->fd, path);
	fd.fd = open(path, (flags & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC);
	if (fd.fd < 0) /* the terminal belongs to somebody else by now: use it as it was given */
		fd.fd = fcntl(tty->fd.fd, F_DUPFD_CLOEXEC, 3);
	if (fd.fd < 0)
		return -errno;
	err = hostio_open(tty->k, fd, out);
	if (err < 0)
		close(fd.fd);
	return err;
}

enum tty_direction { TTY_IN, TTY_OUT, TTY_VALUE };

static const struct tty_ioctl {
	u32 cmd;
	enum tty_direction direction;
	u32 size;
} tty_ioctls[] = {
	{TCGETS, TTY_OUT, KERNEL_TERMIOS},
	{TCSETS, TTY_IN, KERNEL_TERMIOS},
	{TCSETSW, TTY_IN, KERNEL_TERMIOS},
	{TCSETSF, TTY_IN, KERNEL_TERMIOS},
	{0x802c542a, TTY_OUT, KERNEL_TERMIOS2},
	{0x402c542b, TTY_IN, KERNEL_TERMIOS2}, /* TCGETS2, TCSETS2 */
	{0x402c542c, TTY_IN, KERNEL_TERMIOS2},
	{0x402c542d, TTY_IN, KERNEL_TERMIOS2}, /* TCSETSW2, TCSETSF2 */
	{TIOCGWINSZ, TTY_OUT, sizeof(struct winsize)},
	{TIOCSWINSZ, TTY_IN, sizeof(struct winsize)},
	{FIONREAD, TTY_OUT, sizeof(int)},
	{TIOCOUTQ, TTY_OUT, sizeof(int)},
	{TIOCGETD, TTY_OUT, sizeof(int)},
	{TCSBRK, TTY_VALUE, 0},
	{TCSBRKP, TTY_VALUE, 0},
	{TCXONC, TTY_VALUE, 0},
	{TCFLSH, TTY_VALUE, 0},
};

long tty_host_ioctl(struct hostfd fd, struct task *t, u32 cmd, u64 arg)
{
	char buf[64] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(tty_ioctls); i++) {
		const struct tty_ioctl *io = &tty_ioctls[i];
		long r;

		if (io->cmd != cmd)
			continue;
		if (io->direction == TTY_IN) {
			r = user_read(t, buf, arg, io->size);
			if (r < 0)
				return r;
		}
		r = ioctl(fd.fd, cmd, io->direction == TTY_VALUE ? arg : (u64)(uintptr_t)buf);
		if (r < 0)
			return -errno;
		if (io->direction != TTY_OUT)
			return r;
		return user_write(t, arg, buf, io->size);
	}
	return -ENOTTY;
}
