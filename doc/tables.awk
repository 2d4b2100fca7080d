# tables.awk: fills a manual page's tables from the .def rows.
#
#   awk -f doc/tables.awk -v src=SRCDIR -v sysconfdir=DIR page.in
#
# A line `.\" @TABLE KIND@` becomes the table of that kind; @SYSCONFDIR@ is
# replaced. POSIX awk. A row is one line; its fields are words, numbers, NULL,
# or C strings.

function fail(what) { print "tables.awk: " what > "/dev/stderr"; exit 1 }

# The fields of a row "NAME(a, "b", …)" into f[1..]; returns how many.
function fields(line,   n, c, inside, s, i) {
	sub(/^[A-Z_]+\(/, "", line); sub(/\)[ \t]*$/, "", line)
	n = 1; f[1] = ""; inside = 0
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		if (inside && c == "\\") { i++; f[n] = f[n] substr(line, i, 1); continue }
		if (c == "\"") { inside = !inside; continue }
		if (!inside && c == ",") { n++; f[n] = ""; continue }
		if (!inside && c == " ") continue
		f[n] = f[n] c
	}
	return n
}

# Text as mdoc takes it: a sentence, a line.
function text(s) { gsub(/\\/, "\\e", s); gsub(/\. /, ".\n", s); return s }
function word(s) { if (s == "") return "\\(dq\\(dq"; gsub(/"/, "\\(dq", s); return text(s) }

function rows(file, name,   line, n) {
	n = 0
	while ((getline line < (src "/" file)) > 0)
		if (index(line, name "(") == 1) row[++n] = line
	close(src "/" file)
	if (n == 0) fail("no " name " rows in " file)
	return n
}

function options(name,   n, i, k) {
	n = rows("src/daemon/config.def", name)
	print ".Bl -tag -width Ds"
	for (i = 1; i <= n; i++) {
		fields(row[i])
		print ".It Ic " f[2] " No = " kind(f[1])
		print text(f[7])
		if (f[3] != "NULL") print "Default:\n.Li " word(f[3]) "."
		if (f[4] != "") print "From\n.Li " f[4] "\nto\n.Li " f[5] "."
		k = words(f[1])
		if (k != "") print k
	}
	print ".El"
}

function kind(k) {
	if (k == "BOOL") return "Cm yes | no"
	if (k == "INT") return "Ar number"
	if (k == "AUTO") return "Cm auto | Ar number"
	if (k == "SIZE") return "Ar size"
	if (k == "TIME") return "Ar time"
	if (k == "LIST") return "Brq Ar text , ..."
	if (k == "STRING") return "Ar text"
	return "Ar word"
}

# The words of an enumeration, with what they mean.
function words(k,   line, s) {
	s = ""
	while ((getline line < (src "/src/daemon/config.def")) > 0)
		if (index(line, "ENUM(" k ",") == 1) {
			fields(line)
			s = s ".It Cm " f[3] "\n" text(f[4]) "\n"
		}
	close(src "/src/daemon/config.def")
	return s == "" ? "" : ".Bl -tag -width addressXX -compact\n" s ".El"
}

function when_table(   n, i, m) {
	m["RESTART"] = "a restart"; m["RELOAD"] = "a reload, at once"; m["CONNECT"] = "a reload, for new connections"
	print ".Bl -column \"history_messages\" \"a reload, for new connections\""
	print ".It Sy option Ta Sy will take effect with"
	split("GLOBAL LISTENER CERTIFICATE ENDPOINT TOKEN JWT", s, " ")
	for (k = 1; k <= 6; k++) {
		n = rows("src/daemon/config.def", s[k])
		for (i = 1; i <= n; i++) {
			fields(row[i])
			print ".It Ic " f[2] (k > 1 ? " Pq " tolower(s[k]) : "") " Ta " m[f[6]]
		}
	}
	print ".El"
}

# The default of a global option.
function default_of(option,   n, i) {
	n = rows("src/daemon/config.def", "GLOBAL")
	for (i = 1; i <= n; i++) { fields(row[i]); if (f[2] == option) return f[3] }
	fail("no option " option)
}

function limits(   n, i, l, line) {
	n = rows("src/daemon/limit.def", "LIMIT")
	for (i = 1; i <= n; i++) line[i] = row[i]
	print ".Bl -column \"address_connections\" \"10000\" \"refused_address_connections\" \"is not read for a while\""
	print ".It Sy option Ta Sy default Ta Sy counter Ta Sy who exceeds it"
	for (i = 1; i <= n; i++) {
		fields(line[i]); l[1] = f[1]; l[2] = f[2]; l[3] = f[3]
		print ".It Ic " l[1] " Ta " default_of(l[1]) " Ta Va " l[2] " Ta " text(l[3])
	}
	print ".El"
}

function counters(   n, i) {
	n = rows("src/base/stats.def", "STAT")
	print ".Bl -tag -width closed_handshakeX -compact"
	for (i = 1; i <= n; i++) { fields(row[i]); print ".It Va " f[1] "\n" text(f[3]) (f[2] == "GAUGE" ? " (rises and falls)" : "") }
	print ".El"
}

function closes(   n, i) {
	n = rows("src/base/close.def", "CLOSE")
	print ".Bl -column \"unsupported_data\" \"4000\" \"reconnect\" \"reason\""
	print ".It Sy name Ta Sy code Ta Sy client Ta Sy reason"
	for (i = 1; i <= n; i++) {
		fields(row[i])
		print ".It Va " f[1] " Ta " (f[2] == "0" ? "\\(em" : f[2]) " Ta " (f[3] == "RECONNECT" ? "reconnect" : "don't") " Ta " (f[4] == "" ? "as the client's" : text(f[4]))
	}
	print ".El"
}

function errors(   n, i) {
	n = rows("src/chat/reply.def", "REPLY")
	print ".Bl -tag -width storage_unavailable"
	for (i = 1; i <= n; i++) { fields(row[i]); print ".It Va " f[1] "\n" text(f[2]) "." }
	print ".El"
}

function requests(   n, i) {
	n = rows("src/chat/command.def", "COMMAND")
	print ".Bl -tag -width Ds"
	for (i = 1; i <= n; i++) {
		fields(row[i])
		print ".It Ic " f[1] (f[5] == "" ? "" : " Ar " f[5]) "\n" text(f[6]) (f[2] == "USER" ? "; for users who are logged in" : f[2] == "WRITER" ? "; for who may write there" : f[2] == "MODERATOR" ? "; for moderators" : "") "."
		if (f[3] > 1) print "Counts as " f[3] " messages."
	}
	print ".El"
}

/^\.\\" @TABLE / {
	k = $3; sub(/@$/, "", k)
	if (k == "global") options("GLOBAL")
	else if (k == "listener") options("LISTENER")
	else if (k == "certificate") options("CERTIFICATE")
	else if (k == "endpoint") options("ENDPOINT")
	else if (k == "token") options("TOKEN")
	else if (k == "limits") limits()
	else if (k == "jwt") options("JWT")
	else if (k == "when") when_table()
	else if (k == "counters") counters()
	else if (k == "closes") closes()
	else if (k == "errors") errors()
	else if (k == "requests") requests()
	else fail("no table " k)
	next
}
{
	gsub(/@SYSCONFDIR@/, sysconfdir)
	print
}
