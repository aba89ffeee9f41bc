"""Datasets that may be fetched without an account: addresses, resumable verified transfer, safe unpacking.

dataset.py    a task's dataset, from nothing to its folder; the door of this package
sources.yaml  addresses and checksums, each with the package that it was read in; sources.py checks and reads it
fetch.py      one file: its addresses in turn, tries, pauses      transfer.py   one request of one address
part.py       half a file, and where its bytes came from          checksums.py  published, or recorded at first use
unpack.py     an archive into a new folder, within bounds         archives.py   the members of a zip, tar or tar.gz
names.py      which member names are safe                         space.py      whether the disk has room

All of it is standard library. pooch, soundata, mirdata and torchaudio fetch too, but none of them resumes after a
break or bounds what an archive unpacks to, which is most of the work; their addresses and checksums are used.
"""
