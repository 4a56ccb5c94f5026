output "policies" {
  description = "The alerts' names."
  value = sort(concat(
    [for policy in google_monitoring_alert_policy.threshold : policy.display_name],
    [for policy in google_monitoring_alert_policy.query : policy.display_name],
    [google_monitoring_alert_policy.health.display_name],
  ))
}
