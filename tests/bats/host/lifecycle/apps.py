"""What the stand-in keeps of an app: its source, image, settings and scale, where Dokku keeps them or beside."""

import os
import shutil


class App:
    def __init__(self, name):
        self.name = name
        self.directory = os.path.join(os.environ["DOKKU_ROOT"], name)
        self.config = os.path.join(os.environ["DOKKU_LIB_ROOT"], "config", "ps", name)
        self.source = os.path.join(self.directory, "SOURCE")
        self.built = f"dokku/{name}:latest"

    def exists(self):
        return os.path.isdir(self.directory)

    def read(self, name, default=""):
        try:
            with open(os.path.join(self.directory, name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return default

    def write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            file.write(text)

    def forget(self, name):
        path = os.path.join(self.directory, name)
        if os.path.exists(path):
            os.remove(path)

    @property
    def is_deployed(self):
        return os.path.exists(os.path.join(self.directory, "DEPLOYED"))

    @property
    def image(self):
        return self.read("IMAGE").strip()

    @property
    def has_code(self):
        return os.path.isdir(self.source)

    def take_source(self, image, directory):
        shutil.rmtree(self.source, ignore_errors=True)
        if directory:
            shutil.copytree(directory, self.source, symlinks=True)
        os.makedirs(self.source, exist_ok=True)
        with open(os.path.join(self.source, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write(f"FROM {image}\n")
        self.write("IMAGE", image)

    @property
    def formation(self):
        """(process type, count) of each type, `web` first."""
        path = os.path.join(self.config, "scale")
        if not os.path.exists(path):
            return [("web", 1)]
        with open(path, encoding="utf-8") as file:
            pairs = [line.strip().partition("=") for line in file if line.strip()]
        return sorted(((process, int(count)) for process, _, count in pairs), key=lambda pair: pair[0] != "web")

    def scale(self, formation):
        os.makedirs(self.config, exist_ok=True)
        with open(os.path.join(self.config, "scale"), "w", encoding="utf-8") as file:
            file.writelines(f"{process}={count}\n" for process, count in formation)

    @property
    def variables(self):
        lines = (line.removeprefix("export ").partition("=") for line in self.read("ENV").splitlines())
        return {key: value.strip("'") for key, _, value in lines}

    def set_variables(self, variables):
        changed = {**self.variables, **variables}
        self.write("ENV", "".join(f"export {key}='{value}'\n" for key, value in changed.items()))

    def copy_to(self, other):
        shutil.copytree(self.directory, other.directory, symlinks=True, dirs_exist_ok=True)
        if os.path.isdir(self.config):
            shutil.copytree(self.config, other.config, dirs_exist_ok=True)

    def drop(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def drop_config(self):
        shutil.rmtree(self.config, ignore_errors=True)


def all_apps():
    root = os.environ["DOKKU_ROOT"]
    return sorted(name for name in os.listdir(root) if name[0] != "." and not name[0].isupper() and os.path.isdir(os.path.join(root, name)))
