/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of a made-up system. They are made with the processor's `syscall` instruction, as Linux's are, and their
 * numbers mean something else there: 60 is Linux's exit, 1 its write, 231 its exit_group.
 *
 * The number goes into eax, arguments into r10, rdx, r8 in this order, the result comes back in rax.
 */
#ifndef FOREIGN_CALLS_H
#define FOREIGN_CALLS_H

#define FOREIGN_ALLOCATE 1   /* (size): memory, or 0 */
#define FOREIGN_SAY      60  /* (text, length): how much was said */
#define FOREIGN_LISTEN   231 /* (buffer, size): how much was heard; 0: no more comes */
#define FOREIGN_NUMBER   57  /* (value): says it */
#define FOREIGN_LEAVE    39  /* (status): ends the program */

#endif
