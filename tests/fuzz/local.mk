# Fuzzing: a libFuzzer target for each parser. make check replays the corpus, under ASan and
# UBSan where the compiler has them; make fuzz SECS=60 looks for more (tests/fuzz/run).

fuzz_targets = \
	tests/fuzz/fuzz_config \
	tests/fuzz/fuzz_forwarded \
	tests/fuzz/fuzz_http_head \
	tests/fuzz/fuzz_jwt \
	tests/fuzz/fuzz_message \
	tests/fuzz/fuzz_proxy_hdr \
	tests/fuzz/fuzz_utf8 \
	tests/fuzz/fuzz_v1 \
	tests/fuzz/fuzz_ws_deflate \
	tests/fuzz/fuzz_ws_stream \
	tests/fuzz/fuzz_ws_upgrade

fuzzed_sources = \
	$(src_base_libbase_a_SOURCES) \
	$(src_wire_libwire_a_SOURCES) \
	$(src_chat_libchat_a_SOURCES) \
	src/daemon/config.c \
	src/daemon/config_check.c \
	src/daemon/faults.c \
	src/daemon/origins.c

# libFuzzer's stand-in, and what is fuzzed once more, with sanitizers.
check_LIBRARIES = tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz.h tests/fuzz/fuzz_text.h \
	$(fuzzed_sources)
tests_fuzz_libreplay_a_CFLAGS = $(AM_CFLAGS) $(REPLAY_SANITIZER)

FUZZ_LIBS = $(PTHREAD_LIBS) $(WIRE_LIBS) $(JANSSON_LIBS) $(UNISTRING_LIBS) $(ICU_LIBS) $(JWT_LIBS) $(CRYPTO_LIBS) $(CONFUSE_LIBS)
REPLAY = tests/fuzz/libreplay.a $(REPLAY_SANITIZER) $(FUZZ_LIBS)
tests_fuzz_fuzz_config_LDADD = $(REPLAY)
tests_fuzz_fuzz_forwarded_LDADD = $(REPLAY)
tests_fuzz_fuzz_http_head_LDADD = $(REPLAY)
tests_fuzz_fuzz_jwt_LDADD = $(REPLAY)
tests_fuzz_fuzz_message_LDADD = $(REPLAY)
tests_fuzz_fuzz_proxy_hdr_LDADD = $(REPLAY)
tests_fuzz_fuzz_utf8_LDADD = $(REPLAY)
tests_fuzz_fuzz_v1_LDADD = $(REPLAY)
tests_fuzz_fuzz_ws_deflate_LDADD = $(REPLAY)
tests_fuzz_fuzz_ws_stream_LDADD = $(REPLAY)
tests_fuzz_fuzz_ws_upgrade_LDADD = $(REPLAY)

check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)

fuzz:
	@srcdir='$(srcdir)' FLAGS='$(AM_CPPFLAGS) $(PTHREAD_CFLAGS)' SOURCES='$(fuzzed_sources)' \
		LIBS='$(FUZZ_LIBS)' TARGETS="$${TARGETS:-$(fuzz_targets)}" SECS='$(SECS)' $(srcdir)/tests/fuzz/run

.PHONY: fuzz

EXTRA_DIST += \
	tests/fuzz/corpus \
	tests/fuzz/config.dict \
	tests/fuzz/forwarded.dict \
	tests/fuzz/http_head.dict \
	tests/fuzz/jwt.dict \
	tests/fuzz/message.dict \
	tests/fuzz/proxy_hdr.dict \
	tests/fuzz/run \
	tests/fuzz/seeds.py \
	tests/fuzz/v1.dict \
	tests/fuzz/ws_upgrade.dict
