/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channel regions: made, emptied, and kept for the next process.
 *
 * Making one costs a dozen host calls and the faults on its pages, so that one is used again where that gives nobody a
 * power over a stranger's channel. Its descriptors go to the child by way of the parent's stub, and a lying parent
 * keeps them; so what the child of a guest process leaves is used for that parent's next child alone, which gives the
 * parent no more than it would have had anyway. What the zygote's children leave is used for any of them. A process
 * that has forked leaves none: a lying child of its own keeps it mapped.
 */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_KEPT  8       /* regions in all pools together */
#define KEEP_DATA 0x20000 /* bytes that are kept, zeroed, rather than given back to the host */

#define FIRST_PAGES (2 * HUSK_SLOT_SIZE / PAGE_SIZE) /* of the ready words and the first thread's slot */

/* A doorbell only wakes; the ready words say who rang. Each ring is an edge, whether the ones before were read or not. A
 * guest that fills the counter silences its own bell, nobody else's. */
static void bell_rang(struct watch *w, u32 events)
{
}

static void close_valid(int fd)
{
	if (fd >= 0)
		close(fd);
}

void region_free(struct region *r)
{
	watch_del(&r->watch);
	if (r->base)
		munmap(r->base, HUSK_CHAN_SIZE);
	close_valid(r->bell);
	close_valid(r->fd);
	close_valid(r->socket);
	close_valid(r->guest_socket);
	free(r);
}

/* The pages that a space's first thread will use are touched here, off the path of a waiting clone. */
static void touch(char *base)
{
	memset(base, 0, sizeof(struct region_header));
	memset(base + HUSK_SLOT_SIZE, 0, sizeof(struct slot));
	memset(base + HUSK_SLOT_SIZE + HUSK_IN_OFFSET - PAGE_SIZE, 0, PAGE_SIZE);
	memset(base + HUSK_SLOT_SIZE + HUSK_STACK_TOP - PAGE_SIZE, 0, PAGE_SIZE);
}

int region_new(struct strap *t, struct region **out)
{
	struct region *r = calloc(1, sizeof *r);
	int err, pair[2];
	void *base;

	if (!r)
		return -ENOMEM;
	r->bell = r->socket = r->guest_socket = -1;
	r->fd = memfd_create("husk-channel", MFD_CLOEXEC);
	if (r->fd < 0 || ftruncate(r->fd, (off_t)t->nslots * HUSK_SLOT_SIZE) < 0)
		goto fail;
	base = mmap(NULL, HUSK_CHAN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, r->fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	r->base = base;
	r->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->bell < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		goto fail;
	r->socket = pair[0];
	r->guest_socket = pair[1];
	err = watch_add(t->poller, &r->watch, (struct hostfd){r->bell}, EPOLLIN | EPOLLET, bell_rang);
	if (err) {
		errno = -err;
		goto fail;
	}
	touch(r->base);
	*out = r;
	return 0;
fail:
	err = -errno;
	region_free(r);
	return err;
}

/* Zeroes what a process with one thread has used, in two calls. False: there may be more. */
static bool empty_first(struct region *r)
{
	u8 there[FIRST_PAGES];
	struct stat st;
	blkcnt_t blocks = 0;

	if (mincore(r->base, sizeof there * PAGE_SIZE, there) || fstat(r->fd, &st))
		return false;
	for (size_t i = 0; i < sizeof there; i++)
		blocks += there[i] & 1 ? PAGE_SIZE / 512 : 0;
	if (st.st_blocks != blocks)
		return false;
	for (size_t i = 0; i < sizeof there; i++)
		if (there[i] & 1)
			memset(r->base + i * PAGE_SIZE, 0, PAGE_SIZE);
	return true;
}

/* What passed through a region is nothing for the next process. False when it cannot be emptied. */
static bool empty(struct region *r)
{
	off_t at = 0, end, data = 0;
	int unread = 0;
	u64 rings;

	(void)!read(r->bell, &rings, sizeof rings);
	if (r->guest_socket < 0 || ioctl(r->socket, TIOCOUTQ, &unread) < 0 || unread)
		return false;
	if (empty_first(r))
		return true;
	while ((at = lseek(r->fd, at, SEEK_DATA)) >= 0) {
		end = lseek(r->fd, at, SEEK_HOLE);
		data += end - at;
		if (end < 0 || data > KEEP_DATA)
			return fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					 HUSK_CHAN_SIZE) == 0;
		memset(r->base + at, 0, (size_t)(end - at));
		at = end;
	}
	return errno == ENXIO;
}

struct region_pool *region_pool_new(struct strap *t)
{
	struct region_pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return NULL;
	pool->trap = t;
	pool->refs = 1;
	list_init(&pool->regions);
	return pool;
}

struct region_pool *region_pool_get(struct region_pool *pool)
{
	pool->refs++;
	return pool;
}

struct region *region_take(struct region_pool *pool)
{
	struct region *r;

	if (list_empty(&pool->regions))
		return NULL;
	r = list_first(&pool->regions, struct region, node);
	list_del(&r->node);
	pool->trap->nkept--;
	return r;
}

void region_pool_close(struct region_pool *pool)
{
	struct region *r;

	pool->closed = true;
	while ((r = region_take(pool)))
		region_free(r);
	region_pool_put(pool);
}

void region_pool_put(struct region_pool *pool)
{
	if (!--pool->refs)
		free(pool);
}

void region_put(struct region *r, struct region_pool *pool)
{
	if (!pool || pool->closed || pool->trap->nkept >= MAX_KEPT || !empty(r)) {
		region_free(r);
		return;
	}
	list_add(&pool->regions, &r->node);
	pool->trap->nkept++;
}
