/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls from patched sites: into the stub and out of it as the `syscall` instruction would, without a signal.
 *
 * The trampoline (trap/site.h) comes here with the address to return to in r11; rcx is free, everything else is the
 * guest's: its stack, red zone and flags too. The thread's slot is found by the GS base, which husk borrows while the
 * guest does not use it. `wrgsbase` is invisible, so it is checked to lie in the channel's window; if it does not, the
 * `syscall` right before the return address takes the signal path.
 */
#include "stub/x86_64/leave.h"

	.text

/* Flags with which the stub's own code would not work: trap, direction, nested task, alignment check. */
#define ODD_FLAGS 0x44500

	.globl stub_patched_entry
	.type stub_patched_entry, @function
stub_patched_entry:
	/* Without touching the flags: is the high half of the GS base 0x7fff? */
	rdgsbase %rcx
	bswap %rcx
	lea 0x810000(%rcx), %ecx	/* bswap32(0x7fff) = 0xff7f0000 */
	jrcxz 1f
	lea -2(%r11), %rcx
	jmp *%rcx

	/*
	 * A call whose result is written down, by instructions that leave the flags alone: is the number below 256, and
	 * is there a constant? Up to stub_quick_moved an interrupt finds the call not begun: rax holds the number, r11
	 * where to return to.
	 */
1:	movzbl %al, %ecx
	not %rcx
	lea 1(%rcx,%rax), %rcx
	jrcxz 3f
	jmp 4f
3:	movzbl %al, %ecx
	mov %gs:SLOT_CONSTANTS(,%rcx,4), %ecx
	jrcxz 4f
	/* The guest's own dispatch, if it has one, must let it go on, as its selector says: its one look at the byte, if that
	 * says so; else stub_verdict()'s will be the one that counts. */
	mov %gs:SLOT_QUICK, %rcx
	.globl stub_quick_at
stub_quick_at:
	movzbl (%rcx), %ecx
	jrcxz 5f
	jmp 4f
5:	mov %rsp, %gs:SLOT_RSP
	rdgsbase %rsp
	lea SLOT_RSP(%rsp), %rsp
	pushfq
	movzbl %al, %ecx
	/* The number is in rcx. */
	.globl stub_quick_moved
stub_quick_moved:
	mov %gs:SLOT_COUNTS(,%rcx,4), %eax
	lea 1(%rax), %eax
	mov %eax, %gs:SLOT_COUNTS(,%rcx,4)
	mov %gs:SLOT_STUB_CALLS, %eax
	lea 1(%rax), %eax
	mov %eax, %gs:SLOT_STUB_CALLS
	mov %gs:SLOT_CONSTANTS(,%rcx,4), %eax
	lea -1(%rax), %eax
	/* The call has ended: rax holds its result; from the next label on rcx where to return to. */
	.globl stub_quick_done
stub_quick_done:
	mov %r11, %rcx
	.globl stub_quick_left
stub_quick_left:
	pop %r11
	mov %gs:SLOT_RSP, %rsp
	jmp *%rcx
	.globl stub_quick_end
stub_quick_end:

	/* The registers, in the slot's order from its end. */
4:	mov %rsp, %gs:SLOT_RSP
	rdgsbase %rsp
	lea SLOT_RSP(%rsp), %rsp
	pushfq
	testl $ODD_FLAGS, (%rsp)
	jnz 2f
	pushq $USER_CS
	push %r11			/* rip */
	push %rax			/* orig_rax */
	push %rdi
	push %rsi
	push %rdx
	push %r11			/* rcx */
	push %rax
	push %r8
	push %r9
	push %r10
	pushq (SLOT_EFLAGS - SLOT_R10)(%rsp) /* r11 */
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	lea -SLOT_REGS(%rsp), %rbx
	mov %rbx, %rdi
	lea HUSK_STACK_TOP(%rbx), %rsp
	call stub_patched_call
	jmp stub_patched_exit

2:	popfq
	mov %gs:SLOT_RSP, %rsp
	lea -2(%r11), %rcx
	jmp *%rcx

/*
 * rbx slot. An interrupt that finds the instruction pointer in [stub_patched_exit, stub_patched_end) is taken there:
 * the slot still holds all that is about to be restored.
 */
3:	mov %rbx, %rdi
	call stub_patched_interrupted
	.globl stub_patched_exit
stub_patched_exit:
	cmpl $0, SLOT_INTERRUPTED(%rbx)
	jne 3b
	mov SLOT_RIP(%rbx), %rcx
	cmp %rcx, SLOT_RCX(%rbx)
	jne 4f
	/* The arithmetic flags; the others are what they were, or there was a frame to go back by. */
	movzbl SLOT_EFLAGS+1(%rbx), %eax
	and $8, %eax
	add $0x78, %al			/* the overflow flag */
	mov SLOT_EFLAGS(%rbx), %ah
	sahf
	LOAD_REGISTERS(SLOT)
	mov %rbx, %rcx
	mov SLOT_RBX(%rcx), %rbx
	mov SLOT_RSP(%rcx), %rsp
	mov SLOT_RIP(%rcx), %rcx
	jmp *%rcx
	/* Not behind a call: all flags, and rcx. */
4:	lea HUSK_STACK_TOP(%rbx), %rsp
	LEAVE_BY_IRETQ(SLOT)
	.globl stub_patched_end
stub_patched_end:

	.section .note.GNU-stack, "", @progbits
