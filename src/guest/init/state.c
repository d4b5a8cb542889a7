#include "init.h"

#include <stdarg.h>
#include <stdio.h>

struct state state;

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
