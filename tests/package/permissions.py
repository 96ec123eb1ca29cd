"""A template with its conditions resolved, and the permissions of its functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Conditions = Mapping[str, bool]
NOTHING = {"Ref": "AWS::NoValue"}


class Permission(NamedTuple):
    """An action on a resource; ``where`` is the resource's name, or the end of its ARN."""

    effect: str
    action: str
    where: str


@dataclass(frozen=True)
class Template:
    """A template after the SAM transform."""

    body: Mapping[str, Any]

    def of_type(self, kind: str) -> dict[str, Any]:
        return {
            name: one["Properties"]
            for name, one in self.body["Resources"].items()
            if one["Type"] == kind
        }

    def properties(self, name: str, conditions: Conditions) -> Any:
        """A resource's properties with ``conditions``."""
        return resolve_conditions(self.body["Resources"][name]["Properties"], conditions)

    def permissions(self, function: str, conditions: Conditions) -> set[Permission]:
        """The allowed and denied actions of a function."""
        (role, _) = self.properties(function, conditions)["Role"]["Fn::GetAtt"]
        role_properties = self.properties(role, conditions)
        managed = (
            self.properties(one["Ref"], conditions) for one in role_properties["ManagedPolicyArns"]
        )
        return {
            permission
            for policy in (*role_properties["Policies"], *managed)
            for statement in policy["PolicyDocument"]["Statement"]
            for permission in _permissions(statement)
        }


def resolve_conditions(value: Any, conditions: Conditions) -> Any:
    """The value with every ``Fn::If`` resolved."""
    if isinstance(value, dict):
        if "Fn::If" in value:
            condition, then, otherwise = value["Fn::If"]
            return resolve_conditions(then if conditions[condition] else otherwise, conditions)
        items = {key: resolve_conditions(one, conditions) for key, one in value.items()}
        return {key: one for key, one in items.items() if one != NOTHING}
    if isinstance(value, list):
        return [
            one for one in (resolve_conditions(one, conditions) for one in value) if one != NOTHING
        ]
    return value


def _permissions(statement: Mapping[str, Any]) -> Iterator[Permission]:
    for action in _several(statement["Action"]):
        for resource in _several(statement["Resource"]):
            yield Permission(statement["Effect"], action, _where(resource))


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _where(resource: Any) -> str:
    match resource:
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return name
        case {"Fn::Sub": str(arn)}:
            assert arn.startswith("arn:${AWS::Partition}:execute-api:${AWS::Region}:")
            assert "${AWS::AccountId}:" in arn
            return arn.rpartition("${AWS::AccountId}:")[2]
        case _:
            return str(resource)
