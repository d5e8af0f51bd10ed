"""An S3 server on this machine, and a door in front of it that can be shut: closed, the server is away, and keeps what it has."""

import re
import socket
import subprocess
import threading
import time

CLIENT = """
import sys, boto3
s3 = boto3.client("s3", endpoint_url=sys.argv[1], aws_access_key_id="tests", aws_secret_access_key="tests", region_name="us-east-1")
s3.create_bucket(Bucket="films")
s3.put_object(Bucket="films", Key="a film.txt", Body=b"film")
"""


class Server:
    def __init__(self, programs, log):
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen([programs / "moto_server", "-H", "127.0.0.1", "-p", "0"], stdout=file, stderr=file, stdin=subprocess.DEVNULL)
        for _ in range(300):
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text()):
                self.behind = int(found[1])
                break
            time.sleep(0.2)
        else:
            raise OSError(log.read_text())
        subprocess.run([programs / "python", "-c", CLIENT, f"http://127.0.0.1:{self.behind}"], check=True)
        self.port = 0
        self.open()

    def open(self):
        self.door = socket.create_server(("127.0.0.1", self.port))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self.welcome, args=(self.door,), daemon=True).start()

    def shut(self):
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()

    def welcome(self, door):
        while True:
            try:
                guest, _ = door.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.behind))
            for pair in ((guest, server), (server, guest)):
                threading.Thread(target=pass_on, args=pair, daemon=True).start()

    def end(self):
        self.shut()
        self.process.terminate()
        self.process.wait()


def pass_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        target.close()
