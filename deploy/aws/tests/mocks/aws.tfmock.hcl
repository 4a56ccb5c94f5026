# What AWS would give back: identifiers of the right form, so that what is made of them can be looked at before there is any.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_region" {
  defaults = { name = "eu-central-1" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_resource "aws_vpc" {
  defaults = { id = "vpc-0a1b2c3d" }
}

mock_resource "aws_vpc_endpoint" {
  defaults = { prefix_list_id = "pl-0a1b2c3d" }
}

mock_resource "aws_security_group" {
  defaults = { id = "sg-0a1b2c3d" }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn    = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"
    key_id = "0a1b2c3d-0000-4000-8000-000000000000"
  }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mock" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
}

mock_resource "aws_iam_instance_profile" {
  defaults = { arn = "arn:aws:iam::123456789012:instance-profile/mock" }
}

mock_resource "aws_lb" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/mock/0a1b2c3d4e5f6071"
    arn_suffix = "app/mock/0a1b2c3d4e5f6071"
    dns_name   = "mock.eu-central-1.elb.amazonaws.com"
    zone_id    = "Z00000000000"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/mock/0a1b2c3d4e5f6071"
    arn_suffix = "targetgroup/mock/0a1b2c3d4e5f6071"
  }
}

mock_resource "aws_lb_listener" {
  defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/mock/0a1b2c3d4e5f6071/1a1b2c3d4e5f6071" }
}

mock_resource "aws_db_instance" {
  defaults = {
    address = "mock.eu-central-1.rds.amazonaws.com"
  }
}

mock_resource "aws_msk_configuration" {
  defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:configuration/mock/0a1b2c3d-0000-4000-8000-000000000000-1", latest_revision = 1 }
}

mock_resource "aws_msk_cluster" {
  defaults = {
    arn                          = "arn:aws:kafka:eu-central-1:123456789012:cluster/scribe/0a1b2c3d-0000-4000-8000-000000000000-1"
    bootstrap_brokers_sasl_iam   = "b-1.mock:9098,b-2.mock:9098,b-3.mock:9098"
    bootstrap_brokers_sasl_scram = "b-1.mock:9096,b-2.mock:9096,b-3.mock:9096"
  }
}

mock_resource "aws_secretsmanager_secret" {
  defaults = {
    id  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mock-AbCdEf"
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mock-AbCdEf"
  }
}

mock_resource "aws_s3_bucket" {
  defaults = { id = "mock-bucket" }
}

mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:eu-central-1:123456789012:repository/mock"
    repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mock"
  }
}

mock_resource "aws_ecs_cluster" {
  defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/mock" }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mock:1" }
}

mock_resource "aws_autoscaling_group" {
  defaults = { arn = "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:0a1b2c3d-0000-4000-8000-000000000000:autoScalingGroupName/mock" }
}

mock_resource "aws_launch_template" {
  defaults = { id = "lt-0a1b2c3d4e5f60718" }
}

mock_resource "aws_appautoscaling_policy" {
  defaults = { arn = "arn:aws:autoscaling:eu-central-1:123456789012:scalingPolicy:0a1b2c3d-0000-4000-8000-000000000000:resource/ecs/service/mock:policyName/mock" }
}

mock_resource "aws_sfn_state_machine" {
  defaults = { arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:mock" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:mock" }
}

mock_resource "aws_nat_gateway" {
  defaults = { id = "nat-0a1b2c3d4e5f60718" }
}

mock_resource "aws_db_parameter_group" {
  defaults = { name = "scribe-20260131" }
}

mock_resource "aws_serverlessapplicationrepository_cloudformation_stack" {
  defaults = {
    outputs = { RotationLambdaARN = "arn:aws:lambda:eu-central-1:123456789012:function:mock" }
  }
}
