"""Datasets and checkpoints from the web. Standard library: pooch, soundata, mirdata and torchaudio do not resume.

dataset.py    a task's dataset, from nothing to its folder
sources.yaml  addresses and checksums, each with the package that it was read in; sources.py reads it
fetch.py      one file: resumed, tried a bounded number of times, verified
hub.py        the Hugging Face Hub, by its package: revisions, files in its cache
unpack.py     a zip, tar or tar.gz: plain files that stay inside their folder, within bounds
"""
