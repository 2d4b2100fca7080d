# The pages that natterd serves, compiled into it as src/daemon/web_assets.c.

WEB_FILES = \
	src/web/index.html \
	src/web/chat.css \
	src/web/chat.js \
	src/web/icon.svg \
	src/web/log.js \
	src/web/natter.js \
	src/web/natter.mjs \
	src/web/people.js \
	src/web/talk.js \
	src/web/widget.js \
	src/web/words.js

EXTRA_DIST += $(WEB_FILES) src/web/embed.sh
CLEANFILES += src/daemon/web_assets.c

src/daemon/web_assets.c: $(WEB_FILES) src/web/embed.sh
	$(AM_V_GEN)$(MKDIR_P) src/daemon && \
	sh $(srcdir)/src/web/embed.sh $(srcdir) $(WEB_FILES) >$@.tmp && mv -f $@.tmp $@

# What pages embed, for who serves it from elsewhere.
webdir = $(pkgdatadir)/web
dist_web_DATA = \
	src/web/README.md \
	src/web/natter.d.ts \
	src/web/natter.js \
	src/web/natter.mjs \
	src/web/package.json
