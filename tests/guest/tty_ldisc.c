/* SPDX-License-Identifier: Apache-2.0 */
/* The line discipline: lines, editing, echo, mapping, raw modes with VMIN and VTIME, flow control, signals' echo. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "check.h"

static int master, slave;

static void open_pair(void)
{
	char name[64];

	master = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(master >= 0 && !grantpt(master) && !unlockpt(master));
	CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
	slave = open(name, O_RDWR | O_NOCTTY);
	CHECK(slave >= 0);
}

static void close_pair(void)
{
	close(slave);
	close(master);
}

/* Reads from @fd until nothing has come for a moment, at most @size bytes: what is expected comes at once. */
static void expect(int line, int fd, const char *text, size_t size)
{
	char buf[512] = "";
	size_t got = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (got < size && poll(&p, 1, 2000) == 1) {
		long n = read(fd, buf + got, size - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	/* And not more. */
	if (got != size || memcmp(buf, text, size) || poll(&p, 1, 20) != 0) {
		printf("line %d: %zu bytes:", line, got);
		for (size_t i = 0; i < got; i++)
			printf(buf[i] >= ' ' && buf[i] < 127 ? "%c" : "\\%o", buf[i] & 0xff);
		printf("\n");
		fflush(stdout);
		CHECK(!"what was expected");
	}
}

#define EXPECT(fd, text) expect(__LINE__, fd, text, sizeof(text) - 1)

static void type(const char *text)
{
	CHECK_EQ(write(master, text, strlen(text)), strlen(text));
}

/* One read of the slave. */
static void reads(int line, const char *text, size_t size, size_t ask)
{
	char buf[256];
	struct pollfd p = {.fd = slave, .events = POLLIN};
	long n = poll(&p, 1, 2000) == 1 ? read(slave, buf, ask) : -2;

	if (n != (long)size || memcmp(buf, text, size)) {
		printf("line %d: %ld bytes: %.*s\n", line, n, n > 0 ? (int)n : 0, buf);
		fflush(stdout);
		CHECK(!"what was read");
	}
}

#define READS(text)        reads(__LINE__, text, sizeof(text) - 1, 256)
#define READS_N(text, ask) reads(__LINE__, text, sizeof(text) - 1, ask)

static void change(tcflag_t *flags, tcflag_t off, tcflag_t on, struct termios *t)
{
	*flags = (*flags & ~off) | on;
	CHECK_OK(tcsetattr(slave, TCSANOW, t));
}

static void test_fresh(void)
{
	struct termios t;

	open_pair();
	CHECK_OK(tcgetattr(slave, &t));
	CHECK_EQ(t.c_iflag, ICRNL | IXON);
	CHECK_EQ(t.c_oflag, OPOST | ONLCR);
	CHECK_EQ(t.c_lflag, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
	CHECK_EQ(t.c_cflag & (CSIZE | CREAD | PARENB), CS8 | CREAD);
	CHECK_EQ(cfgetospeed(&t), B38400);
	CHECK_EQ(t.c_cc[VINTR], 3);
	CHECK_EQ(t.c_cc[VERASE], 127);
	CHECK_EQ(t.c_cc[VEOF], 4);
	CHECK_EQ(t.c_cc[VMIN], 1);
	CHECK_EQ(t.c_cc[VWERASE], 23);
	t.c_cflag = (t.c_cflag & ~(tcflag_t)CSIZE) | CS5 | PARENB;
	tcsetattr(slave, TCSANOW, &t); /* libc finds that not all was set */
	CHECK_OK(tcgetattr(master, &t));
	CHECK_EQ(t.c_cflag & (CSIZE | PARENB), CS8);
	close_pair();
}

static void test_lines(void)
{
	struct pollfd p;

	open_pair();
	p = (struct pollfd){.fd = slave, .events = POLLIN};
	type("one");
	EXPECT(master, "one");
	CHECK_EQ(poll(&p, 1, 20), 0);
	type("\rtwo\n");
	EXPECT(master, "\r\ntwo\r\n");
	READS("one\n");
	READS_N("tw", 2);
	READS("o\n");
	/* End of file: alone it reads as nothing, behind bytes it hands them over. */
	type("\4");
	READS("");
	type("part\4");
	READS("part");
	type("abc\4x\n");
	READS_N("abc", 3); /* takes the end along */
	READS("x\n");
	CHECK_OK(tcflush(master, TCIOFLUSH));
	close_pair();
}

static void test_editing(void)
{
	open_pair();
	type("ab\177c\n");
	EXPECT(master, "ab\b \bc\r\n");
	READS("ac\n");
	type("\177\177x\n");
	EXPECT(master, "x\r\n");
	READS("x\n");
	type("foo bar.baz \27");
	EXPECT(master, "foo bar.baz \b \b\b \b\b \b\b \b");
	type("\27");
	EXPECT(master, "\b \b\b \b\b \b\b \b");
	type("!\n");
	EXPECT(master, "!\r\n");
	READS("foo !\n");
	type("kill\25ok\n");
	EXPECT(master, "kill\b \b\b \b\b \b\b \bok\r\n");
	READS("ok\n");
	/* Control characters show as ^X and take two columns. */
	type("a\1\177b\n");
	EXPECT(master, "a^A\b \b\b \bb\r\n");
	READS("ab\n");
	/* The next one literally. */
	type("\26\3\26\177\n");
	EXPECT(master, "^\b^C^\b^?\r\n");
	READS("\3\177\n");
	type("re\22do\n");
	EXPECT(master, "re^R\r\nredo\r\n");
	READS("redo\n");
	close_pair();
}

static void test_utf8(void)
{
	struct termios t;

	open_pair();
	CHECK_OK(tcgetattr(slave, &t));
	change(&t.c_iflag, 0, IUTF8, &t);
	type("a\303\274\177b\n");
	EXPECT(master, "a\303\274\b \bb\r\n");
	READS("ab\n");
	close_pair();
}

static void test_echo(void)
{
	struct termios t;

	open_pair();
	CHECK_OK(tcgetattr(slave, &t));
	change(&t.c_lflag, ECHO, 0, &t);
	type("secret\n");
	READS("secret\n");
	CHECK_OK(write(slave, ">", 1));
	EXPECT(master, ">");
	change(&t.c_lflag, 0, ECHONL, &t);
	type("x\n");
	EXPECT(master, "\r\n");
	READS("x\n");
	change(&t.c_lflag, ECHONL | ECHOE | ECHOKE, ECHO, &t);
	type("ab\177\n");
	EXPECT(master, "ab^?\r\n");
	READS("a\n");
	change(&t.c_lflag, ECHOCTL, 0, &t);
	type("\2\n");
	EXPECT(master, "\2\r\n");
	READS("\2\n");
	close_pair();
}

static void test_mapping(void)
{
	struct termios t;

	open_pair();
	CHECK_OK(tcgetattr(slave, &t));
	change(&t.c_lflag, ECHO, 0, &t);
	change(&t.c_iflag, ICRNL, IGNCR, &t);
	type("a\rb\n");
	READS("ab\n");
	change(&t.c_iflag, IGNCR | ICRNL, INLCR, &t);
	change(&t.c_lflag, ICANON, 0, &t);
	type("a\n");
	READS("a\r");
	change(&t.c_iflag, INLCR, ISTRIP, &t);
	type("\341");
	READS("a");
	CHECK_EQ(write(slave, "x\n\ty\r", 5), 5);
	EXPECT(master, "x\r\n\ty\r");
	change(&t.c_oflag, ONLCR, OCRNL | XTABS, &t);
	CHECK_EQ(write(slave, "z\r", 2), 2);
	EXPECT(master, "z\n");
	change(&t.c_oflag, OPOST, 0, &t);
	CHECK_EQ(write(slave, "\t\n\r", 3), 3);
	EXPECT(master, "\t\n\r");
	change(&t.c_oflag, OCRNL, OPOST | ONLCR | XTABS, &t);
	CHECK_EQ(write(slave, "\rab\tc", 5), 5);
	EXPECT(master, "\rab      c");
	close_pair();
}

static u_int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u_int64_t)ts.tv_sec * 1000 + (u_int64_t)ts.tv_nsec / 1000000;
}

static void test_raw(void)
{
	struct termios t;
	struct pollfd p;
	u_int64_t began;
	char buf[16];

	open_pair();
	p = (struct pollfd){.fd = slave, .events = POLLIN};
	CHECK_OK(tcgetattr(slave, &t));
	cfmakeraw(&t);
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	type("\3\4\32\r\n");
	READS("\3\4\32\r\n");
	/* At least three, as long as it takes. */
	t.c_cc[VMIN] = 3;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	type("ab");
	CHECK_EQ(poll(&p, 1, 20), 0);
	if (!fork()) {
		poll(NULL, 0, 20);
		type("c");
		_exit(0);
	}
	CHECK_EQ(read(slave, buf, sizeof buf), 3);
	wait(NULL);
	type("xy");
	CHECK_EQ(read(slave, buf, 2), 2); /* fewer were asked for */
	/* None, none of the time. */
	t.c_cc[VMIN] = 0;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	CHECK_EQ(read(slave, buf, sizeof buf), 0);
	t.c_cc[VTIME] = 2;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	began = now_ms();
	CHECK_EQ(read(slave, buf, sizeof buf), 0);
	CHECK(now_ms() - began >= 190);
	type("q");
	CHECK_EQ(read(slave, buf, sizeof buf), 1);
	/* The time begins with the first byte. */
	t.c_cc[VMIN] = 5;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	type("rs");
	CHECK_EQ(read(slave, buf, sizeof buf), 2);
	CHECK_OK(fcntl(slave, F_SETFL, O_NONBLOCK));
	CHECK_ERRNO(read(slave, buf, sizeof buf), EAGAIN);
	close_pair();
}

/* What was typed before a change of the mode is not lost. */
static void test_switch(void)
{
	struct termios t;
	int n;

	open_pair();
	CHECK_OK(tcgetattr(slave, &t));
	type("ab\ncd");
	EXPECT(master, "ab\r\ncd");
	change(&t.c_lflag, ICANON, 0, &t);
	READS("ab\ncd");
	type("ef");
	EXPECT(master, "ef");
	change(&t.c_lflag, 0, ICANON, &t);
	READS("ef");
	type("gone\n");
	EXPECT(master, "gone\r\n");
	CHECK_OK(tcsetattr(slave, TCSAFLUSH, &t));
	CHECK_OK(ioctl(slave, FIONREAD, &n));
	CHECK_EQ(n, 0);
	close_pair();
}

static void test_flow(void)
{
	struct pollfd p;

	open_pair();
	p = (struct pollfd){.fd = slave, .events = POLLOUT};
	CHECK_OK(fcntl(slave, F_SETFL, O_NONBLOCK));
	type("\23");
	for (int i = 0; i < 1000 && poll(&p, 1, 0) == 1; i++)
		poll(NULL, 0, 2);
	CHECK_ERRNO(write(slave, "x", 1), EAGAIN);
	type("\21");
	CHECK_EQ(poll(&p, 1, 2000), 1);
	CHECK_EQ(write(slave, "x", 1), 1);
	EXPECT(master, "x");
	CHECK_OK(tcflow(slave, TCOOFF));
	CHECK_ERRNO(write(slave, "x", 1), EAGAIN);
	CHECK_OK(tcflow(slave, TCOON));
	CHECK_OK(tcflow(slave, TCIOFF));
	EXPECT(master, "\23");
	CHECK_ERRNO(tcflow(slave, 77), EINVAL);
	close_pair();
}

/* ^C shows, drops the line and, without a foreground, hurts nobody. */
static void test_signals(void)
{
	open_pair();
	type("drop");
	EXPECT(master, "drop");
	type("\3keep\n");
	EXPECT(master, "^Ckeep\r\n");
	READS("keep\n");
	close_pair();
}

int main(void)
{
	alarm(25);
	test_fresh();
	test_lines();
	test_editing();
	test_utf8();
	test_echo();
	test_mapping();
	test_raw();
	test_switch();
	test_flow();
	test_signals();
	return check_done();
}
