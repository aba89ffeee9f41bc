"""The solver's parts, each against what it stands for."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from evar.base.threads import pieces
from evar.probes.linear import Standardiser
from evar.probes.solver import losses
from evar.probes.solver.certificate import _newton_step
from evar.probes.solver.designs import Designs
from evar.probes.solver.lbfgs import PAIRS, CurvaturePairs, inner
from evar.probes.solver.precision import fast_products, products_round, split
from evar.probes.solver.precondition import Preconditioner
from evar.probes.solver.rows import RowBlocks
from evar.probes.solver.workers import Workers

CPU = torch.device("cpu")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmax_loss(logits: Tensor, y: Tensor, member: Tensor) -> Tensor:
    own = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), y.repeat_interleave(member.shape[1]), reduction="none"
    )
    return (own.view(member.shape) * member).sum(0)


def one_logit_loss(logits: Tensor, positive: Tensor, member: Tensor) -> Tensor:
    own = torch.nn.functional.binary_cross_entropy_with_logits(logits[..., 0], positive.double(), reduction="none")
    return (own * member).sum(0)


def check_terms(terms: losses.Terms, plain: Callable[[Tensor], Tensor], logits: Tensor) -> None:
    expected = logits.clone().requires_grad_()
    value = plain(expected)
    value.sum().backward()
    torch.testing.assert_close(terms.value, value.detach())
    torch.testing.assert_close(terms.residual, expected.grad)
    assert terms.curvature is not None
    for problem in range(logits.shape[1]):
        hessian = torch.autograd.functional.hessian(
            lambda shift, problem=problem: plain(logits + shift)[problem], torch.zeros_like(logits[0])
        )
        torch.testing.assert_close(terms.curvature[problem], hessian[problem, :, problem])


def test_softmax_terms_are_the_loss_s_derivatives() -> None:
    logits, y = 3 * drawn(20, 3, 4), torch.arange(20) % 4
    member = torch.rand(20, 3, generator=torch.Generator().manual_seed(1)) < 0.7
    terms = losses.softmax(logits.clone(), y, member, curvature=True)
    check_terms(terms, lambda shifted: softmax_loss(shifted, y, member), logits)


def test_one_logit_terms_are_the_loss_s_derivatives() -> None:
    logits, positive = 3 * drawn(20, 3, 1), drawn(20, 3, seed=2) > 0
    member = torch.rand(20, 3, generator=torch.Generator().manual_seed(1)) < 0.7
    terms = losses.one_logit(logits, positive, member)
    check_terms(terms, lambda shifted: one_logit_loss(shifted, positive, member), logits)


def test_rows_of_others_count_nothing_whatever_their_logits() -> None:
    logits, y, member = drawn(4, 1, 3), torch.tensor([0, 1, 2, 0]), torch.tensor([[True], [True], [True], [False]])
    wild = logits.clone()
    wild[3] = torch.inf
    for curvature in (False, True):
        calm = losses.softmax(logits[:3].clone(), y[:3], None, curvature=curvature)
        found = losses.softmax(wild.clone(), y, member, curvature=curvature)
        assert torch.equal(found.value, calm.value)
        assert torch.equal(found.residual[:3], calm.residual)
        assert (found.residual[3] == 0).all()


def test_class_that_a_problem_lacks_has_no_residual() -> None:
    logits = drawn(6, 2, 3)
    logits[:, 1, 2] = -torch.inf
    terms = losses.softmax(logits, torch.tensor([0, 1] * 3), None, curvature=True)
    assert torch.isfinite(terms.value).all()
    assert (terms.residual[:, 1, 2] == 0).all()


def test_preconditioner_is_the_inverse_hessian_without_weights() -> None:
    z, y, c = drawn(50, 4), torch.arange(50) % 3, 0.3
    z = z - z.mean(0)
    spectrum, basis = torch.linalg.eigh(z.T @ z / 50)
    z = z @ basis
    bias = torch.tensor([0.5, -0.2, 0.1], dtype=torch.float64)

    def objective(parameters: Tensor) -> Tensor:
        logits = z @ parameters[:, :-1].T + parameters[:, -1]
        loss = torch.nn.functional.cross_entropy(logits, y, reduction="sum")
        return c * loss + parameters[:, :-1].square().sum() / 2

    start = torch.cat([torch.zeros(3, 4, dtype=torch.float64), bias[:, None]], dim=1)
    hessian = torch.autograd.functional.hessian(objective, start).reshape(15, 15)
    shares = torch.softmax(bias, 0)
    curvature = 50 * (torch.diag(shares) - torch.outer(shares, shares))
    apply = Preconditioner.of(curvature[None], torch.tensor([c]), torch.tensor([50.0]), spectrum.float())
    wanted = drawn(3, 5, seed=3)
    wanted -= wanted.mean(0)  # the direction in which all logits rise alike is left out
    found = apply((hessian @ wanted.flatten()).view(1, 3, 5).float())[0].double()
    torch.testing.assert_close(found - found.mean(0), wanted, rtol=1e-4, atol=1e-4)


def test_latest_pair_is_honoured_and_old_ones_are_forgotten() -> None:
    pairs = CurvaturePairs()
    for number in range(PAIRS + 3):
        step = drawn(2, 3, 4, seed=number).float()
        change = 2 * step + 0.1 * drawn(2, 3, 4, seed=100 + number).float()
        pairs.add(step, change)
    assert len(pairs.steps) == PAIRS
    torch.testing.assert_close(-pairs.direction(change, lambda v: v / 3, slice(None)), step, rtol=1e-4, atol=1e-4)


def test_pairs_that_do_not_curve_up_or_are_forgotten_count_nothing() -> None:
    pairs, step, gradient = CurvaturePairs(), drawn(2, 3, 4).float(), drawn(2, 3, 4, seed=1).float()
    pairs.add(step, torch.stack([step[0], -step[1]]))
    plain = -gradient / 3
    found = pairs.direction(gradient, lambda v: v / 3, slice(None))
    assert torch.equal(found[1], plain[1])
    assert not torch.allclose(found[0], plain[0])
    pairs.forget(torch.tensor([True, False]))
    assert torch.equal(pairs.direction(gradient, lambda v: v / 3, slice(None)), plain)


def test_inner_products_are_summed_in_float64() -> None:
    assert inner(torch.tensor([[[1e8, 1.0, -1e8]]]), torch.ones(1, 1, 3)).item() == 1.0


def test_newton_step_solves_for_intercepts_and_leaves_absent_classes() -> None:
    logits, y = drawn(60, 1, 4), torch.arange(60) % 3
    logits[..., 3] = -torch.inf
    present = torch.tensor([[1.0, 1, 1, 0]], dtype=torch.float64)
    for _ in range(8):
        terms = losses.softmax(logits.clone(), y, None, curvature=True)
        slope = terms.residual.sum(0)
        assert terms.curvature is not None
        step = _newton_step(slope, terms.curvature, present)
        assert step[0, 3] == 0
        logits = logits + step
    assert slope.abs().max() < 1e-10


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_designs_are_standardised_as_their_own_rows_alone_would_be(offset: float) -> None:
    x = (np.random.default_rng(0).normal(size=(300, 6)) + offset).astype(np.float32)
    x[:150, 0] = 7.0  # constant in one design, not in the other
    x[:, 1] = 7.0  # in both
    x[:150, 2] = offset + 1e-3 * np.arange(150)  # hardly varies there, and far from where the others are
    x[150:, 2] += 1e3
    trains = [np.arange(150), np.arange(40, 300)]
    with Workers(CPU) as workers:
        blocks = RowBlocks(x, np.arange(300), workers)
        designs = Designs.of(blocks, np.arange(300), trains, workers)
        for number, train in enumerate(trains):
            expected, found = Standardiser.of(x[train]), designs.standardiser(blocks, number)
            assert np.array_equal(found.scale == 0, expected.scale == 0)
            np.testing.assert_allclose(found(x), expected(x), rtol=2e-4, atol=2e-4)


def test_results_come_in_order_from_one_thread_each() -> None:
    before = torch.get_num_threads()
    with Workers(CPU) as workers:
        found = list(workers.in_order(lambda item: (item, torch.get_num_threads(), threading.get_ident()), range(50)))
    assert [item for item, _, _ in found] == list(range(50))
    assert {threads for _, threads, _ in found} == {1}
    assert torch.get_num_threads() == before


def test_error_of_a_worker_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evar.base.threads.cores", lambda: 2)
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Workers(CPU) as workers:
        list(workers.in_order(work, range(1000)))
    assert len(begun) < 10


def test_pieces_cover_everything_once() -> None:
    assert [list(range(10))[piece] for piece in pieces(10, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_fast_products_are_asked_for_and_given_back() -> None:
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    with fast_products(CPU):
        assert matmul.fp32_precision == "bf16"
        assert products_round(CPU) in (True, False)
    assert matmul.fp32_precision == before
    assert not products_round(CPU)


def test_split_terms_are_short_and_lose_next_to_nothing() -> None:
    matrix = drawn(50, 50).float()
    high, low = split(matrix)
    assert torch.equal(high.bfloat16().float(), high)
    error = (high + low.bfloat16().float() - matrix).abs()
    assert (error <= 2.0**-16 * matrix.abs()).all()


def test_preconditioner_does_without_eigenvectors_that_are_not_to_be_had(monkeypatch):
    def give_up(matrix):
        raise torch.linalg.LinAlgError("no convergence")

    curvature = torch.tensor([[[0.2, 0.1], [0.1, 0.4]]], dtype=torch.float64)
    monkeypatch.setattr(torch.linalg, "eigh", give_up)
    made = Preconditioner.of(curvature, torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([3.0]))
    assert torch.equal(made.rates, torch.tensor([[0.2, 0.4]]))
    assert torch.equal(made.turn, torch.eye(2)[None])
