#include "identify.h"
#include "streams.h"

#include <signal.h>

static bool take_clock(const uint8_t *payload, uint32_t length)
{
	if (length != 8)
		return false;
	if (!set_clock(get64(payload)))
		warn_errno("cannot set", "the clock");
	return true;
}

static bool take_seed(const uint8_t *payload, uint32_t length)
{
	if (length == 0 || length > SEED_BYTES)
		return false;
	if (!reseed(payload, length))
		warn_errno("cannot reseed", "the random generator");
	return true;
}

static bool hold(void)
{
	if (state.program == STARTED && !hold_for_host())
		identity_refused("cannot hold", "the programs");
	link_state_changed();
	return true;
}

static bool release(void)
{
	release_programs();
	link_state_changed();
	return true;
}

static bool trust(const uint8_t *payload, uint32_t length)
{
	const char *at = (const char *)payload, *end = at + length, *value = NULL;
	struct authority authority = { NULL, NULL, NULL };
	char tag = 0;
	while (next_record(&at, end, &tag, &value))
		if (!take_authority(&authority, tag, value))
			return false;
	if (at != end || !is_authority(&authority))
		return false;
	if (state.program == STARTED)
		(void)trust_install(program_boot(), &authority);
	link_state_changed();
	return true;
}

static bool handle_control(uint8_t type, const uint8_t *payload, uint32_t length)
{
	switch (type) {
	case HOST_HELLO:
		if (length != HELLO_BYTES)
			return false;
		forget_host();
		link_hello(payload);
		return true;
	case HOST_ACK:
		if (state.program == EXITED_STATE)
			power_off();
		return true;
	case HOST_SHUTDOWN:
		if (length != 4)
			return false;
		program_stop(get32(payload));
		return true;
	case HOST_CLOCK: return take_clock(payload, length);
	case HOST_RESEED: return take_seed(payload, length);
	case HOST_TRUST: return trust(payload, length);
	case HOST_HOLD: return hold();
	case HOST_RELEASE: return release();
	case HOST_IDENTIFY: return identify((const char *)payload, length);
	default: return false;
	}
}

static bool handle_open(uint8_t type, uint32_t id, const uint8_t *payload, uint32_t length)
{
	if (stream_of(id) != NULL)
		return false;
	if (!state.agent) {
		stream_failed(id, 0, "the agent is switched off");
		return true;
	}
	switch (type) {
	case OPEN_EXEC: exec_open(id, payload, length); return true;
	case OPEN_STAT: stat_path(id, payload, length); return true;
	case OPEN_READ: read_open(id, payload, length); return true;
	case OPEN_WRITE: write_open(id, payload, length); return true;
	default: return false;
	}
}

static bool handle_data(struct stream *stream, const uint8_t *payload, uint32_t length)
{
	if (stream->kind == EXEC_STREAM)
		return exec_data(stream, payload, length);
	return stream->kind == WRITE_STREAM && write_data(stream, payload, length);
}

static void handle_end(struct stream *stream)
{
	stream->in_ending = true;
	if (stream->kind == WRITE_STREAM)
		write_finish(stream);
}

static bool handle_stream(uint8_t type, uint32_t id, const uint8_t *payload, uint32_t length)
{
	struct stream *stream = stream_of(id);
	/* Words that crossed with our end of the stream. */
	if (stream == NULL)
		return type >= DATA && type <= CANCEL;
	switch (type) {
	case DATA: return handle_data(stream, payload, length);
	case DATA_END: handle_end(stream); return true;
	case CREDIT:
		if (length != 4)
			return false;
		stream->credit += get32(payload);
		return true;
	case RESIZE:
		if (length != 4)
			return false;
		exec_resize(stream, (uint16_t)get32(payload), (uint16_t)(get32(payload) >> 16));
		return true;
	case KILL:
		if (length != 4 || get32(payload) > 64)
			return false;
		if (stream->kind == EXEC_STREAM && stream->pid > 0)
			(void)kill(-stream->pid, (int)get32(payload));
		return true;
	case CANCEL: stream_close(stream); return true;
	default: return false;
	}
}

bool handle_frame(uint8_t type, uint32_t stream, const uint8_t *payload, uint32_t length)
{
	if (stream == 0)
		return handle_control(type, payload, length);
	if (type >= OPEN_EXEC && type <= OPEN_WRITE)
		return handle_open(type, stream, payload, length);
	return handle_stream(type, stream, payload, length);
}

void forget_host(void)
{
	streams_close();
}
