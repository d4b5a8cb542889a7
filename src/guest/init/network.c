#include "init.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool find_interface(const char *mac, char *name, size_t size)
{
	char path[300], text[64];
	bool found = false;
	DIR *interfaces = opendir("/sys/class/net");
	if (interfaces == NULL)
		return false;
	for (struct dirent *entry = readdir(interfaces); entry != NULL && !found; entry = readdir(interfaces)) {
		(void)snprintf(path, sizeof path, "/sys/class/net/%s/address", entry->d_name);
		if (read_file(path, text, sizeof text) < 0)
			continue;
		text[strcspn(text, "\n")] = 0;
		found = strcasecmp(text, mac) == 0 && snprintf(name, size, "%s", entry->d_name) < (int)size;
	}
	(void)closedir(interfaces);
	return found;
}

static void set_address(struct sockaddr *to, const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		errno = EINVAL;
		die("cannot use the address", text);
	}
	memcpy(to, &address, sizeof address);
}

static void set_up(int fd, const char *name)
{
	struct ifreq request = { 0 };
	(void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		die("cannot read the flags of", name);
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		die("cannot bring up", name);
}

static void add_route(int fd, char *name, const char *gateway, bool is_default)
{
	struct rtentry route = { .rt_dev = name };
	set_address(&route.rt_dst, is_default ? "0.0.0.0" : gateway);
	set_address(&route.rt_genmask, is_default ? "0.0.0.0" : "255.255.255.255");
	route.rt_flags = RTF_UP | (is_default ? RTF_GATEWAY : RTF_HOST);
	if (is_default)
		set_address(&route.rt_gateway, gateway);
	if (ioctl(fd, SIOCADDRT, &route) < 0 && errno != EEXIST)
		die("cannot add the route to", gateway);
}

/* A /32 of its own: the gateway is on the link by a route, and everything goes through it. */
void bring_up_network(const struct boot *boot)
{
	char name[IFNAMSIZ];
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("cannot open", "a socket");
	set_up(fd, "lo");
	if (boot->ip != NULL) {
		if (!find_interface(boot->mac, name, sizeof name)) {
			errno = ENODEV;
			die("cannot find the network interface", boot->mac);
		}
		(void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
		set_address(&request.ifr_addr, boot->ip);
		if (ioctl(fd, SIOCSIFADDR, &request) < 0)
			die("cannot set the address", boot->ip);
		set_address(&request.ifr_netmask, "255.255.255.255");
		if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
			die("cannot set the mask of", boot->ip);
		set_up(fd, name);
		add_route(fd, name, boot->gateway, false);
		add_route(fd, name, boot->gateway, true);
	}
	(void)close(fd);
	/* As container engines set them: images count on port 80 and ping without being root. */
	(void)write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	(void)write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}
