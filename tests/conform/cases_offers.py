"""Section 22: what is offered in Sec-WebSocket-Extensions, and the answer (RFC 6455 section 9.1, RFC 7692 section 5)."""
from client import RSV1, TEXT, Mismatch, frame
from deflate import Agreement, Deflated, parse_answer
from registry import add

PLAIN = Agreement(True, True)
HELLO = b"Hello World! " * 50
FIELD = "Sec-WebSocket-Extensions: "


def answered(t, wanted, *values):
    """Agreed as WANTED, or not at all, in which case RSV1 means nothing. Each value is a field of its own."""
    fields = [FIELD + value for value in values]
    if wanted:
        d = Deflated(t, fields=fields, request=t.writes)
        if d.agreed != wanted:
            raise Mismatch(wanted, d.agreed)
        d.echo(TEXT, HELLO)
        d.expect_goodbye()
        return
    ws = t.connect("/deflate", fields, request=t.writes)
    if parse_answer(ws.fields.get("sec-websocket-extensions")):
        raise Mismatch("no extension", ws.fields)
    ws.send(frame(TEXT, HELLO))
    ws.expect(TEXT, HELLO)
    ws.send(frame(TEXT, b"\x00", rsv=RSV1))
    ws.expect_failed(1002)


def refused(t, *values):
    t.connect("/deflate", [FIELD + value for value in values], status=400, request=t.writes)


def add_table(part, wanted, rows):
    for i, values in enumerate(rows, 1):
        values = values if isinstance(values, tuple) else (values,)
        add(f"22.{part}.{i}", "  |  ".join(values)[:100], *((refused,) if wanted == 400 else (answered, wanted)), *values)


# ---- 22.1 to 22.4: one offer ----

PMD = "permessage-deflate"
S_BITS, C_BITS = "server_max_window_bits", "client_max_window_bits"
S_NONE, C_NONE = "server_no_context_takeover", "client_no_context_takeover"

add_table(1, PLAIN, (
    PMD, f"  {PMD}\t", f",,{PMD},,", f", {PMD} ,", f"{PMD} ; {S_NONE}", f"{PMD};{C_NONE};{S_NONE}",
    f"{PMD}\t;\t{C_NONE} ", f"{PMD}; {C_BITS}"))
for i, (wanted, value) in enumerate((
        (Agreement(True, True, 10), f'{PMD}; {S_BITS}="10"'),
        (Agreement(True, True, 10), f"{PMD};{S_BITS}=10"),
        (Agreement(True, True, 10), f"{PMD} ; {S_BITS} = 10 ; {C_BITS}"),
        (Agreement(True, True, None, 9), f'{PMD}; {C_BITS}="9"'),
        (Agreement(True, True, 8, 15), f"{PMD}; {C_BITS}=15; {C_NONE}; {S_BITS}=8; {S_NONE}"),
        (Agreement(True, True, 15, 8), f"{PMD};{S_NONE};{S_BITS}=15;{C_NONE};{C_BITS}=8")), 1):
    add(f"22.2.{i}", value, answered, wanted, value)

BAD_PARAMETERS = (
    "unknown", "unknown=1", 'unknown="a,b;c"', "x_webkit_no_context_takeover", f"{S_NONE}s",
    f"{S_NONE}=1", f"{S_NONE}=true", f'{S_NONE}="true"', f"{C_NONE}=0", f"{S_NONE}; {S_NONE}",
    f"{C_NONE}; {C_NONE}", S_BITS, f"{S_BITS}=7", f"{S_BITS}=16", f"{S_BITS}=0", f"{S_BITS}=08", f"{S_BITS}=010",
    f"{S_BITS}=-8", f"{S_BITS}=+8", f"{S_BITS}=8.0", f"{S_BITS}=1e1", f"{S_BITS}=0x9", f"{S_BITS}=100",
    f"{S_BITS}=4294967304", f"{S_BITS}=18446744073709551624", f"{S_BITS}=ten", f'{S_BITS}="7"',
    f"{C_BITS}=7", f"{C_BITS}=16", f"{C_BITS}=08", f"{C_BITS}=-9", f"{C_BITS}=x", f"{C_BITS}=264",
    f"{S_BITS}=9; {S_BITS}=9", f"{S_BITS}=9; {S_BITS}=10", f"{C_BITS}; {C_BITS}=9", f"{C_BITS}; {C_BITS}",
    f"{S_BITS}=10; {C_BITS}=8; {C_BITS}=8")
MALFORMED_PARAMETERS = (
    "", ";", f"{S_NONE};", f"{S_BITS}=", f"{C_BITS}=", f'{S_BITS}=""', f"{S_BITS}=10 11", f"={S_BITS}", f"{S_BITS}==10",
    f'{S_BITS}="1 0"', f'"{S_NONE}"', f"{S_NONE} {C_NONE}", f"{S_BITS}=(10)", f"{S_BITS}:10", '="a,b"', '"a,b"',
    f"{S_BITS}='10'")

for part, parameters in ((3, BAD_PARAMETERS), (4, MALFORMED_PARAMETERS)):
    add_table(part, None, [f"{PMD}; {p}" for p in parameters])
    # It is this offer alone that they decline: the ones behind it are taken, in the same field or the next.
    add_table(part + 2, PLAIN, [f"{PMD}; {p}, {PMD}" for p in parameters])
    add_table(part + 4, PLAIN, [(f"{PMD}; {p}", PMD) for p in parameters])
    add_table(part + 6, PLAIN, [f"foo; {p}, {PMD}" for p in parameters])


# ---- 22.11 to 22.13: several extensions, several offers, several fields ----

add_table(11, None, (
    "foo", "permessage-bzip2", "x-webkit-deflate-frame", "deflate-frame", "permessage-deflat", "permessage-deflate-",
    "permessage-deflates", f"foo; bar, baz; {PMD}", f"foo; {PMD}", f"foo; x={PMD}",
    f'foo; x="{PMD}"', f'foo; x="a, {PMD}"', f'foo; x="\\", {PMD}"', ("foo", "bar; baz=1"),
    f"{PMD}; unknown, {PMD}; {S_BITS}=7, {PMD}; {C_NONE}=1",
    (f"{PMD}; unknown", f"{PMD}; {S_BITS}=7", f"{PMD}; {C_NONE}=1")))

FIRST_GOOD = Agreement(True, True, 9)
add_table(12, FIRST_GOOD, [value for good in [f"{PMD}; {S_BITS}=9"] for value in (
    f"{good}, {PMD}", f"{good}, {PMD}; {S_BITS}=12; {C_BITS}=10", (good, PMD), f"foo, {good}", f"{good}, foo; bar=1",
    ("foo", good), ("foo; bar", f"baz, {good}", PMD), f"{PMD}; unknown, {good}, {PMD}", (f"{PMD}; {S_BITS}=7", good, PMD),
    f'foo; x="a, b; c"; y, {good}', f'foo; x="\\"", {good}', ("", good), (",", f",, {good}"),
    ", ".join([f"{PMD}; {S_BITS}={n}" for n in range(16, 48)] + [good]),
    (*[f"{PMD}; {C_BITS}={n}" for n in range(16, 32)], good),
    ", ".join([f"x{n}; a={n}" for n in range(100)] + [good]))])


# ---- 22.13: no list at all, or one without an element (RFC 6455 section 9.1: 1#extension) ----

add_table(13, 400, (
    "", ("", ""), ",", " , ,",
    f'{PMD}; {S_BITS}="10', f'foo; x="', f'foo; x="\\"', f'foo; "a, {PMD}', f'"{PMD}"', f";{S_NONE}", "=", f"{PMD}=1",
    f"{PMD} {PMD}", "permessage deflate", "permessage/deflate", "(permessage-deflate)", "{}", f"{PMD}, ;", f"{PMD}, =x",
    f"{PMD}, foo bar", (PMD, "foo bar"), (PMD, f'{PMD}; x="')))


# ---- 22.14: where it is switched off, or takeover is ----

def not_agreed(t, *fields):
    ws = t.connect("/", fields, request=t.writes)
    if "sec-websocket-extensions" in ws.fields:
        raise Mismatch("no extension", ws.fields)
    ws.send(frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=RSV1))
    ws.expect_failed(1002)


add("22.14.1", "an endpoint without deflate", not_agreed, FIELD + PMD)
add("22.14.2", "an endpoint without deflate, several offers", not_agreed, FIELD + f"{PMD}; {S_BITS}=9, {PMD}")
add("22.14.3", "nothing is offered to an endpoint with deflate", answered, None)


def takeover(t, wanted, value):
    """The client keeps its context unless it offers not to."""
    d = Deflated(t, "/takeover", value, request=t.writes)
    if d.agreed != wanted:
        raise Mismatch(wanted, d.agreed)
    for _ in range(3):
        d.echo(TEXT, HELLO)
    d.expect_goodbye()


for i, (wanted, value) in enumerate((
        (Agreement(True, False), PMD), (Agreement(True, True), f"{PMD}; {C_NONE}"),
        (Agreement(True, False), f"{PMD}; {C_NONE}; unknown, {PMD}"),  # what was declined leaves nothing behind
        (Agreement(True, False), f"{PMD}; {S_BITS}=9; {C_BITS}=9; {C_NONE}=1, {PMD}"),
        (Agreement(True, False, 9, 10), f"{PMD}; {C_BITS}=10; {S_BITS}=9"),
        (Agreement(True, True, 9), f"{PMD}; {S_BITS}=9; {C_NONE}; {C_BITS}")), 1):
    add(f"22.15.{i}", f"with takeover: {value}", takeover, wanted, value)
