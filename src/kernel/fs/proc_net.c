/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of /proc/PID/net: unix sockets, and else well formed and empty but for the loopback device, so that programs
 * that look find that there is nothing.
 */
#include "fs/proc_net.h"

#include "fs/proc_text.h"

#define SOCKET_TABLE                                                                   \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt " \
	"  uid  timeout inode"
#define SOCKET_TABLE6                                                                                    \
	"  sl  local_address                         remote_address                        st tx_queue " \
	"rx_queue "                                                                                      \
	"tr tm->when retrnsmt   uid  timeout inode"

static const char dev[] = "Inter-|   Receive                                                |  Transmit\n"
			  " face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
			  "packets errs drop fifo colls "
			  "carrier compressed\n"
			  "    lo:       0       0    0    0    0     0          0         0        0       "
			  "0    0    0    0     0     "
			  "  0          0\n";

static const char sockstat[] =
	"sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\n"
	"UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n";

static int show_unix(struct task *t, struct text *out)
{
	text_add(out, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	if (t->k->unix_show)
		t->k->unix_show(t->k, out);
	return 0;
}

const struct synth_entry proc_net_entries[] = {
	PROC_CONSTANT("dev", dev),
	PROC_CONSTANT("tcp", SOCKET_TABLE "                                                     \n"),
	PROC_CONSTANT("udp", " " SOCKET_TABLE " ref pointer drops            \n"),
	PROC_CONSTANT("raw", SOCKET_TABLE " ref pointer drops\n"),
	PROC_CONSTANT("tcp6", SOCKET_TABLE6 "\n"),
	PROC_CONSTANT("udp6", SOCKET_TABLE6 " ref pointer drops\n"),
	PROC_CONSTANT("raw6", SOCKET_TABLE6 " ref pointer drops\n"),
	PROC_SHOW("unix", show_unix),
	PROC_CONSTANT("route",
		      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
		      "                                                       \n"),
	PROC_CONSTANT("arp",
		      "IP address       HW type     Flags       HW address            Mask     Device\n"),
	PROC_CONSTANT("if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n"),
	PROC_CONSTANT(
		"netlink",
		"sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"),
	PROC_CONSTANT("packet", "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
	PROC_CONSTANT("sockstat", sockstat),
	PROC_CONSTANT("sockstat6",
		      "TCP6: inuse 0\nUDP6: inuse 0\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 "
		      "memory 0\n"),
	{},
};
