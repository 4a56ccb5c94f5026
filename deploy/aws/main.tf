# Scribe Rabbit on AWS, whole: network, stores, secrets, images, cluster. What runs on them is in services.tf.

data "aws_caller_identity" "this" {}
data "aws_region" "this" {}
data "aws_partition" "this" {}

locals {
  account_id = data.aws_caller_identity.this.account_id
  region     = data.aws_region.this.name
  partition  = data.aws_partition.this.partition
}

module "network" {
  source               = "./modules/network"
  name                 = var.name
  region               = local.region
  production           = var.production
  cidr                 = var.cidr
  availability_zones   = var.availability_zones
  nat_gateway_per_zone = var.nat_gateway_per_zone
  log_days             = var.log_days
  kms_key_arn          = aws_kms_key.this.arn
}

module "load_balancer" {
  source                   = "./modules/load_balancer"
  name                     = var.name
  production               = var.production
  vpc_id                   = module.network.vpc_id
  subnet_ids               = var.internet_facing ? module.network.public_subnet_ids : module.network.private_subnet_ids
  internet_facing          = var.internet_facing
  allowed_cidrs            = var.allowed_cidrs
  certificate_arn          = var.certificate_arn
  target_port              = local.api_port
  target_security_group_id = aws_security_group.tasks["api"].id
  log_bucket               = module.storage.log_bucket
  deletion_protection      = var.deletion_protection
  web_acl_arn              = var.web_acl_arn
}

module "cdn" {
  source          = "./modules/cdn"
  count           = var.cdn == null ? 0 : 1
  name            = var.name
  public_host     = var.public_host
  origin          = module.load_balancer.dns_name
  certificate_arn = var.cdn.certificate_arn
  web_acl_arn     = var.cdn.web_acl_arn
}

module "database" {
  source                      = "./modules/database"
  name                        = var.name
  partition                   = local.partition
  region                      = local.region
  production                  = var.production
  vpc_id                      = module.network.vpc_id
  subnet_ids                  = module.network.data_subnet_ids
  rotation_subnet_ids         = module.network.private_subnet_ids
  password                    = var.database_password
  kms_key_arn                 = aws_kms_key.this.arn
  instance_class              = var.database.instance_class
  storage_gb                  = var.database.storage_gb
  max_storage_gb              = var.database.max_storage_gb
  multi_az                    = var.database.multi_az
  replica                     = var.database.replica
  backup_days                 = var.database.backup_days
  password_days               = var.database.password_days
  final_snapshot              = var.database.final_snapshot
  performance_insights        = var.database.performance_insights
  deletion_protection         = var.deletion_protection
  endpoints_security_group_id = module.network.endpoints_security_group_id
  client_security_group_ids = {
    for name in ["api", "worker", "outbound"] : name => aws_security_group.tasks[name].id
  }
}

module "kafka" {
  source           = "./modules/kafka"
  name             = var.name
  production       = var.production
  vpc_id           = module.network.vpc_id
  subnet_ids       = module.network.data_subnet_ids
  kafka_version    = var.kafka.version
  instance_type    = var.kafka.instance_type
  brokers_per_zone = var.kafka.brokers_per_zone
  storage_gb       = var.kafka.storage_gb
  max_storage_gb   = var.kafka.max_storage_gb
  scram_users      = var.kafka.scram_users
  client_cidrs     = var.kafka.client_cidrs
  log_days         = var.log_days
  kms_key_arn      = aws_kms_key.this.arn
  client_security_group_ids = {
    for name in ["worker", "gpu"] : name => aws_security_group.tasks[name].id
  }
}

module "storage" {
  source              = "./modules/storage"
  bucket              = var.bucket
  partition           = local.partition
  account_id          = local.account_id
  production          = var.production
  kms_key_arn         = aws_kms_key.this.arn
  versioning          = var.bucket_versioning
  retention_days      = var.object_retention_days
  log_days            = var.log_days
  deletion_protection = var.deletion_protection
}

module "registry" {
  source              = "./modules/registry"
  name                = var.name
  production          = var.production
  kms_key_arn         = aws_kms_key.this.arn
  deletion_protection = var.deletion_protection
}

module "secrets" {
  source             = "./modules/secrets"
  name               = var.name
  partition          = local.partition
  region             = local.region
  account_id         = local.account_id
  production         = var.production
  secrets            = local.secrets
  kms_key_arn        = aws_kms_key.this.arn
  cluster_name       = var.name
  services           = local.service_names
  rotated_secret_arn = module.database.password_secret_arn
  log_days           = var.log_days
}

module "cluster" {
  source                 = "./modules/cluster"
  name                   = var.name
  gpu_capacity_providers = [for pool in module.gpu_pool : pool.capacity_provider]
  log_days               = var.log_days
  kms_key_arn            = aws_kms_key.this.arn
}

module "gpu_pool" {
  source               = "./modules/gpu_pool"
  for_each             = var.gpu_pools
  name                 = "${var.name}-${each.key}"
  partition            = local.partition
  cluster_name         = var.name
  vpc_id               = module.network.vpc_id
  vpc_cidr             = module.network.cidr
  s3_prefix_list_id    = module.network.s3_prefix_list_id
  subnet_ids           = module.network.private_subnet_ids
  instance_types       = each.value.instance_types
  on_demand_base       = each.value.on_demand_base
  on_demand_percentage = each.value.on_demand_percentage
  max_instances        = each.value.max_instances
  disk_gb              = each.value.disk_gb
  stop_timeout         = local.gpu_stop_timeout
  kms_key_arn          = aws_kms_key.this.arn
}
