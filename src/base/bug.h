/* SPDX-License-Identifier: Apache-2.0 */
/* BUG() ends husk with file and line: for husk's own broken invariants, never for what a guest can cause. */
#ifndef HUSK_BASE_BUG_H
#define HUSK_BASE_BUG_H

__attribute__((noreturn, format(printf, 3, 4))) void bug_at(const char *file, int line, const char *format,
							    ...);

#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define BUG_ON(cond)                               \
	do {                                       \
		if (__builtin_expect(!!(cond), 0)) \
			BUG("%s", #cond);          \
	} while (0)

#endif
