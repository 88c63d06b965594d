/* SPDX-License-Identifier: Apache-2.0 */
/* Tells what `husk bench` has found: two tables for people, JSON for programs. */
#include "cli/cmd_bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/json.h"
#include "cli/options.h"
#include "cli/table.h"

/* ---- figures for people ---- */

/* Three digits, and the unit that fits. */
static void put_time(struct table *t, enum table_style style, double ns, bool utf8)
{
	static const struct {
		double size;
		const char *name, *plain;
	} units[] = {{1, "ns", "ns"}, {1e3, "µs", "us"}, {1e6, "ms", "ms"}, {1e9, "s", "s"}};
	size_t u = 0;
	double value;

	while (u + 1 < ARRAY_SIZE(units) && ns >= units[u + 1].size * 0.9995)
		u++;
	value = ns / units[u].size;
	table_cell(t, style, "%.*f %s",
		   value < 9.995   ? 2
		   : value < 99.95 ? 1
				   : 0,
		   value, utf8 ? units[u].name : units[u].plain);
}

static void put_ratio(struct table *t, double ratio, const struct terminal *terminal)
{
	enum table_style style = ratio <= 1.5 ? TABLE_GOOD : ratio > 20 ? TABLE_WARN : TABLE_PLAIN;

	table_cell(t, style, "%.*f%s",
		   ratio < 9.95   ? 2
		   : ratio < 99.5 ? 1
				  : 0,
		   ratio, terminal->utf8 ? "×" : "x");
}

static void put_count(struct table *t, enum table_style style, double count)
{
	double shown = count < 0.005 && count > -0.05 ? 0 : count;

	table_cell(t, style, "%.*f", shown < 9.95 ? 2 : shown < 99.5 ? 1 : 0, shown);
}

static u32 find_variant(const struct bench_report *r, const char *name)
{
	for (u32 v = 1; v < r->nvariants; v++)
		if (!strcmp(r->variants[v], name))
			return v;
	return 0;
}

/* ---- the table of times ---- */

static void show_group(struct table *t, const struct bench_row *row, const struct bench_row *before)
{
	if (!before || before->workload->group != row->workload->group)
		table_heading(t, bench_group_name(row->workload->group));
}

static void show_times(const struct bench_report *r, const struct terminal *terminal, struct table *t)
{
	u32 fast = find_variant(r, "seccomp"), slow = find_variant(r, "ptrace");

	table_cell(t, TABLE_PLAIN, "%s", "");
	for (u32 v = 0; v < r->nvariants; v++) {
		table_cell(t, TABLE_BOLD, "%s", r->variants[v]);
		if (v)
			table_cell(t, TABLE_PLAIN, "%s", "");
	}
	if (fast && slow)
		table_cell(t, TABLE_BOLD, "%s", terminal->utf8 ? "ptrace÷seccomp" : "ptrace/seccomp");
	for (u32 i = 0; i < r->nrows; i++) {
		const struct bench_cell *cells = r->rows[i].cells;

		show_group(t, &r->rows[i], i ? &r->rows[i - 1] : NULL);
		table_cell(t, TABLE_PLAIN, "%s", r->rows[i].workload->name);
		for (u32 v = 0; v < r->nvariants; v++) {
			if (!cells[v].measured)
				table_cell(t, TABLE_BAD, "failed");
			else
				put_time(t, v ? TABLE_PLAIN : TABLE_DIM, cells[v].ns, terminal->utf8);
			if (v && cells[v].measured && cells[0].measured)
				put_ratio(t, cells[v].ns / cells[0].ns, terminal);
			else if (v)
				table_cell(t, TABLE_PLAIN, "%s", "");
		}
		if (fast && slow && cells[fast].measured && cells[slow].measured)
			table_cell(t, TABLE_BOLD, "%.1f%s", cells[slow].ns / cells[fast].ns,
				   terminal->utf8 ? "×" : "x");
		else if (fast && slow)
			table_cell(t, TABLE_PLAIN, "%s", "");
	}
}

/* ---- the table of counts ---- */

static void show_counts(const struct bench_report *r, const struct terminal *terminal, struct table *t)
{
	table_cell(t, TABLE_PLAIN, "%s", "");
	for (u32 v = 0; v < r->nvariants; v++) {
		if (v)
			table_cell(t, TABLE_BOLD, "%s", r->variants[v]);
		table_cell(t, TABLE_BOLD, "%s", v ? "" : r->variants[v]);
	}
	table_cell(t, TABLE_PLAIN, "%s", "");
	for (u32 v = 0; v < r->nvariants; v++) {
		if (v)
			table_cell(t, TABLE_DIM, "turns");
		table_cell(t, TABLE_DIM, "switches");
	}
	for (u32 i = 0; i < r->nrows; i++) {
		const struct bench_cell *cells = r->rows[i].cells;

		show_group(t, &r->rows[i], i ? &r->rows[i - 1] : NULL);
		table_cell(t, TABLE_PLAIN, "%s", r->rows[i].workload->name);
		for (u32 v = 0; v < r->nvariants; v++) {
			if (v && cells[v].counted)
				put_count(t, TABLE_PLAIN, cells[v].turns);
			else if (v)
				table_cell(t, TABLE_PLAIN, "%s", "");
			if (cells[v].counted)
				put_count(t, v ? TABLE_PLAIN : TABLE_DIM,
					  cells[v].kernel_switches + cells[v].guest_switches);
			else
				table_cell(t, TABLE_BAD, "failed");
		}
	}
}

/* What the seccomp way is for, as measured: one sentence a claim. */
static void show_claims(const struct bench_report *r)
{
	u32 fast = find_variant(r, "seccomp"), slow = find_variant(r, "ptrace");

	for (u32 i = 0; fast && slow && i < r->nrows; i++) {
		const struct bench_cell *cells = r->rows[i].cells, *f = &cells[fast], *s = &cells[slow];
		const char *name = r->rows[i].workload->name;

		if (!strcmp(name, "stack growth") && f->counted && s->counted)
			printf("A fault that the kernel resolves costs %.1f context switches by ptrace and "
			       "%.1f by seccomp.\n",
			       s->kernel_switches + s->guest_switches,
			       f->kernel_switches + f->guest_switches);
		if (!strncmp(name, "shell", 5) && f->measured && s->measured)
			printf("The shell's work takes %.0f %% %s time by seccomp than by ptrace.\n",
			       100 * fabs(1 - f->ns / s->ns), f->ns > s->ns ? "more" : "less");
	}
}

int bench_show(const struct bench_report *r)
{
	char align[2 * BENCH_VARIANTS_MAX + 4] = "l";
	struct terminal terminal;
	struct utsname host;
	struct table t;
	bool counted = false;

	terminal_look(&terminal, 1);
	uname(&host);
	printf("husk %s on %s %s, %u processor%s; each figure the median of %u round%s, taken in turns\n\n",
	       HUSK_VERSION, host.sysname, host.release, r->cpus, r->cpus == 1 ? "" : "s", r->rounds,
	       r->rounds == 1 ? "" : "s");
	for (u32 v = 0; v < r->nvariants; v++)
		strcat(align, v ? "rr" : "r");
	if (find_variant(r, "seccomp") && find_variant(r, "ptrace"))
		strcat(align, "r");
	table_init(&t, align);
	show_times(r, &terminal, &t);
	if (table_print(&t, stdout, &terminal))
		return cli_error("bench", "out of memory");
	for (u32 i = 0; i < r->nrows; i++)
		for (u32 v = 0; v < r->nvariants; v++)
			counted |= r->rows[i].cells[v].counted;
	if (counted) {
		printf("\nEach operation's turns, and its host context switches with everything on one "
		       "processor, counted\n\n");
		align[2 * r->nvariants] = 0;
		table_init(&t, align);
		show_counts(r, &terminal, &t);
		if (table_print(&t, stdout, &terminal))
			return cli_error("bench", "out of memory");
	}
	putchar('\n');
	show_claims(r);
	return 0;
}

/* ---- for programs ---- */

static void write_cell(struct json *j, const char *name, const struct bench_cell *cell,
		       const struct bench_cell *native)
{
	json_open(j, name, '{');
	if (cell->measured)
		json_f64(j, "ns", cell->ns);
	else
		json_null(j, "ns");
	if (cell != native && cell->measured && native->measured)
		json_f64(j, "ratio", cell->ns / native->ns);
	if (cell->counted && cell != native) {
		json_f64(j, "turns", cell->turns);
		json_f64(j, "by_signal", cell->by_signal);
		json_f64(j, "by_patch", cell->by_patch);
		json_f64(j, "in_stub", cell->in_stub);
		json_f64(j, "kernel_switches", cell->kernel_switches);
	}
	if (cell->counted)
		json_f64(j, "guest_switches", cell->guest_switches);
	json_close(j, '}');
}

int bench_write_json(const struct bench_report *r, int fd)
{
	struct utsname host;
	struct json j;

	uname(&host);
	json_init(&j, fd);
	json_open(&j, NULL, '{');
	json_string(&j, "husk", HUSK_VERSION);
	json_string(&j, "host", host.release);
	json_u64(&j, "cpus", r->cpus);
	json_u64(&j, "rounds", r->rounds);
	json_open(&j, "workloads", '[');
	for (u32 i = 0; i < r->nrows; i++) {
		const struct bench_row *row = &r->rows[i];

		json_open(&j, NULL, '{');
		json_string(&j, "name", row->workload->name);
		for (u32 v = 0; v < r->nvariants; v++)
			write_cell(&j, r->variants[v], &row->cells[v], &row->cells[0]);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	return json_finish(&j);
}
