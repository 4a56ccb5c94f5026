output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Addresses of the VPC."
  value       = var.cidr
}

output "public_subnet_ids" {
  description = "Subnets of the load balancer."
  value       = [for subnet in aws_subnet.public : subnet.id]
}

output "private_subnet_ids" {
  description = "Subnets of the tasks."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "data_subnet_ids" {
  description = "Subnets of the database and the brokers, without a way out."
  value       = [for subnet in aws_subnet.data : subnet.id]
}

output "endpoints_security_group_id" {
  description = "Security group of the endpoints."
  value       = aws_security_group.endpoints.id
}

output "s3_prefix_list_id" {
  description = "Addresses of S3, for security groups that allow nothing else outside."
  value       = aws_vpc_endpoint.s3.prefix_list_id
}
