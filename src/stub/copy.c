/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a call's arguments from guest memory ahead of the turn, by the call table's argument kinds. */
#include "abi/calls.h"
#include "stub/stub.h"

#define NR_CALLS 470
#define MAX_STR  4096
#define MAX_IOVS 16

static const struct {
	struct arg_spec arg[6];
} call_args[NR_CALLS] = {
#define CALL(nr, name, support, shape, args, note) [nr] = {args},
#include "abi/syscalls.tbl"
#undef CALL
};

static const unsigned short struct_size[] = {
	[STRUCT_none] = 0,
#define STRUCT(name, size) [STRUCT_##name] = size,
#include "abi/structs.tbl"
#undef STRUCT
};

struct ahead {
	struct slot *slot;
	u32 used; /* bytes of the in area */
	u32 n;
	struct slot_piece in[HUSK_MAX_IN];
};

/* Room for @size bytes more, or 0. */
static char *room(struct ahead *a, u64 size)
{
	if (a->n >= HUSK_MAX_IN || size > HUSK_COPY_SIZE - a->used)
		return 0;
	return (char *)a->slot + HUSK_IN_OFFSET + a->used;
}

static void note(struct ahead *a, u64 addr, u64 size)
{
	if (!size)
		return;
	a->in[a->n].addr = addr;
	a->in[a->n].len = (u32)size;
	a->in[a->n].offset = HUSK_IN_OFFSET + a->used;
	a->n++;
	a->used += (u32)(size + 7) & ~7u;
}

static const char *bytes(struct ahead *a, u64 addr, u64 size)
{
	u64 left = HUSK_COPY_SIZE - a->used;
	char *to;

	if (size > HUSK_COPY_SIZE && kpage->reads)
		return 0;
	if (size > left)
		size = left;
	to = room(a, size);
	if (!addr || !size || !to)
		return 0;
	size -= stub_copy(to, (void *)addr, size);
	note(a, addr, size);
	return to;
}

static void string(struct ahead *a, u64 addr)
{
	u64 left = HUSK_COPY_SIZE - a->used;
	char *to = room(a, 1);

	if (addr && to)
		note(a, addr, stub_string(to, (char *)addr, left < MAX_STR ? left : MAX_STR));
}

static void iovecs(struct ahead *a, u64 addr, u64 count, int with_data)
{
	const u64 *iov;
	u32 before = a->n;

	if (count > MAX_IOVS)
		return;
	iov = (const u64 *)bytes(a, addr, count * 16);
	if (!with_data || a->n == before || a->in[before].len != count * 16)
		return;
	for (u64 i = 0; i < count; i++)
		bytes(a, iov[2 * i], iov[2 * i + 1]);
}

/* Says in the slot what was copied. Most calls have one piece at most, which the turn's own line can tell of: it begins
 * where the argument @first points to. */
static void tell(const struct ahead *a, u32 first, struct stub_ahead *out)
{
	if (a->n == 1) {
		*out = (struct stub_ahead){(u8)(SLOT_IN_LINE + first), (u16)a->in[0].len};
		return;
	}
	for (u32 i = 0; i < a->n; i++) {
		a->slot->in[i].addr = a->in[i].addr;
		a->slot->in[i].len = a->in[i].len;
		a->slot->in[i].offset = a->in[i].offset;
	}
	*out = (struct stub_ahead){(u8)a->n, 0};
}

void stub_copy_ahead(struct slot *slot, struct stub_ahead *out)
{
	static const u8 arg_reg[6] = {SREG_RDI, SREG_RSI, SREG_RDX, SREG_R10, SREG_R8, SREG_R9};
	u64 nr = slot->regs[SREG_ORIG_RAX];
	struct ahead a;
	u32 first = 0;

	a.slot = slot;
	a.used = a.n = 0;

	for (int i = 0; nr < NR_CALLS && i < 6; i++) {
		const struct arg_spec *spec = &call_args[nr].arg[i];
		u64 value = slot->regs[arg_reg[i]], count;

		switch (spec->kind) {
		case ARG_NONE:
			i = 6;
			break;
		case ARG_STR:
			string(&a, value);
			break;
		case ARG_IN:
		case ARG_INOUT:
			bytes(&a, value, struct_size[spec->ref]);
			break;
		case ARG_IN_LEN:
			bytes(&a, value, slot->regs[arg_reg[spec->ref % 6]]);
			break;
		case ARG_IN_ARRAY:
			count = slot->regs[arg_reg[spec->ref2 % 6]];
			if (count < HUSK_COPY_SIZE)
				bytes(&a, value, count * struct_size[spec->ref]);
			break;
		case ARG_IOV_IN:
		case ARG_IOV_OUT:
			iovecs(&a, value, slot->regs[arg_reg[spec->ref % 6]], spec->kind == ARG_IOV_IN);
			break;
		}
		if (!a.n)
			first = (u32)i + 1;
	}
	tell(&a, first, out);
}
