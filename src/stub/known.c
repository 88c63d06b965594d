/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that the kernel has told something of: closed here, and asked about: channel/known.h. */
#include <asm/unistd.h>
#include <linux/fcntl.h>

#include "stub/stub.h"

/* Which of the two @fd is: its bit for closing, or 0. */
static u32 closable(const struct slot *slot, u32 known, u32 fd)
{
	if (known & KNOWN_CLOSE_0 && fd == (u32)slot->arg[3])
		return KNOWN_CLOSE_0;
	return known & KNOWN_CLOSE_1 && fd == (u32)(slot->arg[3] >> 32) ? KNOWN_CLOSE_1 : 0;
}

/* What fcntl gives; -1: not known. */
static s64 flags_of(const struct slot *slot, u32 known)
{
	const u64 *r = slot->regs;
	u64 cloexec = known & KNOWN_CLOEXEC ? FD_CLOEXEC : 0;

	if (!(known & KNOWN_FLAGS) || (u32)r[SREG_RDI] != (u32)slot->arg[3])
		return -1;
	switch ((u32)r[SREG_RSI]) {
	case F_GETFL:
		return (u32)slot->arg[4];
	case F_GETFD:
		return (s64)cloexec;
	case F_SETFD: /* as it is */
		return (r[SREG_RDX] & FD_CLOEXEC) == cloexec ? 0 : -1;
	}
	return -1;
}

int stub_knows(const struct slot *slot, u64 nr)
{
	u32 known = load(&slot->known), fd = (u32)slot->regs[SREG_RDI];

	if (!known)
		return 0;
	switch (nr) {
	case __NR_close:
		return closable(slot, known, fd) != 0;
	case __NR_fcntl:
		return flags_of(slot, known) >= 0;
	}
	return known & KNOWN_LISTED && fd == (u32)slot->arg[3];
}

/* From the moment when its bit has gone the descriptor is closed; when the kernel was faster, it has to do it. */
static int short_close(struct slot *slot)
{
	u64 *r = slot->regs;
	u32 bit = closable(slot, load(&slot->known), (u32)r[SREG_RDI]), gone = bit;

	if (bit == KNOWN_CLOSE_0)
		gone |= KNOWN_FLAGS | KNOWN_CLOEXEC | KNOWN_LISTED;
	if (!bit || !(__atomic_fetch_and(&slot->known, (u8)~gone, __ATOMIC_SEQ_CST) & bit))
		return 0;
	r[SREG_RAX] = 0;
	return 1;
}

int stub_short_known(struct slot *slot, u64 nr)
{
	u64 *r = slot->regs;
	u32 known = load(&slot->known);

	switch (nr) {
	case __NR_close:
		return short_close(slot);
	case __NR_fcntl:
		if (flags_of(slot, known) < 0)
			return 0;
		r[SREG_RAX] = (u64)flags_of(slot, known);
		return 1;
	}
	if (!(known & KNOWN_LISTED) || (u32)r[SREG_RDI] != (u32)slot->arg[3])
		return 0;
	r[SREG_RAX] = 0;
	return 1;
}
