"""`imagenet`: ImageNet-1K as its archives unpack, or as Kaggle has it: `train/SYNSET/*.JPEG` and `val/`.

    train/n01440764/n01440764_18.JPEG, val/ILSVRC2012_val_00000001.JPEG     below the folder, or ILSVRC/Data/CLS-LOC
    val/n01440764/ILSVRC2012_val_00000293.JPEG                              the same, sorted into classes

Labels of a `val/` that is not sorted come from LOC_val_solution.csv (Kaggle), or from the development kit:
ILSVRC2012_validation_ground_truth.txt, a number for each image in the order of their names, and meta.mat, which says
whose number it is. Label = the synset, group = the image. The validation images are the test, as everywhere in print:
the labels of the test images are not published.
Source: Russakovsky et al.: ImageNet Large Scale Visual Recognition Challenge, IJCV 2015.
"""

import re
from pathlib import Path

import pandas as pd

from evar.base.errors import DataError
from evar.data.readers.clip_files import clip_files
from evar.data.readers.contract import Reader, Reading
from evar.data.readers.matlab import read_matlab
from evar.data.readers.table_files import read_csv, read_lines, require_columns
from evar.data.task import Task

SOLUTION, NUMBERS, META = "LOC_val_solution.csv", "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
KITS = ("", "data", "devkit/data", "ILSVRC2012_devkit_t12/data")
SORTED = re.compile(r"(?P<part>train|val)/(?P<synset>n\d{8})/[^/]+")
FLAT = re.compile(r"val/(?P<name>ILSVRC2012_val_(?P<number>\d{8}))\.\w+")


def open_reader() -> Reader:
    """It has no options."""
    return ImageNet()


class ImageNet(Reader):
    """Lists the images, and finds the labels of those that no folder says."""

    wanted = "train/ with a folder for each synset (n01440764, ...), and val/"
    nests = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "ILSVRC2012", "imagenet", "imagenet-1k")

    def holds(self, folder: Path) -> bool:
        return next(folder.glob("train/n[0-9]*/"), None) is not None and (folder / "val").is_dir()

    def read(self, root: Path, task: Task) -> Reading:
        listing = clip_files(root, "image")
        labels = {path: match["synset"] for path in listing.paths if (match := SORTED.fullmatch(path))}
        flat = {path: match for path in listing.paths if (match := FLAT.fullmatch(path))}
        if flat:
            known = _labels(root)
            if strange := [path for path, match in flat.items() if int(match["number"]) not in known]:
                raise DataError(f"{root}: no list has the label of {strange[0]}")
            labels |= {path: known[int(match["number"])] for path, match in flat.items()}
        paths = list(labels)
        parts = ["train" if path.startswith("train/") else "test" for path in paths]
        table = {"path": paths, "labels": [(label,) for label in labels.values()], "part": parts, "group": paths}
        return Reading(pd.DataFrame(table).assign(seconds=float("nan")), remarks=listing.remarks)


def _labels(root: Path) -> dict[int, str]:
    """Number of a validation image -> its synset. Raises DataError where no list is there, or not whole."""
    above = [root, *list(root.parents)[:3]]  # Kaggle's list lies beside ILSVRC/
    solutions = [folder / SOLUTION for folder in above]
    kits = [folder / kit / NUMBERS for folder in above for kit in KITS if (folder / kit / META).is_file()]
    file = next((file for file in (*solutions, *kits) if file.is_file()), None)
    if file is None:
        raise DataError(
            f"{root}: val/ is not sorted into classes: put {SOLUTION} (of Kaggle), or {NUMBERS} and {META} (of the "
            "development kit) beside train/"
        )
    try:
        return _of_kaggle(file) if file.name == SOLUTION else _of_the_kit(file)
    except (ValueError, KeyError, IndexError) as error:
        raise DataError(f"{file}: not the list that it is called: {error!r}") from error


def _of_kaggle(file: Path) -> dict[int, str]:
    table = read_csv(file)
    require_columns(table, ["ImageId", "PredictionString"], file)
    images, said = table["ImageId"].tolist(), table["PredictionString"].tolist()
    return {int(name[-8:]): synset[:9] for name, synset in zip(images, said, strict=True)}


def _of_the_kit(file: Path) -> dict[int, str]:
    (synsets,) = read_matlab(file.with_name(META), "synsets")
    names = {int(each[0]): str(each[1]) for each in synsets}
    return {number: names[int(line)] for number, (_, line) in enumerate(read_lines(file), start=1)}
