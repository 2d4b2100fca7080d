# natterd.conf is installed where none is. One that is there and differs stays as it is,
# and the new one is laid beside it as natterd.conf.new.

EXTRA_DIST += \
	conf/demo.conf \
	conf/natterd.conf

natter_conf = $(DESTDIR)$(sysconfdir)/natter/natterd.conf

INSTALL_DATA_HOOKS += install-conf
install-conf:
	@$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/natter'
	@if test ! -e '$(natter_conf)'; then \
		echo " installing $(natter_conf)"; \
		$(INSTALL_DATA) $(srcdir)/conf/natterd.conf '$(natter_conf)'; \
		rm -f '$(natter_conf).new'; \
	elif cmp -s $(srcdir)/conf/natterd.conf '$(natter_conf)'; then \
		rm -f '$(natter_conf).new'; \
	else \
		echo " $(natter_conf) differs and stays as it is; the new one is $(natter_conf).new"; \
		$(INSTALL_DATA) $(srcdir)/conf/natterd.conf '$(natter_conf).new'; \
	fi

UNINSTALL_HOOKS += uninstall-conf
uninstall-conf:
	@rm -f '$(natter_conf).new'
	@if cmp -s $(srcdir)/conf/natterd.conf '$(natter_conf)'; then \
		rm -f '$(natter_conf)'; \
		rmdir '$(DESTDIR)$(sysconfdir)/natter' 2>/dev/null || :; \
	elif test -e '$(natter_conf)'; then \
		echo " $(natter_conf) was changed and stays"; \
	fi
