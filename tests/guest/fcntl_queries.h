/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of fcntl(2) that libc's headers may not know yet. */
#ifndef HUSK_TESTS_GUEST_FCNTL_QUERIES_H
#define HUSK_TESTS_GUEST_FCNTL_QUERIES_H

#include <fcntl.h>

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif
#ifndef F_CREATED_QUERY
#define F_CREATED_QUERY 1028
#endif
#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

#endif
