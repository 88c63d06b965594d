/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory in and out: see usermem.h for the ways that bytes take. */
#include "core/usermem.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/task.h"
#include "core/tracer.h"

#define BIG_WRITE 8192 /* from here on one process_vm_writev() is cheaper than pieces through the slot */

/* A range of guest memory held by the kernel: fetched for this call, or to be written. */
struct chunk {
	struct chunk *next;
	u64 addr;
	size_t size, at; /* at: bytes already fetched, or already carried */
	bool paged;      /* is fetched page by page, because some of it cannot be read */
	bool bad;        /* cannot be read from there on */
	char data[];
};

static struct chunk *chunk_new(u64 addr, size_t size)
{
	struct chunk *c = malloc(sizeof *c + size);

	if (c)
		*c = (struct chunk){.addr = addr, .size = size};
	return c;
}

static void chunks_free(struct chunk *c)
{
	while (c) {
		struct chunk *next = c->next;

		free(c);
		c = next;
	}
}

void usermem_reset(struct task *t)
{
	if (t->mem.in || t->mem.out) {
		chunks_free(t->mem.in);
		chunks_free(t->mem.out);
	}
	memset(&t->mem, 0, sizeof t->mem);
}

void usermem_stale(struct task *t)
{
	chunks_free(t->mem.in);
	t->mem.in = NULL;
	t->mem.stale = true;
}

/* ---- in ---- */

static struct chunk *find_fetched(struct task *t, u64 addr)
{
	for (struct chunk *c = t->mem.in; c; c = c->next)
		if (addr - c->addr < c->size)
			return c;
	return NULL;
}

/* Bytes from the start of [addr, addr+size), as the guest's memory holds them: more than 0, or -EFAULT or CALL_FETCH. */
static long read_raw(struct task *t, void *to, u64 addr, size_t size)
{
	const struct trap_ops *trap = t->k->trap_ops;
	struct chunk *c = find_fetched(t, addr);
	u64 ok = size;
	size_t n;
	long got;

	/* Before the look at what the stub copied: what it could not read has room there, too. */
	if (c && c->bad && addr - c->addr >= c->at)
		return -EFAULT;
	n = t->mem.stale ? 0 : trap->precopied(t->thread, to, addr, size);
	if (n)
		return (long)n;
	if (c) {
		n = min(size, (c->bad ? c->at : c->size) - (addr - c->addr));
		memcpy(to, c->data + (addr - c->addr), n);
		return (long)n;
	}
	if (t->k->ops.access(t, addr, size, false, &ok) && !ok)
		return -EFAULT;
	size = min(size, (size_t)ok);
	got = size > trap->direct_max(t->k->trap) ? -ENOSYS : trap->read(t->thread->space, to, addr, size);
	if (got > 0)
		return got;
	if (got != -ENOSYS)
		return -EFAULT;
	t->mem.want_addr = addr;
	t->mem.want_size = size;
	return CALL_FETCH;
}

/* The same as the guest sees them: its own code where a patched copy of it is mapped. */
static long read_some(struct task *t, void *to, u64 addr, size_t size)
{
	long n = read_raw(t, to, addr, size);

	if (n > 0 && t->k->ops.code_shown)
		t->k->ops.code_shown(t->mm, to, addr, (size_t)n);
	return n;
}

long user_read_part(struct task *t, void *to, u64 addr, size_t size)
{
	size_t done = 0;

	while (done < size) {
		long n = read_some(t, (char *)to + done, addr + done, size - done);

		if (n < 0)
			return done && n == -EFAULT ? (long)done : n;
		done += (size_t)n;
	}
	return (long)done;
}

int user_read(struct task *t, void *to, u64 addr, size_t size)
{
	long n = size ? user_read_part(t, to, addr, size) : 0;

	return n < 0 ? (int)n : (size_t)n < size ? -EFAULT : 0;
}

long user_string(struct task *t, char *to, u64 addr, size_t size)
{
	size_t len = 0;

	while (len < size) {
		size_t piece = min(size - len, PAGE_SIZE - (addr + len) % PAGE_SIZE);
		long n = read_some(t, to + len, addr + len, piece);
		char *end;

		if (n < 0)
			return n;
		end = memchr(to + len, 0, (size_t)n);
		if (end)
			return end - to;
		len += (size_t)n;
	}
	return -ENAMETOOLONG;
}

size_t user_peek(struct task *t, void *to, u64 addr, size_t size)
{
	const struct trap_ops *trap = t->k->trap_ops;
	size_t done = 0;

	while (t->thread && done < size) {
		size_t n = trap->precopied(t->thread, (char *)to + done, addr + done, size - done);
		long got;

		if (!n) {
			got = trap->read(t->thread->space, (char *)to + done, addr + done, size - done);
			if (got <= 0)
				break;
			n = (size_t)got;
		}
		done += n;
	}
	return done;
}

static void fetch_piece(struct task *t);

/* How much is asked for next. */
static size_t piece_of(const struct chunk *c)
{
	u64 addr = c->addr + c->at;

	return min(c->size - c->at, c->paged ? PAGE_SIZE - addr % PAGE_SIZE : TRAP_COPY_MAX);
}

/* The stub has brought a piece, or could not: then what lies in front of the page that cannot be read is looked for. */
static void fetched(void *arg, long result)
{
	struct task *t = arg;
	struct chunk *c = t->mem.in;
	size_t piece = piece_of(c);
	bool came = result >= 0 &&
		    t->k->trap_ops->precopied(t->thread, c->data + c->at, c->addr + c->at, piece) == piece;

	if (came)
		c->at += piece;
	else if (c->paged)
		c->bad = true;
	c->paged = c->paged || !came;
	if (c->bad || c->at == c->size)
		task_run(t);
	else
		fetch_piece(t);
}

/* What the call has written so far is carried: now there is room. */
static void made_room(void *arg, long result)
{
	struct task *t = arg;

	if (result < 0)
		t->mem.error = (int)result;
	fetch_piece(t);
}

static void fetch_piece(struct task *t)
{
	const struct trap_ops *trap = t->k->trap_ops;
	struct chunk *c = t->mem.in;
	int r = trap->copy_in(t->thread, c->addr + c->at, piece_of(c));

	trap->run(t->thread, r < 0 ? made_room : fetched, t);
}

void usermem_fetch(struct task *t)
{
	struct chunk *c = chunk_new(t->mem.want_addr, t->mem.want_size);

	if (!c) {
		call_finish(t, -ENOMEM);
		return;
	}
	c->next = t->mem.in;
	t->mem.in = c;
	fetch_piece(t);
}

/* ---- out ---- */

static int queue_write(struct task *t, u64 addr, const void *from, size_t size)
{
	struct chunk *c = chunk_new(addr, size);

	if (!c)
		return -ENOMEM;
	memcpy(c->data, from, size);
	if (t->mem.out)
		t->mem.out_last->next = c;
	else
		t->mem.out = c;
	t->mem.out_last = c;
	return 0;
}

int user_write(struct task *t, u64 addr, const void *from, size_t size)
{
	const struct trap_ops *trap = t->k->trap_ops;
	u64 ok;

	if (!size)
		return 0;
	if (t->k->ops.access(t, addr, size, true, &ok))
		return -EFAULT;
	if (t->k->tracer)
		t->k->tracer->wrote(t->k->tracer, t, addr, from, size);
	/* Who traces the task looks at its memory before the stub has a turn. */
	if (!t->mem.out && (t->trace || (size >= BIG_WRITE && size <= trap->direct_max(t->k->trap))) &&
	    !trap->ops_pending(t->thread->space)) {
		long n = trap->write(t->thread->space, addr, from, size);

		if (n == (long)size)
			return 0;
		if (n != -ENOSYS)
			return -EFAULT;
	}
	if (!t->mem.out) {
		size_t n = trap->copy_out(t->thread, addr, from, size);

		t->mem.queued = true;
		if (n == size)
			return 0;
		addr += n;
		from = (const char *)from + n;
		size -= n;
	}
	return queue_write(t, addr, from, size);
}

static void flushed(void *arg, long result)
{
	struct task *t = arg;

	if (result < 0)
		t->mem.error = (int)result;
	task_return(t);
}

/* Gives the stub as much as it takes: true when that is all. */
static bool push(struct task *t)
{
	struct usermem *m = &t->mem;

	while (m->out) {
		struct chunk *c = m->out;
		size_t n = t->k->trap_ops->copy_out(t->thread, c->addr + c->at, c->data + c->at,
						    c->size - c->at);

		if (!n)
			return false;
		m->queued = true;
		c->at += n;
		if (c->at == c->size) {
			m->out = c->next;
			free(c);
		}
	}
	return true;
}

bool usermem_flush(struct task *t)
{
	if (push(t))
		return false;
	t->k->trap_ops->run(t->thread, flushed, t);
	return true;
}

static void settle_ran(void *arg, long result)
{
	struct task *t = arg;

	t->mem.queued = false;
	if (result < 0 && t->returning_call)
		task_regs(t)->rax = (u64)(result == -EFAULT ? result : t->k->ops.op_refused(t, result));
	else if (result < 0)
		t->k->ops.force_signal(t, SIGSEGV, SEGV_MAPERR, 0);
	if (t->mem.out && result >= 0) {
		push(t);
		t->k->trap_ops->run(t->thread, settle_ran, t);
		return;
	}
	t->mem.settled(t);
}

bool usermem_settle(struct task *t, void (*then)(struct task *t))
{
	push(t);
	if (!t->mem.queued && !t->k->trap_ops->ops_pending(t->thread->space))
		return false;
	t->mem.settled = then;
	t->k->trap_ops->run(t->thread, settle_ran, t);
	return true;
}

size_t user_writable(struct task *t, u64 addr, size_t size)
{
	u64 ok;

	return t->k->ops.access(t, addr, size, true, &ok) ? (size_t)ok : size;
}

size_t user_readable(struct task *t, u64 addr, size_t size)
{
	u64 ok;

	return t->k->ops.access(t, addr, size, false, &ok) ? (size_t)ok : size;
}
