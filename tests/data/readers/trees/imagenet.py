"""ImageNet-1K as Kaggle has it: 1,000 synsets, and few of the images."""

from pathlib import Path

from evar.data.task import Task, load_task
from evar.testing.trees import touch

LISTED = False
STRADDLING = 0
SYNSETS = [f"n{number:08}" for number in range(1440764, 1441764)]
GONE = f"ImageNet/ILSVRC/Data/CLS-LOC/train/{SYNSETS[0]}"
PARTS = {"train": 5_000, "test": 1_000}


def plant(data: Path) -> Task:
    """Write the images, and the list of those that no folder gives a label."""
    task = load_task("imagenet1k")
    assert task.expects
    train = [f"train/{synset}/{synset}_{n}.JPEG" for synset in SYNSETS for n in range(PARTS["train"] // 1000)]
    valid = {f"ILSVRC2012_val_{n:08}": SYNSETS[n % 1000] for n in range(1, PARTS["test"] + 1)}
    touch(data / "ImageNet/ILSVRC/Data/CLS-LOC", [*train, *(f"val/{name}.JPEG" for name in valid)])
    lines = [f"{name},{synset} 1 1 2 2 \n" for name, synset in valid.items()]
    (data / "ImageNet/LOC_val_solution.csv").write_text("".join(["ImageId,PredictionString\n", *lines]))
    fewer = task.expects.model_copy(update={"rows": sum(PARTS.values()), "parts": PARTS})
    return task.model_copy(update={"expects": fewer})
