output "keys" {
  description = "The keys by kind of data, usable as soon as they are read here."
  value       = { for name, key in google_kms_crypto_key.this : name => key.id }
  depends_on  = [google_kms_crypto_key_iam_member.this]
}
