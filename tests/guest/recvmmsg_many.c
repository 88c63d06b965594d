/* SPDX-License-Identifier: Apache-2.0 */
/* Shows that one recvmmsg(2) takes more messages, with more buffers each, than any buffer on the way holds. */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

#define MESSAGES 48
#define PIECES   30
#define PIECE    90

static char sent[PIECES * PIECE];

static void fill(int message)
{
	for (size_t i = 0; i < sizeof sent; i++)
		sent[i] = (char)(message * 7 + i / 5);
}

int main(void)
{
	/* Apart from each other, so that nothing comes along with what was asked for. */
	struct mmsghdr *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec *iov = (struct iovec *)((char *)m + (1 << 18));
	char *data = (char *)m + (1 << 19);
	int sv[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	for (int i = 0; i < MESSAGES; i++) {
		fill(i);
		CHECK_EQ(send(sv[0], sent, sizeof sent, 0), sizeof sent);
		m[i].msg_hdr.msg_iov = iov + i * PIECES;
		m[i].msg_hdr.msg_iovlen = PIECES;
		for (int j = 0; j < PIECES; j++)
			iov[i * PIECES + j] = (struct iovec){data + (i * PIECES + j) * (PIECE + 10), PIECE};
	}
	CHECK_EQ(recvmmsg(sv[1], m, MESSAGES, MSG_DONTWAIT, NULL), MESSAGES);
	for (int i = 0; i < MESSAGES; i++) {
		fill(i);
		CHECK_EQ(m[i].msg_len, sizeof sent);
		CHECK_EQ(m[i].msg_hdr.msg_flags, 0);
		for (int j = 0; j < PIECES; j++)
			CHECK(!memcmp(iov[i * PIECES + j].iov_base, sent + j * PIECE, PIECE));
	}
	return check_done();
}
