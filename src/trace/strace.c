/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strace printer, driven by the call table alone.
 *
 * What a call reads is taken when it enters (an execve leaves nothing to look at afterwards), what it writes
 * is taken as it writes it, for the bytes reach guest memory only on the way back. The line is printed when
 * the call ends, or, when it never does, as the thread ends.
 */
#include "trace/strace.h"

#include "core/task.h"
#include "trace/strace_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define KEPT_BYTES 512 /* of each write by a call */

struct strace {
	struct tracer tracer;
	int out, error; /* error: the first that writing met */
	struct list pending;
	struct line line, part;
};

/* ---- what calls write ---- */

static struct pending *find_pending(struct strace *s, struct task *t)
{
	struct pending *p;

	list_for_each (p, &s->pending, node)
		if (p->task == t)
			return p;
	return NULL;
}

static void pending_free(struct pending *p)
{
	while (p->written) {
		struct written *w = p->written;

		p->written = w->next;
		free(w);
	}
	for (int i = 0; i < 6; i++)
		free(p->in[i]);
	list_del(&p->node);
	free(p);
}

static void strace_wrote(struct tracer *tr, struct task *t, u64 addr, const void *from, size_t size)
{
	struct pending *p = find_pending((struct strace *)tr, t);
	struct written *w;

	size = min(size, (size_t)KEPT_BYTES);
	w = p ? malloc(sizeof *w + size) : NULL;
	if (!w)
		return;
	w->next = NULL;
	w->addr = addr;
	w->size = size;
	memcpy(w->bytes, from, size);
	*p->last = w;
	p->last = &w->next;
}

/* ---- lines ---- */

static void line_begin(struct strace *s, const struct task *t)
{
	line_clear(&s->line);
	line_add(&s->line, "[pid %5d] ", t->tid);
}

static void line_end(struct strace *s)
{
	int error = line_write(&s->line, s->out);

	if (!s->error)
		s->error = error;
}

static void strace_enter(struct tracer *tr, struct task *t)
{
	struct strace *s = (struct strace *)tr;
	const struct call_entry *e = &call_table[t->call.nr];
	struct pending *p = calloc(1, sizeof *p);

	if (!p)
		return;
	p->task = t;
	p->last = &p->written;
	list_add(&s->pending, &p->node);
	for (int i = 0; i < e->nargs; i++) {
		int kind = e->args[i].kind;

		/* A pollfd array says more at the end. */
		if (strace_known_at_end(kind) || (kind == ARG_IN_ARRAY && e->args[i].ref == STRUCT_pollfd))
			continue;
		line_clear(&s->part);
		strace_argument(&s->part, p, &t->call, &e->args[i], i, 0, false);
		p->in[i] = strndup(s->part.text, s->part.used);
	}
}

/* The call and its arguments, up to the closing bracket. */
static void line_call(struct strace *s, struct pending *p, long result, bool ended)
{
	const struct call *c = &p->task->call;
	const struct call_entry *e = &call_table[c->nr];
	int used = strace_arguments_used(e, c);

	line_begin(s, p->task);
	if (!e->name) {
		line_add(&s->line, "syscall_%#llx(", (unsigned long long)task_regs(p->task)->orig_rax);
		return;
	}
	line_add(&s->line, "%s(", e->name);
	for (int i = 0; i < used; i++) {
		line_add(&s->line, i ? ", " : "");
		if (p->in[i])
			line_add(&s->line, "%s", p->in[i]);
		else
			strace_argument(&s->line, p, c, &e->args[i], i, result, ended);
	}
}

/* Calls whose result is an address or permission bits. */
static const char *result_format(u32 nr)
{
	switch (nr) {
	case 9:  /* mmap */
	case 12: /* brk */
	case 25: /* mremap */
		return "%#lx";
	case 95: /* umask */
		return "%#lo";
	}
	return "%ld";
}

static void line_result(struct line *l, const struct call *c, long result)
{
	const char *name = result < 0 && result >= -4095 ? errno_name((int)-result) : NULL;

	if (result == CALL_NORETURN) {
		line_add(l, "0");
	} else if (result <= -512 && name) {
		line_add(l, "? %s (%s)", name,
			 result == -512 ? "To be restarted if SA_RESTART is set" : "To be restarted");
	} else if (name) {
		line_add(l, "-1 %s (%s)", name, strerror((int)-result));
	} else {
		line_add(l, result_format(c->nr), result);
		if (!result && (c->nr == 7 || c->nr == 23 || c->nr == 270 || c->nr == 271))
			line_add(l, " (Timeout)");
	}
}

static void strace_exit(struct tracer *tr, struct task *t, long result)
{
	struct strace *s = (struct strace *)tr;
	struct pending *p = find_pending(s, t);

	if (!p)
		return;
	line_call(s, p, result, true);
	line_add(&s->line, ")%*s = ", s->line.used < 40 ? (int)(39 - s->line.used) : 0, "");
	line_result(&s->line, &t->call, result);
	line_end(s);
	pending_free(p);
}

static void strace_started(struct tracer *tr, struct task *t, const char *path, char *const argv[],
			   char *const envp[])
{
	struct strace *s = (struct strace *)tr;
	int nvars = 0;

	while (envp && envp[nvars])
		nvars++;
	line_begin(s, t);
	line_add(&s->line, "execve(");
	line_quote(&s->line, path, strlen(path), false);
	for (int i = 0; argv[i]; i++) {
		line_add(&s->line, i ? ", " : ", [");
		line_quote(&s->line, argv[i], strlen(argv[i]), false);
	}
	line_add(&s->line, "], [/* %d vars */]) = 0", nvars);
	line_end(s);
}

static void strace_signal(struct tracer *tr, struct task *t, const siginfo_t *info)
{
	struct strace *s = (struct strace *)tr;

	line_begin(s, t);
	line_add(&s->line, "--- ");
	line_signal(&s->line, info->si_signo);
	line_add(&s->line, " ");
	line_siginfo(&s->line, info);
	line_add(&s->line, " ---");
	line_end(s);
}

static void strace_end(struct tracer *tr, struct task *t, int status)
{
	struct strace *s = (struct strace *)tr;
	struct pending *p = find_pending(s, t);

	if (p) {
		line_call(s, p, 0, false);
		line_add(&s->line, ")%*s = ?", s->line.used < 40 ? (int)(39 - s->line.used) : 0, "");
		line_end(s);
		pending_free(p);
	}
	line_begin(s, t);
	if (WIFEXITED(status)) {
		line_add(&s->line, "+++ exited with %d +++", WEXITSTATUS(status));
	} else {
		line_add(&s->line, "+++ killed by ");
		line_signal(&s->line, WTERMSIG(status));
		line_add(&s->line, WCOREDUMP(status) ? " (core dumped) +++" : " +++");
	}
	line_end(s);
}

struct tracer *strace_new(struct hostfd out)
{
	struct strace *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->tracer = (struct tracer){.started = strace_started,
				    .enter = strace_enter,
				    .exit = strace_exit,
				    .wrote = strace_wrote,
				    .signal = strace_signal,
				    .end = strace_end};
	s->out = out.fd;
	list_init(&s->pending);
	return &s->tracer;
}

int strace_free(struct tracer *tr)
{
	struct strace *s = (struct strace *)tr;
	int error = s ? s->error : 0;

	while (s && !list_empty(&s->pending))
		pending_free(container_of(s->pending.next, struct pending, node));
	free(s);
	return error;
}
