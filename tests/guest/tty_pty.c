/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-terminals: the pair, locks and names, packet mode, sizes, closing of either end, job control, hang-up. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>

#include "check.h"

static int open_pair(int *master, char *name, size_t size)
{
	int slave;

	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*master < 0 || grantpt(*master) || unlockpt(*master) || ptsname_r(*master, name, size))
		return -1;
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return slave;
}

static void make_raw(int fd)
{
	struct termios t;

	CHECK_OK(tcgetattr(fd, &t));
	cfmakeraw(&t);
	CHECK_OK(tcsetattr(fd, TCSANOW, &t));
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void test_names(void)
{
	char name[64], again[64];
	int m = posix_openpt(O_RDWR | O_NOCTTY), s, n = -1, flags;
	struct stat st, by_fd;

	CHECK(m >= 0);
	CHECK_OK(ptsname_r(m, name, sizeof name) ? -1 : 0);
	CHECK_OK(ioctl(m, TIOCGPTN, &n));
	CHECK_EQ(atoi(name + strlen("/dev/pts/")), n);
	CHECK_OK(ioctl(m, TIOCGPTLCK, &flags));
	CHECK_EQ(flags, 1);
	CHECK_ERRNO(open(name, O_RDWR | O_NOCTTY), EIO);
	CHECK_OK(grantpt(m));
	CHECK_OK(unlockpt(m));
	CHECK_OK(ioctl(m, TIOCGPTLCK, &flags));
	CHECK_EQ(flags, 0);
	s = open(name, O_RDWR | O_NOCTTY);
	CHECK(s >= 0);
	CHECK(isatty(m) && isatty(s));
	CHECK_EQ(ttyname_r(s, again, sizeof again), 0);
	CHECK(!strcmp(name, again));
	CHECK_OK(stat(name, &st));
	CHECK_OK(fstat(s, &by_fd));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_rdev, makedev(136, n));
	CHECK(st.st_ino == by_fd.st_ino && st.st_dev == by_fd.st_dev && st.st_rdev == by_fd.st_rdev);
	CHECK_EQ(st.st_uid, geteuid());
	CHECK_OK(fstat(m, &st));
	CHECK_EQ(st.st_rdev, makedev(5, 2));
	CHECK_EQ(fcntl(s, F_GETFL) & ~0100000, O_RDWR);
	CHECK_ERRNO(ioctl(s, TIOCGPTN, &n), ENOTTY);
	CHECK_ERRNO(lseek(s, 0, SEEK_SET), ESPIPE);
	close(s);
	s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(s >= 0);
	CHECK_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(ttyname_r(s, again, sizeof again), 0);
	CHECK(!strcmp(name, again));
	close(s);
	close(m);
	CHECK_ERRNO(open(name, O_RDWR | O_NOCTTY), ENOENT);
}

static void test_sizes(void)
{
	struct winsize w = {.ws_row = 11, .ws_col = 22}, r = {0};
	char name[64];
	int m, s = open_pair(&m, name, sizeof name), n;

	CHECK_OK(ioctl(s, TIOCGWINSZ, &r));
	CHECK(!r.ws_row && !r.ws_col);
	CHECK_OK(ioctl(m, TIOCSWINSZ, &w));
	CHECK_OK(ioctl(s, TIOCGWINSZ, &r));
	CHECK(r.ws_row == 11 && r.ws_col == 22);
	w.ws_row = 33;
	CHECK_OK(ioctl(s, TIOCSWINSZ, &w));
	CHECK_OK(ioctl(m, TIOCGWINSZ, &r));
	CHECK_EQ(r.ws_row, 33);
	CHECK_OK(write(s, "abc", 3));
	CHECK(readable(m, 1000));
	CHECK_OK(ioctl(m, FIONREAD, &n));
	CHECK_EQ(n, 3);
	CHECK_OK(write(m, "one\ntwo", 7));
	CHECK(readable(s, 1000));
	CHECK_OK(ioctl(s, FIONREAD, &n));
	CHECK_EQ(n, 4);
	CHECK_ERRNO(ioctl(s, TCFLSH, 3), EINVAL);
	CHECK_OK(tcflush(s, TCIFLUSH));
	CHECK_OK(ioctl(s, FIONREAD, &n));
	CHECK_EQ(n, 0);
	CHECK_ERRNO(ioctl(s, TIOCMGET, &n), ENOTTY);
	CHECK_ERRNO(ioctl(s, TIOCGWINSZ, (void *)8), EFAULT);
	close(m);
	close(s);
}

/* What either end sees of the other's close. */
static void test_ends(void)
{
	char name[64], buf[16];
	int m, s = open_pair(&m, name, sizeof name);
	struct pollfd p;

	CHECK_OK(write(s, "last", 4));
	close(s);
	p = (struct pollfd){.fd = m, .events = POLLIN};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(p.revents, POLLIN | POLLHUP);
	CHECK_EQ(read(m, buf, sizeof buf), 4);
	CHECK_ERRNO(read(m, buf, sizeof buf), EIO);
	/* Opened again, it goes on. */
	s = open(name, O_RDWR | O_NOCTTY);
	CHECK(s >= 0);
	CHECK_OK(fcntl(m, F_SETFL, O_NONBLOCK));
	CHECK_ERRNO(read(m, buf, sizeof buf), EAGAIN);
	close(m);
	CHECK_EQ(read(s, buf, sizeof buf), 0);
	CHECK_ERRNO(write(s, "x", 1), EIO);
	p = (struct pollfd){.fd = s, .events = POLLIN | POLLOUT};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT | POLLHUP | POLLERR);
	CHECK_ERRNO(ioctl(s, TCGETS, buf), EIO);
	CHECK(!isatty(s));
	close(s);
}

static void test_packet(void)
{
	char name[64], buf[16];
	int m, s = open_pair(&m, name, sizeof name), on = 1;
	struct termios t;

	CHECK_OK(ioctl(m, TIOCPKT, &on));
	on = 0;
	CHECK_OK(ioctl(m, TIOCGPKT, &on));
	CHECK_EQ(on, 1);
	CHECK_OK(write(s, "hi", 2));
	CHECK_EQ(read(m, buf, sizeof buf), 3);
	CHECK_EQ(buf[0], TIOCPKT_DATA);
	CHECK(!memcmp(buf + 1, "hi", 2));
	CHECK_OK(tcgetattr(s, &t));
	t.c_iflag &= ~(tcflag_t)IXON;
	CHECK_OK(tcsetattr(s, TCSANOW, &t));
	CHECK(readable(m, 1000));
	CHECK_EQ(read(m, buf, sizeof buf), 1);
	CHECK_EQ(buf[0] & TIOCPKT_NOSTOP, TIOCPKT_NOSTOP);
	CHECK_ERRNO(ioctl(s, TIOCPKT, &on), ENOTTY);
	close(m);
	close(s);
}

/* More than the buffers hold goes through, in both directions. */
static void test_bulk(void)
{
	enum { SIZE = 200000 };
	char name[64], *data = malloc(SIZE), buf[4096];
	int m, s = open_pair(&m, name, sizeof name), status;
	long got = 0;
	bool same = true;
	pid_t pid;

	make_raw(s);
	for (int i = 0; i < SIZE; i++)
		data[i] = (char)(i * 7 + i / 251);
	pid = fork();
	if (!pid) {
		_exit(write(s, data, SIZE) != SIZE);
	}
	while (got < SIZE) {
		long n = read(m, buf, sizeof buf);

		if (n <= 0)
			break;
		same &= !memcmp(buf, data + got, (size_t)n);
		got += n;
	}
	CHECK_EQ(got, SIZE);
	CHECK(same);
	CHECK_OK(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
	pid = fork();
	if (!pid)
		_exit(write(m, data, SIZE) != SIZE);
	for (got = 0, same = true; got < SIZE;) {
		long n = read(s, buf, sizeof buf);

		if (n <= 0)
			break;
		same &= !memcmp(buf, data + got, (size_t)n);
		got += n;
	}
	CHECK_EQ(got, SIZE);
	CHECK(same);
	CHECK_OK(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
	free(data);
	close(m);
	close(s);
}

/* ---- job control ---- */

static volatile sig_atomic_t winches, hups;

static void on_winch(int signo)
{
	winches++;
}

static void on_hup(int signo)
{
	hups++;
}

/* Lets the parent go on. */
static void say(int fd)
{
	if (write(fd, "!", 1) != 1)
		_exit(99);
}

static void hear(int fd)
{
	char c;

	CHECK_EQ(read(fd, &c, 1), 1);
}

/* A job in a group of its own; it ends with what @body says. */
static pid_t start_job(int s, int (*body)(int s))
{
	pid_t pid = fork();

	if (!pid) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_DFL);
		_exit(body(s));
	}
	setpgid(pid, pid);
	return pid;
}

static int read_line(int s)
{
	char buf[16];

	CHECK_EQ(write(s, "B", 1), 1);
	CHECK_EQ(read(s, buf, sizeof buf), 3);
	return check_failed();
}

static int change(int s)
{
	struct termios t;

	CHECK_OK(tcgetattr(s, &t));
	CHECK_OK(tcsetattr(s, TCSANOW, &t));
	return check_failed();
}

static int deaf(int s)
{
	char c;

	signal(SIGTTIN, SIG_IGN);
	CHECK_ERRNO(read(s, &c, 1), EIO);
	signal(SIGTTOU, SIG_IGN);
	change(s);
	return check_failed();
}

static int wait_for_signal(int s)
{
	for (;;)
		pause();
	return 1;
}

static int stopped_by(pid_t pid)
{
	int status = 0;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	return WIFSTOPPED(status) ? WSTOPSIG(status) : -1;
}

static int ended_with(pid_t pid)
{
	int status = -1;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static void jobs(int s, int up)
{
	pid_t job;

	signal(SIGTTOU, SIG_IGN);
	/* ^C and ^Z reach the foreground's group and not its shell. */
	job = start_job(s, wait_for_signal);
	CHECK_OK(tcsetpgrp(s, job));
	say(up);
	CHECK_EQ(stopped_by(job), SIGTSTP);
	CHECK_OK(kill(-job, SIGCONT));
	say(up);
	CHECK_EQ(ended_with(job), SIGINT);

	/* In the background reading and changing stop; writing is allowed, but with TOSTOP. */
	CHECK_OK(tcsetpgrp(s, getpid()));
	job = start_job(s, read_line);
	CHECK_EQ(stopped_by(job), SIGTTIN);
	CHECK_OK(tcsetpgrp(s, job));
	CHECK_OK(kill(-job, SIGCONT));
	say(up);
	CHECK_EQ(ended_with(job), 0);
	CHECK_OK(tcsetpgrp(s, getpid()));
	job = start_job(s, change);
	CHECK_EQ(stopped_by(job), SIGTTOU);
	CHECK_OK(kill(job, SIGKILL));
	CHECK_EQ(ended_with(job), SIGKILL);
	job = start_job(s, deaf);
	CHECK_EQ(ended_with(job), 0);
}

static void tostop(int s)
{
	struct termios t;
	pid_t job;

	CHECK_OK(tcgetattr(s, &t));
	t.c_lflag |= TOSTOP;
	CHECK_OK(tcsetattr(s, TCSANOW, &t));
	job = start_job(s, read_line);
	CHECK_EQ(stopped_by(job), SIGTTOU);
	CHECK_OK(kill(job, SIGKILL));
	CHECK_EQ(ended_with(job), SIGKILL);
}

static int leader(const char *name, int m, int up, int down)
{
	struct sigaction sa = {.sa_handler = on_winch, .sa_flags = SA_RESTART};
	char buf[16];
	int s, tty;

	close(m);
	CHECK_OK(setsid());
	CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
	s = open(name, O_RDWR);
	CHECK_EQ(tcgetpgrp(s), getpid());
	CHECK_EQ(tcgetsid(s), getpid());
	tty = open("/dev/tty", O_RDWR);
	CHECK(tty >= 0);
	CHECK_EQ(tcgetpgrp(tty), getpid());
	CHECK_EQ(write(tty, "T", 1), 1);
	sigaction(SIGWINCH, &sa, NULL);
	sa.sa_handler = on_hup;
	sigaction(SIGHUP, &sa, NULL);
	say(up);
	hear(down); /* the size has changed */
	CHECK_EQ(winches, 1);
	jobs(s, up);
	tostop(s);
	CHECK_ERRNO(ioctl(s, TIOCSPGRP, &(int){1000000000}), ESRCH);
	CHECK_ERRNO(ioctl(s, TIOCSPGRP, &(int){-5}), EINVAL);
	CHECK_OK(ioctl(s, TIOCSCTTY, 0));
	say(up);
	/* The master closes. */
	for (int i = 0; !hups && i < 1000; i++)
		poll(NULL, 0, 10);
	CHECK_EQ(hups, 1);
	CHECK_EQ(read(s, buf, sizeof buf), 0);
	CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
	return check_failed();
}

/* The leader of the session ends: the terminal is free, and nobody's files are dead. */
static void test_leader_ends(void)
{
	char name[64], c;
	int m, s = open_pair(&m, name, sizeof name), status, again;
	struct pollfd p;
	pid_t pid = fork();

	if (!pid) {
		setsid();
		_exit(open(name, O_RDWR) < 0);
	}
	CHECK_OK(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
	CHECK_ERRNO(ioctl(m, TIOCGSID, &status), ENOTTY);
	p = (struct pollfd){.fd = m, .events = POLLIN};
	CHECK_EQ(poll(&p, 1, 20), 0);
	/* Opened anew, it works. */
	again = open(name, O_RDWR | O_NOCTTY);
	CHECK_EQ(write(again, "y", 1), 1);
	CHECK_EQ(read(m, &c, 1), 1);
	close(again);
	CHECK_EQ(poll(&p, 1, 20), 0);
	close(s);
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(p.revents, POLLHUP);
	CHECK_ERRNO(read(m, &c, 1), EIO);
	close(m);
}

static void test_jobs(void)
{
	struct winsize w = {.ws_row = 5, .ws_col = 6};
	int m, s, up[2], down[2], status, pgid;
	char name[64], buf[16];
	pid_t pid;

	s = open_pair(&m, name, sizeof name);
	CHECK_ERRNO(tcgetpgrp(s), ENOTTY);
	CHECK_ERRNO(ioctl(m, TIOCGSID, &pgid), ENOTTY);
	close(s);
	CHECK_OK(pipe(up));
	CHECK_OK(pipe(down));
	pid = fork();
	if (!pid)
		_exit(leader(name, m, up[1], down[0]));
	hear(up[0]);
	CHECK_EQ(read(m, buf, sizeof buf), 1);
	CHECK_EQ(buf[0], 'T');
	CHECK_OK(ioctl(m, TIOCGPGRP, &pgid));
	CHECK_EQ(pgid, pid);
	CHECK_OK(ioctl(m, TIOCSWINSZ, &w));
	CHECK_OK(ioctl(m, TIOCSWINSZ, &w)); /* not new: no signal */
	say(down[1]);
	hear(up[0]);
	CHECK_OK(write(m, "\32", 1));
	hear(up[0]);
	CHECK_OK(write(m, "\3", 1));
	hear(up[0]);
	CHECK_OK(write(m, "ab\n", 3));
	hear(up[0]);
	close(m);
	CHECK_OK(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
}

int main(void)
{
	alarm(25);
	test_names();
	test_sizes();
	test_ends();
	test_packet();
	test_bulk();
	test_leader_ends();
	test_jobs();
	return check_done();
}
