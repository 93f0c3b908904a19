"""Puts HTTPS in front of plain HTTP services on loopback, for clients that refuse anything else.

    python tls_front.py FOLDER http://127.0.0.1:1 http://127.0.0.1:2

Makes a certificate authority in FOLDER/ca.pem, listens on a free port for each service, and prints one line of JSON:
{"ca": "FOLDER/ca.pem", "urls": {"http://127.0.0.1:1": "https://127.0.0.1:3", ...}}.

Requests go on as they came, with `X-Forwarded-Proto: https` added, as a load balancer does; answers come back
untouched but for their framing. It keeps connections to the client alive and runs until its standard input ends.
"""

import http.client
import http.server
import json
import pathlib
import ssl
import sys
import threading
import urllib.parse

import trustme

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
TIME_LIMIT_S = 30


def handler_for(service):
    target = urllib.parse.urlsplit(service)

    class Forward(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = TIME_LIMIT_S

        def forward(self):
            body = self.read_body()
            connection = http.client.HTTPConnection(target.hostname, target.port, timeout=TIME_LIMIT_S)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in HOP_BY_HOP | {"content-length", "x-forwarded-proto"}:
                        connection.putheader(name, value)
                connection.putheader("X-Forwarded-Proto", "https")
                if body or self.command in ("POST", "PUT", "PATCH"):
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            if self.command == "HEAD":
                length = answer.getheader("Content-Length")
                if length is not None:
                    self.send_header("Content-Length", length)
            elif answer.status not in (204, 304):
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward

        def read_body(self):
            if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)

        def log_message(self, *_):
            pass

    return Forward


def listen(service, context):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_for(service))
    server.daemon_threads = True
    # The handshake happens in the connection's own thread, so that a slow client holds up nobody else.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"https://127.0.0.1:{server.server_address[1]}"


def main():
    folder = pathlib.Path(sys.argv[1])
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    urls = {service: listen(service, context) for service in sys.argv[2:]}
    print(json.dumps({"ca": str(folder / "ca.pem"), "urls": urls}), flush=True)
    sys.stdin.read()


main()
