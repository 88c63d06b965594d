/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vocabulary of syscalls.tbl, the one table of system calls.
 *
 * A line of the table:
 *
 *	CALL(number, name, SUPPORT, SHAPE, ARGS(kinds...), "note")
 *
 * From it come: the dispatch table (handler sys_name), what the stub copies ahead of a turn, --strace's text, the
 * fuzzer's arguments and the compatibility page. SUPPORT is FULL, PART (the note says what is missing), REFUSED(errno)
 * (answered with that errno, counted) or NONE (ENOSYS). SHAPE is how it may block: NEVER, CONDITION, COMPLETION, STAGED
 * (core/call.h).
 *
 * Argument kinds. `n` is another argument's index, `T` one of the struct names in abi/structs.tbl, `F` a name of
 * abi/flags.tbl (strace prints symbolic flags).
 */
#ifndef HUSK_ABI_CALLS_H
#define HUSK_ABI_CALLS_H

#include "base/types.h"

enum arg_kind {
	ARG_NONE,
	ARG_INT,       /* signed 32 bits */
	ARG_UINT,      /* unsigned 32 bits */
	ARG_LONG,      /* signed 64 bits */
	ARG_ULONG,     /* unsigned 64 bits, decimal */
	ARG_HEX,       /* 64 bits, hexadecimal */
	ARG_PTR,       /* an address that is not followed */
	ARG_FD,        /* a descriptor */
	ARG_DIRFD,     /* a descriptor or AT_FDCWD */
	ARG_MODE,      /* octal permission bits */
	ARG_DEV,       /* a device number */
	ARG_SIGNO,     /* a signal number */
	ARG_FLAGS,     /* ref: table of bits or values in abi/flags.tbl */
	ARG_STR,       /* in: path or other string, up to its NUL (at most 4096 bytes) */
	ARG_STRV,      /* in: argv-like vector of strings */
	ARG_IN,        /* in: one struct; ref: its type */
	ARG_IN_LEN,    /* in: as many bytes as argument ref says */
	ARG_IN_ARRAY,  /* in: structs of type ref, their count in argument ref2 */
	ARG_OUT,       /* out: one struct; ref: its type */
	ARG_OUT_RET,   /* out: as many bytes as the call returns, at most argument ref */
	ARG_OUT_ARRAY, /* out: structs of type ref; count is the return value, at most argument ref2 */
	ARG_INOUT,     /* in and out: one struct */
	ARG_IOV_IN,    /* in: iovecs with data to write; count in argument ref */
	ARG_IOV_OUT,   /* out: iovecs to fill; count in argument ref */
};

struct arg_spec {
	u8 kind, ref, ref2;
};

enum call_support { SUPPORT_FULL, SUPPORT_PART, SUPPORT_REFUSED, SUPPORT_NONE };
enum call_shape { SHAPE_NEVER, SHAPE_CONDITION, SHAPE_COMPLETION, SHAPE_STAGED };

/* Words that the table's lines use. */
#define ARGS(...)           \
	{                   \
		__VA_ARGS__ \
	}
#define INT                   \
	{                     \
		ARG_INT, 0, 0 \
	}
#define UINT                   \
	{                      \
		ARG_UINT, 0, 0 \
	}
#define LONG                   \
	{                      \
		ARG_LONG, 0, 0 \
	}
#define ULONG                   \
	{                       \
		ARG_ULONG, 0, 0 \
	}
#define HEX                   \
	{                     \
		ARG_HEX, 0, 0 \
	}
#define PTR                   \
	{                     \
		ARG_PTR, 0, 0 \
	}
#define FD                   \
	{                    \
		ARG_FD, 0, 0 \
	}
#define DIRFD                   \
	{                       \
		ARG_DIRFD, 0, 0 \
	}
#define MODE                   \
	{                      \
		ARG_MODE, 0, 0 \
	}
#define DEV                   \
	{                     \
		ARG_DEV, 0, 0 \
	}
#define SIGNO                   \
	{                       \
		ARG_SIGNO, 0, 0 \
	}
#define FLAGS(f)                        \
	{                               \
		ARG_FLAGS, FLAGS_##f, 0 \
	}
#define STR                   \
	{                     \
		ARG_STR, 0, 0 \
	}
#define STRV                   \
	{                      \
		ARG_STRV, 0, 0 \
	}
#define IN(t)                         \
	{                             \
		ARG_IN, STRUCT_##t, 0 \
	}
#define IN_LEN(n)                \
	{                        \
		ARG_IN_LEN, n, 0 \
	}
#define IN_ARRAY(t, n)                      \
	{                                   \
		ARG_IN_ARRAY, STRUCT_##t, n \
	}
#define OUT(t)                         \
	{                              \
		ARG_OUT, STRUCT_##t, 0 \
	}
#define OUT_RET(n)                \
	{                         \
		ARG_OUT_RET, n, 0 \
	}
#define OUT_ARRAY(t, n)                      \
	{                                    \
		ARG_OUT_ARRAY, STRUCT_##t, n \
	}
#define INOUT(t)                         \
	{                                \
		ARG_INOUT, STRUCT_##t, 0 \
	}
#define IOV_IN(n)                \
	{                        \
		ARG_IOV_IN, n, 0 \
	}
#define IOV_OUT(n)                \
	{                         \
		ARG_IOV_OUT, n, 0 \
	}

/* STRUCT_timespec, ... and their sizes: from structs.tbl's lines STRUCT(name, size). */
enum struct_type {
	STRUCT_none,
#define STRUCT(name, size) STRUCT_##name,
#include "abi/structs.tbl"
#undef STRUCT
	NR_STRUCTS,
};

/* FLAGS_open, ... : from flags.tbl's lines FLAGSET(name) ... (see there). */
enum flag_set {
	FLAGS_none,
#define FLAGSET(name, mask) FLAGS_##name,
#define FLAG(value, text)
#include "abi/flags.tbl"
#undef FLAGSET
#undef FLAG
	NR_FLAG_SETS,
};

#endif
