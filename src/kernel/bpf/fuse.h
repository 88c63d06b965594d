/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of operations: such an order that one stands behind the other where it can, and what is done as one. */
#ifndef HUSK_BPF_FUSE_H
#define HUSK_BPF_FUSE_H

#include "bpf/code.h"
#include "bpf/layout.h"

/* The nodes of @layout in their order as operations: @order by place, @place by node. */
void bpf_rows_order(const struct bpf_pool *pool, const struct bpf_layout *layout, u32 *order, u32 *place);

/*
 * @labels (enum bpf_label, @count of them) become those of the longest rows that begin at their operations. Operations
 * within rows stay what they are: others may jump there.
 */
void bpf_rows_fuse(const struct bpf_op *ops, u8 *labels, u32 count);

#endif
