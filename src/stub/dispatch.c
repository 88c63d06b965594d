/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall User Dispatch of guests, as far as the stub can tell: a call from the range that is left alone, or one while
 * the selector says ALLOW, goes on as if there were no dispatch. All else is the kernel's to judge (task/dispatch.c).
 *
 * The selector is read once: the byte that was seen goes along, so that nobody looks again.
 */
#include "stub/stub.h"

#define FILTER_ALLOW 0

int stub_not_dispatched(struct slot *slot)
{
	char *byte = (char *)slot + HUSK_IN_OFFSET;

	slot->nin = 0;
	if (!slot->dispatch.on || slot->regs[SREG_RIP] - slot->dispatch.offset < slot->dispatch.len)
		return 1;
	if (!slot->dispatch.selector || stub_byte(byte, (char *)slot->dispatch.selector))
		return 0;
	if (*byte == FILTER_ALLOW)
		return 1;
	slot->in[0].addr = slot->dispatch.selector;
	slot->in[0].len = 1;
	slot->in[0].offset = HUSK_IN_OFFSET;
	slot->nin = 1;
	return 0;
}
