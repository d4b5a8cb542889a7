#include "identify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A walk while sockets vanish may pass some over, so it is walked until nothing is found. */
enum { MAX_WALKS = 16, ANSWER_BYTES = 32768 };
/* Those that wait out their time end by themselves. */
static const uint32_t STATES = ~(1u << TCP_TIME_WAIT);

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

struct walk {
	int listing, ending;
	struct in_addr address;
	uint8_t family, protocol;
	size_t ended;
};

static bool send_request(int fd, struct request *request, uint16_t type, uint16_t flags)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	request->header = (struct nlmsghdr){
		.nlmsg_len = sizeof *request, .nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
	};
	return sendto(fd, request, sizeof *request, 0, (const struct sockaddr *)&kernel, sizeof kernel) == (ssize_t)sizeof *request;
}

/* IPv4 in a socket of IPv6 is ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
static bool is_of(const struct walk *walk, const struct inet_diag_msg *socket)
{
	const uint32_t *source = socket->id.idiag_src;
	if (socket->idiag_family == AF_INET)
		return source[0] == walk->address.s_addr;
	return source[0] == 0 && source[1] == 0 && source[2] == htonl(0xffff) && source[3] == walk->address.s_addr;
}

static void end_socket(struct walk *walk, const struct inet_diag_msg *socket)
{
	_Alignas(struct nlmsghdr) uint8_t answer[512];
	struct request request = { .body = { .sdiag_family = socket->idiag_family, .sdiag_protocol = walk->protocol, .id = socket->id } };
	if (!send_request(walk->ending, &request, SOCK_DESTROY, NLM_F_ACK))
		return;
	ssize_t got = recv(walk->ending, answer, sizeof answer, 0);
	const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)answer;
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || header->nlmsg_type != NLMSG_ERROR)
		return;
	const struct nlmsgerr *outcome = NLMSG_DATA(header);
	if (outcome->error == 0)
		walk->ended++;
}

/* True when the kernel has said everything; false with errno when it refuses. */
static bool take_answer(struct walk *walk, const uint8_t *bytes, size_t length, bool *over)
{
	size_t left = length;
	for (const struct nlmsghdr *each = (const struct nlmsghdr *)(const void *)bytes; NLMSG_OK(each, left);
	     each = NLMSG_NEXT(each, left)) {
		if (each->nlmsg_type == NLMSG_DONE)
			*over = true;
		if (each->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *outcome = NLMSG_DATA(each);
			errno = -outcome->error;
			return false;
		}
		if (each->nlmsg_type != SOCK_DIAG_BY_FAMILY || each->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			continue;
		const struct inet_diag_msg *socket = NLMSG_DATA(each);
		if (is_of(walk, socket))
			end_socket(walk, socket);
	}
	return true;
}

static bool walk_once(struct walk *walk)
{
	static _Alignas(struct nlmsghdr) uint8_t bytes[ANSWER_BYTES];
	struct request request = { .body = { .sdiag_family = walk->family, .sdiag_protocol = walk->protocol, .idiag_states = STATES } };
	bool over = false;
	walk->ended = 0;
	if (!send_request(walk->listing, &request, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP))
		return false;
	while (!over) {
		ssize_t got = recv(walk->listing, bytes, sizeof bytes, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || !take_answer(walk, bytes, (size_t)got, &over))
			return false;
	}
	return true;
}

static bool end_all(struct walk *walk)
{
	for (int walks = 0; walks < MAX_WALKS; walks++) {
		if (!walk_once(walk))
			return false;
		if (walk->ended == 0)
			return true;
	}
	return true;
}

static int open_diag(void)
{
	/* The kernel answers at once, or it is no kernel that knows this. */
	const struct timeval patience = { .tv_sec = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return fd;
}

bool end_sockets_of(const char *ip)
{
	static const struct {
		uint8_t family, protocol;
	} kinds[] = { { AF_INET, IPPROTO_TCP }, { AF_INET6, IPPROTO_TCP }, { AF_INET, IPPROTO_UDP }, { AF_INET6, IPPROTO_UDP } };
	struct walk walk = { .listing = open_diag(), .ending = open_diag() };
	bool ended = walk.listing >= 0 && walk.ending >= 0 && inet_pton(AF_INET, ip, &walk.address) == 1;
	for (size_t at = 0; at < sizeof kinds / sizeof kinds[0] && ended; at++) {
		walk.family = kinds[at].family;
		walk.protocol = kinds[at].protocol;
		ended = end_all(&walk);
	}
	int error = errno;
	if (walk.listing >= 0)
		(void)close(walk.listing);
	if (walk.ending >= 0)
		(void)close(walk.ending);
	errno = error;
	return ended;
}
