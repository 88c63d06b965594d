/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying big files of the lower tree by a helper thread, so that the service thread goes on meanwhile. Readers go on
 * with the lower file; who writes waits. The copy takes its place in one step, when it is whole; if the inode went or
 * got bytes of its own in another way meanwhile, it is thrown away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/helper.h"
#include "fs/overlay/store.h"
#include "host/file.h"

#define COPY_NOW (4 << 20) /* what is no bigger is copied at once */
#define PIECE    (1 << 20)

struct copy_job {
	struct job job;
	struct lower *l; /* borrowed; NULL: it went */
	struct hostfd from, to;
	int err;
};

static void copy(struct job *job)
{
	struct copy_job *j = container_of(job, struct copy_job, job);
	char *buf = malloc(PIECE);
	off_t at = 0;
	ssize_t n = 0;

	if (!buf)
		j->err = -ENOMEM;
	while (!j->err && (n = pread(j->from.fd, buf, PIECE, at)) > 0) {
		for (ssize_t done = 0; !j->err && done < n;) {
			ssize_t some = pwrite(j->to.fd, buf + done, (size_t)(n - done), at + done);

			if (some < 0)
				j->err = -errno;
			else
				done += some;
		}
		at += n;
	}
	if (n < 0)
		j->err = -errno;
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
	n->memfd = j->to;
	n->fs->nmemfds++;
	n->size = st.st_size;
	j->to = HOSTFD_NONE;
	tnode_measure(n);
	overlay_data_moved(l->self);
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

int overlay_copy_later(struct inode *i)
{
	struct lower *l = tnode(i)->lower;
	struct copy_job *j;
	struct kstat st;
	int err;

	if (l->copying)
		return -EAGAIN;
	if (l->copy_err) {
		err = l->copy_err;
		l->copy_err = 0;
		return err;
	}
	/* The files of an upper layer's bytes are copied at once: there a late writer would meet the guest's bytes. */
	if (overlay_of(i)->store || !i->k->helpers || l->inode->ops->getattr(l->inode, &st) ||
	    st.size <= COPY_NOW)
		return 0;
	if ((u64)st.size > tmpfs_free(tnode(i)->fs))
		return -ENOSPC;
	j = calloc(1, sizeof *j);
	if (!j)
		return -ENOMEM;
	j->job = (struct job){.work = copy, .done = copied};
	j->from = j->to = HOSTFD_NONE;
	j->l = l;
	err = lower_descriptor(i, &j->from);
	if (!err)
		err = host_memfd("overlay", &j->to);
	if (err) {
		host_close(&j->from);
		free(j);
		return 0; /* at once, then, with the error of that */
	}
	l->copying = j;
	job_submit(i->k, &j->job);
	return -EAGAIN;
}

void overlay_copy_forget(struct lower *l)
{
	if (l->copying)
		l->copying->l = NULL;
}
