#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { QUEUE_BYTES = 256 * 1024, RESERVE = 8192, PROTOCOL_VERSION = 1, READ_BYTES = 4096 };

static int port = -1;
static bool host_there = true;
static uint8_t queue[QUEUE_BYTES];
static size_t queue_start, queue_end;
static struct decoder decoder;
/* Owed to the host, sent when there is room; each is about now, so one of each is enough. */
static bool hello_due, state_due, lost_due;
static bool overflowed;
/*
 * The port said that this host is connected. A new host's words may be read before the port says that
 * it came, so "nobody there" after a hello is about the host before, and ends nothing.
 */
static bool connected;
static uint8_t nonce[HELLO_BYTES - 4];

static bool find_port(char *path, size_t size)
{
	char name[300], text[64];
	bool found = false;
	DIR *ports = opendir("/sys/class/virtio-ports");
	if (ports == NULL)
		return false;
	for (struct dirent *entry = readdir(ports); entry != NULL && !found; entry = readdir(ports)) {
		(void)snprintf(name, sizeof name, "/sys/class/virtio-ports/%s/name", entry->d_name);
		if (read_file(name, text, sizeof text) < 0)
			continue;
		text[strcspn(text, "\n")] = 0;
		found = strcmp(text, "hypeman") == 0 && snprintf(path, size, "/dev/%s", entry->d_name) < (int)size;
	}
	(void)closedir(ports);
	return found;
}

bool link_open(void)
{
	char path[300];
	if (!find_port(path, sizeof path))
		return false;
	port = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (port < 0)
		return false;
	link_adopt();
	return true;
}

/* The port signals when a host comes or goes; a poll of it would spin while there is none. */
void link_adopt(void)
{
	(void)fcntl(port, F_SETOWN, (int)getpid());
	(void)fcntl(port, F_SETFL, O_NONBLOCK | O_ASYNC);
}

int link_fd(void)
{
	return port;
}

static size_t room(void)
{
	return QUEUE_BYTES - (queue_end - queue_start);
}

bool link_has_room(void)
{
	return room() >= FRAME_HEADER + LINK_CHUNK + RESERVE;
}

static void append(const void *bytes, size_t length)
{
	if (length == 0)
		return;
	memcpy(queue + queue_end, bytes, length);
	queue_end += length;
}

static void put_frame(uint8_t type, uint32_t stream, const void *payload, size_t length)
{
	uint8_t header[FRAME_HEADER];
	put32(header, (uint32_t)length);
	put32(header + 4, stream);
	header[8] = type;
	if (queue_end + FRAME_HEADER + length > QUEUE_BYTES) {
		memmove(queue, queue + queue_start, queue_end - queue_start);
		queue_end -= queue_start;
		queue_start = 0;
	}
	append(header, sizeof header);
	append(payload, length);
}

static void lose_host(void)
{
	forget_host();
	overflowed = false;
	lost_due = true;
}

void link_send(uint8_t type, uint32_t stream, const void *payload, size_t length)
{
	/* Only a host that asks without listening comes here. */
	if (room() < FRAME_HEADER + length) {
		overflowed = true;
		return;
	}
	put_frame(type, stream, payload, length);
}

void link_state_changed(void)
{
	state_due = true;
}

static void put_hello(void)
{
	uint8_t hello[HELLO_BYTES];
	put32(hello, PROTOCOL_VERSION);
	memcpy(hello + 4, nonce, sizeof nonce);
	put_frame(GUEST_HELLO, 0, hello, sizeof hello);
}

static void put_state(void)
{
	uint8_t bytes[STATE_BYTES];
	put_frame(GUEST_STATE, 0, bytes, state_payload(bytes));
}

static void put_owed(void)
{
	if (lost_due && room() >= 64) {
		put_frame(GUEST_LOST, 0, NULL, 0);
		lost_due = false;
	}
	if (hello_due && room() >= 64) {
		put_hello();
		hello_due = false;
		state_due = true;
	}
	if (state_due && room() >= FRAME_HEADER + STATE_BYTES) {
		put_state();
		state_due = false;
	}
}

void link_hello(const uint8_t *payload)
{
	memcpy(nonce, payload + 4, sizeof nonce);
	hello_due = true;
	lost_due = false;
	connected = false;
}

static void write_queue(void)
{
	put_owed();
	while (queue_start < queue_end) {
		ssize_t written = write(port, queue + queue_start, queue_end - queue_start);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		queue_start += (size_t)written;
		put_owed();
	}
	queue_start = queue_end = 0;
}

static void follow_connection(bool nobody)
{
	if (nobody && connected) {
		decoder_reset(&decoder);
		forget_host();
	}
	connected = !nobody;
	host_there = !nobody;
}

static void read_host(void)
{
	uint8_t bytes[READ_BYTES];
	/* Answers need room; what is not read now waits with the host. */
	for (int turns = 0; turns < 64 && room() > QUEUE_BYTES / 2; turns++) {
		ssize_t got = read(port, bytes, sizeof bytes);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			follow_connection(got == 0);
			return;
		}
		uint64_t before = now_ms();
		bool kept = decoder_feed(&decoder, bytes, (size_t)got, before, handle_frame);
		/* A disk that made us wait is no fault of the host's: its frame does not age meanwhile. */
		decoder.since += now_ms() - before;
		if (overflowed)
			decoder_reset(&decoder);
		if (!kept || overflowed)
			lose_host();
	}
}

short link_wants(void)
{
	if (!host_there || port < 0)
		return 0;
	bool owes = lost_due || hello_due || state_due || queue_start < queue_end;
	return (short)((room() > QUEUE_BYTES / 2 ? POLLIN : 0) | (owes ? POLLOUT : 0));
}

bool link_idle(void)
{
	return !host_there || (queue_start == queue_end && !lost_due && !hello_due && !state_due);
}

void link_turn(short events)
{
	if (port < 0)
		return;
	/* A signal or the clock called: somebody may have come. */
	if ((events & POLLHUP) == 0)
		host_there = true;
	read_host();
	if (host_there)
		write_queue();
}
