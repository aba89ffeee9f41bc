from pathlib import Path

from evar import plots


def curves() -> list[plots.RateCurve]:
    points = tuple(plots.CurvePoint("", value, value - 0.1, value + 0.1) for value in (0.2, 0.4, 0.3))
    return [plots.RateCurve(name, (1e-3, 1e-2, 1e-1), points, points[0]) for name in ("one", "other")]


def test_rate_curves_are_the_same_file_every_time_and_name_their_parts(tmp_path: Path) -> None:
    texts = []
    for name in ("a.svg", "b.svg"):
        plots.rate_curves(tmp_path / name, "a title", "accuracy", curves(), other="beside it")
        texts.append((tmp_path / name).read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert all(f">{text}<" in texts[0] for text in ("one", "other", "beside it", "learning rate", "accuracy, %"))
