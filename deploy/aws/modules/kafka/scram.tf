# Users with a password, for upstream systems. Their secrets are made empty and filled by an operator, so that no password
# is in a plan or a state file; MSK takes a user when its secret is filled.

# MSK takes only secrets whose names begin so, under a key of one's own
resource "aws_secretsmanager_secret" "scram" {
  for_each                = toset(keys(var.scram_users))
  name                    = "AmazonMSK_${var.name}-${each.key}"
  description             = "Kafka user ${each.key}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.production ? 30 : 7
}

# MSK reads the secrets itself
resource "aws_secretsmanager_secret_policy" "scram" {
  for_each   = aws_secretsmanager_secret.scram
  secret_arn = each.value.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Kafka"
      Effect    = "Allow"
      Principal = { Service = "kafka.amazonaws.com" }
      Action    = "secretsmanager:GetSecretValue"
      Resource  = each.value.arn
    }]
  })
}

resource "aws_msk_scram_secret_association" "this" {
  count           = anytrue(values(var.scram_users)) ? 1 : 0
  cluster_arn     = aws_msk_cluster.this.arn
  secret_arn_list = [for name, secret in aws_secretsmanager_secret.scram : secret.arn if var.scram_users[name]]
  depends_on      = [aws_secretsmanager_secret_policy.scram]
}
