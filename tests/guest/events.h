/* SPDX-License-Identifier: Apache-2.0 */
/* inotify events as a line of text. */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

static char events_text[8192];

/* Everything that is queued in @in, which does not wait: "wd:EVENT+EVENT/name" and so on, cookies as =1 (a new one) or =2
 * (the last again). */
static inline const char *events_of(int in)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{IN_ACCESS, "ACCESS"},
		{IN_MODIFY, "MODIFY"},
		{IN_ATTRIB, "ATTRIB"},
		{IN_CLOSE_WRITE, "CLOSE_WRITE"},
		{IN_CLOSE_NOWRITE, "CLOSE"},
		{IN_OPEN, "OPEN"},
		{IN_MOVED_FROM, "MOVED_FROM"},
		{IN_MOVED_TO, "MOVED_TO"},
		{IN_CREATE, "CREATE"},
		{IN_DELETE, "DELETE"},
		{IN_DELETE_SELF, "DELETE_SELF"},
		{IN_MOVE_SELF, "MOVE_SELF"},
		{IN_ISDIR, "ISDIR"},
		{IN_IGNORED, "IGNORED"},
		{IN_Q_OVERFLOW, "OVERFLOW"},
	};
	static unsigned last_cookie;
	char buf[8192] __attribute__((aligned(8))), *out = events_text;
	ssize_t n;

	*out = 0;
	while ((n = read(in, buf, sizeof buf)) > 0) {
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (void *)p;
			unsigned left = e->mask;

			out += sprintf(out, "%s%d:", out > events_text ? " " : "", e->wd);
			for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
				if (left & names[i].bit)
					out += sprintf(out, "%s%s", left == e->mask ? "" : "+",
						       names[i].name);
				left &= ~names[i].bit;
			}
			if (left)
				out += sprintf(out, "+%x", left);
			if (e->len)
				out += sprintf(out, "/%s", e->name);
			if (e->cookie)
				out += sprintf(out, "=%d", e->cookie == last_cookie ? 2 : 1);
			last_cookie = e->cookie;
			if (e->len % sizeof *e)
				out += sprintf(out, "(bad length)");
			p += sizeof *e + e->len;
		}
	}
	return events_text;
}

#endif
