#!/usr/bin/python3
"""Writes the corpus's seeds, the files with names, to tests/fuzz/corpus/TARGET/.

The rest of the corpus is what fuzzing found: tests/fuzz/run --merge. Each
input begins with the bytes that the comment in fuzz_TARGET.c describes.
"""
import os
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
CUTS = bytes([8, 0, 20, 3])


def seeds(target, begin, **files):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(begin + (text.encode() if isinstance(text, str) else text))


# ---- utf8 ----

seeds("utf8", CUTS + b"\1",
      each_length="a\u00e9\u20ac\U0001f600",
      ascii_words="The quick brown fox jumps over the lazy dog, and over 32 bytes.",
      edges="\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff",
      late_byte=b"a" * 45 + "\u00e9".encode() + b"b" * 20,
      incomplete=b"ok \xf0\x9f\x98",
      overlong_2=b"\xc0\x80", overlong_3=b"\xe0\x9f\xbf", overlong_4=b"\xf0\x8f\xbf\xbf",
      surrogate=b"\xed\xa0\x80", too_high=b"\xf4\x90\x80\x80", lone_tail=b"x\x80", never=b"\xff")

# ---- http_head ----

HEAD = "GET /room?name=ann&history=5 HTTP/1.1\r\nHost: localhost:9600\r\n"
seeds("http_head", b"\0" + CUTS,
      get=HEAD + "\r\nframes",
      head_1_0="HEAD / HTTP/1.0\r\n\r\n",
      empty_lines="\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      browser=HEAD + "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nOrigin: http://a\r\n"
      "Cookie: a=\"b, c\"; d\r\nSec-WebSocket-Protocol: a, ,b\r\nSec-WebSocket-Protocol: c \r\nContent-Length: 0\r\n\r\n",
      absolute="GET http://[::1]:80/a%20b?a=%41+b HTTP/1.1\r\nHost: x\r\n\r\n",
      absolute_no_path="GET wss://example.org?name= HTTP/1.1\r\nHost: x\r\n\r\n",
      percent="GET /%e2%82%ac%00%4 HTTP/1.1\r\nHost: a%41b\r\n\r\n",
      post="POST /x HTTP/1.1\r\nHost: a\r\n\r\n", version_2="GET / HTTP/2.0\r\n\r\n",
      version_star="GET / HTTP/1.*\r\nHost: a\r\n\r\n",
      no_host="GET / HTTP/1.1\r\nA: b\r\n\r\n", two_hosts=HEAD + "Host: b\r\n\r\n",
      body=HEAD + "Content-Length: 5\r\n\r\n", chunked=HEAD + "Transfer-Encoding: chunked\r\n\r\n",
      fold=HEAD + "A: b\r\n c\r\n\r\n", bare_lf="GET / HTTP/1.1\nHost: a\n\n",
      space_before_colon=HEAD + "A : b\r\n\r\n", fields_101=HEAD + "a:b\r\n" * 101 + "\r\n",
      tls=b"\x16\x03\x01\x02\x00\x01")
seeds("http_head", b"\x88" + CUTS, line_too_long="GET /" + "a" * 80, head_too_large="GET / HTTP/1.1\r\nA: " + "b" * 80)

# ---- ws_upgrade: 15 is all that is needed ----

seeds("ws_upgrade", b"\x0f",
      plain="/\nlocalhost",
      protocols="/room\na:80\nSec-WebSocket-Protocol: chat.v1, natter.bearer.abc\nSec-WebSocket-Protocol: b",
      protocol_twice="/\na\nSec-WebSocket-Protocol: a, a", protocol_no_token="/\na\nSec-WebSocket-Protocol: a b",
      protocols_65="/\na\nSec-WebSocket-Protocol: " + ",".join("p%d" % n for n in range(65)),
      chrome="/\na\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
      deflate_full="/\na\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
      "client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=\"12\"",
      deflate_second="/\na\nSec-WebSocket-Extensions: x-a; b=\"c, \\\"d\", permessage-deflate; server_max_window_bits=7\n"
      "Sec-WebSocket-Extensions: permessage-deflate",
      deflate_twice_named="/\na\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9; "
      "server_max_window_bits=9, permessage-deflate; =, permessage-deflate; server_max_window_bits=8",
      tokens="/?token=%61b&token=ab\na\nAuthorization: Bearer ab\nCookie: b=c; a=\"ab\"\nSec-WebSocket-Protocol: natter.bearer.ab",
      tokens_two="/?token=x\na\nAuthorization: bearer ab", tokens_cut="/?token=%4\na\nCookie: a=; =b; a\nAuthorization: Basic x",
      extensions_bad="/\na\nSec-WebSocket-Extensions: a; b=\"c")
seeds("ws_upgrade", b"\0",
      own_fields="/\na\nUpgrade: h2c, WebSocket\nConnection: keep-alive, upgrade\nSec-WebSocket-Version: 13\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
      version_8="/\na\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 8",
      key_bad="/\na\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAA",
      not_asked_for="/\na")
seeds("ws_upgrade", b"\x1f", head="/\na")
seeds("ws_upgrade", b"\x2f", http_1_0="/\na")

# ---- ws_stream and ws_deflate ----


def frame(first, payload, mask=b"\0\0\0\0"):
    payload = payload.encode() if isinstance(payload, str) else payload
    n = len(payload)
    size = bytes([0x80 | n]) if n < 126 else struct.pack(">BH", 0xfe, n) if n < 65536 else struct.pack(">BQ", 0xff, n)
    return bytes([first]) + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def deflate(text, bits=15, last=False, strategy=zlib.Z_DEFAULT_STRATEGY, level=6):
    z = zlib.compressobj(level, zlib.DEFLATED, -bits, 8, strategy)
    out = z.compress(text.encode())
    return out + z.flush() if last else (out + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def two_deflated(first, second):
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    return [(z.compress(s.encode()) + z.flush(zlib.Z_SYNC_FLUSH))[:-4] for s in (first, second)]


LIMITS = bytes([100, 100, 8]) + CUTS
HELLO = "hello hello hello hello hello"
TWO = two_deflated(HELLO, HELLO + ", again")
seeds("ws_stream", b"\0" + LIMITS,
      text=frame(0x81, "hi", b"\x37\xfa\x21\x3d") + frame(0x82, b"\0\xff"),
      fragments=frame(0x01, "\u20ac uro", b"abcd") + frame(0x89, "ping") + frame(0x00, "") + frame(0x80, "end", b"wxyz"),
      split_character=frame(0x01, b"\xe2\x82") + frame(0x80, b"\xac"), half_character=frame(0x81, b"\xe2\x82"),
      long_16=frame(0x81, "a" * 300, b"mask") + frame(0x8a, ""), too_long=frame(0x82, b"x" * 1400),
      long_64=b"\x82\xff" + struct.pack(">Q", 70000) + b"maskdata",
      message_too_long=frame(0x02, b"x" * 900) + frame(0x80, b"x" * 900),
      fragments_9=frame(0x02, b"a") + 8 * frame(0x00, b"b"),
      close=frame(0x88, b"\x03\xe8bye"), close_empty=frame(0x88, b""), close_half=frame(0x88, b"\x03"),
      close_bad=frame(0x88, b"\x03\xed"), close_not_text=frame(0x88, b"\x03\xe8\xff"),
      unmasked=b"\x81\x02hi", reserved=frame(0x83, b""), continuation_of_nothing=frame(0x80, "x"),
      message_in_message=frame(0x01, "a") + frame(0x81, "b"), not_minimal=b"\x81\xfe\x00\x05abcdhello",
      compressed_unasked=frame(0xc1, deflate(HELLO)))
seeds("ws_stream", b"\1" + LIMITS,
      shared=frame(0xc1, deflate(HELLO), b"mask") + frame(0x81, "plain") + frame(0xc2, deflate(HELLO)),
      shared_fragments=frame(0x41, deflate(HELLO)[:5]) + frame(0x89, "") + frame(0x80, deflate(HELLO)[5:]),
      shared_last_block=frame(0xc1, deflate(HELLO, last=True)) + frame(0xc1, deflate(HELLO)),
      shared_bomb=frame(0xc2, deflate("a" * 5000)), shared_not_text=frame(0xc1, b"\x00\x01\x00\xfe\xff\xff\x00"),
      shared_no_deflate=frame(0xc1, b"\xff\xff\xff"), shared_stored=frame(0xc1, deflate(HELLO, level=0)),
      shared_remembers=frame(0xc1, TWO[0]) + frame(0xc1, TWO[1]),
      rsv_on_continuation=frame(0x41, deflate(HELLO)) + frame(0xc0, ""), rsv_2=frame(0xa1, ""), rsv_on_ping=frame(0xc9, ""))
seeds("ws_stream", b"\x17" + LIMITS,
      takeover=frame(0xc1, TWO[0]) + frame(0xc1, TWO[1]), takeover_ended=frame(0xc1, TWO[0]) + frame(0x88, b"\x0f\xa0"),
      takeover_last_block=frame(0xc1, deflate(HELLO, last=True)) + frame(0xc1, TWO[1]))

seeds("ws_deflate", b"\x07\xff" + CUTS,
      one=deflate(HELLO), fixed=deflate(HELLO, strategy=zlib.Z_FIXED), last_block=deflate(HELLO, last=True),
      stored=deflate(HELLO, level=0), dynamic=deflate("".join("%d, " % (n * n) for n in range(60))),
      bomb=deflate("a" * 70000), cut_off=deflate(HELLO)[:-3], empty=b"\0", nothing=b"", no_deflate=b"\xff\xff",
      text=HELLO, blocks=b"\0" * 5 + deflate(HELLO, last=True) + deflate(HELLO))
seeds("ws_deflate", b"\x5f" + bytes([len(TWO[0])]) + CUTS, takeover=TWO[0] + TWO[1])
seeds("ws_deflate", b"\x98" + bytes([len(TWO[0])]) + CUTS, window_8=TWO[0] + TWO[1])

# ---- message ----

seeds("message", b"\x08\x20\x80",
      chat='{"message":"hi"}', full='{"type":"usermsg","message":"h\u00e9 \\u20ac \\ud83d\\ude00","name":"ann","x":[1,-2.5e3,true,null,{}]}',
      owned='{"message":"a","room":1,"seq":[],"time":{"a":1},"user":"x"}', relayed='{"type":"typing","room":"x","time":0,"seq":1}',
      nul='{"message":"a\\u0000b"}', duplicates='{"message":1,"message":2,"room":3,"room":4}',
      minus_zero='{"message":-0,"n":9007199254740993}', numbers='{"message":9223372036854775807,"a":-9223372036854775808,"b":1e308,"c":1E-400,"d":-0.0}',
      too_large='{"message":9223372036854775808}', overflow='{"message":1e999}',
      deep='{"message":[[[[[[[[1]]]]]]]]}', wide='{"message":[' + "1," * 40 + '1]}', braces_in_text='{"message":"[[[[[[[[[[{{{{\\"[[[["}',
      array='["message"]', scalar='7', empty='', cut_off='{"message":"a', surrogate='{"message":"\\ud800"}', control='{"message":"a\tb"}')

# ---- proxy_hdr ----


def v2(command, family, block):
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family]) + struct.pack(">H", len(block)) + block


def tlv(kind, value):
    return bytes([kind]) + struct.pack(">H", len(value)) + value


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return struct.pack(">I", crc ^ 0xffffffff)


V4 = bytes([203, 0, 113, 9, 192, 0, 2, 1, 0xb7, 0xa3, 1, 0xbb])
V6 = bytes(range(1, 33)) + V4[8:]
SUMMED = v2(0x21, 0x11, V4 + tlv(1, b"h2") + tlv(3, bytes(4)))
seeds("proxy_hdr", CUTS,
      tcp4="PROXY TCP4 203.0.113.9 192.0.2.1 47011 443\r\nGET / HTTP/1.1\r\n",
      tcp6="PROXY TCP6 2001:db8::9 ::1 1 65535\r\n\x16\x03\x01", unknown="PROXY UNKNOWN\r\n",
      longest="PROXY UNKNOWN " + " ".join(["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] * 2 + ["65535"] * 2) + "\r\n",
      no_end="PROXY TCP4 " + "1" * 100, no_cr="PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", family="PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
      port="PROXY TCP4 1.2.3.4 1.2.3.4 01 65536\r\n", mixed="PROXY TCP6 1.2.3.4 ::1 1 2\r\n", plain="GET / HTTP/1.1\r\n",
      tls=b"\x16\x03\x01\x02", v2_tcp4=v2(0x21, 0x11, V4) + b"GET /", v2_tcp6=v2(0x21, 0x21, V6) + b"\x16\x03",
      v2_unix=v2(0x21, 0x31, b"/run/a".ljust(216, b"\0")), v2_local=v2(0x20, 0, b""), v2_unspecified=v2(0x21, 0, b"abc"),
      v2_tlvs=v2(0x21, 0x12, V4 + tlv(1, b"h2") + tlv(2, b"a.example") + tlv(4, b"") + tlv(0x20, b"\1\0\0\0\0")),
      v2_crc=SUMMED[:-4] + crc32c(SUMMED), v2_crc_wrong=SUMMED, v2_tlv_long=v2(0x21, 0x11, V4 + b"\4\0\2x"),
      v2_short=v2(0x21, 0x21, V4), v2_version=v2(0x31, 0x11, V4), v2_command=v2(0x22, 0x11, V4), v2_family=v2(0x21, 0x41, V4),
      v2_long=v2(0x21, 0x11, V4 + tlv(4, bytes(4080))), v2_cut_off=v2(0x21, 0x11, V4)[:-1])

# ---- forwarded ----

seeds("forwarded", b"",
      one="203.0.113.9", two="198.51.100.1, 203.0.113.9", proxies="203.0.113.9, 10.0.0.2\n10.0.0.3", ports="203.0.113.9:80, [fd00::1]:443",
      bare="2001:db8::1, ::ffff:10.0.0.1", unknown="unknown, _hidden", rubbish="rubbish\n\n,,", rfc="for=203.0.113.9;proto=https;by=10.0.0.1",
      quoted='for="[2001:db8::9]:47011";host="a:80", for=10.0.0.2', ports_rfc='for="203.0.113.9:_p";by=_x', twice="for=1.2.3.4;for=1.2.3.5",
      open_quote='for="198.51.100.1', odd='for=1.2.3.4;x="', escape='for=1.2.3.4;x="\\', escaped='x="\\"";for=1.2.3.4', empty="",
      origins="https://example.com\nnull\nfile://\nhttp://[::1]:9600\napp://localhost.\nhttp://a:65536\nHTTP://A.:0",
      hosts="example.com:80\n[::1]:9600\nexample.com.\na, b", networks="10.0.0.0/8\nfd00::/9\n::/0\n0.0.0.0/0\n10.0.0.1/8\nunix\n1.2.3.4/033")
# ---- jwt: 0: a header, a line's end, claims; or claims alone; 1: a token ----

HS256 = '{"alg":"HS256"}'
seeds("jwt", b"\0",
      good='{"sub":"7","exp":1800000600}', all='{"sub":"7","name":"Ann","role":"moderator","exp":1800000600,"nbf":1799999999,"iat":1,'
      '"rooms":{"join":["lobby","team-*"],"write":["*"],"moderate":[]}}',
      typ='{"typ":"JWT","alg":"HS256"}\n{"sub":"7","exp":1800000600}', kid='{"alg":"HS256","kid":"a"}\n{"sub":"7","exp":1800000600}',
      none='{"alg":"none"}\n{"sub":"7","exp":1800000600}', crit='{"alg":"HS256","crit":[]}\n{"sub":"7","exp":1800000600}',
      twice='{"sub":"7","sub":"8","exp":1800000600}', over='{"sub":"7","exp":1}', text='{"sub":"7","exp":"1800000600"}',
      huge='{"sub":"7","exp":1e300}', real='{"sub":"7","exp":1800000600.5}', minus='{"sub":"7","exp":-1}', not_yet='{"sub":"7","exp":1800000600,"nbf":1800000500}',
      aud='{"sub":"7","exp":1800000600,"aud":["a"]}', rooms='{"sub":"7","exp":1800000600,"rooms":["a*b*c*","\u00e9"]}',
      rooms_bad='{"sub":"7","exp":1800000600,"rooms":{"read":[]}}', rooms_many='{"sub":"7","exp":1800000600,"rooms":[' + '"a",' * 64 + '"b"]}',
      name='{"sub":"7","exp":1800000600,"name":"\u202ex"}', user='{"sub":"' + "u" * 65 + '","exp":1800000600}', array='[]', cut='{"sub":"7"')
seeds("jwt", b"\1",
      token="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3IiwiZXhwIjoxODAwMDAwNjAwfQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      dots="..", four="YQ.YQ.YQ.YQ", padded="e30=.e30=.e30=", empty="", long="A" * 5000)

# ---- config ----

with open(os.path.join(HERE, "..", "..", "conf", "natterd.conf")) as conf:
    LINES = [line for line in conf if line.strip() and not line.startswith("#")]
seeds("config", b"",
      sample="".join(LINES), empty="",
      sections='listener main { address = {"127.0.0.1", "::1"} port = 0 }\nlistener local { path = /run/n.sock mode = "0600" }\n'
      'endpoint "/echo" { handler = echo listener = {local} }\nendpoint "/*" { room = "lobby" announce = off deflate = yes '
      'subprotocols = {} default_type = "x" }',
      text='default_type = "a \\"b\\" \\\\ \\$ \\x41 \\101 ${HOME} \u00e9"\nrooms = {"a", \'b\', c}\nrooms += {d}',
      comments='# a\n// b\n/* c\n d */ page = no',
      units="max_head = 1K\nhandshake_timeout = 2min\nping_interval = 0\nclose_timeout = 1500ms\nmax_frame = 1G\nmax_message = 1M",
      unknown="colour = red", no_number="backlog = many", out_of_range="backlog = 0", no_word="log = paper",
      not_text=b'default_type = "a\x01"', not_utf8=b'default_type = "\xff"', cut_off='endpoint "/a" {', no_end='pid_file = "a',
      no_listener='endpoint "/a" { listener = {x} }', no_path='endpoint a { }', star='endpoint "/*a" { }', title_twice="listener a {}\nlistener a {}",
      tokens='token "sha256:%s" { user = u }\ntoken "/a/b" { user = "u" name = "Ann" role = admin }' % ("aB" * 32),
      token_title='token secret { user = u }', token_user='token "/a" { name = x }', token_name='token "/a" { user = u name = " " }',
      tls='certificate a { chain = "/a" }\ncertificate b { chain = b key = c }\nlistener x { tls = yes certificates = {a} }\ntls_min_version = 1.3',
      tls_one='listener a { tls = yes certificate = a key = b }', tls_none='listener a { tls = yes }',
      tls_both='certificate b { chain = c }\nlistener a { tls = yes certificate = a certificates = {b} }', tls_title='listener a { certificates = {b} }',
      tls_chain='certificate a { key = b }',
      cookie='token_cookie = "a=b"', origins='origins = {same-host, "null", "*", "http://a:1"} origins += {"x"}',
      proxies='trusted_proxies = {unix, "10.0.0.0/8", "::1"} forwarded = off listener a { proxy_protocol = yes }',
      network='trusted_proxies = {"10.0.0.1/8"}', nobody="listener a { proxy_protocol = yes }", mode='listener a { mode = "999" }', path='listener a { path = "a" }', stray="}",
      jwts='jwt a { algorithm = HS256 key = /k kid = "a" leeway = 5s }\njwt "b c" { algorithm = ES256 key = "/k b" issuer = i audience = a }',
      jwt_bad='jwt a { algorithm = none key = /k }', jwt_key='jwt a { algorithm = RS256 key = k }', read_only="anonymous = read-only")
