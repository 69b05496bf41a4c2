"""Requests made up from the OpenAPI document, right and wrong ones: no failure, and answers as it says."""

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serve.shop import Server

OPERATIONS = [
    "POST /recommend",
    "POST /similar",
    "POST /search",
    "POST /search/image",
    "POST /explain",
    "GET /items",
    "GET /items/{item}",
    "GET /items/{item}/picture",
    "GET /users",
    "GET /users/{user}",
    "GET /health",
    "GET /metrics",
    "POST /reload",
]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
"""Not that every well-formed request is answered: most of its items are unknown, and then it is not."""


@pytest.fixture(scope="module")
def document(server: Server) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def operations(document: schemathesis.BaseSchema) -> dict[str, schemathesis.APIOperation]:
    found = [result.ok() for result in document.get_all_operations()]
    return {operation.label: operation for operation in found}


def test_no_operation_is_left_out(document: schemathesis.BaseSchema) -> None:
    assert sorted(operations(document)) == sorted(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_is_answered_otherwise_than_documented(
    document: schemathesis.BaseSchema, label: str
) -> None:
    operation = operations(document)[label]
    takes_input = bool(list(operation.iter_parameters())) or bool(operation.body)
    can_be_wrong = takes_input and "{" not in label  # any text may be the id in a path
    modes = [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if can_be_wrong else [])]
    with requests.Session() as session:
        for mode in modes:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=20 if takes_input else 1,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            def check(case: schemathesis.Case) -> None:
                case.call_and_validate(checks=CHECKS, session=session)

            check()
