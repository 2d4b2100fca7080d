/*
 * Certificates made here, a listener that shows them, and clients of OpenSSL's
 * own in the same thread. The daemon's tests see the rest: test_tls.py.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/sweep.h"
#include "net/tls.h"
#include "net/tls_tickets.h"
#include "net/worker.h"
#include "net/ws_conn.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 10000

#define REQUEST                                                                                                       \
	"GET /tea HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                               \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
/* "tea" in a client's frame with a mask of nothing, and as it comes back */
#define FRAME "\x81\x83\0\0\0\0tea"
#define ECHOED "\x81\x03tea"

static const struct ws_limits limits = { 100000, 100000, 10 };

/* ---- certificates ---- */

static char folder[] = "/tmp/natter-tls-XXXXXX";

static const char *file(const char *name, const char *end)
{
	static char path[4][128];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s.%s", folder, name, end);
	return p;
}

static EVP_PKEY *make_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* FOLDER/NAME.pem and .key: NAME is its common name. */
static void make_certificate(const char *name)
{
	EVP_PKEY *key = make_key();
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);
	FILE *f;

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, subject);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	f = fopen(file(name, "pem"), "w");
	assert_true(f && PEM_write_X509(f, x) && fclose(f) == 0);
	umask(077);
	f = fopen(file(name, "key"), "w");
	assert_true(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) && fclose(f) == 0);
	X509_free(x);
	EVP_PKEY_free(key);
}

static struct tls *tls_of(const char *name, struct tls_tickets *tickets)
{
	char err[256] = "";
	struct tls_certificate c = { file(name, "pem"), file(name, "key") };
	struct tls *t = tls_new(&(struct tls_opts){ .certificates = &c, .n = 1, .ciphers = "", .tickets = tickets }, err,
				sizeof(err));

	if (t == NULL)
		fail_msg("%s", err);
	return t;
}

/* ---- a server that echoes ---- */

static struct conn_answer answer = { .status = 101, .limits = &limits };
static unsigned opened;

static void on_request(struct conn *c, const struct http_request *r, struct conn_answer *a)
{
	(void)c;
	(void)r;
	*a = answer;
}

static void on_open(struct conn *c)
{
	(void)c;
	opened++;
}

static void on_message(struct conn *c, bool text, char *data, size_t len) { ws_conn_send(c, text, data, len); }

static void on_closed(struct conn *c, enum close_reason r)
{
	(void)c;
	(void)r;
	opened--;
}

static const struct worker_ops ops = { .request = on_request, .open = on_open, .message = on_message,
				       .closed = on_closed };

static struct worker *worker;
static struct listener *listener;
static struct shared_count total;

static int build(void **state)
{
	struct worker_opts w = { .ops = &ops, .total = &total, .max_connections = 2000, .max_head = 4096,
				 .send_queue = 100000, .handshake_timeout = 10000, .ping_interval = 30000,
				 .ping_timeout = 20000, .close_timeout = 5000 };
	struct listener_opts l = { .name = "main", .address = "127.0.0.1", .backlog = 100 };
	char err[256] = "";

	(void)state;
	opened = 0;
	worker = worker_new(&w);
	event_del(worker->ev_tick); /* ticks come by hand only */
	stats_use(worker_stats(worker));
	listener = listener_open(&l, err, sizeof(err));
	if (listener == NULL)
		fail_msg("%s", err);
	return listener_start(listener, worker);
}

static void turn(void) { event_base_loop(worker_base(worker), EVLOOP_NONBLOCK); }

static int tear_down(void **state)
{
	(void)state;
	for (uint64_t until = clock_ms() + PATIENCE_MS; total.value > 0; turn())
		assert_true(clock_ms() < until);
	assert_int_equal(stats_read(worker_stats(worker), STAT_connections), 0);
	assert_int_equal(stats_read(worker_stats(worker), STAT_backlog_bytes), 0);
	listener_free(listener);
	turn();
	worker_free(worker);
	stats_use(NULL);
	return 0;
}

/* ---- clients ---- */

struct client {
	int fd;
	SSL *ssl;
	char in[200000];
	size_t len;
};

static SSL_CTX *client_ctx;

static void dial(struct client *c)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(listener_port(listener)) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->len = 0;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->ssl = SSL_new(client_ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
}

static void hang_up(struct client *c)
{
	SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN); /* or its session is no good any more */
	SSL_free(c->ssl);
	close(c->fd);
}

static void handshake(struct client *c)
{
	uint64_t until = clock_ms() + PATIENCE_MS;

	while (SSL_do_handshake(c->ssl) != 1) {
		assert_true(clock_ms() < until);
		turn();
	}
}

static void put(struct client *c, const char *data, size_t len) { assert_int_equal(SSL_write(c->ssl, data, (int)len), len); }

/* Reads until what came ends with DATA. */
static void expect(struct client *c, const char *data, size_t len)
{
	uint64_t until = clock_ms() + PATIENCE_MS;

	while (c->len < len || memcmp(c->in + c->len - len, data, len) != 0) {
		int n = SSL_read(c->ssl, c->in + c->len, (int)(sizeof(c->in) - c->len));

		c->len += n > 0 ? (size_t)n : 0;
		assert_true(clock_ms() < until);
		turn();
	}
}

static void join(struct client *c)
{
	dial(c);
	handshake(c);
	put(c, REQUEST, sizeof(REQUEST) - 1);
	expect(c, "\r\n\r\n", 4);
	assert_int_equal(memcmp(c->in, "HTTP/1.1 101", 12), 0);
}

static void echo(struct client *c)
{
	c->len = 0;
	put(c, FRAME, sizeof(FRAME) - 1);
	expect(c, ECHOED, sizeof(ECHOED) - 1);
}

static void assert_shown(const struct client *c, const char *name)
{
	char cn[64] = "";
	X509 *x = SSL_get_peer_certificate(c->ssl);

	assert_non_null(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	X509_free(x);
	assert_string_equal(cn, name);
}

/* ---- tests ---- */

static struct client a, b, c;

static void set(const char *name, struct tls_tickets *tickets)
{
	struct tls *t = name ? tls_of(name, tickets) : NULL;

	listener_set_tls(listener, t);
	tls_unref(t);
}

static void test_echo(void **state)
{
	(void)state;
	set("one", NULL);
	join(&a);
	assert_shown(&a, "one");
	for (int i = 0; i < 3; i++)
		echo(&a);
	hang_up(&a);
}

/* Connections that are there keep their certificates; new ones have the new ones. */
static void test_new_certificates(void **state)
{
	(void)state;
	set("one", NULL);
	join(&a);
	set("two", NULL);
	join(&b);
	set(NULL, NULL);
	assert_shown(&a, "one");
	assert_shown(&b, "two");
	echo(&a);
	echo(&b);
	dial(&c);
	SSL_do_handshake(c.ssl);
	for (uint64_t until = clock_ms() + PATIENCE_MS; SSL_do_handshake(c.ssl) < 0 &&
							SSL_get_error(c.ssl, -1) == SSL_ERROR_WANT_READ;) {
		assert_true(clock_ms() < until);
		turn();
	}
	assert_false(SSL_is_init_finished(c.ssl)); /* it was told in plain text */
	assert_int_equal(opened, 2);
	hang_up(&a);
	hang_up(&b);
	hang_up(&c);
}

/* Whose handshake has begun goes on with those of before; who is accepted only sees the new ones. */
static void test_new_certificates_within_a_handshake(void **state)
{
	(void)state;
	set("one", NULL);
	dial(&a);
	dial(&b);
	dial(&c);
	for (uint64_t until = clock_ms() + PATIENCE_MS; worker->handshaking.count < 3; turn())
		assert_true(clock_ms() < until);
	assert_int_equal(SSL_do_handshake(a.ssl), -1);
	for (uint64_t until = clock_ms() + PATIENCE_MS; worker->heads.count < 1; turn())
		assert_true(clock_ms() < until);
	set("two", NULL);
	handshake(&a);
	handshake(&b);
	assert_shown(&a, "one");
	assert_shown(&b, "two");
	hang_up(&a);
	hang_up(&b);
	hang_up(&c); /* without a byte */
}

/* Ticket keys that go on to the new certificates open what they sealed before. */
static void test_tickets_live_on(void **state)
{
	struct tls_tickets *t = tls_tickets_new(3600, NULL, 0);
	SSL_SESSION *s;

	(void)state;
	set("one", t);
	join(&a);
	echo(&a);
	s = SSL_get1_session(a.ssl);
	assert_true(SSL_SESSION_is_resumable(s));
	hang_up(&a);
	set("two", t);
	dial(&b);
	SSL_set_session(b.ssl, s);
	handshake(&b);
	assert_true(SSL_session_reused(b.ssl));
	hang_up(&b);
	tls_tickets_unref(t);
	t = tls_tickets_new(3600, NULL, 0);
	set("one", t);
	dial(&b);
	SSL_set_session(b.ssl, s);
	handshake(&b);
	assert_false(SSL_session_reused(b.ssl));
	hang_up(&b);
	SSL_SESSION_free(s);
	tls_tickets_unref(t);
}

/* A TLS handshake that is not done, and a head within TLS that is not, end at their time: this one is told. */
static void test_handshake_timeout(void **state)
{
	(void)state;
	set("one", NULL);
	dial(&a);
	dial(&b);
	assert_int_equal(SSL_do_handshake(a.ssl), -1);
	handshake(&b);
	put(&b, REQUEST, 20);
	for (uint64_t until = clock_ms() + PATIENCE_MS;
	     worker->heads.count < 2 || stats_read(worker_stats(worker), STAT_bytes_in) < 20; turn())
		assert_true(clock_ms() < until);
	worker->tick += worker_ticks(10000) - 1;
	sweep(worker);
	assert_int_equal(worker->heads.count, 2);
	worker->tick++;
	sweep(worker);
	turn();
	assert_int_equal(stats_read(worker_stats(worker), STAT_closed_handshake), 2);
	assert_int_equal(stats_read(worker_stats(worker), STAT_http_errors), 1);
	expect(&b, "\r\n\r\nthe opening handshake took too long\n", 40);
	assert_memory_equal(b.in, "HTTP/1.1 408 ", 13);
	hang_up(&a);
	hang_up(&b);
	for (uint64_t until = clock_ms() + PATIENCE_MS; stats_read(worker_stats(worker), STAT_connections) > 0; turn())
		assert_true(clock_ms() < until);
}

static void test_it_is_never_parked(void **state)
{
	(void)state;
	set("one", NULL);
	join(&a);
	echo(&a);
	for (int i = 0; i < 3; i++) {
		worker->tick++;
		sweep(worker);
		turn();
	}
	assert_non_null(list_entry(list_first(&worker->open), struct conn, node)->bev);
	echo(&a);
	hang_up(&a);
}

static int begin(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as main does */
	if (mkdtemp(folder) == NULL)
		return -1;
	make_certificate("one");
	make_certificate("two");
	client_ctx = SSL_CTX_new(TLS_client_method());
	return client_ctx ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	unlink(file("one", "pem"));
	unlink(file("one", "key"));
	unlink(file("two", "pem"));
	unlink(file("two", "key"));
	SSL_CTX_free(client_ctx);
	return rmdir(folder);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, build, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_echo),
		TEST(test_new_certificates),
		TEST(test_new_certificates_within_a_handshake),
		TEST(test_tickets_live_on),
		TEST(test_handshake_timeout),
		TEST(test_it_is_never_parked),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
