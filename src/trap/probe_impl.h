/* SPDX-License-Identifier: Apache-2.0 */
/* Among the probes: the trials by topic, and what they share. All of it runs in a child that ends afterwards. */
#ifndef HUSK_TRAP_PROBE_IMPL_H
#define HUSK_TRAP_PROBE_IMPL_H

#include <linux/filter.h>

#include "trap/probe.h"

/* The verdict with its reason. */
__attribute__((format(printf, 3, 4))) void probe_say(struct probe_result *r, enum probe_verdict verdict,
						     const char *why, ...);
/* NO: @what was refused with @error (positive). */
void probe_refused(struct probe_result *r, const char *what, int error);
/* A child of the trial that dies with it: as fork(). */
int probe_fork(void);
/* Waits for that child's end; its exit status, or -1 when it was killed. */
int probe_wait(int pid);
/* no_new_privs and a filter that answers call @nr with @action and lets all others pass. The descriptor of a
 * listener when @flags ask for one, else 0; or -1 with errno. */
int probe_filter(u32 nr, u32 action, u32 flags);

/* A call that no trial makes otherwise, that does nothing where it comes through, and that no filter around husk
 * refuses, which would come before a notification: getpgrp. */
#define PROBE_CALL 111
/* What trials put into a result register to see it come back. */
#define PROBE_ANSWER 4242

/* probe_trap.c */
void probe_filter_mode(struct probe_result *r);
void probe_delivery(struct probe_result *r);
void probe_notification(struct probe_result *r);
void probe_second_listener(struct probe_result *r);
void probe_dispatch(struct probe_result *r);
void probe_dispatch_inclusive(struct probe_result *r);

/* probe_ptrace.c */
void probe_traceme(struct probe_result *r);
void probe_sysemu(struct probe_result *r);
void probe_process_vm(struct probe_result *r);
void probe_yama(struct probe_result *r);
void probe_clone_parent(struct probe_result *r);

/* probe_memory.c */
void probe_memfd(struct probe_result *r);
void probe_memfd_exec(struct probe_result *r);
void probe_mseal(struct probe_result *r);
void probe_fsgsbase(struct probe_result *r);
void probe_xsave(struct probe_result *r);

/* probe_contain.c */
void probe_no_new_privs(struct probe_result *r);
void probe_landlock(struct probe_result *r);
void probe_user_namespace(struct probe_result *r);
void probe_descriptors(struct probe_result *r);
void probe_processes(struct probe_result *r);
void probe_address_space(struct probe_result *r);
void probe_file_size(struct probe_result *r);
void probe_cpus(struct probe_result *r);

#endif
