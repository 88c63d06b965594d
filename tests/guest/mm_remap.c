/* SPDX-License-Identifier: Apache-2.0 */
/* mremap: growing, shrinking, moving, keeping the old place, doubling shared mappings, errors in Linux's
 * order. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE 4096UL
#define RW   (PROT_READ | PROT_WRITE)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static char *map(size_t pages, int flags)
{
	char *p = mmap(NULL, pages * PAGE, RW, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static int mapped(char *p)
{
	unsigned char vec;

	return mincore(p, PAGE, &vec) == 0;
}

/* @pages at the start of a range that is otherwise free. */
static char *with_room(size_t pages, size_t room)
{
	char *p = map(pages + room, MAP_PRIVATE);

	CHECK_OK(munmap(p + pages * PAGE, room * PAGE));
	return p;
}

static void in_place(void)
{
	char *p = with_room(2, 6), *q;

	memset(p, 1, 2 * PAGE);
	q = mremap(p, 2 * PAGE, 4 * PAGE, 0);
	CHECK(q == p);
	CHECK_EQ(p[2 * PAGE - 1], 1);
	CHECK_EQ(p[4 * PAGE - 1], 0);
	p[4 * PAGE - 1] = 4;
	q = mremap(p, 4 * PAGE, PAGE, 0);
	CHECK(q == p);
	CHECK(!mapped(p + PAGE));
	CHECK_EQ(p[0], 1);
	/* Nothing behind it is free. */
	q = mmap(p + PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(q == p + PAGE);
	CHECK_ERRNO(mremap(p, PAGE, 2 * PAGE, 0), ENOMEM);
	q = mremap(p, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	CHECK_EQ(q[0], 1);
	CHECK_EQ(q[3 * PAGE - 1], 0);
	CHECK(!mapped(p));
	CHECK_OK(munmap(q, 3 * PAGE));
	CHECK_OK(munmap(p + PAGE, PAGE));
}

static void fixed(void)
{
	char *p = map(4, MAP_PRIVATE), *to = map(8, MAP_PRIVATE), *q;

	memset(p, 3, 4 * PAGE);
	memset(to, 5, 8 * PAGE);
	q = mremap(p, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 2 * PAGE);
	CHECK(q == to + 2 * PAGE);
	CHECK_EQ(to[2 * PAGE - 1], 5);
	CHECK_EQ(to[2 * PAGE], 3);
	CHECK_EQ(to[4 * PAGE], 5);
	CHECK(!mapped(p) && !mapped(p + 3 * PAGE));
	/* The middle of one mapping into another. */
	q = mremap(to + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 6 * PAGE);
	CHECK(q == to + 6 * PAGE);
	CHECK(!mapped(to + PAGE));
	CHECK_EQ(to[0] + to[7 * PAGE], 10);
	CHECK_OK(munmap(to, 8 * PAGE));
}

static void dont_unmap(void)
{
	char *p = map(2, MAP_PRIVATE), *q;

	p[0] = 9;
	q = mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK(q != MAP_FAILED && q != p);
	CHECK_EQ(q[0], 9);
	CHECK_EQ(p[0], 0);
	CHECK_OK(munmap(p, 2 * PAGE));
	CHECK_OK(munmap(q, 2 * PAGE));
}

static void shared(void)
{
	char *p = map(2, MAP_SHARED), *q;

	p[0] = 1;
	q = mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	q[0] = 2;
	CHECK_EQ(p[0], 2);
	CHECK_OK(munmap(p, 2 * PAGE));
	CHECK_EQ(q[0], 2);
	CHECK_OK(munmap(q, 2 * PAGE));
}

static void of_file(void)
{
	char name[] = "/tmp/mm_remap_XXXXXX", *p, *q;
	int fd = mkstemp(name), i;

	unlink(name);
	CHECK_OK(ftruncate(fd, 4 * PAGE));
	for (i = 0; i < 4; i++)
		CHECK_EQ(pwrite(fd, &"abcd"[i], 1, i * (off_t)PAGE), 1);
	p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, PAGE);
	close(fd);
	CHECK_EQ(p[0], 'b');
	q = mremap(p, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	CHECK_EQ(q[0], 'b');
	CHECK_EQ(q[2 * PAGE], 'd');
	CHECK_OK(munmap(q, 3 * PAGE));
}

static void errors(void)
{
	char *p = map(4, MAP_PRIVATE);

	CHECK_ERRNO(mremap(p, PAGE, PAGE, 8), EINVAL);
	CHECK_ERRNO(mremap(p, PAGE, PAGE, MREMAP_FIXED, p), EINVAL);
	CHECK_ERRNO(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
	CHECK_ERRNO(mremap(p + 1, PAGE, PAGE, MREMAP_MAYMOVE), EINVAL);
	CHECK_ERRNO(mremap(p, PAGE, 0, MREMAP_MAYMOVE), EINVAL);
	CHECK_ERRNO(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 1), EINVAL);
	CHECK_ERRNO(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE), EINVAL);
	CHECK_ERRNO(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(1UL << 60)), EINVAL);
	CHECK_ERRNO(mremap(p, 0, PAGE, MREMAP_MAYMOVE), EINVAL);
	CHECK_OK(munmap(p + 2 * PAGE, PAGE));
	CHECK_ERRNO(mremap(p + 2 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERRNO(mremap(p, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE), EFAULT);
	CHECK_OK(munmap(p, 4 * PAGE));
}

/* As realloc() does with a growing block. */
static void grow_often(void)
{
	size_t pages = 1;
	char *p = map(1, MAP_PRIVATE);

	p[0] = 1;
	while (pages < 512) {
		char *q = mremap(p, pages * PAGE, (pages + 7) * PAGE, MREMAP_MAYMOVE);

		CHECK(q != MAP_FAILED);
		if (q == MAP_FAILED)
			return;
		p = q;
		pages += 7;
		CHECK_EQ(p[0], 1);
		CHECK_EQ(p[pages * PAGE - 1], 0);
		p[pages * PAGE - 1] = 2;
		if (pages % 3 == 0)
			map(1, MAP_PRIVATE); /* something in the way */
	}
	CHECK_OK(munmap(p, pages * PAGE));
}

int main(void)
{
	in_place();
	fixed();
	dont_unmap();
	shared();
	of_file();
	errors();
	grow_often();
	return check_done();
}
