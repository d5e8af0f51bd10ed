"""A disk with a volatile write cache, as an NBD server on a socket: what was not flushed is lost at a power cut, or a part of it."""

import mmap
import os
import random
import socket
import struct
import threading

PIECE = 4096
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FORCE_UNIT_ACCESS = 1
OPTION_EXPORT_NAME, OPTION_ABORT, OPTION_INFO, OPTION_GO = 1, 2, 6, 7
REPLY_ACK, REPLY_INFO, REPLY_UNSUPPORTED = 1, 3, 0x80000001
# It has flags, takes flushes, takes writes that are to last at once.
TRANSMISSION = 1 | 4 | 8


class Disk:
    """`path` has what would be on the medium. One that `lies` answers flushes and does not flush."""

    lies = False

    def __init__(self, path, address):
        self.path, self.address = path, str(address)
        self.file = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.file).st_size
        self.lock = threading.Lock()
        self.pending = []  # (offset, data, whether it must last), in the order in which they were written
        self.power_on()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.address)
        self.listener.listen(4)
        threading.Thread(target=self.accept, daemon=True).start()

    def power_on(self):
        """The disk as a machine sees it: the medium, and over it, in memory, what is written."""
        self.seen = mmap.mmap(self.file, self.size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        self.serves = True

    def power_off(self, keep, chance=None):
        """A cut: of what was not flushed stays nothing ("none"), each piece or not ("half"), or everything ("all")."""
        chance = chance or random.Random()
        with self.lock:
            self.serves = False
            lost = 0
            for offset, data, lasts in self.pending:
                if (lasts and not self.lies) or keep == "all" or (keep == "half" and chance.random() < 0.5):
                    os.pwrite(self.file, data, offset)
                else:
                    lost += 1
            self.pending = []
            self.seen.close()
        return lost

    def close(self):
        self.listener.close()
        os.close(self.file)
        os.unlink(self.address)

    # --- what is written ---------------------------------------------------------------------------------

    def write(self, offset, data, lasts):
        self.seen[offset : offset + len(data)] = data
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self.pending.append((offset + start, piece, lasts))
            if lasts and not self.lies:
                os.pwrite(self.file, piece, offset + start)

    def flush(self):
        if self.lies:
            return
        for offset, data, _ in self.pending:
            os.pwrite(self.file, data, offset)
        self.pending = []

    # --- the protocol ------------------------------------------------------------------------------------

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        with link:
            try:
                if self.negotiate(link):
                    self.transmit(link)
            except (ConnectionError, ValueError):
                pass

    def negotiate(self, link):
        link.sendall(b"NBDMAGIC" + b"IHAVEOPT" + struct.pack(">H", 3))
        flags = struct.unpack(">I", take(link, 4))[0]
        while True:
            magic, option, length = struct.unpack(">8sII", take(link, 16))
            take(link, length)
            if magic != b"IHAVEOPT":
                return False
            if option == OPTION_EXPORT_NAME:
                link.sendall(struct.pack(">QH", self.size, TRANSMISSION) + (b"" if flags & 2 else bytes(124)))
                return True
            if option in (OPTION_INFO, OPTION_GO):
                reply(link, option, REPLY_INFO, struct.pack(">HQH", 0, self.size, TRANSMISSION))
                reply(link, option, REPLY_ACK)
                if option == OPTION_GO:
                    return True
            elif option == OPTION_ABORT:
                reply(link, option, REPLY_ACK)
                return False
            else:
                reply(link, option, REPLY_UNSUPPORTED)

    def transmit(self, link):
        while True:
            _, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", take(link, 28))
            data = take(link, length) if kind == WRITE else b""
            if kind == DISCONNECT:
                return
            error, answer = 0, b""
            with self.lock:
                if not self.serves:
                    return
                if kind == READ:
                    answer = self.seen[offset : offset + length]
                elif kind == WRITE:
                    self.write(offset, data, bool(flags & FORCE_UNIT_ACCESS))
                elif kind == FLUSH:
                    self.flush()
                else:
                    error = 22
            link.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + answer)


def take(link, length):
    parts = bytearray()
    while len(parts) < length:
        part = link.recv(length - len(parts))
        if not part:
            raise ConnectionError
        parts += part
    return bytes(parts)


def reply(link, option, kind, data=b""):
    link.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data)
