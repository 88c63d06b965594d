/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev: a tmpfs in which husk has made the nodes that programs expect, as Linux's devtmpfs is one. Random bytes are the
 * host's; /dev/tty is the controlling terminal when the session has one; /dev/ptmx makes a pseudo-terminal, which devpts
 * shows at /dev/pts. Guests may make, rename and remove names, but no devices (mknod(2): EPERM).
 */
#include "fs/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "fs/pty.h"
#include "fs/tmpfs/tmpfs.h"
#include "vfs/anon.h"

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

/* ---- the nodes ---- */

static int tty_node_open(struct kernel *k, struct task *t, u32 flags, struct file **out)
{
	struct tty *tty = k->ops.ctty ? k->ops.ctty(t) : NULL;

	return tty ? tty_open(tty, flags, out) : -ENXIO;
}

#define DEVICE(major, minor) ((major) << 8 | (minor))

static const struct device {
	const char *name;
	u64 rdev;
	const struct file_ops *ops; /* of its files; NULL: open() makes them */
	int (*open)(struct kernel *k, struct task *t, u32 flags, struct file **out);
} devices[] = {
	{"null", DEVICE(1, 3), &null_ops},       {"zero", DEVICE(1, 5), &zero_ops},
	{"full", DEVICE(1, 7), &full_ops},       {"random", DEVICE(1, 8), &random_ops},
	{"urandom", DEVICE(1, 9), &urandom_ops}, {"tty", DEVICE(5, 0), NULL, tty_node_open},
	{"ptmx", DEVICE(5, 2), NULL, ptmx_open},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
};

static const struct {
	const char *name;
	u32 mode;
} directories[] = {{"pts", 0755}, {"shm", 01777}, {"mqueue", 01777}};

/* Only nodes of @devices have this operation. */
static int device_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	const struct device *d = devices;
	struct file *f;
	int err;

	while (d->rdev != tnode(i)->rdev)
		d++;
	if (d->open)
		err = d->open(i->k, t, flags, &f);
	else
		err = file_new(i->k, d->ops, flags & ~(u32)(O_NOCTTY | O_TRUNC), NULL, NULL, &f);
	if (err)
		return err;
	/* What a device's own file says about itself wins; a fresh one is described by its node. */
	if (!f->inode)
		f->inode = inode_get(i);
	*out = f;
	return 0;
}

static const struct inode_ops device_ops = {
	.getattr = tmpfs_getattr,
	.ownership = tmpfs_ownership,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.removexattr = tmpfs_removexattr,
	.open = device_open,
	.release = tmpfs_release_inode,
};

/* Makes @name in @root by @target, a symlink's, or by @mode and @rdev. */
static int make_node(struct inode *root, const char *name, const char *target, u32 mode, u64 rdev)
{
	static const struct cred by_root;
	struct inode *i;
	int err = target ? tmpfs_symlink(root, name, strlen(name), target, &by_root, &i)
			 : tmpfs_create(root, name, strlen(name), mode, rdev, &by_root, &i);

	if (err)
		return err;
	if (rdev)
		i->ops = &device_ops;
	inode_put(i);
	return 0;
}

int dev_super(struct kernel *k, struct super **out)
{
	struct super *sb;
	int err = tmpfs_super(k, 0755, 0, 0, k->vfs->memory_max, &sb);

	if (err)
		return err;
	sb->type = sb->source = "devtmpfs";
	for (size_t i = 0; !err && i < ARRAY_SIZE(devices); i++)
		err = make_node(sb->root, devices[i].name, NULL, S_IFCHR | 0666, devices[i].rdev);
	for (size_t i = 0; !err && i < ARRAY_SIZE(links); i++)
		err = make_node(sb->root, links[i].name, links[i].target, 0, 0);
	for (size_t i = 0; !err && i < ARRAY_SIZE(directories); i++)
		err = make_node(sb->root, directories[i].name, NULL, S_IFDIR | directories[i].mode, 0);
	if (err)
		super_put(sb);
	else
		*out = sb;
	return err;
}
