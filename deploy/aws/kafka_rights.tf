# What each process may do in Kafka, as statements of its role: with IAM, MSK looks at no ACL.
# A test holds them to the table of rights in the code.

locals {
  transcribers = "scribe.transcribers"
  diarizers    = "scribe.diarizers"
  retries      = [for pair in setproduct([local.transcribers, local.diarizers], ["1m", "10m", "1h"]) : "${pair[0]}.retry.${pair[1]}"]

  kafka_rights = {
    relay = {
      reads  = []
      writes = ["scribe.jobs", "scribe.jobs.express", "scribe.control", "scribe.results", "scribe.enhancements"]
      groups = []
    }
    persist = {
      reads  = ["scribe.jobs", "scribe.jobs.express", "scribe.progress", "scribe.results", "scribe.enhancements", "scribe.tenants"]
      writes = ["scribe.persist.dlq"]
      groups = ["scribe.persist"]
    }
    enhance = {
      reads  = ["scribe.results"]
      writes = ["scribe.enhance.dlq"]
      groups = ["scribe.enhance"]
    }
    webhooks = {
      reads  = ["scribe.results", "scribe.enhancements"]
      writes = ["scribe.webhooks.dlq"]
      groups = ["scribe.webhooks"]
    }
    gpu = {
      reads = concat(local.retries, ["scribe.jobs", "scribe.jobs.express", "scribe.transcripts", "scribe.control", "scribe.tenants"])
      # results of replays that were asked for elsewhere go to scribe.results.NAME
      writes = concat(local.retries, [
        "scribe.transcripts", "scribe.results", "scribe.results.*", "scribe.progress", "scribe.transcribers.dlq", "scribe.diarizers.dlq",
      ])
      groups = [local.transcribers, local.diarizers]
    }
    operator = {
      reads  = ["scribe.*"]
      writes = ["scribe.*"]
      groups = ["scribe.*"]
    }
  }

  # arn:…:cluster/NAME/UUID becomes arn:…:topic/NAME/UUID/TOPIC
  kafka_of = { for kind in ["topic", "group", "transactional-id"] : kind => replace(module.kafka.arn, ":cluster/", ":${kind}/") }

  kafka_statements = {
    for process, rights in local.kafka_rights : process => [for statement in [
      {
        Sid      = "Brokers"
        Effect   = "Allow"
        Action   = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster", "kafka-cluster:WriteDataIdempotently"]
        Resource = [module.kafka.arn]
      },
      {
        Sid      = "Reads"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
        Resource = [for topic in rights.reads : "${local.kafka_of.topic}/${topic}"]
      },
      {
        Sid      = "Writes"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
        Resource = [for topic in rights.writes : "${local.kafka_of.topic}/${topic}"]
      },
      {
        Sid      = "Groups"
        Effect   = "Allow"
        Action   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
        Resource = [for group in rights.groups : "${local.kafka_of.group}/${group}"]
      },
      {
        Sid      = "Transactions"
        Effect   = "Allow"
        Action   = ["kafka-cluster:AlterTransactionalId", "kafka-cluster:DescribeTransactionalId"]
        Resource = process == "gpu" ? [for group in rights.groups : "${local.kafka_of["transactional-id"]}/scribe-gpu.${group}.*"] : []
      },
      {
        # the name that readers without a group give; no member ever joins it
        Sid      = "Readers"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeGroup"]
        Resource = process == "gpu" ? ["${local.kafka_of.group}/scribe.readers"] : []
      },
      {
        Sid    = "Topics"
        Effect = "Allow"
        Action = [
          "kafka-cluster:AlterTopic", "kafka-cluster:AlterTopicDynamicConfiguration",
          "kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopicDynamicConfiguration",
        ]
        Resource = process == "operator" ? ["${local.kafka_of.topic}/scribe.*"] : []
      },
      {
        # `scribe topics acls`, for users with a password
        Sid      = "Acls"
        Effect   = "Allow"
        Action   = ["kafka-cluster:AlterCluster"]
        Resource = process == "operator" ? [module.kafka.arn] : []
      },
    ] : statement if length(statement.Resource) > 0]
  }
}
