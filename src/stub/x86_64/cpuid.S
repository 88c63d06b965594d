/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cpuid` from patched sites, answered from the kernel page.
 *
 * The trampoline (trap/site.h) comes here with the address to go on at in rbx: of the registers that the instruction
 * writes, rbx and rdx hold nothing that it reads. Flags and all else are the guest's. As with calls, the GS base tells
 * the thread's slot and is checked first, and the instruction itself lies right before the address in rbx: who finds no
 * answer goes there.
 */
#include "channel/channel.h"

	.text

	.globl stub_cpuid_entry
	.type stub_cpuid_entry, @function
stub_cpuid_entry:
	/* Without touching the flags: is the high half of the GS base 0x7fff? */
	mov %ecx, %edx
	.globl stub_cpuid_gs
stub_cpuid_gs:
	rdgsbase %rcx
	bswap %rcx
	lea 0x810000(%rcx), %ecx	/* bswap32(0x7fff) = 0xff7f0000 */
	jrcxz 1f
	jmp stub_cpuid_odd
1:	mov %edx, %ecx
	.globl stub_cpuid_save
stub_cpuid_save:
	mov %eax, %gs:SLOT_CPUID_LEAF
	mov %ecx, %gs:SLOT_CPUID_SUB
	mov %rbx, %gs:SLOT_CPUID_BACK
	lahf
	seto %al
	mov %ax, %gs:SLOT_CPUID_FLAGS
	/* From here on the slot has all that the instruction begins with. */
	.globl stub_cpuid_saved
stub_cpuid_saved:
	mov %gs:SLOT_CPUID_LEAF, %edx
	movabs $(HUSK_KPAGE_BASE + KPAGE_CPUID - CPUID_ANSWER), %rax
	mov CPUID_ANSWER + KPAGE_NCPUID - KPAGE_CPUID(%rax), %ebx
2:	sub $1, %ebx
	jb 4f
	add $CPUID_ANSWER, %rax
	cmp %edx, (%rax)
	jne 2b
	cmpl $0, CPUID_ANY(%rax)
	jne 3f
	cmp %ecx, CPUID_SUB(%rax)
	jne 2b
3:	mov %rax, %rdx
	movzwl %gs:SLOT_CPUID_FLAGS, %eax
	add $0x7f, %al			/* the overflow flag */
	sahf
	mov CPUID_EAX(%rdx), %eax
	mov CPUID_EBX(%rdx), %ebx
	mov CPUID_ECX(%rdx), %ecx
	mov CPUID_EDX(%rdx), %edx
	jmp *%gs:SLOT_CPUID_BACK

4:	movzwl %gs:SLOT_CPUID_FLAGS, %eax
	add $0x7f, %al
	sahf
	mov %gs:SLOT_CPUID_LEAF, %eax
	mov %gs:SLOT_CPUID_BACK, %rbx
	lea -2(%rbx), %rbx
	jmp *%rbx

	/* There is no slot. */
	.globl stub_cpuid_odd
stub_cpuid_odd:
	mov %edx, %ecx
	.globl stub_cpuid_left
stub_cpuid_left:
	lea -2(%rbx), %rdx
	jmp *%rdx
	.globl stub_cpuid_end
stub_cpuid_end:

	.section .note.GNU-stack, "", @progbits
