"""Scores while weights are trained: what comes of them, and that the training is the same to the bit."""

import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import evar
from evar.base.errors import UsageError
from evar.callbacks.undisturbed import FLOAT32, undisturbed
from evar.leaderboard.runs import read_rows
from tests.tones import RATE, write_tones


class Bands(nn.Module):
    """Frames of a few bands, behind a normalisation with running statistics and a dropout: modes matter.

    Its forward draws from every generator and throws a few switches, as somebody's may.
    """

    sample_rate = RATE

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Linear(40, 8)
        self.norm = nn.BatchNorm1d(8)
        self.dropout = nn.Dropout(0.3)

    def forward(self, waveforms: Tensor) -> Tensor:
        torch.rand(1), np.random.rand(1), random.random()  # noqa: NPY002
        torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
        frames = torch.fft.rfft(waveforms.unfold(1, 400, 160)).abs()[:, :, 1:201].unflatten(2, (40, 5)).mean(3)
        units = self.weights((1e-3 + frames).log())
        normed: Tensor = self.norm(units.flatten(0, 1)).view(units.shape)
        return self.dropout(normed)


class Trained(nn.Module):
    """What a training holds: an encoder in a wrapper, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder: nn.Module = nn.DataParallel(Bands()) if torch.cuda.device_count() == 0 else Bands()
        self.head = nn.Linear(8, 3)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("loop")
    write_tones(root)
    return root


@pytest.fixture
def scorer(place: Path) -> Callable[..., evar.TrainingScorer]:
    def make(every: int = 2, task: Any = place / "tones.yaml", **more: Any) -> evar.TrainingScorer:
        return evar.TrainingScorer(task, every, data=place / "data", cache=place / "cache", **more)

    return make


def cached(place: Path) -> list[Path]:
    return list((place / "cache" / "embeddings").glob("*"))


def train(score: Callable[[nn.Module, int], object], steps: int = 6) -> list[Tensor]:
    """A training of every kind of state; gives all that it ends with, and what would be drawn next."""
    random.seed(1), np.random.seed(2), torch.manual_seed(3)  # noqa: NPY002
    trained = Trained()
    trained.encoder.get_submodule("module.norm" if hasattr(trained.encoder, "module") else "norm").eval()
    trained.head.bias.requires_grad_(False)
    optimizer = torch.optim.AdamW([each for each in trained.parameters() if each.requires_grad], lr=1e-2)
    losses, drawn = [], []
    for step in range(steps + 1):
        with torch.autocast("cpu", torch.bfloat16):
            logits = trained.head(trained.encoder(torch.randn(4, 4000)).mean(1))
            loss = nn.functional.cross_entropy(logits, torch.randint(3, (4,)))
            loss.backward()
            score(trained, step)  # with gradients that are not used yet, and under autocast
        if step % 2:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.detach())
        drawn.append(torch.rand(2, dtype=torch.float64) + random.random() + np.random.rand())  # noqa: NPY002
    grads = [each.grad for each in trained.parameters() if each.grad is not None]
    modes = torch.tensor([each.training for each in trained.modules()])
    moments = [each for state in optimizer.state_dict()["state"].values() for each in state.values()]
    return [*trained.state_dict().values(), *grads, modes, *moments, *losses, *drawn]


def test_a_training_is_the_same_to_the_bit_with_scores_and_without(scorer: Any, place: Path) -> None:
    """Its embeddings are removed again, and it finds errors of the evaluation no more than a note."""
    scores, broken = scorer(encoder="encoder"), Trained()
    broken.encoder = nn.Linear(1, 1)

    def score(trained: nn.Module, step: int) -> None:
        scores(trained, step)
        if step == 3:
            assert scores.score(broken, step) is None

    plain, watched = train(lambda trained, step: None), train(score)
    assert len(plain) == len(watched) > 30
    assert all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True))
    assert list(scores.scores) == [0, 2, 4, 6]
    assert len({each["tones"] for each in scores.scores.values()}) > 1
    assert all(0.3 < each["tones"] <= 1 for each in scores.scores.values())
    assert cached(place) == []


def switches() -> list[Any]:
    """All that a training may have switched, as torch says it."""
    said: list[Any] = [place.fp32_precision for place in FLOAT32]
    readers: list[Callable[[], Any]] = [
        lambda: torch.backends.cuda.matmul.allow_tf32, lambda: torch.backends.cudnn.allow_tf32,
        torch.get_float32_matmul_precision,
    ]  # fmt: skip
    for read in readers:
        try:
            said.append(read())
        except RuntimeError:  # the older and the newer way were mixed
            said.append("mixed")
    cudnn = torch.backends.cudnn
    return [
        *said, torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads(), cudnn.benchmark,
        cudnn.deterministic, torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(), torch.is_autocast_enabled("cpu"),
    ]  # fmt: skip


def set_float32(name: str, value: str) -> None:
    owner: Any = torch.backends
    for part in name.split(".") if name else ():
        owner = getattr(owner, part)
    owner.fp32_precision = value


@pytest.fixture(scope="module")
def plain(place: Path) -> tuple[Bands, dict[str, float]]:
    """A module, and its score where nothing is switched."""
    torch.manual_seed(0)
    module, settings = Bands(), {"data": place / "data", "cache": place / "cache", "limit": 4}
    found = evar.TrainingScorer(place / "tones.yaml", 1, strict=True, **settings).score(module, 1)
    assert found
    return module, found


@pytest.fixture
def restored() -> Iterator[None]:
    with undisturbed():
        yield


@pytest.mark.parametrize(
    "switch",
    [
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.set_num_threads(3),
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: set_float32("cuda.matmul", "tf32"),
        lambda: set_float32("cudnn.conv", "ieee"),
        lambda: set_float32("mkldnn.matmul", "bf16"),
        lambda: set_float32("", "tf32"),
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
    ],
)
def test_a_switch_of_the_training_changes_no_score_and_stays(
    scorer: Any, plain: tuple[Bands, dict[str, float]], restored: None, switch: Callable[[], object]
) -> None:
    module, expected = plain
    switch()
    before = switches()
    assert scorer(limit=4, strict=True).score(module, 2) == expected
    assert switches() == before


def test_modes_that_forbid_gradients_change_no_score_and_stay(scorer: Any) -> None:
    module, scores = Bands(), scorer(limit=4, strict=True, probe="m2d_paper(epochs=2)")
    expected = scores.score(module, 1)
    with torch.inference_mode():
        assert scores.score(module, 2) == expected
        assert torch.is_inference_mode_enabled()
    with torch.device("meta"):
        assert scores.score(module, 3) == expected
        assert torch.empty(1).is_meta


def test_scores_are_those_of_an_evaluation_of_the_same_weights(scorer: Any, place: Path) -> None:
    torch.manual_seed(0)
    trained, scores = Trained(), scorer(encoder=lambda trained: trained.encoder, name="mine", probe="knn")
    found = scores.score(trained, 7)
    task, module = place / "tones.yaml", getattr(trained.encoder, "module", trained.encoder)
    (result,) = evar.evaluate(task, module, probe="knn", data=place / "data", cache=place / "elsewhere")
    assert found == {"tones": result.score}
    assert (scores.results[0].encoder, scores.results[0].step, scores.results[0].ranked) == ("mine", 7, False)


def test_rows_and_lines_are_kept_where_they_are_asked_for_and_a_resumed_training_goes_on(
    scorer: Any, tmp_path: Path
) -> None:
    results, table = tmp_path / "results", tmp_path / "scores.csv"
    for steps in (range(5), range(5, 9)):
        scores = scorer(every=4, results=results, csv=table, limit=4)
        for step in steps:
            scores(Bands(), step)
    assert pd.read_csv(table)["step"].tolist() == [0, 4, 8]
    rows = read_rows(results)
    assert sorted((row.step, row.ranked, row.limit) for row in rows) == [(step, False, 4) for step in (0, 4, 8)]
    assert pd.read_csv(table)["score"].iloc[-1] == pytest.approx(scores.scores[8]["tones"])
    (tmp_path / "mine.csv").write_text("step,loss\n")
    with pytest.raises(UsageError, match=r"mine\.csv is there, and no table of scores while training"):
        scorer(csv=tmp_path / "mine.csv")


def test_a_step_that_is_jumped_over_is_scored_at_the_next_one(scorer: Any) -> None:
    scores = scorer(every=4, limit=4)
    called = [step for step in (1, 3, 5, 5, 6, 9, 2, 4) if scores(Bands(), step)]
    assert called == [5, 9, 4]
    assert list(scorer(shots=(1, 2), draws=1, probe="centroid").score(Bands(), 1)) == ["tones/1-shot", "tones/2-shot"]


def test_what_fails_is_a_warning_but_at_step_0_and_where_it_is_asked_for(scorer: Any, notes: list[str]) -> None:
    for step, strict in ((0, False), (2, True)):
        with pytest.raises(UsageError, match="module Linear: it has no sample_rate"):
            scorer(strict=strict)(nn.Linear(2, 2), step)
    scores = scorer(log_to=lambda scores, step: 1 / 0)
    assert scores(nn.Linear(2, 2), 2) is None
    assert scores(Bands(), 4) is None
    assert notes[-1] == "not scored at step 4, the training goes on: ZeroDivisionError: division by zero"
    assert "step 2, the training goes on: UsageError: module Linear: it has no sample_rate" in notes[0]


def test_scores_go_to_tensorboard_and_to_weights_and_biases(scorer: Any, tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logged: list[Any] = []

    class Run:
        """What a run of Weights & Biases is called with."""

        def log(self, data: dict[str, float], commit: bool) -> None:
            logged.append((data, commit))

    with tensorboard.SummaryWriter(str(tmp_path)) as writer:
        written, noted = scorer(log_to=writer, limit=4), scorer(log_to=Run(), limit=4)
        for step in (2, 4):
            written(Bands(), step), noted(Bands(), step)
    events = EventAccumulator(str(tmp_path)).Reload()
    found = {event.step: event.value for event in events.Scalars("evar/tones")}
    assert found == {step: pytest.approx(scores["tones"]) for step, scores in written.scores.items()}
    assert logged == [
        ({"evar/tones": scores["tones"], "evar/step": step}, False) for step, scores in noted.scores.items()
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"every": 0}, "every must be a whole number of steps of at least 1, not 0"),
        ({"every": 2.5}, "every must be a whole number of steps"),
        ({"task": "tonse"}, "unknown task 'tonse'"),
        ({"task": "gtzan"}, "task gtzan: .* not found"),
        ({"probe": "knn, logistic"}, "a training is scored by one probe, not by 2"),
        ({"probe": "knnn"}, "unknown probe 'knnn': did you mean knn?"),
        ({"limt": 3}, "unknown setting 'limt': did you mean limit?"),
        ({"log_to": "tensorboard"}, "log_to must be a SummaryWriter of TensorBoard, a run of .*, not 'tensorboard'"),
        ({"encoder": 3}, "encoder must be an attribute's name or a function, not 3"),
        ({"log_to": logging.getLogger()}, "log_to must be a SummaryWriter"),
    ],
)
def test_a_mistake_is_found_before_the_training(scorer: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(evar.base.errors.EvarError, match=said):
        scorer(**settings)


def test_an_encoder_that_is_not_there_is_named(scorer: Any) -> None:
    with pytest.raises(UsageError, match="encoder 'encodre': Trained has no module of this name"):
        scorer(encoder="encodre")(Trained(), 0)
    with pytest.raises(UsageError, match="the function of encoder gives no module, but 4"):
        scorer(encoder=lambda trained: 4)(Trained(), 0)
