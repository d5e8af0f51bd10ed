"""Has the key of a new repository of restic's take no time to derive.

restic makes that (scrypt) take half a second of a processor, each time that a repository is opened: most of what the tests of
backups would take. What is written here is the same key, wrapped with less work. test.sh has this called behind `restic init` in
the tests of cargo; in the bats suites, restic is alone.

cheap_key.py DIRECTORY PASSWORD_FILE
"""

import base64
import hashlib
import json
import os
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

CHEAP = {"N": 1024, "r": 8, "p": 1}


def derived(password, key):
    """AES-256's key, and the two halves of Poly1305-AES's."""
    costs = {"n": key["N"], "r": key["r"], "p": key["p"], "maxmem": 2**30}
    text = hashlib.scrypt(password, salt=base64.b64decode(key["salt"]), dklen=64, **costs)
    return text[:32], text[32:48], text[48:]


def encrypted(key, nonce, text):
    """The same for the reverse."""
    return Cipher(algorithms.AES(key), modes.CTR(nonce)).encryptor().update(text)


def authenticated(k, r, nonce, text):
    block = Cipher(algorithms.AES(k), modes.ECB()).encryptor().update(nonce)
    return Poly1305.generate_tag(r + block, text)


directory, file = os.path.join(sys.argv[1], "keys"), sys.argv[2]
with open(file, "rb") as opened:
    password = opened.read().strip()
[name] = os.listdir(directory)
with open(os.path.join(directory, name), "rb") as opened:
    key = json.load(opened)
data = base64.b64decode(key["data"])
nonce, text, tag = data[:16], data[16:-16], data[-16:]
encryption, *authentication = derived(password, key)
assert authenticated(*authentication, nonce, text) == tag
key.update(CHEAP)
text = encrypted(encryption, nonce, text)
encryption, *authentication = derived(password, key)
text = encrypted(encryption, nonce, text)
key["data"] = base64.b64encode(nonce + text + authenticated(*authentication, nonce, text)).decode()
content = json.dumps(key).encode()
# The name of a key is the sum of what is in it.
written = os.path.join(directory, hashlib.sha256(content).hexdigest())
with open(written, "wb") as opened:
    opened.write(content)
os.chmod(written, os.stat(os.path.join(directory, name)).st_mode & 0o777)
os.remove(os.path.join(directory, name))
