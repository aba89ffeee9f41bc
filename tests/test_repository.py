"""What surrounds the package agrees with it: metadata, workflows, and the one place for the repository's address."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import trove_classifiers
import yaml

import evar

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(file):
    """A workflow; `on` is a truth value in YAML 1.1."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["on"] = content.pop(True)
    return content


@pytest.fixture(params=WORKFLOWS, ids=lambda file: file.stem)
def workflow(request):
    return read(request.param)


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_classifiers_are_known_and_of_the_versions_that_are_tested():
    assert set(PROJECT["classifiers"]) <= trove_classifiers.classifiers
    matrix = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["test"]["strategy"]["matrix"]
    prefix = "Programming Language :: Python :: 3."
    claimed = [f"3.{each.removeprefix(prefix)}" for each in PROJECT["classifiers"] if each.startswith(prefix)]
    assert claimed == matrix["python"]
    assert PROJECT["requires-python"] == f">={claimed[0]}"
    systems = {"ubuntu-latest": "POSIX :: Linux", "macos-latest": "MacOS"}
    assert {f"Operating System :: {systems[name]}" for name in matrix["os"]} <= set(PROJECT["classifiers"])
    (torch,) = [each.removeprefix("torch>=") for each in PROJECT["dependencies"] if each.startswith("torch>=")]
    assert f"torch=={torch}.*" in [each.get("torch") for each in matrix["include"]]


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (evar.__version__, PROJECT["license"])
    newest = re.search(r"^## (\S+) \(", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest
    assert newest[1] == evar.__version__


def test_actions_are_pinned_and_may_do_little(workflow):
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", "")  # what a stranger names would be run
    assert "pull_request_target" not in workflow["on"]
    assert "secrets" not in str(workflow)
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60


def test_one_commit_is_one_version_of_an_action_in_every_workflow():
    used = re.findall(r"uses: (\S+)@(\S+) # (v[\d.]+)$", "\n".join(f.read_text() for f in WORKFLOWS), re.M)
    assert len(used) == sum("uses" in step for file in WORKFLOWS for step in steps(read(file))) > 5
    assert len(set(used)) == len({name for name, *_ in used})


def test_only_the_job_that_publishes_may_have_a_token_and_runs_nothing_of_ours():
    jobs = read(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]
    assert not [step for step in jobs["publish"]["steps"] if "run" in step]
    assert jobs["publish"]["needs"] == "build"


def test_what_a_workflow_runs_is_there(workflow):
    text = (ROOT / "Makefile").read_text()
    for step in steps(workflow):
        command = step.get("run", "").split()
        if command[:1] == ["make"]:
            assert re.search(rf"^{command[1]}:", text, re.M)
        elif command and command[0].startswith(".ci/"):
            assert (ROOT / command[0]).stat().st_mode & 0o111


def test_a_release_of_another_version_is_refused_in_a_line_a_fault():
    done = subprocess.run([ROOT / ".ci" / "release-ready", "v9.9.9"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "evar/__init__.py is not of version 9.9.9" in done.stderr.splitlines()
    assert "CHANGELOG.md has no '## 9.9.9 (YYYY-MM-DD)'" in done.stderr.splitlines()


def test_the_repositorys_address_has_one_place_and_no_stand_in():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert ("THE REPOSITORY'S ADDRESS" in text) == ("urls" not in PROJECT)
    for file in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "CITATION.cff", *WORKFLOWS):
        found = re.findall(r"ADDRESS-OF|example\.(?:com|org)|github\.com/(?:OWNER|USER|ORG)\b", file.read_text("utf-8"))
        assert not found, file
