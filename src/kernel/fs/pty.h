/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-terminals of husk's own, and devpts, which shows them (pty(7), pts(4)).
 *
 *	master file or relay ── keyboard ──► line discipline ──► input ──► slave files: /dev/pts/N, /dev/tty
 *	                     ◄── output ring ◄── (OPOST, echo) ◄──────────
 *
 * A pty lives while its master or any slave file is open. When the master goes, the terminal hangs up: slave files that
 * were opened before are dead (their generation has passed), its session loses it.
 */
#ifndef HUSK_KERNEL_FS_PTY_H
#define HUSK_KERNEL_FS_PTY_H

#include <sys/ioctl.h>

#include "fs/ldisc.h"
#include "fs/tty.h"

struct super;

#define PTY_OUTPUT 8192 /* bytes between programs and the master, a power of two */
#define PTY_MAX    4096 /* /proc/sys/kernel/pty/max */

#define GROUP_TTY 5 /* Debian's, as its devpts is mounted with gid=5,mode=620 */

struct pty {
	struct tty tty;     /* job control; not in kernel->ttys, which are the host's */
	u32 index;          /* in kernel->ptys */
	u32 number;         /* how many were made before it: what tells it from the last one of that index */
	u32 uid, gid, mode; /* of the node in /dev/pts */
	struct ldisc ldisc;
	struct winsize size;
	u8 out[PTY_OUTPUT];
	u32 out_tail, out_head;
	u64 last_input; /* CLOCK_MONOTONIC ns, for VTIME */

	bool master;     /* there is one */
	bool locked;     /* the slave cannot be opened yet: TIOCSPTLCK */
	bool slave_gone; /* the last slave file was closed: the master reads EIO */
	int files;       /* slave files, of all generations */
	u32 generation;  /* hang-ups so far */
	bool packet;     /* TIOCPKT */
	bool exclusive
		[2]; /* TIOCEXCL of the slave, of the master: who has no CAP_SYS_ADMIN opens it no more */
	u8 packet_status;
	struct wait_queue master_wait, slave_wait;

	/* Nullable: the master is no file; called when there is output, or room for input. */
	void (*drain)(struct pty *p);
	void *drain_arg;
};

/* Those that there are, by their indexes. Allocated with the first, freed with the last. */
struct pty_table {
	u32 used;
	struct pty *at[PTY_MAX];
};

/* A new pty with a master and a fresh line discipline, unlocked; 0, -ENOSPC or -ENOMEM. pty_close_master() is the
 * caller's. */
int pty_new(struct kernel *k, u32 uid, struct pty **out);
/* The terminal hangs up; frees the pty when no slave file is left. */
void pty_close_master(struct pty *p);
/* For masters that are no files: bytes from the keyboard (how many were taken); output (how many there were). */
size_t pty_type(struct pty *p, const u8 *data, size_t size);
size_t pty_take_output(struct pty *p, u8 *data, size_t size);
/* A new size: the foreground gets SIGWINCH when it is another one. */
void pty_resize(struct pty *p, const struct winsize *size);
/* A new slave file. 0, -EIO (hung up or locked), -ENOMEM. */
int pty_open_slave(struct pty *p, u32 flags, struct file **out);

/* The terminal behind a master or a slave that has not hung up; NULL for all other files. Borrowed. */
struct tty *pty_file_tty(struct file *f);
bool pty_is_master(const struct file *f);

/* The file system for /dev/pts; open() of /dev/ptmx. */
int devpts_super(struct kernel *k, struct super **out);
/* The slave of @p by its name: what TIOCGPTPEER gives. 0 or -errno. */
int devpts_open_peer(struct pty *p, struct task *t, u32 flags, struct file **out);
/* @p has come, or its master has gone: its node's directory hears of it, and the node's name ends with the master. */
void devpts_made(struct pty *p);
void devpts_gone(struct pty *p);
int ptmx_open(struct kernel *k, struct task *t, u32 flags, struct file **out);

/* Between pty.c and pty_ioctl.c. */
void pty_settle(struct pty *p); /* wakes whoever may go on after a change */
void pty_drop_output(struct pty *p);
bool pty_hung_up(const struct file *f);
long pty_master_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg);
long pty_slave_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg);

#endif
