"""Lightning and transformers' Trainer: the same weights and logs with scores and without, and where scores go."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import evar
from tests.callbacks.test_scorer import Bands
from tests.tones import write_tones

STEPS = 4


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("adapters")
    write_tones(root)
    return root


@pytest.fixture
def scores(place: Path) -> evar.TrainingScorer:
    where = {"data": place / "data", "cache": place / "cache"}
    return evar.TrainingScorer(place / "tones.yaml", 2, encoder="encoder", limit=4, strict=True, **where)


class Clips(torch.utils.data.Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return 32

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        return {"waveforms": torch.sin(torch.arange(4000) * (0.1 + 0.02 * number)), "labels": torch.tensor(number % 3)}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.filterwarnings("ignore")  # of Lightning: few workers, no progress bar, its own use of torch
def test_lightning_trains_alike_and_its_loggers_and_monitors_get_the_scores(
    scores: evar.TrainingScorer, tmp_path: Path
) -> None:
    lightning = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed")
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger

    from evar.callbacks import LightningScores

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.head = Bands(), nn.Linear(8, 3)

        def training_step(self, batch: dict[str, Tensor], number: int) -> Tensor:
            logits = self.head(self.encoder(batch["waveforms"]).mean(1))
            loss = nn.functional.cross_entropy(logits, batch["labels"])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=1e-2)

    def train(folder: Path, *callbacks: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
        torch.manual_seed(0)
        module, loader = Module(), torch.utils.data.DataLoader(Clips(), batch_size=4, shuffle=True)
        trainer = lightning.Trainer(
            max_steps=STEPS, accelerator="cpu", precision="bf16-mixed", accumulate_grad_batches=2, log_every_n_steps=1,
            callbacks=[*callbacks], logger=CSVLogger(folder, version=""), enable_progress_bar=False,
            enable_model_summary=False, enable_checkpointing=bool(callbacks),
        )  # fmt: skip
        trainer.fit(module, loader)
        return module.state_dict(), trainer.callback_metrics

    best = ModelCheckpoint(tmp_path / "best", monitor="evar/tones", mode="max", every_n_train_steps=2, save_top_k=2)
    plain, _ = train(tmp_path / "plain")
    scored, metrics = train(tmp_path / "scored", LightningScores(scores), best)
    assert same(plain, scored)
    assert list(scores.scores) == [0, 2, 4]
    assert float(metrics["evar/tones"]) == pytest.approx(scores.scores[4]["tones"])
    assert float(best.best_model_score) == pytest.approx(max(scores.scores[2]["tones"], scores.scores[4]["tones"]))
    (table,) = (tmp_path / "scored").rglob("metrics.csv")
    assert sum("evar/tones" in line for line in table.read_text().splitlines()[:1]) == 1


@pytest.mark.filterwarnings("ignore")  # of transformers and accelerate
def test_the_trainer_of_transformers_trains_and_logs_alike_and_reports_the_scores(
    scores: evar.TrainingScorer, tmp_path: Path
) -> None:
    pytest.importorskip("accelerate", reason="transformers' Trainer needs accelerate, which is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from evar.callbacks import TrainerScores

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.head = Bands(), nn.Linear(8, 3)

        def forward(self, waveforms: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.head(self.encoder(waveforms).mean(1))
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    def train(scored: bool) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
        torch.manual_seed(0)
        settings = transformers.TrainingArguments(
            str(tmp_path), max_steps=STEPS, per_device_train_batch_size=4, gradient_accumulation_steps=2, use_cpu=True,
            logging_steps=1, report_to=[], disable_tqdm=True, save_strategy="no", log_level="error",
        )  # fmt: skip
        trainer = transformers.Trainer(Model(), settings, train_dataset=Clips())
        trainer.remove_callback(transformers.PrinterCallback)
        if scored:
            trainer.add_callback(TrainerScores(scores, trainer))
        trainer.train()
        logged = [{**each} for each in trainer.state.log_history if "train_runtime" not in each]
        return trainer.model.state_dict(), logged

    (plain, losses), (scored, logged) = train(scored=False), train(scored=True)
    assert same(plain, scored)
    reported = {each["step"]: each["evar/tones"] for each in logged if "evar/tones" in each}
    assert reported == {step: found["tones"] for step, found in scores.scores.items()}
    assert list(reported) == [0, 2, 4]
    assert [each for each in logged if "evar/tones" not in each] == losses
