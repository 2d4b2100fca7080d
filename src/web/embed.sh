#!/bin/sh
# embed.sh SRCDIR FILE...   writes web_assets.c, which holds the FILEs (names below SRCDIR).
#
# The path that a file is served under is its base name; index.html is "/".
# POSIX sh, od, sed and cksum only.
set -eu
LC_ALL=C export LC_ALL

srcdir=$1
shift

type_of() {
	case $1 in
	*.html) echo 'text/html; charset=utf-8' ;;
	*.css) echo 'text/css; charset=utf-8' ;;
	*.js | *.mjs) echo 'text/javascript; charset=utf-8' ;;
	*.json | *.map) echo 'application/json' ;;
	*.txt | *.ts) echo 'text/plain; charset=utf-8' ;;
	*.svg) echo 'image/svg+xml' ;;
	*.png) echo 'image/png' ;;
	*.ico) echo 'image/x-icon' ;;
	*.webmanifest) echo 'application/manifest+json' ;;
	*)
		echo "embed.sh: what Content-Type has $1? Add its ending to type_of()." >&2
		exit 1
		;;
	esac
}

# natter.js and what belongs to it are for the pages of other servers, too.
is_shared() {
	case $1 in
	natter.* | log.js | talk.js | widget.js | words.js) echo true ;;
	*) echo false ;;
	esac
}

cat <<'END'
/* Written by src/web/embed.sh from the files of src/web; do not edit. */
#include <config.h>

#include "daemon/web_assets.h"
END

n=0
rows=
for file; do
	from=$srcdir/$file
	name=${file##*/}
	path=/$name
	test "$name" = index.html && path=/
	type=$(type_of "$name")
	shared=$(is_shared "$name")
	# shellcheck disable=SC2046 # two words: the checksum and the size
	set -- $(cksum <"$from")

	printf '\n/* %s */\nstatic const unsigned char asset_%d[] = {\n' "$file" "$n"
	od -An -v -tx1 <"$from" | sed 's/[[:space:]]*$//; s/ *\([0-9a-f][0-9a-f]\)/0x\1,/g; s/^/	/'
	printf '	0x00\n};\n'

	rows="$rows	{\"$path\", \"$type\", asset_$n, $2, \"\\\"$(printf '%08x-%x' "$1" "$2")\\\"\", $shared},
"
	n=$((n + 1))
done

printf '\nconst struct web_asset web_assets[] = {\n%s};\n' "$rows"
printf 'const size_t web_assets_count = sizeof(web_assets) / sizeof(web_assets[0]);\n'
