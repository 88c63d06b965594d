/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading files without the kernel: by the host's own calls, on descriptors that the kernel has given to this process
 * (struct donated_table). A file's offset is that of the host's open file, which nobody else uses meanwhile, so threads and
 * duplicates share it as on Linux. Devices that keep nothing (/dev/null, /dev/zero) need no descriptor.
 *
 * The kernel may take a file back while a thread is here, between its look at the table and its call. Then the call is
 * as if it had been made before, as long as it has had a result there: offsets are taken away by one addition, which
 * puts them where nothing can be read. Whoever has not got a result looks at the table again, and asks the kernel. Of
 * failures, too: it knows Linux's answer.
 */
#include <asm/errno.h>
#include <asm/unistd.h>

#include "stub/stub.h"

#define table ((struct donated_table *)(HUSK_CHAN_BASE + HUSK_DONATED_OFFSET))

#define SEEK_SET  0
#define SEEK_CUR  1
#define SEEK_HOLE 4
#define MAX_IOVS  8

struct iovec {
	u64 base, len;
};

/* The host's descriptor for the guest's @fd, and the word that says so; -1: none. */
static int find(u64 fd, u32 mode, u32 *word)
{
	u32 w, index;

	fd = (u32)fd;
	if (fd >= HUSK_DONATED_FDS)
		return -1;
	w = load(&table->fd[fd]);
	if (!(w & DONATED) || (w & DONATED_AT & ~mode))
		return -1;
	index = w & DONATED_INDEX;
	if (load(&table->ready[index]) != (w & ~DONATED_AT))
		return -1;
	*word = w;
	return (int)(HUSK_DONATED_FD + index);
}

/* Whether the guest's @fd stands for a device that does @what. */
static int is_device(u64 fd, u32 what)
{
	u32 w;

	fd = (u32)fd;
	if (fd >= HUSK_DONATED_FDS)
		return 0;
	w = load(&table->fd[fd]);
	return !(w & DONATED) && (w & what);
}

static int unchanged(u64 fd, u32 word)
{
	return load(&table->fd[(u32)fd % HUSK_DONATED_FDS]) == word;
}

/* Whether the guest could have @size bytes there, and it is not too much for here. */
static int may_read_to(u64 to, u64 size)
{
	return size <= HUSK_DONATED_MAX && to <= HUSK_GUEST_TOP - size;
}

/* A result of the host's: at the end of the file, or is the file another's now? */
static int finish_read(u64 *r, s64 n, u32 word)
{
	if (n < 0 || (!n && !unchanged(r[SREG_RDI], word)))
		return 0;
	r[SREG_RAX] = (u64)n;
	return 1;
}

/* What cannot be written to is the kernel's, from the start. */
static int read_zeros(u64 *r)
{
	if (!is_device(r[SREG_RDI], DEVICE_ZEROS) || stub_zero((void *)r[SREG_RSI], r[SREG_RDX]))
		return 0;
	r[SREG_RAX] = r[SREG_RDX];
	return 1;
}

static int short_read(u64 *r)
{
	u32 word;
	int fd = find(r[SREG_RDI], 0, &word);

	if (!may_read_to(r[SREG_RSI], r[SREG_RDX]))
		return 0;
	if (fd < 0)
		return read_zeros(r);
	return finish_read(r, stub_host_read(fd, r[SREG_RSI], r[SREG_RDX]), word);
}

static int short_pread(u64 *r)
{
	u32 word;
	int fd = find(r[SREG_RDI], DONATED_AT, &word);

	if (fd < 0 || !may_read_to(r[SREG_RSI], r[SREG_RDX]))
		return 0;
	return finish_read(r, stub_host_pread64(fd, r[SREG_RSI], r[SREG_RDX], r[SREG_R10]), word);
}

static int short_readv(u64 *r)
{
	struct iovec iov[MAX_IOVS];
	u64 count = r[SREG_RDX], size = 0;
	u32 word;
	int fd = find(r[SREG_RDI], 0, &word);

	if (fd < 0 || !count || count > MAX_IOVS || !may_read_to(r[SREG_RSI], sizeof iov) ||
	    stub_copy(iov, (void *)r[SREG_RSI], count * sizeof iov[0]))
		return 0;
	for (u64 i = 0; i < count; i++) {
		if (!may_read_to(iov[i].base, iov[i].len))
			return 0;
		size += iov[i].len;
	}
	if (size > HUSK_DONATED_MAX)
		return 0;
	return finish_read(r, stub_host_readv(fd, iov, count), word);
}

static int short_lseek(u64 *r)
{
	u32 word, whence = (u32)r[SREG_RDX];
	int fd = find(r[SREG_RDI], 0, &word);
	s64 pos;

	if (fd < 0 || whence > SEEK_HOLE || (whence == SEEK_SET && (s64)r[SREG_RSI] >= HUSK_DONATED_BEYOND))
		return 0;
	pos = stub_host_lseek(fd, (s64)r[SREG_RSI], whence);
	if (!unchanged(r[SREG_RDI], word)) {
		/* A step from where the offset was before it was taken is done; all else is to be done again. */
		if (whence != SEEK_CUR || pos < 0 || pos >= HUSK_DONATED_BEYOND)
			return 0;
	} else if (pos < 0 && pos != -EINVAL && pos != -ENXIO) {
		return 0;
	}
	r[SREG_RAX] = (u64)pos;
	return 1;
}

/* Nobody looks at the bytes. */
static int short_write(u64 *r)
{
	if (!is_device(r[SREG_RDI], DEVICE_SINK) || !may_read_to(r[SREG_RSI], r[SREG_RDX]))
		return 0;
	r[SREG_RAX] = r[SREG_RDX];
	return 1;
}

int stub_short_donated(u64 *r, u64 nr)
{
	switch (nr) {
	case __NR_write:
		return short_write(r);
	case __NR_read:
		return short_read(r);
	case __NR_pread64:
		return short_pread(r);
	case __NR_readv:
		return short_readv(r);
	}
	return short_lseek(r);
}

void stub_donate(u32 index, int fd, u32 word)
{
	if (fd < 0 || index >= HUSK_NR_DONATED)
		return;
	if (stub_host_dup2(fd, (int)(HUSK_DONATED_FD + index)) >= 0)
		store(&table->ready[index], word);
}

void stub_close_donated(u32 first, u32 last)
{
	if (last >= HUSK_NR_DONATED)
		return;
	if (first < last && !stub_host_close_range(HUSK_DONATED_FD + first, HUSK_DONATED_FD + last, 0))
		return;
	for (u32 i = first; i <= last; i++)
		stub_host_close((int)(HUSK_DONATED_FD + i));
}
