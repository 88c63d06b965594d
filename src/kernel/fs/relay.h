/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's terminal (or any pair of streams) as the master of a pty: what `husk run --tty` gives the guest. */
#ifndef HUSK_KERNEL_FS_RELAY_H
#define HUSK_KERNEL_FS_RELAY_H

#include "core/kernel.h"
#include "fs/pty.h"

struct relay;

/* A pty for the user @uid whose keyboard is @in and whose screen is @out (both borrowed); settings and size are those of
 * @in where it is a terminal. Opens both a second time, so before the kernel process confines itself. 0 or -errno. */
int relay_new(struct kernel *k, u32 uid, struct hostfd in, struct hostfd out, struct relay **out_relay);
/* Puts the terminal into raw mode, if husk is in its foreground, and begins to carry. 0 or -errno. */
int relay_start(struct relay *r);
/* The terminal as it was found; raw again, with the size that it has by now. */
void relay_suspend(struct relay *r);
void relay_resume(struct relay *r);
/* The terminal has another size. */
void relay_resized(struct relay *r);
/* NULL after the terminal has hung up. Borrowed. */
struct pty *relay_pty(struct relay *r);
/* Carries what is left, for a bounded time, and gives the terminal back. @r nullable. */
void relay_free(struct relay *r);

#endif
