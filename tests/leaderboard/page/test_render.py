"""The page as text: whole, self-contained, escaped, the same each time, and small."""

import html
import re

import numpy as np
import pytest

from evar.data.task import CORE
from evar.leaderboard.page.render import render_page
from evar.leaderboard.published import read_published
from evar.leaderboard.read import Leaderboard
from evar.leaderboard.runs import read_rows
from evar.testing.made_results import EVIL, add, make_results, make_scored


def render(results, published=(), **more):
    return render_page(Leaderboard(results, read_rows(results), published, []), **more)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    make_results(folder)
    return folder


@pytest.fixture(scope="module")
def page(results):
    return render(results, read_published())


def test_names_are_escaped_wherever_they_stand(page):
    assert page.count(html.escape(EVIL)) > 10
    assert EVIL not in page
    assert page.count("<script") == 1


def test_nothing_is_fetched(page):
    targets = re.findall(r'(?:src|href|action|data)="([^"]*)"', page)
    assert targets
    assert [target for target in targets if not target.startswith(("#", "data:,"))] == []
    assert "@import" not in page
    assert "url(" not in page.replace("url(#", "")


def test_links_to_runs_lead_somewhere(page):
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r' href="#([^"]+)"', page)) <= set(ids)
    assert len([name for name in ids if name.startswith("run-")]) == 18


def test_scores_have_ranks_numbers_of_clips_chance_levels_and_means_of_groups(tmp_path):
    for number, task in enumerate(CORE):
        add(tmp_path, make_scored("m2d", task, 0.8, 2 * number, low=0.77, high=0.83))
        add(tmp_path, make_scored("logmel", task, 0.6, 2 * number + 1, probe="knn"))
    page = render(tmp_path)
    assert re.findall(r"<h3>(probe .*?)</h3>", page)[:2] == ["probe logistic, output last", "probe knn, output last"]
    table = " ".join(re.sub("<[^>]+>", " ", page.split("</table>")[0].rpartition("<thead>")[2]).split())
    assert table.startswith("encoder us8k vc1 as20k gtzan spcv2 core mean m2d m2d.pth 80.0 ± 3.0 #1")
    assert "80.0 ± 1.3 chance" in table
    (chance, *_), clips = (part.split() for part in table.partition(" chance ")[2].split(" n "))
    assert 33 <= float(chance) <= 60
    assert clips == ["40"] * 5


def test_runs_stand_by_encoder_and_day_the_latest_first(tmp_path):
    for encoder, task, number in (("m2d", "us8k", 1), ("logmel", "us8k", 2), ("m2d", "gtzan", 3), ("m2d", "spcv2", 12)):
        add(tmp_path, make_scored(encoder, task, 0.8 - number / 100, number))
    runs = render(tmp_path).partition('id="runs"')[2]
    found = re.findall(r'<p class="note">(2026-\S+)</p>|</i>(\w+)</h3>|class="task">(\w+)', runs)
    assert ["".join(each) for each in found] == [
        *("m2d", "2026-11-04", "gtzan", "spcv2", "2026-11-02", "us8k"),
        *("logmel", "2026-11-03", "us8k"),
    ]


def test_layers_of_a_sweep_are_a_curve_and_no_runs(page):
    assert "us8k: accuracy over layers, logistic" in page
    assert not re.search(r'class="with">logistic, layer', page)


def test_published_rows_stand_in_tables_of_their_own_with_sources(page):
    own, published = page.split('<section id="published">')
    titles = re.findall(r"<h3>(.*?)</h3>", published)
    assert [title.partition(":")[0] for title in titles] == ["Published", *["Published under other protocols"] * 3]
    assert "fine-tuned" in titles[3]
    assert "TASLP 2024" in published
    assert "BYOL-A" not in own.partition('<section id="by-task">')[0]


@pytest.mark.parametrize("damage", ["missing", "cut", "foreign targets"])
def test_predictions_that_cannot_be_read_are_reported_and_cost_no_page(tmp_path, damage):
    row = add(tmp_path, make_scored("m2d", "us8k", 0.8, 1))
    add(tmp_path, make_scored("logmel", "us8k", 0.6, 2))
    file = tmp_path / "runs" / f"{row.run}.npz"
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-50])
    else:
        with_foreign_targets(file)
    page = render(tmp_path)
    assert page.count('class="missing"') == 1
    assert page.count("Hardest clips</h4>") == 1
    assert "score it again" in page


def with_foreign_targets(file):
    with np.load(file) as kept:
        arrays = dict(kept)
    np.savez(file, **{**arrays, "targets": arrays["targets"] + 7})


def test_details_keep_to_their_bytes_the_latest_first(results, page):
    few = render(results, detail_bytes=30_000)
    found = re.findall(r'<details class="run" id="run-([^"]+)"', few)
    every = re.findall(r'<details class="run" id="run-([^"]+)"', page)
    assert 0 < len(found) < len(every)
    assert min(found) > max(set(every) - set(found))
    assert f"{len(every) - len(found)} older runs are left out" in few
    assert len(few) < len(page)


def test_names_that_no_file_can_hold_are_replaced(tmp_path):
    add(tmp_path, make_scored("bad \udcff \x07 name", "us8k", 0.8, 1))
    add(tmp_path, make_scored("$\\frac{", "us8k", 0.7, 2))
    page = render(tmp_path)
    assert page.encode()
    assert "bad \ufffd \ufffd name" in page
    assert "$\\frac{" in page


def test_no_rows_make_a_page_that_says_so(tmp_path):
    page = render(tmp_path, read_published())
    assert "There are no runs yet" in page
    assert '<section id="published">' in page
    assert '<section id="scores">' not in page


def test_shots_are_a_curve_and_no_runs(tmp_path):
    rows = [
        add(tmp_path, make_scored("m2d", "us8k", 0.3 + 0.1 * number, number, shots=shots, ranked=False))
        for number, shots in enumerate((1, 4, 16))
    ]
    page = render(tmp_path)
    assert "us8k: accuracy over shots, logistic" in page
    assert f"m2d, last: 1: {100 * rows[0].score:.1f} %" in page
    assert "3 points of the curves above" in page
    assert '<details class="run"' not in page
