/* SPDX-License-Identifier: Apache-2.0 */
/*
 * husk bench: native against every trap that works here.
 *
 * For each workload one worker is started in each variant, and all stay alive: rounds are taken in turns, some
 * milliseconds each, so that every variant sees the same machine. Then each is counted: two runs of different
 * lengths on one processor, whose difference is what the operations cost and not the start.
 */
#include "cli/cmd_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/setup.h"
#include "host/cpus.h"

#define ROUND_NS    15000000ull
#define ROUNDS      7
#define ROUNDS_MAX  99
#define COUNT_NS    40000000.0
#define COUNT_LEAST 16
#define COUNT_MOST  2048
#define COUNT_BASE  8
#define ROUND_MOST  (1ull << 30) /* operations in a round at most */

struct bench {
	struct bench_report report;
	u64 rounds;
	bool json, no_counts, pin;
	const char *json_file, *trap;
	int json_fd;
	struct bench_job jobs[BENCH_VARIANTS_MAX];
	char exe[PATH_MAX], dir[PATH_MAX];
	char **names; /* the workloads that are wanted; none: all */
};

/* ---- options ---- */

static int set_json(void *target, const char *value)
{
	struct bench *b = target;

	b->json = true;
	b->json_file = value;
	return 0;
}

static int set_rounds(void *target, const char *value)
{
	struct bench *b = target;

	if (parse_u64("--rounds", value, ROUNDS_MAX, &b->rounds))
		return -1;
	return b->rounds ? 0 : cli_error("--rounds", "wants at least 1");
}

static int set_trap(void *target, const char *value)
{
	((struct bench *)target)->trap = value;
	return 0;
}

static int set_pin(void *target, const char *value)
{
	((struct bench *)target)->pin = true;
	return 0;
}

static int set_no_counts(void *target, const char *value)
{
	((struct bench *)target)->no_counts = true;
	return 0;
}

static const struct option_spec bench_options[] = {
	{0, "json", "[FILE]", "for programs, instead of the tables; or into FILE beside them", set_json},
	{0, "rounds", "N", "rounds of which the median is taken (7)", set_rounds},
	{0, "trap", "HOW", "only this trap (all that work here)", set_trap},
	{0, "pin", NULL, "everything on one processor, as it is counted", set_pin},
	{0, "no-counts", NULL, "leave out the turns and context switches", set_no_counts},
};

void bench_help(void)
{
	const struct workload *w;

	printf("usage: husk bench [OPTIONS] [WORKLOAD]...\n\n"
	       "Measures small operations natively and inside husk under every trap that works here, in "
	       "turns in one run,\n"
	       "and counts turns and host context switches of each.\n\n");
	options_help(bench_options, ARRAY_SIZE(bench_options));
	printf("\nWorkloads:");
	for (size_t i = 0; (w = bench_workload(i)); i++)
		printf("%s '%s'", i ? "," : "", w->name);
	printf("\n\nExit status: 0; 125 when something could not be measured.\n");
}

void bench_words(void)
{
	options_words(bench_options, ARRAY_SIZE(bench_options));
}

/* ---- what is measured ---- */

static bool wanted(const struct bench *b, const struct workload *w)
{
	if (!b->names[0])
		return true;
	for (char **name = b->names; *name; name++)
		if (!strcmp(*name, w->name))
			return true;
	return false;
}

static int choose_workloads(struct bench *b)
{
	const struct workload *w;
	size_t count = 0;

	for (char **name = b->names; *name; name++)
		if (!bench_find(*name))
			return cli_error(*name, "no such workload; see `husk bench --help`");
	while (bench_workload(count))
		count++;
	b->report.rows = calloc(count, sizeof *b->report.rows);
	if (!b->report.rows)
		return cli_error("bench", "out of memory");
	for (size_t i = 0; (w = bench_workload(i)); i++)
		if (wanted(b, w))
			b->report.rows[b->report.nrows++].workload = w;
	return 0;
}

static void add_variant(struct bench *b, const char *name, const struct trap_ops *ops)
{
	struct bench_report *r = &b->report;

	b->jobs[r->nvariants] = (struct bench_job){.exe = b->exe, .dir = b->dir, .ops = ops};
	r->variants[r->nvariants++] = name;
}

/* The traps that work here: a trial each. One that was asked for must be among them. */
static int choose_traps(struct bench *b)
{
	const struct trap_ops *ops[TRAP_DRIVERS_MAX];
	const char *name = b->trap ? b->trap : getenv("HUSK_TRAP");
	struct trial trial;
	char why[256];

	if (trap_choose(name, ops, why, sizeof why))
		return cli_error(b->trap ? "--trap" : "HUSK_TRAP", "%s", why);
	add_variant(b, "native", NULL);
	for (size_t i = 0; ops[i]; i++) {
		setup_try(ops[i], &trial);
		if (trial.works)
			add_variant(b, ops[i]->name, ops[i]);
		else
			fprintf(stderr, "husk: bench: %s is left out: %s\n", ops[i]->name, trial.why);
	}
	return b->report.nvariants > 1 ? 0 : cli_error("bench", "no trap works here; see `husk check`");
}

static int find_exe(struct bench *b)
{
	static const char *const memory[] = {"/tmp", "/run", "/dev/shm"};
	ssize_t n = readlink("/proc/self/exe", b->exe, sizeof b->exe - 1);
	char *slash;

	if (n <= 0)
		return cli_error("/proc/self/exe", "%s", strerror(errno));
	b->exe[n] = 0;
	strcpy(b->dir, b->exe);
	slash = strrchr(b->dir, '/');
	if (!slash)
		return cli_error(b->exe, "husk's own binary is not to be found");
	slash[slash == b->dir] = 0;
	/* In-memory trees of the guest's, in which only what lies below a working directory of its own is the host's. */
	for (size_t i = 0; i < ARRAY_SIZE(memory); i++)
		if (!strcmp(b->dir, memory[i]))
			return cli_error(b->exe,
					 "guests have a %s of their own; put husk into a directory below it",
					 b->dir);
	return 0;
}

/* ---- measuring ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How many operations make a round; they warm up as they are counted. 0: the worker failed. */
static u64 calibrate(struct bench_session *s, u64 batch)
{
	u64 n = batch, ns = 0;

	for (;;) {
		if (session_round(s, n, &ns))
			return 0;
		if (ns >= ROUND_NS / 4 || n >= ROUND_MOST)
			break;
		n *= ns < ROUND_NS / 40 ? 8 : 2;
	}
	n = n * ROUND_NS / max(ns, (u64)1);
	return max(n - n % batch, batch);
}

static void measure(struct bench *b, struct bench_row *row)
{
	struct bench_session sessions[BENCH_VARIANTS_MAX];
	double samples[BENCH_VARIANTS_MAX][ROUNDS_MAX];
	u64 n[BENCH_VARIANTS_MAX], ns;
	u32 count = b->report.nvariants;

	for (u32 v = 0; v < count; v++) {
		b->jobs[v].workload = row->workload->name;
		n[v] = session_start(&sessions[v], &b->jobs[v])
			       ? 0
			       : calibrate(&sessions[v], row->workload->batch);
	}
	for (u32 i = 0; i < b->rounds; i++)
		for (u32 v = 0; v < count; v++) {
			if (!n[v])
				continue;
			if (session_round(&sessions[v], n[v], &ns))
				n[v] = 0;
			else
				samples[v][i] = (double)ns / (double)n[v];
		}
	for (u32 v = 0; v < count; v++) {
		session_stop(&sessions[v]);
		if (!n[v])
			continue;
		qsort(samples[v], b->rounds, sizeof **samples, compare);
		row->cells[v].measured = true;
		row->cells[v].ns = samples[v][b->rounds / 2];
	}
}

static double each(u64 few, u64 many, u64 more)
{
	return ((double)many - (double)few) / (double)more;
}

static void count(const struct bench_job *job, u64 batch, struct bench_cell *cell)
{
	double n = min(max(COUNT_NS / max(cell->ns, 1.0), (double)COUNT_LEAST), (double)COUNT_MOST);
	struct bench_counts few, many;
	u64 more = max((u64)n - (u64)n % batch, batch);

	if (session_count(job, COUNT_BASE * batch, &few) ||
	    session_count(job, COUNT_BASE * batch + more, &many))
		return;
	cell->counted = true;
	cell->turns = each(few.turns, many.turns, more);
	cell->kernel_switches = each(few.kernel_switches, many.kernel_switches, more);
	cell->guest_switches = each(few.guest_switches, many.guest_switches, more);
	cell->by_signal = each(few.by_signal, many.by_signal, more);
	cell->by_patch = each(few.by_patch, many.by_patch, more);
	cell->in_stub = each(few.in_stub, many.in_stub, more);
}

/* A line that is overwritten by the next, for whoever waits. */
static void tell_progress(const char *name)
{
	if (isatty(2))
		fprintf(stderr, "\r\033[K%s", name);
}

/* True when all was measured. */
static bool measure_all(struct bench *b)
{
	bool all = true;

	for (u32 i = 0; i < b->report.nrows; i++) {
		struct bench_row *row = &b->report.rows[i];

		tell_progress(row->workload->name);
		measure(b, row);
		for (u32 v = 0; v < b->report.nvariants; v++) {
			if (row->cells[v].measured && !b->no_counts)
				count(&b->jobs[v], row->workload->batch, &row->cells[v]);
			all = all && row->cells[v].measured && (b->no_counts || row->cells[v].counted);
			if (!row->cells[v].measured)
				fprintf(stderr, "husk: bench: %s: %s failed\n", row->workload->name,
					b->report.variants[v]);
		}
	}
	tell_progress("");
	return all;
}

/* ---- the command ---- */

/* Opened before anything is measured: a wrong name is an error then. */
static int open_json(struct bench *b)
{
	b->json_fd = 1;
	if (!b->json_file)
		return 0;
	b->json_fd = open(b->json_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return b->json_fd < 0 ? cli_error("--json", "%s: %s", b->json_file, strerror(errno)) : 0;
}

static int tell(const struct bench *b)
{
	int error;

	if ((!b->json || b->json_file) && bench_show(&b->report))
		return -1;
	error = b->json ? bench_write_json(&b->report, b->json_fd) : 0;
	return error ? cli_error("--json", "%s", strerror(-error)) : 0;
}

static int run_bench(struct bench *b)
{
	struct host_cpus cpus;
	bool all;

	if (b->pin)
		session_use_one_cpu();
	host_cpus_read(&cpus);
	b->report.cpus = cpus.usable;
	b->report.rounds = (u32)b->rounds;
	signal(SIGPIPE, SIG_IGN);
	if (open_json(b) || find_exe(b) || choose_workloads(b) || choose_traps(b))
		return STATUS_FAILED;
	all = measure_all(b);
	return !tell(b) && all ? 0 : STATUS_FAILED;
}

int cmd_bench(char **argv)
{
	struct bench *b = calloc(1, sizeof *b);
	int at = 0, parsed, status = STATUS_FAILED;

	if (!b) {
		cli_error("bench", "out of memory");
		return STATUS_FAILED;
	}
	b->rounds = ROUNDS;
	parsed = options_parse(bench_options, ARRAY_SIZE(bench_options), b, argv, &at);
	b->names = argv + at;
	if (parsed > 0) {
		bench_help();
		status = 0;
	} else if (!parsed) {
		status = run_bench(b);
	}
	free(b->report.rows);
	free(b);
	return status;
}
