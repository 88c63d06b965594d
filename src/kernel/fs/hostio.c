/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inherited host descriptors: the guest's 0, 1 and 2.
 *
 * The service thread must not block on them, and must not change their status flags either: those belong to
 * the open file description, which husk shares with its caller. So pipes and terminals are opened a second
 * time, without blocking, through /proc/self/fd, for reading and writing; sockets take MSG_DONTWAIT; where a
 * second open is refused, poll() is asked first and writes are cut at PIPE_BUF. Regular files keep the shared
 * offset, as natively: read() and write() on the descriptor itself.
 *
 * What guests open anew by /dev/stdout and the like is the same host descriptor once more, since husk may open nothing for
 * writing by then; the offset of such a file is kept here.
 *
 * Readiness is always asked of the host. An edge-triggered watch, set up at the first wait, only tells when
 * to ask.
 */
#include "fs/hostio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/task.h"
#include "fs/pty.h"
#include "host/file.h"
#include "host/poller.h"
#include "vfs/inode.h"

#define HOSTIO_CHUNK 16384

struct hostio {
	struct kernel *k;
	struct hostfd fd; /* owned: as inherited */
	struct hostfd io; /* owned when another one: the same file, not blocking */
	u32 type;         /* S_IFMT bits */
	bool anew;        /* opened by a guest: a regular file's offset is the guest's, not the host's */
	struct watch watch;
	bool watched;
	struct wait_queue wait;
	struct tty *tty; /* owned, nullable */
};

/* ---- data ---- */

/* How much of the guest's buffers may be written, so that nothing is read from the host that would be lost. */
static size_t uio_room(const struct uio *u, size_t cap)
{
	size_t room = 0, skip = u->at;

	if (!u->task)
		return min(u->left, cap);
	cap = min(cap, u->left);
	for (int i = 0; i < u->count && room < cap; i++, skip = 0) {
		size_t want = min(u->iov[i].len - skip, cap - room);
		size_t got = want ? user_writable(u->task, u->iov[i].base + skip, want) : 0;

		room += got;
		if (got < want)
			break;
	}
	return room;
}

static bool blocking_io(const struct hostio *h)
{
	return h->io.fd == h->fd.fd && h->type != S_IFSOCK && h->type != S_IFREG;
}

static bool host_ready(const struct hostio *h, short events)
{
	struct pollfd p = {.fd = h->io.fd, .events = events};

	return poll(&p, 1, 0) != 0;
}

static long host_read_some(struct hostio *h, char *buf, size_t size)
{
	struct iovec iov = {buf, size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	long n;

	if (h->type == S_IFSOCK)
		n = recvmsg(h->io.fd, &message, MSG_DONTWAIT);
	else if (blocking_io(h) && !host_ready(h, POLLIN))
		return -EAGAIN;
	else
		n = read(h->io.fd, buf, size);
	return n < 0 ? -errno : n;
}

static long hostio_read(struct file *f, struct uio *to, u64 *pos)
{
	struct hostio *h = f->priv;
	char buf[HOSTIO_CHUNK];
	size_t room = uio_room(to, sizeof buf);
	long n;

	if (!room && to->left)
		return -EFAULT;
	n = h->tty && to->task ? h->k->ops.tty_check(to->task, h->tty, false) : 0;
	if (n < 0)
		return n;
	n = host_read_some(h, buf, room);
	return n <= 0 ? n : uio_to_user(to, buf, n);
}

static long host_write_some(struct hostio *h, const char *buf, size_t size)
{
	struct iovec iov = {(void *)buf, size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	long n;

	if (h->type == S_IFSOCK)
		n = sendmsg(h->io.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (blocking_io(h) && !host_ready(h, POLLOUT))
		return -EAGAIN;
	else
		n = write(h->io.fd, buf, blocking_io(h) ? min(size, (size_t)PIPE_BUF) : size);
	return n < 0 ? -errno : n;
}

static long hostio_write(struct file *f, struct uio *from, u64 *pos)
{
	struct hostio *h = f->priv;
	char buf[HOSTIO_CHUNK];
	struct uio before = *from;
	long got = uio_from_user(from, buf, min(from->left, sizeof buf)), n;

	if (got < 0)
		return got;
	n = host_write_some(h, buf, got);
	if (n < got) {
		*from = before;
		if (n > 0)
			uio_from_user(from, buf, n);
	}
	if (n == -EPIPE && from->task && !from->quiet)
		h->k->ops.send_signal(from->task, SIGPIPE, SI_USER, false);
	return n;
}

/* ---- readiness ---- */

static void hostio_woken(struct watch *w, u32 events)
{
	wake_all(&container_of(w, struct hostio, watch)->wait);
}

static u32 hostio_poll(struct file *f, struct poll_table *pt)
{
	struct hostio *h = f->priv;
	struct pollfd p = {.fd = h->io.fd, .events = POLLPRI | POLLRDHUP};

	poll_wait(pt, &h->wait);
	if (pt && !h->watched) {
		h->watched = true; /* a file that cannot be watched is always ready */
		watch_add(h->k->poller, &h->watch, h->io,
			  EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET, hostio_woken);
	}
	if (file_readable(f))
		p.events |= POLLIN | POLLRDNORM;
	if (file_writable(f))
		p.events |= POLLOUT | POLLWRNORM;
	return poll(&p, 1, 0) > 0 ? (u16)p.revents : 0;
}

/* ---- regular files and plain devices: never wait ---- */

/* Whether the file offset is the guest's own rather than the host's. */
static bool own_offset(const struct hostio *h)
{
	return h->anew && h->type == S_IFREG;
}

static long plain_read(struct file *f, struct uio *to, u64 *pos)
{
	struct hostio *h = f->priv;
	char buf[HOSTIO_CHUNK];
	long total = 0;

	while (to->left) {
		size_t room = uio_room(to, sizeof buf);
		bool host_offset = pos == &f->pos && !own_offset(h);
		long n;

		if (!room)
			return total ? total : -EFAULT;
		n = host_offset ? read(h->fd.fd, buf, room) : pread(h->fd.fd, buf, room, *pos);
		if (n < 0)
			return total ? total : -errno;
		if (!n)
			break;
		n = uio_to_user(to, buf, n);
		if (n < 0)
			return total ? total : n;
		total += n;
		if (!host_offset)
			*pos += n;
		if ((size_t)n < room || h->type != S_IFREG)
			break;
	}
	return total;
}

static long plain_write(struct file *f, struct uio *from, u64 *pos)
{
	struct hostio *h = f->priv;
	char buf[HOSTIO_CHUNK];
	long total = 0;

	while (from->left) {
		struct uio before = *from;
		bool host_offset = pos == &f->pos && !own_offset(h);
		long got = uio_from_user(from, buf, min(from->left, sizeof buf)), n;

		if (got < 0)
			return total ? total : got;
		n = host_offset ? write(h->fd.fd, buf, got) : pwrite(h->fd.fd, buf, got, *pos);
		if (n < got) {
			int err = -errno;

			*from = before;
			if (n <= 0)
				return total ? total : n < 0 ? err : 0;
			uio_from_user(from, buf, n);
		}
		total += n;
		if (!host_offset)
			*pos += n;
		if (n < got)
			break;
	}
	return total;
}

/* The host's own offset stays where it is: data without holes up to the end. */
static s64 seek_anew(struct file *f, s64 offset, int whence)
{
	struct hostio *h = f->priv;
	struct stat st;
	s64 pos = offset;

	if (fstat(h->fd.fd, &st))
		return -errno;
	if ((whence == SEEK_DATA || whence == SEEK_HOLE) && (offset < 0 || offset >= st.st_size))
		return -ENXIO;
	if (whence == SEEK_HOLE)
		pos = st.st_size;
	else if (whence == SEEK_CUR || whence == SEEK_END)
		if (__builtin_add_overflow(offset, whence == SEEK_END ? st.st_size : (s64)f->pos, &pos))
			return -EOVERFLOW;
	if (pos < 0)
		return -EINVAL;
	f->pos = (u64)pos;
	return pos;
}

static s64 plain_seek(struct file *f, s64 offset, int whence)
{
	struct hostio *h = f->priv;
	off_t at;

	if (own_offset(h))
		return seek_anew(f, offset, whence);
	at = lseek(h->fd.fd, offset, whence);
	return at < 0 ? -errno : at;
}

static int plain_sync(struct file *f, struct hostfd *fd)
{
	struct hostio *h = f->priv;

	fd[0] = h->fd;
	return 1;
}

static long plain_fallocate(struct file *f, int mode, u64 offset, u64 len)
{
	struct hostio *h = f->priv;
	int err = mode & ~FALLOC_FL_ZERO_RANGE ? 0 : file_size_limit(f->k->current, f->inode, offset + len);

	if (err)
		return err;
	return fallocate(h->fd.fd, mode, offset, len) < 0 ? -errno : 0;
}

/* A second descriptor for mapping: not writable unless the mapping may write to the file. */
static int plain_mmap(struct file *f, int prot, int flags, struct mmap_backing *backing)
{
	struct hostio *h = f->priv;
	char path[HOST_FD_PATH];

	if (h->type != S_IFREG)
		return -ENODEV;
	if (!hostfd_valid(h->io)) {
		host_fd_path(h->fd, path);
		h->io.fd = open(path, O_RDONLY | O_CLOEXEC);
		if (h->io.fd < 0)
			return -errno;
	}
	/* MAP_SHARED: mprotect() may make it writable later. */
	backing->fd = (flags & 3) != 2 && file_writable(f) ? h->fd : h->io;
	backing->offset = 0;
	return 0;
}

/* ---- control ---- */

static long hostio_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	struct hostio *h = f->priv;
	int n;

	if (h->tty)
		return tty_host_ioctl(h->fd, t, cmd, arg);
	if (cmd != FIONREAD)
		return -ENOTTY;
	if (ioctl(h->fd.fd, FIONREAD, &n) < 0)
		return -errno;
	return user_put(t, arg, &n);
}

static void hostio_link_name(struct file *f, char *buf, size_t size)
{
	struct hostio *h = f->priv;
	char path[HOST_FD_PATH];
	ssize_t n;

	host_fd_path(h->fd, path);
	n = readlink(path, buf, size - 1);
	buf[max(n, (ssize_t)0)] = 0;
}

static void hostio_free(struct hostio *h)
{
	if (h->watched)
		watch_del(&h->watch);
	if (h->tty)
		tty_put(h->tty);
	if (hostfd_valid(h->io) && h->io.fd != h->fd.fd)
		close(h->io.fd);
	free(h);
}

static void hostio_release(struct file *f)
{
	struct hostio *h = f->priv;

	object_count(h->k, "hostio", -1);
	f->inode->priv = NULL;
	close(h->fd.fd);
	hostio_free(h);
}

static const struct file_ops hostio_ops = {
	.read = hostio_read,
	.write = hostio_write,
	.poll = hostio_poll,
	.ioctl = hostio_ioctl,
	.link_name = hostio_link_name,
	.release = hostio_release,
	.rw = RW_NOWAIT,
	.stream = true,
};

static const struct file_ops plain_ops = {
	.read = plain_read,
	.write = plain_write,
	.seek = plain_seek,
	.ioctl = hostio_ioctl,
	.mmap = plain_mmap,
	.sync = plain_sync,
	.fallocate = plain_fallocate,
	.link_name = hostio_link_name,
	.release = hostio_release,
	.offset_outside = true,
};

struct tty *file_tty(struct file *f)
{
	return f->ops == &hostio_ops ? ((struct hostio *)f->priv)->tty : pty_file_tty(f);
}

/* ---- opening ---- */

/* A description of our own that does not block, or the one we have. */
static struct hostfd open_twin(struct hostfd fd, int flags)
{
	char path[HOST_FD_PATH];
	struct hostfd twin;

	host_fd_path(fd, path);
	twin.fd = open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return hostfd_valid(twin) ? twin : fd;
}

/* Whether the host can tell when a device is ready; the others never make anybody wait. */
static bool can_watch(struct kernel *k, struct hostfd fd)
{
	struct watch w;

	if (watch_add(k->poller, &w, fd, EPOLLIN | EPOLLONESHOT, hostio_woken) < 0)
		return false;
	watch_del(&w);
	return true;
}

static int hostio_setup(struct hostio *h, const struct stat *st, struct hostfd twin, int flags, bool *plain)
{
	*plain = h->type == S_IFREG || h->type == S_IFBLK || h->type == S_IFDIR ||
		 (h->type == S_IFCHR && !isatty(h->fd.fd) && !can_watch(h->k, h->fd));
	if (*plain) {
		h->io = HOSTFD_NONE;
		return 0;
	}
	if (h->type == S_IFCHR && isatty(h->fd.fd)) {
		h->tty = tty_find_or_new(h->k, h->fd, st->st_rdev);
		if (!h->tty)
			return -ENOMEM;
	}
	if (h->type == S_IFIFO || h->type == S_IFCHR)
		h->io = hostfd_valid(twin) ? twin : open_twin(h->fd, flags);
	return 0;
}

/* fstat() shows the host's own. */
static int hostio_getattr(struct inode *i, struct kstat *out)
{
	const struct hostio *h = i->priv;
	struct stat st;

	if (!h) /* the file is closed, somebody still looks at its inode */
		return -ESTALE;
	if (fstat(h->fd.fd, &st) < 0)
		return -errno;
	*out = (struct kstat){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.mode = st.st_mode,
		.nlink = st.st_nlink,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.rdev = st.st_rdev,
		.size = st.st_size,
		.blocks = st.st_blocks,
		.blksize = st.st_blksize,
		.atime = st.st_atim,
		.mtime = st.st_mtim,
		.ctime = st.st_ctim,
		.btime = st.st_ctim,
	};
	return 0;
}

static int hostio_setattr(struct inode *i, const struct iattr *attr)
{
	const struct hostio *h = i->priv;

	/* Size alone: the file was given to write to, not to own. */
	if (!h || (attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID)))
		return -EPERM;
	if ((attr->valid & ATTR_SIZE) && ftruncate(h->fd.fd, attr->size) < 0)
		return -errno;
	return 0;
}

static int open_as(struct kernel *k, struct hostfd fd, struct hostfd twin, bool anew, u32 flags,
		   struct file **out);

/* The host file once more, for reading: what Landlock and the filter let through by name is better than the descriptor
 * itself, but only a file or a directory never makes husk wait for it. */
static struct hostfd open_to_read(const struct hostio *h)
{
	bool waits = h->type != S_IFREG && h->type != S_IFDIR;
	struct hostfd fd = HOSTFD_NONE;
	char path[HOST_FD_PATH];

	host_fd_path(h->fd, path);
	if (!waits)
		fd.fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	return fd;
}

/* Another descriptor of the same open file of the host's. */
static struct hostfd copy_descriptor(struct hostfd fd)
{
	return (struct hostfd){fcntl(fd.fd, F_DUPFD_CLOEXEC, 3)};
}

/* open("/dev/stdin") and the like: the host file once more, with no more rights than were given. */
static int hostio_reopen(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	struct hostio *h = i->priv;
	struct hostfd fd = HOSTFD_NONE, twin = HOSTFD_NONE;
	u32 given, asked = flags & O_ACCMODE;
	int err;

	if (!h)
		return -ENXIO;
	given = fcntl(h->fd.fd, F_GETFL) & O_ACCMODE;
	if (given != O_RDWR && asked != given)
		return -EACCES;
	if (asked == O_RDONLY)
		fd = open_to_read(h);
	if (!hostfd_valid(fd))
		fd = copy_descriptor(h->fd);
	if (!hostfd_valid(fd))
		return -errno;
	if (hostfd_valid(h->io) && h->io.fd != h->fd.fd && h->type != S_IFREG)
		twin = copy_descriptor(h->io);
	err = open_as(h->k, fd, twin, true, flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | HUSK_O_LARGEFILE),
		      out);
	if (err < 0) {
		host_close(&fd);
		host_close(&twin);
	}
	return err;
}

static const struct inode_ops hostio_inode_ops = {
	.open = hostio_reopen,
	.getattr = hostio_getattr,
	.setattr = hostio_setattr,
};

/* A file of the descriptors @fd and @twin, which does not block (none: it is made); both are the file's on success. */
static int open_as(struct kernel *k, struct hostfd fd, struct hostfd twin, bool anew, u32 flags,
		   struct file **out)
{
	struct hostio *h;
	struct inode *inode;
	struct stat st;
	bool plain;
	int err;

	if (fstat(fd.fd, &st) < 0)
		return -errno;
	h = calloc(1, sizeof *h);
	if (!h)
		return -ENOMEM;
	h->k = k;
	h->fd = h->io = fd;
	h->type = st.st_mode & S_IFMT;
	h->anew = anew;
	wait_queue_init(&h->wait);
	err = hostio_setup(h, &st, twin, (int)flags, &plain);
	if (err < 0) {
		hostio_free(h);
		return err;
	}
	inode = inode_new(k, NULL, &hostio_inode_ops, h->type, st.st_ino, h);
	err = inode ? file_new(k, plain ? &plain_ops : &hostio_ops, flags, inode, h, out) : -ENOMEM;
	if (err < 0) {
		if (inode)
			inode_put(inode);
		if (h->io.fd == twin.fd)
			h->io = h->fd;
		hostio_free(h);
		return err;
	}
	object_count(k, "hostio", 1);
	return 0;
}

int hostio_open(struct kernel *k, struct hostfd fd, struct file **out)
{
	int flags = fcntl(fd.fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags &= O_ACCMODE | O_APPEND | O_NONBLOCK | HUSK_O_LARGEFILE;
	return open_as(k, fd, HOSTFD_NONE, false, (u32)flags, out);
}
