output "domain_name" {
  description = "Address for the record of your public name."
  value       = aws_cloudfront_distribution.this.domain_name
}

output "zone_id" {
  description = "Hosted zone of that address, for an alias record."
  value       = aws_cloudfront_distribution.this.hosted_zone_id
}
