"""docs/finetuning.md has the recipes' values."""

import re
from pathlib import Path

from evar.tuning.recipe import make_recipe, table

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "finetuning.md").read_text(encoding="utf-8")


def test_table_has_every_recipe_with_its_values():
    rows = {line.split("|")[1].strip(): line for line in TEXT.splitlines() if line.startswith("| ")}
    for name in table().recipes:
        recipe, cells = make_recipe(name, None, {}), [cell.strip() for cell in rows[name].split("|")]
        assert cells[2].lower().startswith(recipe.optimizer)
        assert float(re.search(r"\d\S*?(?=,|$)", cells[2].replace("0.9 and 0.95", ""))[0]) == recipe.lr
        assert cells[3:9] == [
            f"{recipe.batch_size}", f"{recipe.epochs}, {recipe.warmup_epochs:g}", f"{recipe.mixup:g}",
            f"{recipe.freq_mask}, {recipe.time_mask}", f"{recipe.patchout:g}", "yes" if recipe.crop else "no",
        ]  # fmt: skip
