# Who may call whom. Tasks are called by nobody but the load balancer, and call nobody that is not named here.

locals {
  # the groups of tasks: the shim, what works on data, what calls strangers, and GPU tasks, which fetch recordings
  groups = {
    api      = { database = true, kafka = false, strangers = false }
    worker   = { database = true, kafka = true, strangers = false }
    outbound = { database = true, kafka = false, strangers = true }
    gpu      = { database = false, kafka = true, strangers = true }
  }
  strangers = {
    for pair in setproduct([for name, group in local.groups : name if group.strangers], var.egress_cidrs) :
    "${pair[0]} to ${pair[1]}" => { group = pair[0], cidr = pair[1] }
  }
}

resource "aws_security_group" "tasks" {
  for_each    = local.groups
  name        = "${var.name}-${each.key}"
  description = "Tasks: ${each.key}"
  vpc_id      = module.network.vpc_id
  tags        = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  security_group_id            = aws_security_group.tasks["api"].id
  description                  = "From the load balancer"
  referenced_security_group_id = module.load_balancer.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  for_each                     = local.groups
  security_group_id            = aws_security_group.tasks[each.key].id
  description                  = "AWS services by way of the VPC's endpoints"
  referenced_security_group_id = module.network.endpoints_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  for_each          = local.groups
  security_group_id = aws_security_group.tasks[each.key].id
  description       = "S3: objects, and layers of images"
  prefix_list_id    = module.network.s3_prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "database" {
  for_each                     = { for name, group in local.groups : name => group if group.database }
  security_group_id            = aws_security_group.tasks[each.key].id
  description                  = "PostgreSQL"
  referenced_security_group_id = module.database.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_egress_rule" "kafka" {
  for_each                     = { for name, group in local.groups : name => group if group.kafka }
  security_group_id            = aws_security_group.tasks[each.key].id
  description                  = "Kafka by IAM"
  referenced_security_group_id = module.kafka.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 9098
  to_port                      = 9098
}

# recordings, webhooks, enhanced AI, models: HTTPS only, and the service checks each address itself
resource "aws_vpc_security_group_egress_rule" "strangers" {
  for_each          = local.strangers
  security_group_id = aws_security_group.tasks[each.value.group].id
  description       = "HTTPS to addresses that strangers name"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
