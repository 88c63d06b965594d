/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall User Dispatch of guests, as far as the stub can tell: a call from the range that is left alone, or one while
 * the selector says ALLOW, goes on as if there were no dispatch; one while it says BLOCK is dispatched. All else is the
 * kernel's to judge (task/dispatch.c).
 *
 * The selector is read once: the byte that was seen goes along, so that nobody looks again. (The path of known results,
 * x86_64/patched.S, comes before; what it reads counts only where it answers the call.) A selector where no guest's memory
 * lies cannot be read, whatever of the stub's own is there.
 */
#include "stub/stub.h"

#define FILTER_ALLOW 0
#define FILTER_BLOCK 1

/* Whether the call may have come from the trampoline of a patched tail (trap/site.h): `jmp *entry(%rip)` and `syscall`
 * lie before the address to come back to then, which is not where the guest made the call. */
static int in_trampoline(u64 ip)
{
	u8 code[8];

	return stub_eight(code, (void *)(ip - 8)) ||
	       (code[0] == 0xff && code[1] == 0x25 && code[6] == 0x0f && code[7] == 0x05);
}

enum verdict stub_verdict(struct slot *slot, struct stub_ahead *ahead)
{
	char *byte = (char *)slot + HUSK_IN_OFFSET;
	u64 ip = slot->regs[SREG_RIP];

	*ahead = (struct stub_ahead){0, 0};
	if (!slot->dispatch.on)
		return GO_ON;
	if (slot->dispatch.len && in_trampoline(ip))
		return ASK_KERNEL;
	if (ip - slot->dispatch.offset < slot->dispatch.len)
		return GO_ON;
	if (!slot->dispatch.selector)
		return in_trampoline(ip) ? ASK_KERNEL : DISPATCH;
	if (slot->dispatch.selector >= HUSK_GUEST_TOP || stub_byte(byte, (char *)slot->dispatch.selector))
		return ASK_KERNEL;
	if (*byte == FILTER_ALLOW)
		return GO_ON;
	slot->in[0].addr = slot->dispatch.selector;
	slot->in[0].len = 1;
	slot->in[0].offset = HUSK_IN_OFFSET;
	ahead->nin = 1;
	return *byte == FILTER_BLOCK && !in_trampoline(ip) ? DISPATCH : ASK_KERNEL;
}
