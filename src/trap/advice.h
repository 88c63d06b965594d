/* SPDX-License-Identifier: Apache-2.0 */
/* What users can do about a host call that failed, by its errno. */
#ifndef HUSK_TRAP_ADVICE_H
#define HUSK_TRAP_ADVICE_H

/* The next step, for behind "cannot do this (reason); "; @err is positive or negative. Static. */
const char *advice_for(int err);

#endif
