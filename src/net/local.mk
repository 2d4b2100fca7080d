# libnet: sockets, connections, fan-out. Stands on wire and base; knows no room.

noinst_LIBRARIES += src/net/libnet.a
src_net_libnet_a_SOURCES = \
	src/net/accepted.c \
	src/net/accepted.h \
	src/net/addr_limit.c \
	src/net/addr_limit.h \
	src/net/bev_pool.c \
	src/net/bev_pool.h \
	src/net/conn.c \
	src/net/conn.h \
	src/net/fanout.c \
	src/net/fanout.h \
	src/net/framer.c \
	src/net/framer.h \
	src/net/handshake.c \
	src/net/handshake.h \
	src/net/http_conn.c \
	src/net/http_conn.h \
	src/net/listener.c \
	src/net/listener.h \
	src/net/proxied.c \
	src/net/proxied.h \
	src/net/queues.c \
	src/net/queues.h \
	src/net/ring.h \
	src/net/sender.c \
	src/net/sender.h \
	src/net/sweep.c \
	src/net/sweep.h \
	src/net/tls.c \
	src/net/tls.h \
	src/net/tls_conn.c \
	src/net/tls_conn.h \
	src/net/tls_tickets.c \
	src/net/tls_tickets.h \
	src/net/upgrade_filter.c \
	src/net/upgrade_filter.h \
	src/net/worker.c \
	src/net/worker.h \
	src/net/ws_conn.c \
	src/net/ws_conn.h

if HAVE_LIBURING
src_net_libnet_a_SOURCES += src/net/ring.c
endif

NET = src/net/libnet.a
NET_LIBS = $(WIRE_ALL) $(BASE_ALL) $(SSL_LIBS) $(EVENT_LIBS) $(URING_LIBS)
NET_ALL = $(NET) $(NET_LIBS)
