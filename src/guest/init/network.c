#include "identify.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What stays of the interface when the image renames it or gives it another MAC; 0: there is none. */
static unsigned interface_index;

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
	if (!found)
		errno = ENODEV;
	return found;
}

static bool set_address(struct sockaddr *to, const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		errno = EINVAL;
		return false;
	}
	memcpy(to, &address, sizeof address);
	return true;
}

static struct ifreq request_for(const char *name)
{
	struct ifreq request = { 0 };
	(void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	return request;
}

static bool set_up(int fd, const char *name, bool up)
{
	struct ifreq request = request_for(name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return false;
	request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

static bool add_route(int fd, char *name, const char *gateway, bool is_default)
{
	struct rtentry route = { .rt_dev = name };
	if (!set_address(&route.rt_dst, is_default ? "0.0.0.0" : gateway) ||
	    !set_address(&route.rt_genmask, is_default ? "0.0.0.0" : "255.255.255.255") ||
	    (is_default && !set_address(&route.rt_gateway, gateway)))
		return false;
	route.rt_flags = RTF_UP | (is_default ? RTF_GATEWAY : RTF_HOST);
	return ioctl(fd, SIOCADDRT, &route) == 0 || errno == EEXIST;
}

/* A /32 of its own: the gateway is on the link by a route, and everything goes through it. */
static const char *connect_interface(int fd, char *name, const struct address *address)
{
	struct ifreq request = request_for(name);
	if (!set_address(&request.ifr_addr, address->ip) || ioctl(fd, SIOCSIFADDR, &request) < 0)
		return "cannot set the address";
	if (!set_address(&request.ifr_netmask, "255.255.255.255") || ioctl(fd, SIOCSIFNETMASK, &request) < 0)
		return "cannot set the mask of the address";
	if (!set_up(fd, name, true))
		return "cannot bring up the network interface";
	if (!add_route(fd, name, address->gateway, false) || !add_route(fd, name, address->gateway, true))
		return "cannot add the route to the gateway";
	return NULL;
}

void bring_up_network(const struct boot *boot)
{
	char name[IFNAMSIZ];
	const struct address address = { boot->ip, boot->gateway, boot->mac };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("cannot open", "a socket");
	if (!set_up(fd, "lo", true))
		die("cannot bring up", "lo");
	if (boot->ip != NULL) {
		if (!find_interface(boot->mac, name, sizeof name))
			die("cannot find the network interface", boot->mac);
		interface_index = if_nametoindex(name);
		const char *failed = connect_interface(fd, name, &address);
		if (failed != NULL)
			die(failed, boot->ip);
	}
	(void)close(fd);
	/* As container engines set them: images count on port 80 and ping without being root. */
	(void)write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	(void)write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}

static bool set_mac(int fd, const char *name, const char *mac)
{
	struct ifreq request = request_for(name);
	uint8_t bytes[6];
	if (sscanf(mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5]) != 6) {
		errno = EINVAL;
		return false;
	}
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, bytes, sizeof bytes);
	return ioctl(fd, SIOCSIFHWADDR, &request) == 0;
}

const char *network_down(void)
{
	char name[IFNAMSIZ];
	if (interface_index == 0)
		return NULL;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool down = fd >= 0 && if_indextoname(interface_index, name) != NULL && set_up(fd, name, false);
	int error = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = error;
	return down ? NULL : "cannot take down the network interface";
}

/* The link is down, which has emptied the table of neighbours and taken all routes with it. */
static const char *change_interface(int fd, const struct address *address)
{
	char name[IFNAMSIZ];
	if (interface_index == 0 || if_indextoname(interface_index, name) == NULL) {
		errno = ENODEV;
		return "cannot find the network interface";
	}
	if (!set_mac(fd, name, address->mac))
		return "cannot change the MAC";
	return connect_interface(fd, name, address);
}

const char *network_become(const struct address *address)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return "cannot open a socket";
	const char *failed = change_interface(fd, address);
	int error = errno;
	(void)close(fd);
	if (failed != NULL)
		(void)network_down();
	errno = error;
	return failed;
}
