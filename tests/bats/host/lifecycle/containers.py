"""Docker as the schedulers use it: images by app, containers from the words that triggers print."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
import time

DOCKER = os.environ.get("DOCKER_BIN", "docker")


class Refused(Exception):
    """What Docker or xargs would not do, in a sentence."""


def docker(*words, **options):
    return subprocess.run([DOCKER, *words], stdout=subprocess.PIPE, text=True, check=False, **options)


def attached(*words):
    """Runs docker with this program's own input and output; its status."""
    return subprocess.run([DOCKER, *words], check=False).returncode


def split(printed):
    """The words of what docker-args triggers printed, as `xargs` splits them."""
    answer = subprocess.run(["xargs", "-r", "printf", "%s\\0"], input=printed, stdout=subprocess.PIPE, check=False)
    if answer.returncode:
        raise Refused(f"the words of docker-args cannot be split: {printed.decode(errors='replace')}")
    return [word.decode(errors="surrogateescape") for word in answer.stdout.split(b"\0")[:-1]]


# What this program has read or made: nobody else changes an app's images meanwhile.
known = {}


def inspect(image):
    if image not in known:
        answer = docker("image", "inspect", image, stderr=subprocess.DEVNULL)
        known[image] = json.loads(answer.stdout)[0] if answer.returncode == 0 else None
    return known[image]


def relabel(source, name, labels):
    """Makes an image of its own from another one's layers, with labels added. Only its description is loaded: a build takes seconds."""
    image = inspect(source)
    if image is None:
        raise Refused(f"Failed to pull image: {source}")
    config = dict(image["Config"], Labels={**(image["Config"].get("Labels") or {}), **labels})
    layers = image["RootFS"]["Layers"]
    description = {"architecture": image["Architecture"], "os": image["Os"], "created": image["Created"], "config": config}
    description["rootfs"] = {"type": "layers", "diff_ids": layers}
    text = json.dumps(description).encode()
    file = hashlib.sha256(text).hexdigest() + ".json"
    manifest = [{"Config": file, "RepoTags": [name], "Layers": [f"{number}/layer.tar" for number in range(len(layers))]}]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in ((file, text), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    loaded = subprocess.run([DOCKER, "load", "-q"], input=archive.getvalue(), capture_output=True, check=False)
    known[name] = {**image, "Config": config}
    if loaded.returncode:
        # Another image store than Docker's classic one wants the layers as well.
        words = [f"--label={key}={value}" for key, value in labels.items()]
        built = subprocess.run([DOCKER, "build", "-q", *words, "-t", name, "-"], input=f"FROM {source}\n".encode(), capture_output=True, check=False)
        if built.returncode:
            raise Refused(built.stderr.decode(errors="replace").strip())


class Containers:
    """The containers of the apps of this run of the tests."""

    def __init__(self, label):
        self.label = label

    def deployed(self, app, process="", running=False):
        """The ids of an app's containers, of all process types or of one."""
        words = ["--filter", f"label={self.label}", "--filter", f"label=com.dokku.app-name={app}"]
        words += ["--filter", "label=com.dokku.container-type=deploy"]
        if process:
            words += ["--filter", f"label=com.dokku.process-type={process}"]
        return docker("ps", "-q" if running else "-aq", "--no-trunc", *words).stdout.split()

    def create(self, app, kind, words, image, command, options=(), name=""):
        base = ["--network", "none", "--label", self.label, *(["--name", name] if name else [])]
        base += [f"--label=com.dokku.app-name={app}", f"--label=com.dokku.container-type={kind}"]
        answer = docker("container", "create", *base, *options, *words, image, *command)
        if answer.returncode:
            raise Refused(f"App {app}: Docker creates no container")
        return answer.stdout.strip()

    @staticmethod
    def rename(container, name):
        """Gives a container a name, and the one that has it so far the time behind it."""
        docker("container", "rename", name, f"{name}.{time.time_ns()}", stderr=subprocess.DEVNULL)
        docker("container", "rename", container, name)

    @staticmethod
    def start(container):
        docker("container", "start", container)

    @staticmethod
    def runs(container):
        return docker("container", "inspect", "--format", "{{.State.Running}}", container).stdout.strip() == "true"

    @staticmethod
    def remove(containers):
        if containers:
            docker("container", "rm", "-f", "-v", *containers, stderr=subprocess.DEVNULL)

    @staticmethod
    def stop(containers):
        if containers:
            docker("container", "update", "--restart=no", *containers)
            docker("container", "stop", *containers)
