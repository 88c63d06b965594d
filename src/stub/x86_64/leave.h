/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back to the program by registers alone, for assembly. Where rbx points, a block of registers lies whose offsets are named
 * BLOCK_RAX, BLOCK_RBX ...: SLOT of a slot, UC of a signal frame.
 */
#ifndef HUSK_STUB_X86_64_LEAVE_H
#define HUSK_STUB_X86_64_LEAVE_H

#include "channel/channel.h"

/* clang-format off */ /* it takes them for C */

/* All but rbx, rcx, rsp and rip, in which the ways out differ. */
#define LOAD_REGISTERS(BLOCK)         \
	mov BLOCK##_R8(%rbx), %r8;    \
	mov BLOCK##_R9(%rbx), %r9;    \
	mov BLOCK##_R10(%rbx), %r10;  \
	mov BLOCK##_R11(%rbx), %r11;  \
	mov BLOCK##_R12(%rbx), %r12;  \
	mov BLOCK##_R13(%rbx), %r13;  \
	mov BLOCK##_R14(%rbx), %r14;  \
	mov BLOCK##_R15(%rbx), %r15;  \
	mov BLOCK##_RDI(%rbx), %rdi;  \
	mov BLOCK##_RSI(%rbx), %rsi;  \
	mov BLOCK##_RBP(%rbx), %rbp;  \
	mov BLOCK##_RDX(%rbx), %rdx;  \
	mov BLOCK##_RAX(%rbx), %rax

/* All of them, and all flags. On a stack of the stub's, that of signals or the slot's. */
#define LEAVE_BY_IRETQ(BLOCK)         \
	pushq $USER_DS;               \
	pushq BLOCK##_RSP(%rbx);      \
	pushq BLOCK##_EFLAGS(%rbx);   \
	pushq $USER_CS;               \
	pushq BLOCK##_RIP(%rbx);      \
	LOAD_REGISTERS(BLOCK);        \
	mov BLOCK##_RCX(%rbx), %rcx;  \
	mov BLOCK##_RBX(%rbx), %rbx;  \
	iretq

#endif
