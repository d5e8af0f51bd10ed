"""A Docker volume plugin for the tests: keeps each volume in a directory of its own, and logs what it was told.

    volume_plugin.py SOCKET ROOT

It speaks Docker's volume plugin protocol on SOCKET. Volumes are directories below ROOT/volumes; each request is a line of
JSON in ROOT/log. Create refuses every option but those of OPTIONS, and the value "refused" of any, in words of its own.
"""

import http.server
import json
import os
import shutil
import signal
import socketserver
import sys

OPTIONS = {"tier", "replicas", "api-token"}


class Failure(Exception):
    """What the plugin tells Docker in the field Err."""


class Volumes:
    """The volumes and their options, which survive a restart of the plugin."""

    def __init__(self, root):
        self.root = root
        os.makedirs(os.path.join(root, "volumes"), exist_ok=True)

    def path(self, name):
        return os.path.join(self.root, "volumes", name)

    def existing(self, name):
        if not os.path.isdir(self.path(name)):
            raise Failure(f"no volume {name} on this shelf")
        return self.path(name)

    def create(self, name, options):
        unknown = sorted(set(options) - OPTIONS)
        if unknown:
            raise Failure(f"this shelf has no option {unknown[0]}")
        if "refused" in options.values():
            raise Failure(f"the shelf is full, {name} does not fit")
        os.makedirs(self.path(name), mode=0o777, exist_ok=True)
        os.chmod(self.path(name), 0o777)

    def answer(self, call, request):
        name = request.get("Name", "")
        if call == "Plugin.Activate":
            return {"Implements": ["VolumeDriver"]}
        if call == "VolumeDriver.Capabilities":
            return {"Capabilities": {"Scope": "local"}}
        if call == "VolumeDriver.Create":
            self.create(name, request.get("Opts") or {})
            return {"Err": ""}
        if call == "VolumeDriver.List":
            names = sorted(os.listdir(os.path.join(self.root, "volumes")))
            return {"Volumes": [{"Name": n, "Mountpoint": self.path(n)} for n in names], "Err": ""}
        if call == "VolumeDriver.Get":
            return {"Volume": {"Name": name, "Mountpoint": self.existing(name)}, "Err": ""}
        if call in ("VolumeDriver.Mount", "VolumeDriver.Path"):
            return {"Mountpoint": self.existing(name), "Err": ""}
        if call == "VolumeDriver.Unmount":
            return {"Err": ""}
        if call == "VolumeDriver.Remove":
            if os.path.exists(os.path.join(self.existing(name), "nailed")):
                raise Failure(f"{name} is nailed to the shelf")
            shutil.rmtree(self.path(name))
            return {"Err": ""}
        raise Failure(f"{call} is not a call of this plugin")


class Handler(http.server.BaseHTTPRequestHandler):
    """One request of Docker's: a POST with a path that is the call, and JSON both ways."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        call = self.path.lstrip("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = json.loads(body) if body.strip() else {}
        with open(os.path.join(self.server.volumes.root, "log"), "a", encoding="utf-8") as log:
            log.write(json.dumps({"call": call, **request}) + "\n")
        try:
            status, answer = 200, self.server.volumes.answer(call, request)
        except Failure as failure:
            status, answer = 500, {"Err": str(failure)}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.1+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def address_string(self):
        return "docker"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    socket, root = sys.argv[1:]
    # The first process of a container ends at a signal only where it says so.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.makedirs(root, exist_ok=True)
    os.makedirs(os.path.dirname(socket), exist_ok=True)
    if os.path.exists(socket):
        os.remove(socket)
    with Server(socket, Handler) as server:
        server.volumes = Volumes(root)
        server.serve_forever()


if __name__ == "__main__":
    main()
