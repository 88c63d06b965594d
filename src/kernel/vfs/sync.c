/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing files to the host's disk, by a helper thread: others go on meanwhile. */
#include "vfs/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/helper.h"
#include "host/file.h"
#include "vfs/inode.h"

struct sync_job {
	struct job job;
	struct task *waiter; /* borrowed; NULL: gone */
	struct hostfd fd[SYNC_FDS];
	int count, err;
	enum { SYNC_ALL, SYNC_DATA, SYNC_TREE } how;
	bool finished;
};

static void work(struct job *job)
{
	struct sync_job *j = container_of(job, struct sync_job, job);
	static const long calls[] = {SYS_fsync, SYS_fdatasync, SYS_syncfs};

	for (int i = 0; i < j->count; i++)
		if (syscall(calls[j->how], j->fd[i].fd) && !j->err)
			j->err = -errno;
}

static void job_free(struct sync_job *j)
{
	for (int i = 0; i < j->count; i++)
		host_close(&j->fd[i]);
	free(j);
}

static void done(struct job *job)
{
	struct sync_job *j = container_of(job, struct sync_job, job);

	j->finished = true;
	if (j->waiter)
		task_wake(j->waiter);
	else
		job_free(j);
}

static void abandon(struct task *t, void *priv)
{
	struct sync_job *j = priv;

	j->waiter = NULL;
	if (j->finished)
		job_free(j);
}

/* Hands @j over, or does its work at once where there is nobody. */
static void begin(struct task *t, struct call *c, struct sync_job *j)
{
	j->job = (struct job){.work = work, .done = done};
	j->waiter = t;
	c->priv = j;
	c->priv_free = abandon;
	if (t->k->helpers) {
		job_submit(t->k, &j->job);
	} else {
		work(&j->job);
		j->finished = true;
	}
}

/* The job in @c: its result when it is finished. */
static long result(struct task *t, struct call *c)
{
	struct sync_job *j = c->priv;
	int err = j->err;

	if (!j->finished) /* Linux: an uninterruptible wait */
		return t->work & TASK_WORK_EXIT ? -EINTR : CALL_PARK;
	c->priv = NULL;
	job_free(j);
	return err;
}

long file_sync(struct task *t, struct call *c, struct file *f, bool data_only)
{
	struct hostfd fd[SYNC_FDS];
	struct sync_job *j;
	int n;

	if (c->priv)
		return result(t, c);
	n = f->ops->sync(f, fd);
	if (n <= 0)
		return n;
	j = calloc(1, sizeof *j);
	if (!j)
		return -ENOMEM;
	j->how = data_only ? SYNC_DATA : SYNC_ALL;
	for (; j->count < n; j->count++) {
		j->fd[j->count].fd = fcntl(fd[j->count].fd, F_DUPFD_CLOEXEC, 3);
		if (j->fd[j->count].fd < 0) {
			n = errno == EMFILE ? -ENFILE : -errno;
			job_free(j);
			return n;
		}
	}
	begin(t, c, j);
	return result(t, c);
}

long super_sync(struct task *t, struct call *c, struct super *sb)
{
	struct sync_job *j;
	int err;

	if (c->priv)
		return result(t, c);
	if (!sb->sync)
		return 0;
	j = calloc(1, sizeof *j);
	if (!j)
		return -ENOMEM;
	j->how = SYNC_TREE;
	err = sb->sync(sb, &j->fd[0]);
	j->count = err > 0;
	if (err <= 0) {
		job_free(j);
		return err;
	}
	begin(t, c, j);
	return result(t, c);
}
