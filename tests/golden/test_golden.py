"""Golden numbers, in every clone; and the whole reference files where they are present."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.golden import numbers


def test_every_configuration_has_golden_numbers() -> None:
    assert len(numbers.FRONTENDS) == 2
    assert len(numbers.ENCODERS) == 6
    assert {file.stem for file in numbers.FOLDER.glob("*.npz")} == set(numbers.CONFIGURATIONS)
    for configuration in numbers.CONFIGURATIONS:
        golden = np.load(numbers.FOLDER / f"{configuration}.npz")
        for key in ("seeded_short", "seeded_long"):
            assert golden[key].size >= numbers.COUNT
            assert golden[key].std() > 0


@pytest.mark.parametrize("configuration", numbers.CONFIGURATIONS)
def test_seeded_golden_numbers_are_reproduced(configuration: str, device: torch.device) -> None:
    golden = np.load(numbers.FOLDER / f"{configuration}.npz")
    for key, ours in numbers.seeded(configuration, device).items():
        assert numbers.relative_error(ours, golden[key]) <= numbers.tolerance(configuration), key


@pytest.mark.parametrize("configuration", numbers.CONFIGURATIONS)
def test_reference_files_are_reproduced(configuration: str, shared: Path) -> None:
    errors = dict(numbers.reference_errors(configuration, shared))
    assert errors
    assert max(errors.values()) <= numbers.tolerance(configuration), errors
