"""Small archives with whatever inside: plain files, and what no honest archive holds."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

KINDS = ("zip", "tar", "tar.gz")


def pack(path: Path, files: dict[str, bytes], kind: str = "tar.gz") -> Path:
    """Write an archive of `files`, by name; a name that ends in / is a folder."""
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return path
    members = [(tar_member(name, len(content)), content) for name, content in files.items()]
    return pack_tar(path, members, "w:gz" if kind == "tar.gz" else "w")


def pack_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return path


def tar_member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE if name.endswith("/") else kind
    member.size = size
    member.linkname = target
    member.mode = 0o4777  # modes are never taken over
    return member


def zip_link(path: Path, name: str, target: str) -> Path:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, target)
    return path
