#include "init.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct state state = { .trust = TRUST_NONE };

void state_started(void)
{
	state.program = STARTED;
	state.started = now_ms();
	link_state_changed();
}

void state_exited(int code, const char *format, ...)
{
	va_list arguments;
	state.program = EXITED_STATE;
	state.has_code = code >= 0;
	state.code = code < 0 ? 0 : code;
	va_start(arguments, format);
	(void)vsnprintf(state.message, sizeof state.message, format, arguments);
	va_end(arguments);
	link_state_changed();
}

static size_t put_record(uint8_t *bytes, char tag, const char *value)
{
	size_t length = strlen(value);
	bytes[0] = (uint8_t)tag;
	memcpy(bytes + 1, value, length + 1);
	return length + 2;
}

/* The CA is told of while the program runs: before there is nothing to tell, after it nobody cares. */
static size_t put_trust(uint8_t *bytes)
{
	bytes[3] = (uint8_t)state.trust;
	if (state.trust == TRUST_NONE)
		return 16;
	memcpy(bytes + 16, state.fingerprint, FINGERPRINT);
	size_t length = state.trust == TRUST_FAILED ? strlen(state.trust_message) : 0;
	memcpy(bytes + 16 + FINGERPRINT, state.trust_message, length);
	return 16 + FINGERPRINT + length;
}

/* At the end, behind a text of any length: the head tells how long it is. */
static size_t put_identity(uint8_t *bytes, size_t at)
{
	size_t start = at;
	if (state.identity[0] != 0)
		at += put_record(bytes + at, 'i', state.identity);
	if (state.identity_problem[0] != 0)
		at += put_record(bytes + at, 'w', state.identity_problem);
	put32(bytes + 4, (uint32_t)(at - start) << 16 | (state.held ? 1 : 0));
	return at;
}

size_t state_payload(uint8_t *bytes)
{
	bytes[0] = (uint8_t)state.program;
	bytes[1] = state.agent ? 1 : 0;
	bytes[2] = state.has_code ? 1 : 0;
	bytes[3] = 0;
	put32(bytes + 4, (uint32_t)state.code);
	put64(bytes + 8, state.started == 0 ? 0 : now_ms() - state.started);
	if (state.program == STARTED)
		return put_identity(bytes, put_trust(bytes));
	size_t length = strlen(state.message);
	memcpy(bytes + 16, state.message, length);
	return 16 + length;
}
