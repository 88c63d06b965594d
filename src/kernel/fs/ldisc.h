/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line discipline of husk's own terminals (N_TTY; termios(3)): what becomes of bytes between the side of the
 * keyboard and the side of the programs. It knows no files and no tasks, so that it can be tested alone.
 */
#ifndef HUSK_KERNEL_FS_LDISC_H
#define HUSK_KERNEL_FS_LDISC_H

#include "base/types.h"

/* The kernel's struct termios2; the first 36 bytes are its struct termios. */
struct ldisc_termios {
	u32 iflag, oflag, cflag, lflag;
	u8 line;
	u8 cc[19];
	u32 ispeed, ospeed;
};

#define LDISC_SIZE 4096 /* bytes of input, a power of two (N_TTY_BUF_SIZE) */

struct ldisc {
	struct ldisc_termios t;
	/* Ring of input. [tail, canon): whole lines; [canon, head): the line that is being typed. Indexes only
	 * grow. Without ICANON canon is not used. */
	u8 in[LDISC_SIZE];
	bool end[LDISC_SIZE]; /* in[i] ends a line; a NUL that ends one is an end of file */
	u32 tail, canon, head;
	u32 column;        /* of the cursor, for tabs and erasing */
	u32 canon_column;  /* of the cursor where the typed line began */
	bool literal_next; /* after VLNEXT */
	bool stopped;      /* output is held: VSTOP, or TCXONC */

	/* What the owner does: takes bytes for the keyboard's side (how many it took); has room for how many;
	 * sends a signal to the foreground, after it has dropped the output that nobody has seen (@flush). */
	size_t (*output)(struct ldisc *l, const u8 *data, size_t size);
	size_t (*output_room)(struct ldisc *l);
	void (*signal)(struct ldisc *l, int signo, bool flush);
};

/* Empty, with the settings of a fresh Linux terminal. The callbacks are the caller's to set. */
void ldisc_init(struct ldisc *l);
/* Bytes from the keyboard: how many were taken (fewer when there is no room and nothing may be dropped). */
size_t ldisc_receive(struct ldisc *l, const u8 *data, size_t size);
/* Bytes by a program, processed as OPOST says: how many were taken; 0 when there is no room. */
size_t ldisc_write(struct ldisc *l, const u8 *data, size_t size);
/* Moves what a read of @size bytes gets into @out: its size; 0 with *eof set at an end of file; 0 when there is
 * nothing. Does not know VMIN: see ldisc_available(). */
size_t ldisc_read(struct ldisc *l, u8 *out, size_t size, bool *eof);
/* How many bytes a read could get now (an end of file counts as one). */
size_t ldisc_available(const struct ldisc *l);
/* New settings; @flush: input that was not read is dropped. */
void ldisc_set(struct ldisc *l, const struct ldisc_termios *t, bool flush);
void ldisc_flush_input(struct ldisc *l);

#endif
