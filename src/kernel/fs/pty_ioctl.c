/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl(2) on pseudo-terminals (ioctl_tty(2)): settings, sizes, queues, and the master's own. What names processes is
 * in sys/ioctl.c. Settings and size are the pair's, whichever end is asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

#include "core/task.h"
#include "fs/pty.h"
#include "vfs/inode.h"

#define KERNEL_TERMIOS  36 /* sizeof struct termios as the kernel has it */
#define KERNEL_TERMIOS2 44

_Static_assert(sizeof(struct ldisc_termios) == KERNEL_TERMIOS2, "struct termios2");

struct pty_ioctl {
	u32 cmd;
	long (*fn)(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io);
	u32 size;   /* of the settings that are moved; or which end's */
	bool flush; /* input is dropped first */
};

static long put_int(struct task *t, u64 arg, int value)
{
	return user_put(t, arg, &value);
}

/* ---- settings ---- */

static long get_settings(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return user_write(t, arg, &p->ldisc.t, io->size);
}

/* A reader in packet mode learns whether ^S and ^Q are the terminal's. */
static void tell_flow(struct pty *p, const struct ldisc_termios *new)
{
	const struct ldisc_termios *old = &p->ldisc.t;
	bool was = (old->iflag & IXON) && old->cc[VSTOP] == 19 && old->cc[VSTART] == 17;
	bool is = (new->iflag &IXON) && new->cc[VSTOP] == 19 && new->cc[VSTART] == 17;

	if (!p->packet || was == is)
		return;
	p->packet_status &= (u8) ~(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
	p->packet_status |= is ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
}

static void change_settings(struct pty *p, struct ldisc_termios *new, bool drop_input)
{
	/* A pty has no line of its own: eight bits, no parity, a receiver (pty_set_termios). */
	new->cflag = (new->cflag & ~(u32)(CSIZE | PARENB)) | CS8 | CREAD;
	tell_flow(p, new);
	ldisc_set(&p->ldisc, new, drop_input);
	pty_settle(p);
}

static long set_settings(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	struct ldisc_termios new = p->ldisc.t;
	long err = user_read(t, &new, arg, io->size);

	if (err < 0)
		return err;
	change_settings(p, &new, io->flush);
	return 0;
}

/* System V's struct termio: the low halves of the flags, and the first special characters. */
struct termio_settings {
	u16 iflag, oflag, cflag, lflag;
	u8 line, cc[8];
};

static long get_termio(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	const struct ldisc_termios *s = &p->ldisc.t;
	struct termio_settings old = {.iflag = (u16)s->iflag,
				      .oflag = (u16)s->oflag,
				      .cflag = (u16)s->cflag,
				      .lflag = (u16)s->lflag,
				      .line = s->line};

	memcpy(old.cc, s->cc, sizeof old.cc);
	return user_put(t, arg, &old);
}

static u32 low_half(u32 old, u16 new)
{
	return (old & 0xffff0000U) | new;
}

static long set_termio(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	struct ldisc_termios new = p->ldisc.t;
	struct termio_settings s;
	long err = user_get(t, &s, arg);

	if (err < 0)
		return err;
	new.iflag = low_half(new.iflag, s.iflag);
	new.oflag = low_half(new.oflag, s.oflag);
	new.cflag = low_half(new.cflag, s.cflag);
	new.lflag = low_half(new.lflag, s.lflag);
	new.line = s.line;
	memcpy(new.cc, s.cc, sizeof s.cc);
	change_settings(p, &new, io->flush);
	return 0;
}

/* ---- size and queues ---- */

static long get_size(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return user_put(t, arg, &p->size);
}

static long set_size(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	struct winsize size;
	long err = user_get(t, &size, arg);

	if (err < 0)
		return err;
	pty_resize(p, &size);
	return 0;
}

static long input_size(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return put_int(t, arg, (int)ldisc_available(&p->ldisc));
}

static long output_size(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return put_int(t, arg, (int)(p->out_head - p->out_tail));
}

static long zero(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return put_int(t, arg, 0);
}

/* Breaks and draining: there is no line, and what was written has been handed over. */
static long nothing(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return 0;
}

static long flush(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	if (arg != TCIFLUSH && arg != TCOFLUSH && arg != TCIOFLUSH)
		return -EINVAL;
	if (arg != TCOFLUSH) {
		ldisc_flush_input(&p->ldisc);
		if (p->packet)
			p->packet_status |= TIOCPKT_FLUSHREAD;
	}
	if (arg != TCIFLUSH)
		pty_drop_output(p);
	pty_settle(p);
	return 0;
}

static long flow(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	u8 c;

	switch (arg) {
	case TCOOFF:
	case TCOON:
		p->ldisc.stopped = arg == TCOOFF;
		break;
	case TCIOFF:
	case TCION:
		c = p->ldisc.t.cc[arg == TCIOFF ? VSTOP : VSTART];
		if (c)
			p->ldisc.output(&p->ldisc, &c, 1);
		break;
	default:
		return -EINVAL;
	}
	pty_settle(p);
	return 0;
}

/* The slave's number, by the master too, as the kernel packs it for programs (new_encode_dev()). */
static long get_device(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	u32 major = 136 + p->index / 256, minor = p->index % 256;

	return put_int(t, arg, (int)(minor | major << 8));
}

static const struct pty_ioctl both[] = {
	{TCGETS, get_settings, KERNEL_TERMIOS},
	{TCSETS, set_settings, KERNEL_TERMIOS},
	{TCSETSW, set_settings, KERNEL_TERMIOS},
	{TCSETSF, set_settings, KERNEL_TERMIOS, true},
	{0x802c542a, get_settings, KERNEL_TERMIOS2}, /* TCGETS2, TCSETS2, TCSETSW2, TCSETSF2 */
	{0x402c542b, set_settings, KERNEL_TERMIOS2},
	{0x402c542c, set_settings, KERNEL_TERMIOS2},
	{0x402c542d, set_settings, KERNEL_TERMIOS2, true},
	{TCGETA, get_termio},
	{TCSETA, set_termio},
	{TCSETAW, set_termio},
	{TCSETAF, set_termio, 0, true},
	{TIOCGWINSZ, get_size},
	{TIOCSWINSZ, set_size},
	{TIOCGETD, zero},
	{TIOCGDEV, get_device},
	{TCSBRK, nothing},
	{TCSBRKP, nothing},
	{TCFLSH, flush},
	{TCXONC, flow},
};

/* ---- the slave's and the master's own ---- */

/* Each end has its own mark (pty_ioctl.size: which); a master's is without effect, for it is opened but once. */
static long set_exclusive(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	p->exclusive[io->size] = io->cmd == TIOCEXCL;
	return 0;
}

static long get_exclusive(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return put_int(t, arg, p->exclusive[io->size]);
}

static const struct pty_ioctl slave[] = {
	{FIONREAD, input_size},    {TIOCOUTQ, zero},           {TIOCEXCL, set_exclusive},
	{TIOCNXCL, set_exclusive}, {TIOCGEXCL, get_exclusive},
};

static long get_number(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return put_int(t, arg, (int)p->index);
}

static long set_lock(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	int on;
	long err = user_get(t, &on, arg);

	if (err < 0)
		return err;
	p->locked = on;
	return 0;
}

static long get_lock(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return put_int(t, arg, p->locked);
}

static long set_packet(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	int on;
	long err = user_get(t, &on, arg);

	if (err < 0)
		return err;
	if (on && !p->packet)
		p->packet_status = 0;
	p->packet = on;
	return 0;
}

static long get_packet(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	return put_int(t, arg, p->packet);
}

static long send_signal(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	if (arg != SIGINT && arg != SIGQUIT && arg != SIGTSTP)
		return -EINVAL;
	p->tty.k->ops.tty_signal(&p->tty, (int)arg);
	return 0;
}

/* Linux: finds the slave in the master's own devpts. Here: at /dev/pts, because there is but one; who has changed
 * his root to a tree without it gets ENOENT, and libc goes on to ptsname(). */
static long open_peer(struct pty *p, struct task *t, u64 arg, const struct pty_ioctl *io)
{
	struct file *f;
	int err;

	if (arg & ~(u64)(O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	err = devpts_open_peer(p, t, (u32)arg, &f);
	return err < 0 ? err : fd_install(t, f, arg & O_CLOEXEC);
}

static const struct pty_ioctl master[] = {
	{FIONREAD, output_size},      {TIOCOUTQ, zero},
	{TIOCGPTN, get_number},       {TIOCSPTLCK, set_lock},
	{TIOCGPTLCK, get_lock},       {TIOCPKT, set_packet},
	{TIOCGPKT, get_packet},       {TIOCGPTPEER, open_peer},
	{TIOCSIG, send_signal},       {TIOCEXCL, set_exclusive, 1},
	{TIOCNXCL, set_exclusive, 1}, {TIOCGEXCL, get_exclusive, 1},
};

static const struct pty_ioctl *find(const struct pty_ioctl *io, size_t count, u32 cmd)
{
	for (; count; io++, count--)
		if (io->cmd == cmd)
			return io;
	return NULL;
}

long pty_master_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	const struct pty_ioctl *io = find(master, ARRAY_SIZE(master), cmd);

	if (!io)
		io = find(both, ARRAY_SIZE(both), cmd);
	return io ? io->fn(f->priv, t, arg, io) : -ENOTTY;
}

long pty_slave_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	const struct pty_ioctl *io = find(slave, ARRAY_SIZE(slave), cmd);

	if (pty_hung_up(f))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	if (!io)
		io = find(both, ARRAY_SIZE(both), cmd);
	return io ? io->fn(f->priv, t, arg, io) : -ENOTTY;
}
