# Stands for the services that websearch asks: answers each call with what it was, as a stream of events.
#   search-server.py PORT CERTIFICATE KEY      on 127.0.0.1; PORT 0: any, which it prints
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        call = json.loads(body, parse_int=float)  # 8 and 8.0 are the same
        arguments = call["params"]["arguments"]
        query = arguments.get("query") or arguments["objective"]
        if query == "too often":
            self.send_response(429)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        # OpenCode tells Parallel which session and model it is for; from the sandbox nobody is told.
        for name in ("session_id", "model_name"):
            arguments.pop(name, None)
        call["host"] = self.headers["Host"]
        call["accept"] = self.headers["Accept"]
        call["key"] = "exaApiKey" in self.path or "Authorization" in self.headers
        text = "line\n" * 3000 if query == "long" else json.dumps(call, indent=1, sort_keys=True)
        content = [] if query == "nothing" else [{"type": "text", "text": text}]
        event = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": content}})
        body = f"event: message\ndata: {event}\n\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("listening on", server.server_port, flush=True)
server.serve_forever()
