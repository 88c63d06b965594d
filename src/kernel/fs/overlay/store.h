/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An overlay's changes kept in a directory of the host's (--upper): docs/upper.md describes the format.
 *
 * Names and attributes live in memory as ever; each call that changes them adds its records to the log as one
 * transaction, one write, before the guest hears of it. The bytes of a regular file live in a file of the host's from
 * the start, which takes the place of tmpfs's memfd while somebody has it open.
 */
#ifndef HUSK_KERNEL_FS_OVERLAY_STORE_H
#define HUSK_KERNEL_FS_OVERLAY_STORE_H

#include "fs/overlay/overlay.h"

struct store {
	struct hostfd lock, log, data; /* the marker, locked; the log; the directory of the files' bytes */
	bool unclean;                  /* the run before did not come to its end */
	bool loaded;                   /* store_load() has succeeded */
	char *buf; /* records of this transaction; after a failed write, those of several */
	size_t used, room;
	bool lost;    /* a record had no memory */
	u64 log_size; /* up to here it is whole */
	u64 next_id;
	u64 records; /* in the log */
	u32 compactions;
	u64 lost_files, first_lost; /* files whose bytes are missing, and the number of one of them */
};

/* The store at @path, made if there is none, locked; empty until store_load(). 0 or -errno, with a sentence. */
int store_open(const char *path, struct store **out, char *why, size_t size);
void store_close(struct store *s);
/* Fills the overlay, whose root is made, from the log. 0 or -errno, with a sentence. */
int store_load(struct overlay *o, struct inode *root, char *why, size_t size);

/* NULL: an overlay in memory, for which all that follows does nothing. */
static inline struct store *store_of(struct inode *i)
{
	return tnode(i)->fs ? overlay_of(i)->store : NULL;
}

/* Records of this transaction: @i as it is now; what @name in @dir is now; one extended attribute (@value NULL: gone). */
void store_inode(struct inode *i);
void store_name(struct inode *dir, const char *name, size_t len);
void store_xattr(struct inode *i, const char *name, const void *value, size_t size);
void store_xattrs(struct inode *i);
/* Ends the transaction of a call whose result so far is @err: that, or -errno when the log cannot be written; then the
 * records are kept for the next one. */
int store_commit(struct inode *any, int err);

/* Opens the file of @i's bytes, making it if need be: 0, or -errno; -EIO when it was there in an earlier run. */
int store_open_data(struct inode *i);
/* A file of bytes that a helper fills, and that is to take the place of an inode's. Zero: none, for all of these. */
struct store_copy {
	struct hostfd dir; /* owned: data */
	u64 id;            /* of the inode; 0: none */
	bool kept;
};
int store_copy_begin(struct inode *i, struct store_copy *copy, struct hostfd *fd);
/* It is whole: it takes its place. 0 or -errno. */
int store_copy_keep(struct store_copy *copy);
/* What was not kept is removed. */
void store_copy_end(struct store_copy *copy);
/* Nobody has @i open any more. */
void store_close_data(struct inode *i);
/* Sets the times of the file of @i's bytes, which a later run reads. */
void store_times(struct inode *i);
/* @i goes: so do its bytes, when it has no name. */
void store_release(struct inode *i);
/* What is to be brought to disk for @i: its bytes' file, if it is open, and the log. See file_ops.sync. */
int store_sync(struct inode *i, struct hostfd *fd);

/* The number of @i in the store. */
u64 store_id(struct inode *i);
/* Among these files: a data file's directory and name. */
#define STORE_NAME_SIZE 40
void store_data_name(u64 id, char *name);
/* Removes files of bytes that no number of @known (@count of them, NULL: none) leads to. */
void store_sweep(struct store *s, struct inode *const *known, size_t count);
/* All that the overlay holds as a fresh log. */
int store_compact(struct overlay *o, struct inode *root);
u32 store_checksum(const char *text, size_t size);

#endif
