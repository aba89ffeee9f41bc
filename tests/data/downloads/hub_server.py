"""A server on 127.0.0.1 that speaks those endpoints of the Hugging Face Hub which fetching a dataset uses.

    with hub(monkeypatch, cache) as server:
        server.sets["owner/tones"] = Dataset({"README.md": b"..."})
        server.requests        # paths that were asked for, with their methods

It has no network, no account and no other server behind it: /api/datasets/..., and /datasets/.../resolve/...
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from huggingface_hub import constants

from tests.data.downloads.server import LocalServer, QuietHandler, serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Dataset:
    """Its files, of one commit. gated: to be read by nobody; lost: files that the server lists and does not find."""

    files: dict[str, bytes]
    commit: str = COMMIT
    gated: bool = False
    branches: tuple[str, ...] = ("main",)
    lost: set[str] = field(default_factory=set)


class Handler(QuietHandler):
    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        url = urlsplit(self.path)
        path = unquote(url.path)
        self.server.requests.append(f"{self.command} {path}")
        if path == "/api/datasets":
            owner = parse_qs(url.query)["author"][0]
            return self.answer(json.dumps([{"id": name} for name in self.server.sets if name.startswith(f"{owner}/")]))
        found = re.fullmatch(r"(?:/api)?/datasets/([^/]+/[^/]+)(?:/(?:revision|resolve)/([^/]+)(?:/(.+))?)?", path)
        dataset = self.server.sets.get(found[1]) if found else None
        if dataset is None:
            return self.refuse(401, "RepoNotFound")
        if found[2] not in (None, dataset.commit, *dataset.branches):
            return self.refuse(404, "RevisionNotFound")
        if path.startswith("/api/"):
            siblings = [{"rfilename": name, "size": len(content)} for name, content in dataset.files.items()]
            return self.answer(json.dumps({"id": found[1], "sha": dataset.commit, "siblings": siblings}))
        if dataset.gated:
            return self.refuse(403, "GatedRepo")
        if found[3] not in dataset.files.keys() - dataset.lost:
            return self.refuse(404, "EntryNotFound")
        content = dataset.files[found[3]]
        tag = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": dataset.commit}
        return self.answer(content, body, **tag)

    def answer(self, content, body=True, status=200, **headers):
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def refuse(self, status, code):
        self.answer("{}", self.command == "GET", status, **{"X-Error-Code": code, "X-Error-Message": code})


class HubServer(LocalServer):
    def __init__(self):
        super().__init__(Handler)
        self.sets: dict[str, Dataset] = {}


@contextlib.contextmanager
def hub(monkeypatch, cache) -> Iterator[HubServer]:
    """The server, with huggingface_hub pointed at it and at a cache folder of its own."""
    server = HubServer()
    with serving(server):
        monkeypatch.setattr(constants, "ENDPOINT", server.address(""))
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE",
                            constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}")  # fmt: skip
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield server
