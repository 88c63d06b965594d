/* SPDX-License-Identifier: Apache-2.0 */
/* libpcap's compiler of expressions, and its interpreter. */
#include <pcap/pcap.h>

#include "bench.h"

#include <string.h>

unsigned peer_compile(const char *expression, struct sock_filter *out, unsigned most)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 262144);
	struct bpf_program program;
	unsigned n = 0;

	if (!p)
		return 0;
	if (!pcap_compile(p, &program, expression, 1, PCAP_NETMASK_UNKNOWN)) {
		if (program.bf_len <= most) {
			n = program.bf_len;
			memcpy(out, program.bf_insns, n * sizeof *out);
		}
		pcap_freecode(&program);
	}
	pcap_close(p);
	return n;
}

uint32_t peer_run(const struct sock_filter *f, const uint8_t *data, uint32_t size)
{
	return bpf_filter((const struct bpf_insn *)f, data, size, size);
}
