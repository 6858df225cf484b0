# What a preview leads to: a page, a stream, a WebSocket and what a request brought, by nothing but the standard library.
import base64, hashlib, json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, kind, body, status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer("text/plain", hashlib.sha256(body).hexdigest().encode())

    def do_GET(self):
        if self.path == "/ws":
            return self.web_socket()
        if self.path == "/stream":
            return self.stream()
        if self.path == "/redirect":
            return self.answer("text/plain", b"", 302, Location="http://localhost:%d/after" % PORT)
        if self.path.startswith("/seen"):
            seen = {"path": self.path, **{name.lower(): value for name, value in self.headers.items()}}
            return self.answer("application/json", json.dumps(seen).encode())
        self.answer("text/html", PAGE)

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(600):
            event = b"data: %d\n\n" % number
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            time.sleep(0.1)
        self.wfile.write(b"0\r\n\r\n")

    # Echoes one unfragmented message after the other.
    def web_socket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            size = head[1] & 127
            if size == 126:
                size = int.from_bytes(self.rfile.read(2), "big")
            mask = self.rfile.read(4)
            body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(self.rfile.read(size)))
            length = bytes([size]) if size < 126 else bytes([126]) + size.to_bytes(2, "big")
            self.wfile.write(bytes([head[0]]) + length + body)
            if head[0] & 15 == 8:
                return


PAGE = b"""<!doctype html><title>waiting</title><script>
const socket = new WebSocket(`ws://${location.host}/ws`);
socket.onopen = () => socket.send("from the browser");
socket.onmessage = async ({ data }) => {
  const seen = await (await fetch("/seen")).json();
  const events = new EventSource("/stream");
  events.onmessage = (event) => {
    events.close();
    document.title = `echo ${data}, host ${seen.host}, event ${event.data}`;
  };
};
</script>"""
PORT = int(sys.argv[1])
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
