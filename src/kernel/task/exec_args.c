/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strings of an execve: reading them from the caller, their limits, and what a script's first line adds.
 *
 * Reading may be broken off by CALL_FETCH between any two strings: what has been read stays in struct exec,
 * and the next call goes on behind it. Strings mostly lie together, so guest memory is read by pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "task/exec.h"

/* ---- reading ---- */

/* The page at @page into *bytes: borrowed until the next one is loaded. */
static int load_page(struct task *t, struct exec *e, u64 page, const char **bytes)
{
	struct exec_page found;
	int i = 0, err = 0;

	while (i < EXEC_PAGES - 1 && e->pages[i].addr != page)
		i++;
	found = e->pages[i];
	if (found.addr != page) {
		if (!found.bytes)
			found.bytes = malloc(PAGE_SIZE);
		err = found.bytes ? user_read(t, found.bytes, page, PAGE_SIZE) : -ENOMEM;
		found.addr = err ? ~0UL : page;
	}
	memmove(e->pages + 1, e->pages, (size_t)i * sizeof found);
	e->pages[0] = found;
	*bytes = found.bytes;
	return err;
}

static int read_pointer(struct task *t, struct exec *e, u64 addr, u64 *out)
{
	const char *bytes;
	int err;

	if (addr % PAGE_SIZE > PAGE_SIZE - sizeof *out)
		return user_get(t, out, addr);
	err = load_page(t, e, align_down(addr, PAGE_SIZE), &bytes);
	if (!err)
		memcpy(out, bytes + addr % PAGE_SIZE, sizeof *out);
	return err;
}

static int reserve(struct exec_strings *s, size_t more)
{
	size_t room = max(s->room, (size_t)1024);
	char *bytes;

	if (s->used + more <= s->room)
		return 0;
	while (room < s->used + more)
		room *= 2;
	bytes = realloc(s->bytes, room);
	if (!bytes)
		return -ENOMEM;
	s->bytes = bytes;
	s->room = room;
	return 0;
}

int exec_add_string(struct exec_strings *s, const char *string, size_t len)
{
	int err = reserve(s, len + 1);

	if (err)
		return err;
	memcpy(s->bytes + s->used, string, len);
	s->bytes[s->used + len] = 0;
	s->used += len + 1;
	s->count++;
	return 0;
}

/* Appends the string at @addr; on any failure @s is as before. */
static int read_string(struct task *t, struct exec *e, struct exec_strings *s, u64 addr)
{
	size_t len = 0, piece;
	const char *bytes, *from, *end;
	int err;

	for (;;) {
		err = load_page(t, e, align_down(addr + len, PAGE_SIZE), &bytes);
		if (err)
			return err;
		from = bytes + (addr + len) % PAGE_SIZE;
		piece = (size_t)(bytes + PAGE_SIZE - from);
		end = memchr(from, 0, piece);
		if (end)
			piece = (size_t)(end - from) + 1;
		if (len + piece > EXEC_MAX_STRING)
			return -E2BIG;
		err = reserve(s, len + piece);
		if (err)
			return err;
		memcpy(s->bytes + s->used + len, from, piece);
		len += piece;
		if (end)
			break;
	}
	s->used += len;
	s->count++;
	return 0;
}

int exec_read_strings(struct task *t, struct exec *e, struct exec_strings *s, u64 array)
{
	u64 pointer;
	int err;

	while (!s->complete) {
		pointer = 0;
		err = array ? read_pointer(t, e, array + s->count * sizeof pointer, &pointer) : 0;
		if (err)
			return err;
		if (!pointer) {
			s->complete = true;
			break;
		}
		err = read_string(t, e, s, pointer);
		if (err)
			return err;
		if (s->used + s->count * sizeof pointer > e->limit)
			return -E2BIG;
	}
	return 0;
}

int exec_copy_strings(struct exec_strings *s, char *const *vector)
{
	int err = 0;

	for (; vector && *vector && !err; vector++)
		err = exec_add_string(s, *vector, strlen(*vector));
	s->complete = true;
	return err;
}

/* ---- limits ---- */

void exec_set_limit(struct task *t, struct exec *e)
{
	u64 stack = t->group->limits[RLIMIT_STACK].rlim_cur;

	e->limit = max(min(EXEC_MAX_BYTES, stack / 4), EXEC_MIN_BYTES);
}

int exec_check_size(const struct exec *e)
{
	u64 bytes = strlen(e->path) + 1 + e->args.used + e->env.used;

	bytes += (max(e->args.count, (u64)1) + e->env.count) * sizeof(u64);
	for (int i = 0; i < e->nprefix; i++)
		bytes += strlen(e->prefix[i]) + 1;
	return bytes > e->limit ? -E2BIG : 0;
}

/* ---- scripts ---- */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static int push(struct exec *e, const char *from, size_t len)
{
	char *s;

	if (e->nprefix == EXEC_MAX_PREFIX)
		return -E2BIG;
	s = strndup(from, len);
	if (!s)
		return -ENOMEM;
	e->prefix[e->nprefix++] = s;
	return 0;
}

static void drop_first_argument(struct exec *e)
{
	if (e->nprefix)
		free(e->prefix[--e->nprefix]);
	else
		e->skip = 1;
}

/* The first byte of [from, last] that is no blank (that ends a word); NULL: none. */
static const char *skip_blanks(const char *from, const char *last)
{
	for (; from <= last; from++)
		if (!blank(*from))
			return from;
	return NULL;
}

static const char *word_end(const char *from, const char *last)
{
	for (; from <= last; from++)
		if (blank(*from) || !*from)
			return from;
	return NULL;
}

/* The end of the first line; NULL: the path in it may have been cut off by the buffer's end. */
static const char *line_end(const char *line, const char *last)
{
	const char *end = line, *name;

	while (end <= last && *end && *end != '\n')
		end++;
	if (end <= last && *end == '\n')
		return end;
	name = skip_blanks(line, last);
	return name && word_end(name, last) ? last : NULL;
}

static int push_line(struct exec *e, const char *script, const char *name, const char *end)
{
	const char *stop = word_end(name, end), *arg = NULL;
	/* @script may be what drop_first_argument() frees. */
	char *own_script = strdup(script);
	int err;

	if (!own_script)
		return -ENOMEM;
	if (stop && *stop)
		arg = skip_blanks(stop, end);
	drop_first_argument(e);
	err = push(e, own_script, strlen(own_script));
	free(own_script);
	if (!err && arg && arg < end)
		err = push(e, arg, (size_t)(end - arg));
	if (!err)
		err = push(e, name, (size_t)((stop && stop < end ? stop : end) - name));
	return err;
}

/*
 * The first line (fs/binfmt_script.c): blanks, a path, and, as one argument, whatever follows it up to the
 * line's end without blanks around it. A path that may have been cut off by the buffer's end is refused, an
 * argument is cut.
 */
int exec_script(struct exec *e, const char *script, const char **interp)
{
	const char *line = e->head + 2, *last = e->head + EXEC_HEAD_SIZE - 1;
	const char *end = line_end(line, last), *name;
	int err;

	if (!end)
		return -ENOEXEC;
	while (blank(end[-1]))
		end--;
	name = skip_blanks(line, end);
	if (!name || name >= end)
		return -ENOEXEC;
	/* Linux looks an empty path up as the directory that it starts from. */
	if (!*name)
		return -EACCES;
	err = push_line(e, script, name, end);
	if (err)
		return err;
	*interp = e->prefix[e->nprefix - 1];
	return exec_check_size(e);
}

void exec_free_strings(struct exec *e)
{
	free(e->args.bytes);
	free(e->env.bytes);
	for (int i = 0; i < EXEC_PAGES; i++) {
		free(e->pages[i].bytes);
		e->pages[i] = (struct exec_page){.addr = ~0UL};
	}
	while (e->nprefix)
		free(e->prefix[--e->nprefix]);
	e->args = e->env = (struct exec_strings){0};
}
