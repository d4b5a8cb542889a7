#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct wish {
	const char *path;
	uint64_t mode;
};

static bool parse(const uint8_t *payload, uint32_t length, struct wish *wish)
{
	const char *at = (const char *)payload, *end = at + length, *value = NULL;
	char tag = 0;
	*wish = (struct wish){ NULL, 0644 };
	while (next_record(&at, end, &tag, &value)) {
		if (tag == 'p')
			wish->path = value;
		else if (tag != 'm' || !parse_number(value, 07777, &wish->mode))
			return false;
	}
	return at == end && wish->path != NULL && wish->path[0] == '/';
}

static uint8_t kind_of(mode_t mode)
{
	if (S_ISREG(mode))
		return 0;
	if (S_ISDIR(mode))
		return 1;
	return S_ISLNK(mode) ? 2 : 3;
}

void stat_path(uint32_t id, const uint8_t *payload, uint32_t length)
{
	struct wish wish;
	struct stat facts;
	uint8_t bytes[21];
	if (!parse(payload, length, &wish)) {
		stream_failed(id, EINVAL, "a path must be absolute");
		return;
	}
	if (lstat(wish.path, &facts) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			link_send(ABSENT, id, NULL, 0);
		else
			stream_failed(id, errno, strerror(errno));
		return;
	}
	bytes[0] = kind_of(facts.st_mode);
	put32(bytes + 1, facts.st_mode & 07777);
	put64(bytes + 5, (uint64_t)facts.st_size);
	put64(bytes + 13, (uint64_t)facts.st_mtim.tv_sec * 1000 + (uint64_t)facts.st_mtim.tv_nsec / 1000000);
	link_send(STATED, id, bytes, sizeof bytes);
}

void read_open(uint32_t id, const uint8_t *payload, uint32_t length)
{
	struct wish wish;
	struct stat facts;
	if (!parse(payload, length, &wish)) {
		stream_failed(id, EINVAL, "a path must be absolute");
		return;
	}
	/* Not blocking: the path may be a pipe, which nobody writes. */
	int fd = open(wish.path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &facts) < 0 || !S_ISREG(facts.st_mode)) {
		stream_failed(id, fd < 0 ? errno : EINVAL, fd < 0 ? strerror(errno) : "only plain files can be copied");
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	struct stream *stream = stream_open(id, READ_STREAM);
	if (stream == NULL)
		(void)close(fd);
	else
		stream->out = fd;
}

void read_turn(struct stream *stream)
{
	static uint8_t bytes[LINK_CHUNK];
	while (stream->credit > 0 && link_has_room()) {
		size_t most = stream->credit < sizeof bytes ? (size_t)stream->credit : sizeof bytes;
		ssize_t got = read(stream->out, bytes, most);
		if (got < 0 && errno == EINTR)
			continue;
		if (got > 0) {
			stream->credit -= (uint64_t)got;
			link_send(OUT, stream->id, bytes, (size_t)got);
			continue;
		}
		if (got < 0)
			stream_failed(stream->id, errno, strerror(errno));
		else
			link_send(DONE, stream->id, NULL, 0);
		stream_close(stream);
		return;
	}
}

void write_open(uint32_t id, const uint8_t *payload, uint32_t length)
{
	struct wish wish;
	if (!parse(payload, length, &wish) || strlen(wish.path) >= sizeof ((struct stream *)0)->path) {
		stream_failed(id, EINVAL, "a path must be absolute and shorter than 4096 bytes");
		return;
	}
	struct stream *stream = stream_open(id, WRITE_STREAM);
	if (stream == NULL)
		return;
	(void)snprintf(stream->path, sizeof stream->path, "%s", wish.path);
	(void)snprintf(stream->temporary, sizeof stream->temporary, "%s.hypeman-XXXXXX", wish.path);
	stream->in = mkostemp(stream->temporary, O_CLOEXEC);
	if (stream->in < 0)
		stream->temporary[0] = 0;
	if (stream->in >= 0 && fchmod(stream->in, (mode_t)wish.mode) == 0)
		return;
	stream_failed(id, errno, strerror(errno));
	stream_close(stream);
}

bool write_data(struct stream *stream, const uint8_t *payload, uint32_t length)
{
	uint8_t credit[4];
	for (size_t at = 0; at < length;) {
		ssize_t written = write(stream->in, payload + at, length - at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			stream_failed(stream->id, errno, strerror(errno));
			stream_close(stream);
			return true;
		}
		at += (size_t)written;
	}
	put32(credit, length);
	link_send(CREDIT, stream->id, credit, sizeof credit);
	return true;
}

/* The name shows the old file or the whole new one. */
void write_finish(struct stream *stream)
{
	if (rename(stream->temporary, stream->path) < 0) {
		stream_failed(stream->id, errno, strerror(errno));
	} else {
		stream->temporary[0] = 0;
		link_send(DONE, stream->id, NULL, 0);
	}
	stream_close(stream);
}

void write_abandon(struct stream *stream)
{
	if (stream->temporary[0] != 0)
		(void)unlink(stream->temporary);
}
