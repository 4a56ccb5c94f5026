output "target_group_arn" {
  description = "Where tasks of the REST shim register."
  value       = aws_lb_target_group.api.arn
  # a service may only use a target group that a listener forwards to
  depends_on = [aws_lb_listener.https]
}

output "security_group_id" {
  description = "Security group of the load balancer."
  value       = aws_security_group.this.id
}

output "dns_name" {
  description = "Address for the record of your public name."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Hosted zone of that address, for an alias record."
  value       = aws_lb.this.zone_id
}

output "arn_suffix" {
  description = "Name of the load balancer in metrics."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffix" {
  description = "Name of the target group in metrics."
  value       = aws_lb_target_group.api.arn_suffix
}
