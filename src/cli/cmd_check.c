/* SPDX-License-Identifier: Apache-2.0 */
/*
 * husk check: what this host offers, tried and not guessed, and what follows for the user.
 *
 * Traps are tried as `husk run` uses them: each runs `true` in a sandbox of its own, in a child. The layers of
 * containment are told as they were in the sandbox of the trap that is taken. The probes below them say why
 * something is as it is.
 */
#include "cli/check_filter.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/setup.h"
#include "cli/table.h"

#include "base/json.h"
#include "trap/probe.h"
#include "trap/registry.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct check {
	bool json, filter;
	const char *trap; /* what HUSK_TRAP asks for; NULL: auto */
	struct trial trials[TRAP_DRIVERS_MAX];
	const struct trap_driver *taken; /* NULL: husk cannot run */
	const struct trial *trial;       /* whose layers are told: of the one that is taken, else the first */
	struct probe_result probes[64];
	struct utsname host;
};

static int set_json(void *target, const char *value)
{
	((struct check *)target)->json = true;
	return 0;
}

static int set_filter(void *target, const char *value)
{
	((struct check *)target)->filter = true;
	return 0;
}

static const struct option_spec check_options[] = {
	{0, "filter", NULL, "print the filter of guest processes, disassembled, and nothing else",
	 set_filter},
	{0, "json", NULL, "for programs", set_json},
};

/* ---- finding out ---- */

static bool asked_for(const struct check *c, const struct trap_driver *d)
{
	return !c->trap || !*c->trap || !strcmp(c->trap, "auto") || !strcmp(c->trap, d->name);
}

static void try_all(struct check *c)
{
	for (size_t i = 0; i < trap_driver_count; i++) {
		const struct trap_driver *d = &trap_drivers[i];

		if (d->ops)
			setup_try(d->ops, &c->trials[i]);
		else
			snprintf(c->trials[i].why, sizeof c->trials[i].why, "not in this build");
		if (c->trials[i].works && !c->taken && asked_for(c, d)) {
			c->taken = d;
			c->trial = &c->trials[i];
		}
	}
	if (!c->trial)
		c->trial = &c->trials[0];
	for (size_t i = 0; i < probe_count && i < ARRAY_SIZE(c->probes); i++)
		probe_try(&probe_table[i], &c->probes[i]);
}

/* ---- for people ---- */

struct mark {
	const char *sign;
	enum table_style style;
};

static struct mark mark_of(const struct terminal *terminal, bool good, bool matters)
{
	if (good)
		return (struct mark){terminal->utf8 ? "✓" : "+", TABLE_GOOD};
	if (matters)
		return (struct mark){terminal->utf8 ? "✗" : "x", TABLE_BAD};
	return (struct mark){terminal->utf8 ? "·" : "-", TABLE_DIM};
}

static void row(struct table *t, struct mark mark, const char *title, const char *value,
		enum table_style style, const char *text)
{
	table_cell(t, mark.style, "%s", mark.sign);
	table_cell(t, TABLE_PLAIN, "%s", title);
	table_cell(t, style, "%s", value);
	table_cell(t, TABLE_PLAIN, "%s", text);
}

static void show_traps(struct table *t, const struct terminal *terminal, const struct check *c)
{
	char text[1300];

	table_heading(t, "Traps");
	for (size_t i = 0; i < trap_driver_count; i++) {
		const struct trap_driver *d = &trap_drivers[i];
		const struct trial *trial = &c->trials[i];

		if (trial->works)
			snprintf(text, sizeof text, "%s; %s %.1f ms", d->sentence,
				 trial->ran ? "a sandbox for `true` took"
					    : "there is no `true` to run; starting took",
				 (double)trial->ns / 1e6);
		else
			snprintf(text, sizeof text, "%s", trial->why);
		row(t, mark_of(terminal, trial->works, true), d->name,
		    d == c->taken  ? "taken"
		    : trial->works ? "works"
				   : "no",
		    d == c->taken ? TABLE_BOLD : TABLE_PLAIN, text);
	}
}

static void show_layers(struct table *t, const struct terminal *terminal, const struct check *c)
{
	table_heading(t, "Containment");
	row(t, mark_of(terminal, c->trial->gated, true), "clone gate", c->trial->gated ? "on" : "off",
	    TABLE_PLAIN,
	    c->trial->gated
		    ? "guests make no host process that the kernel process did not order"
		    : "a hostile guest can make host processes that husk does not know; they end with it");
	for (enum layer i = 0; i < NR_LAYERS; i++) {
		const struct layer_state *state = &c->trial->launch.layers[i];

		row(t, mark_of(terminal, state->on, true), layer_name(i), state->on ? "on" : "off",
		    TABLE_PLAIN, state->why[0] ? state->why : "not reached: the trap did not start");
	}
}

static const char *verdict_name(const struct probe_result *r)
{
	static const char *const names[] = {
		[PROBE_NO] = "no", [PROBE_YES] = "yes", [PROBE_WRONG] = "wrong", [PROBE_DIED] = "died"};

	return names[r->verdict];
}

static void show_probes(struct table *t, const struct terminal *terminal, const struct check *c)
{
	enum probe_group group = NR_PROBE_GROUPS;
	char text[400];

	for (size_t i = 0; i < probe_count && i < ARRAY_SIZE(c->probes); i++) {
		const struct probe *p = &probe_table[i];
		const struct probe_result *r = &c->probes[i];
		const char *follows = probe_follows(p, r);

		if (p->group != group)
			table_heading(t, probe_group_name(p->group));
		group = p->group;
		snprintf(text, sizeof text, "%s%s%s", r->why,
			 !*follows        ? ""
			 : terminal->utf8 ? " — "
					  : " - ",
			 follows);
		row(t, mark_of(terminal, r->verdict == PROBE_YES, p->matters), p->title,
		    r->value[0] ? r->value : verdict_name(r), TABLE_PLAIN, text);
	}
}

/* Fewer words than the table: what to do now. */
static void show_verdict(const struct terminal *terminal, const struct check *c)
{
	const char *good = terminal->colour ? "\033[1;32m" : "", *bad = terminal->colour ? "\033[1;31m" : "",
		   *end = terminal->colour ? "\033[0m" : "";

	putchar('\n');
	if (c->taken) {
		printf("%shusk can run here%s, by the %s trap. Try: husk run -- ls -l /\n", good, end,
		       c->taken->name);
		return;
	}
	printf("%shusk cannot run here.%s", bad, end);
	if (c->trap && *c->trap && strcmp(c->trap, "auto"))
		printf(" HUSK_TRAP asks for %s alone; unset it to let husk choose.", c->trap);
	printf(" What each trap lacks stands above, with what to do about it.\n");
}

static int show(const struct check *c)
{
	struct terminal terminal;
	struct table t;
	char who[32] = "root";

	terminal_look(&terminal, 1);
	if (geteuid())
		snprintf(who, sizeof who, "user %u", geteuid());
	printf("husk %s on %s %s, %s, as %s\n", HUSK_VERSION, c->host.sysname, c->host.release,
	       c->host.machine, who);
	table_init(&t, "llll");
	show_traps(&t, &terminal, c);
	show_layers(&t, &terminal, c);
	show_probes(&t, &terminal, c);
	if (table_print(&t, stdout, &terminal))
		return cli_error("check", "out of memory");
	show_verdict(&terminal, c);
	return 0;
}

/* ---- for programs ---- */

static void write_traps(struct json *j, const struct check *c)
{
	json_open(j, "traps", '[');
	for (size_t i = 0; i < trap_driver_count; i++) {
		const struct trial *trial = &c->trials[i];

		json_open(j, NULL, '{');
		json_string(j, "name", trap_drivers[i].name);
		json_bool(j, "works", trial->works);
		json_bool(j, "taken", &trap_drivers[i] == c->taken);
		json_string(j, "why", trial->works ? trap_drivers[i].sentence : trial->why);
		if (trial->works)
			json_u64(j, "ns", trial->ns);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void write_layers(struct json *j, const struct check *c)
{
	json_open(j, "containment", '[');
	json_open(j, NULL, '{');
	json_string(j, "name", "clone_gate");
	json_bool(j, "on", c->trial->gated);
	json_close(j, '}');
	for (enum layer i = 0; i < NR_LAYERS; i++) {
		json_open(j, NULL, '{');
		json_string(j, "name", layer_name(i));
		json_bool(j, "on", c->trial->launch.layers[i].on);
		json_string(j, "why", c->trial->launch.layers[i].why);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void write_probes(struct json *j, const struct check *c)
{
	json_open(j, "probes", '[');
	for (size_t i = 0; i < probe_count && i < ARRAY_SIZE(c->probes); i++) {
		const struct probe_result *r = &c->probes[i];

		json_open(j, NULL, '{');
		json_string(j, "name", probe_table[i].name);
		json_string(j, "group", probe_group_name(probe_table[i].group));
		json_string(j, "verdict", verdict_name(r));
		if (r->value[0]) {
			json_u64(j, "number", r->number);
			json_string(j, "value", r->value);
		}
		json_string(j, "why", r->why);
		json_string(j, "follows", probe_follows(&probe_table[i], r));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static int write_json(const struct check *c)
{
	struct json j;
	int error;

	json_init(&j, 1);
	json_open(&j, NULL, '{');
	json_string(&j, "husk", HUSK_VERSION);
	json_string(&j, "host", c->host.release);
	json_string(&j, "machine", c->host.machine);
	json_u64(&j, "uid", geteuid());
	json_bool(&j, "works", c->taken);
	if (c->taken)
		json_string(&j, "trap", c->taken->name);
	else
		json_null(&j, "trap");
	write_traps(&j, c);
	write_layers(&j, c);
	write_probes(&j, c);
	json_close(&j, '}');
	error = json_finish(&j);
	return error ? cli_error("standard output", "%s", strerror(-error)) : 0;
}

/* ---- the command ---- */

void check_help(void)
{
	printf("usage: husk check [OPTIONS]\n\n"
	       "Tries what this host offers and says what follows: which traps work and which one `auto` "
	       "takes, which\n"
	       "layers of containment are on, and why.\n\n");
	options_help(check_options, ARRAY_SIZE(check_options));
	printf("\nExit status: 0 when husk can run here, else 1; 125 when the command line is wrong.\n");
}

void check_words(void)
{
	options_words(check_options, ARRAY_SIZE(check_options));
}

int cmd_check(char **argv)
{
	struct check *c = calloc(1, sizeof *c);
	const struct trap_ops *asked[TRAP_DRIVERS_MAX];
	char why[256];
	int at = 0, parsed, status = STATUS_FAILED;

	if (!c) {
		cli_error("check", "out of memory");
		return STATUS_FAILED;
	}
	c->trap = getenv("HUSK_TRAP");
	parsed = options_parse(check_options, ARRAY_SIZE(check_options), c, argv, &at);
	if (parsed > 0) {
		check_help();
		status = 0;
	} else if (!parsed && argv[at]) {
		cli_error(argv[at], "`husk check` takes options alone");
	} else if (!parsed && c->filter) {
		status = check_filter_show(!developer_option("HUSK_NO_GATE")) ? STATUS_FAILED : 0;
	} else if (!parsed && trap_choose(c->trap, asked, why, sizeof why)) {
		cli_error("HUSK_TRAP", "%s", why);
	} else if (!parsed) {
		uname(&c->host);
		try_all(c);
		if (!(c->json ? write_json(c) : show(c)))
			status = c->taken ? 0 : 1;
	}
	free(c);
	return status;
}
