#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The program's ends of the session; ours go into the stream. */
struct ends {
	int in, out, err;
};

static void close_ends(const struct ends *ends)
{
	(void)close(ends->in);
	if (ends->out != ends->in)
		(void)close(ends->out);
	if (ends->err != ends->in)
		(void)close(ends->err);
}

static bool open_terminal(struct stream *stream, const struct exec_request *request, struct ends *ends)
{
	const struct winsize size = { .ws_col = (unsigned short)request->columns, .ws_row = (unsigned short)request->rows };
	int ours, theirs;
	if (openpty(&ours, &theirs, NULL, NULL, &size) < 0)
		return false;
	(void)fcntl(ours, F_SETFD, FD_CLOEXEC);
	(void)fcntl(theirs, F_SETFD, FD_CLOEXEC);
	stream->in = stream->out = ours;
	stream->terminal = true;
	*ends = (struct ends){ theirs, theirs, theirs };
	return true;
}

static bool open_pipes(struct stream *stream, struct ends *ends)
{
	int pipes[3][2];
	for (int at = 0; at < 3; at++) {
		if (pipe2(pipes[at], O_CLOEXEC) == 0)
			continue;
		for (int made = 0; made < at; made++) {
			(void)close(pipes[made][0]);
			(void)close(pipes[made][1]);
		}
		return false;
	}
	stream->in = pipes[0][1];
	stream->out = pipes[1][0];
	stream->err = pipes[2][0];
	*ends = (struct ends){ pipes[0][0], pipes[1][1], pipes[2][1] };
	return true;
}

static void set_nonblocking(int fd)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void start(struct stream *stream, const struct exec_request *request)
{
	struct ends ends;
	struct launch_failure failure;
	char message[512];
	if (!(request->terminal ? open_terminal(stream, request, &ends) : open_pipes(stream, &ends))) {
		stream_failed(stream->id, errno, "cannot open a terminal or pipe");
		stream_close(stream);
		return;
	}
	const struct launch this = {
		.argv = request->argv, .env = request->env, .workdir = request->workdir, .user = program_user(),
		.cgroup = full_system_runs() || state.held ? NULL : "exec", .in = ends.in, .out = ends.out, .err = ends.err,
		.terminal = request->terminal,
	};
	pid_t pid = launch(&this, &failure);
	close_ends(&ends);
	if (pid < 0) {
		uint8_t code[4];
		(void)snprintf(message, sizeof message, "%s %s: %s\n", launch_text(&failure), request->argv[0], strerror(failure.error));
		put32(code, (uint32_t)launch_code(&failure));
		link_send(ERR, stream->id, message, strlen(message));
		link_send(EXITED, stream->id, code, sizeof code);
		stream_close(stream);
		return;
	}
	stream->pid = pid;
	set_nonblocking(stream->in);
	set_nonblocking(stream->out);
	set_nonblocking(stream->err);
}

void exec_open(uint32_t id, const uint8_t *payload, uint32_t length)
{
	if (state.program != STARTED) {
		stream_failed(id, 0, "the program does not run");
		return;
	}
	const struct exec_request *request = exec_request(payload, length);
	if (request == NULL) {
		stream_failed(id, EINVAL, "the request makes no sense");
		return;
	}
	struct stream *stream = stream_open(id, EXEC_STREAM);
	if (stream != NULL)
		start(stream, request);
}

bool exec_data(struct stream *stream, const uint8_t *payload, uint32_t length)
{
	/* More than was granted: this host cannot count. */
	if (length > STREAM_WINDOW - stream->held)
		return false;
	if (stream->in < 0)
		return true;
	memmove(stream->bytes, stream->bytes + stream->head, stream->held);
	stream->head = 0;
	memcpy(stream->bytes + stream->held, payload, length);
	stream->held += length;
	return true;
}

static void grant(const struct stream *stream, size_t bytes)
{
	uint8_t credit[4];
	put32(credit, (uint32_t)bytes);
	link_send(CREDIT, stream->id, credit, sizeof credit);
}

static void close_in(struct stream *stream)
{
	/* The end of a terminal's input is a character, not an end: VEOF at the start of a line. */
	if (stream->terminal)
		(void)!write(stream->in, "\004", 1);
	else
		(void)close(stream->in);
	if (!stream->terminal)
		stream->in = -1;
	stream->in_ending = false;
}

static void feed(struct stream *stream)
{
	while (stream->in >= 0 && stream->held > 0) {
		ssize_t written = write(stream->in, stream->bytes + stream->head, stream->held);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			return;
		/* Nobody reads any more: the rest goes nowhere, and its sender need not wait. */
		size_t gone = written < 0 ? stream->held : (size_t)written;
		stream->head += gone;
		stream->held -= gone;
		grant(stream, gone);
	}
	if (stream->in_ending && stream->in >= 0)
		close_in(stream);
}

/* Returns true when there is nothing more now or ever. */
static bool drain(struct stream *stream, int *fd, uint8_t type)
{
	static uint8_t bytes[LINK_CHUNK];
	while (*fd >= 0 && stream->credit > 0 && link_has_room()) {
		size_t most = stream->credit < sizeof bytes ? (size_t)stream->credit : sizeof bytes;
		ssize_t got = read(*fd, bytes, most);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return true;
		if (got <= 0) {
			/* EIO: the other side of a terminal is closed. A terminal's `in` is the same descriptor. */
			(void)close(*fd);
			if (stream->terminal)
				stream->in = -1;
			*fd = -1;
			return true;
		}
		stream->credit -= (uint64_t)got;
		link_send(type, stream->id, bytes, (size_t)got);
	}
	return *fd < 0;
}

void exec_turn(struct stream *stream)
{
	uint8_t code[4];
	/* Asked before the pipes are emptied: what was written before the end is in them by then. */
	bool ended = stream->pid == 0;
	feed(stream);
	bool out = drain(stream, &stream->out, OUT);
	bool err = drain(stream, &stream->err, ERR);
	if (!ended || !out || !err)
		return;
	int status = stream->status;
	put32(code, (uint32_t)(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)));
	link_send(EXITED, stream->id, code, sizeof code);
	stream_close(stream);
}

void exec_resize(const struct stream *stream, uint16_t columns, uint16_t rows)
{
	const struct winsize size = { .ws_col = columns, .ws_row = rows };
	if (stream->kind == EXEC_STREAM && stream->terminal && stream->out >= 0)
		(void)ioctl(stream->out, TIOCSWINSZ, &size);
}

/* Whoever asked for it is gone: the whole session goes. */
void exec_abandon(struct stream *stream)
{
	if (stream->pid > 0)
		(void)kill(-stream->pid, SIGKILL);
	stream->pid = 0;
}
