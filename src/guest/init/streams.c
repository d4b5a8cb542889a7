#include "streams.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct stream streams[MAX_STREAMS];

struct stream *stream_of(uint32_t id)
{
	for (size_t at = 0; at < MAX_STREAMS; at++)
		if (streams[at].kind != FREE && streams[at].id == id)
			return &streams[at];
	return NULL;
}

struct stream *stream_open(uint32_t id, enum stream_kind kind)
{
	for (size_t at = 0; at < MAX_STREAMS; at++) {
		struct stream *stream = &streams[at];
		if (stream->kind != FREE)
			continue;
		/* Everything but the bytes, which count only as far as `held` says. */
		stream->kind = kind;
		stream->id = id;
		stream->pid = 0;
		stream->status = 0;
		stream->in = stream->out = stream->err = -1;
		stream->terminal = stream->in_ending = stream->drained = false;
		stream->credit = 0;
		stream->head = stream->held = 0;
		stream->path[0] = stream->temporary[0] = 0;
		return stream;
	}
	stream_failed(id, 0, "too many sessions at once");
	return NULL;
}

void stream_close(struct stream *stream)
{
	if (stream->kind == EXEC_STREAM)
		exec_abandon(stream);
	if (stream->kind == WRITE_STREAM)
		write_abandon(stream);
	if (stream->in >= 0)
		(void)close(stream->in);
	if (stream->out >= 0 && stream->out != stream->in)
		(void)close(stream->out);
	if (stream->err >= 0)
		(void)close(stream->err);
	stream->kind = FREE;
}

void streams_close(void)
{
	for (size_t at = 0; at < MAX_STREAMS; at++)
		if (streams[at].kind != FREE)
			stream_close(&streams[at]);
}

void stream_failed(uint32_t id, int error, const char *message)
{
	uint8_t bytes[4 + 512];
	size_t length = strnlen(message, 512);
	put32(bytes, (uint32_t)error);
	memcpy(bytes + 4, message, length);
	link_send(FAILED, id, bytes, 4 + length);
}

static void add_poll(struct pollfd *polls, size_t *count, int fd, short events)
{
	if (fd < 0 || events == 0)
		return;
	polls[(*count)++] = (struct pollfd){ .fd = fd, .events = events };
}

/* Nothing is waited for that could not be taken: no output without credit and room. */
size_t streams_poll(struct pollfd *polls)
{
	size_t count = 0;
	for (size_t at = 0; at < MAX_STREAMS; at++) {
		const struct stream *stream = &streams[at];
		if (stream->kind != EXEC_STREAM)
			continue;
		bool takes = stream->credit > 0 && link_has_room();
		add_poll(polls, &count, stream->in, stream->held > 0 ? POLLOUT : 0);
		add_poll(polls, &count, stream->out, takes ? POLLIN : 0);
		add_poll(polls, &count, stream->err, takes ? POLLIN : 0);
	}
	return count;
}

void streams_turn(void)
{
	for (size_t at = 0; at < MAX_STREAMS; at++) {
		if (streams[at].kind == EXEC_STREAM)
			exec_turn(&streams[at]);
		else if (streams[at].kind == READ_STREAM)
			read_turn(&streams[at]);
	}
}

bool streams_busy(void)
{
	for (size_t at = 0; at < MAX_STREAMS; at++)
		if (streams[at].kind == READ_STREAM && streams[at].credit > 0 && link_has_room())
			return true;
	return false;
}

bool streams_ended(pid_t pid, int status)
{
	for (size_t at = 0; at < MAX_STREAMS; at++) {
		if (streams[at].kind != EXEC_STREAM || streams[at].pid != pid)
			continue;
		streams[at].pid = 0;
		streams[at].status = status;
		return true;
	}
	return false;
}
