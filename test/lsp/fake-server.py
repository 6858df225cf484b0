#!/usr/bin/env python3
# A language server that does what the text that it is shown says. A line `error: TEXT` is an error with that text,
# `warning: TEXT` a warning; `do: WORD ...` is one of the deeds below. Each message that comes is written to the
# file that FAKE_SERVER_LOG names, and so is each start, as a line.
import json
import os
import sys
import time

log_path = os.environ.get("FAKE_SERVER_LOG")


def log(line):
    if log_path:
        with open(log_path, "a") as file:
            file.write(line + "\n")


def send_raw(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def send(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    send_raw(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))


def receive():
    length = None
    while True:
        line = sys.stdin.buffer.readline()
        if not line:
            sys.exit(0)
        if line == b"\r\n":
            break
        name, value = line.split(b":")
        if name == b"Content-Length":
            length = int(value)
    return json.loads(sys.stdin.buffer.read(length))


def diagnostics(text):
    found = []
    for number, line in enumerate(text.split("\n")):
        for word, severity in (("error: ", 1), ("warning: ", 2)):
            at = line.find(word)
            if at >= 0:
                message = line[at + len(word):]
                start = {"line": number, "character": at}
                end = {"line": number, "character": len(line)}
                found.append({"range": {"start": start, "end": end}, "severity": severity, "code": "fake", "source": "test",
                              "message": message})
    return found


def publish(uri, version, items):
    params = {"uri": uri, "diagnostics": items}
    if version is not None:
        params["version"] = version
    send({"method": "textDocument/publishDiagnostics", "params": params})


def show(uri, version, text):
    for line in text.split("\n"):
        words = line.split()
        if words[:1] != ["do:"]:
            continue
        deed = words[1]
        if deed == "silence":
            return
        elif deed == "crash":
            os._exit(3)
        elif deed == "garbage":
            send_raw(b"this is no message at all\r\n\r\n")
        elif deed == "endless-header":
            send_raw(b"x" * 100000)
        elif deed == "no-json":
            send_raw(b"Content-Length: 5\r\n\r\n{nope")
        elif deed == "huge-length":
            send_raw(b"Content-Length: 99999999999\r\n\r\n{}")
        elif deed == "deep":
            body = b"[" * 100000
            send_raw(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        elif deed == "many":
            item = {"range": {"start": {"line": 4, "character": 0}, "end": {"line": 4, "character": 1}}, "severity": 1,
                    "message": "\u00e4" * 5000}
            publish(uri, version, [item] * int(words[2]))
            return
        elif deed == "nonsense":
            publish("file:///etc/passwd", version, diagnostics("error: not of the workspace"))
            publish("http://elsewhere/a.c", version, diagnostics("error: not of a file"))
            publish("file:///%00%ff", version, diagnostics("error: no path"))
            send({"method": "textDocument/publishDiagnostics", "params": 7})
            send({"method": "textDocument/publishDiagnostics", "params": {"uri": uri, "diagnostics": "none"}})
            publish(uri, version, [1, None, "x", {}, {"severity": 1, "message": 5, "range": {"start": {"line": -4}}}])
            return
        elif deed == "old-version":
            publish(uri, version - 1, diagnostics("error: of what was before"))
            return
        elif deed == "twice":
            publish(uri, version, diagnostics("error: only the syntax"))
            time.sleep(0.02)
        elif deed == "without-version":
            version = None
        elif deed == "other":
            publish(uri.rsplit("/", 1)[0] + "/" + words[2], None, diagnostics("error: in " + words[2]))
        elif deed == "ask":
            for number, method in enumerate(["workspace/configuration", "client/registerCapability", "what/isThis"]):
                send({"id": "q%d" % number, "method": method, "params": {"items": [{"section": "a"}, {}]}})
    publish(uri, version, diagnostics(text))


log("start " + " ".join(sys.argv[1:]))
mode = os.environ.get("FAKE_SERVER_MODE", "")
while True:
    message = receive()
    method = message.get("method")
    log("%s %s" % (method, json.dumps(message.get("params", message.get("result", message.get("error"))))))
    if method == "initialize":
        if mode == "never-ready":
            continue
        if mode == "refuses":
            send({"id": message["id"], "error": {"code": 1, "message": "no"}})
        else:
            send({"id": message["id"], "result": {"capabilities": {"textDocumentSync": 1}}})
    elif method == "textDocument/didOpen":
        document = message["params"]["textDocument"]
        show(document["uri"], document["version"], document["text"])
        log("shown")
    elif method == "textDocument/didChange":
        document = message["params"]["textDocument"]
        show(document["uri"], document["version"], message["params"]["contentChanges"][0]["text"])
        log("shown")
