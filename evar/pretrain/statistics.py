"""Mean and standard deviation of a dataset's log-mel, which a model normalises its input by."""

import numpy as np
import torch

from evar.base.errors import DataError
from evar.data.audio import FULL_SCALE
from evar.nn.frontend import LogMel
from evar.pretrain.crops import Epochs

SAMPLES = 2_000  # crops that are measured at most
AT_ONCE = 50
EPOCH = 2**32  # that no run reaches: its crops are nobody else's


def measure_norm_stats(epochs: Epochs, log_mel: LogMel, device: torch.device) -> tuple[float, float]:
    """(mean, standard deviation) over all numbers of the log-mel of up to `SAMPLES` crops, padding left out.

    Raises DataError where the audio is all alike, so that nothing could be divided by its deviation.
    """
    count, total, squares = 0, 0.0, 0.0
    order = epochs.order(EPOCH).ravel()[:SAMPLES]
    for start in range(0, len(order), AT_ONCE):
        crops = epochs.crops(EPOCH, order[start : start + AT_ONCE])
        spectra = log_mel(crops.waveforms.to(device).float() / FULL_SCALE).double().cpu()
        frames = crops.lengths // log_mel.hop + 1  # the others hold nothing but padding
        inside = torch.arange(spectra.shape[2])[None, :] < frames[:, None]
        numbers = spectra.transpose(1, 2)[inside].numpy()
        count += numbers.size
        total += float(numbers.sum())
        squares += float(np.square(numbers).sum())
    mean = total / count
    deviation = max(0.0, squares / count - mean * mean) ** 0.5
    if deviation < 1e-3:
        raise DataError(f"the audio is all alike: its log-mel is {mean:.2f} everywhere (silence?)")
    return mean, deviation
