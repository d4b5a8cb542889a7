/* A guest without a VM: stands where a VMM would, between a tap and a network stack of its own.
 *
 *   netns-guest join TAP NETNS MAC   reads and writes TAP (here) for `eth0` in NETNS, until killed
 *   netns-guest send DEVICE HEX      sends one raw frame
 *   netns-guest watch DEVICE [TYPE]  prints each frame that DEVICE receives as a line of hex, until killed;
 *                                    of one EtherType (hex), and then where a program of the host hears it
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

static unsigned char buffer[128 * 1024];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int open_tap(const char *name) {
  struct ifreq request;
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) die("/dev/net/tun");
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(fd, TUNSETIFF, &request) < 0) die("TUNSETIFF");
  /* As QEMU does for a guest that negotiated it: large segments, sums not computed. */
  if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) < 0) die("TUNSETOFFLOAD");
  return fd;
}

static void set_mac(const char *device, const char *text) {
  struct ifreq request;
  unsigned int byte[6];
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  memset(&request, 0, sizeof request);
  if (sscanf(text, "%x:%x:%x:%x:%x:%x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5]) != 6) die(text);
  strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  request.ifr_hwaddr.sa_family = 1;
  for (int i = 0; i < 6; i += 1) request.ifr_hwaddr.sa_data[i] = (char)byte[i];
  if (ioctl(fd, SIOCSIFHWADDR, &request) < 0) die("SIOCSIFHWADDR");
  close(fd);
}

static void join(const char *tap, const char *netns, const char *mac) {
  char path[256];
  struct pollfd ends[2];
  ends[0].fd = open_tap(tap);
  snprintf(path, sizeof path, "/run/netns/%s", netns);
  const int space = open(path, O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNET) < 0) die(path);
  ends[1].fd = open_tap("eth0");
  set_mac("eth0", mac);
  ends[0].events = ends[1].events = POLLIN;
  puts("joined");
  fflush(stdout);
  for (;;) {
    if (poll(ends, 2, -1) < 0) die("poll");
    for (int from = 0; from < 2; from += 1) {
      if ((ends[from].revents & POLLIN) == 0) continue;
      const ssize_t length = read(ends[from].fd, buffer, sizeof buffer);
      /* A device that is down refuses; so does one that is gone, and then there is nothing to do. */
      if (length > 0 && write(ends[1 - from].fd, buffer, (size_t)length) < 0) continue;
      if (length < 0) die("read");
    }
  }
}

static int open_packets(const char *device, int type) {
  struct sockaddr_ll address;
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons((unsigned short)type));
  memset(&address, 0, sizeof address);
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons((unsigned short)type);
  address.sll_ifindex = (int)if_nametoindex(device);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) die(device);
  return fd;
}

static void send_frame(const char *device, const char *hex) {
  const int fd = open_packets(device, ETH_P_ALL);
  const size_t length = strlen(hex) / 2;
  for (size_t i = 0; i < length; i += 1) {
    unsigned int byte;
    if (sscanf(hex + 2 * i, "%2x", &byte) != 1) die(hex);
    buffer[i] = (unsigned char)byte;
  }
  if (send(fd, buffer, length, 0) != (ssize_t)length) die("send");
}

static void watch(const char *device, int type) {
  struct sockaddr_ll from;
  socklen_t size;
  const int fd = open_packets(device, type);
  puts("watching");
  fflush(stdout);
  for (;;) {
    size = sizeof from;
    const ssize_t length = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size);
    if (length < 0) continue;
    if (from.sll_pkttype == PACKET_OUTGOING) continue;
    for (ssize_t i = 0; i < length; i += 1) printf("%02x", buffer[i]);
    putchar('\n');
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc == 5 && strcmp(argv[1], "join") == 0) join(argv[2], argv[3], argv[4]);
  if (argc == 4 && strcmp(argv[1], "send") == 0) return send_frame(argv[2], argv[3]), 0;
  if (argc == 3 && strcmp(argv[1], "watch") == 0) watch(argv[2], ETH_P_ALL);
  if (argc == 4 && strcmp(argv[1], "watch") == 0) watch(argv[2], (int)strtol(argv[3], NULL, 16));
  fputs("usage: netns-guest join|send|watch\n", stderr);
  return 2;
}
