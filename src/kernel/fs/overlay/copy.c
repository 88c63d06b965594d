/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying files of the lower tree by a helper thread, so that the service thread goes on meanwhile: big ones, and those
 * that the host does not have in memory. Readers go on with the lower file; who changes the bytes waits. The copy takes
 * its place in one step, when it is whole; if the inode went or got bytes of its own in another way meanwhile, it is
 * thrown away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/helper.h"
#include "fs/overlay/store.h"
#include "host/file.h"

#define COPY_NOW (256 << 10) /* what is no bigger is copied at once, if it is in memory */
#define PIECE    (1 << 20)

struct copy_job {
	struct job job;
	struct lower *l; /* borrowed; NULL: it went */
	struct hostfd from, to;
	struct store_copy stored; /* with an upper layer: the file behind @to */
	int err;
};

/* One piece from @at on, which is no hole: how long it was; 0 at the end. */
static ssize_t copy_piece(struct copy_job *j, char *buf, off_t at)
{
	ssize_t n = pread(j->from.fd, buf, PIECE, at);

	for (ssize_t done = 0; done < n;) {
		ssize_t some = pwrite(j->to.fd, buf + done, (size_t)(n - done), at + done);

		if (some < 0)
			return -errno;
		done += some;
	}
	return n < 0 ? -errno : n;
}

/* Holes stay holes. */
static void copy(struct job *job)
{
	struct copy_job *j = container_of(job, struct copy_job, job);
	char *buf = malloc(PIECE);
	ssize_t n = buf ? 1 : -ENOMEM;
	off_t at = 0, data;
	struct stat st;

	while (n > 0) {
		data = lseek(j->from.fd, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break; /* nothing but a hole any more */
		at = data > at ? data : at;
		n = copy_piece(j, buf, at);
		at += n > 0 ? n : 0;
	}
	if (n >= 0 && (fstat(j->from.fd, &st) || ftruncate(j->to.fd, st.st_size > at ? st.st_size : at)))
		n = -errno;
	j->err = n < 0 ? (int)n : 0;
	free(buf);
}

/* The copy's bytes become those of the inode. */
static void install(struct lower *l, struct copy_job *j)
{
	struct tnode *n = tnode(l->self);
	struct stat st;

	if (fstat(j->to.fd, &st)) {
		j->err = -errno;
		return;
	}
	j->err = store_copy_keep(&j->stored);
	if (j->err)
		return;
	n->memfd = j->to;
	if (!n->stored)
		n->fs->nmemfds++;
	n->size = st.st_size;
	j->to = HOSTFD_NONE;
	tnode_measure(n);
	overlay_data_moved(l->self);
	store_times(l->self);
	n->kept = true;
	store_inode(l->self);
	j->err = store_commit(l->self, 0);
	store_close_data(l->self);
}

static void copied(struct job *job)
{
	struct copy_job *j = container_of(job, struct copy_job, job);
	struct lower *l = j->l;

	if (l) {
		l->copying = NULL;
		if (l->data_below && !j->err)
			install(l, j);
		l->copy_err = j->err;
		wake_all(&l->copied);
	}
	store_copy_end(&j->stored);
	host_close(&j->from);
	host_close(&j->to);
	free(j);
}

/* A descriptor of the lower file for the helper. */
static int lower_descriptor(struct inode *i, struct hostfd *out)
{
	struct inode *below = tnode(i)->lower->inode;
	struct mmap_backing b = {.fd = HOSTFD_NONE};
	struct file *low;
	int err = below->ops->open(below, i->k->current, O_RDONLY, &low);

	if (err)
		return err;
	err = low->ops->mmap(low, PROT_READ, MAP_PRIVATE, &b);
	if (!err) {
		out->fd = fcntl(b.fd.fd, F_DUPFD_CLOEXEC, 3);
		err = out->fd < 0 ? -errno : 0;
	}
	file_put(low);
	return err;
}

/* Hands the file to a helper. */
static int submit(struct inode *i)
{
	struct copy_job *j = calloc(1, sizeof *j);
	int err;

	if (!j)
		return -ENOMEM;
	j->job = (struct job){.work = copy, .done = copied};
	j->from = j->to = HOSTFD_NONE;
	j->l = tnode(i)->lower;
	err = lower_descriptor(i, &j->from);
	if (!err)
		err = overlay_of(i)->store ? store_copy_begin(i, &j->stored, &j->to)
					   : host_memfd("overlay", &j->to);
	if (err) {
		host_close(&j->from);
		free(j);
		return err;
	}
	j->l->copying = j;
	job_submit(i->k, &j->job);
	return -EAGAIN;
}

int overlay_copy_later(struct inode *i, u64 size)
{
	struct lower *l = tnode(i)->lower;
	struct kstat st;
	int err;

	if (l->copying)
		return -EAGAIN;
	if (l->copy_err) {
		err = l->copy_err;
		l->copy_err = 0;
		return err;
	}
	err = l->inode->ops->getattr(l->inode, &st);
	if (err)
		return err;
	size = min(size, (u64)st.size);
	if (min(size, st.blocks * 512) > tmpfs_free(tnode(i)->fs))
		return -ENOSPC;
	if (size <= COPY_NOW || !i->k->helpers)
		err = overlay_copy_data(i, size, i->k->helpers);
	else
		err = -EAGAIN;
	if (err != -EAGAIN)
		return err;
	err = submit(i);
	/* Without a descriptor to spare it is copied at once. */
	return err == -EMFILE || err == -ENFILE ? overlay_copy_data(i, UINT64_MAX, false) : err;
}

void overlay_copy_forget(struct lower *l)
{
	if (l->copying)
		l->copying->l = NULL;
}
