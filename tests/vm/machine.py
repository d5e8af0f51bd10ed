"""The machine of the cases: qemu, its monitor, and a shell in it over SSH."""

import json
import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

MEMORY = "3072"
KERNEL_WORDS = "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off apparmor=0 panic=1 quiet"
BOOT_SECONDS = 400


class Failed(Exception):
    """The machine did not do what it was asked to."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """One running qemu. `cache` has its kernel and key; `disk` is a qcow2 file that it writes to."""

    def __init__(self, cache, work, disk, accelerator="tcg", resume=None):
        self.cache, self.work = Path(cache), Path(work)
        self.port = free_port()
        self.monitor_path = self.work / f"monitor-{self.port}"
        self.ssh_path = self.work / f"ssh-{self.port}"
        self.console = self.work / "console.log"
        accel = "tcg,thread=multi,tb-size=512" if accelerator == "tcg" else accelerator
        words = [
            "qemu-system-x86_64", "-accel", accel, "-cpu", "max", "-machine", "pc", "-m", MEMORY, "-smp", "2",
            "-display", "none", "-nodefaults", "-no-reboot", "-serial", f"file:{self.console}",
            "-qmp", f"unix:{self.monitor_path},server=on,wait=off",
            "-kernel", str(self.cache / "vmlinuz"), "-initrd", str(self.cache / "initrd"), "-append", KERNEL_WORDS,
            "-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe",
            "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:22", "-device", "virtio-net-pci,netdev=net,romfile=",
            "-device", "virtio-rng-pci", "-device", "virtio-scsi-pci,id=scsi",
        ]  # fmt: skip
        if resume:
            words += ["-incoming", f"exec:cat {shlex.quote(str(resume))}"]
        self.log = open(self.work / "qemu.log", "ab")
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.monitor = None
        if resume:
            self.go_on()

    # --- the monitor ---------------------------------------------------------------------------------

    def tell(self, command, **arguments):
        """Runs a command of qemu's monitor; its answer."""
        try:
            return self.ask_monitor(command, arguments)
        except (OSError, ValueError) as error:
            raise Failed(f"{command}: qemu ended ({error}): " + (self.work / "qemu.log").read_text()[-2000:]) from None

    def ask_monitor(self, command, arguments):
        if self.monitor is None:
            deadline = time.monotonic() + 30
            while True:
                try:
                    link = socket.socket(socket.AF_UNIX)
                    link.connect(str(self.monitor_path))
                    break
                except OSError:
                    link.close()
                    if time.monotonic() > deadline or self.process.poll() is not None:
                        raise Failed("qemu does not start: " + (self.work / "qemu.log").read_text()[-2000:]) from None
                    time.sleep(0.05)
            self.monitor = link.makefile("rw")
            self.monitor.readline()
            self.tell("qmp_capabilities")
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline() or '{"error": "qemu ended"}')
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def go_on(self):
        """A machine was stopped when it was saved, and comes back so."""
        while self.tell("query-status")["status"] == "inmigrate":
            time.sleep(0.1)
        self.tell("cont")

    def save(self, path):
        """Stops the machine and writes its memory to a file; the disk must not change afterwards."""
        self.tell("stop")
        self.tell("migrate", uri=f"exec:cat >{shlex.quote(str(path))}")
        while (state := self.tell("query-migrate").get("status")) != "completed":
            if state == "failed":
                raise Failed("the machine cannot be saved")
            time.sleep(0.2)
        self.tell("quit")
        self.process.wait()

    def attach(self, server):
        """Attaches the disk that an NBD server has on a socket."""
        self.tell("blockdev-add", **{"driver": "nbd", "node-name": "store", "server": {"type": "unix", "path": str(server)}, "export": "store"})
        self.tell("device_add", driver="scsi-hd", drive="store", id="store", bus="scsi.0", serial="store")

    # --- a shell in it ---------------------------------------------------------------------------------

    def ssh_words(self):
        return [
            "ssh", "-q", "-i", str(self.cache / "key"), "-p", str(self.port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "ControlMaster=auto", "-o", f"ControlPath={self.ssh_path}", "-o", "ControlPersist=600", "-o", "ConnectTimeout=20",
            "-o", "BatchMode=yes", "root@127.0.0.1",
        ]  # fmt: skip

    def run(self, script, check=True, timeout=600, stdin=None):
        """Runs a script with bash in the machine; what it printed, both streams together."""
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        try:
            done = subprocess.run(
                [*self.ssh_words(), "bash -c " + shlex.quote(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, **given
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"not done within {timeout} s: {script[:200]}\n{(error.output or b'').decode(errors='replace')[-2000:]}") from None
        said = done.stdout.decode(errors="replace")
        if check and done.returncode != 0:
            raise Failed(f"status {done.returncode}: {script[:400]}\n{said[-3000:]}")
        self.status = done.returncode
        return said

    def wait_for_shell(self, seconds=BOOT_SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise Failed("qemu ended: " + (self.work / "qemu.log").read_text()[-2000:])
            try:
                self.run("true", timeout=30)
                return
            except Failed:
                # As where the processor is emulated by a kernel that does not know all of its instructions.
                if self.tell("query-status")["status"] == "internal-error":
                    raise Failed("qemu stopped with an internal error") from None
                if time.monotonic() > deadline:
                    tail = self.console.read_text(errors="replace")[-2000:]
                    raise Failed(f"no shell within {seconds} s: {tail}") from None
                time.sleep(0.5)

    def set_clock(self):
        """A resumed machine has the time at which it was saved."""
        self.run(f"date -s @{int(time.time())}")

    # --- its end -----------------------------------------------------------------------------------------

    def kill(self):
        """As a power cut: at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        subprocess.run([*self.ssh_words()[:-1], "-O", "exit", "x"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for path in (self.monitor_path, self.ssh_path):
            path.unlink(missing_ok=True)
        self.log.close()


def overlay(path, below):
    """A disk that begins as another, which is left as it is."""
    path = Path(path)
    path.unlink(missing_ok=True)
    form = "raw" if str(below).endswith(".img") else "qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", form, "-b", os.path.abspath(below), path], check=True)
    return path
