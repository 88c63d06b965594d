/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of the host's objects: read, compared with the node's, believed for a while. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/host/host.h"

static struct timespec time_of(const struct statx_timestamp *ts)
{
	return (struct timespec){.tv_sec = ts->tv_sec, .tv_nsec = ts->tv_nsec};
}

int host_read_stat(struct hostfd fd, const char *name, struct kstat *st)
{
	struct statx x;

	if (statx(fd.fd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		  STATX_BASIC_STATS | STATX_BTIME, &x))
		return -errno;
	*st = (struct kstat){
		.dev = makedev(x.stx_dev_major, x.stx_dev_minor),
		.ino = x.stx_ino,
		.mode = x.stx_mode,
		.nlink = x.stx_nlink,
		.uid = x.stx_uid,
		.gid = x.stx_gid,
		.rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor),
		.size = (s64)x.stx_size,
		.blocks = x.stx_blocks,
		.blksize = x.stx_blksize,
		.atime = time_of(&x.stx_atime),
		.mtime = time_of(&x.stx_mtime),
		.ctime = time_of(&x.stx_ctime),
		.btime = time_of(&x.stx_btime),
	};
	return 0;
}

bool hnode_is(const struct hnode *h, const struct kstat *st)
{
	return h->dev == st->dev && h->ino == st->ino && h->type == (st->mode & S_IFMT) &&
	       h->btime.tv_sec == st->btime.tv_sec && h->btime.tv_nsec == st->btime.tv_nsec;
}

void hnode_take_stat_of(struct hnode *h, const struct kstat *st, u64 when)
{
	if (when < h->st_ns)
		return;
	/* What a symlink says is its own for good, but where numbers alone tell files apart. */
	if (h->link && (h->st.ctime.tv_sec != st->ctime.tv_sec || h->st.ctime.tv_nsec != st->ctime.tv_nsec)) {
		free(h->link);
		h->link = NULL;
	}
	h->st = *st;
	h->st_ns = when;
}

void hnode_take_stat(struct hnode *h, const struct kstat *st)
{
	hnode_take_stat_of(h, st, hostfs_now(h->fs));
}

/* Reads the node's attributes anew, by what is open of it, or by its name. */
static int refresh(struct hnode *h)
{
	struct hostfd fd = hostfd_valid(h->fd) ? h->fd : h->data;
	struct kstat st;
	int err;

	if (hostfd_valid(fd)) {
		err = host_read_stat(fd, "", &st);
	} else {
		err = hnode_fd(hnode(h->parent), &fd);
		if (!err)
			err = host_read_stat(fd, h->name, &st);
		if (err == -ENOENT || (!err && !hnode_is(h, &st)))
			err = -ESTALE;
	}
	/* A file that was removed on the host is as it was, for those who still hold it. */
	if (err == -ESTALE) {
		h->st_ns = hostfs_now(h->fs);
		return 0;
	}
	if (!err)
		hnode_take_stat(h, &st);
	return err;
}

/* How long the attributes are taken as they were. */
static u64 believed_for(const struct inode *i)
{
	const struct hostfs *fs = hnode((struct inode *)i)->fs;

	if (i->type != S_IFREG)
		return fs->believe_ns;
	return i->writers || (i->above && i->above->writers) ? 0 : fs->believe_file_ns;
}

static int known(struct inode *i)
{
	struct hnode *h = hnode(i);

	return hostfs_now(h->fs) - h->st_ns < believed_for(i) ? 0 : refresh(h);
}

int host_getattr(struct inode *i, struct kstat *st)
{
	int err = known(i);

	if (!err)
		*st = hnode(i)->st;
	return err;
}

int host_ownership(struct inode *i, struct ownership *o)
{
	int err = known(i);

	if (!err)
		*o = (struct ownership){hnode(i)->st.mode, hnode(i)->st.uid, hnode(i)->st.gid};
	return err;
}
