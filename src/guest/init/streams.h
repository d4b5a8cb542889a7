/* What the agent does for the host: programs and files, each a stream. */
#ifndef HYPEMAN_STREAMS_H
#define HYPEMAN_STREAMS_H

#include "init.h"

/* streams.c, exec-stream.c, file-stream.c: what the agent does for the host */
struct pollfd;
enum { MAX_STREAMS = 16, STREAM_WINDOW = 65536, MAX_POLL = 3 * MAX_STREAMS };

enum stream_kind { FREE = 0, EXEC_STREAM, READ_STREAM, WRITE_STREAM };

struct stream {
	enum stream_kind kind;
	uint32_t id;
	pid_t pid; /* 0 when reaped */
	int status;
	int in, out, err; /* -1 when closed; with a terminal `in` and `out` are one */
	bool terminal;
	bool in_ending; /* close `in` when the bytes in hand are written */
	bool drained;
	uint64_t credit; /* what the host still takes */
	size_t head, held;
	uint8_t bytes[STREAM_WINDOW];
	char path[4096], temporary[4128];
};

struct stream *stream_open(uint32_t id, enum stream_kind kind);
struct stream *stream_of(uint32_t id);
void stream_close(struct stream *stream);
void streams_close(void);
void stream_failed(uint32_t id, int error, const char *message);
size_t streams_poll(struct pollfd *polls);
void streams_turn(void);
bool streams_ended(pid_t pid, int status);
/* True while bytes wait that no poll would tell of. */
bool streams_busy(void);

struct exec_request {
	const char *argv[MAX_WORDS + 1];
	const char *env[2 * MAX_WORDS + 3];
	size_t argc, envc;
	const char *workdir;
	uint64_t columns, rows;
	bool terminal;
};

/* Good until the next one is read, or NULL. */
const struct exec_request *exec_request(const uint8_t *payload, uint32_t length);
void exec_open(uint32_t id, const uint8_t *payload, uint32_t length);
bool exec_data(struct stream *stream, const uint8_t *payload, uint32_t length);
void exec_turn(struct stream *stream);
void exec_resize(const struct stream *stream, uint16_t columns, uint16_t rows);
void exec_abandon(struct stream *stream);

void stat_path(uint32_t id, const uint8_t *payload, uint32_t length);
void read_open(uint32_t id, const uint8_t *payload, uint32_t length);
void read_turn(struct stream *stream);
void write_open(uint32_t id, const uint8_t *payload, uint32_t length);
bool write_data(struct stream *stream, const uint8_t *payload, uint32_t length);
void write_finish(struct stream *stream);
void write_abandon(struct stream *stream);

#endif
