/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of fs_matrix.c, which includes this: the kinds of files, and how each is opened. */
#ifndef HUSK_TESTS_GUEST_FS_MATRIX_KINDS_H
#define HUSK_TESTS_GUEST_FS_MATRIX_KINDS_H

static int open_pidfd(int flags)
{
	return (int)syscall(NR_pidfd_open, getpid(), 0);
}

static int open_ended(int flags)
{
	return (int)syscall(NR_pidfd_open, ended, 0);
}

static int open_eventfd(int flags)
{
	return eventfd(1, EFD_NONBLOCK);
}

static int open_epoll(int flags)
{
	return epoll_create1(0);
}

static int open_timerfd(int flags)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec soon = {.it_value.tv_nsec = 1};
	struct pollfd p = {fd, POLLIN, 0};

	timerfd_settime(fd, 0, &soon, NULL);
	poll(&p, 1, 1000);
	return fd;
}

static int open_signalfd(int flags)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	sigprocmask(SIG_BLOCK, &s, NULL);
	kill(getpid(), SIGUSR2);
	return signalfd(-1, &s, SFD_NONBLOCK);
}

static int open_inotify(int flags)
{
	int fd = inotify_init1(IN_NONBLOCK);

	inotify_add_watch(fd, top, IN_OPEN);
	close(openat(dir, "work", O_RDONLY));
	return fd;
}

static int open_memfd(int flags)
{
	int fd = memfd_create("m", MFD_ALLOW_SEALING);

	return write(fd, "memfd", 5) == 5 ? fd : -1;
}

static int open_sealed(int flags)
{
	int fd = open_memfd(flags);

	fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return fd;
}

/* The other end stays open at @other. */
static int keep_other(int fd, int fd_other, int other)
{
	dup2(fd_other, other);
	close(fd_other);
	return fd;
}

static int open_socket(int type)
{
	int s[2];

	if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s) || write(s[1], "sock", 4) != 4)
		return -1;
	return keep_other(s[0], s[1], 900);
}

static int open_stream(int flags)
{
	return open_socket(SOCK_STREAM);
}

static int open_dgram(int flags)
{
	return open_socket(SOCK_DGRAM);
}

static int open_seqpacket(int flags)
{
	return open_socket(SOCK_SEQPACKET);
}

static int open_unconnected(int flags)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static int open_listening(int flags)
{
	int fd = open_unconnected(flags);
	struct sockaddr_un any = {.sun_family = AF_UNIX};

	bind(fd, (struct sockaddr *)&any, sizeof any.sun_family);
	listen(fd, 1);
	return fd;
}

static int open_pipe_out(int flags)
{
	int p[2];

	if (pipe2(p, O_NONBLOCK) || write(p[1], "pipe", 4) != 4)
		return -1;
	return keep_other(p[0], p[1], 901);
}

static int open_pipe_in(int flags)
{
	int p[2];

	return pipe2(p, O_NONBLOCK) ? -1 : keep_other(p[1], p[0], 902);
}

static int open_master(int flags)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);

	unlockpt(fd);
	return fd;
}

static int open_tmpfile(int flags)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR, 0600);

	if (write(fd, "tmpfile", 7) != 7)
		return -1;
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static int open_made(const char *name, int flags)
{
	return openat(dir, name, flags | (flags & O_PATH ? 0 : O_NONBLOCK));
}

static int open_file(int flags)
{
	int fd;

	unlinkat(dir, "file", 0);
	fd = openat(dir, "file", O_CREAT | O_WRONLY, 0644);
	if (write(fd, "regular", 7) != 7)
		return -1;
	close(fd);
	return open_made("file", flags);
}

static int open_dir(int flags)
{
	unlinkat(dir, "dir", AT_REMOVEDIR);
	mkdirat(dir, "dir", 0755);
	return open_made("dir", flags);
}

static int open_fifo(int flags)
{
	unlinkat(dir, "fifo", 0);
	mkfifoat(dir, "fifo", 0644);
	return open_made("fifo", flags);
}

static int open_link(int flags)
{
	return open_made("link", flags | O_NOFOLLOW);
}

static int open_sockfile(int flags)
{
	return open_made("sock", flags);
}

static const struct column {
	const char *name;
	int (*open)(int flags);
	const char *path; /* instead of open */
	int flags;
	bool shared; /* the node is not the test's own */
} columns[] = {
	{"pidfd", .open = open_pidfd},
	{"pidfd.path", .open = open_pidfd, .flags = O_PATH},
	{"ended", .open = open_ended},
	{"eventfd", .open = open_eventfd, .shared = true},
	{"eventfd.path", .open = open_eventfd, .flags = O_PATH, .shared = true},
	{"epoll", .open = open_epoll, .shared = true},
	{"timerfd", .open = open_timerfd, .shared = true},
	{"signalfd", .open = open_signalfd, .shared = true},
	{"inotify", .open = open_inotify, .shared = true},
	{"memfd", .open = open_memfd},
	{"memfd.path", .open = open_memfd, .flags = O_PATH},
	{"sealed", .open = open_sealed},
	{"stream", .open = open_stream},
	{"stream.path", .open = open_stream, .flags = O_PATH},
	{"dgram", .open = open_dgram},
	{"seqpacket", .open = open_seqpacket},
	{"unconnected", .open = open_unconnected},
	{"listening", .open = open_listening},
	{"pipe.r", .open = open_pipe_out},
	{"pipe.w", .open = open_pipe_in},
	{"pipe.path", .open = open_pipe_out, .flags = O_PATH},
	{"ptmx", .open = open_master, .shared = true},
	{"ptmx.path", .open = open_master, .flags = O_PATH, .shared = true},
	{"pts.r", .path = terminal},
	{"pts.w", .path = terminal, .flags = O_WRONLY},
	{"pts", .path = terminal, .flags = O_RDWR},
	{"pts.path", .path = terminal, .flags = O_PATH},
	{"tty", .path = "/dev/tty", .flags = O_RDWR, .shared = true},
	{"null.r", .path = "/dev/null", .shared = true},
	{"null.w", .path = "/dev/null", .flags = O_WRONLY, .shared = true},
	{"null", .path = "/dev/null", .flags = O_RDWR, .shared = true},
	{"null.path", .path = "/dev/null", .flags = O_PATH, .shared = true},
	{"zero", .path = "/dev/zero", .flags = O_RDWR, .shared = true},
	{"zero.r", .path = "/dev/zero", .shared = true},
	{"full", .path = "/dev/full", .flags = O_RDWR, .shared = true},
	{"urandom", .path = "/dev/urandom", .flags = O_RDWR, .shared = true},
	{"random", .path = "/dev/random", .flags = O_RDWR, .shared = true},
	{"file.r", .open = open_file},
	{"file.w", .open = open_file, .flags = O_WRONLY},
	{"file", .open = open_file, .flags = O_RDWR},
	{"file.path", .open = open_file, .flags = O_PATH},
	{"tmpfile", .open = open_tmpfile},
	{"dir", .open = open_dir},
	{"dir.path", .open = open_dir, .flags = O_PATH},
	{"fifo.r", .open = open_fifo},
	{"fifo", .open = open_fifo, .flags = O_RDWR},
	{"fifo.path", .open = open_fifo, .flags = O_PATH},
	{"link.path", .open = open_link, .flags = O_PATH},
	{"sock.path", .open = open_sockfile, .flags = O_PATH},
	{"status", .path = "/proc/self/status", .shared = true},
	{"status.path", .path = "/proc/self/status", .flags = O_PATH, .shared = true},
	{"comm", .path = "/proc/self/comm", .flags = O_RDWR, .shared = true},
	{"mem", .path = "/proc/self/mem", .flags = O_RDWR, .shared = true},
	{"hostname", .path = "/proc/sys/kernel/hostname", .shared = true},
	{"procdir", .path = "/proc/self", .shared = true},
	{"fddir", .path = "/proc/self/fd", .shared = true},
	{"namespace", .path = "/proc/self/ns/uts", .shared = true},
	{"namespace.path", .path = "/proc/self/ns/uts", .flags = O_PATH, .shared = true},
};

#define NCOLUMNS (sizeof columns / sizeof columns[0])

static int open_column(const struct column *c)
{
	char name[64];
	int fd, again;

	if (c->path)
		return open(c->path, c->flags | (c->flags & O_PATH ? 0 : O_NONBLOCK | O_NOCTTY));
	fd = c->open(c->flags);
	if (!(c->flags & O_PATH) || fcntl(fd, F_GETFL) & O_PATH)
		return fd;
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	again = open(name, O_PATH);
	close(fd);
	return again;
}

#endif
