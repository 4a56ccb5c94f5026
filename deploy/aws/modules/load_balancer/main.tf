# The one way in: HTTPS to the REST shim, plain HTTP redirected, targets judged by /health.

resource "aws_security_group" "this" {
  name        = "${var.name}-load-balancer"
  description = "Load balancer of the REST shim"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-load-balancer" }

  lifecycle {
    precondition {
      condition     = var.internet_facing || !anytrue([for cidr in var.allowed_cidrs : can(regex("/0$", cidr))])
      error_message = "allowed_cidrs is open to the whole internet: say internet_facing = true if you mean it, or name your networks."
    }
  }
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  for_each          = var.allowed_cidrs
  security_group_id = aws_security_group.this.id
  description       = "HTTPS from clients"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "http" {
  for_each          = var.allowed_cidrs
  security_group_id = aws_security_group.this.id
  description       = "HTTP, which is only redirected"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "targets" {
  security_group_id            = aws_security_group.this.id
  description                  = "To the REST shim and nowhere else"
  referenced_security_group_id = var.target_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.target_port
  to_port                      = var.target_port
}

resource "aws_lb" "this" {
  name                       = var.name
  internal                   = !var.internet_facing
  load_balancer_type         = "application"
  subnets                    = var.subnet_ids
  security_groups            = [aws_security_group.this.id]
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  enable_deletion_protection = var.deletion_protection
  # longer than the shim lets a request wait for its job (SCRIBE_API_WAIT_SECONDS), shorter than an hour of an upload that stalls
  idle_timeout = 600

  access_logs {
    bucket  = var.log_bucket
    prefix  = "load-balancer"
    enabled = true
  }

  lifecycle {
    precondition {
      condition     = !var.production || var.deletion_protection
      error_message = "Production needs deletion_protection = true for the load balancer."
    }
  }
}

resource "aws_lb_target_group" "api" {
  name_prefix = "api-"
  port        = var.target_port
  # within the VPC; TLS ends at the load balancer
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 30

  health_check {
    path                = "/health"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = var.tls_policy
  certificate_arn   = var.certificate_arn

  routing_http_response_strict_transport_security_header_value = "max-age=31536000; includeSubDomains"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"
    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

# figures of processes are for the operators, who reach the tasks themselves
resource "aws_lb_listener_rule" "no_metrics" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 1

  condition {
    path_pattern {
      values = ["/metrics", "/readyz"]
    }
  }

  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "not found"
      status_code  = "404"
    }
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  count        = var.web_acl_arn == null ? 0 : 1
  resource_arn = aws_lb.this.arn
  web_acl_arn  = var.web_acl_arn
}
