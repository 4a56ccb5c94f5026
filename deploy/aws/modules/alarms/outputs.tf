output "topic_arn" {
  description = "Topic that carries the alarms: subscribe a pager to it."
  value       = aws_sns_topic.this.arn
}

output "names" {
  description = "Every alarm."
  value       = sort(concat([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name], [for alarm in aws_cloudwatch_metric_alarm.errors : alarm.alarm_name]))
}
