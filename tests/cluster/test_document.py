"""docs/clusters.md: its scripts and files parse."""

import re
import subprocess
from pathlib import Path

import pytest

from evar.base import yaml_file
from evar.cluster.cells import EncoderCall, SweepFile, read_sweep

TEXT = (Path(__file__).parents[2] / "docs" / "clusters.md").read_text(encoding="utf-8")


def blocks(language):
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert len(found) == 2
    return found


@pytest.mark.parametrize("script", blocks("bash"), ids=["symmetric-run", "head-and-workers"])
def test_a_job_script_is_bash(script):
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_files_are_a_sweep_and_yaml(tmp_path):
    sweep, job = blocks("yaml")
    (tmp_path / "sweep.yaml").write_text(sweep)
    listed: SweepFile = read_sweep(tmp_path / "sweep.yaml")
    assert listed.encoders[:2] == [EncoderCall("logmel"), EncoderCall("m2d", "checkpoints/epoch-100.pth")]
    (tmp_path / "job.yaml").write_text(job)
    assert yaml_file.read_yaml(tmp_path / "job.yaml")["kind"] == "RayJob"
