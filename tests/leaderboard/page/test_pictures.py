"""Pictures: what they show, in words too, and that they do not disturb each other on a page."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evar import plots
from evar.leaderboard.page.inline_svg import inline
from evar.leaderboard.page.pictures import (
    MOST_ENCODERS,
    DrawnEncoder,
    dot_plot,
    encoder_numbers,
    layer_curves,
    pareto_front,
    sections,
    short,
    speed_plot,
)
from evar.leaderboard.published import Published
from evar.leaderboard.ranking import build
from evar.leaderboard.text_tables import encoder_names
from evar.plots import CurvePoint, Series
from evar.testing.made_results import make_scored

POINT = CurvePoint("m2d", 0.8, 0.75, 0.85)


def board(rows):
    return build(rows, lambda best, other: False)


def encoders(made):
    """As pictures show those of a board."""
    names = encoder_names(made.rows)
    return {run: DrawnEncoder(number, names[run]) for run, number in encoder_numbers(made).items()}


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1))
def test_front_is_what_nothing_beats(points):
    """Slow and good to fast and bad; each other point is reached in both by one of the front."""
    front = pareto_front(points)
    assert set(front) <= set(points)
    assert front == sorted(front)
    assert [score for _, score in front] == sorted({score for _, score in front}, reverse=True)
    for speed, score in points:
        assert any(fast >= speed and good >= score for fast, good in front)
    for speed, score in front:
        assert not any(s >= speed and g >= score and (s, g) != (speed, score) for s, g in points)


def test_an_inline_picture_has_a_text_alternative_the_pages_colours_and_ids_of_its_own():
    source = plots.dot_plot("accuracy", ["m2d"], [Series("own", (POINT,), (0,), encoders=(7,))])
    svg = inline(source, "key", "A <title>", "in words")
    assert svg.startswith("<svg ")
    assert 'role="img"' in svg
    assert 'aria-labelledby="key-title key-desc"' in svg
    assert '<title id="key-title">A &lt;title&gt;</title><desc id="key-desc">in words</desc>' in svg
    assert "<style" not in svg
    assert "<metadata" not in svg
    assert "var(--c1)" in svg
    assert svg.count('data-e="7" data-s="0"') == 2
    assert not re.search("#[0-9a-f]{6}", svg)
    ids = set(re.findall(r' id="([^"]+)"', svg))
    assert all(name.startswith("key-") for name in ids)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    assert len(used) > 1
    assert used <= ids
    assert ids - used == {"key-title", "key-desc"}


@pytest.mark.parametrize("name", ["$\\frac{1}{2}", "$", "日本語", "a&b<c>", "_^{}", ""])
def test_any_name_can_be_drawn(name):
    """No mathematics, and no warning of a glyph that one font lacks."""
    svg = plots.dot_plot("accuracy", [name], [Series(name, (POINT,), (0,))])
    assert any(text == name for text in map(unescaped, texts(svg))) or not name


def unescaped(text):
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_a_long_name_and_control_characters_are_cut():
    assert short("a\nb\x00c") == "a b\ufffdc"
    assert len(short("x" * 200)) == 50


def test_dot_plot_shows_own_rows_filled_and_published_ones_hollow_below():
    rows = [make_scored("m2d", "us8k", 0.8, 1), make_scored("logmel", "us8k", 0.5, 2)]
    published = [Published("us8k", "PANN", "accuracy", "10 folds", "linear", "p", 0.79, None, None, "s")]
    made = board(rows)
    picture = dot_plot("us8k", made.tables, encoders(made), published)
    shown = [text for text in texts(picture.svg) if text in ("m2d", "logmel", "PANN")]
    assert shown == ["m2d", "logmel", "PANN"]
    assert picture.svg.count("fill-opacity: 0;") > 0
    assert "m2d 80.0 % (78.0 to 81.5)" in picture.svg
    assert "PANN 79.0 % (79.0 to 79.0)" in picture.svg


def test_a_probe_is_a_series_and_no_dot_is_the_best_of_several():
    rows = [make_scored("m2d", "us8k", 0.8, 1), make_scored("m2d", "us8k", 0.7, 2, probe="knn")]
    made = board(rows)
    svg = dot_plot("us8k", made.tables, encoders(made), []).svg
    assert "probe logistic, output last: m2d 80.0 %" in svg
    assert "probe knn, output last: m2d 70.0 %" in svg


def test_a_long_list_is_cut_and_says_so():
    made = board([make_scored(f"e{number}", "us8k", 0.5 + number / 100, number) for number in range(30)])
    picture = dot_plot("us8k", made.tables, encoders(made), [])
    assert picture.caption == f"Shown: {MOST_ENCODERS} of 30 encoders."
    assert "e29" in texts(picture.svg)
    assert "e0" not in texts(picture.svg)


def test_speed_plot_parts_devices_and_numbers_their_fronts():
    rows = [
        make_scored("good", "us8k", 0.8, 1, embed_clips_per_second=10.0),
        make_scored("fast", "us8k", 0.6, 2, embed_clips_per_second=900.0),
        make_scored("beaten", "us8k", 0.5, 3, embed_clips_per_second=10.0),
        make_scored("other", "us8k", 0.4, 4, embed_clips_per_second=1.0, device="cpu"),
    ]
    made = board(rows)
    picture = speed_plot("us8k", made.tables, encoders(made))
    assert picture.numbered == (
        (0, "good, 80.0 % at 10 clips/s"),
        (1, "fast, 60.0 % at 900 clips/s"),
        (3, "other, 40.0 % at 1 clips/s"),
    )
    assert {"NVIDIA H200", "cpu", "1", "2", "3"} <= set(texts(picture.svg))
    assert "beaten 50.0 %" in picture.svg


def test_speed_is_drawn_of_the_first_table_that_has_several_encoders_and_its_axis_has_few_numbers():
    rows = [make_scored("alone", "us8k", 0.8, 1)]
    for number in range(80):
        speed = 3.0 * 1.15**number
        rows.append(make_scored(f"e{number}", "us8k", 0.5, 2 + number, probe="knn", embed_clips_per_second=speed))
    made = board(rows)
    picture = speed_plot("us8k", made.tables, encoders(made))
    assert picture.probes == ("knn",)
    assert "61 of 80 encoders, the best" in picture.caption  # with the one of the front
    ticks = [text for text in texts(picture.svg) if re.fullmatch(r"[\d,]+k?", text) and text != "1"]
    assert 3 <= len([text for text in ticks if text.rstrip("k").strip("10,") == ""]) <= 6


def test_one_encoder_has_no_speed_plot():
    made = board([make_scored("m2d", "us8k", 0.8, 1)])
    assert speed_plot("us8k", made.tables, encoders(made)) is None
    assert [section.name for section in sections([], made, encoder_names(made.ranked), [])] == ["by-task"]


def test_layer_curve_draws_the_latest_run_of_each_layer():
    layers = [
        make_scored("m2d", "us8k", score, number, output=f"layer{layer:02d}", sweep=True, ranked=False)
        for number, (layer, score) in enumerate([(0, 0.5), (1, 0.6), (0, 0.55)])
    ]
    made = board(layers)
    (picture,) = layer_curves([each.result for each in made.apart], encoders(made))
    assert picture.title == "us8k: accuracy over layers, logistic"
    assert "m2d: 0: 55.0 %" in picture.svg
    assert "50.0 % (" not in picture.svg


def test_a_point_whose_interval_lies_elsewhere_is_drawn():
    """As a hand-edited row may have it."""
    odd = CurvePoint("odd", 0.9, 0.95, 0.1)
    assert "<svg" in plots.dot_plot("accuracy", ["odd"], [Series("s", (odd,), (0,))])
    assert "<svg" in plots.curve_plot("accuracy", "layer", [Series("s", (odd,), (3,))])
