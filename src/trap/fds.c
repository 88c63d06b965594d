/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors by SCM_RIGHTS (unix(7)). */
#include "trap/fds.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "channel/channel.h"

int send_fds(int socket, const int *fds, u32 n)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(HUSK_MAX_FDS * sizeof(int))];
	} control;
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};
	int unread = 0;

	/* What nobody receives counts against this user's descriptors in flight, and so against other guests. */
	if (ioctl(socket, TIOCOUTQ, &unread) == 0 && unread > 0)
		return -EBUSY;

	m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	return sendmsg(socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
