/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of one sandbox as a table for people and as JSON for programs. */
#include "trace/statistics.h"

#include "base/json.h"
#include "core/call_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct text {
	int fd, error;
};

__attribute__((format(printf, 2, 3))) static void line(struct text *t, const char *format, ...)
{
	char buffer[256];
	va_list args;
	size_t size, at = 0;

	va_start(args, format);
	vsnprintf(buffer, sizeof buffer, format, args);
	va_end(args);
	size = strlen(buffer);
	while (at < size && !t->error) {
		ssize_t n = write(t->fd, buffer + at, size - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			t->error = -errno;
	}
}

static u64 made(const struct stats *s, int nr)
{
	return s->calls[nr] + s->stub_by_call[nr];
}

/* The most frequent call that comes after @last (with @last's count) in the order of the table below, or -1.
 */
static int next_call(const struct stats *s, int last)
{
	int best = -1;

	for (int i = 0; i < HUSK_NR_CALLS; i++) {
		u64 n = made(s, i);

		if (!n)
			continue;
		if (last >= 0 && (n > made(s, last) || (n == made(s, last) && i <= last)))
			continue;
		if (best < 0 || n > made(s, best))
			best = i;
	}
	return best;
}

static const char *call_name(int nr)
{
	return call_table[nr].name ? call_table[nr].name : "?";
}

int statistics_text(const struct statistics *s, int fd)
{
	const struct stats *st = s->stats;
	struct text t = {fd, 0};

	line(&t, "%12s %9s %9s %12s %9s  call\n", "calls", "in stub", "errors", "time us", "ns each");
	for (int nr = next_call(st, -1); nr >= 0; nr = next_call(st, nr))
		line(&t, "%12llu %9llu %9llu %12llu %9llu  %s\n", (unsigned long long)made(st, nr),
		     (unsigned long long)st->stub_by_call[nr], (unsigned long long)st->errors[nr],
		     (unsigned long long)st->call_ns[nr] / 1000,
		     (unsigned long long)(st->calls[nr] ? st->call_ns[nr] / st->calls[nr] : 0),
		     call_name(nr));
	if (st->stub_calls)
		line(&t, "(calls in the stub are counted by the guests themselves; the other columns leave "
			 "them out)\n");
	line(&t, "trap: %s\n", s->trap);
	line(&t,
	     "calls: %llu (by signal %llu, patched %llu, without a turn %llu; refused %llu, unknown %llu)\n",
	     (unsigned long long)s->calls, (unsigned long long)st->by_signal,
	     (unsigned long long)st->by_patch, (unsigned long long)st->stub_calls,
	     (unsigned long long)st->refused, (unsigned long long)st->unknown_calls);
	line(&t, "turns: %llu; faults that came to the kernel: %llu (made signals: %llu); interrupts: %llu\n",
	     (unsigned long long)st->turns, (unsigned long long)st->faults,
	     (unsigned long long)st->fault_signals, (unsigned long long)st->interrupts);
	line(&t, "processes: %llu; threads: %llu; execs: %llu\n", (unsigned long long)st->processes,
	     (unsigned long long)st->threads, (unsigned long long)st->execs);
	line(&t, "wall: %llu.%03llu s; cpu: %llu.%03llu s; peak memory: %llu KiB\n",
	     (unsigned long long)s->wall_ns / 1000000000, (unsigned long long)s->wall_ns / 1000000 % 1000,
	     (unsigned long long)s->cpu_ns / 1000000000, (unsigned long long)s->cpu_ns / 1000000 % 1000,
	     (unsigned long long)s->peak_bytes / 1024);
	return t.error;
}

int statistics_json(const struct statistics *s, int fd)
{
	const struct stats *st = s->stats;
	struct json j;

	json_init(&j, fd);
	json_open(&j, NULL, '{');
	json_string(&j, "trap", s->trap);
	json_u64(&j, "wall_ns", s->wall_ns);
	json_u64(&j, "cpu_ns", s->cpu_ns);
	json_u64(&j, "peak_bytes", s->peak_bytes);
	json_u64(&j, "calls", s->calls);
	json_u64(&j, "by_signal", st->by_signal);
	json_u64(&j, "by_patch", st->by_patch);
	json_u64(&j, "stub_calls", st->stub_calls);
	json_u64(&j, "refused", st->refused);
	json_u64(&j, "unknown_calls", st->unknown_calls);
	json_u64(&j, "turns", st->turns);
	json_u64(&j, "faults", st->faults);
	json_u64(&j, "fault_signals", st->fault_signals);
	json_u64(&j, "interrupts", st->interrupts);
	json_u64(&j, "processes", st->processes);
	json_u64(&j, "threads", st->threads);
	json_u64(&j, "execs", st->execs);
	json_open(&j, "by_call", '[');
	for (int nr = next_call(st, -1); nr >= 0; nr = next_call(st, nr)) {
		json_open(&j, NULL, '{');
		json_string(&j, "name", call_name(nr));
		json_s64(&j, "number", nr);
		json_u64(&j, "calls", made(st, nr));
		json_u64(&j, "in_stub", st->stub_by_call[nr]);
		json_u64(&j, "errors", st->errors[nr]);
		json_u64(&j, "ns", st->call_ns[nr]);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	return json_finish(&j);
}
