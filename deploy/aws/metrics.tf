# Metrics of the processes in CloudWatch: a collector beside the process reads its /metrics every half minute and writes
# what is named here into the process's log, in the embedded metric format, of which CloudWatch makes metrics.

locals {
  metric_namespace = "ScribeRabbit/${var.name}"
  prefix           = "scribe_rabbit_"
  audio_pending    = "${local.prefix}audio_pending_seconds"

  # by process: metrics with the labels that become dimensions; each series is paid for, so few
  published = {
    api = {
      port = local.api_port
      metrics = {
        "${local.audio_pending}"               = ["state"]
        "${local.prefix}jobs_oldest_seconds"   = ["state"]
        "${local.prefix}outbox_oldest_seconds" = []
      }
    }
    dispatch = {
      port    = local.metrics_port
      metrics = { "${local.prefix}webhooks_oldest_due_seconds" = [], "${local.prefix}webhook_deliveries_awaiting_result" = [] }
    }
    retention = {
      port    = local.metrics_port
      metrics = { "${local.prefix}jobs_stalled" = ["state"], "${local.prefix}erasures_pending" = [] }
    }
  }

  # YAML takes JSON
  collector_config = {
    for process, each in local.published : process => jsonencode({
      receivers = {
        prometheus = {
          config = {
            scrape_configs = [{
              job_name        = process
              scrape_interval = "30s"
              metrics_path    = "/metrics"
              static_configs  = [{ targets = ["127.0.0.1:${each.port}"] }]
              metric_relabel_configs = [
                { source_labels = ["__name__"], regex = join("|", keys(each.metrics)), action = "keep" },
              ]
            }]
          }
        }
      }
      exporters = {
        awsemf = {
          namespace               = local.metric_namespace
          region                  = local.region
          log_group_name          = "/${var.name}/${process}"
          log_stream_name         = "metrics/{TaskId}"
          dimension_rollup_option = "NoDimensionRollup"
          metric_declarations = [
            for name, labels in each.metrics : { dimensions = [labels], metric_name_selectors = ["^${name}$"] }
          ]
        }
      }
      service = {
        pipelines = { metrics = { receivers = ["prometheus"], exporters = ["awsemf"] } }
      }
    })
  }
}
