# Alerts of Cloud Monitoring: what Google's services measure by themselves, and what our processes do where they are scraped.

locals {
  sql = "resource.type = \"cloudsql_database\" AND resource.labels.database_id = \"${var.project}:${var.database_instance}\""

  # thresholds on metrics of Google's services, which need no scrape
  thresholds = {
    database-disk = {
      title     = "The database's disk is nearly full"
      filter    = "${local.sql} AND metric.type = \"cloudsql.googleapis.com/database/disk/utilization\""
      aligner   = "ALIGN_MEAN"
      above     = 0.85
      duration  = "600s"
      severity  = "CRITICAL"
      what_next = "The disk grows by itself up to the project's quota; if it does not, raise `disk_gigabytes`. See whether retention runs: `scribe_rabbit_retention_last_success_timestamp_seconds`."
    }
    database-cpu = {
      title     = "The database has no processor left"
      filter    = "${local.sql} AND metric.type = \"cloudsql.googleapis.com/database/cpu/utilization\""
      aligner   = "ALIGN_MEAN"
      above     = 0.9
      duration  = "900s"
      severity  = "WARNING"
      what_next = "Query Insights names the statements. Searches and transcripts can go to a replica (`replica_tier`), else take a larger `tier`."
    }
    database-connections = {
      title     = "The database's connections are nearly used up"
      filter    = "${local.sql} AND metric.type = \"cloudsql.googleapis.com/database/postgresql/num_backends\""
      aligner   = "ALIGN_MAX"
      above     = var.max_connections * 0.85
      duration  = "600s"
      severity  = "WARNING"
      what_next = "Instances times SCRIBE_POSTGRES_POOL_SIZE must stay below `max_connections`: lower the pools or the most instances."
    }
    kafka-lag = {
      title     = "A consumer group falls behind"
      filter    = "resource.type = \"managedkafka.googleapis.com/TopicPartitionConsumerGroup\" AND resource.labels.cluster_id = \"${var.kafka_cluster}\" AND metric.type = \"managedkafka.googleapis.com/offset_lag\""
      aligner   = "ALIGN_MAX"
      above     = var.most_lag
      duration  = "1800s"
      severity  = "WARNING"
      what_next = "`scribe why JOB` names what holds a job. Groups of GPU processes: are there nodes, and quota for more? Faust apps: do their instances restart?"
    }
    shim-errors = {
      title     = "The REST shim answers with errors of its own"
      filter    = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${var.api_service}\" AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
      aligner   = "ALIGN_RATE"
      above     = var.errors_per_second
      duration  = "300s"
      severity  = "CRITICAL"
      what_next = "The service's log names what is away: PostgreSQL, the bucket or Kafka. Accepted jobs are safe: they stand in the database."
    }
  }

  # what our processes count, read by Google's Prometheus from the pods
  queries = var.scraped ? {
    jobs-fail = {
      title     = "Many jobs fail"
      query     = "sum(rate(scribe_rabbit_jobs_failed_total[30m])) / clamp_min(sum(rate(scribe_rabbit_jobs_failed_total[30m])) + sum(rate(scribe_rabbit_jobs_completed_total[30m])), 0.001) > 0.1"
      duration  = "900s"
      severity  = "CRITICAL"
      what_next = "`scribe jobs --state failed` shows the reasons; one reason for all of them is ours, many are their recordings."
    }
    jobs-stall = {
      title     = "Jobs do not move"
      query     = "sum(scribe_rabbit_jobs_stalled) > 0"
      duration  = "600s"
      severity  = "CRITICAL"
      what_next = "`scribe database stalled` lists them, `scribe why JOB` says what holds each."
    }
    outbox-waits = {
      title     = "Accepted jobs do not reach Kafka"
      query     = "max(scribe_rabbit_outbox_pending) > 1000"
      duration  = "600s"
      severity  = "CRITICAL"
      what_next = "Is a relay up, and does it reach Kafka? Its log names an ACL that it lacks."
    }
    dead-letters = {
      title     = "Records became dead letters"
      query     = "sum(increase(scribe_rabbit_records_processed_total{outcome=\"dead_lettered\"}[15m])) > 0"
      duration  = "0s"
      severity  = "WARNING"
      what_next = "`scribe dlq list` shows the reasons, `scribe dlq redrive` brings back what can succeed."
    }
    webhooks-wait = {
      title     = "Webhooks are late"
      query     = "max(scribe_rabbit_webhooks_oldest_due_seconds) > 900"
      duration  = "600s"
      severity  = "WARNING"
      what_next = "Is a dispatcher up? One endpoint that hangs delays itself alone: its history says so."
    }
    results-held = {
      title     = "Webhooks wait for results that nobody applies"
      query     = "max(scribe_rabbit_webhook_deliveries_awaiting_result) > 0"
      duration  = "600s"
      severity  = "CRITICAL"
      what_next = "The persist app does not keep up or does not run: see its lag and its log."
    }
    erasures-wait = {
      title     = "Erasures that were asked for are not done"
      query     = "max(scribe_rabbit_erasures_pending) > 0"
      duration  = "86400s"
      severity  = "CRITICAL"
      what_next = "Retention does not run, or cannot delete objects: its log says which."
    }
  } : {}
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.emails

  display_name = "Scribe Rabbit ${each.key}"
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each = local.thresholds

  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = each.value.duration

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = each.value.aligner
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = each.value.what_next
  }
  alert_strategy {
    auto_close = "86400s"
  }
}

resource "google_monitoring_alert_policy" "query" {
  for_each = local.queries

  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = each.value.duration
      evaluation_interval = "60s"
      # a metric that no process has counted yet is none that is misspelt
      disable_metric_validation = true
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = each.value.what_next
  }
  alert_strategy {
    auto_close = "86400s"
  }
}

# from outside, as clients see it: name, certificate, balancer and shim
resource "google_monitoring_uptime_check_config" "health" {
  display_name = "${var.name}: the shim answers"
  timeout      = "10s"
  period       = "60s"

  http_check {
    path         = "/health"
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }
  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project, host = var.domain }
  }
}

resource "google_monitoring_alert_policy" "health" {
  display_name          = "${var.name}: The shim does not answer"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = "The shim does not answer"

    condition_threshold {
      filter          = "resource.type = \"uptime_url\" AND metric.type = \"monitoring.googleapis.com/uptime_check/check_passed\" AND metric.labels.check_id = \"${google_monitoring_uptime_check_config.health.uptime_check_id}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "120s"

      aggregations {
        alignment_period     = "120s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Does the domain still lead to the balancer, and is its certificate valid? Else the service's log says what is away."
  }
  alert_strategy {
    auto_close = "86400s"
  }
}
