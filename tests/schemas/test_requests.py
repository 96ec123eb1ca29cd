"""Rules that hold for every request model."""

from __future__ import annotations

from typing import get_args

import pytest

from chalicelib.schemas import requests, time_controls
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
