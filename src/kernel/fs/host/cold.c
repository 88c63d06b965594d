/* SPDX-License-Identifier: Apache-2.0 */
/* Cold reads of host files by helper threads: preadv2(2) with RWF_NOWAIT tells which are cold. */
#include "fs/host/cold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/helper.h"
#include "core/kernel.h"

/* What the helper reads into its own buffer, so that the host has it in memory. */
struct cold_job {
	struct job job;
	struct cold *cold; /* NULL: the file was closed meanwhile */
	int fd;            /* owned */
	u64 offset;
	size_t size;
	char buf[];
};

static void read_ahead(struct job *job)
{
	struct cold_job *j = container_of(job, struct cold_job, job);

	(void)!pread(j->fd, j->buf, j->size, (off_t)j->offset);
}

static void read_done(struct job *job)
{
	struct cold_job *j = container_of(job, struct cold_job, job);
	struct cold *c = j->cold;

	close(j->fd);
	free(j);
	if (!c)
		return;
	c->job = NULL;
	c->warmed = true;
	wake_all(&c->wait);
}

void cold_init(struct cold *c)
{
	*c = (struct cold){0};
	wait_queue_init(&c->wait);
}

void cold_end(struct cold *c)
{
	if (c->job)
		c->job->cold = NULL;
}

/* Hands the read to a helper: false when it cannot be. */
static bool submit(struct kernel *k, struct cold *c, struct hostfd fd, size_t size, u64 offset)
{
	struct cold_job *j = k->helpers ? malloc(sizeof *j + size) : NULL;

	if (!j)
		return false;
	*j = (struct cold_job){
		.job = {.work = read_ahead, .done = read_done}, .cold = c, .offset = offset, .size = size};
	j->fd = fcntl(fd.fd, F_DUPFD_CLOEXEC, 3);
	if (j->fd < 0) {
		free(j);
		return false;
	}
	c->job = j;
	job_submit(k, &j->job);
	return true;
}

long cold_pread(struct kernel *k, struct cold *c, struct hostfd fd, void *buf, size_t size, u64 offset)
{
	struct iovec iov = {buf, size};
	bool warmed = c->warmed;
	ssize_t n;

	if (c->job)
		return -EAGAIN;
	c->warmed = false;
	n = preadv2(fd.fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
	if (n >= 0)
		return n;
	if (errno == EAGAIN && !warmed && submit(k, c, fd, size, offset))
		return -EAGAIN;
	n = pread(fd.fd, buf, size, (off_t)offset);
	return n < 0 ? -errno : n;
}
