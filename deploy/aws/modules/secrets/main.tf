# Secrets of the processes: made empty, filled by an operator, so that no value is in a plan or a state file.

resource "aws_secretsmanager_secret" "this" {
  for_each                = var.secrets
  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.production ? 30 : 7
}

# what is not of this account reads none of them, whatever a role elsewhere is allowed
resource "aws_secretsmanager_secret_policy" "this" {
  for_each            = aws_secretsmanager_secret.this
  secret_arn          = each.value.arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyThisAccount"
      Effect    = "Deny"
      Principal = "*"
      Action    = "secretsmanager:GetSecretValue"
      Resource  = each.value.arn
      Condition = { StringNotEquals = { "aws:PrincipalAccount" = var.account_id } }
    }]
  })
}
