# The way in and the network: HTTPS only, no task with a public address, data without a way out.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                     = "scribe"
  region                   = "eu-central-1"
  production               = true
  availability_zones       = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  nat_gateway_per_zone     = true
  log_days                 = 90
  vpc_id                   = "vpc-0a1b2c3d"
  subnet_ids               = ["subnet-1", "subnet-2", "subnet-3"]
  internet_facing          = true
  allowed_cidrs            = ["0.0.0.0/0"]
  certificate_arn          = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d"
  target_port              = 8000
  target_security_group_id = "sg-1"
  log_bucket               = "scribe-objects-example-logs"
  deletion_protection      = true
  public_host              = "scribe.example.org"
  origin                   = "mock.eu-central-1.elb.amazonaws.com"
  kms_key_arn              = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
}

run "load_balancer" {
  command = plan
  module { source = "./modules/load_balancer" }

  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && startswith(aws_lb_listener.https.ssl_policy, "ELBSecurityPolicy-TLS13-1-2")
    error_message = "clients speak TLS 1.2 or 1.3"
  }
  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "redirect" && aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS"
    error_message = "plain HTTP is only redirected"
  }
  assert {
    condition     = aws_lb_target_group.api.health_check[0].path == "/health" && aws_lb_target_group.api.health_check[0].matcher == "200"
    error_message = "targets are judged by /health"
  }
  assert {
    condition     = aws_lb.this.drop_invalid_header_fields && aws_lb.this.desync_mitigation_mode == "strictest"
    error_message = "requests that servers read differently are refused"
  }
  assert {
    condition     = aws_lb.this.enable_deletion_protection && aws_lb.this.access_logs[0].enabled
    error_message = "it is not deleted by mistake, and logs who called"
  }
  assert {
    condition     = toset(aws_lb_listener_rule.no_metrics.action[*].type) == toset(["fixed-response"]) && contains(flatten([for each in aws_lb_listener_rule.no_metrics.condition : [for pattern in each.path_pattern : tolist(pattern.values)]]), "/metrics")
    error_message = "strangers see no metrics"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.targets.referenced_security_group_id == "sg-1" && aws_vpc_security_group_egress_rule.targets.from_port == 8000
    error_message = "it calls the shim and nobody else"
  }
}

run "an_open_security_group_is_refused_unless_it_is_meant" {
  command = plan
  module { source = "./modules/load_balancer" }
  variables { internet_facing = false }
  expect_failures = [aws_security_group.this]
}

run "a_load_balancer_without_a_certificate_is_refused" {
  command = plan
  module { source = "./modules/load_balancer" }
  variables { certificate_arn = "" }
  expect_failures = [var.certificate_arn]
}

run "old_tls_is_refused" {
  command = plan
  module { source = "./modules/load_balancer" }
  variables { tls_policy = "ELBSecurityPolicy-2016-08" }
  expect_failures = [var.tls_policy]
}

run "production_without_deletion_protection_is_refused" {
  command = plan
  module { source = "./modules/load_balancer" }
  variables { deletion_protection = false }
  expect_failures = [aws_lb.this]
}

run "network" {
  command = plan
  module { source = "./modules/network" }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "nothing gets a public address by itself"
  }
  assert {
    condition     = length(distinct(concat([for subnet in aws_subnet.public : subnet.cidr_block], [for subnet in aws_subnet.private : subnet.cidr_block], [for subnet in aws_subnet.data : subnet.cidr_block]))) == 9
    error_message = "there are three kinds of subnets in three zones"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 3
    error_message = "each zone has a NAT gateway of its own"
  }
  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway"
    error_message = "recordings take the gateway to S3, not NAT"
  }
  assert {
    condition     = length(setsubtract(["ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "kms", "logs", "secretsmanager", "sts"], keys(aws_vpc_endpoint.interface))) == 0
    error_message = "AWS's services are called within the VPC"
  }
  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "by their usual names"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.endpoints.cidr_ipv4 == "10.40.0.0/16"
    error_message = "and from within the VPC only"
  }
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow.kms_key_id == var.kms_key_arn
    error_message = "connections are logged, encrypted"
  }
}

run "one_nat_gateway_in_a_trial" {
  command = plan
  module { source = "./modules/network" }
  variables {
    production           = false
    nat_gateway_per_zone = false
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 3
    error_message = "all zones share it"
  }
}

run "production_with_one_nat_gateway_is_refused" {
  command = plan
  module { source = "./modules/network" }
  variables { nat_gateway_per_zone = false }
  expect_failures = [aws_vpc.this]
}

run "a_public_network_is_refused" {
  command = plan
  module { source = "./modules/network" }
  variables { cidr = "203.0.113.0/20" }
  expect_failures = [var.cidr]
}

run "one_zone_is_refused" {
  command = plan
  module { source = "./modules/network" }
  variables { availability_zones = ["eu-central-1a"] }
  expect_failures = [var.availability_zones]
}

run "cdn" {
  command = plan
  module { source = "./modules/cdn" }
  variables { certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d" }

  assert {
    condition     = aws_cloudfront_distribution.this.default_cache_behavior[0].cache_policy_id == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    error_message = "no answer of the service is cached"
  }
  assert {
    condition     = one(aws_cloudfront_distribution.this.origin).custom_origin_config[0].origin_protocol_policy == "https-only"
    error_message = "the origin is called over TLS"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021"
    error_message = "viewers speak TLS 1.2 at least"
  }
  assert {
    condition     = alltrue([for behavior in aws_cloudfront_distribution.this.ordered_cache_behavior : !startswith(behavior.path_pattern, "/api")])
    error_message = "only pages of the documentation are cached"
  }
}

run "a_certificate_of_another_region_is_refused_for_the_cdn" {
  command = plan
  module { source = "./modules/cdn" }
  expect_failures = [var.certificate_arn]
}
