"""Fires triggers: runs what enabled plugins have for them, by plugn, and logs each of them."""

import json
import os
import pwd
import re
import selectors
import stat
import subprocess
import sys

# What these print is an answer to who fired them; what others print is shown.
ANSWERS = re.compile(
    r"app-(exists|list|urls|json)|builder-(detect|get)|builds-generate|certs-(exists|force)|checks-get|config-(export|get|migrate)"
    r"|cron-entries|deployed-app|docker-args-|domains-(list|urls|vhost)|git-(get|has)|install-builder|network-get|ports-get|procfile-"
    r"|proxy-(is|type)|ps-(can|current|get)|scheduler-(app-status|detect|uses)|user-auth-app"
)
# A build goes on where one of these fails; `dokku run` starts a container that has no mounts.
MAY_FAIL = {"post-extract", "docker-args-build", "docker-args-process-build", "docker-args-run"}
WARNING = b" !     "


class TriggerFailed(Exception):
    def __init__(self, trigger, errors):
        super().__init__(trigger)
        self.trigger, self.errors = trigger, errors


def may_fail(trigger):
    is_answer = ANSWERS.match(trigger) and not trigger.startswith("docker-args-")
    return trigger in MAY_FAIL or bool(is_answer)


def kind(descriptor):
    """What a file descriptor is, in the words of the recording."""
    mode = os.fstat(descriptor).st_mode
    kinds = ((stat.S_ISFIFO, "pipe"), (stat.S_ISREG, "file"), (stat.S_ISCHR, "character device"), (stat.S_ISSOCK, "socket"))
    return next((name for test, name in kinds if test(mode)), "other")


class Log:
    """One JSON object a line for each trigger that was fired."""

    def __init__(self, path):
        try:
            self.file = open(path, "a", encoding="utf-8", buffering=1)
        except OSError:
            self.file = None
        self.user = pwd.getpwuid(os.getuid()).pw_name

    def write(self, depth, trigger, args, stdin, stdout):
        if self.file:
            entry = {"depth": depth, "trigger": trigger, "args": args, "stdin": stdin, "stdout": stdout, "uid": self.user}
            self.file.write(json.dumps(entry) + "\n")


class Plugins:
    """The enabled plugins, and which of them do something at a trigger."""

    def __init__(self, path, nothing):
        self.path, self.nothing, self.known = path, os.path.realpath(nothing), {}
        self.names = sorted(os.listdir(path), key=os.fsencode)

    def having(self, trigger):
        """(plugin, whether it does something) for each plugin that has an executable file of that name, in order."""
        if trigger not in self.known:
            found = []
            for name in self.names:
                file = os.path.join(self.path, name, trigger)
                if os.path.isfile(file) and os.access(file, os.X_OK):
                    found.append((name, os.path.realpath(file) != self.nothing))
            self.known[trigger] = found
        return self.known[trigger]

    def around(self, trigger):
        """The plugins that do something before and after Dokku's own first one, which fires the triggers within this one."""
        own = [name for name, acts in self.having(trigger) if not acts and name != "20_events"]
        acting = [name for name, acts in self.having(trigger) if acts]
        border = os.fsencode(own[0]) if own else b""
        return [n for n in acting if os.fsencode(n) < border], [n for n in acting if os.fsencode(n) >= border]


class Triggers:
    def __init__(self, root, plugins, log):
        self.plugn = os.path.join(root, "bin", "plugn")
        self.plugins, self.log = plugins, log

    def note(self, call, args):
        stdin = "pipe" if call.stdin == "pipe" else kind(0)
        stdout = {"pipe": "pipe", "character device": "character device"}.get(call.stdout) or kind(1)
        self.log.write(call.depth, call.trigger, args, stdin, stdout)

    def run(self, call, args, plugins):
        """Runs the trigger's files of these plugins; what they print, as bytes."""
        if not plugins:
            return b""
        environment = dict(os.environ, DOKKU_TEST_PLUGINS=" ".join(plugins), DOKKU_TEST_DEPTH=str(call.depth + 1))
        stdout = {"pipe": subprocess.PIPE, "character device": subprocess.DEVNULL}.get(call.stdout)
        process = subprocess.Popen(
            [self.plugn, "trigger", call.trigger, *args],
            stdin=subprocess.PIPE if call.stdin == "pipe" else None,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment,
        )
        if process.stdin:
            process.stdin.close()
        is_shown = not ANSWERS.match(call.trigger)
        output, errors = self.pass_on(process, is_shown, call.trigger == "pre-deploy")
        status = process.wait()
        if call.trigger == "pre-deploy" and errors:
            # The registry plugin, which fires it, says its failure as one of its own.
            write(2, (WARNING if status else b"") + errors)
        if status and not may_fail(call.trigger):
            raise TriggerFailed(call.trigger, errors)
        return output

    @staticmethod
    def pass_on(process, is_shown, holds_warnings):
        """Shows what a process says while it says it; (what it printed, what it warned of)."""
        output, errors = b"", b""
        selector = selectors.DefaultSelector()
        for stream in (process.stdout, process.stderr):
            if stream:
                selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    output += chunk
                    if is_shown:
                        write(1, chunk)
                elif holds_warnings and (errors or chunk.startswith(WARNING)):
                    errors += chunk
                else:
                    errors += b"" if holds_warnings else chunk
                    write(2, chunk)
        return output, errors

    def answer(self, trigger, args):
        """Fires a trigger for what it prints, where a plugin other than 20_events has it; else None."""
        if not any(acts for _, acts in self.plugins.having(trigger)):
            return None
        environment = dict(os.environ, DOKKU_TEST_DEPTH="0")
        return subprocess.run([self.plugn, "trigger", trigger, *args], stdout=subprocess.PIPE, env=environment, check=False).stdout


def write(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]


def say(line):
    sys.stdout.flush()
    write(1, line.encode() + b"\n")
