/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel that husk says it is: the one whose calls and semantics it follows. */
#ifndef HUSK_KERNEL_CORE_RELEASE_H
#define HUSK_KERNEL_CORE_RELEASE_H

#define HUSK_UTS_RELEASE "6.1.0-husk"
#define HUSK_UTS_VERSION "#1 SMP PREEMPT_DYNAMIC"

#endif
