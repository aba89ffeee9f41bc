"""The table of addresses and checksums, `sources.yaml`, read and validated strictly: unknown keys are refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from evar.base.yaml_file import read_yaml_as
from evar.data.task import Strict, Text

TABLE = Path(__file__).with_name("sources.yaml")

FileName = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$")]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+/\S*$")]
Checksum = Annotated[str, StringConstraints(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")]
Inside = Annotated[str, StringConstraints(pattern=r"^(\.|\w[\w.-]*(/\w[\w.-]*)*)$")]  # a path that stays inside


class RemoteFile(Strict):
    """A file and where it is fetched.

    checksum: `sha256:HEX` or `md5:HEX` as published, None where it is not
    unpack:   for an archive, the folder in it that becomes the dataset's ("." the archive itself); None for any other
    provenance: the package that address and checksum were read in
    """

    name: FileName
    address: Address
    checksum: Checksum | None = None
    unpack: Inside | None = None
    provenance: Text


class DatasetSource(Strict):
    """A dataset: either one archive that holds all of it, or tables, and its audio to be got by a person.

    by_hand: how; `{folder}` in it stands for the dataset's folder.
    """

    files: Annotated[list[RemoteFile], Field(min_length=1)]
    by_hand: Text | None = None

    @property
    def archive(self) -> RemoteFile | None:
        """The archive that holds all of it, if it is that kind."""
        return self.files[0] if self.by_hand is None else None


def read_sources() -> Mapping[str, DatasetSource]:
    """Folder name -> source. Raises UsageError where the table breaks the schema."""
    return read_yaml_as(TABLE, dict[Text, DatasetSource])
