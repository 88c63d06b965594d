/* SPDX-License-Identifier: Apache-2.0 */
/* A call's arguments as --strace shows them, by their kinds in the call table. */
#include "trace/strace_impl.h"

#include "core/task.h"

#include <string.h>

#define STRING_SHOWN 32 /* bytes of a buffer, as strace */
#define ITEMS_SHOWN  32 /* of an array */
#define PATH_SHOWN   4096

/* Guest memory as it will be when the call is done. Bytes from the start. */
static size_t peek(struct pending *p, void *to, u64 addr, size_t size)
{
	size_t got = user_peek(p->task, to, addr, size);

	for (struct written *w = p->written; w; w = w->next) {
		u64 from = max(addr, w->addr), end = min(addr + size, w->addr + w->size);

		if (from >= end || from > addr + got)
			continue;
		memcpy((char *)to + (from - addr), w->bytes + (from - w->addr), end - from);
		got = max(got, (size_t)(end - addr));
	}
	return got;
}

static const u16 struct_size[] = {
	[STRUCT_none] = 0,
#define STRUCT(name, size) [STRUCT_##name] = size,
#include "abi/structs.tbl"
#undef STRUCT
};

static void add_pointer(struct line *l, u64 addr)
{
	if (addr)
		line_add(l, "%#llx", (unsigned long long)addr);
	else
		line_add(l, "NULL");
}

static void add_string(struct line *l, struct pending *p, u64 addr, size_t shown)
{
	char text[PATH_SHOWN];
	size_t size = 0, got;

	if (!addr) {
		add_pointer(l, addr);
		return;
	}
	/* Page by page, so that a string at the end of a mapping is seen. */
	while (size < shown) {
		size_t piece = min(shown - size, PAGE_SIZE - (addr + size) % PAGE_SIZE);

		got = peek(p, text + size, addr + size, piece);
		if (memchr(text + size, 0, got)) {
			line_quote(l, text, strlen(text), false);
			return;
		}
		size += got;
		if (got < piece)
			break;
	}
	if (size)
		line_quote(l, text, size, true);
	else
		add_pointer(l, addr);
}

static void add_bytes(struct line *l, struct pending *p, u64 addr, u64 size)
{
	char bytes[STRING_SHOWN];
	size_t shown = min(size, (u64)STRING_SHOWN);

	if (addr && peek(p, bytes, addr, shown) == shown)
		line_quote(l, bytes, shown, size > shown);
	else
		add_pointer(l, addr);
}

static void add_struct(struct line *l, struct pending *p, int type, u64 addr)
{
	_Alignas(16) char data[512];
	size_t size = struct_size[type];

	memset(data, 0, sizeof data);
	if (!addr || size > sizeof data || (peek(p, data, addr, size) != size && type != STRUCT_fdset) ||
	    !line_struct(l, type, data, size))
		add_pointer(l, addr);
}

static void add_array(struct line *l, struct pending *p, int type, u64 addr, u64 count)
{
	size_t size = struct_size[type];

	if (!addr || count > 4096) {
		add_pointer(l, addr);
		return;
	}
	line_add(l, "[");
	for (u64 i = 0; i < count && i < ITEMS_SHOWN; i++) {
		line_add(l, i ? ", " : "");
		add_struct(l, p, type, addr + i * size);
	}
	line_add(l, count > ITEMS_SHOWN ? ", ...]" : "]");
}

static void add_strings(struct line *l, struct pending *p, u64 addr)
{
	u64 string;

	if (!addr) {
		add_pointer(l, addr);
		return;
	}
	line_add(l, "[");
	for (int i = 0; peek(p, &string, addr + 8 * (u64)i, 8) == 8 && string; i++) {
		line_add(l, i ? ", " : "");
		if (i == ITEMS_SHOWN) {
			line_add(l, "...");
			break;
		}
		add_string(l, p, string, PATH_SHOWN);
	}
	line_add(l, "]");
}

static void add_count_of_strings(struct line *l, struct pending *p, u64 addr)
{
	u64 string;
	int n = 0;

	while (addr && peek(p, &string, addr + 8 * (u64)n, 8) == 8 && string && n < 100000)
		n++;
	add_pointer(l, addr);
	line_add(l, " /* %d var%s */", n, n == 1 ? "" : "s");
}

/* @moved: how many bytes of them all are meant. */
static void add_iovecs(struct line *l, struct pending *p, u64 addr, u64 count, u64 moved)
{
	u64 iov[2];

	if (!addr || count > 1024) {
		add_pointer(l, addr);
		return;
	}
	line_add(l, "[");
	for (u64 i = 0; i < count && i < ITEMS_SHOWN; i++) {
		if (peek(p, iov, addr + 16 * i, 16) != 16)
			break;
		line_add(l, i ? ", {iov_base=" : "{iov_base=");
		add_bytes(l, p, iov[0], min(iov[1], moved));
		line_add(l, ", iov_len=%llu}", (unsigned long long)iov[1]);
		moved -= min(iov[1], moved);
	}
	line_add(l, count > ITEMS_SHOWN ? ", ...]" : "]");
}

/* Arguments that their kind alone does not tell: 1 when it was printed. */
static bool add_special(struct line *l, struct pending *p, const struct call *c, int i, bool ended)
{
	char address[128];
	s32 status;
	u64 size;

	switch (c->nr * 8 + (u32)i) {
	case 61 * 8 + 1: /* wait4 */
		if (!ended || !c->arg[1] || peek(p, &status, c->arg[1], 4) != 4)
			return false;
		line_wait_status(l, status);
		return true;
	case 42 * 8 + 1: /* connect, bind, sendto */
	case 49 * 8 + 1:
	case 44 * 8 + 4:
		size = min(c->arg[i + 1], sizeof address);
		if (!c->arg[i] || peek(p, address, c->arg[i], size) != size)
			return false;
		line_sockaddr(l, address, size);
		return true;
	case 59 * 8 + 2: /* execve, execveat: the environment */
	case 322 * 8 + 3:
		add_count_of_strings(l, p, c->arg[i]);
		return true;
	}
	return false;
}

bool strace_known_at_end(int kind)
{
	return kind == ARG_OUT || kind == ARG_OUT_RET || kind == ARG_OUT_ARRAY || kind == ARG_INOUT ||
	       kind == ARG_IOV_OUT;
}

void strace_argument(struct line *l, struct pending *p, const struct call *c, const struct arg_spec *spec,
		     int i, long result, bool ended)
{
	u64 v = c->arg[i];

	if (add_special(l, p, c, i, ended))
		return;
	if (strace_known_at_end(spec->kind) && (!ended || (result < 0 && spec->kind != ARG_INOUT))) {
		add_pointer(l, v);
		return;
	}
	switch (spec->kind) {
	case ARG_INT:
		line_add(l, "%d", (int)v);
		break;
	case ARG_UINT:
		line_add(l, "%u", (unsigned)v);
		break;
	case ARG_LONG:
		line_add(l, "%lld", (long long)v);
		break;
	case ARG_ULONG:
		line_add(l, "%llu", (unsigned long long)v);
		break;
	case ARG_HEX:
		line_add(l, v ? "%#llx" : "0", (unsigned long long)v);
		break;
	case ARG_FD:
		line_add(l, "%d", (int)v);
		break;
	case ARG_DIRFD:
		if ((int)v == -100)
			line_add(l, "AT_FDCWD");
		else
			line_add(l, "%d", (int)v);
		break;
	case ARG_MODE:
		line_add(l, "%#o", (unsigned)v & 0177777);
		break;
	case ARG_DEV:
		line_add(l, "makedev(%#x, %#x)", (unsigned)(v >> 8 & 0xfff), (unsigned)(v & 0xff));
		break;
	case ARG_SIGNO:
		line_signal(l, (int)v);
		break;
	case ARG_FLAGS:
		line_flags(l, spec->ref, v);
		break;
	case ARG_STR:
		add_string(l, p, v, PATH_SHOWN);
		break;
	case ARG_STRV:
		add_strings(l, p, v);
		break;
	case ARG_IN:
	case ARG_OUT:
	case ARG_INOUT:
		add_struct(l, p, spec->ref, v);
		break;
	case ARG_IN_LEN:
		add_bytes(l, p, v, c->arg[spec->ref]);
		break;
	case ARG_IN_ARRAY:
		add_array(l, p, spec->ref, v, c->arg[spec->ref2]);
		break;
	case ARG_OUT_RET:
		add_bytes(l, p, v, (u64)result);
		break;
	case ARG_OUT_ARRAY:
		add_array(l, p, spec->ref, v, (u64)result);
		break;
	case ARG_IOV_IN:
		add_iovecs(l, p, v, c->arg[spec->ref], ~0ull);
		break;
	case ARG_IOV_OUT:
		add_iovecs(l, p, v, c->arg[spec->ref], (u64)result);
		break;
	default:
		add_pointer(l, v);
	}
}
int strace_arguments_used(const struct call_entry *e, const struct call *c)
{
	for (int i = 1; i < e->nargs; i++)
		if (e->args[i].kind == ARG_MODE && e->args[i - 1].kind == ARG_FLAGS &&
		    e->args[i - 1].ref == FLAGS_open && !(c->arg[i - 1] & (0100 | 020000000)))
			return i;
	/* fcntl: F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, F_GETLEASE, F_GETPIPE_SZ, F_GET_SEALS */
	if (c->nr == 72 && (c->arg[1] == 1 || c->arg[1] == 3 || c->arg[1] == 9 || c->arg[1] == 11 ||
			    c->arg[1] == 1025 || c->arg[1] == 1032 || c->arg[1] == 1034))
		return 2;
	return e->nargs;
}
