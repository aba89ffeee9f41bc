"""What the pages say is what comes out."""

import re
import runpy
import shlex
from operator import attrgetter

import pytest

import evar
from evar.cli import main
from evar.cli.arguments import option_strings, parse, verb_names
from evar.data.task import CORE, load_task
from evar.row import PROTOCOL_VERSION
from tests.documents import BLOCK, PAGES, ROOT, TUTORIAL, commands, written_anew

FAQ = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
NAME = attrgetter("stem")
FILE = re.compile(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", re.DOTALL)  # of a page, with its name in the first line
OPTIONS = {verb: set(option_strings(verb)) for verb in verb_names()}


@pytest.mark.parametrize("page", [each for each in PAGES if BLOCK.search(each.read_text("utf-8"))], ids=NAME)
def test_the_output_in_a_page_is_what_the_command_prints(page):
    assert page.read_text(encoding="utf-8") == written_anew(page)


@pytest.mark.parametrize("page", PAGES, ids=NAME)
def test_every_command_in_a_page_is_one(page):
    for arguments in commands(page):
        assert parse(arguments) is not None, arguments
    text = page.read_text(encoding="utf-8")
    for spoken in re.findall(r"`evar ([a-z-][^`]*)`", text):  # a part of a command: options of the verb
        verb = shlex.split(spoken)[0]
        named = set(re.findall(r"(?<!\S)--[a-z-]+", spoken))
        assert named <= OPTIONS["eval" if verb.startswith("-") else verb], spoken
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?m)(?:`|^    )make ([a-z-]+)", text):
        assert re.search(rf"(?m)^{target}:", makefile), target
    for module in re.findall(r"python -m (benchmarks[.\w]*|tests\.\w+)", text):
        path = ROOT.joinpath(*module.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), module


def test_the_tutorial_goes_from_recordings_to_rows(shared, tmp_path, monkeypatch):
    if not (shared / "data" / "FSDD" / "recordings").is_dir():
        pytest.skip("no FSDD among the reference files")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVAR_CACHE", str(tmp_path / "cache"))
    (tmp_path / "FSDD").mkdir()
    (tmp_path / "FSDD" / "recordings").symlink_to(shared / "data" / "FSDD" / "recordings")
    for name, content in FILE.findall(TUTORIAL.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    runpy.run_path("make_table.py")
    for arguments in commands(TUTORIAL):
        if "logmel" in arguments and "--task" in arguments[0]:
            assert main([*arguments, "--limit", "40", "--probe", "centroid"]) == 0  # which takes no time
    assert {(row.task, row.encoder, row.coverage) for row in evar.read_rows("results")} == {
        ("digits", "logmel", 1.0),
        ("speakers", "logmel", 1.0),
    }


def test_the_sentence_for_a_paper_is_of_this_version():
    said = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    assert f"evar {evar.__version__} (protocol {PROTOCOL_VERSION})" in said


def test_pages_that_no_site_checks_link_to_what_is_there():
    for page in PAGES[:2]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), link


def test_the_room_that_stores_take_is_rows_times_seconds_of_16_bit_samples_at_16_khz():
    tasks = {name: load_task(name) for name in CORE}
    taken = {name: task.expects.rows * task.seconds * 16_000 * 2 / 1e9 for name, task in tasks.items()}
    assert f"the five core tasks take {sum(taken.values()):.0f} GB there" in FAQ
    assert [name for name in CORE if f" {name} {taken[name]:.1f}" not in FAQ] == []


def test_what_the_answers_quote_is_said_by_the_program():
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "evar").rglob("*.py"))
    quoted = re.findall(r'"([^"`\n]+)"', re.sub("`[^`]*`", "", FAQ))
    assert len(quoted) > 8
    assert [words for words in quoted if words not in code] == []
