/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How guest tests say what holds: CHECK(expr), CHECK_EQ(a, b), CHECK_ERRNO(call, EINVAL), CHECK_OK(call).
 *
 * A test prints a line for each check that fails and ends with `return check_done();`: 0 when all held,
 * else 1. `check_skip("reason")` ends it with 77. Checks may be used in any thread and in forked children (a
 * child reports its failures by its exit status: `_exit(check_failed())`).
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int check_count_, check_failures_;

/* One write, so that lines of several processes don't mix and nothing is lost by _exit(). */
__attribute__((format(printf, 4, 5), unused)) static void
check_report_(const char *file, int line, const char *expr, const char *format, ...)
{
	char text[1024];
	const char *base = strrchr(file, '/');
	va_list args;
	int saved = errno, n;

	n = snprintf(text, sizeof text, "not ok %s:%d %s", base ? base + 1 : file, line, expr);
	if (n > 800)
		n = 800;
	va_start(args, format);
	n += vsnprintf(text + n, sizeof text - 1 - n, format, args);
	va_end(args);
	if (n > (int)sizeof text - 2)
		n = sizeof text - 2;
	text[n++] = '\n';
	if (write(1, text, n) < 0)
		abort();
	errno = saved;
}

/* @expr holds. */
#define CHECK(expr)                                                                     \
	do {                                                                            \
		check_count_++;                                                         \
		if (!(expr)) {                                                          \
			check_failures_++;                                              \
			check_report_(__FILE__, __LINE__, #expr, " (errno %d)", errno); \
		}                                                                       \
	} while (0)

/* Both integers are equal. */
#define CHECK_EQ(a, b)                                                                                  \
	do {                                                                                            \
		long long check_a_ = (long long)(a), check_b_ = (long long)(b);                         \
		check_count_++;                                                                         \
		if (check_a_ != check_b_) {                                                             \
			check_failures_++;                                                              \
			check_report_(__FILE__, __LINE__, #a " == " #b,                                 \
				      ": %lld (%#llx), not %lld (%#llx); errno %d", check_a_, check_a_, \
				      check_b_, check_b_, errno);                                       \
		}                                                                                       \
	} while (0)

/* @call returns -1 (or NULL's like: MAP_FAILED) and sets errno to @err. */
#define CHECK_ERRNO(call, err)                                                                      \
	do {                                                                                        \
		long check_r_;                                                                      \
		errno = 0;                                                                          \
		check_r_ = (long)(call);                                                            \
		check_count_++;                                                                     \
		if (check_r_ != -1 || errno != (err)) {                                             \
			check_failures_++;                                                          \
			check_report_(__FILE__, __LINE__, #call, ": %ld, errno %d (%s), not " #err, \
				      check_r_, errno, strerror(errno));                            \
		}                                                                                   \
	} while (0)

/* @call does not return -1. */
#define CHECK_OK(call)                                                                                       \
	do {                                                                                                 \
		errno = 0;                                                                                   \
		check_count_++;                                                                              \
		if ((long)(call) == -1) {                                                                    \
			check_failures_++;                                                                   \
			check_report_(__FILE__, __LINE__, #call, ": errno %d (%s)", errno, strerror(errno)); \
		}                                                                                            \
	} while (0)

/* Both strings are equal. */
#define CHECK_STR(a, b)                                                                                   \
	do {                                                                                              \
		const char *check_a_ = (a), *check_b_ = (b);                                              \
		check_count_++;                                                                           \
		if (strcmp(check_a_, check_b_)) {                                                         \
			check_failures_++;                                                                \
			check_report_(__FILE__, __LINE__, #a " is " #b, ": \"%s\", not \"%s\"", check_a_, \
				      check_b_);                                                          \
		}                                                                                         \
	} while (0)

/* 1 when a check has failed in this process (or before it was forked), else 0. */
__attribute__((unused)) static int check_failed(void)
{
	return check_failures_ != 0;
}

/* Calls @fn in a child, which reports its failures: its status as wait() gives it. */
__attribute__((unused)) static int check_in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn();
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* The plan line and the exit status for main(). */
__attribute__((unused)) static int check_done(void)
{
	fflush(stdout);
	if (!check_failures_)
		printf("ok %d checks\n", check_count_);
	else
		printf("failed %d of %d checks\n", check_failures_, check_count_);
	fflush(stdout);
	return check_failed();
}

/* Ends the test as skipped. */
__attribute__((noreturn, unused)) static void check_skip(const char *reason)
{
	printf("skip %s\n", reason);
	fflush(stdout);
	_exit(77);
}

#endif
