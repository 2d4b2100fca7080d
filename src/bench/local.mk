# natterbench: measures a server. Stands on wire and base. All but main is a library too, for its tests.

noinst_LIBRARIES += src/bench/libbench.a
src_bench_libbench_a_SOURCES = \
	src/bench/client.c \
	src/bench/client.h \
	src/bench/crowd.c \
	src/bench/crowd.h \
	src/bench/frame_reader.c \
	src/bench/frame_reader.h \
	src/bench/histogram.c \
	src/bench/histogram.h \
	src/bench/ledger.c \
	src/bench/ledger.h \
	src/bench/loop.c \
	src/bench/loop.h \
	src/bench/meter.c \
	src/bench/meter.h \
	src/bench/must.c \
	src/bench/must.h \
	src/bench/options.c \
	src/bench/options.h \
	src/bench/report.c \
	src/bench/report.h \
	src/bench/sockets.c \
	src/bench/sockets.h \
	src/bench/stamp.c \
	src/bench/stamp.h \
	src/bench/target.c \
	src/bench/target.h \
	src/bench/tls_client.c \
	src/bench/tls_client.h \
	src/bench/traffic.c \
	src/bench/traffic.h

BENCH = src/bench/libbench.a
BENCH_LIBS = $(WIRE_ALL) $(BASE_ALL) $(SSL_LIBS) $(EVENT_LIBS) $(JANSSON_LIBS) -lm
BENCH_ALL = $(BENCH) $(BENCH_LIBS)

bin_PROGRAMS += natterbench
natterbench_SOURCES = \
	src/bench/main.c
natterbench_LDADD = $(BENCH_ALL)
