# Tasks read their secrets when they start. When the database has a new password, or an operator says so, they start anew, one
# service beside the other, each as an upgrade does it: nothing is lost.

resource "aws_iam_role" "renewal" {
  name = "${var.name}-renewal"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "states.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "renewal" {
  name = "start-anew"
  role = aws_iam_role.renewal.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Services", Effect = "Allow", Action = "ecs:UpdateService", Resource = local.service_arns },
      {
        Sid    = "Logs"
        Effect = "Allow"
        # of delivery to CloudWatch none can be limited to one log group
        Action = [
          "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
          "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
        ]
        Resource = "*"
      },
    ]
  })
}

locals {
  service_arns = [for name in var.services : "arn:${var.partition}:ecs:${var.region}:${var.account_id}:service/${var.cluster_name}/${name}"]
}

resource "aws_cloudwatch_log_group" "renewal" {
  # services that write here by themselves expect this prefix
  name              = "/aws/vendedlogs/states/${var.name}-renewal"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_sfn_state_machine" "renewal" {
  name     = "${var.name}-renewal"
  role_arn = aws_iam_role.renewal.arn

  definition = jsonencode({
    Comment = "Starts every service anew, so that its tasks read their secrets again"
    StartAt = "Services"
    States = {
      Services = {
        Type   = "Pass"
        Result = var.services
        Next   = "Each"
      }
      Each = {
        Type = "Map"
        ItemProcessor = {
          StartAt = "StartAnew"
          States = {
            StartAnew = {
              Type     = "Task"
              Resource = "arn:${var.partition}:states:::aws-sdk:ecs:updateService"
              Parameters = {
                Cluster            = var.cluster_name
                "Service.$"        = "$"
                ForceNewDeployment = true
              }
              Retry = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 10, MaxAttempts = 5, BackoffRate = 2 }]
              End   = true
            }
          }
        }
        End = true
      }
    }
  })

  logging_configuration {
    log_destination = "${aws_cloudwatch_log_group.renewal.arn}:*"
    # names of services, nothing else
    include_execution_data = true
    level                  = "ERROR"
  }

  tracing_configuration {
    enabled = false
  }
}

# the event comes by CloudTrail: the account needs a trail
resource "aws_cloudwatch_event_rule" "rotated" {
  name        = "${var.name}-rotated"
  description = "The database has a new password"
  event_pattern = jsonencode({
    source      = ["aws.secretsmanager"]
    detail-type = ["AWS Service Event via CloudTrail"]
    detail = {
      eventSource         = ["secretsmanager.amazonaws.com"]
      eventName           = ["RotationSucceeded"]
      additionalEventData = { SecretId = [var.rotated_secret_arn] }
    }
  })
}

resource "aws_iam_role" "events" {
  name = "${var.name}-rotated"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "events.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "events" {
  name = "start"
  role = aws_iam_role.events.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "states:StartExecution", Resource = aws_sfn_state_machine.renewal.arn }]
  })
}

resource "aws_cloudwatch_event_target" "rotated" {
  rule     = aws_cloudwatch_event_rule.rotated.name
  arn      = aws_sfn_state_machine.renewal.arn
  role_arn = aws_iam_role.events.arn
}
