/* target: see target.h. */
#include <config.h>

#include "bench/target.h"

#include "bench/must.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define ROOM "{room}"
#define OFFER \
	"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"

static int fail(char *why, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(char *why, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, size, format, ap);
	va_end(ap);
	return -1;
}

static char *copy(const char *s, size_t len)
{
	char *c = must_calloc(len + 1, 1);

	memcpy(c, s, len);
	return c;
}

static void set_path(struct target *t, const char *path, bool rooms)
{
	size_t len = strlen(path);

	t->path = must_calloc(len + sizeof("/-" ROOM), 1);
	sprintf(t->path, "%s%s%s", *path == '/' ? "" : "/", path,
		rooms && !strstr(path, ROOM) ? "-" ROOM : "");
}

static int init_unix(struct target *t, const char *rest, bool rooms, char *why, size_t size)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&t->address;
	const char *colon = strchr(rest, ':');
	size_t len = colon ? (size_t)(colon - rest) : strlen(rest);

	if (*rest != '/' || len >= sizeof(un->sun_path))
		return fail(why, size,
			    "%s: after ws+unix:// comes the socket's absolute path of at most %zu bytes",
			    t->url, sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, rest, len);
	t->address_len = sizeof(*un);
	t->host = must_strdup("localhost");
	set_path(t, colon ? colon + 1 : "/", rooms);
	return 0;
}

static int resolve(struct target *t, const char *name, const char *port, char *why, size_t size)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int error = getaddrinfo(name, port, &hints, &list);

	if (error)
		return fail(why, size, "%s: %s port %s: %s", t->url, name, port, gai_strerror(error));
	/* localhost is often ::1 first, where nobody listens who listens on 127.0.0.1: IPv4 before IPv6. */
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		if (t->address_len && a->ai_family != AF_INET)
			continue;
		memcpy(&t->address, a->ai_addr, a->ai_addrlen);
		t->address_len = a->ai_addrlen;
		if (a->ai_family == AF_INET)
			break;
	}
	freeaddrinfo(list);
	if (t->address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&t->address;

		t->loopback = ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	return 0;
}

static int init_tcp(struct target *t, const char *rest, bool rooms, char *why, size_t size)
{
	size_t len = strcspn(rest, "/?#");
	const char *name = rest, *name_end, *port;
	char *port_copy;
	int result;

	if (*rest == '[') {
		name = rest + 1;
		name_end = memchr(rest, ']', len);
		port = name_end ? name_end + 1 : NULL;
	} else {
		name_end = memchr(rest, ':', len);
		if (name_end == NULL)
			name_end = rest + len;
		port = name_end;
	}
	if (port == NULL || name == name_end || (port != rest + len && *port != ':'))
		return fail(why, size, "%s: expected ws://HOST:PORT/PATH or wss://HOST:PORT/PATH", t->url);
	t->host = copy(rest, len);
	set_path(t, rest + len, rooms);
	t->name = copy(name, (size_t)(name_end - name));
	port_copy = port < rest + len ? copy(port + 1, (size_t)(rest + len - port) - 1) : must_strdup(t->tls ? "443" : "80");
	result = resolve(t, t->name, port_copy, why, size);
	free(port_copy);
	return result;
}

int target_init(struct target *t, const char *url, bool rooms, char *why, size_t size)
{
	*t = (struct target){.url = must_strdup(url)};
	if (strncmp(url, "ws://", 5) == 0)
		return init_tcp(t, url + 5, rooms, why, size);
	if (strncmp(url, "ws+unix://", 10) == 0)
		return init_unix(t, url + 10, rooms, why, size);
	t->tls = strncmp(url, "wss://", 6) == 0;
	if (t->tls)
		return init_tcp(t, url + 6, rooms, why, size);
	return fail(why, size, "%s: expected ws://HOST:PORT/PATH, wss://HOST:PORT/PATH or ws+unix:///PATH/OF/SOCKET:/PATH", url);
}

void target_clear(struct target *t)
{
	free(t->url);
	free(t->host);
	free(t->path);
	free(t->name);
	*t = (struct target){0};
}

void target_key(const struct target *t, uint32_t n, char key[TARGET_KEY_LEN])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint64_t x = ((uint64_t)t->seed << 32 | n) ^ UINT64_C(0x9E3779B97F4A7C15);

	for (int i = 0; i < 22; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		key[i] = digits[x >> 58];
	}
	key[21] = digits[(x >> 62) << 4]; /* 16 bytes are 128 bits: 21 digits and 2 bits */
	key[22] = key[23] = '=';
}

/* The path with ROOM in it; returns its length as snprintf() does. */
static int put_path(const struct target *t, uint32_t room, char *out, size_t size)
{
	const char *at = strstr(t->path, ROOM);

	if (at == NULL)
		return snprintf(out, size, "%s", t->path);
	return snprintf(out, size, "%.*s%u%s", (int)(at - t->path), t->path, (unsigned)room,
			at + strlen(ROOM));
}

size_t target_request(const struct target *t, uint32_t n, uint32_t room, char *out, size_t size)
{
	char path[2048], key[TARGET_KEY_LEN];
	int len, path_len = put_path(t, room, path, sizeof(path));
	size_t used;

	if (path_len < 0 || (size_t)path_len >= sizeof(path))
		return 0;
	target_key(t, n, key);
	len = snprintf(out, size,
		       "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.*s\r\n%s%s%s%s",
		       path, t->host, TARGET_KEY_LEN, key, t->deflate ? OFFER : "",
		       t->subprotocol ? "Sec-WebSocket-Protocol: " : "", t->subprotocol ? t->subprotocol : "",
		       t->subprotocol ? "\r\n" : "");
	for (size_t i = 0; len >= 0 && (size_t)len < size && i < t->n_headers; i++) {
		used = (size_t)len;
		len += snprintf(out + used, size - used, "%s\r\n", t->headers[i]);
	}
	if (len < 0 || (size_t)len + 2 >= size)
		return 0;
	memcpy(out + len, "\r\n", 3);
	return (size_t)len + 2;
}
