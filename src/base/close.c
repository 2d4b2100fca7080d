/* close: see close.h. */
#include <config.h>

#include "base/close.h"

#define CLOSE(id, code, verdict, text) _Static_assert(sizeof(text) <= 124, #id ": the text is over 123 bytes");
#include "base/close.def"
#undef CLOSE

static const struct {
	const char *name, *text;
	unsigned code;
} rows[CLOSE_COUNT] = {
#define CLOSE(id, code, verdict, text) [CLOSE_##id] = {#id, text, code},
#include "base/close.def"
#undef CLOSE
};

const char *close_name(enum close_reason r)
{
	return rows[r].name;
}

unsigned close_code(enum close_reason r)
{
	return rows[r].code;
}

const char *close_text(enum close_reason r)
{
	return rows[r].text;
}
