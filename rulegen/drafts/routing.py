"""A first AlertRouting file: tiers that suit most teams, and receivers to be filled in."""

from rulegen.spec.routing import PLACEHOLDER

ROUTING = f"""\
# Who is told, how, and when: one file for all models of an Alertmanager. Put yours in place of each
# {PLACEHOLDER}; `mlslo-rulegen generate` names those that are left.
apiVersion: mlslo/v1
kind: AlertRouting
metadata: {{name: default}}
spec:
  target: {{prometheus: "2.42", alertmanager: "0.25"}}     # the oldest that load the files
  evaluationInterval: 1m
  tiers:
    P1: {{severity: critical, receivers: [oncall, chat]}}  # somebody is woken
    P2: {{severity: warning, receivers: [chat]}}
    P3: {{severity: info, receivers: [digest], repeatInterval: 24h, groupInterval: 1h}}
  groupBy: [model, slo]
  receivers:                                             # Alertmanager's own keys; secrets by file only
    oncall:
      pagerduty_configs: [{{routing_key_file: /etc/alertmanager/secrets/{PLACEHOLDER}-pagerduty}}]
    chat:
      slack_configs: [{{api_url_file: /etc/alertmanager/secrets/slack, channel: "#{PLACEHOLDER}-ml-alerts"}}]
    digest:
      slack_configs: [{{api_url_file: /etc/alertmanager/secrets/slack, channel: "#{PLACEHOLDER}-ml-digest"}}]
    dead-mans-switch:                                    # raises the alarm when it hears nothing
      webhook_configs: [{{url: "http://{PLACEHOLDER}.invalid/ping"}}]
  inhibit:                                               # an outage of the service explains the rest
    - {{source: {{layer: service, tier: P1}}, target: {{layers: [data, prediction, outcome]}}, equal: [model]}}
  suppressLowerTiers: true
  watchdog: {{receivers: [dead-mans-switch]}}
"""
