/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options as a table: one line gives the parsing, the line of --help and the word of the
 * completion.
 *
 *	static const struct option_spec run_options[] = {
 *		{'w', "chdir", "DIR", "working directory", set_chdir},
 *	};
 *
 * `--name VALUE`, `--name=VALUE`, `-x VALUE` and `-xVALUE` are taken; an argument in brackets ("[FILE]") is
 * optional and only comes behind `=`. Options end at `--` or at the first word that is none, so that the
 * program's own options stay its own.
 */
#ifndef HUSK_CLI_OPTIONS_H
#define HUSK_CLI_OPTIONS_H

#include "base/types.h"

struct option_spec {
	char letter;          /* 0: none */
	const char *name;     /* without the dashes */
	const char *argument; /* its name in --help; NULL: none */
	const char *help;
	/* Takes the option: 0, or -1 after it has said by cli_error() what is wrong. @value is NULL without
	 * an argument. */
	int (*set)(void *target, const char *value);
};

/* Takes the options at argv[*at]... and moves *at behind them. 0; -1 after an error was said; 1 when --help
 * was asked for (or -h). */
int options_parse(const struct option_spec *specs, size_t count, void *target, char **argv, int *at);
/* The lines of --help. */
void options_help(const struct option_spec *specs, size_t count);
/* The words for the completion, separated by spaces. */
void options_words(const struct option_spec *specs, size_t count);

/* Says `husk: what: why` on standard error. Returns -1. */
__attribute__((format(printf, 2, 3))) int cli_error(const char *what, const char *why, ...);

/* Numbers in options: 0, or -1 after an error was said that names @option. */
int parse_u64(const char *option, const char *text, u64 max, u64 *out);
/* Bytes, with K, M, G or T behind if wanted; 0 is refused. */
int parse_size(const char *option, const char *text, u64 *bytes);
/* Seconds, with a fraction if wanted ("0.5"), into nanoseconds; 0 is refused. */
int parse_seconds(const char *option, const char *text, u64 *ns);

#endif
