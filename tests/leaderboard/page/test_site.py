"""The site: every link leads somewhere, a run's address stays, and nothing is fetched."""

import base64
import hashlib
import html
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from evar.cli import main
from evar.testing.made_results import EVIL, add, make_results, make_scored

ODD = "my run #1 50%?&'"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    make_results(root / "results")
    add(root / "results", make_scored("m2d", "us8k", 0.8, 77, run=ODD, time="2026-11-20T12:00:00Z"))
    assert main(["export", "--format", "site", "--results", str(root / "results"), "--out", str(root / "site")]) == 0
    return root / "site"


def pages(site: Path) -> dict[Path, str]:
    return {file: file.read_text(encoding="utf-8") for file in site.rglob("*.html")}


def test_every_link_leads_to_a_page_or_a_place_of_it(site: Path) -> None:
    for file, text in pages(site).items():
        ids = set(re.findall(r' id="([^"]+)"', text))
        targets = [html.unescape(target) for target in re.findall(r'(?:href|src)="([^"]*)"', text)]
        for target in targets:
            path, _, place = target.partition("#")
            assert target == "data:," or (not path and place in ids) or (file.parent / unquote(path)).is_file(), target
        assert len(targets) > 1


def test_every_run_has_a_page_with_all_that_lies_behind_it_open(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    runs = sorted((site / "runs").glob("*.html"))
    assert len(runs) == 23
    for page in runs:
        text = page.read_text(encoding="utf-8")
        assert len(re.findall(r'<details class="run"[^>]* open>', text)) == 1
        assert html.escape(page.stem, quote=False).replace("'", "&#39;") in text
    assert index.count('<details class="run"') == 0
    assert (site / "runs" / f"{ODD}.html").is_file()


def test_names_are_escaped_and_the_policy_allows_the_one_script_and_no_request(site: Path) -> None:
    for text in pages(site).values():
        assert EVIL not in text
        (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
        assert "http://" not in text.replace("http://www.w3.org", "")


def test_the_address_of_a_run_stays_when_it_is_no_longer_the_latest_or_is_gone(site: Path) -> None:
    results, before = site.parent / "results", pages(site)
    for run in ("20261130T120000-aaaaaaaa", "20261130T120001-bbbbbbbb"):
        add(results, make_scored("m2d", "us8k", 0.9, 1, run=run, time="2026-11-30T12:00:00Z"))
    assert main(["runs", "remove", ODD, "--results", str(results)]) == 0
    assert main(["export", "--format", "site", "--results", str(results), "--out", str(site)]) == 0
    after = pages(site)
    assert before.keys() < after.keys()
    assert len(after.keys() - before.keys()) == 2
    assert after[site / "runs" / f"{ODD}.html"] == before[site / "runs" / f"{ODD}.html"]
    assert ODD not in html.unescape(after[site / "index.html"])
