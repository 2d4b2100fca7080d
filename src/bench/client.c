/* client: see client.h. */
#include <config.h>

#include "bench/client.h"

#include "bench/must.h"

#include "base/clock.h"
#include "wire/ws_upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)
#define HEAD_MAX 16384 /* of the server's answer */

static void on_event(evutil_socket_t fd, short what, void *arg);

/* ---- how it ends ---- */

static void say(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Only the first reason is kept: the others follow from it, or are the same. */
static void say(struct client *c, const char *format, ...)
{
	va_list ap;

	if (c->pool->why[0])
		return;
	va_start(ap, format);
	vsnprintf(c->pool->why, sizeof(c->pool->why), format, ap);
	va_end(ap);
}

static void drop(struct client *c)
{
	if (c->fd >= 0) {
		event_del(&c->event);
		close(c->fd);
	}
	c->fd = -1;
	SSL_free(c->ssl);
	c->ssl = NULL;
	free(c->out);
	c->out = NULL;
	c->out_len = 0;
	frame_reader_clear(&c->reader);
	c->state = CLIENT_GONE;
}

static void end(struct client *c)
{
	bool was_open = c->state == CLIENT_OPEN || c->state == CLIENT_CLOSING;

	drop(c);
	c->pool->ops->gone(c, was_open);
}

static const char *where(const struct client *c)
{
	switch ((enum client_state)c->state) {
	case CLIENT_NEW:
	case CLIENT_CONNECTING: return "connecting";
	case CLIENT_TLS: return "the TLS handshake";
	case CLIENT_HANDSHAKE: return "the opening handshake";
	default: return "the conversation";
	}
}

/* ---- sending ---- */

static void watch(struct client *c, short what)
{
	event_del(&c->event);
	event_assign(&c->event, c->pool->base, c->fd, (short)(what | EV_PERSIST), on_event, c);
	event_add(&c->event, NULL);
}

static void wait_to_send(struct client *c, const unsigned char *data, size_t len)
{
	c->out = must_realloc(c->out, c->out_len + len);
	memcpy(c->out + c->out_len, data, len);
	if (c->out_len == 0)
		watch(c, EV_READ | EV_WRITE);
	c->out_len += len;
}

static ssize_t send_some(struct client *c, const unsigned char *data, size_t len)
{
	return c->ssl ? tls_client_write(c->ssl, data, len) : send(c->fd, data, len, MSG_NOSIGNAL);
}

/* Errors are seen by the next read. */
static void put(struct client *c, const unsigned char *data, size_t len)
{
	ssize_t n = 0;

	if (c->out_len == 0) {
		n = send_some(c, data, len);
		if (n < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				return;
			n = 0;
		}
	}
	if ((size_t)n < len)
		wait_to_send(c, data + n, len - (size_t)n);
}

static void go_on_sending(struct client *c)
{
	ssize_t n = send_some(c, c->out, c->out_len);

	if (n < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			watch(c, EV_READ); /* which will say how it ended */
		return;
	}
	c->out_len -= (size_t)n;
	if (c->out_len) {
		memmove(c->out, c->out + n, c->out_len);
		return;
	}
	free(c->out);
	c->out = NULL;
	watch(c, EV_READ);
	if (c->state == CLIENT_OPEN)
		c->pool->ops->writable(c);
}

void client_send(struct client *c, enum ws_opcode opcode, unsigned char *payload, size_t len)
{
	unsigned char head[WS_FRAME_HEAD_MAX];
	size_t head_len = ws_frame_encode(head, opcode, false, len);
	uint8_t *mask = head + head_len;

	c->pool->mask = c->pool->mask * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	head[1] |= 0x80;
	for (int i = 0; i < 4; i++)
		mask[i] = (uint8_t)(c->pool->mask >> (32 + 8 * i));
	head_len += 4;
	ws_mask(payload, len, mask, 0);
	memcpy(payload - head_len, head, head_len);
	put(c, payload - head_len, head_len + len);
}

static void send_control(struct client *c, enum ws_opcode opcode, const unsigned char *data, size_t len)
{
	unsigned char frame[WS_FRAME_HEAD_MAX + WS_CONTROL_MAX];

	if (len)
		memcpy(frame + WS_FRAME_HEAD_MAX, data, len);
	client_send(c, opcode, frame + WS_FRAME_HEAD_MAX, len);
}

void client_close(struct client *c)
{
	static const unsigned char normal[] = {1000 >> 8, 1000 & 0xff};

	if (c->state != CLIENT_OPEN)
		return;
	send_control(c, WS_OP_CLOSE, normal, sizeof(normal));
	c->state = CLIENT_CLOSING;
}

/* ---- receiving ---- */

static void say_closed(struct client *c, const unsigned char *data, size_t len)
{
	if (len < 2)
		say(c, "the server closed a connection");
	else
		say(c, "the server closed a connection with %u%s%.*s", (unsigned)(data[0] << 8 | data[1]),
		    len > 2 ? ": " : "", (int)len - 2, (const char *)data + 2);
}

/* Inflates to the pool's buffer, which grows as it must. False: that does not work. */
static bool inflate_message(struct client_pool *p, const unsigned char **data, size_t *len)
{
	enum ws_inflate_verdict v = WS_INFLATE_MORE;
	size_t n = 0, more;

	if (p->inflater == NULL && (p->inflater = ws_inflater_new(15, false)) == NULL)
		return false;
	p->deflated++;
	ws_inflater_begin(p->inflater, *data, *len);
	while (v == WS_INFLATE_MORE && n < FRAME_READER_MAX) {
		if (n == p->inflated_size) {
			p->inflated_size = n ? 2 * n : 16384;
			p->inflated = must_realloc(p->inflated, p->inflated_size);
		}
		v = ws_inflater_run(p->inflater, p->inflated + n, p->inflated_size - n, &more);
		n += more;
	}
	*data = p->inflated;
	*len = n;
	return v == WS_INFLATE_DONE;
}

static bool on_frame(void *arg, enum ws_opcode opcode, bool deflated, const unsigned char *data, size_t len)
{
	struct client *c = arg;

	if (deflated && !inflate_message(c->pool, &data, &len)) {
		say(c, "the server's compressed messages cannot be inflated");
		end(c);
		return false;
	}
	switch (opcode) {
	case WS_OP_TEXT:
	case WS_OP_BINARY: c->pool->ops->message(c, (const char *)data, len); break;
	case WS_OP_PING:
		if (c->state == CLIENT_OPEN)
			send_control(c, WS_OP_PONG, data, len);
		break;
	case WS_OP_CLOSE:
		if (c->state == CLIENT_CLOSING)
			break; /* the server ends the TCP connection, section 7.1.1 */
		say_closed(c, data, len);
		send_control(c, WS_OP_CLOSE, data, len);
		end(c);
		return false;
	default: break;
	}
	return c->state != CLIENT_GONE;
}

static void read_frames(struct client *c, const unsigned char *data, size_t len)
{
	/* When the callback ended the connection, another may have begun in its place, with a new reader. */
	if (frame_reader_read(&c->reader, data, len, on_frame, c) || c->reader.why == NULL)
		return;
	say(c, "the server's bytes are no WebSocket frames: %s", c->reader.why);
	end(c);
}

/* ---- the handshake ---- */

/* What a user can do about a refusal. */
static const char *advice(int status)
{
	switch (status) {
	case 200: return ": it answers with a page there; give the path of its WebSocket";
	case 401:
	case 403: return ": it wants a login or another Origin; see --header";
	case 404: return ": it has no such endpoint or room; give another path";
	case 426: return ": it wants another version of the protocol";
	case 429:
	case 503:
		return ": it takes no more connections; raise its limit (natterd: max_connections) or ask for fewer";
	default: return "";
	}
}

/* The value of the field called NAME, up to the line's end; NULL: there is none. */
static const char *field(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

static bool accepted(struct client *c, const char *head)
{
	char key[TARGET_KEY_LEN], accept[WS_ACCEPT_LEN + 1];
	const char *value = field(head, "Sec-WebSocket-Accept");

	target_key(c->pool->target, c->handshake, key);
	return value && ws_accept(key, accept) && strncmp(value, accept, WS_ACCEPT_LEN) == 0;
}

/* What was offered; a server that keeps a context would need an inflater for each client. */
static bool extension_fits(struct client *c, const char *head)
{
	const char *value = field(head, "Sec-WebSocket-Extensions"), *term;

	c->reader.deflate = value != NULL;
	if (value == NULL)
		return true;
	term = strstr(value, "server_no_context_takeover");
	return c->pool->target->deflate && strncmp(value, "permessage-deflate", 18) == 0 && term &&
	       term < value + strcspn(value, "\r\n");
}

static bool judge(struct client *c, const char *head)
{
	int status = 0;

	if (sscanf(head, "HTTP/1.%*d %d", &status) != 1)
		say(c, "the server does not speak HTTP there");
	else if (status != 101)
		say(c, "the server refuses a connection with %d %.*s%s", status,
		    (int)strcspn(head + strcspn(head, " ") + 5, "\r\n"), head + strcspn(head, " ") + 5,
		    advice(status));
	else if (!accepted(c, head))
		say(c, "the server's Sec-WebSocket-Accept is wrong: a cache may be in between");
	else if (!extension_fits(c, head))
		say(c, "the server takes an extension that was not offered so: %.*s",
		    (int)strcspn(field(head, "Sec-WebSocket-Extensions"), "\r\n"),
		    field(head, "Sec-WebSocket-Extensions"));
	else
		return true;
	return false;
}

/* The answer's head may come in pieces; frames may follow in the same read. */
static void read_head(struct client *c, const unsigned char *data, size_t len)
{
	struct frame_reader *r = &c->reader;
	size_t before = r->kept_len, head_len;
	char *head = must_calloc(before + len + 1, 1), *end_of_head;

	if (before)
		memcpy(head, r->kept, before);
	memcpy(head + before, data, len);
	frame_reader_clear(r);
	end_of_head = strstr(head, "\r\n\r\n");
	if (end_of_head == NULL && before + len < HEAD_MAX) {
		r->kept = (unsigned char *)head;
		r->kept_len = r->kept_size = before + len;
		return;
	}
	if (end_of_head)
		end_of_head[2] = '\0';
	if (end_of_head == NULL || !judge(c, head)) {
		say(c, "the server's answer to the opening handshake has no end");
		free(head);
		end(c);
		return;
	}
	head_len = (size_t)(end_of_head - head) + 4;
	free(head);
	c->state = CLIENT_OPEN;
	c->pool->ops->opened(c);
	if (c->state != CLIENT_GONE && before + len > head_len)
		read_frames(c, data + (head_len - before), before + len - head_len);
}

/* False: there is no more for now, or for ever. */
static bool read_some(struct client *c)
{
	struct client_pool *p = c->pool;
	ssize_t n = c->ssl ? tls_client_read(c->ssl, p->buffer, READ_SIZE) : recv(c->fd, p->buffer, READ_SIZE, 0);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	p->now_us = clock_us();
	if (n <= 0) {
		if (c->state != CLIENT_CLOSING)
			say(c, "the server ended a connection during %s%s%s", where(c), n < 0 ? ": " : "",
			    n < 0 ? strerror(errno) : "");
		end(c);
		return false;
	}
	p->bytes_read += (uint64_t)n;
	if (c->state == CLIENT_HANDSHAKE)
		read_head(c, p->buffer, (size_t)n);
	else
		read_frames(c, p->buffer, (size_t)n);
	return c->ssl && n == READ_SIZE; /* who began anew in its place has no ssl yet */
}

static void on_readable(struct client *c)
{
	while (read_some(c))
		;
}

static void cannot_connect(struct client *c, int error)
{
	const char *hint = "";

	if (error == ECONNREFUSED || error == ENOENT)
		hint = ". Is the server running, and is it this address?";
	else if (error == EADDRNOTAVAIL)
		hint = ". There are no more local ports; connect from several addresses with --source";
	else if (error == EAGAIN)
		hint = ". The socket's backlog is full; begin with fewer at a time: --concurrency";
	else if (error == EMFILE || error == ENFILE)
		hint = ". Raise the limit of open files: ulimit -n";
	say(c, "cannot connect to %s: %s%s", c->pool->target->url, strerror(error), hint);
}

static void ask(struct client *c)
{
	char request[HEAD_MAX];
	size_t len;

	c->handshake = c->pool->handshakes++;
	len = target_request(c->pool->target, c->handshake, c->room, request, sizeof(request));
	c->state = CLIENT_HANDSHAKE;
	watch(c, EV_READ);
	put(c, (const unsigned char *)request, len);
}

static void note_tls(struct client_pool *p, const SSL *ssl)
{
	if (p->tls_kind[0] == '\0')
		snprintf(p->tls_kind, sizeof(p->tls_kind), "%s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
}

static void shake_hands(struct client *c)
{
	char why[200];
	int wanted = tls_client_handshake(c->ssl, why, sizeof(why));

	if (wanted > 0) {
		watch(c, wanted == POLLIN ? EV_READ : EV_WRITE);
	} else if (wanted < 0) {
		say(c, "the TLS handshake with the server failed: %s", why);
		end(c);
	} else {
		note_tls(c->pool, c->ssl);
		ask(c);
	}
}

static void on_connected(struct client *c)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		cannot_connect(c, error);
		end(c);
		return;
	}
	if (c->pool->tls == NULL) {
		ask(c);
		return;
	}
	c->ssl = tls_client_new(c->pool->tls, c->pool->target->name, c->fd);
	if (c->ssl == NULL) {
		say(c, "OpenSSL has no memory for another connection");
		end(c);
		return;
	}
	c->state = CLIENT_TLS;
	shake_hands(c);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;

	(void)fd;
	if (c->state == CLIENT_CONNECTING) {
		on_connected(c);
		return;
	}
	if (c->state == CLIENT_TLS) {
		shake_hands(c);
		return;
	}
	if (what & EV_WRITE)
		go_on_sending(c);
	if ((what & EV_READ) && c->state != CLIENT_GONE)
		on_readable(c);
}

/* ---- the beginning ---- */

int client_pool_init(struct client_pool *p, struct event_base *base, const struct target *t,
		     const struct client_ops *ops, void *arg)
{
	*p = (struct client_pool){.base = base, .target = t, .ops = ops, .arg = arg, .mask = t->seed};
	p->buffer = must_calloc(READ_SIZE, 1);
	return 0;
}

void client_pool_clear(struct client_pool *p)
{
	free(p->buffer);
	free(p->inflated);
	ws_inflater_free(p->inflater);
	p->buffer = p->inflated = NULL;
	p->inflater = NULL;
}

void client_init(struct client *c, struct client_pool *p, uint32_t number, uint32_t room)
{
	*c = (struct client){.pool = p, .fd = -1, .number = number, .room = room};
}

/* From the source whose turn it is. The port is chosen at connect(): it need be free towards this server only. */
static int bind_source(struct client *c)
{
	const struct sockaddr_storage *s;

	if (c->pool->n_sources == 0)
		return 0;
	s = &c->pool->sources[c->number % c->pool->n_sources];
#ifdef IP_BIND_ADDRESS_NO_PORT
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
#endif
	return bind(c->fd, (const struct sockaddr *)s,
		    s->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
}

bool client_open(struct client *c)
{
	const struct target *t = c->pool->target;
	int flags;

	c->begun_us = clock_us();
	c->fd = socket(t->address.ss_family, SOCK_STREAM, 0);
	if (c->fd < 0) {
		cannot_connect(c, errno);
		return false;
	}
	flags = fcntl(c->fd, F_GETFL);
	fcntl(c->fd, F_SETFL, flags | O_NONBLOCK);
	if (t->address.ss_family != AF_UNIX)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	/* A unix socket whose backlog is full says EAGAIN: fewer at a time then. */
	if (bind_source(c) != 0 ||
	    (connect(c->fd, (const struct sockaddr *)&t->address, t->address_len) != 0 &&
	     errno != EINPROGRESS)) {
		cannot_connect(c, errno);
		close(c->fd);
		c->fd = -1;
		return false;
	}
	c->state = CLIENT_CONNECTING;
	event_assign(&c->event, c->pool->base, c->fd, EV_WRITE | EV_PERSIST, on_event, c);
	event_add(&c->event, NULL);
	return true;
}

void client_clear(struct client *c)
{
	if (c->pool)
		drop(c);
	ledger_clear(&c->ledger);
}
