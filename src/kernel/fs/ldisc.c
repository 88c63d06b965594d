/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line discipline of husk's own terminals, after termios(3) and the rules of drivers/tty/n_tty.c.
 *
 * Every byte from the keyboard passes, in this order: input mapping (ISTRIP, IUCLC, ICRNL, ...), flow control (IXON),
 * signals (ISIG), line editing (ICANON), the ring. Echo goes the way of programs' output. In canonical mode a full
 * ring still takes the byte that ends a line and drops others; in raw mode bytes stay with whoever wrote them.
 */
#include "fs/ldisc.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#define DISABLED 0 /* _POSIX_VDISABLE: in c_cc, this character does not exist */
#define AT(i)    ((i) & (LDISC_SIZE - 1))

void ldisc_init(struct ldisc *l)
{
	static const u8 cc[19] = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0};

	memset(l, 0, sizeof *l);
	l->t = (struct ldisc_termios){
		.iflag = ICRNL | IXON,
		.oflag = OPOST | ONLCR,
		.cflag = B38400 | CS8 | CREAD,
		.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		.ispeed = 38400,
		.ospeed = 38400,
	};
	memcpy(l->t.cc, cc, sizeof cc);
}

static bool is_cc(const struct ldisc *l, int which, u8 c)
{
	return l->t.cc[which] != DISABLED && l->t.cc[which] == c;
}

static bool local(const struct ldisc *l, u32 flag)
{
	return l->t.lflag & flag;
}

/* The continuation of a UTF-8 character: takes no column of its own. */
static bool continues(const struct ldisc *l, u8 c)
{
	return (l->t.iflag & IUTF8) && (c & 0xc0) == 0x80;
}

/* ---- output ---- */

static void emit(struct ldisc *l, const char *text, size_t size)
{
	l->output(l, (const u8 *)text, size);
}

/* One byte with OPOST: false when it does not fit. */
static bool put_processed(struct ldisc *l, u8 c)
{
	u32 o = l->t.oflag;
	size_t pad;

	if (l->output_room(l) < 8)
		return false;
	switch (c) {
	case '\n':
		if (o & ONLRET)
			l->column = 0;
		if (o & ONLCR) {
			l->column = 0;
			emit(l, "\r\n", 2);
			return true;
		}
		break;
	case '\r':
		if ((o & ONOCR) && !l->column)
			return true;
		if (o & OCRNL) {
			if (o & ONLRET)
				l->column = 0;
			emit(l, "\n", 1);
			return true;
		}
		l->column = 0;
		break;
	case '\t':
		pad = 8 - (l->column & 7);
		l->column += pad;
		if ((o & TABDLY) == XTABS) {
			emit(l, "        ", pad);
			return true;
		}
		break;
	case '\b':
		l->column -= l->column > 0;
		break;
	default:
		if (iscntrl(c))
			break;
		if (o & OLCUC)
			c = (u8)toupper(c);
		l->column += !continues(l, c);
	}
	l->output(l, &c, 1);
	return true;
}

static bool put(struct ldisc *l, u8 c)
{
	if (l->t.oflag & OPOST)
		return put_processed(l, c);
	return l->output(l, &c, 1) == 1;
}

size_t ldisc_write(struct ldisc *l, const u8 *data, size_t size)
{
	size_t n = 0;

	if (l->stopped)
		return 0;
	if (!(l->t.oflag & OPOST))
		return l->output(l, data, size);
	while (n < size && put_processed(l, data[n]))
		n++;
	return n;
}

/* ---- echo ---- */

static void echo(struct ldisc *l, u8 c)
{
	if (local(l, ECHOCTL) && (iscntrl(c) && c < 128) && c != '\t' && c != '\n') {
		char caret[2] = {'^', (char)(c ^ 0100)};

		emit(l, caret, 2);
		l->column += 2;
	} else {
		put(l, c);
	}
}

/* Columns that the byte takes at @column. */
static u32 width(const struct ldisc *l, u8 c, u32 column)
{
	if (c == '\t')
		return 8 - (column & 7);
	if (iscntrl(c) && c < 128)
		return local(l, ECHOCTL) ? 2 : 0;
	return !continues(l, c);
}

/* The column behind the typed line, which is in [canon, head). */
static u32 line_width(const struct ldisc *l)
{
	u32 column = l->canon_column;

	for (u32 i = l->canon; i != l->head; i++)
		column += width(l, l->in[AT(i)], column);
	return column;
}

/* Takes one character (all bytes of it) off the typed line. */
static void drop_last(struct ldisc *l)
{
	u8 c;

	do
		c = l->in[AT(--l->head)];
	while (continues(l, c) && l->head != l->canon);
}

static void erase_shown(struct ldisc *l, u32 before)
{
	u32 after = line_width(l);

	for (; before > after; before--)
		emit(l, "\b \b", 3);
	l->column = after;
}

static void erase_char(struct ldisc *l)
{
	u32 before = line_width(l);
	u8 last;

	if (l->head == l->canon)
		return;
	last = l->in[AT(l->head - 1)];
	drop_last(l);
	if (!local(l, ECHO))
		return;
	if (!local(l, ECHOE))
		echo(l, local(l, ECHOPRT) ? last : l->t.cc[VERASE]);
	else
		erase_shown(l, before);
}

static void erase_word(struct ldisc *l)
{
	u32 before = line_width(l);
	bool seen = false;

	while (l->head != l->canon) {
		u8 c = l->in[AT(l->head - 1)];
		bool word = isalnum(c) || c == '_' || c >= 128;

		if (seen && !word)
			break;
		seen |= word;
		drop_last(l);
	}
	if (local(l, ECHO))
		erase_shown(l, before);
}

static void erase_line(struct ldisc *l)
{
	u32 before = line_width(l);

	l->head = l->canon;
	if (!local(l, ECHO))
		return;
	if (local(l, ECHOK) && local(l, ECHOKE) && local(l, ECHOE)) {
		erase_shown(l, before);
		return;
	}
	echo(l, l->t.cc[VKILL]);
	if (local(l, ECHOK))
		put(l, '\n');
}

static void reprint(struct ldisc *l)
{
	echo(l, l->t.cc[VREPRINT]);
	put(l, '\n');
	l->canon_column = l->column;
	for (u32 i = l->canon; i != l->head; i++)
		echo(l, l->in[AT(i)]);
}

/* ---- input ---- */

static bool store(struct ldisc *l, u8 c, bool end)
{
	/* One place is kept for the end of a line. */
	if (l->head - l->tail >= LDISC_SIZE - (end ? 0u : 1u))
		return false;
	l->in[AT(l->head)] = c;
	l->end[AT(l->head)] = end;
	l->head++;
	return true;
}

static void line_done(struct ldisc *l)
{
	l->canon = l->head;
	l->canon_column = l->column;
}

/* Signals, where ISIG says so: true when @c was one. */
static bool receive_signal(struct ldisc *l, u8 c)
{
	int signo;

	if (!local(l, ISIG))
		return false;
	if (is_cc(l, VINTR, c))
		signo = SIGINT;
	else if (is_cc(l, VQUIT, c))
		signo = SIGQUIT;
	else if (is_cc(l, VSUSP, c))
		signo = SIGTSTP;
	else
		return false;
	if (!local(l, NOFLSH))
		ldisc_flush_input(l);
	l->signal(l, signo, !local(l, NOFLSH));
	if (l->t.iflag & IXON)
		l->stopped = false;
	if (local(l, ECHO))
		echo(l, c);
	return true;
}

static bool receive_flow(struct ldisc *l, u8 c)
{
	if (!(l->t.iflag & IXON))
		return false;
	if (is_cc(l, VSTOP, c)) {
		/* The same character for both: it toggles. */
		l->stopped = !(l->stopped && is_cc(l, VSTART, c));
		return true;
	}
	if (is_cc(l, VSTART, c)) {
		l->stopped = false;
		return true;
	}
	return false;
}

/* Editing and ends of lines: true when @c was one of them. */
static bool receive_editing(struct ldisc *l, u8 c)
{
	bool extended = local(l, IEXTEN);

	if (is_cc(l, VERASE, c)) {
		erase_char(l);
	} else if (is_cc(l, VKILL, c)) {
		erase_line(l);
	} else if (extended && is_cc(l, VWERASE, c)) {
		erase_word(l);
	} else if (extended && is_cc(l, VREPRINT, c) && local(l, ECHO)) {
		reprint(l);
	} else if (extended && is_cc(l, VLNEXT, c)) {
		l->literal_next = true;
		if (local(l, ECHO) && local(l, ECHOCTL))
			emit(l, "^\b", 2);
	} else if (is_cc(l, VEOF, c)) {
		if (store(l, DISABLED, true))
			line_done(l);
	} else if (c == '\n' || is_cc(l, VEOL, c) || (extended && is_cc(l, VEOL2, c))) {
		if (local(l, ECHO) || (c == '\n' && local(l, ECHONL)))
			echo(l, c);
		if (store(l, c, true))
			line_done(l);
	} else {
		return false;
	}
	return true;
}

static void receive_plain(struct ldisc *l, u8 c)
{
	if (local(l, ICANON) && l->head == l->canon)
		l->canon_column = l->column;
	if (!store(l, c, false)) {
		if (l->t.iflag & IMAXBEL)
			emit(l, "\a", 1);
		return;
	}
	if (local(l, ECHO))
		echo(l, c);
}

static bool map_input(const struct ldisc *l, u8 *c)
{
	u32 i = l->t.iflag;

	if (i & ISTRIP)
		*c &= 0x7f;
	if ((i & IUCLC) && local(l, IEXTEN))
		*c = (u8)tolower(*c);
	if (*c == '\r') {
		if (i & IGNCR)
			return false;
		if (i & ICRNL)
			*c = '\n';
	} else if (*c == '\n' && (i & INLCR)) {
		*c = '\r';
	}
	return true;
}

static void receive(struct ldisc *l, u8 c)
{
	if (l->literal_next) {
		l->literal_next = false;
		receive_plain(l, c);
		return;
	}
	/* Signals and flow control look at the byte before CR and NL are exchanged, as n_tty does. */
	if (receive_flow(l, c) || receive_signal(l, c))
		return;
	if (l->stopped && (l->t.iflag & IXANY) && local(l, ISIG))
		l->stopped = false;
	if (!map_input(l, &c))
		return;
	if (local(l, ICANON) && receive_editing(l, c))
		return;
	receive_plain(l, c);
}

size_t ldisc_receive(struct ldisc *l, const u8 *data, size_t size)
{
	size_t n = 0;

	for (; n < size; n++) {
		/* Whole lines wait to be read, or there are no lines: the writer can wait, too. */
		bool may_wait = !local(l, ICANON) || l->canon != l->tail;

		if (may_wait && l->head - l->tail >= LDISC_SIZE - 1)
			break;
		receive(l, data[n]);
	}
	return n;
}

/* ---- the programs' side ---- */

size_t ldisc_available(const struct ldisc *l)
{
	return local(l, ICANON) ? l->canon - l->tail : l->head - l->tail;
}

size_t ldisc_read(struct ldisc *l, u8 *out, size_t size, bool *eof)
{
	u32 limit = local(l, ICANON) ? l->canon : l->head;
	size_t n = 0;

	*eof = false;
	while (l->tail != limit && (n < size || (local(l, ICANON) && n))) {
		u8 c = l->in[AT(l->tail)];
		bool end = local(l, ICANON) && l->end[AT(l->tail)];

		if (end && c == DISABLED) { /* also behind the last byte that was asked for */
			l->tail++;
			*eof = !n;
			break;
		}
		if (n == size)
			break;
		out[n++] = c;
		l->tail++;
		if (end)
			break;
	}
	return n;
}

void ldisc_flush_input(struct ldisc *l)
{
	l->tail = l->canon = l->head;
	l->literal_next = false;
}

void ldisc_set(struct ldisc *l, const struct ldisc_termios *t, bool flush)
{
	bool was = local(l, ICANON), is = t->lflag & ICANON;

	if (flush)
		ldisc_flush_input(l);
	l->t = *t;
	if (was != is) {
		/* What was typed so far becomes readable: as one line, or byte by byte. */
		l->literal_next = false;
		if (is && l->head != l->tail)
			l->end[AT(l->head - 1)] = l->in[AT(l->head - 1)] != DISABLED;
		l->canon = l->head;
		l->canon_column = l->column;
	}
	if (!(t->iflag & IXON))
		l->stopped = false;
}
