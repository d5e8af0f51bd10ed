"""A client of the S3 server that runs what it is sent: a test does not wait for Python and boto3 at each call.

s3_client.py ENDPOINT SOCKET
"""

import contextlib
import io
import json
import sys
import traceback
import urllib.request
from http.server import BaseHTTPRequestHandler
from socketserver import UnixStreamServer

import boto3

endpoint, socket = sys.argv[1:]
client = dict(endpoint_url=endpoint, aws_access_key_id="tests", aws_secret_access_key="tests", region_name="us-east-1")
known = dict(endpoint=endpoint, s3=boto3.client("s3", **client), iam=boto3.client("iam", **client), json=json, sys=sys, urllib=urllib)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        code, *arguments = self.rfile.read(int(self.headers["Content-Length"])).decode().split("\0")[:-1]
        status, said = 200, io.BytesIO()
        try:
            with contextlib.redirect_stdout(io.TextIOWrapper(said, write_through=True)):
                exec(code, {**known, "arguments": arguments})
                body = said.getvalue()
        except Exception:
            status, body = 500, traceback.format_exc().encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


UnixStreamServer(socket, Handler).serve_forever()
