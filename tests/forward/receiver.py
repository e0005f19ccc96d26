"""A web server that takes webhooks: receiver.py PORT FILE [CERTIFICATE KEY].

Each POST that carries a signature by the key of the environment's WEBHOOK_KEY becomes a line of FILE with its id and body; the
first two are answered with 503, a wrong signature with 401. Prints the port once it listens.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    refusals = 2

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name, time = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = hmac.new(os.environ["WEBHOOK_KEY"].encode(), f"{name}.{time}.".encode() + body, hashlib.sha256)
        wanted = "v1," + base64.b64encode(signed.digest()).decode()
        if not hmac.compare_digest(wanted, self.headers.get("webhook-signature", "")):
            return self.answer(401)
        if Receiver.refusals > 0:
            Receiver.refusals -= 1
            return self.answer(503)
        with open(sys.argv[2], "a", encoding="utf-8") as file:
            file.write(json.dumps({"id": name, "path": self.path, "type": self.headers["Content-Type"],
                                   "authorization": self.headers["Authorization"], "body": json.loads(body)}) + "\n")
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
