/*
 * sink: how the chat speaks to one seat: one client's connection.
 *
 * chat owns the type, whoever holds the connection implements it. All calls
 * come on the session's worker, and none of them calls back.
 */
#ifndef NATTER_CHAT_SINK_H
#define NATTER_CHAT_SINK_H

#include "base/close.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink;

struct sink_ops {
	/* One text message, to this client alone. */
	void (*send)(struct sink *s, const char *text, size_t len);
	/* The connection is to end; the session is freed by its owner some time later. */
	void (*close)(struct sink *s, enum close_reason reason);
	/* No messages of this client for MS milliseconds; they wait. */
	void (*pause)(struct sink *s, uint32_t ms);
	/* While held, messages wait: the session's answer to the last one is not there yet. */
	void (*hold)(struct sink *s, bool held);
	/* Bytes that it was sent and has not taken. */
	size_t (*waiting)(struct sink *s);
	/* The client's address as text, as long as there is the sink. */
	const char *(*address)(struct sink *s);
};

struct sink {
	const struct sink_ops *ops;
};

#endif
