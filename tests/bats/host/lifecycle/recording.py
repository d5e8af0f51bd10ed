"""The recorded commands: which triggers each fires, and how a recorded deploy looks with other process types and counts."""

import json
import re

PLACEHOLDERS = re.compile(r"\b(APP|NEW|CLONE|OTHER|IMAGE|CONTAINER|BUILD|WORKDIR|REVISION|PID|IP)\b")
# The recording in which both process types have a container that takes the place of an older one.
FULLEST = "config:set"


class Call:
    """A trigger that is fired, and those that are fired from within it."""

    def __init__(self, entry, calls=()):
        self.depth = entry["depth"]
        self.trigger = entry["trigger"]
        self.args = entry["args"]
        self.stdin = entry["stdin"]
        self.stdout = entry["stdout"]
        self.calls = list(calls)

    def changed(self, depth=0, **values):
        """A copy with other arguments or calls, that many levels deeper."""
        copy = object.__new__(Call)
        copy.__dict__.update(self.__dict__)
        copy.depth += depth
        copy.args = values.get("args", self.args)
        copy.calls = values.get("calls", [call.changed(depth) for call in self.calls])
        return copy

    def worded(self, change):
        """A copy in which every argument went through a function."""
        return self.changed(args=[change(word) for word in self.args], calls=[call.worded(change) for call in self.calls])

    def names(self):
        """The placeholders in its arguments and in those of its calls."""
        found = {name for word in self.args for name in PLACEHOLDERS.findall(word)}
        return found.union(*(call.names() for call in self.calls))


def nested(entries):
    """The flat list of a recording as calls within calls."""
    calls, above = [], []
    for entry in entries:
        call = Call(entry)
        del above[call.depth :]
        (above[-1].calls if above else calls).append(call)
        above.append(call)
    return calls


def title(recordings, command):
    """The whole title under which a command was recorded: its name, or what follows the global flags."""
    for words in recordings:
        if command in words.split()[:2]:
            return words
    raise KeyError(f"no recording of {command}")


class Recordings:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.recordings = json.load(file)

    def of(self, command):
        return nested(self.recordings[title(self.recordings, command)])


def find(calls, trigger):
    """The first call of a trigger, however deep."""
    for call in calls:
        found = call if call.trigger == trigger else find(call.calls, trigger)
        if found:
            return found
    return None


def position(calls, trigger):
    return next(index for index, call in enumerate(calls) if call.trigger == trigger)


class Segment:
    """What a deploy fires for one process type: before its containers, for each of them, and after them."""

    def __init__(self, calls):
        self.type = calls[-1].args[1]
        start = position(calls, "app-json-process-deploy-parallelism") + 1
        self.head, self.container, self.tail = calls[:start], calls[start:-1], calls[-1:]


class Deploy:
    """A recorded scheduler-deploy, cut into its process types."""

    def __init__(self, call):
        self.app = call.args[1]
        start = position(call.calls, "ps-current-scale") + 1
        end = position(call.calls, "core-post-deploy")
        self.prefix, self.suffix, self.segments = call.calls[:start], call.calls[end:], {}
        calls = []
        for child in call.calls[start:end]:
            calls.append(child)
            if child.trigger == "scheduler-post-deploy-process":
                segment = Segment(calls)
                self.segments[segment.type] = segment
                calls = []

    def segment(self, process):
        return self.segments.get("web" if process == "web" else "worker")


def fitted(calls, depth, words):
    """Copies at a depth of their own, with words exchanged."""
    return [call.changed(depth).worded(lambda word: words.get(word, word)) for call in calls]


def spread(call, fullest, formation, has_older):
    """The calls of a scheduler-deploy for a formation, a list of (process type, count).

    `fullest` is the recorded deploy that has what `call` may lack; `has_older(type, index)` says whether a container is replaced.
    """
    own, spare = Deploy(call), Deploy(fullest)
    deeper = call.depth - fullest.depth
    calls = list(own.prefix)
    for process, count in formation:
        source, recorded = 0, own.segment(process)
        if recorded is None:
            source, recorded = deeper, spare.segment(process)
        words = {recorded.type: process, spare.app: own.app}
        calls += fitted(recorded.head, source, words)
        template = recorded.container
        if not template:
            source, template = deeper, spare.segment(process).container
            words = {spare.segment(process).type: process, spare.app: own.app}
        retired = [(child, source) for child in template if child.trigger == "scheduler-register-retired"]
        retired = retired or [(find(spare.segment(process).container, "scheduler-register-retired"), deeper)]
        for index in range(1, count + 1):
            numbered = {**words, "1": str(index)}
            for child in template:
                if child.trigger != "scheduler-register-retired":
                    calls += fitted([child], source, numbered)
                if child.trigger == "check-deploy" and has_older(process, index):
                    calls += fitted([retired[0][0]], retired[0][1], words)
        calls += fitted(recorded.tail, 0 if own.segment(process) else deeper, {recorded.type: process, spare.app: own.app})
    return calls + own.suffix
