# Pages of every kind for webfetch, on a port of 127.0.0.1: the one that is given, or any, which it prints.
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html><html><head><title>Title</title><meta name="a"><link rel="b" href="c"><style>p {}</style>
<script>var hidden = "<p>no</p>";</script></head><body><h1>One &amp; only</h1><h2>Two</h2><ul><li>a</li><li>b <em>c</em></li></ul>
<p>caf\u00e9 <b>bold</b> <a href="/x">link</a></p><hr><pre><code class="language-js">let x = 1;
</code></pre><noscript>none <b>of this</b></noscript><iframe>nor this</iframe><img src="/i.png" alt="alt"></body></html>""".encode()
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f8cf500f0003860180"
    "5a347d6b0000000049454e44ae426082")


class Handler(BaseHTTPRequestHandler):
    def answer(self, body, kind=None, status=200, **headers):
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/html":
            self.answer(PAGE, "text/html; charset=utf-8")
        elif path == "/image":
            self.answer(PIXEL, "image/png")
        elif path == "/svg":
            self.answer(b"<svg/>", "image/svg+xml")
        elif path == "/bytes":
            self.answer(b"\xef\xbb\xbfa\xff\xc3b\r\n")
        elif path == "/empty":
            self.answer(b"", status=204)
        elif path == "/long":
            self.answer(b"".join(b"line %d\n" % i for i in range(3000)), "text/plain")
        elif path == "/wide":
            self.answer(b"".join(b"%099d\n" % i for i in range(1000)), "text/plain")
        elif path == "/missing":
            self.answer(b"nothing here", "text/plain", 404)
        elif path == "/broken":
            self.answer(b"sorry", "text/plain", 500)
        elif path == "/moved":
            self.answer(b"", status=301, Location="/html")
        elif path == "/loop":
            self.answer(b"", status=302, Location="/loop")
        elif path == "/large":
            self.answer(b"x" * 5_242_881, "text/plain")
        elif path == "/seen":
            lines = [f"{name}: {self.headers[name]}" for name in ("Accept", "Accept-Language", "User-Agent")]
            self.answer("\n".join([self.path, *lines]).encode(), "text/plain")
        elif path == "/silent":
            self.rfile.read(1)
        else:
            self.answer(self.path.encode(), "text/plain")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
print("listening on", server.server_port, flush=True)
server.serve_forever()
