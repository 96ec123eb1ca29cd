"""Rules that hold for every request model."""

from __future__ import annotations

from typing import get_args

import pytest

from chalicelib.schemas import requests, time_controls
from chalicelib.schemas.errors import InvalidRequest
from chalicelib.schemas.fields import Request

MODELS = sorted(
    {
        model
        for module in (requests, time_controls)
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, Request)
    },
    key=lambda model: model.__name__,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_null_is_accepted_for_every_field_that_can_be_left_out(model: type[Request]) -> None:
    optional = {name: one for name, one in model.model_fields.items() if not one.is_required()}

    accepting = {
        name
        for name, one in optional.items()
        if type(None) in (one.annotation, *get_args(one.annotation))
        or "JsonValue" in str(one.annotation)
    }

    assert accepting == optional.keys()


@pytest.mark.parametrize(
    ("delta_ms", "message"),
    [
        (2_678_400_001, "Input should be less than or equal to 2678400000, got 2678400001"),
        (
            10**400,
            f"Input should be less than or equal to 2678400000, got 1{'0' * 39}...",
        ),
    ],
)
def test_value_out_of_bounds_is_shown_in_part(delta_ms: int, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        requests.read(requests.AdjustTime, b'{"delta_ms": %d}' % delta_ms)

    assert [detail["message"] for detail in refused.value.details] == [message]
