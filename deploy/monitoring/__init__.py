"""Alert rules with their tests, the runbook they link to, and Grafana dashboards made from the table of metrics."""
