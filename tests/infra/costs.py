"""What a stage costs at rest: computed from the templates, .chalice/config.json and list prices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from infra.merge_templates import merge_templates
from infra.packaging import CONFIG

ROOT = Path(__file__).parents[2]
RESOURCES = merge_templates()["Resources"]

# List prices in US dollars for us-east-1, on demand, first tier, without free tiers, as of
# 2026-09-30. Copied by hand from https://aws.amazon.com/SERVICE/pricing/ of each service named.
ALARM_METRIC_MONTH = "0.10"  # cloudwatch
CUSTOM_METRIC_MONTH = "0.30"  # cloudwatch
LOG_GB = "0.50"  # cloudwatch, ingestion
SECRET_MONTH = "0.40"  # secrets-manager
LAMBDA_GB_SECOND = "0.0000133334"  # lambda, arm64
INVOCATIONS_MILLION = "0.20"  # lambda
DATA_OUT_GB = "0.09"  # ec2/on-demand, data transfer out to the internet
NAT_HOUR = "0.045"  # vpc
NAT_GB = "0.045"  # vpc
PUBLIC_ADDRESS_HOUR = "0.005"  # vpc
STORE_GB_HOUR = "0.084"  # elasticache, serverless, Valkey
STORE_UNITS_MILLION = "0.0023"  # elasticache, serverless, Valkey
REST_CALLS_MILLION = "3.50"  # api-gateway
MESSAGES_MILLION = "1.00"  # api-gateway

HOURS, MINUTES = 730, 43_800
STORE_MINIMUM_GB = "0.1"

# What a sweep that finds nothing takes, generously: tests/infra/test_idle_sweep.py measures it.
SWEEP_SECONDS = "0.5"
SWEEP_UNITS = 300
SWEEP_KB = 8
SWEEP_LOG_KB = "0.6"


class Item(NamedTuple):
    """A row of a table of costs."""

    what: str
    arithmetic: str


def with_own_store() -> list[Item]:
    """An idle stage whose store is not the stack's."""
    config = json.loads((ROOT / CONFIG).read_bytes())
    (memory_mb,) = {
        stage["lambda_functions"]["sweep"].get("lambda_memory_size", config["lambda_memory_size"])
        for stage in config["stages"].values()
    }
    return [
        Item("alarms, by the metrics they watch", f"{ALARM_METRIC_MONTH} x {_watched(False)}"),
        Item("metrics that the sweep writes", f"{CUSTOM_METRIC_MONTH} x 2"),
        Item("the token key", f"{SECRET_MONTH} x {_count('AWS::SecretsManager::Secret', False)}"),
        Item(
            f"the sweep: {memory_mb} MB for {SWEEP_SECONDS} s each minute",
            f"{LAMBDA_GB_SECOND} x {memory_mb / 1024:g} x {SWEEP_SECONDS} x {MINUTES}",
        ),
        Item("its invocations", f"{INVOCATIONS_MILLION} / 1000000 x {MINUTES}"),
        Item(
            f"its log lines, {SWEEP_LOG_KB} KB with Lambda's own",
            f"{LOG_GB} / 1000000 x {SWEEP_LOG_KB} x {MINUTES}",
        ),
        Item(
            f"what it sends to the store, {SWEEP_KB} KB",
            f"{DATA_OUT_GB} / 1000000 x {SWEEP_KB} x {MINUTES}",
        ),
    ]


def added_by_network_and_store() -> list[Item]:
    """What is added where the stack makes a store, and a network for it."""
    assert _count("AWS::ElastiCache::ServerlessCache", True) == 1
    return [
        Item("NAT gateway", f"{NAT_HOUR} x {HOURS} x {_count('AWS::EC2::NatGateway', True)}"),
        Item(
            "its public address",
            f"{PUBLIC_ADDRESS_HOUR} x {HOURS} x {_count('AWS::EC2::EIP', True)}",
        ),
        Item("Valkey, 100 MB at least", f"{STORE_GB_HOUR} x {STORE_MINIMUM_GB} x {HOURS}"),
        Item(
            f"the sweep's requests, {SWEEP_UNITS} units",
            f"{STORE_UNITS_MILLION} / 1000000 x {SWEEP_UNITS} x {MINUTES}",
        ),
        Item(
            "the store's password",
            f"{SECRET_MONTH} x {_count('AWS::SecretsManager::Secret', True)}",
        ),
        Item("alarms on both", f"{ALARM_METRIC_MONTH} x {_watched(True)}"),
    ]


def _resources(kind: str, in_network: bool) -> Iterator[dict[str, Any]]:
    """Those that only a stack with its own store has, or those that every stack has."""
    for resource in RESOURCES.values():
        only_there = resource.get("Condition") == "MakesStore"
        if resource.get("Type") == kind and only_there == in_network:
            yield resource


def _count(kind: str, in_network: bool) -> int:
    return len(list(_resources(kind, in_network)))


def _watched(in_network: bool) -> int:
    """Metrics that alarms watch, which is what CloudWatch charges for."""
    return sum(
        sum("MetricStat" in metric for metric in alarm["Properties"].get("Metrics", [])) or 1
        for alarm in _resources("AWS::CloudWatch::Alarm", in_network)
    )
