/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory in and out.
 *
 * Addresses are checked against the mm's VMA store (kernel_ops.access), so EFAULT is known at once. Bytes
 * come from what the stub copied ahead by the call table's argument kinds, else by the short way
 * (process_vm_readv), else by a fetch: the function returns CALL_FETCH, the handler passes it on, and runs
 * again when the stub has brought the bytes. Writes are queued and carried by the stub on the way back, or go
 * the short way when they are big.
 */
#ifndef HUSK_KERNEL_CORE_USERMEM_H
#define HUSK_KERNEL_CORE_USERMEM_H

#include "base/types.h"

struct task;
struct mm;

#define MAX_RW_COUNT 0x7ffff000UL /* bytes that one call moves at most (include/linux/fs.h) */

/* All three return a negative errno (-EFAULT), or CALL_FETCH, to be passed on. */
int user_read(struct task *t, void *to, u64 addr, size_t size);
int user_write(struct task *t, u64 addr, const void *from, size_t size);
/* As much of it as can be read: bytes, more than 0, or negative as above. */
long user_read_part(struct task *t, void *to, u64 addr, size_t size);
/* A string with its NUL: its length without it; -ENAMETOOLONG when no NUL is among the first @size bytes. */
long user_string(struct task *t, char *to, u64 addr, size_t size);

/* How many of @size bytes at @addr may be written (read): for short counts. */
size_t user_writable(struct task *t, u64 addr, size_t size);
size_t user_readable(struct task *t, u64 addr, size_t size);

/* Forgets what the stub copied ahead of the call and what was fetched for it: the next reads see memory as it is now. For
 * calls that went on only after somebody was asked. */
void usermem_stale(struct task *t);

/* For tracing: the first bytes of @size at @addr that can be had without a turn. Never fetches, never fails. */
size_t user_peek(struct task *t, void *to, u64 addr, size_t size);

#define user_get(t, ptr_to_object, addr) user_read(t, ptr_to_object, addr, sizeof *(ptr_to_object))
#define user_put(t, addr, ptr_to_object) user_write(t, addr, ptr_to_object, sizeof *(ptr_to_object))

struct user_iovec {
	u64 base, len;
};

/* A cursor over guest buffers (or one kernel buffer), as file operations see them. */
struct uio {
	struct task *task; /* NULL: kernel memory at .kernel */
	char *kernel;
	const struct user_iovec *iov;
	struct user_iovec one;
	int count;
	size_t at;   /* bytes of iov[0] already used */
	size_t left; /* bytes left in all */
	size_t done;
	bool waits; /* kernel memory that is filled for a call: it can wait for a disk (-EAGAIN) as for guest memory */
	bool quiet; /* whose reader has gone is told by -EPIPE alone, without SIGPIPE */
};

/* One guest buffer, or one kernel buffer (@task NULL, @addr a pointer). */
void uio_init(struct uio *u, struct task *task, u64 addr, size_t size);
/* A vector that was read and checked by uio_read_iovec(); @iov is borrowed. */
void uio_init_iov(struct uio *u, struct task *task, const struct user_iovec *iov, int count);
/* Reads and checks @count iovecs at @addr (readv(2): EINVAL on count, on lengths above SSIZE_MAX in sum;
 * EFAULT). The sum is cut to MAX_RW_COUNT. *out is owned by the caller (free()). Returns the bytes in all, or
 * negative. */
long uio_read_iovec(struct task *t, u64 addr, u64 count, struct user_iovec **out);
/* Moves up to @size bytes and advances. Bytes moved (short when memory ends), or -EFAULT (or CALL_FETCH) when
 * none. @from may be where kernel memory would get them: they are there already. */
long uio_to_user(struct uio *u, const void *from, size_t size);
long uio_from_user(struct uio *u, void *to, size_t size);
/* The same for what comes and goes as a whole: @size bytes, or negative with nothing advanced (of what is written some may
 * be there all the same). */
long uio_to_user_whole(struct uio *u, const void *from, size_t size);
/* How many bytes at most uio_from_user() had best be asked for at once, with uio_ahead() between two of them; 0: any number,
 * and uio_ahead() does nothing. */
size_t uio_pieces(const struct uio *u);
/* Has the guest copy what uio_from_user() will be asked for next, up to @size bytes, while the caller does something else.
 */
void uio_ahead(struct uio *u, size_t size);
/* Zeroes instead of copying. */
long uio_zero(struct uio *u, size_t size);

/* Any address space's memory, by the short way only (ptrace, /proc/PID/cmdline): bytes or -errno. */
long mm_peek(struct mm *mm, void *to, u64 addr, size_t size);

/* For the entry code: */
/* Sends queued writes off with the next resume; true when the thread must run first (then it calls
 * task_return() again). */
bool usermem_flush(struct task *t);
/* Carries out what is queued for the task's memory, writes and operations, and calls then(t): true. False: nothing was, and
 * then() is not called. For who lets others look at the memory before the task goes back. */
bool usermem_settle(struct task *t, void (*then)(struct task *t));
/* Orders the fetch that a CALL_FETCH asked for; when it is there, the call goes on. */
void usermem_fetch(struct task *t);
void usermem_reset(struct task *t);

struct usermem {
	struct chunk *in, *out; /* fetched ranges of this call; writes to be carried */
	struct chunk *out_last;
	u64 want_addr;
	size_t want_size;
	int error;   /* a carried write failed */
	bool queued; /* the stub has writes to carry out */
	void (*settled)(struct task *t);
	bool stale; /* somebody has decided on the call since the stub copied ahead for it: memory may be another by now */
};

#endif
