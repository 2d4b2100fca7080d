/*
 * forwarded, origin and netmask: what a head's fields may say of the client
 * and of the page. Whatever a client writes to the left of what its proxy
 * appends, the proxy's word counts or nothing does.
 *
 * Input: the fields' values, a line each: X-Forwarded-For and Forwarded by turns;
 * each is also read as an origin, a host and a network.
 */
#include <config.h>

#include "wire/forwarded.h"
#include "wire/origin.h"

#include "fuzz.h"

static struct net_list *trusted;

static const char *const names[] = {"X-Forwarded-For", "Forwarded", "X-Forwarded-Host"};

/* ---- heads ---- */

/* The client of this head, reached by 10.0.0.1. False: it cannot be known, or the head is no head. */
static bool client_of(const char *head, size_t len, enum forwarded_by by, struct net_addr *client, bool *good)
{
	struct http_piece hosts[FORWARDED_HOSTS_MAX];
	char *buf = fuzz_copy(head, len);
	const char *why = NULL;
	struct http_head h;
	bool known = false;
	size_t n;

	CHECK(net_addr_parse(client, "10.0.0.1", 8));
	http_head_init(&h, HTTP_HEAD_LIMIT);
	*good = http_head_parse(&h, buf, len) == HTTP_OK;
	if (*good) {
		known = forwarded_client(&h, buf, by, trusted, client, &why);
		CHECK(known == (why == NULL));
		n = forwarded_hosts(&h, buf, by, hosts);
		CHECK(n <= FORWARDED_HOSTS_MAX);
		while (n-- > 0)
			CHECK((size_t)hosts[n].at + hosts[n].len <= h.length);
	}
	fuzz_free(buf, len);
	return known;
}

/* A head whose fields by that name have the input's lines, the last one with APPENDED at its end, or in a field of its own. */
static size_t make_head(char *out, size_t size, struct fuzz_input in, const char *name, const char *appended, bool own)
{
	size_t n = (size_t)snprintf(out, size, "GET / HTTP/1.1\r\nHost: a\r\n%s: ", name);

	for (size_t i = 0; i < in.len && n + 200 < size; i++) {
		if (in.data[i] == '\n')
			n += (size_t)snprintf(out + n, size - n, "\r\n%s: ", name);
		else
			out[n++] = (char)in.data[i];
	}
	if (own)
		n += (size_t)snprintf(out + n, size - n, "\r\n%s: ", name);
	else if (*appended)
		n += (size_t)snprintf(out + n, size - n, ", ");
	return n + (size_t)snprintf(out + n, size - n, "%s\r\n\r\n", appended);
}

/* What a proxy appends, which a client must not get rid of. */
static void check_appended(struct fuzz_input in, enum forwarded_by by, const char *appended)
{
	static char head[16384];
	struct net_addr client, want;
	bool good;

	CHECK(net_addr_parse(&want, "203.0.113.9", 11));
	for (int own = 0; own < 2; own++) {
		size_t len = make_head(head, sizeof(head), in, names[by - 1], appended, own);
		bool known = client_of(head, len, by, &client, &good);

		if (known)
			CHECK(net_addr_same(&client, &want));
		else if (own)
			CHECK(!good); /* a field of its own is as it is */
	}
}

static void check_alone(struct fuzz_input in, enum forwarded_by by, const char *name)
{
	static char head[16384];
	struct net_addr client;
	size_t len = make_head(head, sizeof(head), in, name, "", false);
	bool good;

	if (client_of(head, len, by, &client, &good))
		CHECK(client.kind == NET_ADDR_IP);
}

/* ---- one text ---- */

static void check_network(const char *text)
{
	struct net_list *l = net_list_new(&text, 1);
	struct net_addr a;

	CHECK((l != NULL) == netmask_valid(text));
	if (l && net_addr_parse(&a, text, strlen(text)))
		CHECK(net_list_has(l, &a));
	net_list_free(l);
}

static void check_address(const char *text, size_t len)
{
	char out[NET_ADDR_TEXT];
	struct net_addr a, again;

	if (!net_addr_parse(&a, text, len))
		return;
	net_addr_text(&a, out);
	CHECK(net_addr_parse(&again, out, strlen(out)) && net_addr_same(&a, &again));
}

/* An origin is its own same, of its own host, and has nothing that breaks out of quotes. */
static void check_origin(const char *text, size_t len)
{
	struct origin o;

	if (!origin_parse(&o, text, len))
		return;
	for (size_t i = 0; i < len; i++)
		CHECK((unsigned char)text[i] > ' ' && (unsigned char)text[i] < 0x7f && text[i] != '\'' && text[i] != '"' &&
		      text[i] != '\\');
	if (o.null)
		return;
	CHECK(o.host >= text && o.host + o.host_len <= text + len);
	CHECK(origin_same(&o, &o));
	CHECK(o.host_len == 0 || origin_of_host(&o, o.host, o.host_len));
}

static void check_line(const uint8_t *line, size_t len)
{
	char *text = fuzz_copy(line, len), *ended = malloc(len + 1);
	struct origin o;

	CHECK(ended);
	memcpy(ended, text, len);
	ended[len] = '\0';
	check_network(ended);
	check_address(text, len);
	check_origin(text, len);
	CHECK(origin_parse(&o, "http://a", 8));
	origin_of_host(&o, text, len);
	fuzz_free(text, len);
	free(ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const networks[] = {"10.0.0.0/8", "fd00::/8"};
	struct fuzz_input in = {data, len};
	size_t begin = 0;

	if (!trusted)
		trusted = net_list_new(networks, 2);
	CHECK(trusted);
	for (size_t i = 0; i <= len; i++) {
		if (i < len && data[i] != '\n')
			continue;
		check_line(data + begin, i - begin);
		begin = i + 1;
	}
	check_alone(in, FORWARDED_X, names[0]);
	check_alone(in, FORWARDED_X, names[2]);
	check_alone(in, FORWARDED_RFC7239, names[1]);
	check_appended(in, FORWARDED_X, "203.0.113.9");
	check_appended(in, FORWARDED_RFC7239, "for=203.0.113.9");
	check_appended(in, FORWARDED_RFC7239, "for=\"203.0.113.9:80\";host=\"a\"");
	return 0;
}
