"""Small copies of datasets of images in their native layouts; see `native_trees.py`."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet as pq
from scipy.io import savemat

from tests.data.native_trees import Truth, dealt, write


def picture(name: str, kind: str = "PNG", size: tuple[int, int] = (12, 9)) -> bytes:
    """A file of noise, another one for each name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def paint(root: Path, paths: Iterable[str], content: Callable[[str], bytes] = picture) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content(path))


def imagenet(root: Path, kaggle: bool = False) -> Truth:
    """As in torchvision imagenet.py: the archives as they unpack, and the development kit; or Kaggle's."""
    place = root / "ImageNet"
    folder = place / "ILSVRC" / "Data" / "CLS-LOC" if kaggle else place
    synsets = ["n01440764", "n02101388", "n15075141"]
    truth = {f"train/{name}/{name}_{n}.JPEG": (name, "train") for name in synsets for n in (18, 2)}
    shown = [synsets[2], synsets[0], synsets[1], synsets[0]]
    names = [f"ILSVRC2012_val_{number:08}" for number in range(1, 5)]
    truth |= {f"val/{name}.JPEG": (label, "test") for name, label in zip(names, shown, strict=True)}
    paint(folder, truth, lambda name: picture(name, "JPEG"))
    if kaggle:
        lines = [f"{name},{label} 111 108 441 193 " for name, label in zip(names, shown, strict=True)]
        write(place / "LOC_val_solution.csv", "\n".join(["ImageId,PredictionString", *reversed(lines)]) + "\n")
    else:
        kit = place / "ILSVRC2012_devkit_t12" / "data"
        ids = {name: number for number, name in enumerate(["n15075141", "n01440764", "n02101388"], start=1)}
        write(kit / "ILSVRC2012_validation_ground_truth.txt", "".join(f"{ids[label]}\n" for label in shown))
        kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
        rows = [(number, name, "a, b", "c", 0) for name, number in ids.items()] + [(1001, "n00001740", "d", "e", 2)]
        savemat(kit / "meta.mat", {"synsets": np.array(rows, dtype=kinds)})
    return {path: (label, part, path) for path, (label, part) in truth.items()}


def cifar(folder: str, label: str) -> Callable[[Path], Truth]:
    """As on the Hugging Face Hub: columns img and label, or fine_label and coarse_label."""

    def plant(root: Path) -> Truth:
        names, truth = ["apple", "aquarium_fish", "baby"], Truth()
        for split in ("train", "test"):
            file = f"data/{split}-00000-of-00001.parquet"
            images = [{"bytes": picture(f"{split} {n}", size=(32, 32)), "path": None} for n in range(6)]
            columns = {"img": pa.array(images), label: pa.array([n % 3 for n in range(6)])}
            if label == "fine_label":
                columns["coarse_label"] = pa.array([0] * 6)
            features = {"img": {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}
            info = {"huggingface": json.dumps({"info": {"features": features}})}
            (root / folder / "data").mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(columns).replace_schema_metadata(info), root / folder / file)
            for n in range(6):
                path = f"{file}/img/{n:09}"
                truth[path] = (names[n % 3], split, path)
        return truth

    return plant


def eurosat(root: Path) -> Truth:
    """As in torchvision eurosat.py: 2750/CLASS/CLASS_N.jpg."""
    names = [f"{label}_{n}" for label in ("AnnualCrop", "SeaLake") for n in range(1, 9)]
    truth = {
        f"{name.partition('_')[0]}/{name}.jpg": (
            name.partition("_")[0],
            dealt(name, {"train": 3, "valid": 1, "test": 1}),
            name,
        )
        for name in names
    }
    paint(root / "EuroSAT" / "2750", truth, lambda name: picture(name, "JPEG"))
    return truth


def dtd(root: Path) -> Truth:
    """As in torchvision dtd.py: images/CLASS/NAME.jpg, labels/train1.txt, val1.txt and test1.txt."""
    truth = Truth()
    for number, (part, name) in enumerate({"train": "train1", "valid": "val1", "test": "test1"}.items()):
        files = [f"{label}/{label}_{number:04}.jpg" for label in ("banded", "polka-dotted")]
        write(root / "DTD" / "dtd" / "labels" / f"{name}.txt", "".join(f"{file}\n" for file in files))
        truth |= {f"images/{file}": (file.partition("/")[0], part, f"images/{file}") for file in files}
    write(root / "DTD" / "dtd" / "labels" / "train2.txt", "banded/banded_0002.jpg\n")
    paint(root / "DTD" / "dtd", truth, lambda name: picture(name, "JPEG"))
    return truth


def pets(root: Path) -> Truth:
    """As in torchvision oxford_iiit_pet.py: images/BREED_N.jpg, annotations/trainval.txt and test.txt: name, 3 ids."""
    truth = Truth()
    for part, name in {"train": "trainval", "test": "test"}.items():
        files = [f"{breed}_{len(part) + n}" for breed in ("Abyssinian", "american_pit_bull_terrier") for n in (1, 20)]
        lines = [f"{file} {1 + file.startswith('american')} 1 1\n" for file in files]
        write(root / "Pets" / "annotations" / f"{name}.txt", "".join(lines))
        truth |= {f"images/{file}.jpg": (file.rpartition("_")[0], part, f"images/{file}.jpg") for file in files}
    paint(root / "Pets", truth, lambda name: picture(name, "JPEG"))
    return truth


def flowers(root: Path) -> Truth:
    """As in torchvision flowers102.py: jpg/image_NNNNN.jpg, labels of all images, image numbers of each split."""
    split = {"train": [2, 5, 6], "valid": [1, 4], "test": [3, 7, 8]}
    labels = [1, 1, 77, 77, 77, 102, 102, 1]
    place = root / "Flowers"
    truth = {
        f"jpg/image_{number:05}.jpg": (str(labels[number - 1]), part, f"jpg/image_{number:05}.jpg")
        for part, numbers in split.items()
        for number in numbers
    }
    paint(place, truth, lambda name: picture(name, "JPEG"))
    savemat(place / "imagelabels.mat", {"labels": np.array([labels], np.uint8)})
    numbers = {"train": "trnid", "valid": "valid", "test": "tstid"}
    savemat(place / "setid.mat", {name: np.array([split[part]], np.uint16) for part, name in numbers.items()})
    return truth


IMAGE_TREES: dict[str, Callable[[Path], Truth]] = {
    "imagenet1k": imagenet,
    "cifar10": cifar("CIFAR-10", "label"),
    "cifar100": cifar("CIFAR-100", "fine_label"),
    "eurosat_own": eurosat,
    "dtd": dtd,
    "pets": pets,
    "flowers": flowers,
}
