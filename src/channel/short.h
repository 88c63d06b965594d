/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that the stub may answer without the kernel, as two lists: those whose answer is a number that the kernel
 * knows beforehand, and those that take a way of their own. A bit, or a place, for each: thread by thread the kernel says
 * which are on (task/short.c).
 */
#ifndef HUSK_CHANNEL_SHORT_H
#define HUSK_CHANNEL_SHORT_H

/* X(name, number): numbers below HUSK_QUICK_CALLS. */
#define HUSK_CONSTANT_CALLS(X) \
	X(getpid, 39)          \
	X(getuid, 102)         \
	X(getgid, 104)         \
	X(geteuid, 107)        \
	X(getegid, 108)        \
	X(getppid, 110)        \
	X(getpgrp, 111)        \
	X(gettid, 186)

#define HUSK_SHORT_CALLS(X)   \
	X(futex, 202)         \
	X(clock_gettime, 228) \
	X(clock_getres, 229)  \
	X(gettimeofday, 96)   \
	X(time, 201)          \
	X(sched_yield, 24)    \
	X(rt_sigprocmask, 14) \
	X(mmap, 9)            \
	X(mprotect, 10)       \
	X(munmap, 11)         \
	X(brk, 12)            \
	X(madvise, 28)        \
	X(read, 0)            \
	X(pread64, 17)        \
	X(readv, 19)          \
	X(lseek, 8)           \
	X(write, 1)           \
	X(close, 3)           \
	X(fcntl, 72)          \
	X(getdents64, 217)    \
	X(rt_sigreturn, 15)   \
	X(wait4, 61)          \
	X(ptrace, 101)

#define HUSK_QUICK_CALLS   256 /* numbers that the assembly path looks up */
#define HUSK_COUNTED_CALLS 232 /* all numbers of both lists are below */

#ifndef __ASSEMBLER__

enum constant_call {
#define X(name, number) CONSTANT_##name,
	HUSK_CONSTANT_CALLS(X)
#undef X
		NR_CONSTANT_CALLS
};

enum short_call {
#define X(name, number) SHORT_##name,
	HUSK_SHORT_CALLS(X)
#undef X
		NR_SHORT_CALLS
};

#define SHORT_BIT(name) (1u << SHORT_##name)
/* Those that read donated files: on where the space's table is about the task's descriptors. */
#define SHORT_DONATED (SHORT_BIT(read) | SHORT_BIT(pread64) | SHORT_BIT(readv) | SHORT_BIT(lseek))

/* Those of channel/foreseen.h. */
#define SHORT_FORESEEN (SHORT_BIT(wait4) | SHORT_BIT(ptrace))

/* Those of channel/known.h. */
#define SHORT_KNOWN (SHORT_BIT(close) | SHORT_BIT(fcntl) | SHORT_BIT(getdents64))

/* Those of channel/memory.h. */
#define SHORT_MEMORY \
	(SHORT_BIT(mmap) | SHORT_BIT(mprotect) | SHORT_BIT(munmap) | SHORT_BIT(brk) | SHORT_BIT(madvise))

#endif
#endif
