"""Sweeps on a Ray cluster: the rows and bits of single runs, whatever dies meanwhile. Real nodes on this machine."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import evar
from evar.base.errors import DataError, UsageError
from evar.cluster import pool
from evar.data.store import Store
from tests.cluster.sleeper import Sleeper
from tests.tones import write_tones

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

STORE_BYTES = 80 << 20
ENCODER = '''
import os, pathlib, ray, time, torch

class Slow(torch.nn.Module):
    """Takes its time, fits few clips at once, and says which process it runs in."""

    sample_rate = 16000

    def __init__(self, seconds, most, marks):
        super().__init__()
        self.seconds, self.most, self.marks = seconds, most, marks

    def forward(self, waveforms):
        if len(waveforms) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if len(waveforms) > 2:  # the test signal has two
            node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
            pathlib.Path(self.marks, f"{node}-{os.getpid()}").touch()
            time.sleep(self.seconds)
        return waveforms.reshape(len(waveforms), 40, -1).std(dim=2)

def open_encoder(weights, seconds=0.0, most=1000, marks="."):
    return Slow(seconds, most, marks)
'''


@pytest.fixture(scope="module")
def nodes():
    """A cluster of a head without devices and two nodes of one CPU."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        root = str(Path(__file__).parents[2])
        patch.setenv("PYTHONPATH", f"{root}:{os.environ.get('PYTHONPATH', '')}")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        quick = {"health_check_period_ms": 300, "health_check_failure_threshold": 5, "health_check_initial_delay_ms": 0}
        head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False, "_system_config": quick}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            added = [cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES) for _ in range(2)]
            yield cluster, added
        finally:
            cluster.shutdown()


def test_a_call_whose_worker_is_lost_is_given_to_another(nodes, notes, monkeypatch):
    monkeypatch.setattr(pool, "MOST_LOSSES", 2)
    with pool.connection(nodes[0].address, "cpu") as devices:
        assert (devices.kind, devices.count) == ("CPU", 2)
        workers = pool.Pool(Sleeper, (), devices)
        try:
            calls = [workers.begin("wait", lambda facts, n=n: (0.3, n)) for n in range(4)]
            os.kill(calls[-1].facts, signal.SIGKILL)
            calls += [workers.begin("wait", lambda facts, n=n: (0.3, n)) for n in (4, 5)]
            answers = [call.result() for call in calls]
            assert [value for _, value in answers] == list(range(6))
            assert len(workers.lost) == 1
            assert "was lost" in " ".join(notes)
            with pytest.raises(DataError, match="its own text"):
                workers.begin("fail", lambda facts: ("its own text",)).result()
            with pytest.raises(DataError, match="it ended 2 workers, one after another"):
                workers.begin("end", lambda facts: ()).result()
        finally:
            workers.close()
        refusing = pool.Pool(Sleeper, (), devices, lambda facts: "of another kind")
        with pytest.raises(UsageError, match="of another kind"):
            refusing.begin("wait", lambda facts: (0, 0))


def test_a_sweep_that_loses_a_worker_and_a_node_has_the_rows_of_single_runs(nodes, tmp_path, monkeypatch, notes):
    cluster, added = nodes
    task, marks = write_tones(tmp_path), tmp_path / "marks"
    marks.mkdir()
    slow = tmp_path / "slow.py"
    slow.write_text(ENCODER)
    encoders = [
        f"file(path='{slow}', options={{'seconds': 0.2, 'most': 6, 'marks': '{marks}'}})",  # 12 clips do not fit
        f"file(path='{tmp_path}/none.py')",
        "logmel",
    ]
    how = {"config": evar.Config(data=tmp_path / "data", cache=tmp_path / "here", device="cpu", batch_size=12)}
    single = [
        row
        for encoder in (encoders[0].replace("0.2", "0.0"), encoders[2])
        for row in evar.evaluate(task, encoder, probe="knn,centroid", **how)
    ]
    for mark in marks.iterdir():
        mark.unlink()

    def kill():
        """A worker of one node, and the other node, in the middle of their work."""
        while len({file.name.partition("-")[0] for file in marks.iterdir()}) < 2:
            time.sleep(0.05)
        (process,) = (file.name.partition("-")[2] for file in marks.glob(f"{added[0].node_id}-*"))
        os.kill(int(process), signal.SIGKILL)
        cluster.remove_node(added[1], allow_graceful=False)

    part = Store.part

    def elsewhere(store, rows, *, whole):
        """As if the workers' machines had no store under that path."""
        made = part(store, rows, whole=whole)
        return made if whole else replace(made, data=tmp_path / "none" / "samples-1.bin")

    monkeypatch.setattr(Store, "part", elsewhere)
    threading.Thread(target=kill, daemon=True).start()
    how["config"] = evar.Config(data=tmp_path / "data", cache=tmp_path / "head", device="cpu", batch_size=12)
    cells = evar.sweep(encoders, task, "knn,centroid", results=tmp_path / "results", cluster=cluster.address, **how)
    states = [(cell.state, cell.why) for cell in cells if "no file" not in cell.why]
    assert states == [("done", "")] * 4
    assert [cell.state for cell in cells if "no file" in cell.why] == ["failed"] * 2
    swept = [row for cell in cells for row in cell.results]
    for one, other in zip(single, swept, strict=True):
        assert (one.score, one.low, one.high, one.parts, one.metrics) == (
            other.score, other.low, other.high, other.parts, other.metrics
        )  # fmt: skip
    assert sum("was lost" in note for note in notes) >= 2
    assert sum("clips are sent there, since" in note for note in notes) == 1
    bits = [
        {
            file.parent.name.rpartition("-")[0]: np.load(file).tobytes()  # the key has the seconds too
            for file in (tmp_path / cache).glob("embeddings/*/last.npy")
        }
        for cache in ("here", "head")
    ]
    assert bits[0] == bits[1]
    assert len(bits[0]) == 2
    assert len(evar.read_rows(tmp_path / "results")) == 4
