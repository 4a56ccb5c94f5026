# The password of the database: given once at the first apply, made anew at once and then regularly by the function that
# AWS publishes for this, which runs in our network and reaches nothing but the database and Secrets Manager.

resource "aws_secretsmanager_secret" "password" {
  name                    = "${var.name}/database"
  description             = "User and password of the database"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.production ? 30 : 7
}

# the form that the function expects
resource "aws_secretsmanager_secret_version" "password" {
  secret_id = aws_secretsmanager_secret.password.id
  secret_string_wo = jsonencode({
    engine   = "postgres"
    host     = aws_db_instance.primary.address
    port     = local.port
    dbname   = aws_db_instance.primary.db_name
    username = aws_db_instance.primary.username
    password = var.password
  })
  secret_string_wo_version = 1
}

resource "aws_security_group" "rotation" {
  name        = "${var.name}-rotation"
  description = "Rotation of the database's password"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-rotation" }
}

resource "aws_vpc_security_group_egress_rule" "rotation_database" {
  security_group_id            = aws_security_group.rotation.id
  description                  = "PostgreSQL"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "rotation_secrets" {
  security_group_id            = aws_security_group.rotation.id
  description                  = "Secrets Manager by way of the VPC's endpoint"
  referenced_security_group_id = var.endpoints_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_ingress_rule" "rotation" {
  security_group_id            = aws_security_group.this.id
  description                  = "PostgreSQL from rotation"
  referenced_security_group_id = aws_security_group.rotation.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_serverlessapplicationrepository_cloudformation_stack" "rotation" {
  name           = "${var.name}-rotation"
  application_id = "arn:aws:serverlessrepo:us-east-1:297356227824:applications/SecretsManagerRDSPostgreSQLRotationSingleUser"
  capabilities   = ["CAPABILITY_IAM", "CAPABILITY_RESOURCE_POLICY"]

  parameters = {
    functionName        = "${var.name}-rotation"
    endpoint            = "https://secretsmanager.${var.region}.amazonaws.com"
    kmsKeyArn           = var.kms_key_arn
    vpcSubnetIds        = join(",", var.rotation_subnet_ids)
    vpcSecurityGroupIds = aws_security_group.rotation.id
  }
}

resource "aws_secretsmanager_secret_rotation" "password" {
  secret_id           = aws_secretsmanager_secret.password.id
  rotation_lambda_arn = aws_serverlessapplicationrepository_cloudformation_stack.rotation.outputs["RotationLambdaARN"]
  # what was given at the first apply is of no use a few minutes later
  rotate_immediately = true

  rotation_rules {
    automatically_after_days = var.password_days
  }

  depends_on = [aws_secretsmanager_secret_version.password]
}
