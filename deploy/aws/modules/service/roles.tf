# Two roles a process: one with which ECS starts its tasks, one that its code has. No process shares either.

locals {
  assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${var.partition}:ecs:${var.region}:${var.account_id}:*" }
      }
    }]
  })

  # `valueFrom` may end with a key and a version of the secret, which are no part of its ARN
  secret_arns = distinct([for arn in concat(values(var.secrets), var.rds_certificates_arn[*]) : join(":", slice(split(":", arn), 0, 7))])

  # the collector writes the embedded metrics itself
  statements = concat(var.statements, [for image in var.collector_image[*] : {
    Sid      = "Metrics"
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }])
}

resource "aws_iam_role" "execution" {
  name               = "${var.cluster_name}-${var.name}-execution"
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        # the one action of ECR that knows no repository
        { Sid = "Login", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
        {
          Sid      = "Image"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = var.repository_arns
        },
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
        },
      ],
      length(local.secret_arns) == 0 ? [] : [
        { Sid = "Secrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = local.secret_arns },
        { Sid = "Key", Effect = "Allow", Action = ["kms:Decrypt"], Resource = [var.kms_key_arn] },
      ],
    )
  })
}

resource "aws_iam_role" "task" {
  name               = "${var.cluster_name}-${var.name}-task"
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy" "task" {
  count = length(local.statements) > 0 ? 1 : 0
  name  = "work"
  role  = aws_iam_role.task.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = local.statements
  })
}
