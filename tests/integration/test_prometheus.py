"""The alerts and the dashboard of deploy/ in a real Prometheus that asks a real vault."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from typing import TYPE_CHECKING, Any, Final

import prometheus
import yaml
from quick_account import QuickAccount
from raw_client import Guess, raw_client
from vault_process import REPOSITORY, make_softhsm, make_vault

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultProcess

ALERTS: Final = REPOSITORY / "deploy" / "prometheus-alerts.yml"
RULES: Final[list[dict[str, Any]]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
PANELS: Final[list[dict[str, Any]]] = json.loads(
    (REPOSITORY / "deploy" / "grafana-dashboard.json").read_text()
)["panels"]
SAMPLES: Final = "count_over_time(strongroom_serving[5m])"


def expressions() -> list[str]:
    """What the panels ask, of all instances."""
    targets = [target for panel in PANELS for target in panel.get("targets", ())]
    return [target["expr"].replace("$instance", ".*") for target in targets]


def traffic(vault: VaultProcess, account: QuickAccount) -> None:
    account.recover(vault)
    with raw_client(vault, account.name) as raw:
        raw.call(Guess.of("wrong").call)


def test_panels_and_alerts_over_a_real_vault(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        target = f"127.0.0.1:{probe.getsockname()[1]}"
    folder = make_vault(
        tmp_path / "vault", make_softhsm(tmp_path / "token"), metrics={"address": target}
    )
    with folder.start() as vault, prometheus.running(tmp_path, target, ALERTS) as server:
        account = QuickAccount("alice")
        account.register(vault)
        traffic(vault, account)
        server.wait_for(SAMPLES, lambda values: values != [] and values[0] >= 1)
        (before,) = server.wait_for("strongroom_events_total{event='released'}", lambda v: v == [1])
        traffic(vault, account)
        server.wait_for("strongroom_events_total{event='released'}", lambda v: v == [before + 1])

        assert server.series('{__name__=~"strongroom_.*", exported_job!=""}') == []
        for expression in expressions():
            assert prometheus.is_number(server.query(expression)), expression
        named = {
            name
            for text in [*expressions(), *(rule["expr"] for rule in RULES)]
            for name in re.findall(r"\bstrongroom_[a-z_]+", text)
        }
        assert named - server.names() == set()
        for rule in RULES:
            assert server.query(rule["expr"]) == [], rule["alert"]

        kinds = server.series("sum by (kind) (strongroom_token_jobs_total)")
        assert "StartRecovery" in {series["metric"].get("kind") for series in kinds}
        assert vault.stop() == 0
        down = next(rule["expr"] for rule in RULES if rule["alert"] == "StrongroomDown")
        server.wait_for(down, lambda values: values == [0])


FLAT: Final = "0+0x120"
# What each alert is to be seen in: series, a value every half minute, an hour of it.
SICK: Final[dict[str, dict[str, str]]] = {
    "StrongroomDown": {"up": FLAT},
    "StrongroomRollbackDetected": {"strongroom_rollback_detected": "1+0x120"},
    "StrongroomNotServing": {"strongroom_serving": FLAT},
    "StrongroomNoTokenWorkers": {"strongroom_token_workers_ready": FLAT},
    "StrongroomTokenWorkersMissing": {
        "strongroom_token_workers_ready": "1+0x120",
        "strongroom_token_workers": "2+0x120",
    },
    "StrongroomTokenWorkersLost": {"strongroom_token_workers_replaced_total": "0+1x120"},
    "StrongroomTokenJobsFail": {
        'strongroom_token_jobs_total{kind="StartRecovery",outcome="done"}': "0+10x120",
        'strongroom_token_jobs_total{kind="StartRecovery",outcome="unavailable"}': "0+1x120",
    },
    "StrongroomStoreErrors": {"strongroom_store_errors_total": "0+1x120"},
    "StrongroomInternalErrors": {
        'strongroom_requests_total{call="GetKey",outcome="INTERNAL"}': "0+1x120"
    },
    "StrongroomOverloaded": {
        'strongroom_requests_total{call="GetKey",outcome="OVERLOADED"}': "0+60x120"
    },
    "StrongroomSlow": {
        'strongroom_request_seconds_bucket{call="StartRecovery",le="2.5"}': FLAT,
        'strongroom_request_seconds_bucket{call="StartRecovery",le="5"}': "0+10x120",
        'strongroom_request_seconds_bucket{call="StartRecovery",le="+Inf"}': "0+10x120",
    },
    "StrongroomGuessing": {
        'strongroom_events_total{event="wrong password"}': "0+10x120",
        'strongroom_events_total{event="released"}': "0+0x120",
    },
    "StrongroomKeysDestroyed": {'strongroom_events_total{event="destroyed"}': "0+1x120"},
    "StrongroomCertificateExpires": {
        "strongroom_certificate_ends_seconds": f"{6 * 24 * 3600}+0x120",
        "strongroom_clock_seconds": "0+30x120",
    },
    "StrongroomCertificateExpired": {
        "strongroom_certificate_ends_seconds": "1+0x120",
        "strongroom_clock_seconds": "30+30x120",
    },
    "StrongroomRotationStuck": {
        "strongroom_rotation_under_way": "1+0x120",
        "strongroom_records_rewrapped_total": "7+0x120",
    },
}
ALSO: Final = {"StrongroomCertificateExpired": ["StrongroomCertificateExpires"]}
"""What fires beside another."""


def labelled(series: str) -> str:
    """A series as Prometheus has it of a vault that it asks."""
    name, _, labels = series.removesuffix("}").partition("{")
    return f'{name}{{instance="vault:9464",job="strongroom"{labels and ","}{labels}}}'


def fires(alert: str) -> dict[str, Any]:
    """A test of promtool's: this alert fires in its series, and no other does."""
    series = {labelled(name): values for name, values in SICK[alert].items()}
    expected = [alert, *ALSO.get(alert, ())]
    checks = [
        {
            "eval_time": "59m",
            "alertname": rule["alert"],
            "exp_alerts": [
                {
                    "exp_labels": {**rule["labels"], **_of_the_series(rule)},
                    "exp_annotations": {
                        name: text.replace("{{ $labels.instance }}", "vault:9464")
                        for name, text in rule["annotations"].items()
                    },
                }
            ]
            if rule["alert"] in expected
            else [],
        }
        for rule in RULES
    ]
    return {
        "interval": "30s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": checks,
    }


def _of_the_series(rule: dict[str, Any]) -> dict[str, str]:
    """The labels that an alert keeps of its series."""
    if "sum by (instance" in rule["expr"]:
        return {"instance": "vault:9464"}
    labels = {"instance": "vault:9464", "job": "strongroom"}
    if rule["alert"] == "StrongroomInternalErrors":
        labels |= {"call": "GetKey", "outcome": "INTERNAL"}
    return labels


def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    assert set(SICK) == {rule["alert"] for rule in RULES}
    file = tmp_path / "alerts.test.yml"
    tests = {"rule_files": [str(ALERTS)], "tests": [fires(alert) for alert in SICK]}
    file.write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_has_nothing_to_say() -> None:
    subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True, capture_output=True)
