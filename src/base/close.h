/*
 * close: why a connection ends, from the table close.def.
 *
 * The one list from which net takes the close code and text it sends, logs and
 * counters take their word, and the manual its table.
 */
#ifndef NATTER_BASE_CLOSE_H
#define NATTER_BASE_CLOSE_H

enum close_reason {
#define CLOSE(id, code, verdict, text) CLOSE_##id,
#include "base/close.def"
#undef CLOSE
	CLOSE_COUNT
};

/* The row's id, for logs. */
const char *close_name(enum close_reason r);

/* The close code to send, 0 for none. */
unsigned close_code(enum close_reason r);

/* The text to send. */
const char *close_text(enum close_reason r);

#endif
