/* SPDX-License-Identifier: Apache-2.0 */
/* The words in which fs_matrix_calls.h says its calls, for fs_matrix.c: what takes more than one expression. */
#ifndef HUSK_TESTS_GUEST_FS_MATRIX_WORDS_H
#define HUSK_TESTS_GUEST_FS_MATRIX_WORDS_H

/* Whether it was done, where what it answers is a number of no meaning. */
static long done(long r)
{
	return r > 0 ? 0 : r;
}

static long read_badly(int fd, size_t size)
{
	return done(syscall(SYS_read, fd, 8L, size));
}

static long write_badly(int fd, size_t size)
{
	return done(syscall(SYS_write, fd, 8L, size));
}

static long read_at(int fd, int flags, long offset)
{
	return syscall(SYS_preadv2, fd, &one, 1, offset, 0, flags);
}

static long write_at(int fd, int flags, long offset)
{
	return syscall(SYS_pwritev2, fd, &one, 1, offset, 0, flags);
}

static long mapped(int fd, int prot, int flags)
{
	void *p = mmap(NULL, 4096, prot, flags, fd, 0);

	return p == MAP_FAILED ? -1 : munmap(p, 4096);
}

static long polled(int fd)
{
	struct pollfd p = {fd, (short)~POLLNVAL, 0};

	poll(&p, 1, 0);
	return p.revents;
}

/* @r after @fd is closed, errno kept. */
static long and_close(long r, int fd)
{
	int e = errno;

	close(fd);
	errno = e;
	return r;
}

static long watched(int fd)
{
	struct epoll_event e = {.events = EPOLLIN};
	int ep = epoll_create1(0);

	return and_close(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), ep);
}

static void drain(void)
{
	char some[4096];

	while (read(pipes[0], some, sizeof some) > 0)
		;
}

static void fill(void)
{
	drain();
	if (write(pipes[1], "abcdefgh", 8) != 8)
		abort();
}

static long copied(int in, int out)
{
	off_t at = 0;

	return done(copy_file_range(in, &at, out, 0, 1, 0));
}

static long splice_from(int fd, off_t *at)
{
	drain();
	return splice(fd, at, pipes[1], NULL, 1, SPLICE_F_NONBLOCK);
}

static long splice_into(int fd, off_t *at)
{
	fill();
	return splice(pipes[0], NULL, fd, at, 8, SPLICE_F_NONBLOCK);
}

static long sent(int out, int in, off_t *at)
{
	return sendfile(out, in, at, 1);
}

static long reopened(int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY, 0600);

	return fd < 0 ? -1 : close(fd);
}

static long flocked(int fd, int how)
{
	long r = flock(fd, how | LOCK_NB);

	flock(fd, LOCK_UN);
	return r;
}

static long lock_from(int fd, int cmd, int type, int whence, long first)
{
	struct flock l = {.l_type = (short)type, .l_whence = (short)whence, .l_start = first, .l_len = 1};

	return fcntl(fd, cmd, &l);
}

static long lock(int fd, int cmd, int type)
{
	return lock_from(fd, cmd, type, SEEK_SET, 0);
}

static long leased(int fd, int type)
{
	return fcntl(fd, F_SETLEASE, type);
}

static long notified(int fd, int what)
{
	return fcntl(fd, F_NOTIFY, what);
}

static long hinted(int fd, int cmd, uint64_t hint)
{
	return fcntl(fd, cmd, &hint);
}

/* The flags that setting has added. */
static long flags_set(int fd, int flags)
{
	int before = fcntl(fd, F_GETFL), r = fcntl(fd, F_SETFL, flags);

	return r ? r : fcntl(fd, F_GETFL) & ~before;
}

static long owned(int fd)
{
	return fcntl(fd, F_SETOWN, getpid());
}

static long io_value(int fd, unsigned long cmd, long value)
{
	long words[64] = {value};

	return done(ioctl(fd, cmd, words));
}

static long io(int fd, unsigned long cmd)
{
	return io_value(fd, cmd, 0);
}

static long block_size_told(int fd)
{
	int size = 0;

	return ioctl(fd, FIGETBSZ, &size) ? -1 : size;
}

static long cloned(int fd, int from)
{
	return ioctl(fd, FICLONE, from);
}

static long range_cloned(int fd, int from)
{
	struct file_clone_range r = {.src_fd = from};

	return ioctl(fd, FICLONERANGE, &r);
}

static long deduplicated(int fd)
{
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info to;
	} d = {{.dest_count = 1, .src_length = 1}, {.dest_fd = reg}};
	long r = ioctl(fd, FIDEDUPERANGE, &d);

	return r ? r : d.to.status;
}

static long process_info(int fd)
{
	uint64_t info[16] = {1};

	return ioctl(fd, GET_INFO, info);
}

static long times_set(int fd, long nsec)
{
	struct timespec t[2] = {{1, nsec}, {1, nsec}};

	return futimens(fd, t);
}

static long chmod_at(int fd)
{
	return syscall(NR_fchmodat2, fd, "", 0600, AT_EMPTY_PATH);
}

static long mode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : (long)st.st_mode;
}

static long block_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_blksize;
}

static long fs_type(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) ? -1 : st.f_type;
}

/* Whether the flags are to be believed, at least; what else there is hangs on how it was mounted. */
static long fs_flags(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) ? -1 : st.f_flags & 0x20;
}

static long statx_field(int fd, int field)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &sx))
		return -1;
	return field == 0   ? (long)(sx.stx_mask & STATX_ALL)
	       : field == 1 ? (long)(sx.stx_attributes & ~STATX_ATTR_MOUNT_ROOT)
			    : (long)sx.stx_attributes_mask;
}

static long entered(int fd)
{
	int here = open(".", O_RDONLY | O_DIRECTORY), e;
	long r = fchdir(fd);

	e = errno;
	if (fchdir(here))
		abort();
	errno = e;
	return and_close(r, here);
}

static long listed(int fd)
{
	return done(syscall(SYS_getdents64, fd, buf, sizeof buf));
}

/* @r, and the new name is taken away again. */
static long unnamed(long r)
{
	int e = errno;

	if (!r)
		unlinkat(dir, "new", 0);
	errno = e;
	return r;
}

static long linked(int fd)
{
	return unnamed(linkat(fd, "", dir, "new", AT_EMPTY_PATH));
}

static long link_followed(void)
{
	return unnamed(linkat(AT_FDCWD, path, dir, "new", AT_SYMLINK_FOLLOW));
}

static long run(int fd)
{
	char *none[] = {NULL};

	return syscall(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH);
}

static long attributes(int fd)
{
	return syscall(NR_file_getattr, fd, "", buf, 24, AT_EMPTY_PATH);
}

static long tree_opened(int fd)
{
	int r = (int)syscall(NR_open_tree, fd, "", AT_EMPTY_PATH);

	return r < 0 ? -1 : close(r);
}

static long descriptor_taken(int fd)
{
	int r = (int)syscall(NR_pidfd_getfd, fd, 0, 0);

	return r < 0 ? -1 : close(r);
}

static long waited(int fd)
{
	siginfo_t si;

	return waitid(P_PIDFD, (id_t)fd, &si, WNOHANG | WEXITED | WNOWAIT);
}

static long time_left(int fd)
{
	struct itimerspec s;

	return timerfd_gettime(fd, &s);
}

static long signals_set(int fd)
{
	sigset_t s;

	sigemptyset(&s);
	return done(syscall(SYS_signalfd4, fd, &s, 8, 0));
}

static long socket_name(int fd)
{
	socklen_t len = 128;

	return getsockname(fd, (struct sockaddr *)buf, &len);
}

static long socket_type(int fd)
{
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, buf, &len);
}

static long closed(int fd)
{
	return close(dup(fd));
}

#endif
