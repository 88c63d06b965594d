/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a sandbox at its end: what guests changed, how the first program ended, what it took. */
#include "boot/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "vfs/inode.h"

struct lines {
	char **line;
	size_t count, room;
};

/* Names may hold anything: a newline, another control character or a backslash is shown in octal. */
static int add_change(void *arg, char what, const char *path)
{
	struct lines *l = arg;
	char *line = malloc(4 * strlen(path) + 3), *to = line;

	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		char **more = realloc(l->line, room * sizeof *more);

		if (!more) {
			free(line);
			return -ENOMEM;
		}
		l->line = more;
		l->room = room;
	}
	if (!line)
		return -ENOMEM;
	*to++ = what;
	*to++ = ' ';
	for (; *path; path++) {
		if ((u8)*path < ' ' || *path == '\\' || *path == 127)
			to += sprintf(to, "\\%03o", (u8)*path);
		else
			*to++ = *path;
	}
	*to = 0;
	l->line[l->count++] = line;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a + 2, *(char *const *)b + 2);
}

void sandbox_collect_changes(struct sandbox *s)
{
	struct lines l = {0};
	size_t size = 0;
	char *text = NULL, *to;
	int err = vfs_changes(&s->k, add_change, &l);

	if (l.count)
		qsort(l.line, l.count, sizeof *l.line, by_path);
	for (size_t i = 0; i < l.count; i++)
		size += strlen(l.line[i]) + 1;
	to = text = err ? NULL : malloc(size + 1);
	for (size_t i = 0; i < l.count; i++) {
		if (text) {
			to = stpcpy(to, l.line[i]);
			*to++ = '\n';
		}
		free(l.line[i]);
	}
	free(l.line);
	if (text)
		*to = 0;
	s->result->changes = text;
	s->result->changes_error = err ? err : text ? 0 : -ENOMEM;
}

void sandbox_fill_result(struct sandbox *s)
{
	struct sandbox_result *r = s->result;
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	r->cpu_ns = (u64)(self.ru_utime.tv_sec + self.ru_stime.tv_sec + children.ru_utime.tv_sec +
			  children.ru_stime.tv_sec) *
			    1000000000 +
		    (u64)(self.ru_utime.tv_usec + self.ru_stime.tv_usec + children.ru_utime.tv_usec +
			  children.ru_stime.tv_usec) *
			    1000;
	r->peak_bytes = (u64)children.ru_maxrss * 1024;
	r->status = s->k.exit_status;
	r->reason = s->k.reason;
	if (r->started && !strcmp(r->reason, "exited") && WIFSIGNALED(r->status))
		r->reason = "signaled";
	r->stats = s->k.stats;
	for (size_t i = 0; i < HUSK_NR_CALLS; i++)
		r->calls += s->k.stats.calls[i];
}
