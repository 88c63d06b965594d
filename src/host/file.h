/* SPDX-License-Identifier: Apache-2.0 */
/* Host calls on files: directories and files of the host's tree by name below a descriptor, files in memory.
 */
#ifndef HUSK_HOST_FILE_H
#define HUSK_HOST_FILE_H

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "host/types.h"

/* All return 0 (or what is said) or -errno; descriptors are close-on-exec and owned by the caller. */

/* One name in @dir as O_PATH: a symlink itself, never followed. */
int host_open_name(struct hostfd dir, const char *name, struct hostfd *out);
/* The same for reading: -ELOOP for a symlink. What it is the caller looks at afterwards. */
int host_open_reading(struct hostfd dir, const char *name, struct hostfd *out);
/* A directory to be listed: -ENOTDIR for a symlink. */
int host_open_listing(struct hostfd dir, const char *name, struct hostfd *out);
/* Opens what the O_PATH descriptor @fd stands for with @flags, for reading only. Never blocks, never makes a
 * terminal the controlling one. The caller has checked with fstat that it is a regular file or a directory.
 */
int host_reopen(struct hostfd fd, int flags, struct hostfd *out);
/* The same for the directory @fd. */
int host_open_dir(struct hostfd fd, struct hostfd *out);
/* The same for writing too: @access is O_WRONLY or O_RDWR. */
int host_reopen_writable(struct hostfd fd, int access, struct hostfd *out);
void host_close(struct hostfd *fd);
/* The name by which the host's /proc knows what @fd is open to. */
#define HOST_FD_PATH 32
void host_fd_path(struct hostfd fd, char path[HOST_FD_PATH]);

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

/* What the host keeps of a file in memory: cachestat(2)'s answer. */
struct host_cache {
	u64 pages, dirty, writeback, evicted, recently_evicted;
};
/* Of the pages from @offset on, @size bytes, 0 for all. -ENOSYS before Linux 6.5. */
int host_cachestat(struct hostfd fd, u64 offset, u64 size, struct host_cache *out);

/* A file in memory, for data of guests; sealing is allowed. */
int host_memfd(const char *name, struct hostfd *out);

#endif
