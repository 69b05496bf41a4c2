"""A shared table gives the values and the summed gradients of a table a batch."""

import torch

from recbole_mmm4rec.model.shared_table import SharedTable


def test_gradients_of_several_batches_are_those_of_separate_tables() -> None:
    torch.manual_seed(0)
    adapter, features = torch.nn.Linear(3, 2), torch.randn(5, 3)
    rows = [torch.tensor([1, 2]), torch.tensor([2, 4, 4])]
    expected = sum((adapter(features)[part] ** 2).sum() for part in rows)
    expected.backward()
    separate = [parameter.grad.clone() for parameter in adapter.parameters()]
    adapter.zero_grad()

    calls = []
    table = SharedTable(lambda: calls.append(1) or {"text": adapter(features), "constant": features})
    for part in rows:
        (table()["text"][part] ** 2).sum().backward()
    assert adapter.weight.grad is None
    table.backward()
    assert len(calls) == 1
    assert not table()["constant"].requires_grad
    for parameter, gradient in zip(adapter.parameters(), separate, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_table_that_nobody_asked_for_is_never_made() -> None:
    def refuse() -> dict[str, torch.Tensor]:
        raise AssertionError

    SharedTable(refuse).backward()


def test_without_gradients_nothing_is_sent_on() -> None:
    adapter = torch.nn.Linear(3, 2)
    with torch.no_grad():
        table = SharedTable(lambda: {"text": adapter(torch.ones(4, 3))})
        table()
    table.backward()
    assert adapter.weight.grad is None
