/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev: a fixed tree. Random bytes are the host's; /dev/tty is the controlling terminal when the session has
 * one; /dev/ptmx makes a pseudo-terminal, which devpts shows at /dev/pts.
 */
#include "fs/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "fs/pty.h"
#include "vfs/anon.h"
#include "vfs/synth.h"

static long null_read(struct file *f, struct uio *to, u64 *pos)
{
	return 0;
}

static long null_write(struct file *f, struct uio *from, u64 *pos)
{
	long n = from->left;

	from->left = 0;
	return n;
}

static long zero_read(struct file *f, struct uio *to, u64 *pos)
{
	return uio_zero(to, to->left);
}

static int zero_mmap(struct file *f, int prot, int flags, struct mmap_backing *backing)
{
	*backing = (struct mmap_backing){.fd = HOSTFD_NONE, .zero = true};
	return 0;
}

static long full_write(struct file *f, struct uio *from, u64 *pos)
{
	return -ENOSPC;
}

static long random_read(struct file *f, struct uio *to, u64 *pos)
{
	char buf[4096];
	long done = 0;

	while (to->left) {
		long n = getrandom(buf, min(to->left, sizeof buf), 0);

		if (n < 0)
			return done ? done : -errno;
		n = uio_to_user(to, buf, n);
		if (n <= 0)
			return done ? done : n;
		done += n;
	}
	return done;
}

/* What is written would be mixed in: it is read, and forgotten. */
static long random_write(struct file *f, struct uio *from, u64 *pos)
{
	char buf[4096];
	long done = 0, n = 0;

	while (from->left) {
		n = uio_from_user(from, buf, min(from->left, sizeof buf));
		if (n <= 0)
			break;
		done += n;
	}
	return done ? done : n;
}

/* The host's pool is full. */
static u32 random_poll(struct file *f, struct poll_table *pt)
{
	return EPOLLIN | EPOLLRDNORM;
}

/* drivers/char/random.c: random_ioctl(); the pool is the host's. */
static long random_ioctl(struct file *f, struct task *t, u32 cmd, u64 arg)
{
	int bits = 256;

	switch (cmd) {
	case RNDGETENTCNT:
		return user_put(t, arg, &bits);
	case RNDADDTOENTCNT:
	case RNDADDENTROPY:
	case RNDZAPENTCNT:
	case RNDCLEARPOOL:
	case RNDRESEEDCRNG:
		return -EPERM;
	}
	return -EINVAL;
}

static const struct file_ops null_ops = {.read = null_read,
					 .write = null_write,
					 .seek = anon_seek,
					 .device = TRAP_DEVICE_SINK,
					 .rw = RW_NOWAIT | RW_UNSPLICED,
					 .name = "null"};
static const struct file_ops zero_ops = {.read = zero_read,
					 .write = null_write,
					 .seek = anon_seek,
					 .mmap = zero_mmap,
					 .device = TRAP_DEVICE_SINK | TRAP_DEVICE_ZEROS,
					 .rw = RW_NOWAIT,
					 .name = "zero"};
static const struct file_ops full_ops = {
	.read = zero_read, .write = full_write, .seek = anon_seek, .rw = RW_WRITE_PLAIN, .name = "full"};
#define RANDOM_OPS                                                                                           \
	.read = random_read, .write = random_write, .seek = anon_seek, .ioctl = random_ioctl, .async = true, \
	.rw = RW_NOWAIT
static const struct file_ops random_ops = {RANDOM_OPS, .poll = random_poll, .name = "random"};
static const struct file_ops urandom_ops = {RANDOM_OPS, .name = "urandom"};

static int dev_open(struct synth_node *n, struct task *t, u32 flags, struct file **out)
{
	return file_new(n->k, n->data, flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC), NULL,
			NULL, out);
}

static int tty_node_open(struct synth_node *n, struct task *t, u32 flags, struct file **out)
{
	struct tty *tty = n->k->ops.ctty ? n->k->ops.ctty(t) : NULL;

	return tty ? tty_open(tty, flags, out) : -ENXIO;
}

static long dev_readlink(struct synth_node *n, struct task *t, char *buf, size_t size)
{
	size_t len = min(strlen(n->data), size);

	memcpy(buf, n->data, len);
	return len;
}

static const struct synth_ops dev_ops = {.open = dev_open};
static const struct synth_ops tty_node_ops = {.open = tty_node_open};
static const struct synth_ops ptmx_ops = {.open = ptmx_open};
static const struct synth_ops link_ops = {.readlink = dev_readlink};

static const struct synth_entry empty_dir[] = {{}};

#define DEVICE(node, major, minor, fops)                                              \
	{                                                                             \
		node, S_IFCHR | 0666, &dev_ops, NULL, (major) << 8 | (minor), &(fops) \
	}
#define LINK(node, target)                                                           \
	{                                                                            \
		node, S_IFLNK | 0777, &link_ops, NULL, 0, target, sizeof(target) - 1 \
	}

static const struct synth_entry dev_entries[] = {
	DEVICE("null", 1, 3, null_ops),
	DEVICE("zero", 1, 5, zero_ops),
	DEVICE("full", 1, 7, full_ops),
	DEVICE("random", 1, 8, random_ops),
	DEVICE("urandom", 1, 9, urandom_ops),
	{"tty", S_IFCHR | 0666, &tty_node_ops, NULL, 5 << 8},
	{"ptmx", S_IFCHR | 0666, &ptmx_ops, NULL, 5 << 8 | 2},
	LINK("fd", "/proc/self/fd"),
	LINK("stdin", "/proc/self/fd/0"),
	LINK("stdout", "/proc/self/fd/1"),
	LINK("stderr", "/proc/self/fd/2"),
	{"pts", S_IFDIR | 0755, NULL, empty_dir},
	{"shm", S_IFDIR | 01777, NULL, empty_dir},
	{"mqueue", S_IFDIR | 01777, NULL, empty_dir},
	{},
};

static const struct synth_entry dev_root = {"", S_IFDIR | 0755, NULL, dev_entries};

int dev_super(struct kernel *k, struct super **out)
{
	return synth_super(k, "devtmpfs", &dev_root, out);
}
