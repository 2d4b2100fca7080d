# libwire: bytes in, structs out. Pure; needs nothing of ours.

noinst_LIBRARIES += src/wire/libwire.a
src_wire_libwire_a_SOURCES = \
	src/wire/forwarded.c \
	src/wire/forwarded.h \
	src/wire/http_head.c \
	src/wire/http_head.h \
	src/wire/netmask.c \
	src/wire/netmask.h \
	src/wire/origin.c \
	src/wire/origin.h \
	src/wire/proxy_hdr.c \
	src/wire/proxy_hdr.h \
	src/wire/token.c \
	src/wire/token.h \
	src/wire/utf8.c \
	src/wire/utf8.h \
	src/wire/ws_deflate.c \
	src/wire/ws_deflate.h \
	src/wire/ws_extension.c \
	src/wire/ws_extension.h \
	src/wire/ws_frame.c \
	src/wire/ws_frame.h \
	src/wire/ws_stream.c \
	src/wire/ws_stream.h \
	src/wire/ws_upgrade.c \
	src/wire/ws_upgrade.h

WIRE = src/wire/libwire.a
WIRE_LIBS = $(CRYPTO_LIBS) $(ZLIB_LIBS)
WIRE_ALL = $(WIRE) $(WIRE_LIBS)
